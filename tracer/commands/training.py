"""The options of a training step: how a network is trained, and how much memory there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from tracer.commands.options import Bytes
from tracer.costs.operations import DTYPE_BYTES
from tracer.costs.optimizers import OPTIMIZERS
from tracer.costs.regions import NoRegion
from tracer.costs.training_step import Training
from tracer.designing.fitting import DEFAULT_MARGIN, Fit, fit
from tracer.designing.largest import Largest, largest
from tracer.diagnostics import shortened
from tracer.net import Net
from tracer.sizing.size_set import TooLarge

F = TypeVar("F", bound=Callable[..., Any])


_PERCENT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,6})?) ?%?")


class Percent(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A part of a whole: 10%."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        if isinstance(value, Fraction):
            return value
        match = _PERCENT.fullmatch(str(value).strip())
        if match is None or Fraction(match[1]) > 1000:
            return self.fail(
                f"{shortened(str(value), 40)!r} is no percentage from 0 to 1000 such as 10%",
                param,
                ctx,
            )
        return Fraction(match[1]) / 100


class StepWish(NamedTuple):
    """What the command line says of a training step."""

    training: Training
    margin: Fraction
    budget: int | None
    batch: int | None
    is_shown: bool
    """Whether anything of a training step was asked for."""


OPTIONS = (
    click.option(
        "--dtype",
        type=click.Choice(list(DTYPE_BYTES)),
        default="float32",
        show_default=True,
        help="The type of the maps and weights.",
    ),
    click.option(
        "--memory",
        "budget",
        type=Bytes(),
        metavar="BYTES",
        help="Also show whether a training step fits, and the largest sizes that do: 8GiB, 500MB.",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(list(OPTIMIZERS)),
        help="Also show what a training step takes with it.  [default: sgd]",
    ),
    click.option(
        "--amp",
        type=click.Choice(["float16", "bfloat16"]),
        help="A training step under torch.autocast to this type, the weights in float32.",
    ),
    click.option(
        "--checkpoint",
        "checkpoints",
        multiple=True,
        metavar="NODE",
        help="A training step that makes the maps of a block, a node or a span FIRST..LAST again: enc1,enc2.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(1, 2**31 - 1),
        metavar="N",
        help="The size of the batch: --size of the symbol that is first in every input.",
    ),
    click.option(
        "--margin",
        type=Percent(),
        default=DEFAULT_MARGIN,
        metavar="PERCENT",
        help="What is added for workspaces and fragmentation.  [default: 10%]",
    ),
)


def training_options(command: F) -> F:
    """The options of a training step; the command takes them as ``asked``, and ``dtype``."""

    @wraps(command)
    def with_asked(*args: Any, **given: Any) -> Any:
        names = ("budget", "optimizer", "amp", "checkpoints", "batch", "margin")
        asked = _asked(given["dtype"], *(given.pop(name) for name in names))
        return command(*args, asked=asked, **given)

    wrapped: Any = with_asked
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def _asked(
    dtype: str,
    budget: int | None,
    optimizer: str | None,
    amp: str | None,
    checkpoints: tuple[str, ...],
    batch: int | None,
    margin: Fraction,
) -> StepWish:
    if amp is not None and dtype != "float32":
        raise click.UsageError(f"--amp keeps the weights in float32, --dtype says {dtype}")

    names = tuple(name.strip() for text in checkpoints for name in text.split(","))
    training = Training(optimizer or "sgd", dtype, amp, names)
    is_shown = budget is not None or optimizer is not None or amp is not None or bool(names)
    return StepWish(training, margin, budget, batch, is_shown)


def with_batch(net: Net, batch: int | None) -> Net:
    """The network with another size of its batch."""
    if batch is None:
        return net

    first = {node.pattern[0] for node in net.network.nodes if node.is_input and node.pattern}
    symbol = first.pop() if len(first) == 1 else None
    if not isinstance(symbol, str):
        raise click.UsageError("--batch: no symbol is the first dim of every input")
    return net.with_sizes({symbol: batch})


def fitting(net: Net, asked: StepWish) -> Fit | None:
    """What a training step takes; None where nobody asked, and where a node has no shape."""
    if not asked.is_shown:
        return None
    try:
        return fit(net.trace(), asked.training, asked.margin, asked.budget)
    except NoRegion as error:
        raise click.UsageError(f"--checkpoint: {error}") from None


def largest_fitting(net: Net, asked: StepWish) -> Largest | None:
    """The largest sizes that fit; None without a memory."""
    if asked.budget is None:
        return None
    try:
        return largest(net, asked.budget, asked.training, asked.margin)
    except TooLarge as error:
        raise click.UsageError(f"--memory: {error}") from None
