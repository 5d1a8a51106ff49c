"""``tracer plan``: what it refuses to write into the file, and the edit as a diff."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tracer.commands import cli

UP = """input: [1, 2, H, W]
sizes: {H: 36, W: 36}
layers:
  a: {op: MaxPool2d, kernel_size: 2}
  b: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  c: {op: Add, from: [b, input]}
"""


@pytest.mark.parametrize("config", [UP.replace("auto", "!!str auto").replace("H: 36", "H: 37"), UP])
def test_write_refuses_what_would_break_the_file(tmp_path: Path, config: str) -> None:
    """A tag that the value is not, and values for other sizes than those declared: said, and nothing is written."""
    path = tmp_path / "net.yaml"
    path.write_text(config)
    size = ["--size", "H=37"] if config == UP else []
    result = CliRunner().invoke(cli, ["plan", str(path), "--write", *size])
    assert result.exit_code == 1 and "nothing is written" in result.output
    assert path.read_text() == config


def test_a_diff_keeps_the_byte_order_mark(tmp_path: Path) -> None:
    """It is part of the first line, and ``patch`` compares it."""
    path = tmp_path / "net.yaml"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + UP.replace("H, W]", "36, 36]").replace("sizes: {H: 36, W: 36}\n", "").encode()
    )
    result = CliRunner().invoke(cli, ["plan", str(path), "--diff"])
    assert "\n \ufeffinput: " in result.output
