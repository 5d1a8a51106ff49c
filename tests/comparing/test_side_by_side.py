"""The page of a comparison: every box in which something changed is marked in both pictures, and nothing else is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracer
from tests import ROOT
from tests.drawn.texts import BROKEN, HOSTILE
from tracer.commands import cli
from tracer.comparing.comparison import Given, compared
from tracer.diagnostics import TracerError
from tracer.drawing.picture import picture
from tracer.net import Net
from tracer.rules import judge
from tracer.views.side_by_side import MARKS, side_by_side

RULE = re.compile(r'\.(old|new) \[data-box="(\d+)"\] rect \{ stroke: var\(--(\w+)\)')


def given(net: Net) -> Given:
    return Given(net.network.path, net, judge(net))


def marks(html: str, old: Net, new: Net) -> dict[str, dict[str, str]]:
    """By side and the box's name: what it is marked as."""
    boxes = {
        word: picture(net.trace(), judge(net), 1).boxes
        for word, net in (("old", old), ("new", new))
    }
    found: dict[str, dict[str, str]] = {"old": {}, "new": {}}
    for word, number, kind in RULE.findall(html):
        found[word][boxes[word][int(number)].name] = kind
    return found


def page(old: Net, new: Net) -> str:
    both = given(old), given(new)
    return side_by_side(compared(*both), *both)


def test_what_changed_is_marked() -> None:
    """A node that came, one that changed and one that follows: each by its own kind, on its own side."""
    text = BROKEN.replace(
        "out_channels: 32, kernel_size: 2", "out_channels: 24, kernel_size: 2"
    )
    text = text.replace("  up1:", "  act: ReLU\n  up1:").replace("H: 100", "H: 104")
    old, new = tracer.loads(BROKEN.replace("H: 100", "H: 104")), tracer.loads(text)
    found = marks(page(old, new), old, new)
    assert found["new"] == {
        "up2": "changed",
        "cat2": "follows",
        "act": "added",
        "up1": "changed",
    }
    assert found["old"] == {"up2": "changed", "cat2": "follows", "up1": "changed"}

    # The other way round it is the same, mirrored.
    back = marks(page(new, old), new, old)
    swapped = {"added": "removed", "removed": "added"}
    assert back["old"] == {name: swapped.get(kind, kind) for name, kind in found["new"].items()}
    assert back["new"] == found["old"]


@pytest.mark.parametrize("name", ["unet_2015", "resnet34_unet", "unetpp"])
def test_every_change_is_in_a_marked_box(name: str) -> None:
    """With another param: the boxes that are marked are those of the nodes that the comparison names."""
    path = ROOT / "configs" / f"{name}.yaml"
    old = tracer.load(path)
    param = next(name for name, n in old.network.params.items() if type(n) is int)
    new = tracer.load(path, **{param: old.network.params[param] + 1})
    found = compared(given(old), given(new))
    html = page(old, new)
    changed = {change.name for change in (*found.changed, *found.renamed)}
    assert changed
    own = marks(html, old, new)["new"]
    for box in picture(new.trace(), judge(new), 1).boxes:
        names = {new.network.nodes[i].name for i in box.nodes}
        assert (box.name in own) == bool(names & changed), box.name
    assert set(own.values()) <= set(MARKS)
    unchanged = page(old, old)
    assert not RULE.search(unchanged)


def test_no_text_is_markup(tmp_path: Path) -> None:
    """Names of networks and a text that does not load stand in the page as text; there is no script in it."""
    old = tracer.loads(BROKEN.replace("name: broken", f"name: {json.dumps(HOSTILE)}"))
    try:
        tracer.loads("input: [1, 2]\nlayers: {a: '<img src=x>'}\n")
    except TracerError as error:
        wrong = Given("<b>x</b>", None, error.diagnostics)
    html = side_by_side(compared(given(old), wrong), given(old), wrong)
    assert "<script" not in html and "<img" not in html and "<b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html and "T101" in html
    assert "default-src 'none'" in html


def test_the_command_writes_it(tmp_path: Path) -> None:
    """By the file's ending or ``--format``; a table is no file."""
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text(BROKEN)
    b.write_text(BROKEN.replace("H: 100", "H: 104"))
    out = tmp_path / "both.html"
    done = CliRunner().invoke(cli, ["compare", str(a), str(b), "-o", str(out)])
    assert done.exit_code == 0, done.output
    printed = CliRunner().invoke(cli, ["compare", str(a), str(b), "--format", "html"])
    assert printed.stdout == out.read_text() and out.read_text().startswith("<!doctype html>")
    markdown = tmp_path / "both.md"
    assert (
        CliRunner().invoke(cli, ["compare", str(a), str(b), "-o", str(markdown)]).exit_code == 0
    )
    assert "| total |" in markdown.read_text()
    refused = CliRunner().invoke(
        cli, ["compare", str(a), str(b), "-o", str(tmp_path / "x.txt")]
    )
    assert refused.exit_code == 2 and "-o NAME with one of .html" in refused.output
    table = ["compare", str(a), str(b), "--format", "table", "-o", str(out)]
    assert CliRunner().invoke(cli, table).exit_code == 2
