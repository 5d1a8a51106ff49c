"""What is printed of sizes: dims in products, merges that are never aligned, inputs without a size."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tracer.commands import cli


def printed(tmp_path: Path, text: str) -> str:
    path = tmp_path / "net.yaml"
    path.write_text(text)
    return CliRunner().invoke(cli, ["sizes", str(path)]).output


def test_a_sum_in_a_product_has_brackets(tmp_path: Path) -> None:
    """Every dim that varies is a factor: a sum among them would be read as several."""
    text = (
        "input: [N, 3, H, W]\nlayers:\n  conv: {op: Conv2d, out_channels: 8, kernel_size: 3}\n"
    )
    output = printed(tmp_path, text)
    assert "N × (k - 2) × (W - 2)" in output and "N × k × W" in output
    assert "× k - 2" not in output


MISALIGNED = """input: [1, 4, H, 64]
sizes: {H: 64}
layers:
  pool: {op: MaxPool2d, kernel_size: 2}
  up: {op: Upsample, scale_factor: 2, mode: bilinear, align_corners: true}
  concat: {op: Concat, from: [up, input]}
"""


def test_merges_that_are_never_aligned_are_named(tmp_path: Path) -> None:
    """Below the sets stands where to look; a network with aligned sizes has no such line."""
    note = "not aligned at concat: `tracer check` (T503) says by how much"
    assert note in printed(tmp_path, MISALIGNED)
    aligned = printed(tmp_path, MISALIGNED.replace(", align_corners: true", ""))
    assert "not aligned" not in aligned and "aligned    H = 2k" in aligned


def test_an_input_without_sizes_has_no_size(tmp_path: Path) -> None:
    """It is not the input that does not fit."""
    path = tmp_path / "net.yaml"
    path.write_text("input: [1, 3, H, W]\nlayers:\n  act: {op: ReLU}\n")
    output = CliRunner().invoke(cli, ["trace", str(path)]).output
    assert "no size" in output and "does not fit" not in output
