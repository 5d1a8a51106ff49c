"""``tracer design``: writes a config: the decoder for an encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracer.commands.options import (
    Bytes,
    F,
    Overrides,
    files,
    is_size,
    shown,
    source_options,
    write_output,
)
from tracer.commands.reading import Reading, complain, loaded, read_text
from tracer.commands.waiting import waiting
from tracer.costs.operations import DTYPE_BYTES
from tracer.designing.style import ACTIVATIONS, MERGES, NORMS, UPS
from tracer.diagnostics import Diagnostic, TracerError, shortened

if TYPE_CHECKING:
    from tracer.diagnostics import Diagnostic
from tracer.geometry.grids import spatial_symbols
from tracer.net import Net


class Whole(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Whole numbers from 1 on, separated by commas."""

    name = "numbers"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(is_size(part) and 1 <= int(part) < 10**6 for part in parts):
            return self.fail(
                f"{shortened(str(value), 60)!r} is no list of numbers such as 64,128",
                param,
                ctx,
            )
        return tuple(map(int, parts))


class SizePerAxis(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """One size for every axis, or one for each symbol: 256, H=500,W=375."""

    name = "sizes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in str(value).split(","):
            symbol, sign, text = part.rpartition("=")
            if (
                not is_size(text.strip())
                or not 1 <= int(text) < 10**9
                or bool(sign) != bool(symbol.strip())
                or symbol.strip() in found
            ):
                return self.fail(
                    f"{shortened(str(value), 60)!r} is neither a size such as 256 nor sizes such as H=500,W=375",
                    param,
                    ctx,
                )
            found[symbol.strip()] = int(text)
        return found


class Count(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number of things: 5M, 10G, 1.5M, 20000."""

    name = "count"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        match = _COUNT.fullmatch(str(value).strip())
        found = (
            int(Decimal(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))
            if match
            else 0
        )
        if not found:
            message = f"{shortened(str(value), 60)!r} is no number such as 5M or 10G"
            return self.fail(message, param, ctx)
        return found


_COUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kKMGT]?)")


@click.group("design", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Write a config: the decoder for an encoder, or a whole network of a known family."""


def style_options(function: Any) -> Any:
    """The options of every design: output, classes, activation, norm."""
    for option in (
        click.option(
            "-o",
            "--output",
            type=click.Path(dir_okay=False),
            help="The file to write; or standard output.",
        ),
        click.option(
            "--classes",
            type=click.IntRange(1, 10**6),
            default=2,
            show_default=True,
            help="Of the head.",
        ),
        click.option(
            "--activation",
            type=click.Choice(ACTIVATIONS, case_sensitive=False),
            default="ReLU",
            show_default=True,
        ),
        click.option("--norm", type=click.Choice(NORMS), default="batch", show_default=True),
    ):
        function = option(function)
    return function


def up_option(kinds: Sequence[str]) -> Callable[[F], F]:
    """``--up``: one of these kinds, the first if nothing is said."""
    return click.option(
        "--up",
        type=click.Choice(kinds),
        default=kinds[0],
        show_default=True,
        help="The decoder's up-layers.",
    )


@command.command("decoder")
@click.argument("encoder", shell_complete=files)
@click.option(
    "--skips",
    metavar="NODE,...",
    help="The nodes to tap; otherwise the last node of each resolution.",
)
@click.option(
    "--merge",
    type=click.Choice(MERGES),
    default="concat",
    show_default=True,
    help="How skips are joined.",
)
@click.option(
    "--channels",
    type=Whole(),
    metavar="N,...",
    help="Per level, the coarsest first; otherwise as most decoders have them.",
)
@click.option(
    "--params", type=Count(), metavar="N", help="Choose the channels for at most so many: 5M."
)
@click.option(
    "--macs", type=Count(), metavar="N", help="The same for multiply-accumulates: 10G."
)
@click.option(
    "--convs",
    type=click.IntRange(1, 8),
    default=2,
    show_default=True,
    help="Convolutions of each level.",
)
@click.option(
    "--aligned",
    is_flag=True,
    help="Bring every map onto its skip's grid, by a convolution more where that is needed.",
)
@click.option(
    "--fixed", is_flag=True, help="Serve the declared sizes alone, with paddings for these."
)
@click.option(
    "--size",
    "sizes",
    type=SizePerAxis(),
    multiple=True,
    metavar="N|SYMBOL=N,...",
    help="The input's size: H=500,W=375; a single 256 is that along every axis, and fixed.",
)
@up_option(UPS)
@style_options
@source_options
def decoder_command(
    encoder: str,
    skips: str | None,
    channels: tuple[int, ...] | None,
    params: int | None,
    macs: int | None,
    fixed: bool,
    sizes: tuple[dict[str, int], ...],
    output: str | None,
    overrides: Overrides,
    **style: Any,
) -> None:
    """Write ENCODER with a decoder behind it whose every merge closes, for all sizes from some least on.

    ENCODER is a config, a torch module as package.module:callable (with --input), or an ONNX file. What was chosen and
    why goes to standard error, and so does what the checker says of the result.
    """
    from tracer.designing.asked import decoder_for
    from tracer.designing.budget import DecoderBudget
    from tracer.designing.decoder import Wish

    if channels and (params or macs):
        raise click.UsageError("--channels says the widths, which a budget would choose")
    size = _merged(sizes)
    net = _encoder(encoder, overrides, size)
    wish = Wish(channels=channels or (), **style)
    budget = DecoderBudget(params, macs)
    names = (
        None if skips is None else [name.strip() for name in skips.split(",") if name.strip()]
    )

    def designed() -> tuple[str, list[str]]:
        any_size = not fixed and "" not in size
        return decoder_for(net, wish, budget, names, any_size=any_size)

    _write(designed, f"{shown(encoder)}: no decoder is written", output)


def _merged(sizes: Sequence[dict[str, int]]) -> dict[str, int]:
    """The sizes of all options in one: per symbol, or one for every axis under the empty name."""
    found: dict[str, int] = {}
    for own in sizes:
        if set(own) & set(found) or (found and "" in {*own, *found}):
            raise click.BadParameter("say each size once", param_hint="--size")
        found.update(own)
    return found


class Spacing(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Distances between voxels, separated by commas."""

    name = "spacing"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            found = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            found = ()
        if not found or not all(1e-6 <= gap <= 1e6 for gap in found):
            return self.fail(
                f"{shortened(str(value), 60)!r} is no spacing such as 3,1,1", param, ctx
            )
        return found


@command.command("nnunet")
@click.option(
    "--shape", type=Whole(), required=True, metavar="D,H,W", help="The images' median shape."
)
@click.option(
    "--spacing", type=Spacing(), required=True, metavar="D,H,W", help="Their median spacing."
)
@click.option(
    "--memory", type=Bytes(), default="8GiB", show_default=True, help="What training may take."
)
@click.option(
    "--batch",
    type=click.IntRange(1, 4096),
    help="Samples; otherwise 2 in 3-D and 12 in 2-D, as nnU-Net's.",
)
@click.option(
    "--dtype",
    type=click.Choice(sorted(DTYPE_BYTES)),
    default="float16",
    show_default=True,
    help="Of maps.",
)
@click.option(
    "--rule", type=click.Choice(["memory", "nnunet"]), default="memory", show_default=True,
    help="What has to fit: the bytes of training, or nnU-Net's own estimate.",
)  # fmt: skip
@click.option("--in-channels", type=click.IntRange(1, 10**6), default=1, show_default=True)
@click.option("--classes", type=click.IntRange(1, 10**6), default=2, show_default=True)
@click.option(
    "--to",
    type=click.Choice(["config", "nnunet"]),
    help="nnunet: nnU-Net's plans, as they are written to NAME.json; otherwise a config.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write; otherwise standard output.",
)
def nnunet_command(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    memory: int,
    batch: int | None,
    dtype: str,
    rule: Any,
    in_channels: int,
    classes: int,
    to: str | None,
    output: str | None,
) -> None:
    """Write a plan in the way of nnU-Net, of the images' median shape and spacing.

    An axis is halved while it keeps 4 positions and its spacing is within a factor of 2 of the finest; kernels are 1
    along an axis until then. The patch is shrunk until training fits in the memory. It is written as a config, or
    (-o NAME.json) as plans, which are read again and have to give the same network.
    """
    from tracer.designing.nnunet import REFERENCE, NnunetWish, plan

    if len(shape) not in (2, 3) or len(spacing) != len(shape):
        raise click.UsageError(
            f"--shape has {len(shape)} axes and --spacing {len(spacing)}; plans are for 2 or 3 of both"
        )
    wish = NnunetWish(
        shape=shape, spacing=spacing, memory=memory, batch=batch or REFERENCE[len(shape)][1], dtype=dtype,
        rule=rule, in_channels=in_channels, classes=classes,
    )  # fmt: skip

    def designed() -> tuple[str, list[str]]:
        found = plan(wish)
        return found.text, found.told

    def as_plans(net: Net) -> str:
        from tracer.neighbours.plans_writing import plans_of

        written = plans_of(net, wish.images)
        click.echo(written.told, err=True)
        return written.text

    is_json = Path(output or "").suffix.lower() == ".json"
    are_plans = to == "nnunet" or (to is None and is_json)
    _write(designed, "nnunet: nothing is written", output, form=as_plans if are_plans else None)


def _add_family(name: str) -> None:
    from tracer.designing.asked import NUMBERS, family
    from tracer.designing.families import (
        DEFAULT_SIZE,
        Family,
        FamilyOptions,
        families,
    )

    function: Family = families[name]
    summary = " ".join((function.__doc__ or "").split())

    @command.command(
        name, help=f"Write a {summary}", short_help=summary.partition(":")[2].strip()
    )
    @click.option(
        "--dims",
        type=click.IntRange(*NUMBERS["dims"]),
        default=2,
        show_default=True,
        help="Spatial axes.",
    )
    @click.option(
        "--depth",
        type=click.IntRange(*NUMBERS["depth"]),
        default=4,
        show_default=True,
        help="Halvings of the size.",
    )
    @click.option(
        "--base",
        type=click.IntRange(*NUMBERS["base"]),
        default=64,
        show_default=True,
        help="First channels.",
    )
    @click.option("--in-channels", type=click.IntRange(1, 10**6), default=1, show_default=True)
    @click.option(
        "--padding",
        type=click.Choice(["same", "valid"]),
        default="same",
        help="Of the convolutions.",
    )
    @click.option(
        "--size",
        type=SizePerAxis(),
        metavar="N|SYMBOL=N,...",
        help="The input's size: 256, or H=500,W=375.",
    )
    @click.option(
        "--output-size",
        type=SizePerAxis(),
        metavar="N|SYMBOL=N,...",
        help="The output's; the input's is found for it.",
    )
    @up_option(UPS[1:])
    @style_options
    def design(
        dims: int,
        depth: int,
        base: int,
        in_channels: int,
        padding: str,
        size: dict[str, int] | None,
        output_size: dict[str, int] | None,
        up: Any,
        norm: str,
        activation: str,
        classes: int,
        output: str | None,
    ) -> None:
        plan = FamilyOptions(
            dims=dims, depth=depth, base=base, up=up, norm=norm, activation=activation,
            in_channels=in_channels, classes=classes, padded=padding == "same",
        )  # fmt: skip
        if size is not None and output_size is not None:
            raise click.UsageError("give --size or --output-size, not both")
        wanted, option = (
            (size, "--size") if output_size is None else (output_size, "--output-size")
        )
        sizes = _per_symbol(wanted or {"": DEFAULT_SIZE[dims]}, plan.symbols, option)

        def designed() -> tuple[str, list[str]]:
            return family(name, plan, sizes, of_output=output_size is not None)

        _write(designed, f"{name}: nothing is written", output)


def _per_symbol(sizes: dict[str, int], symbols: tuple[str, ...], option: str) -> dict[str, int]:
    if set(sizes) == {""}:
        return dict.fromkeys(symbols, sizes[""])
    if set(sizes) != set(symbols):
        raise click.BadParameter(
            f"give one size, or one for each of {', '.join(symbols)}", param_hint=option
        )
    return {symbol: sizes[symbol] for symbol in symbols}


def _encoder(encoder: str, overrides: Overrides, sizes: dict[str, int]) -> Net:
    """The encoder's network at these sizes; where it cannot be had, the command ends."""

    def told(found: list[Diagnostic], text: str) -> None:
        complain(found, text, config=encoder)

    if "" not in sizes:
        overrides.sizes = sizes
        return loaded(encoder, overrides, told)[1]

    net = loaded(encoder, overrides, told)[1]
    symbols = spatial_symbols(net.trace())
    if not symbols:
        raise click.BadParameter("the input's sizes are numbers", param_hint="--size")
    overrides.sizes = dict.fromkeys(symbols, sizes[""])
    return loaded(encoder, overrides, told)[1]


def _write(
    designed: Callable[[], tuple[str, list[str]]],
    otherwise: str,
    output: str | None,
    *,
    form: Callable[[Net], str] | None = None,
) -> None:
    """Have the checker judge a designed config, and write it; reasons and findings go to standard error.

    ``form`` gives another text to write. The command ends with 1 where nothing can be designed, and where the checker
    finds errors.
    """
    from tracer.designing.skips import Undesignable

    try:
        with waiting("the network is designed"):
            text, told = designed()
    except Undesignable as error:
        click.echo(f"{otherwise}: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    for line in told:
        click.echo(f"  {line}", err=True)

    # The text that findings point into is in the output only where it is written as it is.
    name = output if output is not None and form is None else "<design>"
    reading = read_text(text, name, Overrides())
    if form is not None and reading.net is not None:
        content = _formed(form, reading.net, text, name)
    else:
        content = text
    write_output(output, content.encode("utf-8"))
    _judge(reading, text, name)


def _judge(reading: Reading, text: str, name: str) -> None:
    """Say what the checker finds, and for which sizes the design is proven; errors end the command with 1."""
    if reading.found:
        complain(reading.found, text, config=name)
    if reading.net is None or any(d.severity == "error" for d in reading.found):
        raise click.exceptions.Exit(1)
    proof = _proof(reading.net)
    click.echo(proof if reading.found else f"{proof}; no problems found", err=True)


def _formed(form: Callable[[Net], str], net: Net, text: str, name: str) -> str:
    """A network in another form; where it has none, the command ends with 1."""
    try:
        return form(net)
    except TracerError as error:
        complain(error.diagnostics, text, config=name)
        raise click.exceptions.Exit(1) from None


def _proof(net: Net) -> str:
    """The sizes for which the design is proven, one sentence a symbol."""
    from tracer.sizing.size_set import TooLarge

    try:
        axes = net.working_sizes(promises=True).axes
    except TooLarge:
        return "checked for its sizes"
    told = []
    for symbol in spatial_symbols(net.trace()):
        own = axes[symbol]
        runs = f"{symbol}: runs for {own.runs.written(symbol)}"
        if own.kept is not None and own.kept != own.runs:
            runs += f", with the expected shapes for {own.kept.written(symbol)}"
        if own.aligned == own.runs:
            told.append(f"{runs}, aligned")
        elif not own.lossless:
            told.append(f"{runs}, where rows are dropped")
        else:
            told.append(f"{runs}, aligned for {own.aligned.written(symbol)}")
    return "; ".join(told) or "checked for its sizes"


def _add_families() -> None:
    from tracer.designing.families import families

    for name in families:
        _add_family(name)


_add_families()
