"""The widest decoder that keeps a budget of parameters, or of multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracer.costs.operations import Cost, costs, total
from tracer.design.appended import AFTER
from tracer.design.decoder import Decoder, Wish, decoder, levels_of, usual_widths
from tracer.design.skips import Encoder, Undesignable
from tracer.loading import load_text

STEP = 8
"""Channels are multiples of it, from it on."""

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
    why = f"the widest, in the usual proportions, that keep {budget}"

    def made(scale: int) -> Decoder:
        channels = scaled(usual, scale)
        return decoder(found, msgspec.structs.replace(wish, channels=channels, why=why))

    best = made(1)
    least = cost_of(best)
    if not budget.is_kept(least):
        raise Undesignable(
            f"no decoder has at most {budget}; the narrowest, of 1 channel at every level, has {least.params:,} "
            f"parameters and {least.macs:,} MACs"
        )

    # A wider decoder never costs less, so the widest is found by halving what is left.
    scales = [*range(2, STEP), *range(STEP, WIDEST + 1, STEP)]
    low, high = 0, len(scales)
    while low < high:
        middle = (low + high) // 2
        tried = made(scales[middle])
        if budget.is_kept(cost_of(tried)):
            best, low = tried, middle + 1
        else:
            high = middle
    return best


def scaled(widths: Sequence[int], coarsest: int) -> tuple[int, ...]:
    """The widths in proportion, the coarsest as wide as is said: multiples of 8, or less than 8.

    >>> scaled([256, 128, 64, 32, 16], 328)
    (328, 160, 80, 40, 16)
    >>> scaled([256, 128, 64, 32, 16], 64)
    (64, 32, 16, 8, 4)
    """
    exact = [max(1, width * coarsest // widths[0]) for width in widths]
    return tuple(width if width < STEP else width // STEP * STEP for width in exact)


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
