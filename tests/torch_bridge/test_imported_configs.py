"""Every config of the library, written as torch and imported again: a text no longer than what a person wrote."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import tracer
from tests import ROOT
from tests.torch_bridge.test_importing import tensors
from tracer.net import Net
from tracer.torch_bridge.source import torch_source

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

LONGER = {
    # Sizes of resizes over the symbols.
    "wave_unet": 1.55,
}
"""The texts that are longer than 1.3 times what a person wrote, and how much longer they may be."""


def said(text: str) -> int:
    """The characters that say something: comments, the description, promises and margins aside."""
    without = re.sub(r"^description:.*\n(?:[ \n].*\n)*", "", text, flags=re.MULTILINE)
    count = 0
    for line in without.splitlines():
        plain = re.sub(r"(^|\s)#.*$", "", line)
        count += len(re.sub(r", expect: \[[^\]]*\]", "", plain).strip())
    return count


def shapes_of_inputs(net: Net, sizes: dict[str, int]) -> list[tuple[int, ...]]:
    """The shapes of the inputs, for these sizes of their symbols."""
    inputs = [node for node in net.network.nodes if node.is_input]
    return [
        tuple(sizes[dim] if isinstance(dim, str) else dim for dim in node.pattern)  # type: ignore[misc]
        for node in inputs
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_text_is_one_to_keep(path: Any) -> None:
    """As short as a person's, with lines that can be read; the same parameters, the same shapes at other sizes."""
    net = tracer.load(path)
    defaults = net.network.defaults()
    space: dict[str, Any] = {"__name__": path.stem}
    exec(compile(torch_source(net), f"{path.stem}.py", "exec"), space)
    module = space["Network"]().eval()

    imported = tracer.from_module(module, *shapes_of_inputs(net, defaults))
    text = imported.to_yaml()
    assert max(map(len, text.splitlines())) <= 160
    assert said(text) <= LONGER.get(path.stem, 1.3) * said(path.read_text("utf-8"))

    built = tracer.build(tracer.loads(text), "meta")
    assert sum(p.numel() for p in built.parameters()) == sum(
        p.numel() for p in module.parameters()
    )

    spatial = [name for name in defaults if name != "N"]
    other = defaults | {name: 2 * defaults[name] for name in spatial}
    symbols = imported.network.symbols.keys()
    inputs = [torch.empty(shape, device="meta") for shape in shapes_of_inputs(net, other)]
    sizes = {name: other[name] for name in symbols & other.keys()}
    mine = list(imported.trace(**sizes).outputs.values())
    try:
        theirs = tensors(module.to("meta")(*inputs))
    except RuntimeError:
        assert mine[-1] is None
    else:
        assert mine == [tuple(y.shape) for y in theirs]
