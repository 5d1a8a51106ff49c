"""Pictures of large networks: folded as far as it takes, drawn in a bounded time, and they say so."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT, extras
from tests.drawn.networks import networks
from tests.timing import at_most
from tracer.commands import cli
from tracer.diagnostics import TracerError
from tracer.drawing import folded
from tracer.drawing.folded import BOXES, folded_picture
from tracer.drawing.maps.scene import FONT, LEGIBLE, MOST, WINDOW
from tracer.network.folding import deepest
from tracer.views.pictures import png, svg

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SAID = re.compile(r'<text class="said"[^>]*>([^<]*)</text>')
SMALL = re.compile(
    r"letters have (\d+) pixels where 1400 × 900 show all of it: zoom in, or fold it: --depth (\d+)$"
)
PAIRS = (
    "input: [1, 4, 8, 8]\nblocks:\n  pair:\n    layers:\n"
    "      a: {op: Conv2d, out_channels: 4, kernel_size: 1}\n      b: ReLU\n"
    "layers:\n  first: {op: pair, repeat: COPIES}\n  second: {op: pair, repeat: COPIES}\n"
)


def draw(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["draw", *arguments])


def flat(count: int) -> str:
    """A chain of layers, none of them in a block."""
    layer = "{op: Conv2d, out_channels: 2, kernel_size: 1}"
    layers = "".join(f"  n{k}: {layer}\n" for k in range(count))
    return f"input: [1, 2, 8, 8]\nlayers:\n{layers}"


@pytest.mark.parametrize("count", [MOST - 1, MOST])
def test_boxes_in_place_of_maps(tmp_path: Path, count: int) -> None:
    """One box more than maps are drawn of: boxes, which is said on standard error and under the picture."""
    path = tmp_path / "net.yaml"
    path.write_text(flat(count), "utf-8")
    done = draw(str(path))
    has_maps = count + 1 <= MOST
    assert done.exit_code == 0 and ('data-unit="0"' in done.stdout) == has_maps
    told = f"drawn as boxes, for {count + 1} are more than the {MOST} of which maps are drawn"
    assert (told in done.stderr) == (not has_maps)
    assert SAID.findall(done.stdout) == ([] if has_maps else [told])
    asked = draw(str(path), "--style", "boxes")
    assert asked.stderr == "" and SAID.findall(asked.stdout) == []


def test_where_it_has_maps() -> None:
    """The depth that is named is the largest with few enough boxes."""
    net = tracer.loads(PAIRS.replace("COPIES", "150"))
    drawn = svg.content(net, [], None, None)
    (note,) = drawn.notes
    assert note.startswith("drawn as boxes, for 601 are more")
    assert note.endswith("it has maps where it is folded: --depth 2")
    assert 'data-unit="0"' in svg.svg_of_trace(net.trace(), [], 2)
    assert 'data-unit="0"' not in svg.svg_of_trace(net.trace(), [], 3)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_too_small_to_read_says_so(path: Path) -> None:
    """At every depth: there is a note where letters are too small in the window, and none otherwise."""
    net = tracer.load(path)
    legible: dict[int, bool] = {}
    for depth in range(1, deepest(net.network) + 1):
        text, notes = svg.content(net, [], depth, None)
        said = SAID.findall(text.decode())
        assert said == [note.replace("'", "&#x27;") for note in notes]
        if 'data-unit="0"' not in text.decode():
            assert "drawn as boxes" in notes[0]
            continue
        width, height = svg.sides(text.decode())
        letters = FONT * min(WINDOW[0] / width, WINDOW[1] / height)
        assert bool(notes) == (letters < LEGIBLE)
        assert depth > 1 or not notes
        if notes:
            said_so = SMALL.match(notes[0])
            assert said_so is not None and abs(int(said_so[1]) - letters) <= 1
            assert 0 < int(said_so[2]) < depth
            assert legible[int(said_so[2])]
        legible[depth] = not notes


@settings(max_examples=max(40, settings().max_examples // 3))
@given(st.data())
def test_every_layer_is_in_one_box(data: st.DataObject) -> None:
    """However few boxes there may be: each node is in one, arrows lead forwards, and what is left out is said."""
    case = data.draw(networks())
    try:
        net = tracer.loads(case.declared)
    except TracerError:
        return
    trace = net.trace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folded, "BOXES", 4)
        patch.setattr(folded, "RUNS", 3)
        shown, notes = folded_picture(trace, trace.diagnostics, None)

    nodes = sorted(index for box in shown.boxes for index in box.nodes)
    assert nodes == list(range(len(net.network.nodes)))
    assert all(arrow.source != arrow.target for arrow in shown.arrows)
    inputs = len([node for node in net.network.nodes if node.is_input])
    assert len(shown.boxes) <= max(4, 3 + inputs)
    is_whole = len(shown.boxes) == len(net.network.nodes)
    assert bool(notes) != is_whole
    assert any(box.wrong for box in shown.boxes) == any(
        d.severity == "error" and d.node for d in trace.diagnostics
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (flat(BOXES), "layers that follow each other are one box, for 10,001 boxes are more"),
        (PAIRS.replace("COPIES", "7000"), "folded to depth 1, for 28,001 boxes are more"),
    ],
    ids=["flat", "blocks"],
)
def test_a_large_network(text: str, said: str) -> None:
    """Tens of thousands of layers are drawn in about as long as they are loaded, and the file is small."""
    net = tracer.loads(text)
    trace = net.trace()
    with at_most(8):
        drawn = svg.content(net, list(trace.diagnostics), None, None)
    assert len(drawn.content) < 100_000
    assert drawn.notes[0].startswith(said)
    assert SAID.findall(drawn.content.decode())[0] == drawn.notes[0]


def test_pixels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture is reduced, which is said; a usual one is as it was."""
    extras.needs("png")
    net = tracer.load(ROOT / "configs" / "unet_2015.yaml")
    usual, notes = png.content(net, [], 1, None)
    assert notes == ()
    monkeypatch.setattr(png, "PIXELS", 200_000)
    reduced, notes = png.content(net, [], 1, None)
    (note,) = notes
    assert f"{size(usual)[0]:,} × {size(usual)[1]:,} pixels are reduced to" in note
    assert 150_000 < size(reduced)[0] * size(reduced)[1] <= 201_000


def size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG file."""
    width, height = struct.unpack(">II", content[16:24])
    return width, height
