"""The interactive page of a network: one HTML file that asks nothing of the network.

The page holds the program of :mod:`tracer.live`, pictures, and the texts that do not change with sizes; ``program.js``
runs the program, ``sizes.js`` looks for sizes that work, ``view.js`` moves the picture, ``maps.js`` writes its texts,
``table.js`` has the table, and ``page.js`` shows what comes out. Every sheet is packed, and unpacked when it is shown:
so a page of a thousand nodes is a tenth of what it says. Text from a config reaches the page escaped or as JSON in a
block that no browser runs, and the content security policy allows the page's own script and style alone.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files

import msgspec

from tracer.costs.operations import DTYPE_BYTES
from tracer.diagnostics import Diagnostic, legible, printable
from tracer.drawing.maps.holding import places_of
from tracer.geometry.grids import grids
from tracer.live import Live
from tracer.live.sheets import LiveSheet
from tracer.network.records import Node
from tracer.ops.base import Op, written
from tracer.planning.working_sizes import Axis
from tracer.repairing.repair import Repair
from tracer.sizing.primitives import CONDITION, NUMBER, SIZE, Primitive
from tracer.sizing.program import KIND_OF
from tracer.sizing.size_set import SizeSet
from tracer.views.document import deflated, policy_hash
from tracer.views.maps import SAYS, maps_style
from tracer.views.page.pictures import (
    UNFOLDED,
    UNFOLDED_ELSEWHERE,
    PagePicture,
    drawings,
    page_pictures,
)
from tracer.views.plan import edit_text, effect_text
from tracer.views.sizes import SETS
from tracer.views.svg import style as boxes_style

SCRIPTS = ("sizes.js", "view.js", "maps.js", "table.js", "page.js")
"""What is run behind ``program.js``, in this order."""

FLOAT = DTYPE_BYTES["float32"]
"""Bytes of one value."""

SHOWN_SOURCE = 100_000
"""Characters of a config whose text is shown."""


PACKED = 480_000
"""Bytes of all sheets, at most; the first one is there whatever it has."""


class PageNode(msgspec.Struct, frozen=True):
    """What a page says of a node whatever the sizes are."""

    name: str
    op: str
    line: int
    args: str
    about: str
    """The first sentence of the operation's documentation, with its formula."""
    inputs: list[int]
    operands: dict[str, int]
    field: list[int | None]
    """The receptive field per spatial axis, in input pixels; None: the whole input, -1: not computed."""
    steady: bool
    """Whether the receptive field is the same for every size."""
    places: list[int]
    """The dims along which positions lie."""


class Remark(msgspec.Struct, frozen=True):
    """A diagnostic of the config as it stands."""

    code: str
    severity: str
    message: str
    hint: str | None
    line: int | None
    node: int | None
    """The number of the node that it is about; None where it is about none."""


class PageSet(msgspec.Struct, frozen=True):
    """A set of sizes, and as text."""

    text: str
    finite: list[int]
    start: int
    modulus: int
    residues: list[int]


class PageRepair(msgspec.Struct, frozen=True):
    """One repair of the config as it stands."""

    title: str
    safe: bool
    values: list[str]
    """Its edits; what is to be done by hand where it is none of the config."""
    effect: str
    lines: list[LineChange]
    """How it changes the config's text; none where that is not shown."""


class LineChange(msgspec.Struct, frozen=True, array_like=True):
    """Lines of a text, from one on and up to another, and what stands in their place."""

    start: int
    stop: int
    lines: list[str]


class Sheet(msgspec.Struct, frozen=True):
    """A network with its layers: the config's as it stands, or those of another value of a param that decides them."""

    param: str | None
    value: int | None
    """What differs from the config; None for the first sheet."""
    live: Live
    nodes: list[PageNode]
    pictures: list[PagePicture]
    sets: dict[str, dict[str, PageSet]]
    """Per symbol: the sizes that run, run losslessly and run aligned, with the params as they stand.

    Where something is promised (``expect``), ``wanted`` are those that run losslessly and keep it.
    """
    repairs: list[PageRepair]
    remarks: list[Remark]
    source: str | None
    """The config's text, in the first sheet; None where it is no config's, or too long."""


class SheetName(msgspec.Struct, frozen=True):
    """What a sheet is of, for a page that has not unpacked it."""

    param: str | None
    value: int | None
    repair: int | None
    """The number of the repair that it has."""


class WriteAccess(msgspec.Struct, frozen=True):
    """Where a server takes repairs to write, and what shows that they come from its own page."""

    address: str
    token: str
    seen: int
    """The number of the file's changes that the page knows of."""


class PageData(msgspec.Struct, frozen=True):
    """What the script reads at first."""

    title: str
    path: str
    numbers: dict[str, int]
    """The params that are whole numbers, as the config has them."""
    sheets: list[SheetName]
    element: int
    """Bytes of one value."""
    ways: dict[str, str]
    """What the colours of arrows mean."""
    events: str | None
    """Where a server tells of changes."""
    writing: WriteAccess | None = None
    """None where nothing is written."""
    depth: int = 1
    """How far the picture is unfolded at first."""
    dated: str | None = None
    """When the text of the picture was read, where there is a later one."""


def page(
    sheets: Sequence[LiveSheet],
    found: Sequence[Diagnostic],
    *,
    events: str | None = None,
    stale: str | None = None,
    writing: WriteAccess | None = None,
    style: str | None = None,
    depth: int = 1,
) -> str:
    """The page of a network's sheets and of what is wrong with its config now.

    Without sheets it shows the diagnostics alone. ``events``: where a server tells when to load again; ``stale``: when
    the text was read that has the picture, where it is an earlier one. ``writing``: where it takes repairs.
    ``style``: boxes for pictures of boxes; otherwise they are of maps. ``depth``: how far the first picture is
    unfolded, as far as there is a picture of that.
    """
    is_told = stale is not None or not sheets
    told = _told(found, stale if sheets else None) if is_told else ""
    if not sheets:
        data = PageData("tracer", "", {}, [], FLOAT, {}, events)
        return _document(data, f'<main class="alone">{told}</main>')

    packs = _with_room(_packed_sheets(sheets, style))
    network = sheets[0].trace.network
    data = PageData(
        title=network.name or "network",
        path=network.path,
        numbers={name: n for name, n in network.params.items() if type(n) is int},
        sheets=[
            SheetName(sheet.param, sheet.value, sheet.repair) for sheet, _ in zip(sheets, packs)
        ],
        element=FLOAT,
        ways=SAYS,
        events=events,
        writing=writing,
        depth=depth,
        dated=stale,
    )
    return _document(data, told + asset("page.html"), packs)


def _with_room(packs: Iterable[str]) -> list[str]:
    """The first sheet, and of the others as many as a page has room for."""
    found: list[str] = []
    room = PACKED
    for pack in packs:
        room -= len(pack)
        if found and room < 0:
            break
        found.append(pack)
    return found


def _packed_sheets(sheets: Sequence[LiveSheet], style: str | None) -> Iterator[str]:
    """Every sheet as the page unpacks it. The pictures of other layers are unfolded as far as there is room."""
    first, *others = sheets
    pictures = page_pictures(first, drawings(first, UNFOLDED), style)
    yield packed(_sheet(first, pictures))

    room = UNFOLDED_ELSEWHERE
    for sheet in others:
        planned = drawings(sheet, room)
        room -= sum(len(drawing.picture.boxes) for drawing in planned[1:])
        yield packed(_sheet(sheet, page_pictures(sheet, planned, style)))


def packed(sheet: Sheet) -> str:
    """A sheet as the page has it: JSON, deflated, as text."""
    return deflated(msgspec.json.encode(sheet))


def _document(data: PageData, body: str, packs: Sequence[str] = ()) -> str:
    sheet = asset("page.css") + boxes_style("svg.boxes") + maps_style("svg.maps")
    script = program_script() + "".join(map(asset, SCRIPTS))
    policy = (
        f"default-src 'none'; script-src '{policy_hash(script)}'; style-src '{policy_hash(sheet)}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    inert = msgspec.json.encode(data).decode()
    inert = (
        inert.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
    blocks = "".join(
        f'<script type="text/plain" data-sheet="{number}">{pack}</script>\n'
        for number, pack in enumerate(packs)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(printable(data.title))}</title>\n<style>{sheet}</style>\n</head>\n<body>\n{body}\n"
        f'{blocks}<script type="application/json" id="data">{inert}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def asset(name: str) -> str:
    """A file of this folder."""
    return (files(__name__) / name).read_text("utf-8")


@cache
def program_script() -> str:
    """``program.js`` with the JavaScript of every size primitive, and with what each of them takes."""
    functions = ", ".join(map(_javascript, KIND_OF))
    takes = ", ".join(f"{kind}: {list(primitive.takes)}" for primitive, kind in KIND_OF.items())
    script = asset("program.js").replace("/* primitives */", functions)
    return script.replace("/* takes */", takes)


def _javascript(primitive: Primitive) -> str:
    """An entry of the script's table: the function that computes the primitive from its instruction.

    >>> from tracer.sizing.primitives import minimum
    >>> _javascript(minimum)
    '3: (step, v, program) => Math.min(v[step[1]], v[step[2]])'
    """
    forms = {SIZE: "v[step[{}]]", NUMBER: "step[{}]", CONDITION: "program.truth(step[{}], v)"}
    arguments = [forms[takes].format(n) for n, takes in enumerate(primitive.takes, 1)]
    body = primitive.javascript.format(*arguments)
    return f"{KIND_OF[primitive]}: (step, v, program) => {body}"


def _told(found: Sequence[Diagnostic], dated: str | None) -> str:
    """What is wrong with a text of which there is no picture; over that of an earlier one, which keeps its place."""
    last, kind = "", "told"
    if dated is not None:
        last = f"<p>The picture is the last one that could be made, of {escape(dated)}.</p>"
        kind = "told stale"
    items = "".join(
        f"<li><b>{escape(d.severity)} {escape(d.code)}</b> {_place(d)}{escape(legible(d.message))}"
        f"{f'<br><small>{escape(legible(d.hint))}</small>' if d.hint else ''}</li>"
        for d in found
    )
    return (
        f'<section class="{kind}" role="alert"><h2>The file as it stands cannot be drawn</h2>'
        f"{last}<ul>{items}</ul></section>"
    )


def _place(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    return f"line {span.line}: " if span is not None else ""


def _sheet(shown: LiveSheet, pictures: list[PagePicture]) -> Sheet:
    source = _source(shown)
    return Sheet(
        param=shown.param,
        value=shown.value,
        live=shown.live,
        nodes=_nodes(shown),
        pictures=pictures,
        sets={symbol: _sets(symbol, axis) for symbol, axis in shown.sets.items()},
        repairs=[_repair(repair, source) for repair in shown.repairs],
        remarks=_remarks(shown),
        source=source,
    )


def _source(shown: LiveSheet) -> str | None:
    """The text of the config, where that is what the user wrote."""
    is_first = shown.param is None and shown.repair is None
    text = shown.trace.network.source
    is_own = all(node.has_lines for node in shown.trace.network.nodes)
    return text if is_first and is_own and 0 < len(text) <= SHOWN_SOURCE else None


def _repair(repair: Repair, source: str | None) -> PageRepair:
    return PageRepair(
        title=legible(repair.title),
        safe=repair.safe,
        values=[legible(text) for text in repair.steps or map(edit_text, repair.edits)],
        effect=legible(effect_text(repair)),
        lines=[] if source is None else _line_changes(source, repair.text),
    )


def _line_changes(before: str, after: str) -> list[LineChange]:
    """How a text becomes another one.

    >>> _line_changes("a\nb\nc", "a\nB\nc")
    [LineChange(start=1, stop=2, lines=['B'])]
    """
    old, new = before.split("\n"), after.split("\n")
    matcher = difflib.SequenceMatcher(None, old, new)
    return [
        LineChange(start, stop, new[first:last])
        for kind, start, stop, first, last in matcher.get_opcodes()
        if kind != "equal"
    ]


def _remarks(shown: LiveSheet) -> list[Remark]:
    numbers = {node.name: node.index for node in shown.trace.network.nodes}
    return [_remark(diagnostic, numbers) for diagnostic in shown.found]


def _remark(d: Diagnostic, numbers: Mapping[str, int]) -> Remark:
    return Remark(
        code=d.code,
        severity=d.severity,
        message=legible(d.message),
        hint=None if d.hint is None else legible(d.hint),
        line=d.span.line if d.span else None,
        node=numbers.get(d.node or ""),
    )


def _nodes(shown: LiveSheet) -> list[PageNode]:
    trace = shown.trace
    places = [places_of(own) for own in grids(shown.running)]
    return [
        PageNode(
            name=node.name,
            op=node.op_name,
            line=node.span.line,
            args="" if op is None else _arguments(node, op),
            about="" if op is None else _about(op),
            inputs=[source.index for source in node.inputs],
            operands={field: source.index for field, source in node.operands.items()},
            field=shown.seen[node.index],
            steady=node.index in shown.steady,
            places=list(places[node.index]),
        )
        for node, op in zip(trace.network.nodes, trace.ops)
    ]


def _arguments(node: Node, op: Op) -> str:
    return ", ".join(f"{name}: {written(value)}" for name, value in node.arguments(op).items())


@cache
def _about_class(cls: type) -> str:
    text = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    return " ".join(" ".join(text[:2]).split()).replace("``", "")


def _about(op: Op) -> str:
    for cls in type(op).__mro__:
        if cls.__doc__ and "out = " in cls.__doc__:
            return _about_class(cls)
    return _about_class(type(op))


def _sets(symbol: str, axis: Axis) -> dict[str, PageSet]:
    found = {kind: _set(symbol, getattr(axis, kind)) for kind in SETS}
    if axis.kept is not None:
        found["wanted"] = _set(symbol, axis.lossless & axis.kept)
    return found


def _set(symbol: str, found: SizeSet) -> PageSet:
    return PageSet(
        found.written(symbol),
        list(found.finite),
        found.start,
        found.modulus,
        list(found.residues),
    )
