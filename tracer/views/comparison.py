"""A comparison of two networks as a table and as the JSON answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracer.comparing.comparison import Comparison, SetDifference, Side, TotalDifference
from tracer.comparing.matching import Difference, NodeChange, NodeState
from tracer.diagnostics import Diagnostic, legible, printable
from tracer.ops.base import written
from tracer.sizing.size_set import SizeSet
from tracer.views.found import FORMAT_VERSION, DiagnosticAnswer, diagnostic_answer
from tracer.views.sizes import SetAnswer
from tracer.views.table import short, short_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


class WrittenSet(SetAnswer, frozen=True):
    """A set of sizes, with ``text`` as a person writes it: ``H = 16k, k >= 2``."""

    text: str


class SetDifferenceAnswer(msgspec.Struct, frozen=True):
    """One set of sizes of one symbol; null where the network doesn't have the symbol."""

    symbol: str
    set: str
    """``runs``, ``lossless`` or ``aligned``."""
    old: WrittenSet | None
    new: WrittenSet | None
    gained: WrittenSet | None
    """The sizes of ``new`` that are not in ``old``; null where there is one set only, or they repeat too late."""
    lost: WrittenSet | None
    below: int | None
    """The sets are known, and compared, below this size only; null: for every size."""


class NodesAnswer(msgspec.Struct, frozen=True):
    """Nodes in execution order."""

    added: list[NodeState]
    removed: list[NodeState]
    renamed: list[NodeChange]
    """With what else changed in them."""
    changed: list[NodeChange]


class FindingsAnswer(msgspec.Struct, frozen=True):
    """Diagnostics of one network only, by code and node, or by code and message."""

    old: list[DiagnosticAnswer]
    new: list[DiagnosticAnswer]


class CompareAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer compare``: B against A, A being the old one."""

    format_version: str
    differs: bool
    a: Side
    b: Side
    totals: list[TotalDifference]
    """All of them, those that are equal included."""
    nodes: NodesAnswer
    params: list[Difference]
    symbols: list[Difference]
    """The symbols of the inputs, with their promises under ``sizes``."""
    outputs: list[Difference]
    autos: list[Difference]
    """Planned values, by ``node.argument``."""
    sizes: list[SetDifferenceAnswer]
    ties: list[Difference]
    """Constraints that tie symbols together, in one network only."""
    diagnostics: FindingsAnswer


def compare_answer(found: Comparison) -> CompareAnswer:
    """The JSON answer."""
    return CompareAnswer(
        format_version=FORMAT_VERSION,
        differs=found.differs,
        a=found.a,
        b=found.b,
        totals=found.totals,
        nodes=NodesAnswer(found.added, found.removed, found.renamed, found.changed),
        params=found.params,
        symbols=found.symbols,
        outputs=found.outputs,
        autos=found.autos,
        sizes=[_set_answer(one) for one in found.sizes],
        ties=found.ties,
        diagnostics=FindingsAnswer(
            [diagnostic_answer(d) for d in found.gone],
            [diagnostic_answer(d) for d in found.found],
        ),
    )


def _set_answer(one: SetDifference) -> SetDifferenceAnswer:
    def answer(sizes: SizeSet | None) -> WrittenSet | None:
        if sizes is None:
            return None
        return WrittenSet(
            list(sizes.finite),
            sizes.start,
            sizes.modulus,
            list(sizes.residues),
            sizes.written(one.symbol),
        )

    return SetDifferenceAnswer(
        symbol=one.symbol,
        set=one.kind,
        old=answer(one.old),
        new=answer(one.new),
        gained=answer(one.gained),
        lost=answer(one.lost),
        below=one.below,
    )


# --- words that the table and markdown share -----------------------------------------------------------------------


def headline(found: Comparison) -> str:
    """One sentence: how much differs."""
    for side, label in ((found.a, "A"), (found.b, "B")):
        if not side.loaded:
            return f"{label} does not load, so only findings are compared: {_findings_text(found) or 'the same ones'}"
    if not found.differs:
        return "no difference"

    parts = [*_counted_nodes(found), *_changed_totals(found), *_changed_declarations(found)]
    if found.sizes or found.ties:
        parts.append("other sizes work")
    findings = _findings_text(found)
    return "; ".join([*parts, findings] if findings else parts)


def _counted_nodes(found: Comparison) -> Iterable[str]:
    counts = {
        "added": len(found.added),
        "removed": len(found.removed),
        "renamed": len(found.renamed),
        "changed": len(found.changed),
    }
    words = [f"{n} {word}" for word, n in counts.items() if n]
    if words:
        yield f"nodes: {', '.join(words)}"


def _changed_totals(found: Comparison) -> Iterable[str]:
    for t in found.totals:
        if t.difference and t.what != "nodes":
            yield f"{title(t.what)} {signed(t)}"


def _changed_declarations(found: Comparison) -> Iterable[str]:
    declared = {
        "param": found.params,
        "symbol": found.symbols,
        "output": found.outputs,
        "auto": found.autos,
    }
    for kind, entries in declared.items():
        if entries:
            yield f"{len(entries)} declared {kind}{'s' if len(entries) > 1 else ''}"


def _findings_text(found: Comparison) -> str:
    """``1 new error, 2 warnings gone``; empty where neither network has findings of its own."""
    parts = []
    for findings, pattern in ((found.found, "{} new {}"), (found.gone, "{} {} gone")):
        for severity in ("error", "warning"):
            n = sum(d.severity == severity for d in findings)
            if n:
                parts.append(pattern.format(n, severity if n == 1 else f"{severity}s"))
    return ", ".join(parts)


def title(what: str) -> str:
    """A cost in words."""
    return {"macs": "MACs"}.get(what, what.replace("_", " "))


def amount(what: str, number: int) -> str:
    """A sum with three digits; what is counted in bytes as such."""
    if any(word in what for word in ("memory", "peak", "bytes")):
        return short_bytes(number)
    return short(number)


def both(what: str, old: int | None, new: int | None) -> tuple[str, str]:
    """Two sums, with all digits where three don't tell them apart."""
    texts = tuple("-" if n is None else amount(what, n) for n in (old, new))
    if texts[0] == texts[1] and old != new:
        return f"{old:,}", f"{new:,}"
    return texts[0], texts[1]


def signed(total: TotalDifference) -> str:
    """A difference with its sign and its share: ``-23.3 M (-75.0 %)``."""
    if total.difference is None:
        return "-"
    if not total.difference:
        return "same"
    sign = "-" if total.difference < 0 else "+"
    text = sign + amount(total.what, abs(total.difference))
    if total.percent is None:
        return text
    share = (
        f"{total.percent:+,.1f} %" if abs(total.percent) >= 0.05 else f"{sign}less than 0.1 %"
    )
    return f"{text} ({share})"


def value_text(value: Any) -> str:
    """A value as YAML writes it; ``-`` where there is none."""
    if value is msgspec.UNSET:
        return "-"
    if isinstance(value, dict):
        return ", ".join(
            f"{key}: {written(item)}" for key, item in value.items() if item is not None
        )
    return written(value)


def shape_text(shape: Any) -> str:
    """``1×64×568×568``, or ``?`` where there is none."""
    return "?" if shape is None else "×".join(map(str, shape))


def node_cells(change: NodeChange, costs: Sequence[str]) -> list[str]:
    """The changes of a node's declaration, its shape and its costs, a cell each; empty where nothing changed."""
    words, cells = [], dict.fromkeys(("shape", *costs), "")
    for d in change.differences:
        if d.what == "shape":
            cells["shape"] = f"{shape_text(d.old)} → {shape_text(d.new)}"
        elif d.what in cells:
            old, new = both(
                d.what, *[None if n is msgspec.UNSET else n for n in (d.old, d.new)]
            )
            # Of no shape there is no cost.
            cells[d.what] = f"{old} → {new}" if d.old or d.new else ""
        elif d.what == "operation":
            words.append(f"{d.old} → {d.new}")
        else:
            what = "from" if d.what == "inputs" else d.what.removeprefix("arguments.")
            words.append(f"{what} {value_text(d.old)} → {value_text(d.new)}")
    return [", ".join(words), *cells.values()]


def state_cells(state: NodeState, costs: Sequence[str]) -> list[str]:
    """A node of one network only: what it is, its shape and its costs."""
    arguments = ", ".join(
        f"{name}: {value_text(value)}" for name, value in state.arguments.items()
    )
    parts = [
        state.operation,
        arguments,
        f"from {', '.join(state.inputs)}" if state.inputs else "",
    ]
    numbers = [
        amount(cost, state.costs[cost]) if state.costs.get(cost) else "" for cost in costs
    ]
    return ["  ".join(part for part in parts if part), shape_text(state.shape), *numbers]


def node_costs(found: Comparison) -> list[str]:
    """The costs of single nodes."""
    changes = [d for change in (*found.renamed, *found.changed) for d in change.differences]
    known = {cost: None for state in (*found.added, *found.removed) for cost in state.costs}
    known.update({d.what: None for d in changes if d.what in {t.what for t in found.totals}})
    return [t.what for t in found.totals if t.what in known]


NodeRow = tuple[str, str, list[str]]
"""A mark, a name, and the cells of :func:`node_cells`."""


def node_rows(found: Comparison, costs: Sequence[str]) -> Iterable[NodeRow]:
    """A row for each node that differs: renamed, removed, added, changed."""
    for change in found.renamed:
        yield "→", f"{change.old_name} → {change.name}", node_cells(change, costs)
    for state in found.removed:
        yield "-", state.name, state_cells(state, costs)
    for state in found.added:
        yield "+", state.name, state_cells(state, costs)
    for change in found.changed:
        yield "~", change.name, node_cells(change, costs)


def value_rows(found: Comparison) -> list[tuple[str, str, str, str]]:
    """Params, symbols, outputs, planned values and ties: kind, name, old, new."""
    kinds = (
        ("param", found.params),
        ("symbol", found.symbols),
        ("output", found.outputs),
        ("auto", found.autos),
        ("tie", found.ties),
    )
    return [
        (kind, d.what, value_text(d.old), value_text(d.new))
        for kind, entries in kinds
        for d in entries
    ]


def set_rows(found: Comparison) -> list[list[str]]:
    """Symbol, set, old, new, gained, lost."""
    rows = []
    for one in found.sizes:
        sets = [
            "-" if sizes is None else sizes.written(one.symbol) if sizes or i < 2 else "none"
            for i, sizes in enumerate((one.old, one.new, one.gained, one.lost))
        ]
        rows.append(
            [
                one.symbol,
                one.kind if one.below is None else f"{one.kind} below {one.below}",
                *sets,
            ]
        )
    return rows


def remarks(found: Comparison) -> list[str]:
    """A sentence for each network that stops early, or whose sizes are not known."""
    lines = []
    for side, label in ((found.a, "A"), (found.b, "B")):
        if side.stops_at is not None:
            lines.append(
                f"{side.path} stops at {side.stops_at}: its totals cover only the nodes before that"
            )
        if side.sizes_unknown:
            lines.append(f"the sizes that work are not compared, {label}: {side.sizes_unknown}")
    return lines


# --- the table -----------------------------------------------------------------------------------------------------

MARKS = {"+": "green", "-": "red", "→": "cyan", "~": "yellow"}


def compare_table(found: Comparison) -> list[RenderableType]:
    """The comparison for a terminal, with the headline at the end."""
    from rich.text import Text

    parts: list[RenderableType] = []
    if found.differs:
        parts += [
            Text(printable(f"{found.a.path} → {found.b.path}"), style="bold"),
            *_tables(found),
        ]
    parts += [Text(printable(line), style="yellow") for line in remarks(found)]
    for word, findings, style in (("new", found.found, "red"), ("gone", found.gone, "green")):
        parts += [Text(printable(f"{word}: {finding_text(d)}"), style=style) for d in findings]
    return [*parts, Text(printable(headline(found)), style="bold")]


def finding_text(d: Diagnostic) -> str:
    """``error[T301] line 12: cat2: sizes differ``."""
    place = f" line {d.span.line}:" if d.span else ""
    return f"{d.severity}[{d.code}]{place} {legible(d.message)}"


def _tables(found: Comparison) -> Iterable[Table]:
    """A table for each kind of difference that there is."""
    totals = [t for t in found.totals if t.old != t.new]
    if totals:
        grid = _grid("total", "old", "new", "difference", right=("old", "new", "difference"))
        for t in totals:
            _row(grid, title(t.what), *both(t.what, t.old, t.new), signed(t))
        yield grid

    costs = node_costs(found)
    rows = list(node_rows(found, costs))
    if rows:
        yield _nodes_table(rows, costs)
    if values := value_rows(found):
        yield _table(("", "name", "old", "new"), values)
    if sets := set_rows(found):
        yield _table(("axis", "set", "old", "new", "gained", "lost"), sets)


def _nodes_table(rows: Sequence[NodeRow], costs: Sequence[str]) -> Table:
    """The nodes that differ; an empty column is left out."""
    heads = ["change", "shape", *map(title, costs)]
    filled = [i for i in range(len(heads)) if any(cells[i] for _, _, cells in rows)]
    grid = _grid("", "node", *[heads[i] for i in filled], right=heads[2:])
    for mark, name, cells in rows:
        _row(grid, mark, name, *[cells[i] for i in filled], style=MARKS[mark])
    return grid


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    grid = _grid(*heads)
    for row in rows:
        _row(grid, *row)
    return grid


def _grid(*heads: str, right: Sequence[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        grid.add_column(head, justify="right" if head in right else "left", overflow="fold")
    return grid


def _row(grid: Table, *cells: str, style: str = "") -> None:
    from rich.text import Text

    first, *rest = [Text(printable(cell)) for cell in cells]
    first.stylize(style)
    grid.add_row(first, *rest)
