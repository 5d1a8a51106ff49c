"""The page's pictures of maps: texts, colours and cards are what Python says, at the page's sizes and at others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tracer
from tests import ROOT, extras
from tests.drawn.texts import BROKEN
from tests.views.in_browser import Opened, opened
from tests.views.test_cards import TWO
from tests.views.test_page import flat
from tracer.drawing.maps.holding import MapSize, map_size
from tracer.drawing.maps.scene import LEGIBLE, MapScene, scene
from tracer.drawing.maps.sizes import channels_text, extent_text, extents_text
from tracer.drawing.maps.units import Slab
from tracer.drawing.picture import picture
from tracer.live.sheets import sheets
from tracer.net import Net
from tracer.rules import judge
from tracer.shapes.trace import Trace
from tracer.views.page.pictures import ROOM, PlannedPicture, drawings, page_pictures, scene_of
from tracer.views.pictures import html

extras.needs("page")
from playwright import sync_api as playwright

CONFIGS = ROOT / "configs"
WIDE = {"width": 1400, "height": 900}
SHOWN = [
    "unet_2015",
    "attention_unet",
    "unetpp",
    "hrnet",
    "ddpm_unet",
    "nnunet_anisotropic",
    "wave_unet",
    "resnet34",
    "resnet50_fpn",
]

TEXTS = """all => all.map(values => {
  Object.assign(tracer.values, values);
  tracer.update();
  const units = [...document.querySelectorAll("#viewport svg:not([hidden]) .unit")];
  return units.map(unit => [...unit.querySelectorAll("[data-whole]")].map(text => text.dataset.whole));
})"""

STATES = """() => [...document.querySelectorAll("#viewport svg:not([hidden]) .unit")].map(
  unit => unit.classList.contains("wrong") ? "wrong" : unit.classList.contains("unknown") ? "unknown" : "ok")"""

ARMS = """() => [...document.querySelectorAll("#viewport svg:not([hidden]) .arm")]
  .map(arm => arm.textContent).filter(Boolean).sort()"""


def shown_first(net: Net) -> MapScene:
    """The maps that a page shows at first."""
    (own, *_) = sheets(net, judge(net))
    return scene_of(own, drawings(own, 0)[0])


def sizes_of(net: Net, name: str, count: int) -> Iterator[dict[str, int]]:
    """Sizes near the declared ones and far from them."""
    draw = random.Random(name)
    for number in range(count):
        yield {
            symbol: max(1, n + draw.randint(-9, 9)) if number % 2 else draw.randint(1, 2 * n)
            for symbol, n in net.network.defaults().items()
        }


def texts(found: MapScene, trace: Trace) -> list[list[str]]:
    """The texts of every unit that tell sizes, at the sizes of a trace."""
    held = found.held

    def size(node: int) -> MapSize | None:
        shape = trace.by_index[node]
        return None if shape is None else map_size(shape, held.places_of[node])

    everything = []
    for unit, labels in zip(found.order.units, found.layout.labels):
        own = []
        above = iter(unit.slabs)
        for label in labels:
            sizes = [size(node) for node in label.of]
            if label.kind == "channels":
                own.append(above_text(next(above), sizes, size))
            elif label.of and found.layout.lies:
                numbers = [] if sizes[0] is None else sizes[0].channels + sizes[0].extent
                own.append(" × ".join(map(str, numbers)) or "?")
            elif label.of:
                own.append(extents_text(map(extent_text, sizes)))
        everything.append(own)
    return everything


def above_text(slab: Slab, sizes: list[MapSize | None], size: Any) -> str:
    own = size(slab.node)
    known = [one for one in sizes if one is not None and one.channels]
    if own is not None and len(sizes) == len(known) == 2:
        return "+".join(channels_text(Slab(0, one, "pass")) for one in known)
    return channels_text(slab._replace(size=own, parts=()))


@pytest.mark.parametrize("name", SHOWN)
def test_every_text_is_pythons(browser: Any, tmp_path: Path, name: str) -> None:
    """Channels and extents of every map, at dozens of sizes, those that do not run included."""
    net = tracer.load(CONFIGS / f"{name}.yaml")
    found = shown_first(net)
    shown = opened(browser, tmp_path, net)
    count = min(16, 3_000 // len(net.network.nodes))
    tried = list(sizes_of(net, name, count))
    theirs = shown.tab.evaluate(TEXTS, tried)
    compared = 0
    for sizes, said in zip(tried, theirs, strict=True):
        ours = texts(found, net.trace(**sizes))
        assert said == ours, sizes
        compared += sum(map(len, ours))
    assert compared >= count * len(found.order.units) > len(found.order.units)
    shown.close()


@pytest.mark.parametrize("text", [BROKEN, TWO], ids=["broken", "two"])
def test_what_is_wrong_is_marked_at_every_size(browser: Any, tmp_path: Path, text: str) -> None:
    """Red where Python refuses, with the sizes that meet there; grey where it knows no shape; and back again."""
    net = tracer.loads(text)
    found = shown_first(net)
    shown = opened(browser, tmp_path, net)
    seen = set()
    for sizes in sizes_of(net, "wrong", 40):
        shown.tab.evaluate(TEXTS, [sizes])
        trace = net.trace(**sizes)
        refused = {node.index for node in trace.network.nodes if trace.is_refused(node)}
        boxes = found.held.picture.boxes
        expected = []
        for unit in found.order.units:
            inside = {index for box in unit.boxes for index in boxes[box].nodes}
            behind = trace.by_index[unit.last.node] is None
            expected.append("wrong" if refused & inside else "unknown" if behind else "ok")
        assert shown.tab.evaluate(STATES) == expected, sizes
        arms = sorted(
            " × ".join(map(str, (trace.by_index[source.index] or ())[1:]))
            for node in trace.network.nodes
            if node.index in refused
            for source in node.inputs
        )
        assert shown.tab.evaluate(ARMS) == arms, sizes
        seen.update(expected)
    assert seen == {"ok", "wrong", "unknown"}
    shown.close()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_network_is_legible(path: Path) -> None:
    """What a page shows at first fits its window with letters of at least nine pixels."""
    net = tracer.load(path)
    trace = net.trace()
    found = scene(trace, picture(trace, judge(net)), ROOM, reserves=True)
    assert found.fits(ROOM)


@pytest.mark.parametrize("name", ["unet_padded", "hrnet", "wave_unet"])
def test_letters_in_the_window(browser: Any, tmp_path: Path, name: str) -> None:
    """At first no letter is below nine pixels, and no text covers another one, whatever sizes are chosen then."""
    net = tracer.load(CONFIGS / f"{name}.yaml")
    shown = opened(browser, tmp_path, net, viewport=WIDE)
    assert letters(shown) >= LEGIBLE
    for sizes in ({}, *sizes_of(net, name, 4), {"H": 1111, "W": 77, "L": 99999}):
        own = {symbol: n for symbol, n in sizes.items() if symbol in net.network.defaults()}
        assert shown.tab.evaluate(OVERLAPS, own) == []
    shown.close()


def letters(shown: Opened) -> float:
    """The size of letters, in pixels of the window."""
    scale = "document.querySelector('#viewport').clientWidth / tracer.view.width"
    return 12 * float(shown.tab.evaluate(scale))


OVERLAPS = """values => {
  Object.assign(tracer.values, values);
  tracer.update();
  const texts = [...document.querySelectorAll("#viewport svg:not([hidden]) .unit text")].filter(one => one.textContent);
  const found = [], places = texts.map(one => one.getBBox());
  places.forEach((a, k) => places.slice(k + 1).forEach((b, n) => {
    const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
    const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
    if (across > 1 && down > 4) found.push([texts[k].textContent, texts[k + 1 + n].textContent]);
  }));
  return found;
}"""


def test_a_map_has_its_own_card(browser: Any, tmp_path: Path) -> None:
    """Pointing at one of several maps of a block shows that map's card; the focus shows the one that is handed on."""
    net = tracer.load(CONFIGS / "unet_2015.yaml")
    shown = opened(browser, tmp_path, net, viewport=WIDE)
    tab = shown.tab
    unit = tab.locator("svg:not([hidden]) .unit", has=tab.locator("text.name", has_text="enc2"))
    rectangles = unit.locator("rect")
    names = []
    for number in range(rectangles.count()):
        rectangles.nth(number).hover()
        names.append(tab.locator("#details h2").inner_text().lower())
    assert names == ["enc2.conv1", "enc2.conv2"]
    unit.focus()
    assert tab.locator("#details h2").inner_text().lower() == "enc2.conv2"
    assert unit.get_attribute("class") == "unit chosen"

    # The arrows from and to it are the thick ones.
    near = tab.locator("svg:not([hidden]) .near title").all_text_contents()
    assert sorted(text.split(":")[0] for text in near) == [
        "enc2 to cat2",
        "enc2 to pool2",
        "pool1 to enc2",
    ]
    shown.close()


def test_folded_and_whole(browser: Any, tmp_path: Path) -> None:
    """Where maps are left out the page says so, and shows more of them on request; deeper pictures have every layer."""
    net = tracer.load(CONFIGS / "vnet.yaml")
    shown = opened(browser, tmp_path, net, viewport=WIDE)
    tab = shown.tab
    assert "fewer maps" in tab.locator("#drawn-as").inner_text()
    choices = tab.locator("#depth option").all_inner_texts()
    assert choices[:2] == ["folded", "more maps"] and choices[-1] == "unfolded"
    counts = []
    for choice in choices:
        tab.locator("#depth").select_option(label=choice)
        counts.append(tab.locator("#viewport svg:not([hidden]) .unit rect").count())
        assert tab.locator("#legend li").count() > 4
    assert counts[0] < min(counts[1:])

    # What is unfolded cannot be read as a whole, and the page says that instead, until one looks closer.
    tab.locator("#depth").select_option(label="1 unfolded")
    said = tab.locator("#drawn-as").inner_text()
    assert said == f"letters have {letters(shown):.0f} pixels: zoom in"
    tab.get_by_role("button", name="+", exact=True).click()
    assert tab.locator("#drawn-as").inner_text() == ""
    shown.close()


def test_too_many_for_maps(browser: Any, tmp_path: Path) -> None:
    """A network of more boxes than are drawn as maps has boxes, and the page says why."""
    net = tracer.loads(flat(420))
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    assert tab.locator("#viewport .box").count() == 421
    said = tab.locator("#drawn-as").inner_text()
    assert "boxes" in said and "400" in said and "421" in said
    assert not tab.locator("#legend").is_visible()

    # In all of it nothing can be read: at first its beginning is seen, and then all of it.
    assert letters(shown) >= LEGIBLE
    assert tab.locator("#viewport .box").first.bounding_box()["y"] >= 0
    tab.get_by_role("button", name="fit").click()
    assert letters(shown) < 1
    shown.close()


def test_boxes_on_request(browser: Any, tmp_path: Path) -> None:
    """``boxes`` are drawn where they are asked for, without a word about it."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net, "boxes")
    assert shown.tab.locator(".unit").count() == 0 < shown.tab.locator(".box").count()
    assert "boxes" not in shown.tab.locator("#drawn-as").inner_text()
    shown.close()


def test_a_fault_of_a_layer_that_an_arrow_stands_for(browser: Any, tmp_path: Path) -> None:
    """An up-layer is drawn as a part of the concatenation that reads it: the sizes on the arms are those that meet."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    tab.get_by_label("H", exact=True).fill("500")
    playwright.expect(tab.locator("#verdict")).to_have_text("1 error")
    assert tab.evaluate(ARMS) == ["256 × 124 × 128", "256 × 125 × 128"]
    assert tab.locator("#legend").inner_text().count("sizes do not fit") == 1
    tab.get_by_label("H", exact=True).fill("512")
    playwright.expect(tab.locator("#verdict")).to_have_text("runs")
    assert tab.evaluate(ARMS) == []
    assert "sizes do not fit" not in tab.locator("#legend").inner_text()
    shown.close()


def test_a_sheets_pictures() -> None:
    """No picture is planned twice, and each has a record for every unit and arrow that it draws."""
    net = tracer.load(CONFIGS / "unet3plus.yaml")
    (own, *_) = sheets(net, judge(net))
    planned: list[PlannedPicture] = drawings(own, 4000)
    found = page_pictures(own, planned, None)
    assert len({(one.depth, one.label) for one in found}) == len(found) > 1
    for one in found:
        assert one.maps is not None
        assert one.svg.count("data-unit=") == len(one.maps.units)
        assert one.svg.count("data-way=") == len(one.maps.ways)
        assert "<title>" not in one.svg


def first_paint(shown: Opened) -> float:
    """Milliseconds from the navigation to the first content."""
    shown.tab.reload()
    shown.tab.wait_for_function("() => window.tracer")
    return float(
        shown.tab.evaluate(
            "performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint').startTime"
        )
    )


def test_the_first_paint(browser: Any, tmp_path: Path) -> None:
    """A network of 500 nodes is seen soon: 100 ms on a machine that does nothing else, here with room for others."""
    net = tracer.loads(flat(500))
    shown = opened(browser, tmp_path, net)
    took = min(first_paint(shown) for _ in range(4))
    assert took < 400, took
    shown.tab.close()


def test_params_move_every_text(browser: Any, tmp_path: Path) -> None:
    """Channels follow the params, wherever they stand, and so do the two parts of a concatenation."""
    path = CONFIGS / "unet_padded.yaml"
    net = tracer.load(path)
    found = shown_first(net)
    shown = opened(browser, tmp_path, net)
    for base in (1, 24, 96):
        (theirs,) = shown.tab.evaluate(TEXTS, [{"base": base}])
        assert theirs == texts(found, tracer.load(path, base=base).trace())
    assert any("768+768" in own for own in theirs)
    shown.close()


STRIDES = """
params: {step: 2}
input: [N, 1, H, W]
sizes: {N: 1, H: 48, W: 96}
layers:
  top: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: 8, kernel_size: "${step}", stride: ["${step}", 2]}
  up: {op: ConvTranspose2d, out_channels: 4, kernel_size: "${step}", stride: ["${step}", 2], padding: 0}
  cat: {op: Concat, from: [up, top]}
"""


@pytest.mark.parametrize(
    ("text", "moved", "said"),
    [
        (STRIDES, {"step": 3}, "?"),
        (STRIDES.replace('"${step}"', "3"), {"H": 60}, "3×2"),
    ],
    ids=["of a param", "fixed"],
)
def test_the_levels_follow(
    browser: Any, tmp_path: Path, text: str, moved: dict[str, int], said: str
) -> None:
    """The stride beside a level is the present one; where a param decides it, it is told for its first value alone."""
    net = tracer.loads(text)
    shown = opened(browser, tmp_path, net)
    levels = "[...document.querySelectorAll('#viewport .level')].map(one => one.textContent)"
    first = shown.tab.evaluate(levels)
    assert first in (["stride", "1", "stride", "2"], ["stride", "1", "stride", "3×2"])
    shown.tab.evaluate(TEXTS, [moved])
    assert shown.tab.evaluate(levels)[3] == said
    told = "the config's own params" in shown.tab.locator("#drawn-as").inner_text()
    assert told == (said == "?")
    shown.tab.evaluate(TEXTS, [net.network.defaults() | {"step": 2}])
    assert shown.tab.evaluate(levels) == first
    shown.close()


ARM_BOXES = """values => {
  Object.assign(tracer.values, values);
  tracer.update();
  const arms = [...document.querySelectorAll("#viewport svg:not([hidden]) .arm")].filter(arm => arm.textContent);
  return arms.map(arm => { const {x, y, width, height} = arm.getBBox(); return [x, y, x + width, y + height]; });
}"""

THREE_ARMS = """
input: [N, 3, H]
sizes: {N: 1, H: 16}
layers:
  top: {op: Conv1d, out_channels: 24, kernel_size: 3, padding: 1}
  two: {op: Conv1d, out_channels: 24, kernel_size: 2, stride: 2}
  up: {op: ConvTranspose1d, out_channels: 24, kernel_size: 2, stride: 2}
  four: {op: Conv1d, from: two, out_channels: 24, kernel_size: 2, stride: 2}
  far: {op: ConvTranspose1d, out_channels: 24, kernel_size: 4, stride: 4}
  cat: {op: Concat, from: [far, up, top]}
"""


@pytest.mark.parametrize("style", ["maps", "boxes"])
@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (TWO, [{"H": 52, "W": 77}, {"H": 50, "W": 76}, {"H": 53, "W": 76}]),
        (THREE_ARMS, [{"H": 16_383}, {"H": 19}, {"H": 17}]),
    ],
    ids=["two", "three"],
)
def test_the_arms_of_a_merge_stand_apart(
    browser: Any, tmp_path: Path, style: str, text: str, moved: list[dict[str, int]]
) -> None:
    """The sizes that meet where sizes of the page do not fit cover neither each other nor, later, their own places."""
    shown = opened(browser, tmp_path, tracer.loads(text), style=style)
    compared = 0
    before = None
    for sizes in [*moved, moved[0]]:
        boxes = shown.tab.evaluate(ARM_BOXES, sizes)
        assert len(boxes) >= 2
        for number, (left, top, right, low) in enumerate(boxes):
            for x, y, end, bottom in boxes[:number]:
                apart = right <= x + 0.01 or end <= left + 0.01
                assert apart or low <= y + 0.01 or bottom <= top + 0.01, (sizes, boxes)
                compared += 1
        before = before or boxes
    assert [x for one in boxes for x in one] == pytest.approx(
        [x for one in before or () for x in one], abs=0.1
    )
    assert compared >= 4
    shown.close()


DEPTHS = """
input: [N, 3, H]
sizes: {N: 1, H: 32}
blocks:
  inner:
    layers:
      one: {op: Conv1d, out_channels: 4, kernel_size: 3, padding: 1}
      two: ReLU
  outer:
    layers:
      first: inner
      second: inner
layers:
  a: outer
  b: outer
"""


@pytest.mark.parametrize(("depth", "chosen"), [(1, 1), (2, 2), (3, 3), (9, 3), (None, 3)])
def test_a_page_opens_at_a_depth(
    browser: Any, tmp_path: Path, depth: int | None, chosen: int
) -> None:
    """The picture that is shown first is unfolded as far as was asked, and the others are still there."""
    net = tracer.loads(DEPTHS)
    made = html.content(net, judge(net), depth, None)
    assert made.notes == ()
    shown = Opened(browser, tmp_path / "page.html", made.content.decode())
    label = f"blocks unfolded {chosen - 1} times"
    assert label in shown.tab.locator("#viewport svg:not([hidden])").get_attribute("aria-label")
    assert shown.tab.locator("#depth option").count() == 3
    shown.tab.locator("#depth").select_option(label="folded")
    assert "unfolded 0" in shown.tab.locator("#viewport svg:not([hidden])").get_attribute(
        "aria-label"
    )
    shown.close()


def test_a_depth_without_room_is_told() -> None:
    """Where a level has more boxes than a page takes, the command says how far the page unfolds."""
    many = "".join(f"  b{number}: outer\n" for number in range(330))
    net = tracer.loads(DEPTHS.split("  a: outer")[0] + many)
    made = html.content(net, [], None, "boxes")
    assert any("the page unfolds 1 of 2 levels" in note for note in made.notes), made.notes
