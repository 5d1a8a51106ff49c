"""Sets of sizes as a picture: a strip for each, from size 0 on, filled where a size belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from tracer.diagnostics import printable, shortened
from tracer.sizing.size_set import SizeSet
from tracer.views.svg import DARK, FONT, LIGHT

WIDTH = 640
"""Pixels of a strip."""

MOST = 512
"""Sizes that a strip shows at most."""

FEWEST = 32
"""Sizes that it shows at least."""

STRIPS = 16
"""Strips of a picture, at most."""

HEIGHT = 46
"""Pixels from one strip to the next."""

LEFT = 16
"""Pixels beside the strips."""


def strip(sets: Mapping[str, SizeSet]) -> str:
    """The sets as an SVG file; under each stand its sizes in words, and at its end the last size that is shown.

    >>> from tracer.sizing.size_set import SizeSet
    >>> strip({"H": SizeSet((), 8, 16, (12,))}).startswith("<svg")
    True
    """
    shown = dict(list(sets.items())[:STRIPS])
    end = min(max([FEWEST, *map(_interesting, shown.values())]), MOST)

    lines: list[str] = []
    for number, (symbol, found) in enumerate(shown.items()):
        lines += _strip(symbol, found, end, HEIGHT * number + 12)
    left = len(sets) - len(shown)
    if left:
        lines.append(_label(f"… {left} more", LEFT, HEIGHT * len(shown) + 24))

    width = WIDTH + 2 * LEFT
    height = HEIGHT * (len(shown) + bool(left)) + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="{FONT}" font-size="12" role="img">\n'
        f"<title>sets of sizes</title>\n<style>\n{_style()}</style>\n"
        f'<rect class="sizes-ground" width="{width}" height="{height}"/>\n'
        f"{''.join(lines)}</svg>\n"
    )


def _interesting(found: SizeSet) -> int:
    """So many sizes show how a set begins, and four of its periods."""
    return found.start + 4 * found.modulus


def _strip(symbol: str, found: SizeSet, end: int, y: int) -> Iterator[str]:
    """The frame of a strip, what is filled of it, and its words."""
    yield f'<rect class="sizes-none" x="{LEFT}" y="{y}" width="{WIDTH}" height="12"/>\n'
    step = WIDTH / end
    for first, last in _stretches(found, end):
        x = LEFT + first * step
        width = (last - first + 1) * step
        yield f'<rect class="sizes-in" x="{x:.2f}" y="{y}" width="{width:.2f}" height="12"/>\n'

    words = found.told(symbol) if symbol else repr(found)
    yield _label(words, LEFT, y + 25)
    yield _label(f"0 to {end - 1}", LEFT + WIDTH, y + 25, "end")


def _stretches(found: SizeSet, end: int) -> Iterator[tuple[int, int]]:
    """The first and the last of the sizes below an end that belong to a set without a gap."""
    first: int | None = None
    for n in range(end + 1):
        is_in = n < end and n in found
        if is_in and first is None:
            first = n
        if not is_in and first is not None:
            yield first, n - 1
            first = None


def _label(text: str, x: int, y: int, anchor: str = "start") -> str:
    words = escape(shortened(printable(text), 90))
    return f'<text class="sizes-text" x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>\n'


def _style() -> str:
    dark = f"@media (prefers-color-scheme: dark) {{\n{_rules(DARK)}}}\n"
    return _rules(LIGHT) + dark


def _rules(c: Mapping[str, str]) -> str:
    rules = {
        ".sizes-ground": f"fill: {c['ground']}",
        ".sizes-none": f"fill: {c['input']}; stroke: {c['edge']}; stroke-width: 0.5",
        ".sizes-in": f"fill: {c['skip']}",
        ".sizes-text": f"fill: {c['text']}",
    }
    return "".join(f"{selector} {{ {rule} }}\n" for selector, rule in rules.items())
