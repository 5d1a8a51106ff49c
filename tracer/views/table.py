"""A trace as the table that a designer reads, and as markdown and CSV.

Blocks are folded to one row at a depth: 1 shows the names of the file, 2 what is inside of their blocks, and so
on. A folded row has its last node's shape and the sums of its costs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracer.costs.memory import memory
from tracer.costs.operations import Cost, costs, total
from tracer.costs.training_step import unknown_in_training
from tracer.diagnostics import printable
from tracer.geometry.receptive_field import Field, fields
from tracer.network.folding import groups, label
from tracer.network.records import Node
from tracer.ops.base import written
from tracer.planning.stopped import stopped
from tracer.shapes.trace import Trace

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from tracer.designing.fitting import Fit
    from tracer.designing.largest import Largest


class Row(msgspec.Struct, frozen=True):
    """One line of the table: a node, or a folded block."""

    name: str
    level: int
    op: str
    section: str
    skips: tuple[str, ...]
    """The nodes it reads, besides the row before it."""
    shape: tuple[int, ...] | None
    cost: Cost
    field: tuple[Field, ...]
    failed: bool
    is_input: bool


def rows(trace: Trace, depth: int | None, dtype: str = "float32") -> list[Row]:
    """The rows at a depth; None unfolds everything."""
    priced, seen = costs(trace, dtype), fields(trace)
    members = groups(trace.network, depth)
    row_of = {node.name: name for name, nodes in members.items() for node in nodes}

    found: list[Row] = []
    previous = ""
    for name, nodes in members.items():
        last = nodes[-1]
        sources = _sources(name, nodes, row_of)
        row = Row(
            name=name,
            level=name.count("."),
            op=label(nodes, name),
            section=last.section,
            skips=() if sources == [previous] else tuple(sources),
            shape=trace.shapes[last.name],
            cost=total({n.name: priced[n.name] for n in nodes if n.name in priced}),
            field=seen.get(last.name, ()),
            failed=any(map(trace.is_refused, nodes)),
            is_input=last.is_input,
        )
        found.append(row)
        previous = name
    return found


def _sources(name: str, nodes: Sequence[Node], row_of: Mapping[str, str]) -> list[str]:
    """The other rows that a row reads, in the order of its nodes."""
    read = [source for node in nodes for source in (*node.inputs, *node.operands.values())]
    found = dict.fromkeys(row_of[source.name] for source in read)
    found.pop(name, None)
    return list(found)


def short(number: int) -> str:
    """A count with three digits.

    >>> short(950), short(31_043_521)
    ('950', '31.0 M')
    """
    if number < 999.5:
        return str(number)
    value = number / 1000
    for unit in ("K", "M", "G"):
        if value < 999.5:
            return f"{_three_digits(value)} {unit}"
        value /= 1000
    return f"{_three_digits(value)} T"


def short_bytes(number: int) -> str:
    """Bytes in binary units.

    >>> short_bytes(950), short_bytes(82_731_008)
    ('950 B', '78.9 MiB')
    """
    if number < 1000:
        return f"{number} B"
    value = number / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if value < 1000:
            return f"{_three_digits(value)} {unit}"
        value /= 1024
    return f"{_three_digits(value)} TiB"


def _three_digits(value: float) -> str:
    decimals = max(0, 3 - len(str(int(value))))
    return f"{value:.{decimals}f}"


def _extent(field: Field) -> str:
    if field.extent is not None:
        return str(field.extent)
    return "all" if field.computed else "?"


def field_text(field: Sequence[Field]) -> str:
    """A receptive field: 187, 23×45, or all."""
    extents = [_extent(f) for f in field]
    return extents[0] if len(set(extents)) == 1 else "×".join(extents)


def _missing(row: Row) -> str:
    """Why a row has no shape: an input without sizes, a node that fails, or one behind such a node."""
    if not row.failed:
        return "?"
    return "no size" if row.is_input else "does not fit"


def _aligned(found: Sequence[Row]) -> list[str]:
    """Shapes with each dim in a column of its own, so that a size can be followed down the table."""
    shapes = [row.shape for row in found if row.shape is not None]
    widths: dict[tuple[int, int], int] = {}
    for shape in shapes:
        for i, n in enumerate(shape):
            key = (len(shape), i)
            widths[key] = max(widths.get(key, 0), len(str(n)))

    texts = []
    for row in found:
        if row.shape is None:
            texts.append(_missing(row))
            continue
        rank = len(row.shape)
        dims = [str(n).rjust(widths[rank, i]) for i, n in enumerate(row.shape)]
        texts.append(" × ".join(dims))
    return texts


def table(
    trace: Trace,
    depth: int | None,
    solved: Mapping[str, tuple[int, ...]],
    dtype: str = "float32",
) -> RenderableType:
    """The table for a terminal; ``solved`` are the values of the ``auto`` arguments, listed below it."""
    from rich.text import Text

    grid = _grid(trace, dtype)
    section = None
    inside: list[str] = []
    found = rows(trace, depth, dtype)
    for row, shape in zip(found, _aligned(found)):
        if row.section != section and row.section != "input":
            grid.add_row(Text(row.section, style="bold magenta"))
            inside = []
        section = row.section

        # An opened block that the row before was not in gets a line of its own.
        around = row.name.split(".")[:-1]
        for level, part in enumerate(around):
            if inside[level : level + 1] != [part]:
                inside = [*inside[:level], part]
                grid.add_row(Text("  " * (level + 1) + printable(part), style="bold"))
        inside = around

        grid.add_row(*_texts(row, shape))

    if solved:
        values = ", ".join(f"{printable(name)} = {written(n)}" for name, n in solved.items())
        grid.caption, grid.caption_justify = Text(f"solved: {values}", style=""), "left"
    return grid


def _grid(trace: Trace, dtype: str) -> Table:
    """The empty table, with the network's name and sizes above and the totals below."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    network = trace.network
    known = [symbol for symbol in network.symbols if symbol in trace.sizes]
    sizes = "  ".join(f"{symbol}={trace.sizes[symbol]}" for symbol in known)
    title = f"{printable(network.name or network.path)}   {sizes}".rstrip()
    grid = Table(
        title=Text(title, style="bold", no_wrap=True, overflow="ignore"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_footer=True,
    )

    params, macs, held = _footers(trace, dtype)
    grid.add_column("node", footer=f"{len(network.nodes)} nodes", no_wrap=True)
    grid.add_column("operation", no_wrap=True)
    grid.add_column("output", no_wrap=True)
    grid.add_column("from", style="cyan", overflow="fold")
    grid.add_column("params", justify="right", footer=params, no_wrap=True)
    grid.add_column("MACs", justify="right", footer=macs, no_wrap=True)
    grid.add_column("memory", justify="right", footer=held, no_wrap=True)
    grid.add_column("field", justify="right", no_wrap=True)
    return grid


def _footers(trace: Trace, dtype: str) -> tuple[str, str, str]:
    """The totals of parameters, MACs and memory; of a network that stops they are only those up to there."""
    whole, stop = total(costs(trace, dtype)), stopped(trace)
    params, macs, held = short(whole.params), short(whole.macs), short_bytes(whole.memory)
    if stop is None:
        return params, macs, held

    least = short(whole.params + stop.params)
    params = f"{params} of\nat least {least}" if stop.params else f"at least\n{params}"
    return params, f"at least\n{macs}", f"at least\n{held}"


def _texts(row: Row, shape: str) -> Iterator[Text | str]:
    """The cells of one row."""
    from rich.text import Text

    is_input = row.section == "input"
    indent = "  " * (row.level if is_input else row.level + 1)
    yield Text(indent + printable(row.name.rsplit(".", 1)[-1]))
    yield Text(printable(row.op))
    yield Text(shape, style="red" if row.failed else "dim" if row.shape is None else "")
    yield Text(printable("← " + ", ".join(row.skips))) if row.skips else ""
    yield short(row.cost.params) if row.cost.params else ""
    yield short(row.cost.macs) if row.cost.macs else ""
    yield short_bytes(row.cost.memory) if row.shape is not None else ""
    yield field_text(row.field) if row.field and not is_input else ""


def memory_text(trace: Trace, dtype: str, step: Fit | None, fitting: Largest | None) -> str:
    """The lines below the table: what training keeps, the peak of a run, a training step, and the largest sizes."""
    held = memory(trace, dtype)
    if held is None:
        return ""
    unknown = unknown_in_training(trace)
    kept = f"training keeps {short_bytes(held.training)} for the backward pass"
    if unknown is not None:
        kept = f"what training keeps of {printable(unknown)} is not known"
    lines = [
        f"{kept}; a run without it peaks at {short_bytes(held.inference)}, at {printable(held.peak)}"
    ]
    if step is not None:
        lines += _step_lines(step)
    if step is not None and step.memory is not None and fitting is not None:
        lines += _largest_lines(fitting, step.memory, is_known=step.step is not None)
    return "\n".join(f" {line}" for line in lines)


def _largest_lines(fitting: Largest, budget: int, *, is_known: bool) -> Iterator[str]:
    """The largest sizes of a run, and of training where that is known."""
    several = [("a run", fitting.inference)]
    if is_known:
        several.append(("training", fitting.training))
    for what, sizes in several:
        found = ", ".join(f"{name} = {n or 'none'}" for name, n in sizes.items())
        yield (
            f"in {short_bytes(budget)}, parameters and margin included, {what} takes at most "
            f"{found or 'these sizes'}"
        )


PARTS = {
    "weights": "weights",
    "gradients": "their gradients",
    "optimizer": "optimizer's state",
    "copies": "autocast's copies of weights",
    "kept": "kept maps",
    "passing": "maps and gradients in flight",
    "temporaries": "the update's temporaries",
}
"""What the parts of a training step are called."""


def _step_lines(fit: Fit) -> Iterator[str]:
    """What a training step takes, what for, whether it fits, and what would save most."""
    step = fit.step
    if step is None or fit.needed is None:
        yield "so it is not known what a training step takes"
        return

    where = "in the update"
    if step.node:
        where = f"at {printable(step.node)} in the {step.phase} pass"
    types = "" if fit.amp is None else f" and autocast to {fit.amp}"
    yield f"a training step with {fit.optimizer}{types} peaks at {short_bytes(step.peak)}, {where}:"
    for part, size in step.parts.items():
        if size:
            yield f"  {short_bytes(size):>8}  {PARTS[part]}"

    percent = f"{fit.margin * 100:.4g} %"
    sentence = (
        f"with a margin of {percent} for workspaces and fragmentation {short_bytes(fit.needed)}"
    )
    if fit.memory is not None:
        verdict = "fits" if fit.fits else "does not fit"
        sentence += f", which {verdict} in {short_bytes(fit.memory)}"
    yield sentence
    yield from _checkpoint_lines(fit, step.peak)


def _checkpoint_lines(fit: Fit, peak: int) -> Iterator[str]:
    """What the checkpoints change, and which one more would save most."""
    if fit.without_checkpoints is not None:
        change = fit.without_checkpoints - peak
        verb = "lower" if change >= 0 else "raise"
        yield f"the checkpoints {verb} the peak by {short_bytes(abs(change))}"

    if fit.saving is not None:
        saved = short_bytes(peak - fit.saving.peak)
        name = printable(fit.saving.checkpoint)
        yield f"a checkpoint of {name} would save most: {saved} of the peak"


HEADER = (
    "section",
    "node",
    "operation",
    "from",
    "shape",
    "params",
    "macs",
    "memory",
    "receptive_field",
)


def _cells(row: Row) -> list[Any]:
    shape = "" if row.shape is None else "×".join(map(str, row.shape))
    skips, field = ", ".join(row.skips), field_text(row.field) if row.field else ""
    return [
        row.section, row.name, row.op, skips, shape, row.cost.params, row.cost.macs, row.cost.memory, field,
    ]  # fmt: skip


def to_csv(trace: Trace, depth: int | None, dtype: str = "float32") -> str:
    """Comma-separated, one line per row, numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(_cells(row) for row in rows(trace, depth, dtype))
    return out.getvalue()


def to_markdown(trace: Trace, depth: int | None, dtype: str = "float32") -> str:
    """A table for a pull request."""

    def cell(value: Any) -> str:
        return printable(str(value)).replace("|", "\\|").replace("<", "&lt;")

    lines = ["| " + " | ".join(HEADER) + " |", "| " + " | ".join("---" for _ in HEADER) + " |"]
    lines += [
        "| " + " | ".join(cell(c) for c in _cells(row)) + " |"
        for row in rows(trace, depth, dtype)
    ]
    lines.append(_total_line(trace, total(costs(trace, dtype)), cell))
    return "\n".join(lines) + "\n"


def _total_line(trace: Trace, whole: Cost, cell: Callable[[Any], str]) -> str:
    """The last line of the markdown table."""
    nodes = f"{len(trace.network.nodes)} nodes"
    stop = stopped(trace)
    if stop is None:
        return f"| total | {nodes} | | | | {whole.params} | {whole.macs} | {whole.memory} | |"

    where = f"{nodes}, up to {cell(stop.at)}"
    params = f"{whole.params} of at least {whole.params + stop.params}"
    rest = f"at least {whole.macs} | at least {whole.memory}"
    return f"| total | {where} | | | | {params} | {rest} | |"
