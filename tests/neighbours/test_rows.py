"""Models of ultralytics as rows: its package builds them; up to a part they are read whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tracer
from tracer.commands import cli
from tracer.network.foreign import foreign
from tracer.source.tree import compose

ROWS = """
nc: 4
scales:
  n: [0.5, 0.25, 64]
  s: [0.5, 0.5, 64]
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 2, C2f, [32, True]]
  - [-1, 1, SPPF, [32, 5]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 0], 1, Concat, [1]]
  - [-1, 1, C2f, [32]]
  - [[6, 3], 1, Detect, [nc]]
"""


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["import", str(path), *arguments])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file whose name says nothing."""
    path = tmp_path / "any.yaml"
    path.write_text(ROWS, "utf-8")
    return path


def test_without_its_package(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs it."""
    monkeypatch.setattr("tracer.neighbours.rows.find_spec", lambda name: None)
    done = run(rows, "--input", "1,3,64,64")
    assert done.exit_code == 1
    assert "the modules of these rows are those of ultralytics" in done.stderr
    assert "pip install ultralytics" in done.stderr


def test_no_key(rows: Path) -> None:
    """The rows are one network."""
    done = run(rows, "--input", "1,3,64,64", "--key", "head")
    assert done.exit_code == 1 and "they take no --key" in done.stderr


@pytest.mark.parametrize(("scale", "channels"), [(None, 8), ("s", 16)])
def test_up_to_a_part(rows: Path, scale: str | None, channels: int) -> None:
    """Backbone and neck; the scale is that of ``--arg``, or the first one, which is said."""
    pytest.importorskip("ultralytics", reason="needs pip install ultralytics")
    end = [] if scale is None else ["--arg", f"scale={scale}"]
    done = run(rows, "--input", "1,3,64,64", "--until", "model.6", *end)
    assert done.exit_code == 0, done.output
    assert ("scale n assumed, of n, s (--arg scale=s)" in done.stderr) == (scale is None)
    trace = tracer.loads(done.stdout).trace()
    assert list(trace.outputs.values()) == [(1, channels, 32, 32)]


@pytest.mark.parametrize("until", [(), ("--until", "model.7")])
def test_up_to_the_head(rows: Path, until: tuple[str, ...]) -> None:
    """A head that makes anchors is left out; what it reads is what comes out, each under its row's name."""
    pytest.importorskip("ultralytics", reason="needs pip install ultralytics")
    done = run(rows, "--input", "1,3,64,64", *until)
    assert done.exit_code == 0, done.output
    left_out = "the head model.7 (Detect) makes anchors and is left out" in done.stderr
    assert left_out == (until == ())
    assert "the outputs are the maps that it reads, model.6, model.3" in done.stderr
    trace = tracer.loads(done.stdout).trace()
    assert trace.outputs == {"model_6": (1, 8, 32, 32), "model_3": (1, 8, 16, 16)}


def test_a_head_without_anchors(rows: Path) -> None:
    """It is read as the rest is."""
    pytest.importorskip("ultralytics", reason="needs pip install ultralytics")
    rows.write_text(
        ROWS.replace("[[6, 3], 1, Detect, [nc]]", "[-1, 1, Classify, [nc]]"), "utf-8"
    )
    done = run(rows, "--input", "1,3,64,64")
    assert done.exit_code == 0, done.output
    assert "is left out" not in done.stderr
    assert (1, 4) in tracer.loads(done.stdout).trace().outputs.values()


def test_what_does_not_build(rows: Path) -> None:
    """What the package says of rows that are wrong."""
    pytest.importorskip("ultralytics", reason="needs pip install ultralytics")
    rows.write_text(ROWS.replace("SPPF", "NoSuchModule"), "utf-8")
    done = run(rows, "--input", "1,3,64,64")
    assert done.exit_code == 1
    assert "ultralytics does not build these rows: KeyError: 'NoSuchModule'" in done.stderr


@pytest.mark.parametrize("backbone", ["[]", "{}", "[[-1, 1, Conv, [64]]]", "[5]"])
@pytest.mark.parametrize("head", ["[]", "[[-1, 1, Conv]]"])
def test_a_model_is_told_by_its_keys(backbone: str, head: str) -> None:
    """Also where its rows are not such as the package reads: no list of unknown keys."""
    found = foreign(compose(f"nc: 80\nbackbone: {backbone}\nhead: {head}\n"))
    assert found is not None and found.kind == "rows"
    assert (
        foreign(compose(f"input: [1, 3, 8, 8]\nbackbone: {backbone}\nhead: {head}\n")) is None
    )
