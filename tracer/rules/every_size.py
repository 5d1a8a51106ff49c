"""Floor 7: T305, a size in ``sizes`` that the network does not take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tracer.diagnostics import Diagnostic, Related
from tracer.network.records import SizeRange

if TYPE_CHECKING:
    from tracer.api import Net

MOST = 100_000
"""Sizes of one symbol that are tried one by one."""


def not_every_size(net: Net) -> Iterator[Diagnostic]:
    """T305 for each symbol: the smallest size in ``sizes`` that fails, the others at their defaults, and what fails."""
    network = net.network
    for symbol, declared in network.sizes.items():
        if isinstance(declared, int) or symbol not in network.symbols:
            continue
        if isinstance(declared, SizeRange):
            last = declared.largest if declared.largest is not None else declared.least + MOST * declared.step
            sizes = range(declared.least, min(last + 1, declared.least + MOST * declared.step), declared.step)
        else:
            sizes = sorted(declared)  # type: ignore[assignment]
        for size in sizes:
            result = net.trace(**{symbol: size})
            if result.diagnostics:
                first = result.diagnostics[0]
                related = (Related(f"{first.code} {first.message}", first.span),) if first.span else ()
                message = f"{symbol} = {size} does not work: {first.message}"
                yield Diagnostic("T305", message, network.size_spans[symbol], path=network.path, related=related)
                break
