"""The text without blocks is written when it is asked for, and keeps nothing of the module."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from torch import nn

import tracer
from tests.torch_bridge.test_import_speed import GatedUnet, PaddedUnet, Residual, Unet
from tracer.importing.text import config
from tracer.importing.widths import with_widths
from tracer.torch_bridge.importing import read_at

SHAPE = (1, 3, 64, 64)

MODULES: dict[str, Callable[[], nn.Module]] = {
    "plain": Unet,
    "residual": lambda: Unet(Residual),
    "gated": GatedUnet,
    "padded": PaddedUnet,
    "shared": lambda: nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1)] * 2),
}


@pytest.mark.parametrize("name", MODULES)
def test_it_is_that_of_the_recording(name: str) -> None:
    """It is what would be written at once, with the places of the same lines."""
    found = read_at(MODULES[name]().eval(), SHAPE)
    read_from = found.net.read_from
    assert read_from is not None and read_from.unrolled is not None

    recording = found.program.recording
    title = found.net.network.name or ""
    expected = config(with_widths(recording), title, in_blocks=False)
    assert read_from.unrolled.text == expected.text
    assert read_from.unrolled.places == {
        expected.names[step.name]: step.origin.place()
        for step in recording.steps
        if step.origin is not None
    }


@pytest.mark.parametrize("name", MODULES)
def test_it_needs_no_module(name: str) -> None:
    """The module is gone when nobody else has it, and the text is written all the same."""
    module = MODULES[name]().eval()
    gone = weakref.ref(module)
    parts = [weakref.ref(part) for part in module.modules()]
    weights = [weakref.ref(weight) for weight in module.parameters()]
    net = tracer.from_module(module, SHAPE)
    del module
    gc.collect()
    assert gone() is None
    assert not any(one() is not None for one in (*parts, *weights))

    read_from = net.read_from
    assert read_from is not None and read_from.unrolled is not None
    again = tracer.loads(read_from.unrolled.text)
    assert list(again.trace().outputs.values()) == list(net.trace().outputs.values())
