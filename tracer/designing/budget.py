"""The widest decoder that keeps a budget of parameters, or of multiply-accumulates."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from tracer.costs.operations import Cost, costs, total
from tracer.designing.appended import AFTER
from tracer.designing.decoder import Decoder, Wish, decoder, levels_of, usual_widths
from tracer.designing.skips import Encoder, Undesignable
from tracer.loading import load_text

UNITS = {64: 8, 16: 4}
"""From so many channels on they are multiples of a unit."""

WIDEST = 4096
"""Channels of the coarsest level, whatever the budget."""


class DecoderBudget(msgspec.Struct, frozen=True):
    """What a decoder, its head included, may have at most; None where nothing is said of it."""

    params: int | None = None
    macs: int | None = None

    def is_kept(self, cost: Cost) -> bool:
        """True for a decoder that has no more."""
        within_params = self.params is None or cost.params <= self.params
        within_macs = self.macs is None or cost.macs <= self.macs
        return within_params and within_macs

    def __str__(self) -> str:
        parts = {"parameters": self.params, "MACs": self.macs}
        return " and ".join(f"{n:,} {what}" for what, n in parts.items() if n is not None)


def widest(found: Encoder, wish: Wish, budget: DecoderBudget) -> Decoder:
    """The widest decoder that keeps a budget, its levels as wide against each other as is usual.

    Raises :class:`Undesignable` where the narrowest one has more.
    """
    usual = usual_widths(found, levels_of(found))
    why = f"the widest up to {WIDEST}, in the usual proportions, that keep {budget}"

    def made(channels: tuple[int, ...]) -> Decoder:
        return decoder(found, msgspec.structs.replace(wish, channels=channels, why=why))

    def is_kept(channels: tuple[int, ...]) -> bool:
        return budget.is_kept(cost_of(made(channels)))

    least = cost_of(made(scaled(usual, 1)))
    if not budget.is_kept(least):
        raise Undesignable(
            f"no channels keep {budget}; the narrowest decoder, of 1 channel at every level, has {least.params:,} "
            f"parameters and {least.macs:,} MACs"
        )

    # A wider decoder never costs less, so the widest is found by halving what is left.
    scales = sorted({_rounded(width) for width in range(1, WIDEST + 1)})
    place = bisect_left(scales, True, key=lambda scale: not is_kept(scaled(usual, scale)))
    widths = scaled(usual, scales[place - 1])

    # What is left of the budget widens single levels as far as the next scale, the coarsest first.
    for level, wider in enumerate(scaled(usual, scales[min(place, len(scales) - 1)])):
        grown = (*widths[:level], wider, *widths[level + 1 :])
        if grown != widths and is_kept(grown):
            widths = grown
    return made(widths)


def scaled(widths: Sequence[int], coarsest: int) -> tuple[int, ...]:
    """The widths in proportion, the coarsest as wide as is said, in numbers that are usual.

    >>> scaled([256, 128, 64, 32, 16], 328)
    (328, 160, 80, 40, 20)
    >>> scaled([256, 128, 64, 32, 16], 30)
    (28, 15, 7, 3, 1)
    """
    return tuple(_rounded(max(1, width * coarsest // widths[0])) for width in widths)


def _rounded(width: int) -> int:
    """The next usual number that is not larger."""
    unit = next((unit for least, unit in UNITS.items() if width >= least), 1)
    return width // unit * unit


def cost_of(designed: Decoder) -> Cost:
    """What the decoder and its head cost, at the declared sizes."""
    trace = load_text(designed.text, "<design>", {}).trace()
    found = costs(trace)
    own = {
        node.name: found[node.name]
        for node in trace.network.nodes
        if node.section in AFTER and node.name in found
    }
    return total(own)


def told_cost(designed: Decoder) -> str:
    """The cost in a sentence."""
    cost = cost_of(designed)
    return f"decoder and head: {cost.params:,} parameters, {cost.macs:,} MACs at the declared sizes"
