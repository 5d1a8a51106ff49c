"""Floor 3: the faults of one file, collected while the rest is still read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tracer.diagnostics import Diagnostic, Related
from tracer.network.records import Declaration
from tracer.source.tree import Fault, span_of

Uses = tuple[Declaration, ...]
"""The block uses around a place, outermost first."""

T = TypeVar("T")


class Faults:
    """Collects faults; a block's fault is reported once, for the block's first use."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._found: list[tuple[Fault, Uses]] = []

    def add(self, fault: Fault, uses: Uses = ()) -> None:
        """Record a fault."""
        self._found.append((fault, uses))

    def guard(self, step: Callable[..., T], *arguments: Any) -> T | None:
        """Run one step; a fault in it is recorded, and the answer is None."""
        try:
            return step(*arguments)
        except Fault as fault:
            self.add(fault)
            return None

    def diagnostics(self) -> list[Diagnostic]:
        """Every fault once."""
        seen: dict[Any, Diagnostic] = {}
        for fault, uses in self._found:
            key = (fault.code, fault.span)
            if key not in seen or fault.span is None:
                seen[key] = self.diagnostic(fault, uses)
        return list(seen.values())

    def diagnostic(self, fault: Fault, uses: Uses = ()) -> Diagnostic:
        """A fault with its file and the block uses it came through, innermost first."""
        places = (Related(f"in the block used as {use.name!r} here", span_of(use.key)) for use in reversed(uses))
        return Diagnostic(
            code=fault.code,
            message=fault.message,
            span=fault.span,
            path=self.path,
            hint=fault.hint,
            related=(*fault.related, *places),
        )
