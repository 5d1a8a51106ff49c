"""The lines that the page names at other sizes and params are those that a check names there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import tracer
from tests import ROOT, extras
from tests.views.in_browser import opened
from tests.views.test_cards import PROMISED, TWO
from tracer.diagnostics import Diagnostic, TracerError
from tracer.rules import judge

extras.needs("page")

CONFIGS = ROOT / "configs"

ATTENTION = """
params: {width: 12, heads: 4, kernel: 1}
input: [N, 3, H, W]
sizes: {N: 1, H: 32, W: 32}
blocks:
  cross:
    args: {width: null, heads: 4}
    layers:
      norm: {op: LayerNorm, normalized_shape: "${width}"}
      att:
        op: MultiheadAttention
        from: [norm, norm, norm]
        embed_dim: "${width}"
        num_heads: "${heads}"
        batch_first: true
  outer:
    args: {many: 1}
    layers:
      inner:
        op: cross
        width: "${width}"
        heads: "${many}"
layers:
  patch:
    op: Conv2d
    out_channels: "${width}"
    kernel_size: 8
    stride: 8
  same: {op: MaxPool2d, kernel_size: "${kernel}", stride: 1}
  flat: {op: Flatten, start_dim: 2}
  tokens: {op: Transpose, dim0: 1, dim1: 2}
  x:
    op: outer
    many: "${heads}"
  back: {op: Transpose, dim0: 1, dim1: 2}
  grid:
    op: Reshape
    shape: [N, "${width}", "H // 8", "W // 8"]
  up: {op: Upsample, scale_factor: 8}
output:
  up: [N, "${width}", H, W]
"""

PROBLEMS = """values => {
  const found = tracer.program.trace({...tracer.values, ...values}, tracer.nodes);
  return found.nodes.flatMap(one => one.problems).map(one => [one.code, one.line]);
}"""

SHOWN_LINES = """values => {
  for (const [name, n] of Object.entries(values)) tracer.set(name, n);
  tracer.update();
  return document.querySelector("#problems ul").textContent;
}"""

COMPARED = {"T205", "T301", "T302", "T303", "T304", "T501", "T502", "T503"}


def checked(text: str, sizes: dict[str, int], params: dict[str, int]) -> list[Diagnostic]:
    """What a check says of a text at other sizes and params."""
    try:
        return judge(tracer.loads(text, **params).with_sizes(sizes))
    except TracerError as error:
        return error.diagnostics


def lines(found: list[Diagnostic]) -> set[tuple[str, int]]:
    return {(d.code, d.span.line) for d in found if d.span and d.code in COMPARED}


@pytest.mark.parametrize(
    ("name", "text", "params"),
    [
        ("attention", ATTENTION, {"heads": 5}),
        ("attention", ATTENTION, {"width": 14}),
        ("promised", PROMISED, {}),
        ("two", TWO, {}),
        ("unet", (CONFIGS / "unet_padded.yaml").read_text(), {}),
        ("attention_unet", (CONFIGS / "attention_unet.yaml").read_text(), {}),
    ],
)
def test_lines_are_those_of_a_check(
    browser: Any, tmp_path: Path, name: str, text: str, params: dict[str, int]
) -> None:
    """Of errors and of what is lost, at drawn sizes; a value that a block is handed counts where it is written."""
    net = tracer.loads(text)
    shown = opened(browser, tmp_path, net)
    draw = random.Random(name)
    symbols = [symbol for symbol in net.network.symbols if symbol != "N"]
    compared = 0
    for _ in range(8):
        sizes = {
            symbol: net.network.defaults()[symbol] + draw.randint(-7, 9) for symbol in symbols
        }
        theirs = shown.tab.evaluate(PROBLEMS, {**sizes, **params})
        ours = lines(checked(text, sizes, params))
        own = {(code, line) for code, line in theirs if code in COMPARED}
        # What only follows from another broken promise is not told by a check.
        assert ours <= own, (sizes, own, ours)
        assert bool(ours) == bool(own)
        compared += len(ours)
    assert compared >= 8

    said = shown.tab.evaluate(SHOWN_LINES, {**sizes, **params})
    assert all(f"{code} line {line}:" in said for code, line in ours)
    shown.close()
