"""The faults of one file, collected while the rest is still read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

from tracer.diagnostics import Diagnostic, Related
from tracer.network.records import Declaration
from tracer.source import limits
from tracer.source.tree import Fault, Follows, span_of

Uses = tuple[Declaration, ...]
"""The block uses around a place, outermost first."""

T = TypeVar("T")


class Enough(Exception):
    """The file is read no further: it is too large, or has too many faults."""


class LocatedFault(NamedTuple):
    """A fault, the block uses that it came through, and the node that it is about."""

    fault: Fault
    uses: Uses = ()
    node: str | None = None
    """The node's name in the network; None for what is about no single one."""


class Faults:
    """Collects faults; a block's fault is reported once, for the block's first use."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._found: dict[Any, LocatedFault] = {}
        self._muted: set[str] = set()

    def add(self, fault: Fault, uses: Uses = (), node: str | None = None) -> None:
        """Record a fault. Raises :class:`Enough` where there are too many."""
        if isinstance(fault, Follows) or fault.code in self._muted:
            return
        key = (fault.code, fault.span)
        if key in self._found and fault.span is not None:
            return
        if len(self._found) >= limits.FAULTS:
            message = f"more than {limits.FAULTS} faults; fix these to see the rest"
            self.stop(Fault("T006", message, fault.span))
        self._found[key] = LocatedFault(fault, uses, node)

    def stop(self, fault: Fault, uses: Uses = ()) -> NoReturn:
        """Record a last fault and raise :class:`Enough`."""
        self._found[(fault.code, fault.span)] = LocatedFault(fault, uses)
        raise Enough

    @property
    def none(self) -> bool:
        """True while no fault is found."""
        return not self._found

    def mute(self, *codes: str) -> None:
        """Report no more faults of these codes: they would follow from one that is reported."""
        self._muted.update(codes)

    def guard(self, step: Callable[..., T], *arguments: Any) -> T | None:
        """Run one step; a fault in it is recorded, and the answer is None."""
        try:
            return step(*arguments)
        except Fault as fault:
            self.add(fault)
            return None

    def diagnostics(self) -> list[Diagnostic]:
        """Every fault once."""
        return [self.diagnostic(found) for found in self._found.values()]

    def diagnostic(self, found: LocatedFault) -> Diagnostic:
        """A fault with its file and the block uses it came through, innermost first."""
        fault = found.fault
        places = (
            Related(f"in the block used as {use.name!r} here", span_of(use.key))
            for use in reversed(found.uses)
        )
        return Diagnostic(
            code=fault.code,
            message=fault.message,
            span=fault.span,
            path=self.path,
            hint=fault.hint,
            related=(*fault.related, *places),
            node=found.node,
        )
