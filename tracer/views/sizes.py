"""The exact sets of input sizes as text and as the JSON answer, with every node's shape over k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tracer.diagnostics import printable, shortened
from tracer.net import Net
from tracer.network.folding import folded
from tracer.network.records import Network, is_set
from tracer.planning.built import Width
from tracer.planning.promises import first_missing
from tracer.planning.working_sizes import Axis, Form, WorkingSizes, written_dim
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.views.found import FORMAT_VERSION

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

SETS = ("runs", "lossless", "aligned")


class SetAnswer(msgspec.Struct, frozen=True):
    """The sizes in ``finite``, all below ``start``, and every size >= ``start`` with a remainder in ``residues``."""

    finite: list[int]
    start: int
    modulus: int
    residues: list[int]


class FormAnswer(msgspec.Struct, frozen=True):
    """Every node's shape for sizes ``modulus * k + remainder``, k >= ``least``; dims over k as texts."""

    modulus: int
    remainder: int
    least: int
    shapes: dict[str, list[int | str]]


class AxisAnswer(msgspec.Struct, frozen=True):
    """The sizes of one symbol that torch takes, that lose nothing, and whose skips are aligned."""

    runs: SetAnswer
    lossless: SetAnswer
    aligned: SetAnswer
    decided_below: int | None
    """The sets are known below this size only; null: for every size."""
    decided_because: str | None
    """Why they are not known for every size."""
    others: dict[str, int]
    """The sizes of other symbols with which these are the sets; empty: they are so whatever the others are."""
    declared: DeclaredAnswer | None
    """What becomes of the declared size; null where none is declared."""
    kept: SetAnswer | None
    """The sizes that run and keep every promise (``output`` and ``expect``); null where nothing is promised."""
    forms: list[FormAnswer]
    """For the first classes of the narrowest set that is not finite."""
    nearest: dict[str, list[int]] | None
    """With ``--near``: the members of each set next to that size."""


class DeclaredAnswer(msgspec.Struct, frozen=True):
    """The declared size of a symbol."""

    size: int
    runs: bool
    nearest: list[int]
    """The sizes next to it that run; itself where it does."""


class CouplingAnswer(msgspec.Struct, frozen=True):
    """A constraint that ties symbols together: each one's set is the one with the others at their declared sizes."""

    symbols: list[str]
    constraint: str
    node: str


class WidthAnswer(msgspec.Struct, frozen=True):
    """A width that a layer infers from the input's size: the sets are those of a module with this one."""

    node: str
    argument: str
    value: int | None
    """Null where the network does not run at its declared sizes: the sets are then those of a module for each size."""
    formula: str | None
    """What a module that is built for other sizes has; null where that takes no symbols."""


class SizesAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer sizes``."""

    format_version: str
    axes: dict[str, AxisAnswer]
    coupled: list[CouplingAnswer]
    widths: list[WidthAnswer]
    path: str
    """The network, as it was named."""


def _kinds(axis: Axis) -> tuple[str, ...]:
    """The sets that an axis has."""
    return SETS if axis.kept is None else (*SETS, "kept")


def _set(found: SizeSet) -> SetAnswer:
    return SetAnswer(list(found.finite), found.start, found.modulus, list(found.residues))


def _nearest(axis: Axis, near: int) -> dict[str, list[int]]:
    return {kind: list(getattr(axis, kind).nearest(near)) for kind in _kinds(axis)}


def narrowest(axis: Axis) -> tuple[str, SizeSet]:
    """The narrowest set that goes on for ever, by its name; the set of sizes that run where none does."""
    for kind in reversed(SETS):
        found: SizeSet = getattr(axis, kind)
        if not found.is_finite:
            return kind, found
    return "runs", axis.runs


def sizes_answer(
    found: WorkingSizes,
    forms: Mapping[str, list[Form]],
    near: Mapping[str, int],
    declared: Mapping[str, int],
    path: str,
) -> SizesAnswer:
    """The JSON answer; ``near`` and ``declared`` have sizes of some symbols."""
    axes = {
        symbol: AxisAnswer(
            runs=_set(axis.runs),
            lossless=_set(axis.lossless),
            aligned=_set(axis.aligned),
            decided_below=axis.below,
            decided_because=axis.because,
            others=dict(axis.others),
            declared=_declared(axis, declared.get(symbol)),
            kept=None if axis.kept is None else _set(axis.kept),
            forms=[_form(form) for form in forms[symbol]],
            nearest=_nearest(axis, near[symbol]) if symbol in near else None,
        )
        for symbol, axis in found.axes.items()
    }
    coupled = [CouplingAnswer(list(c.symbols), c.constraint, c.node) for c in found.couplings]
    widths = [WidthAnswer(w.node, w.argument, w.value, w.formula) for w in found.widths]
    return SizesAnswer(FORMAT_VERSION, axes, coupled, widths, path)


def _declared(axis: Axis, size: int | None) -> DeclaredAnswer | None:
    if size is None:
        return None
    return DeclaredAnswer(size, size in axis.runs, list(axis.runs.nearest(size)))


def _form(form: Form) -> FormAnswer:
    shapes = {
        name: [dim if isinstance(dim, int) else written_dim(dim) for dim in shape]
        for name, shape in form.shapes.items()
    }
    return FormAnswer(form.modulus, form.remainder, form.least, shapes)


def sizes_table(
    net: Net,
    found: WorkingSizes,
    forms: Mapping[str, list[Form]],
    near: Mapping[str, int],
    depth: int | None,
    misaligned: Sequence[str] = (),
) -> list[RenderableType]:
    """The sets, what ties them, and the shape of every node over k, for a terminal.

    ``misaligned`` names the merges that keep every size from being aligned.
    """
    from rich.text import Text

    parts: list[RenderableType] = [_sets_table(net, found, near)]
    for symbol, axis in found.axes.items():
        remark = _remark(symbol, axis, first_outside(net.network, symbol, axis))
        if remark:
            parts.append(Text(printable(remark)))
    if misaligned:
        where = ", ".join(misaligned)
        parts.append(
            Text(printable(f"not aligned at {where}: `tracer check` (T503) says by how much"))
        )
    for coupling in found.couplings:
        names = " and ".join(coupling.symbols)
        parts.append(
            Text(printable(f"{names} are tied by {coupling.node}: {coupling.constraint}"))
        )

    parts += [Text(printable(_width_text(width))) for width in found.widths]

    table = _forms_table(net, found, forms, depth)
    return [*parts, table] if table is not None else parts


def first_outside(network: Network, symbol: str, axis: Axis) -> int | None:
    """The smallest declared size of a symbol that does not run; None where all run, or none is declared."""
    declared = network.sizes.get(symbol)
    if declared is None:
        return None
    if not is_set(declared):
        return None if declared in axis.runs else int(declared)
    try:
        return first_missing(declared, axis.runs, axis.below)
    except TooLarge:
        return None


def _remark(symbol: str, axis: Axis, outside: int | None) -> str:
    """That a declared size does not run, and with which sizes of others the sets are these."""
    others = _listed(axis.others)
    if outside is not None and axis.runs:
        nearest = " and ".join(map(str, sorted(axis.runs.nearest(outside))))
        given = f" with {others}" if others else ""
        return f"the declared {symbol} = {outside} does not run{given}; nearest: {nearest}"
    return f"the sets of {symbol} are those with {others}" if others else ""


def _listed(sizes: Mapping[str, int]) -> str:
    """``H = 12, W = 10``."""
    return ", ".join(f"{symbol} = {n}" for symbol, n in sizes.items())


def _width_text(width: Width) -> str:
    """``l.in_features is 200 as the network is built; for other sizes it is chosen anew: 2*((n + 1) // 4)**2``."""
    name = f"{width.node}.{width.argument}"
    formula = "" if width.formula is None else f": {shortened(width.formula, 120)}"
    if width.value is None:
        return (
            f"{name} is chosen by the size that a module is built for{formula}; "
            "nothing is built for the declared sizes, so each size stands for a module of its own"
        )
    return f"{name} is {width.value} as the network is built; for other sizes it is chosen anew{formula}"


def _sets_table(net: Net, found: WorkingSizes, near: Mapping[str, int]) -> Table:
    """Every set of every symbol, with the sizes nearest to one where that is wanted."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    sizes = "  ".join(f"{symbol}={n}" for symbol, n in net.network.defaults().items())
    name = printable(net.name or net.network.path)
    # A title may be wider than its table, and is not broken then.
    title = Text(f"{name}   {sizes}".rstrip(), style="bold", no_wrap=True, overflow="ignore")
    grid = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("axis", no_wrap=True)
    grid.add_column("set", no_wrap=True)
    grid.add_column("sizes", overflow="fold")
    if near:
        same = len(set(near.values())) == 1
        grid.add_column(f"nearest to {next(iter(near.values())) if same else _listed(near)}")

    for symbol, axis in found.axes.items():
        name = symbol
        for kind in _kinds(axis):
            members: SizeSet = getattr(axis, kind)
            text = Text(members.written(symbol), style="" if members else "red")
            nearest = members.nearest(near[symbol]) if symbol in near else ()
            grid.add_row(name, kind, text, *([", ".join(map(str, nearest))] if near else []))
            name = ""
        if axis.below is not None:
            grid.add_row("", "", f"(known below {axis.below} only: {axis.because})")
    return grid


def _forms_table(
    net: Net, found: WorkingSizes, forms: Mapping[str, list[Form]], depth: int | None
) -> RenderableType | None:
    """One column for each axis and its first class of sizes; rows as in ``tracer trace``."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = [
        (symbol, forms[symbol][0])
        for symbol in found.axes
        if forms[symbol] and _varies(forms[symbol][0])
    ]
    if not columns:
        return None
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("node", no_wrap=True)
    for symbol, form in columns:
        kind = narrowest(found.axes[symbol])[0]
        grid.add_column(f"{symbol} = {form.size}\nk >= {form.least}, {kind}", no_wrap=True)
    for name, last in folded(net.network, depth).items():
        cells = [Text(_varying(form.shapes[last])) for _, form in columns]
        grid.add_row(Text(printable(name)), *cells)
    return grid


def _varies(form: Form) -> bool:
    """Some dim is not a number and not k itself, as the size of a batch is."""
    dims = {
        written_dim(d)
        for shape in form.shapes.values()
        for d in shape
        if not isinstance(d, int)
    }
    return form.modulus > 1 or bool(dims - {"k"})


def _varying(shape: tuple[object, ...]) -> str:
    """The dims of a shape that depend on k."""
    dims = [written_dim(dim) for dim in shape if not isinstance(dim, int)]  # type: ignore[arg-type]
    if len(dims) > 1:
        dims = [f"({dim})" if _is_open(dim) else dim for dim in dims]
    return " × ".join(dims) if dims else "-"


def _is_open(text: str) -> bool:
    """True for an expression with an operator outside of brackets, which needs some of its own in a product.

    >>> _is_open("2k - 2"), _is_open("min(k, 3)")
    (True, False)
    """
    depth = 0
    for character in text:
        if character == " " and depth == 0:
            return True
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
    return False
