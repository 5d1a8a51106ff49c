"""A picture of maps as SVG: slabs, arrows by the kind of operation, levels in bands, and a legend.

Colours follow the reader's light or dark scheme. Text from a config is escaped everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from tracer.diagnostics import legible, printable
from tracer.drawing.maps.cells import short_name
from tracer.drawing.maps.columns import MapOrder
from tracer.drawing.maps.holding import NO_POSITIONS, Holding
from tracer.drawing.maps.placing import Label
from tracer.drawing.maps.scene import FONT, MapScene, arm_text
from tracer.drawing.maps.sizes import BEHIND, text_width, thickness
from tracer.drawing.maps.units import MapUnit, Slab, sign_of
from tracer.drawing.maps.ways import MapWay
from tracer.drawing.placed import Rectangle, Route
from tracer.views.svg import FONT as FAMILY
from tracer.views.svg import LINE, escaped, head, path, problem_lines, shape_text

LIGHT = {
    "ground": "#ffffff",
    "band": "#f4f6f8",
    "text": "#17202b",
    "muted": "#505c6a",
    "conv": "#3c4858",
    "pass": "#5d6875",
    "skip": "#0060a8",
    "down": "#a04a00",
    "up": "#00705c",
    "size": "#8a3a86",
    "wrong": "#c4001a",
    "unknown": "#66707c",
    "input-fill": "#e9ecf0",
    "conv-fill": "#cbd6e4",
    "pass-fill": "#e3e8ee",
    "merge-fill": "#e3e8ee",
    "skip-fill": "#ffffff",
    "down-fill": "#f3d3b3",
    "up-fill": "#b5e0d4",
    "wrong-fill": "#fde0e0",
}
DARK = {
    "ground": "#13171c",
    "band": "#1a2027",
    "text": "#e8edf2",
    "muted": "#a5b1be",
    "conv": "#b9c4d0",
    "pass": "#94a1af",
    "skip": "#6cb4f0",
    "down": "#f0a259",
    "up": "#4cc7a8",
    "size": "#d58fd0",
    "wrong": "#ff8f8f",
    "unknown": "#8b97a4",
    "input-fill": "#2c343e",
    "conv-fill": "#37475b",
    "pass-fill": "#2b343f",
    "merge-fill": "#2b343f",
    "skip-fill": "#13171c",
    "down-fill": "#5b3c1e",
    "up-fill": "#1d4d43",
    "wrong-fill": "#4d2026",
}

SAYS = {
    "conv": "convolution, linear",
    "pass": "handed on, joined",
    "down": "down: pooling, stride",
    "up": "up: resize, transposed",
    "skip": "skip past coarser maps",
    "size": "only size or indices",
    "wrong": "sizes do not fit",
    "unknown": "behind a fault",
}
"""What the colours of arrows mean."""

STANDING = "height: extent, thickness: channels (both log); above: channels, below: extent"
LYING = "length: extent, thickness: channels (both log); channels × extent beside"

SOLID = 3
"""The axes of a map that is a solid."""

FACE = 4
"""How far its upper and right faces go back."""

LETTERS, FEW_NAMES = 24, 4
"""Of names in the legend."""

TITLE = 34
"""The height of the title's line."""

GATES = {"×": "× product", "+": "+ sum", "∪": "∪ joined", "": "○ layers on a skip"}
"""What the signs of gates mean."""

SAMPLE = 30
"""The length of an arrow in the legend."""


def maps_svg(scene: MapScene, said: Sequence[str] = ()) -> str:
    """The picture as an SVG file, with its legend, and what is said of it and what is wrong written under it."""
    picture = scene.held.picture
    layout = scene.layout
    notes = [*said, *problem_lines(picture)]
    legend = legend_of(scene)
    widest = max((text_width(line) + 40 for line in notes), default=0)
    width = max(layout.width, 640, widest)
    legend_text, legend_height = _laid(legend, width, TITLE + layout.height)
    height = TITLE + layout.height + legend_height + LINE * len(notes) + 8

    lines = ""
    for number, line in enumerate(notes):
        kind = "said" if number < len(said) else "note"
        y = height - 8 - LINE * (len(notes) - number - 1)
        lines += f'<text class="{kind}" x="16" y="{y}">{escaped(line)}</text>\n'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{FAMILY}" font-size="{FONT}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escaped(picture.title)}</title>\n<style>\n{maps_style()}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n'
        f'<text class="title" x="16" y="23">{escaped(printable(picture.title))}</text>\n'
        f'<g transform="translate(0 {TITLE})">\n{maps_drawn(scene, width)}</g>\n{legend_text}{lines}</svg>\n'
    )


def maps_style(root: str = "") -> str:
    """The style sheet of the picture's elements, in both schemes; ``root`` is what they are inside of."""
    light = _written(_colours(LIGHT), root)
    fixed = _written(FIXED, root)
    dark = _written(_colours(DARK), root)
    return f"{light}{fixed}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


FIXED = {
    ".way, .head, .unit rect, .unit path": "vector-effect: non-scaling-stroke",
    ".way": "fill: none; stroke-width: 1.4",
    ".way.size": "stroke-dasharray: 4 3",
    ".way.unknown": "stroke-dasharray: 1.5 3",
    ".way.wrong": "stroke-width: 2.4",
    ".unit text, .sample": "text-anchor: middle",
    ".name, .output": "font-weight: 600",
    ".title": "font-size: 16px; font-weight: 600",
    ".sign": "font-size: 15px; font-weight: 600",
    ".arm": "font-weight: 600; text-anchor: end; paint-order: stroke; stroke-width: 3px",
    ".unit .start, .arm.start": "text-anchor: start",
}
"""What is the same in both schemes."""


def _written(rules: Mapping[str, str], root: str) -> str:
    return "".join(
        f"{_inside(selector, root)} {{ {rule} }}\n" for selector, rule in rules.items()
    )


def _inside(selector: str, root: str) -> str:
    """A selector of elements inside of another.

    >>> _inside(".way, .head", "svg.maps")
    'svg.maps .way, svg.maps .head'
    """
    parts = selector.split(", ")
    return ", ".join(f"{root} {part}".lstrip() for part in parts)


def _colours(c: dict[str, str]) -> dict[str, str]:
    rules = {
        ".ground": f"fill: {c['ground']}",
        ".band": f"fill: {c['band']}",
        ".title, .name, .output, .channels, .sign": f"fill: {c['text']}",
        ".extent, .level, .legend, .said": f"fill: {c['muted']}",
        ".mark": f"fill: {c['size']}",
        ".dots": f"fill: {c['muted']}",
        ".unit rect, .unit path": f"stroke-linejoin: round; stroke: {c['conv']}; fill: {c['conv-fill']}",
        ".unit circle": f"stroke: {c['skip']}; stroke-width: 1.6; fill: {c['ground']}",
        ".note": f"fill: {c['wrong']}",
        ".arm": f"fill: {c['wrong']}; stroke: {c['ground']}",
    }
    for made in ("input", "pass", "merge", "skip", "down", "up"):
        rules[f".unit .{made}"] = f"fill: {c[f'{made}-fill']}"
    rules[".unit.wrong rect"] = (
        f"stroke: {c['wrong']}; stroke-width: 2; fill: {c['wrong-fill']}"
    )
    rules[".unit.unknown rect"] = f"stroke: {c['pass']}; stroke-dasharray: 3 3; fill: none"
    for kind in ("conv", "pass", "skip", "down", "up", "size", "wrong", "unknown"):
        rules[f".way.{kind}"] = f"stroke: {c[kind]}"
        rules[f".head.{kind}"] = f"fill: {c[kind]}"
    return rules


def maps_drawn(scene: MapScene, width: int, *, titled: bool = True) -> str:
    """The bands, arrows and maps, without the file around them; ``titled``: with what a pointer that rests is told."""
    order = scene.order
    parts = list(_bands(scene, width))
    parts.append("<g>\n")
    numbered = list(enumerate(zip(order.ways, scene.layout.routes)))
    numbered.sort(key=lambda one: (one[1][0].wrong, one[1][0].kind == "skip"))
    for number, (way, route) in numbered:
        title = _way_title(scene, way) if titled else ""
        parts.append(_way(scene, number, way, route, title))
    parts.append("</g>\n<g>\n")
    for number, unit in enumerate(order.units):
        title = _unit_title(scene, unit) if titled else ""
        parts.append(_unit(scene, number, unit, title))
    parts.append("</g>\n")
    return "".join(parts)


def _bands(scene: MapScene, width: int) -> Iterator[str]:
    """The levels; every second one is shaded."""
    bands = scene.layout.bands
    if len(bands) < 2:
        return
    for number, (place, level) in enumerate(bands):
        if number % 2 == 0:
            yield (
                f'<rect class="band" x="0" y="{place.y}" width="{width}" height="{place.height}"/>\n'
            )
        first, second = _level_text(scene.held, scene.order, level)
        y = place.y + place.height // 2
        yield f'<text class="level" x="14" y="{y - 2}">{escaped(first)}</text>'
        yield f'<text class="level" x="14" y="{y + 13}">{escaped(second)}</text>\n'


def _level_text(held: Holding, order: MapOrder, level: Fraction) -> tuple[str, str]:
    if level == NO_POSITIONS:
        return "vectors", ""
    nodes = (unit.last.node for unit in order.units if unit.level == level)
    steps = next((held.steps_of[node] for node in nodes if held.steps_of[node]), None)
    if steps is None:
        return "stride", str(level)
    same = len(set(steps)) == 1
    return "stride", str(steps[0]) if same else "×".join(map(str, steps))


def _way(scene: MapScene, number: int, way: MapWay, route: Route, title: str) -> str:
    kind = _shown_kind(scene, way)
    arm = ""
    if way.wrong:
        arm = _arm(arm_text(scene.held.shape(way.node)), route)
    return (
        f'<g data-way="{number}">{title}'
        f'<path class="way {kind}" d="{path(_short_of_the_tip(route))}"/>'
        f'<path class="head {kind}" d="{head(route)}"/>{arm}</g>\n'
    )


def _way_title(scene: MapScene, way: MapWay) -> str:
    held = scene.held
    boxes = held.picture.boxes
    source = boxes[held.box_of[way.node]].name
    target = boxes[held.box_of[way.reader]].name
    said = f"{source} to {target}: {SAYS[_shown_kind(scene, way)]}"
    return f"<title>{escaped(printable(said))}</title>"


def _shown_kind(scene: MapScene, way: MapWay) -> str:
    """The kind of an arrow; what leads to a map that a fault before it prevents is told from the others."""
    if way.wrong:
        return "wrong"
    target = scene.order.units[way.target]
    return "unknown" if target.last.size is None else way.kind


def _arm(words: str, route: Route) -> str:
    """What an arrow brings, at its end."""
    (_, y0), (x, y) = route[-2:]
    if y0 == y:
        return f'<text class="arm" x="{x - 10}" y="{y - 5}">{escaped(words)}</text>'
    middle = (y0 + y) // 2 + 4
    return f'<text class="arm start" x="{x + 8}" y="{middle}">{escaped(words)}</text>'


def _short_of_the_tip(route: Route) -> Route:
    """The line without what its tip covers."""
    (x0, y0), (x, y) = route[-2:]
    if abs(x - x0) + abs(y - y0) <= 8:
        return route
    back = 5 if x + y > x0 + y0 else -5
    end = (x - back, y) if y0 == y else (x, y - back)
    return (*route[:-1], end)


def _unit(scene: MapScene, number: int, unit: MapUnit, title: str) -> str:
    state = " wrong" if unit.wrong else " unknown" if unit.last.size is None else ""
    places = scene.layout.slabs[number]
    if number in scene.order.gates:
        slabs = _gate(sign_of(scene.held.trace.ops[unit.last.node]), places[0])
    else:
        lies = scene.layout.lies
        slabs = _behind(unit.slabs[0], places[0])
        slabs += "".join(
            _slab(slab, place, lies=lies) for slab, place in zip(unit.slabs, places)
        )
    labels = "".join(map(_label, scene.layout.labels[number]))
    dots = scene.layout.dots[number]
    left_out = ""
    if dots is not None:
        x, y = dots
        left_out = f'<text class="dots" x="{x}" y="{y + 4}">⋯</text>'
    return f'<g class="unit{state}" data-unit="{number}">{title}{slabs}{left_out}{labels}</g>\n'


def _unit_title(scene: MapScene, unit: MapUnit) -> str:
    boxes = scene.held.picture.boxes
    own = [boxes[box] for box in unit.boxes]
    said = [f"{box.name}: {box.op} {shape_text(box.shape)}" for box in own]
    said += [f"{d.code} {legible(d.message)}" for box in own for d in box.problems]
    lines = "\n".join(map(printable, said))
    return f"<title>{escaped(lines)}</title>"


def _gate(sign: str, place: Rectangle) -> str:
    """A circle with the sign of what it does."""
    x, y = place.middle
    circle = f'<circle cx="{x}" cy="{y}" r="{place.width // 2}"/>'
    if not sign:
        return circle
    return f'{circle}<text class="sign" x="{x}" y="{y + 5}">{sign}</text>'


def _behind(slab: Slab, place: Rectangle) -> str:
    """The edge of what stands for maps that are left out before the first."""
    if not slab.hidden:
        return ""
    x, y, width, height = place
    return _rect(slab.made, Rectangle(x - BEHIND, y - BEHIND, width, height))


def _slab(slab: Slab, place: Rectangle, *, lies: bool) -> str:
    """A map; of a concatenation a part for each of its inputs, as thick as its channels."""
    is_solid = slab.size is not None and len(slab.size.extent) == SOLID and not lies
    if not slab.parts:
        return _drawn_map(slab.made, place, is_solid=is_solid)
    x, y, width, height = place
    whole = sum(thickness(channels) for channels, _ in slab.parts)
    found = []
    before = 0
    for channels, made in slab.parts:
        own = thickness(channels)
        part = Rectangle(x + before, y, own, height)
        if lies:
            start = height * before // whole
            end = height * (before + own) // whole
            part = Rectangle(x, y + start, width, end - start)
        found.append(_drawn_map(made, part, is_solid=is_solid))
        before += own
    return "".join(found)


def _drawn_map(made: str, place: Rectangle, *, is_solid: bool) -> str:
    """The front of a map, and of a solid its upper and right faces."""
    front = _rect(made, place)
    if not is_solid:
        return front
    x, y, width, _ = place
    upper = f"M{x} {y}l{FACE} -{FACE}h{width}l-{FACE} {FACE}Z"
    side = f"M{place.right} {y}l{FACE} -{FACE}v{place.height}l-{FACE} {FACE}Z"
    return f'<path class="{made}" d="{upper}{side}"/>{front}'


def _rect(made: str, place: Rectangle) -> str:
    x, y, width, height = place
    return f'<rect class="{made}" x="{x}" y="{y}" width="{width}" height="{height}"/>'


def _label(label: Label) -> str:
    anchor = "" if label.anchor == "middle" else f" {label.anchor}"
    place = f'x="{label.x}" y="{label.y}"'
    return f'<text class="{label.kind}{anchor}" {place}>{escaped(label.text)}</text>'


def legend_of(scene: MapScene) -> list[tuple[str, str]]:
    """What the colours of the arrows that there are mean, and what height and thickness do."""
    kinds = {_shown_kind(scene, way) for way in scene.order.ways}
    told = [(kind, words) for kind, words in SAYS.items() if kind in kinds]
    return told + [("", words) for words in signs_of(scene)]


def signs_of(scene: MapScene) -> list[str]:
    """The signs that there are, and what height and thickness mean: the longest sentence comes last."""
    extents = LYING if scene.layout.lies else STANDING
    return [*_signs(scene), extents]


def _signs(scene: MapScene) -> Iterator[str]:
    """What the signs mean that there are."""
    order = scene.order
    slabs = [slab for unit in order.units for slab in unit.slabs]
    if any(slab.hidden for slab in slabs):
        yield "⋯, one behind another: more maps"
    if any(map(_has_unknown_channels, slabs)):
        yield "nothing above: the whole shape below"
    if any(unit.output for unit in order.units):
        yield "▸ output"
    ops = scene.held.trace.ops
    signs = {sign_of(ops[order.units[gate].last.node]) for gate in order.gates}
    yield from (said for sign, said in GATES.items() if sign in signs)
    if order.marks:
        yield f"◂ reads {_marked(scene)} as well"


def _has_unknown_channels(slab: Slab) -> bool:
    return slab.size is not None and not slab.size.channels


def _marked(scene: MapScene) -> str:
    """The names of what is only named where it is read."""
    order = scene.order
    boxes = scene.held.picture.boxes
    units = dict.fromkeys(unit for sources in order.marks.values() for unit in sources)
    names = [short_name(boxes[order.units[unit].boxes[0]].name, LETTERS) for unit in units]
    more = " …" if len(names) > FEW_NAMES else ""
    return ", ".join(names[:FEW_NAMES]) + more


def _laid(legend: Sequence[tuple[str, str]], width: int, top: int) -> tuple[str, int]:
    """The legend in as many lines as it takes, and its height."""
    x = 16
    y = top + 22
    parts = ['<g class="legend">\n']
    for kind, words in legend:
        sample = SAMPLE + 8 if kind else 0
        room = sample + text_width(words) + 20
        if x + room > width and x > 16:
            x = 16
            y += LINE
        if kind:
            route = ((x, y - 4), (x + SAMPLE, y - 4))
            parts.append(f'<path class="way {kind}" d="{path(_short_of_the_tip(route))}"/>')
            parts.append(f'<path class="head {kind}" d="{head(route)}"/>')
        parts.append(f'<text x="{x + sample}" y="{y}">{escaped(words)}</text>\n')
        x += room
    parts.append("</g>\n")
    return "".join(parts), y - top + 14
