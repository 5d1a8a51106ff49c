"""What a notebook shows of the answers: a table, and a picture where there is one.

A display takes no time that is noticed and never raises. It searches nothing, prices no large network, has a bounded
number of rows, and every text of a config is escaped.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.comparing.comparison import Comparison
from tracer.diagnostics import Diagnostic, legible, printable, shortened
from tracer.net import Net
from tracer.network.folding import groups, label
from tracer.network.records import Network
from tracer.ops.base import written
from tracer.planning.constraints import Constraints
from tracer.planning.working_sizes import WorkingSizes
from tracer.repairing.repairs import Plan
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import SizeSet
from tracer.views.comparison import both, headline, signed, state_cells, title, value_text
from tracer.views.pictures.svg import svg_of_trace
from tracer.views.report import concise
from tracer.views.strip import strip
from tracer.views.table import Row, field_text, rows, short, short_bytes, table

if TYPE_CHECKING:
    import pandas

HEAD = 40
"""Rows at the beginning of a long table."""

TAIL = 15
"""Rows at its end."""

PRICED = 2_000
"""Nodes of a network whose costs and fields are computed for a display, at most."""

BOXES = 200
"""Boxes of a picture that is displayed unasked, at most."""

CELL = 120
"""Characters of a cell, at most."""

FINDINGS = 10
"""Findings under a table, at most."""

SIDEWAYS = 400
"""Columns of a printed table, at most."""


# --- texts that are shown as what they are ---------------------------------------------------------------------------


class Drawing(str):
    """The text of an SVG picture, which a notebook shows as the picture."""

    __slots__ = ()

    def __repr__(self) -> str:
        """``<Drawing: svg, 5321 characters>``."""
        return f"<Drawing: svg, {len(self)} characters>"

    def _repr_svg_(self) -> str:
        """The picture."""
        return str(self)


class Printed(str):
    """A text of several lines, which is shown as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The text itself."""
        return str(self)


# --- what is displayed -----------------------------------------------------------------------------------------------


def html_of(shown: object) -> str | None:
    """The table of an object as HTML; None where none can be made, and the object's ``repr`` is shown.

    >>> from tracer.sizing.size_set import EVERY
    >>> html_of(EVERY).startswith("<p><code>any size</code>")
    True
    """
    # A notebook shows a traceback in the place of an object whose display raises.
    try:
        return "".join(content(shown))
    except Exception:
        return None


def svg_of(shown: object) -> str | None:
    """The picture of an object; None where it has none, or is too large to be drawn unasked."""
    try:
        return _small_picture(shown)
    except Exception:
        return None


@singledispatch
def content(shown: object) -> Iterator[str]:
    """The parts of the HTML that shows an object."""
    raise TypeError(f"{type(shown).__name__} is shown as its repr")


@singledispatch
def drawing_of(shown: object, depth: int | None = 1) -> Drawing:
    """The picture of an object, however large."""
    raise TypeError(f"{type(shown).__name__} has no picture")


def _small_picture(shown: object) -> str | None:
    """The picture of an object where it has few boxes."""
    if isinstance(shown, Net) and shown.quick_trace(PRICED) is None:
        return None

    network = _network_in(shown)
    if network is not None and not _is_small(network):
        return None
    return str(drawing_of(shown))


def _network_in(shown: object) -> Network | None:
    """The network that the picture of an object shows; None where it shows none."""
    if isinstance(shown, Plan):
        return shown.net.network
    return shown.network if isinstance(shown, (Net, Trace)) else None


def _is_small(network: Network) -> bool:
    return len(network.nodes) <= PRICED and len(groups(network, 1)) <= BOXES


# --- HTML ------------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """A column's title, and whether numbers stand in it."""

    title: str
    is_number: bool = False


def _text(value: object) -> str:
    """A text of a config as HTML: one line, cut, nothing of it markup."""
    return escape(shortened(printable(str(value)), CELL))


def _sentence(text: str, name: str = "") -> str:
    """A paragraph, with what it is about before it."""
    bold = f"<b>{_text(name)}</b> " if name else ""
    return f"<p>{bold}{escape(legible(text))}</p>\n"


def _code(text: str) -> str:
    return f"<code>{escape(legible(text))}</code>"


def _table(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], rest: str, *, total: int = 0
) -> str:
    """A table; of a long one the beginning and the end, and how many rows are left out.

    Cells are HTML. ``rest`` says what has all rows; ``total`` counts them where the cells are not all.
    """
    count = total or len(cells)
    lines = [_row(columns, [_text(column.title) for column in columns], "th")]
    if count <= HEAD + TAIL:
        lines += [_row(columns, one, "td") for one in cells]
    else:
        left = count - HEAD - TAIL
        told = f"… {left} more rows: {_code(rest)} has all"
        lines += [_row(columns, one, "td") for one in cells[:HEAD]]
        lines.append(f'<tr><td colspan="{len(columns)}">{told}</td></tr>\n')
        lines += [_row(columns, one, "td") for one in cells[-TAIL:]]
    return f"<table>\n{''.join(lines)}</table>\n"


def _row(columns: Sequence[Column], cells: Sequence[str], tag: str) -> str:
    parts = []
    for column, cell in zip(columns, cells):
        side = "right" if column.is_number else "left"
        parts.append(f'<{tag} style="text-align:{side}">{cell}</{tag}>')
    return f"<tr>{''.join(parts)}</tr>\n"


def _findings(found: Sequence[Diagnostic]) -> Iterator[str]:
    """The first findings, a line each, and how many there are besides."""
    if not found:
        return
    lines = [escape(shortened(line, 500)) for line in concise(found[:FINDINGS]).splitlines()]
    if len(found) > FINDINGS:
        lines.append(f"… {len(found) - FINDINGS} more: <code>.diagnostics</code> has all")
    yield f"<pre>{chr(10).join(lines)}</pre>\n"


def _wrong(text: str) -> str:
    return f'<span style="color:#c62828">{_text(text)}</span>'


# --- networks --------------------------------------------------------------------------------------------------------

NODES = (
    Column("node"),
    Column("operation"),
    Column("output"),
    Column("from"),
    Column("params", is_number=True),
    Column("MACs", is_number=True),
    Column("memory", is_number=True),
    Column("field", is_number=True),
)
DECLARED = NODES[:3]


@content.register
def _of_net(shown: Net) -> Iterator[str]:
    found = shown.quick_trace(PRICED)
    if found is not None:
        yield from content(found)
        return

    yield _heading(shown.network, {})
    yield _declared(shown.network, None)
    yield f"<p>{_code('.trace()')} has the shapes.</p>\n"


@content.register
def _of_trace(shown: Trace) -> Iterator[str]:
    network = shown.network
    yield _heading(network, shown.sizes)
    if len(network.nodes) > PRICED:
        yield _declared(network, shown)
    else:
        cells = [_node_cells(row) for row in rows(shown, 1)]
        yield _table(NODES, cells, ".table(depth=1)")
    yield from _findings(shown.diagnostics)


def _heading(network: Network, sizes: dict[str, int]) -> str:
    known = [f"{symbol}={sizes[symbol]}" for symbol in network.symbols if symbol in sizes]
    text = "  ".join([f"{len(network.nodes)} nodes", *known])
    return _sentence(text, network.name or network.path)


def _node_cells(row: Row) -> list[str]:
    shape = _wrong("does not fit") if row.failed else "?"
    if row.shape is not None:
        shape = " × ".join(map(str, row.shape))
    cost = row.cost
    return [
        _text(row.name),
        _text(row.op),
        shape,
        _text(", ".join(row.skips)),
        short(cost.params) if cost.params else "",
        short(cost.macs) if cost.macs else "",
        short_bytes(cost.memory) if row.shape is not None else "",
        field_text(row.field) if row.field and not row.is_input else "",
    ]


def _declared(network: Network, trace: Trace | None) -> str:
    """The nodes of a network without their costs, and without shapes where it is not traced."""
    members = list(groups(network, 1).items())
    is_long = len(members) > HEAD + TAIL
    shown = [*members[:HEAD], *members[-TAIL:]] if is_long else members

    cells = []
    for name, nodes in shown:
        shape = None if trace is None else trace.by_index[nodes[-1].index]
        output = "" if shape is None else " × ".join(map(str, shape))
        cells.append([_text(name), _text(label(nodes, name)), output])
    return _table(DECLARED, cells, ".trace().table(depth=1)", total=len(members))


@drawing_of.register
def _drawing_of_net(shown: Net, depth: int | None = 1) -> Drawing:
    found = shown.trace()
    return Drawing(svg_of_trace(found, found.diagnostics, depth))


@drawing_of.register
def _drawing_of_trace(shown: Trace, depth: int | None = 1) -> Drawing:
    return Drawing(svg_of_trace(shown, shown.diagnostics, depth))


def printed_table(trace: Trace, depth: int | None) -> Printed:
    """The table of ``tracer trace`` as text: bytes in binary units, fields in input pixels."""
    from rich.console import Console

    out = io.StringIO()
    found = table(trace, depth, {})
    console = Console(file=out, width=SIDEWAYS, color_system=None, legacy_windows=False)
    console.print(found)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return Printed("\n".join(lines).rstrip("\n") + "\n")


def data_frame(trace: Trace, depth: int | None) -> pandas.DataFrame:
    """The same with numbers in full. Raises ImportError where pandas is not installed."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        message = "to_pandas needs pandas: pip install 'shape-tracer[notebook]'"
        raise ModuleNotFoundError(message, name="pandas") from None

    records = [_record(row) for row in rows(trace, depth)]
    frame = pandas.DataFrame(records).set_index("node")
    frame.attrs["units"] = {"memory": "bytes", "receptive_field": "input pixels"}
    return frame


def _record(row: Row) -> dict[str, Any]:
    """The values of one row of the data frame."""
    return {
        "node": row.name,
        "section": row.section,
        "operation": row.op,
        "from": row.skips,
        "shape": row.shape,
        "params": row.cost.params,
        "macs": row.cost.macs,
        "memory": row.cost.memory,
        "receptive_field": _extents(row),
    }


def _extents(row: Row) -> tuple[int | None, ...]:
    """The receptive field along each axis; None where it is all of the input, or not known."""
    return tuple(field.extent for field in row.field)


# --- plans -----------------------------------------------------------------------------------------------------------

VALUES = (Column("argument"), Column("value"))


@content.register
def _of_plan(shown: Plan) -> Iterator[str]:
    network = shown.net.network
    told = "feasible" if shown.feasible else "not feasible"
    yield _sentence(f"plan: {told}", network.name or network.path)
    if shown.assignments:
        values = shown.assignments.items()
        cells = [[_text(place), _text(written(value))] for place, value in values]
        yield _table(VALUES, cells, ".assignments")
    elif shown.feasible:
        yield _sentence("nothing is open: the network closes as it is")

    yield from _findings(shown.diagnostics)
    if not shown.feasible:
        yield f"<p>{_code('.repairs')} looks for changes that help.</p>\n"


@drawing_of.register
def _drawing_of_plan(shown: Plan, depth: int | None = 1) -> Drawing:
    return Drawing(svg_of_trace(shown.net.trace(), shown.diagnostics, depth))


# --- sets of sizes ---------------------------------------------------------------------------------------------------

SETS = (Column("axis"), Column("set"), Column("sizes"), Column("the smallest"))
MEMBERS = 8
"""The smallest sizes of a set that are listed."""


def _smallest(found: SizeSet) -> str:
    """The smallest sizes that belong to a set."""
    listed: list[str] = []
    n = found.least
    while n is not None and len(listed) < MEMBERS:
        listed.append(str(n))
        n = found.at_least(n + 1)
    return ", ".join(listed) + (", …" if n is not None else "")


@content.register
def _of_set(shown: SizeSet) -> Iterator[str]:
    yield f"<p>{_code(repr(shown))}</p>\n"
    cells = [
        ["the smallest", _smallest(shown)],
        ["repeats every", str(shown.modulus) if shown.residues else "never"],
        ["share of all large sizes", f"{100 * shown.density:.3g} %"],
    ]
    yield _table((Column("sizes"), Column("")), cells, ".finite, .residues")


@content.register
def _of_working_sizes(shown: WorkingSizes) -> Iterator[str]:
    cells = []
    for symbol, axis in shown.axes.items():
        name = _text(symbol)
        sets = {"runs": axis.runs, "lossless": axis.lossless, "aligned": axis.aligned}
        if axis.kept is not None:
            sets["keeps what is promised"] = axis.kept
        for kind, found in sets.items():
            cells.append([name, kind, _code(repr(found)), _smallest(found)])
            name = ""
    yield _table(SETS, cells, ".axes")

    for symbol, axis in shown.axes.items():
        if axis.below is not None:
            yield _sentence(f"{symbol} is known below {axis.below} only: {axis.because}")
        if axis.others:
            others = ", ".join(f"{name} = {n}" for name, n in axis.others.items())
            yield _sentence(f"the sets of {symbol} are those with {others}")
    for tie in shown.couplings[:FINDINGS]:
        names = " and ".join(tie.symbols)
        yield _sentence(f"{names} are tied by {tie.node}: {tie.constraint}")


@content.register
def _of_constraints(shown: Constraints) -> Iterator[str]:
    record = shown.record
    yield _sentence(_inputs_text(record.inputs), record.name or "constraints")
    cells = []
    for number, case in enumerate(record.cases):
        for symbol, found in case.sets.items():
            where = (
                "" if number == 0 else ", ".join(f"{s} = {v}" for s, v in case.where.items())
            )
            cells.append([_text(symbol), _code(repr(found)), _text(where)])
    yield _table((Column("symbol"), Column("sizes"), Column("where")), cells, ".record")

    required = sum(len(case.requirements) for case in record.cases)
    yield f"<p>{required} requirements: {_code('.why(...)')} says which one fails.</p>\n"


def _inputs_text(inputs: dict[str, list[int | str]]) -> str:
    return ", ".join(f"{name} [{', '.join(map(str, dims))}]" for name, dims in inputs.items())


@drawing_of.register
def _drawing_of_set(shown: SizeSet, depth: int | None = 1) -> Drawing:
    return Drawing(strip({"": shown}))


@drawing_of.register
def _drawing_of_working_sizes(shown: WorkingSizes, depth: int | None = 1) -> Drawing:
    return Drawing(strip({symbol: axis.runs for symbol, axis in shown.axes.items()}))


# --- comparisons -----------------------------------------------------------------------------------------------------

DIFFERENCES = (Column("what"), Column("old"), Column("new"), Column("difference"))


@content.register
def _of_comparison(shown: Comparison) -> Iterator[str]:
    sides = [side.name or side.path for side in (shown.a, shown.b)]
    yield _sentence(headline(shown), f"{sides[0]} → {sides[1]}")
    cells = [[_text(cell) for cell in one] for one in difference_rows(shown)]
    yield _table(DIFFERENCES, cells, ".added, .removed, .renamed, .changed, .params, .sizes")
    yield from _findings(shown.found)


def difference_rows(found: Comparison) -> Iterable[Sequence[str]]:
    """What differs, a row each: sums, what is declared, nodes, sets of sizes."""
    for one in found.totals:
        if one.old != one.new:
            yield title(one.what), *both(one.what, one.old, one.new), signed(one)

    yield from _declared_differences(found)
    yield from _node_differences(found)
    for sizes in found.sizes:
        old, new = ("-" if one is None else repr(one) for one in (sizes.old, sizes.new))
        yield f"{sizes.symbol} {sizes.kind}", old, new, ""


def _declared_differences(found: Comparison) -> Iterable[Sequence[str]]:
    declared = {
        "param": found.params,
        "symbol": found.symbols,
        "output": found.outputs,
        "auto": found.autos,
        "tie": found.ties,
    }
    for kind, entries in declared.items():
        for one in entries:
            yield f"{kind} {one.what}", value_text(one.old), value_text(one.new), ""


def _node_differences(found: Comparison) -> Iterable[Sequence[str]]:
    for state in found.removed:
        yield f"node {state.name}", state_cells(state, ())[0], "-", "removed"
    for state in found.added:
        yield f"node {state.name}", "-", state_cells(state, ())[0], "added"
    for change in (*found.renamed, *found.changed):
        what = ", ".join(difference.what for difference in change.differences)
        yield f"node {change.old_name}", change.old_name, change.name, what
