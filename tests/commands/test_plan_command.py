"""``tracer plan``: what it refuses to write into the file, and the edit as a diff."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracer.commands import cli

UP = """input: [1, 2, H, W]
sizes: {H: 36, W: 36}
layers:
  a: {op: MaxPool2d, kernel_size: 2}
  b: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  c: {op: Add, from: [b, input]}
"""


@pytest.mark.parametrize(
    "config", [UP.replace("auto", "!!str auto").replace("H: 36", "H: 37"), UP]
)
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


def test_a_repair_that_breaks_the_file_is_marked_and_refused(tmp_path: Path) -> None:
    """It closes at the size that is asked for, and no longer at the one that the file declares."""
    path = tmp_path / "net.yaml"
    text = UP.replace(", output_padding: auto", "")
    path.write_text(text)

    def plan(*options: str) -> Result:
        return CliRunner().invoke(cli, ["plan", str(path), "--size", "H=37,W=37", *options])

    listed = plan().output
    assert "1. output_padding of b (safe) (not at the declared H = 36, W = 36)" in listed
    assert "2. output_size of b, taken from the skip at run time\n" in listed
    assert "--size H=37,W=37 --repair 2 --diff` shows it" in listed.splitlines()[-1]

    refused = plan("--repair", "1")
    assert refused.exit_code == 1 and "nothing is written" in refused.output
    assert "repaired" not in refused.output and path.read_text() == text

    repaired = plan("--repair", "2")
    assert repaired.exit_code == 0 and "repaired: output_size of b" in repaired.output
    assert "1. output_padding" not in repaired.output and "  2. output_size" in repaired.output


def test_a_network_that_closes_has_no_repair(tmp_path: Path) -> None:
    """``--repair`` would write values of ``auto``, which is what ``--write`` is for."""
    path = tmp_path / "net.yaml"
    for text, why in ((UP, "--write writes the values"), (UP.replace("auto", "0"), "as it is")):
        path.write_text(text)
        result = CliRunner().invoke(cli, ["plan", str(path), "--repair", "3"])
        assert result.exit_code == 2 and "--repair 3: the network closes" in result.output
        assert why in result.output and path.read_text() == text
