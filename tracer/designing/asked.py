"""Designs by the options that a user gives, from the command line or from Python, and which values these may have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from tracer.costs.operations import DTYPE_BYTES
from tracer.designing.appended import encoder_alone
from tracer.designing.budget import DecoderBudget, told_cost, widest
from tracer.designing.decoder import Wish, decoder
from tracer.designing.families import FamilyOptions, families, sizes_for
from tracer.designing.skips import encoder
from tracer.designing.style import ACTIVATIONS, MERGES, NORMS, UPS
from tracer.diagnostics import shortened
from tracer.net import Net
from tracer.network.values import did_you_mean

NUMBERS = {
    "dims": (1, 3),
    "depth": (1, 12),
    "base": (1, 4096),
    "in_channels": (1, 10**6),
    "classes": (1, 10**6),
    "convs": (1, 8),
    "batch": (1, 4096),
    "params": (1, 10**15),
    "macs": (1, 10**18),
    "memory": (1, 10**15),
}
"""The least and the largest value of each option that is a number."""

CHOICES: dict[str, tuple[str, ...]] = {
    "norm": NORMS,
    "activation": ACTIVATIONS,
    "merge": MERGES,
    "up": UPS,
    "padding": ("same", "valid"),
    "rule": ("memory", "nnunet"),
    "dtype": tuple(sorted(DTYPE_BYTES)),
}
"""The values of each option that is a word."""


class Designed(NamedTuple):
    """A config, and why it is as it is."""

    text: str
    reasons: list[str]


def family(
    name: str, options: FamilyOptions, sizes: Mapping[str, int], *, of_output: bool
) -> Designed:
    """A network of a family, for these sizes of its input; with ``of_output`` of its output. Raises Undesignable."""
    if not of_output:
        found = families[name](replace(options, sizes=sizes))
        return Designed(found.text, list(found.reasons))

    whole, told = sizes_for(name, options, sizes)
    found = families[name](whole)
    return Designed(found.text, [*found.reasons, *told])


def decoder_for(
    net: Net,
    wish: Wish,
    budget: DecoderBudget,
    skips: Sequence[str] | None,
    *,
    any_size: bool,
) -> Designed:
    """An encoder with a decoder behind it; ``skips`` are the nodes to tap. Raises Undesignable."""
    names = None if skips is None else list(skips)
    maps = encoder(encoder_alone(net, names or ()), names, net, any_size=any_size)
    has_budget = budget.params is not None or budget.macs is not None
    found = widest(maps, wish, budget) if has_budget else decoder(maps, wish)
    return Designed(found.text, [*found.reasons, told_cost(found)])


def refuse_options(given: Mapping[str, Any], known: Collection[str], kind: str) -> None:
    """Raises TypeError for an option that a design doesn't have, and ValueError for a value out of its range."""
    for name, value in given.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"its options: {', '.join(known)}"
            raise TypeError(f"a design of {kind} has no option {name!r}; {hint}")
        for fault in _faults(name, value):
            raise ValueError(fault)


def _faults(name: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    shown = shortened(repr(value), 60)
    if name in NUMBERS:
        least, most = NUMBERS[name]
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            yield f"{name} is a whole number from {least} to {most}, not {shown}"
    if name in CHOICES and value not in CHOICES[name]:
        yield f"{name} is one of {', '.join(CHOICES[name])}, not {shown}"
