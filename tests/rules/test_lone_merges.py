"""T107: the merges whose skip was forgotten, and the skips that its hint names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import torch

import tracer
from tests import ROOT
from tracer.rules import judge

LIBRARY = sorted((ROOT / "configs").glob("*.yaml"))
TWO = re.compile(r"op: Concat, from: \[([^,\]\s]+), ([^,\]\s]+)\]")


def forgotten(path: Path) -> list[tuple[str, str, str]]:
    """The first input, the skip and the hint for every Concat of two, where its skip is left out."""
    text = path.read_text("utf-8")
    found = []
    for match in TWO.finditer(text):
        own, skip = match.groups()
        alone = f"{text[: match.start()]}op: Concat, from: [{own}]{text[match.end() :]}"
        hints = [d.hint or "" for d in tracer.checks(alone) if d.code == "T107"]
        found += [(own, skip, hint) for hint in hints]
    return found


def test_the_skip_that_was_forgotten_is_named() -> None:
    """Of the library's networks, whose skips are known: most hints are the line as it was."""
    seen = Counter(
        f"[{own}, {skip}]" in hint for path in LIBRARY for own, skip, hint in forgotten(path)
    )
    assert seen[True] >= 35 and seen[True] >= 3 * seen[False], seen


@pytest.mark.parametrize("source", ["", ", from: up", ", from: [up]"])
def test_however_the_one_input_is_said(source: str) -> None:
    """A Concat without `from` gets the node before it, as one that names it alone."""
    text = (
        "input: [1, 3, 64, 64]\nlayers:\n"
        "  e: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}\n"
        "  down: {op: MaxPool2d, kernel_size: 2}\n"
        "  up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}\n"
        f"  cat: {{op: Concat{source}}}\n"
    )
    (found,) = tracer.checks(text)
    assert (found.code, found.severity, found.node) == ("T107", "warning", "cat")
    assert found.hint == "where a skip is meant, write `from: [up, e]`"
    assert tracer.checks(text.replace(f"Concat{source}", "Concat, from: [up, e]")) == []


def test_many_of_them() -> None:
    """Every one is told; skips are sought for the first few."""
    layers = "".join(f"  c{i}: Concat\n" for i in range(900))
    found = tracer.checks(f"input: [1, 3, 8, 8]\nlayers:\n{layers}")
    assert [d.code for d in found] == ["T107"] * 900


class OneOfEach(torch.nn.Module):
    """Joins lists of a single tensor, as the first layer of a dense block does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.cat([x], 1).relu()
        return torch.cat([torch.stack([y], -1)])


def test_a_list_of_one_is_imported_as_what_it_does() -> None:
    """A module that joins one tensor with none brings no warning into its config."""
    net = tracer.from_module(OneOfEach(), (1, 3, 8, 8))
    assert judge(net) == []
    shape = tuple(OneOfEach()(torch.zeros(1, 3, 8, 8)).shape)
    assert net.trace().by_index[-1] == shape
