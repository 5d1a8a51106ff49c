"""Where shapes do not fit, every command that says so names the one that may repair it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tracer.commands import cli

WRONG = """\
input: [1, 3, 33, 33]
layers:
  down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 2, stride: 2}
  sum: {op: Add, from: [up, input]}
"""
WORDS = {
    "check": [],
    "trace": [],
    "sizes": [],
    "draw": ["--to", "svg"],
    "verify": [],
    "export": ["--to", "torch"],
}
ADVICE = "`tracer plan` tries repairs\n"


@pytest.mark.parametrize("command", WORDS)
def test_plan_is_named(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, at the end of what is said; not for what no plan is about, and not where nothing is wrong."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "wrong": WRONG.replace("33, 33", "H, W") + "sizes: {H: 33, W: 33}\n",
        "right": WRONG.replace("33", "32"),
        "unknown": WRONG.replace("op: Add", "op: Ad"),
    }
    for name, text in texts.items():
        Path(f"{name}.yaml").write_text(text)

    def told(name: str) -> str:
        return CliRunner().invoke(cli, [command, f"{name}.yaml", *WORDS[command]]).stderr

    assert told("wrong").endswith(ADVICE) and told("wrong").count("tracer plan") == 1
    assert "tracer plan" not in told("right") + told("unknown")
