"""Hints of merges whose inputs differ: what the layers that lead there have, and nothing that they have not."""

from __future__ import annotations

import pytest

import tracer
from tracer.diagnostics import Diagnostic

VIT = """
input: [1, 3, S, S]
sizes: {{S: {size}}}
layers:
  patch: {{op: Conv2d, out_channels: 6, kernel_size: 4, stride: 4}}
  flat: {{op: Flatten, start_dim: 2}}
  tokens: {{op: Transpose, dim0: 1, dim1: 2}}
  table: {{op: Parameter, shape: [1, {rows}, 6]}}
{between}  sum: {{op: Add, from: [tokens, {table}]}}
"""


def found(text: str) -> Diagnostic:
    """The first error."""
    (first, *_) = [one for one in tracer.checks(text) if one.severity == "error"]
    return first


@pytest.mark.parametrize("between", ["", "  drop: Dropout\n"])
def test_a_table_of_tokens_is_told_as_one(between: str) -> None:
    """The hint names the count of the table and the sizes that give it, and both are right."""
    table = "drop" if between else "table"
    text = VIT.format(size=24, rows=25, between=between, table=table)
    fault = found(text)
    start = f"{table} has 25 tokens at every size of the input, tokens 36: choose a size that gives 25"
    shape = "" if between else ", or write shape: [1, 36, 6] at table"
    assert fault.code == "T301" and fault.hint == start + shape

    runs = tracer.sizes(tracer.loads(text)).axes["S"]
    assert list(runs.runs.between(1, 99)) == [4, 5, 6, 7, 20, 21, 22, 23]
    assert list(runs.lossless.between(1, 99)) == [4, 20]  # one token is repeated
    assert not tracer.checks(text.replace("S: 24", "S: 20"))
    assert not tracer.checks(text.replace("25, 6", "36, 6"))


def test_positions_of_a_map_are_told_as_positions() -> None:
    """A table over the rows of a map of four dims."""
    fault = found("""
input: [1, 4, 12, 12]
layers:
  table: {op: Parameter, shape: [1, 4, 8, 12]}
  sum: {op: Add, from: [table, input]}
""")
    assert fault.hint == (
        "table has 8 positions at every size of the input, input 12: choose a size that gives 8, "
        "or write shape: [1, 4, 12, 12] at table"
    )


def test_channels_are_no_tokens() -> None:
    """A scale per channel that has too few of them, and maps that both come from the input, keep their hints."""
    scale = """
input: [1, 8, 5, 5]
layers:
  scale: {op: Parameter, shape: [1, 6, 1, 1]}
  out: {op: Mul, from: [input, scale]}
"""
    both = """
input: [1, 8, 5]
layers:
  a: {op: Conv1d, out_channels: 6, kernel_size: 1}
  out: {op: Mul, from: [input, a]}
"""
    for text in (scale, both):
        hint = found(text).hint
        assert hint is not None and hint.startswith("a convolution with kernel_size 1")
