"""Pictures of maps: nothing overlaps, no arrow crosses a map, skips are told by levels, everything is legible whole."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import cache
from itertools import combinations, pairwise
from math import prod
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.networks import networks
from tests.drawn.texts import BROKEN, HOSTILE
from tracer.commands import cli
from tracer.diagnostics import TracerError
from tracer.drawing.maps.holding import NO_POSITIONS
from tracer.drawing.maps.scene import (
    FONT,
    LEGIBLE,
    MOST,
    WINDOW,
    MapRoom,
    MapScene,
    has_maps,
    scene,
)
from tracer.drawing.picture import picture
from tracer.drawing.placed import Rectangle
from tracer.net import Net
from tracer.network.folding import deepest
from tracer.rules import judge
from tracer.views.maps import DARK, LIGHT, maps_svg

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"


@cache
def config(name: str) -> Net:
    return tracer.load(ROOT / "configs" / f"{name}.yaml")


def drawn(net: Net, depth: int | None = 1) -> MapScene:
    return scene(net.trace(), picture(net.trace(), judge(net), depth))


@cache
def maps_of(name: str) -> MapScene:
    return drawn(config(name))


def names(found: MapScene) -> list[str]:
    """The name of each unit: its first box's."""
    boxes = found.held.picture.boxes
    return [boxes[unit.boxes[0]].name for unit in found.order.units]


def kinds(found: MapScene) -> dict[tuple[str, str], str]:
    """The kind of every arrow, by the names at its ends."""
    called = names(found)
    return {(called[way.source], called[way.target]): way.kind for way in found.order.ways}


# --- nothing overlaps ----------------------------------------------------------------------------------------


def meet(a: Rectangle, b: Rectangle) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


def stretches(route: tuple[tuple[int, int], ...]) -> Iterator[Rectangle]:
    """The straight parts of an arrow, as rectangles without width."""
    for (x0, y0), (x1, y1) in pairwise(route):
        assert x0 == x1 or y0 == y1
        yield Rectangle(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))


def crosses(line: Rectangle, place: Rectangle) -> bool:
    """Whether a line goes through the inside of a place."""
    is_across = line.x < place.right and line.right > place.x
    is_level = line.y < place.bottom and line.bottom > place.y
    return is_across and is_level


def on_edge(point: tuple[int, int], place: Rectangle) -> bool:
    x, y = point
    on_side = x in (place.x, place.right) and place.y <= y <= place.bottom
    on_end = y in (place.y, place.bottom) and place.x <= x <= place.right
    return on_side or on_end


def text_places(found: MapScene) -> Iterator[tuple[str, Rectangle]]:
    """Every text with its room."""
    for labels in found.layout.labels:
        for label in labels:
            yield label.text, label.place


def sound(found: MapScene) -> None:
    """No two units overlap, all stand in the picture, arrows go from map to map, level or upright, across nothing."""
    layout = found.layout
    for cell in layout.cells:
        assert cell.x >= 0 and cell.y >= 0
        assert cell.right <= layout.width and cell.bottom <= layout.height
    ordered = sorted(layout.cells, key=lambda cell: cell.y)
    for k, cell in enumerate(ordered):
        for other in ordered[k + 1 :]:
            if other.y >= cell.bottom:
                break
            assert not meet(cell, other)

    for cell, slabs in zip(layout.cells, layout.slabs):
        for slab in slabs:
            assert cell.x <= slab.x and slab.right <= cell.right
            assert cell.y <= slab.y and slab.bottom <= cell.bottom
        assert not any(meet(a, b) for a, b in combinations(slabs, 2))

    for way, route in zip(found.order.ways, layout.routes):
        assert any(on_edge(route[0], slab) for slab in layout.slabs[way.source])
        assert any(on_edge(route[-1], slab) for slab in layout.slabs[way.target])
        for line in stretches(route):
            assert line.x >= 0 and line.right <= layout.width
            for cell in layout.cells:
                if line.right < cell.x or line.x > cell.right:
                    continue
                ends = (layout.cells[way.source], layout.cells[way.target])
                assert cell in ends or not crosses(line, cell), names(found)

    for (_, a), (_, b) in pairwise(sorted(text_places(found), key=lambda one: one[1])):
        assert not meet(a, b)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs(path: Path) -> None:
    """Every config, folded and unfolded, is drawn soundly, as an SVG that is XML, with every box in it by name."""
    net = config(path.stem)
    depths = range(1, deepest(net.network) + 1)
    count = 0
    for depth in depths:
        shown = picture(net.trace(), (), depth)
        if not has_maps(shown):
            continue
        count += 1
        found = drawn(net, depth)
        sound(found)
        root = ElementTree.fromstring(maps_svg(found))
        units = [g for g in root.iter(f"{SVG}g") if "data-unit" in g.attrib]
        assert len(units) == len(found.order.units)
        assert {box for unit in found.order.units for box in unit.boxes} == set(
            range(len(shown.boxes))
        )
    assert count


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_legible_whole(path: Path) -> None:
    """Shown whole in a window, no text is smaller than can be read."""
    root = ElementTree.fromstring(maps_svg(maps_of(path.stem)))
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    factor = min(WINDOW[0] / width, WINDOW[1] / height)
    assert factor * FONT >= LEGIBLE - 1e-9
    assert width > height


@settings(max_examples=max(60, settings().max_examples // 2))
@given(st.data())
def test_drawn_networks(data: st.DataObject) -> None:
    """Graphs of any operations, those that fail included, are drawn soundly at every depth."""
    case = data.draw(networks())
    try:
        net = tracer.loads(case.declared)
    except TracerError:
        return
    for depth in range(1, deepest(net.network) + 1):
        found = drawn(net, depth)
        sound(found)
        ElementTree.fromstring(maps_svg(found))


# --- what is told ----------------------------------------------------------------------------------------------


def test_the_paper() -> None:
    """The first U-Net: a level per band, a block is its maps, what is joined is its parts, skips go straight across."""
    found = maps_of("unet_2015")
    called = names(found)
    assert [len(found.order.units[called.index(f"enc{k}")].slabs) for k in range(1, 5)] == [
        2
    ] * 4
    assert [found.order.units[called.index(f"cat{k}")].last.parts for k in (1, 4)] == [
        ((64, "up"), (64, "skip")),
        ((512, "up"), (512, "skip")),
    ]
    assert len(found.layout.bands) == 5
    tops = {found.order.units[n].level: cell.y for n, cell in enumerate(found.layout.cells)}
    assert [level for level, _ in sorted(tops.items(), key=lambda one: one[1])] == [
        1,
        4,
        16,
        64,
        256,
    ]
    told = kinds(found)
    assert {ends for ends, kind in told.items() if kind == "skip"} == {
        (f"enc{k}", f"cat{k}") for k in range(1, 5)
    }
    for way, route in zip(found.order.ways, found.layout.routes):
        if way.kind == "skip":
            assert len(route) == 2
    assert told["mid", "cat4"] == "up" and told["enc1", "pool1"] == "down"
    assert found.layout.width > found.layout.height


def test_height_and_thickness() -> None:
    """More positions make a map higher, more channels thicker, in a ratio of logarithms."""
    net = tracer.loads(
        "input: [1, 8, 256, 256]\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 64, kernel_size: 1}\n"
        "  b: {op: Conv2d, out_channels: 512, kernel_size: 1}\n"
        "  c: {op: MaxPool2d, kernel_size: 4}\n  d: {op: MaxPool2d, kernel_size: 4}\n"
    )
    found = drawn(net)
    place = dict(zip(names(found), (slabs[-1] for slabs in found.layout.slabs)))
    first, a, b, c, d = (place[name] for name in ("input", "a", "b", "c", "d"))
    assert a.width - first.width == pytest.approx(b.width - a.width, abs=2)
    assert first.width < a.width < b.width == c.width == d.width
    assert (
        b.height - c.height == pytest.approx(c.height - d.height, abs=2) and c.height > d.height
    )


def test_solids() -> None:
    """Maps of three axes show their upper and right faces."""
    for name, is_solid in (("unet3d", True), ("unet_2015", False)):
        root = ElementTree.fromstring(maps_svg(maps_of(name)))
        for unit in root.iter(f"{SVG}g"):
            if "data-unit" in unit.attrib:
                assert (unit.find(f"{SVG}path") is not None) == is_solid


def test_channels_are_those_of_the_layout() -> None:
    """Channels that stand last are channels; of tokens, whose positions lie on no grid, the shape is told whole."""
    net = tracer.loads(
        "input: [1, 3, 64, 48]\nlayers:\n"
        "  stem: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 4}\n"
        "  last: {op: Permute, dims: [0, 2, 3, 1]}\n"
        "  more: {op: Linear, out_features: 24}\n"
        "  flat: {op: Flatten, start_dim: 1, end_dim: 2}\n"
        "  mean: {op: Mean, dim: 1}\n"
    )
    found = drawn(net)
    sound(found)
    size = {name: unit.last.size for name, unit in zip(names(found), found.order.units)}
    assert size["stem"] == size["last"] == ((8,), (16, 12))
    assert size["more"] == ((24,), (16, 12))
    assert size["flat"] == ((), (192, 24)) and size["mean"] == ((24,), ())
    assert "nothing above: the whole shape below" in maps_svg(found)


GATED = """\
input: [1, 3, 64, 64]
encoder:
  e1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  p1: {op: MaxPool2d, kernel_size: 2}
bottleneck:
  mid: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
decoder:
  up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
  both: {op: Add, from: [up, e1]}
  map: {op: Conv2d, out_channels: 1, kernel_size: 1}
  gate: {op: Mul, from: [map, e1]}
  cat: {op: Concat, from: [FROM]}
  y: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
"""


@pytest.mark.parametrize("order", ["up, gate", "gate, up"])
def test_the_skip_goes_through_the_gate(order: str) -> None:
    """The encoder's map goes into the gate, and the gate's on, as a skip; the decoder's own way is none."""
    found = drawn(tracer.loads(GATED.replace("FROM", order)))
    told = kinds(found)
    assert {ends for ends, kind in told.items() if kind == "skip"} == {
        ("e1", "both"), ("e1", "gate"), ("gate", "cat"),
    }  # fmt: skip
    assert told["up", "cat"] == "pass"
    assert [names(found)[unit] for unit in found.order.gates] == ["gate"]


SKIPS = {
    "linknet": "enc3>dec4 enc2>dec3 enc1>dec2 pool1>dec1",
    "resnet34_unet": "layer3>dec5 layer2>dec4 layer1>dec3 conv1>dec2",
    "resnet50_fpn": "c4>top4 c3>top3 c2>top2",
    "deeplabv3plus": "low>cat4",
    "fcn8s": "crop_pool4>fuse_pool4 crop_pool3>fuse_pool3",
    "demucs": "enc5>dec5 enc4>dec4 enc3>dec3 enc2>dec2 enc1>widen1",
    "unet3d": "enc3>cat3 enc2>cat2 enc1>cat1",
    "pix2pix_unet256": " ".join(f"enc{k}>cat{k}" for k in range(1, 8)),
    "u2net_small": " ".join(f"enc{k}>cat{k}" for k in range(1, 6)),
    "segnet": "",
    "srresnet": "",
    "conv_tasnet": "",
}
"""The skips of published networks, as their papers draw them."""


@pytest.mark.parametrize("name", SKIPS)
def test_skips(name: str) -> None:
    """Ways past coarser maps are skips, and no others."""
    told = kinds(maps_of(name))
    skips = {f"{source}>{target}" for (source, target), kind in told.items() if kind == "skip"}
    assert len(told) > 5 and skips == set(SKIPS[name].split())


def test_attention_gates() -> None:
    """Gates are circles above the decoder's own way, which is straight."""
    found = maps_of("attention_unet")
    told = kinds(found)
    for k in range(1, 5):
        assert told[f"enc{k}", f"gate{k}"] == told[f"gate{k}", f"cat{k}"] == "skip"
        assert told[f"up{k}", f"cat{k}"] == "pass"
    assert sorted(names(found)[unit] for unit in found.order.gates) == [
        f"gate{k}" for k in range(1, 5)
    ]
    called = names(found)
    for k in range(1, 5):
        gate, up, cat = (
            found.layout.slabs[called.index(f"{name}{k}")][0].middle[1]
            for name in ("gate", "up", "cat")
        )
        assert gate < up == cat


def test_nested_decoders_are_a_grid() -> None:
    """In UNet++ what is one level lower and one step earlier stands a column before; the dense ways are skips."""
    found = maps_of("unetpp")
    order, called = found.order, names(found)
    column = {
        name: order.column[order.run_of[called.index(name)]]
        for name in called
        if name.startswith("x")
    }
    assert len(column) == 15
    for i in range(5):
        for j in range(1, 5 - i):
            assert column[f"x{i}_{j - 1}"] < column[f"x{i}_{j}"]
            assert column[f"x{i + 1}_{j - 1}"] < column[f"x{i}_{j}"]
    told = kinds(found)
    for j, k in combinations(range(5), 2):
        assert told[f"x0_{j}", f"cat0_{k}"] == "skip"


def test_parallel_streams_are_rows() -> None:
    """HRNet's blocks are a unit in every level that they hand on, and its streams are no skips."""
    found = maps_of("hrnet")
    called = names(found)
    assert [called.count(f"stage{k}") for k in ("2", "3a", "3d", "4a", "4c")] == [2, 3, 3, 4, 1]
    order = found.order
    for stage in ("stage3b", "stage4a"):
        units = [n for n, name in enumerate(called) if name == stage]
        assert len({order.column[order.run_of[n]] for n in units}) == 1
        assert len({order.units[n].level for n in units}) == len(units)
    assert "skip" not in kinds(found).values()
    exchanged = {way.kind for way in order.ways if called[way.target] == "stage3b"}
    assert exchanged == {"conv", "down", "up"}


@pytest.mark.parametrize(
    "name", ["dcgan_discriminator", "resnet34", "conv_autoencoder", "espcn"]
)
def test_chains_are_one_row(name: str) -> None:
    """What has no way past coarser maps needs no bands: the heights tell."""
    found = maps_of(name)
    assert len(found.order.bands) == 1
    assert found.layout.width > found.layout.height


def test_vectors_that_everything_reads_are_named() -> None:
    """The time of a diffusion model is named at each block that reads it; no arrow crosses the picture for it."""
    found = maps_of("ddpm_unet")
    order = found.order
    vectors = [n for n, unit in enumerate(order.units) if unit.level == NO_POSITIONS]
    assert vectors and len(order.marks) > 10
    assert {source for sources in order.marks.values() for source in sources} <= set(vectors)
    assert not any(way.source in vectors and way.target not in vectors for way in order.ways)
    assert "◂ reads time2 as well" in maps_svg(found)


def test_two_inputs_and_several_outputs() -> None:
    """Each input stands before its first reader, each output is marked."""
    net = tracer.loads(
        "input: {a: [1, 3, 32, 32], b: [1, 1, 16, 16]}\nlayers:\n"
        "  c: {op: Conv2d, from: a, out_channels: 8, kernel_size: 3, padding: 1}\n"
        "  p: {op: MaxPool2d, kernel_size: 2}\n  q: {op: Concat, from: [p, b]}\n"
        "  one: {op: Conv2d, out_channels: 2, kernel_size: 1}\n"
        "  two: {op: Conv2d, from: q, out_channels: 5, kernel_size: 1}\n"
        "output:\n  one: [1, 2, 16, 16]\n  two: [1, 5, 16, 16]\n"
    )
    found = drawn(net)
    sound(found)
    order, called = found.order, names(found)
    column = {name: order.column[order.run_of[called.index(name)]] for name in called}
    assert column["b"] == column["q"] - 1 >= column["a"]
    assert {name for name, unit in zip(called, order.units) if unit.output} == {"one", "two"}


def test_sequences_are_a_ladder() -> None:
    """Bars: the encoder goes down the left, the decoder up the right, the coarsest maps between, skips across."""
    found = maps_of("wave_unet")
    layout, called = found.layout, names(found)
    assert layout.lies
    place = {name: layout.slabs[n][0] for n, name in enumerate(called)}
    encoder = [place[f"enc{k}"] for k in range(1, 13)]
    decoder = [place[f"dec{k}"] for k in range(1, 13)]
    assert [bar.y for bar in encoder] == sorted(bar.y for bar in encoder)
    assert (
        len({bar.middle[0] for bar in encoder}) == len({bar.middle[0] for bar in decoder}) == 1
    )
    assert encoder[0].right < place["mid"].x and place["mid"].right < decoder[0].x
    assert all(a.width > b.width for a, b in pairwise(encoder))
    assert all(a.height <= b.height for a, b in pairwise(encoder))
    told = kinds(found)
    assert all(told[f"enc{k}", f"dec{k}"] == "skip" for k in range(1, 13))
    for way, route in zip(found.order.ways, layout.routes):
        if called[way.source].startswith("enc") and way.kind == "skip":
            assert route[0][0] == layout.slabs[way.source][-1].right
            assert abs(route[0][1] - route[-1][1]) < 40


def test_unfolded_shows_as_much() -> None:
    """A level of blocks unfolded shows their maps one by one, under the blocks' names."""
    folded, unfolded = maps_of("unet_2015"), drawn(config("unet_2015"), 2)
    count = [sum(len(unit.slabs) for unit in found.order.units) for found in (folded, unfolded)]
    assert count[0] == count[1]
    texts = {text for text, _ in text_places(unfolded)}
    assert {"enc1", "dec4", "568²", "570²"} <= texts


# --- faults, names, colours ------------------------------------------------------------------------------------


def test_errors_stand_where_they_are() -> None:
    """The merge that does not close is red, with both sizes on its arms, and what is wrong stands below."""
    net = tracer.loads(BROKEN)
    found = drawn(net)
    sound(found)
    root = ElementTree.fromstring(maps_svg(found))
    units = {
        g.attrib["class"]: (g.findtext(f"{SVG}title") or "")
        for g in root.iter(f"{SVG}g")
        if "data-unit" in g.attrib
    }
    assert units["unit wrong"].startswith("cat2: Concat")
    arms = [e.text for e in root.iter(f"{SVG}text") if e.get("class") == "arm"]
    assert sorted(map(str, arms)) == ["32 × 26 × 24", "64 × 25 × 24"]
    notes = [e.text for e in root.iter(f"{SVG}text") if e.get("class") == "note"]
    assert notes == ["T301 cat2: sizes differ in dim 2: 26 from up2, 25 from down2"]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_what_lies_behind_a_fault_keeps_its_place(axes: int) -> None:
    """Layers that have no shape stand at the level that they would have; arrows into them are dashed."""
    ops = {name: f"{name}{axes}d" for name in ("Conv", "MaxPool", "ConvTranspose")}
    size = ", ".join(["100"] * axes)
    net = tracer.loads(
        f"input: [1, 1, {size}]\nlayers:\n"
        f"  e1: {{op: {ops['Conv']}, out_channels: 8, kernel_size: 3, padding: 1}}\n"
        f"  p1: {{op: {ops['MaxPool']}, kernel_size: 2}}\n"
        f"  e2: {{op: {ops['Conv']}, out_channels: 16, kernel_size: 3, padding: 1}}\n"
        f"  p2: {{op: {ops['MaxPool']}, kernel_size: 4}}\n"
        f"  u2: {{op: {ops['ConvTranspose']}, out_channels: 16, kernel_size: 4, stride: 4}}\n"
        "  c2: {op: Concat, from: [u2, e2]}\n"
        f"  u1: {{op: {ops['ConvTranspose']}, out_channels: 8, kernel_size: 2, stride: 2}}\n"
        "  c1: {op: Concat, from: [u1, e1]}\n"
    )
    found = drawn(net)
    sound(found)
    level = {name: unit.level for name, unit in zip(names(found), found.order.units)}
    assert level["c1"] == level["u1"] == level["e1"] == 1
    assert level["c2"] == level["e2"] == 2**axes
    text = maps_svg(found)
    assert text.count('class="way wrong"') == 3 and text.count('class="way unknown"') >= 4
    arms = [
        e.text
        for e in ElementTree.fromstring(text).iter(f"{SVG}text")
        if "arm" in e.get("class", "").split()
    ]
    assert len(arms) == 2


def test_hostile_names() -> None:
    """Names full of markup are text; long ones are cut, and whole in the title."""
    long = "n" * 60
    names_ = ["<b>x</b>", '"onload="alert(1)', "'--><script>alert(1)</script>", "end", long]
    layers = "".join(
        f"  {name!r}: {{op: Conv2d, out_channels: 2, kernel_size: 1}}\n" for name in names_
    )
    net = tracer.loads(
        f"name: '{HOSTILE.replace(chr(39), chr(39) * 2)}'\ninput: [1, 2, 8, 8]\nlayers:\n{layers}"
    )
    found = drawn(net)
    sound(found)
    root = ElementTree.fromstring(maps_svg(found))
    assert {e.tag for e in root.iter()} <= {
        SVG + tag for tag in ("svg", "title", "style", "rect", "g", "path", "text")
    }
    assert not any(name.startswith("on") for e in root.iter() for name in e.attrib)
    texts = [e.text or "" for e in root.iter(f"{SVG}text")]
    assert long not in texts and any(
        text.startswith("nnnnnn") and "…" in text for text in texts
    )
    assert any(long in (e.text or "") for e in root.iter(f"{SVG}title"))


def luminance(colour: str) -> float:
    parts = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(scheme: dict[str, str]) -> None:
    """Texts and arrows stand out from the ground and the shaded bands, and edges from what they enclose."""
    for name in (
        "text",
        "muted",
        "conv",
        "pass",
        "skip",
        "down",
        "up",
        "size",
        "wrong",
        "unknown",
    ):
        for ground in ("ground", "band"):
            assert contrast(scheme[name], scheme[ground]) >= 4.5, (name, ground)
    assert scheme.keys() == LIGHT.keys()


def test_the_same_each_time() -> None:
    """A picture depends on nothing but the network."""
    texts = {maps_svg(drawn(tracer.load(ROOT / "configs" / "unetpp.yaml"))) for _ in range(3)}
    assert len(texts) == 1


def test_styles(tmp_path: Path) -> None:
    """``--style boxes`` draws boxes; a format that draws boxes alone refuses maps; beyond the bound boxes are drawn."""
    path = str(ROOT / "configs" / "unet_2015.yaml")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["draw", path, *arguments])

    maps, boxes = run(), run("--style", "boxes")
    assert 'data-unit="0"' in maps.stdout and 'data-box="0"' not in maps.stdout
    assert 'data-box="0"' in boxes.stdout and 'data-unit="0"' not in boxes.stdout
    assert maps.exit_code == boxes.exit_code == 0
    refused = run("--style", "maps", "--to", "dot")
    assert refused.exit_code == 2 and "dot is drawn as boxes only" in refused.stderr
    assert 'data-unit="0"' in tracer.draw(path) and 'data-box="0"' in tracer.draw(
        path, style="boxes"
    )
    with pytest.raises(ValueError, match="styles: boxes"):
        tracer.draw(path, to="mermaid", style="maps")

    layers = "".join(
        f"  n{k}: {{op: Conv2d, out_channels: 2, kernel_size: 1}}\n" for k in range(MOST + 1)
    )
    large = tmp_path / "large.yaml"
    large.write_text(f"input: [1, 2, 8, 8]\nlayers:\n{layers}", "utf-8")
    done = CliRunner().invoke(cli, ["draw", str(large)])
    assert done.exit_code == 0 and 'data-box="0"' in done.stdout


def test_dense_graphs() -> None:
    """As many boxes as maps are drawn of, each reading several at random, take a bounded time."""
    drawn_at_random = random.Random(5)
    layers = ["  n0: {op: Conv2d, out_channels: 4, kernel_size: 1}"]
    for k in range(1, MOST - 1):
        others = {"input", *(f"n{drawn_at_random.randrange(k)}" for _ in range(4))}
        others -= {f"n{k - 1}"}
        layers.append(
            f"  n{k}: {{op: Add, from: [{', '.join([f'n{k - 1}', *sorted(others)])}]}}"
        )
    net = tracer.loads("input: [1, 4, 8, 8]\nlayers:\n" + "\n".join(layers) + "\n")
    shown = picture(net.trace())
    assert has_maps(shown)
    start = process_time()
    maps_svg(scene(net.trace(), shown))
    assert process_time() - start < 20


# --- in a browser ----------------------------------------------------------------------------------------------

OVERLAPS = """
() => {
  const all = [...document.querySelectorAll('svg text')].map(e => {
    const r = e.getBoundingClientRect();
    return {text: e.textContent, x: r.x, y: r.y + 3, right: r.right, bottom: r.bottom - 3};
  });
  const svg = document.querySelector('svg').getBoundingClientRect();
  const found = [];
  for (const [n, a] of all.entries()) {
    if (a.x < svg.x || a.right > svg.right + 1 || a.bottom > svg.bottom) found.push(`${a.text} is cut`);
    for (const b of all.slice(n + 1))
      if (a.x + 1 < b.right && b.x + 1 < a.right && a.y < b.bottom && b.y < a.bottom)
        found.push(`${a.text} | ${b.text}`);
  }
  return {count: all.length, found};
}
"""


def test_texts_in_a_browser(browser: Any) -> None:
    """As a browser sets them, no text lies on another or leaves the picture, whatever the network."""
    tab = browser.new_page(viewport={"width": 2000, "height": 1300})
    drawings = {path.stem: maps_of(path.stem) for path in CONFIGS}
    drawings["broken"] = drawn(tracer.loads(BROKEN))
    drawings["gated"] = drawn(tracer.loads(GATED.replace("FROM", "up, gate")))
    for name, found in drawings.items():
        tab.set_content(f"<body style='margin: 0'>{maps_svg(found)}</body>")
        seen = tab.evaluate(OVERLAPS)
        assert seen["count"] > 10 and not seen["found"], name
    tab.close()


def test_both_schemes_in_a_browser(browser: Any) -> None:
    """The picture follows the reader's scheme."""
    text = maps_svg(maps_of("unet_2015"))
    grounds = set()
    for scheme in ("light", "dark"):
        tab = browser.new_page(color_scheme=scheme)
        tab.set_content(text)
        colour = "e => getComputedStyle(e).fill"
        grounds.add(tab.eval_on_selector(".ground", colour))
        assert tab.eval_on_selector(".name", colour) not in grounds
        tab.close()
    assert len(grounds) == 2


def in_room(name: str, room: MapRoom) -> MapScene:
    """A config as it is drawn where there is so much room: a page has less than a file."""
    trace = config(name).trace()
    return scene(trace, picture(trace, [], 1), room)


@pytest.mark.parametrize(
    ("name", "widest"), [("fcn8s", 4096), ("resnet50_fpn", 2048), ("unet_2015", 1024)]
)
def test_folding_leaves_out_no_map_that_is_wider_than_what_is_shown(
    name: str, widest: int
) -> None:
    """A run of layers ends before fewer channels, also where it is shown in a page's smaller room."""
    found = in_room(name, MapRoom.of(1020, 720))
    assert found.fold.folds_runs == (name == "fcn8s")
    channels = [
        prod(unit.last.size.channels)
        for unit in found.order.units
        if unit.last.size is not None
    ]
    assert max(channels) == widest


def test_what_circles_mean_is_said() -> None:
    """A circle has the sign of how it joins its inputs; one of layers that do more has none."""
    gated, nested = (
        maps_svg(in_room(name, MapRoom.of(1020, 720))) for name in ("attention_unet", "unetpp")
    )
    assert "× product" in gated and '<text class="sign"' in gated and "○" not in gated
    assert "○ layers on a skip" in nested and '<text class="sign"' not in nested
