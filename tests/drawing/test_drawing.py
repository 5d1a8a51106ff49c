"""Pictures: nothing overlaps, arrows touch their boxes, the U stands up, faults are red, texts stay texts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT, extras
from tests.drawn.networks import networks
from tests.drawn.texts import BROKEN, HOSTILE
from tracer.commands import cli
from tracer.diagnostics import TracerError
from tracer.drawing.layout import layout
from tracer.drawing.picture import Picture, picture
from tracer.drawing.placed import Layout, Rectangle
from tracer.drawing.u_shape import BOTTOM, LEFT, RIGHT, sides
from tracer.net import Net
from tracer.network.folding import deepest
from tracer.rules import judge
from tracer.rules.manual import manual
from tracer.views.pictures.dot import dot
from tracer.views.pictures.mermaid import mermaid
from tracer.views.svg import svg

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"


def overlap(a: Rectangle, b: Rectangle) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


def sound(drawn: Picture, placed: Layout) -> None:
    """No two boxes overlap, all stand in the picture, and every arrow runs level or upright from box to box."""
    by_row = sorted(range(len(placed.places)), key=lambda i: placed.places[i].y)
    for k, i in enumerate(by_row):
        a = placed.places[i]
        assert a.x >= 0 and a.y >= 0 and a.right <= placed.width and a.bottom <= placed.height
        for j in by_row[k + 1 :]:
            if placed.places[j].y >= a.bottom:
                break
            assert not overlap(a, placed.places[j]), (drawn.boxes[i].name, drawn.boxes[j].name)
    for arrow, route in zip(drawn.arrows, placed.routes):
        for (x, y), box in ((route[0], arrow.source), (route[-1], arrow.target)):
            place = placed.places[box]
            on_side = x in (place.x, place.right) and place.y <= y <= place.bottom
            on_end = y in (place.y, place.bottom) and place.x <= x <= place.right
            assert on_side or on_end, (
                drawn.boxes[arrow.source].name,
                drawn.boxes[arrow.target].name,
            )
        for (x0, y0), (x1, y1) in pairwise(route):
            assert x0 == x1 or y0 == y1
            assert min(x0, x1) >= -1 and max(x0, x1) <= placed.width


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs_at_every_depth(path: Path) -> None:
    """Every config, folded and unfolded, is drawn soundly, and as an SVG that is XML."""
    net = tracer.load(path)
    for depth in range(1, deepest(net.network) + 1):
        drawn = picture(net.trace(), (), depth)
        sound(drawn, layout(drawn))
        root = ElementTree.fromstring(svg(drawn))
        boxes = [g for g in root.iter(f"{SVG}g") if "data-box" in g.attrib]
        assert len(boxes) == len(drawn.boxes)


@settings(max_examples=max(60, settings().max_examples // 2))
@given(st.data())
def test_drawn_networks(data: st.DataObject) -> None:
    """Graphs of any operations, those that fail included, are drawn soundly at every depth."""
    case = data.draw(networks())
    try:
        net = tracer.loads(case.declared)
    except TracerError:
        return
    found = judge(net)
    for depth in range(1, deepest(net.network) + 1):
        drawn = picture(net.trace(), found, depth)
        sound(drawn, layout(drawn))
        ElementTree.fromstring(svg(drawn))
        mermaid(drawn)
        dot(drawn)


def unet(name: str) -> Net:
    return tracer.load(ROOT / "configs" / f"{name}.yaml")


@pytest.mark.parametrize(
    "name", ["unet_2015", "unet3d", "linknet", "attention_unet", "resnet34_unet", "vnet"]
)
def test_the_u(name: str) -> None:
    """The encoder goes down the left, the decoder up the right, the bottleneck is lowest, between; skips go across."""
    drawn = picture(unet(name).trace())
    found = sides(drawn)
    assert found is not None
    placed = layout(drawn)
    middles = {
        side: [placed.places[i].middle for i, (own, _) in enumerate(found) if own == side]
        for side in range(4)
    }
    assert (
        max(x for x, _ in middles[LEFT])
        < min(x for x, _ in middles[BOTTOM])
        < min(x for x, _ in middles[RIGHT])
    )
    lowest = min(y for _, y in middles[BOTTOM])
    assert all(y < lowest for side in (LEFT, RIGHT) for _, y in middles[side])
    assert [y for _, y in middles[LEFT]] == sorted(y for _, y in middles[LEFT])
    assert [y for _, y in middles[RIGHT]] == sorted(
        (y for _, y in middles[RIGHT]), reverse=True
    )
    skips = [
        a for a in drawn.arrows if found[a.source][0] == LEFT and found[a.target][0] == RIGHT
    ]
    assert len(skips) >= 3
    for arrow in skips:
        assert placed.places[arrow.source].right < placed.places[arrow.target].x


def test_chains_and_nested_nets_are_no_u() -> None:
    """A classifier and a net that goes down twice are drawn in layers."""
    for text in (
        "input: [1, 3, 64, 64]\nlayers:\n  a: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2}\n  b: ReLU\n",
        "input: [1, 3, 64, 64]\nlayers:\n  a: {op: MaxPool2d, kernel_size: 2}\n  b: {op: Upsample, scale_factor: 2}\n"
        "  c: {op: MaxPool2d, kernel_size: 2}\n  d: {op: Upsample, scale_factor: 2}\n",
    ):
        assert sides(picture(tracer.loads(text).trace())) is None


def test_wider_and_higher() -> None:
    """More channels make a box wider, more positions higher."""
    net = tracer.loads(
        "input: [1, 3, 256, 256]\nlayers:\n  a: {op: Conv2d, out_channels: 8, kernel_size: 1}\n"
        "  b: {op: Conv2d, out_channels: 512, kernel_size: 1}\n  c: {op: MaxPool2d, kernel_size: 16}\n"
    )
    _, a, b, c = layout(picture(net.trace())).places
    assert a.width < b.width == c.width
    assert b.height == a.height > c.height


def test_errors_stand_where_they_are() -> None:
    """The merge that does not close is red, with both sizes on its arms, and what is wrong stands under the picture."""
    net = tracer.loads(BROKEN)
    drawn = picture(net.trace(), judge(net))
    assert [box.name for box in drawn.boxes if box.wrong] == ["cat2"]
    root = ElementTree.fromstring(svg(drawn))
    arms = [e.text for e in root.iter(f"{SVG}text") if e.get("class") == "arm"]
    assert sorted(map(str, arms)) == ["32 × 26 × 24", "64 × 25 × 24"]
    notes = [e.text for e in root.iter(f"{SVG}text") if e.get("class") == "note"]
    assert notes == ["T301 cat2: sizes differ in dim 2: 26 from up2, 25 from down2"]
    red = [e for e in root.iter(f"{SVG}path") if "wrong" in (e.get("class") or "")]
    assert len(red) == 4  # two lines and their tips
    assert "class n6 wrong" in mermaid(drawn)
    assert dot(drawn).count('headlabel="') == 2


def test_an_error_is_drawn_at_its_node_whatever_others_are_called() -> None:
    """A node whose name is a word of another's message is not red for it: names are no part of the message."""
    for name in ("no", "none", "values", "needs", "from", "to", "of", "cannot", "closed"):
        net = tracer.loads(UNSOLVABLE.format(name=name))
        found = judge(net)
        assert [d.code for d in found if d.severity == "error"] == ["T401"]
        assert [box.name for box in picture(net.trace(), found).boxes if box.wrong] == [
            "cat"
        ], name


def test_a_size_that_is_not_drawn_makes_no_box_red() -> None:
    """T305 names a node that fails at another size than the drawn one, where it is right."""
    net = tracer.loads(manual()["T305"].example("Bad"))
    found = judge(net)
    assert [(d.code, d.node) for d in found] == [("T305", "sum")]
    assert not any(box.problems for box in picture(net.trace(), found).boxes)


UNSOLVABLE = """\
input: [1, 4, 9, 9]
encoder:
  {name}: {{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}
  down: {{op: Conv2d, out_channels: 4, kernel_size: 3, stride: 4}}
decoder:
  up: {{op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2, output_padding: auto}}
  cat: {{op: Concat, from: [up, {name}]}}
"""


def hostile_net() -> Net:
    names = ["<b>x</b>", '"onload="alert(1)', "'--><script>alert(1)</script>", "end", "A\\\\"]
    layers = "".join(
        f"  {name!r}: {{op: Conv2d, out_channels: 2, kernel_size: 1}}\n" for name in names[:4]
    )
    return tracer.loads(
        f"name: '{HOSTILE.replace(chr(39), chr(39) * 2)}'\ninput: [1, 2, 8, 8]\nlayers:\n{layers}"
    )


def test_hostile_names() -> None:
    """Names full of markup are text in SVG, and quoted or turned into entities in dot and mermaid."""
    drawn = picture(hostile_net().trace())
    root = ElementTree.fromstring(svg(drawn))
    assert {e.tag for e in root.iter()} <= {
        SVG + t for t in ("svg", "title", "style", "rect", "g", "path", "text")
    }
    assert not any(name.startswith("on") for e in root.iter() for name in e.attrib)
    titles = [e.text or "" for e in root.iter(f"{SVG}title")]
    assert HOSTILE in titles
    chart = mermaid(drawn)
    assert "<b>" not in chart and "<script" not in chart
    assert all(line.count('"') % 2 == 0 for line in chart.splitlines())
    quoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot(drawn))
    assert "<" not in quoted and "alert" not in quoted


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        ("svg", b"<svg "),
        ("html", b"<!doctype html>"),
        ("png", b"\x89PNG"),
        ("mmd", b"flowchart TD"),
        ("dot", b"digraph"),
    ],
)
def test_the_command_writes(tmp_path: Path, ending: str, start: bytes) -> None:
    """Each ending gives its format; an error in the config is told, exit code 1, and the picture is written."""
    if ending == "png":
        extras.needs("png")
    config, target = tmp_path / "net.yaml", tmp_path / f"net.{ending}"
    config.write_text(BROKEN, "utf-8")
    done = CliRunner().invoke(cli, ["draw", str(config), "-o", str(target)])
    assert done.exit_code == 1
    assert target.read_bytes().startswith(start)
    assert "T301" in done.stderr and "written" in done.stderr


def test_the_command_refuses(tmp_path: Path) -> None:
    """An ending that says nothing, pixels on a terminal, a folder that is not there: one message, exit code 2."""
    config = tmp_path / "net.yaml"
    config.write_text(BROKEN, "utf-8")
    for arguments in (
        ["-o", "net.txt"],
        ["--to", "png"],
        ["-o", str(tmp_path / "no" / "net.svg")],
        ["--depth", "0"],
    ):
        done = CliRunner().invoke(cli, ["draw", str(config), *arguments])
        assert done.exit_code == 2, arguments
    done = CliRunner().invoke(cli, ["draw", str(config)])
    assert done.exit_code == 1 and done.stdout.startswith("<svg ")


def test_large_nets() -> None:
    """A net of 2,000 nodes with skips over all of them is drawn soundly."""
    layers = ["  n0: {op: Conv2d, out_channels: 4, kernel_size: 1}"]
    for k in range(1, 2000):
        source = f"[n{k - 1}, n{max(k - 700, 0)}]" if k % 9 == 0 else f"n{k - 1}"
        op = "Add" if k % 9 == 0 else "ReLU"
        layers.append(f"  n{k}: {{op: {op}, from: {source}}}")
    net = tracer.loads("input: [1, 4, 8, 8]\nlayers:\n" + "\n".join(layers) + "\n")
    drawn = picture(net.trace())
    sound(drawn, layout(drawn))
