"""A training step's memory against torch on the CPU: what its allocator has alive at once, workspaces left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch

import tracer
from tests import ROOT
from tests.costs.allocations import Runner, peak_of_step
from tests.costs.test_memory import CONFIGS, inputs
from tracer.costs.calls import calls_of
from tracer.costs.memory import memory
from tracer.costs.optimizers import OPTIMIZERS
from tracer.costs.regions import members
from tracer.costs.training_step import Training, step_memory
from tracer.shapes.trace import Trace
from tracer.torch_bridge.building import build

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small maps are quickest so, beside other processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Small(NamedTuple):
    """A config at a size at which torch is quick."""

    sizes: Mapping[str, int] = MappingProxyType({})
    params: Mapping[str, Any] = MappingProxyType({})
    is_slow: bool = False


SQUARE = {"H": 64, "W": 64}
BASE = {"base": 8}
SMALL = {
    "attention_unet": Small({"H": 96, "W": 96}, BASE),
    "conv_autoencoder": Small(),
    "conv_tasnet": Small(
        {"L": 2000}, {"filters": 64, "hidden": 64, "bottleneck": 32, "skip": 32}
    ),
    "cyclegan_generator": Small(SQUARE, {**BASE, "blocks": 3}),
    "dcgan_discriminator": Small({"N": 4}, BASE),
    "dcgan_generator": Small({"N": 4}, BASE),
    "ddpm_unet": Small({"N": 2}, {"base": 32}),
    "deeplabv3plus": Small({"H": 65, "W": 65}, {}, True),
    "demucs": Small({"L": 30036}, BASE),
    "enet": Small({"H": 128, "W": 128}),
    "espcn": Small({"H": 40, "W": 40}),
    "fcn8s": Small({"H": 20, "W": 20}, {}, True),
    "fsrcnn": Small({"H": 40, "W": 40}),
    "hrnet": Small({"H": 64, "W": 64}, {"width": 8}),
    "linknet": Small({"H": 128, "W": 128}, {}, True),
    "mobilenetv2_unet": Small({"H": 96, "W": 96}),
    "nnunet_anisotropic": Small(
        {"D": 16, "H": 64, "W": 64}, {"features": [8, 16, 16, 16, 16, 16]}
    ),
    "patchgan70": Small({"H": 96, "W": 96}, BASE),
    "pix2pix_unet256": Small({}, BASE),
    "resnet34": Small(SQUARE, {}, True),
    "resnet34_unet": Small({"H": 96, "W": 96}, {}, True),
    "resnet50_fpn": Small({"H": 96, "W": 96}, {"base": 16, "pyramid": 64}),
    "segnet": Small(SQUARE, {}, True),
    "srresnet": Small({"H": 24, "W": 24}, {"features": 32, "blocks": 4}),
    "u2net_small": Small({"H": 96, "W": 96}),
    "unet3d": Small({"D": 92, "H": 92, "W": 92}, {"base": 2}, True),
    "unet3plus": Small(SQUARE, BASE),
    "unet_2015": Small({"H": 220, "W": 220}, BASE),
    "unet_bn_bilinear": Small({"H": 80, "W": 95}, BASE),
    "unet_padded": Small({"H": 96, "W": 96, "N": 2}, BASE),
    "unetpp": Small({"H": 96, "W": 96}, BASE),
    "vnet": Small({"D": 32, "H": 32, "W": 16}, {"base": 8}),
    "wave_unet": Small({"L": 131059}, {"base": 2}),
}


def small(name: str) -> Trace:
    net = tracer.load(ROOT / "configs" / f"{name}.yaml", **SMALL[name].params)
    found = net.with_sizes(SMALL[name].sizes).trace()
    assert found.is_complete and not found.diagnostics, found.diagnostics
    return found


def built(name: str) -> Any:
    net = tracer.load(ROOT / "configs" / f"{name}.yaml", **SMALL[name].params)
    return build(net.with_sizes(SMALL[name].sizes)).train()


def within(ours: int, theirs: int, part: float = 0.05) -> bool:
    return abs(ours - theirs) <= part * theirs


def test_every_config_is_measured() -> None:
    assert set(SMALL) == {path.stem for path in CONFIGS}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if one.is_slow else ())
        for name, one in SMALL.items()
    ],
)
def test_forward_and_backward_of_configs(name: str) -> None:
    """What autograd keeps is as `trace` has it, and the most until the update is torch's within 5 %."""
    traced = small(name)
    found = step_memory(traced, Training())
    held = memory(traced)
    assert held is not None and found.kept == held.training

    module = built(name)
    theirs = peak_of_step(module, module, inputs(traced, "cpu"))
    assert within(found.before_update, theirs), (found.before_update / theirs, found.node)


OPTIMIZED: dict[str, Any] = {
    "sgd": lambda p: torch.optim.SGD(p, weight_decay=0.1, foreach=True),
    "sgd-momentum": lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.1, foreach=True),
    "adam": lambda p: torch.optim.Adam(p, weight_decay=0.1, foreach=True),
    "adamw": lambda p: torch.optim.AdamW(p, foreach=True),
    "adamax": lambda p: torch.optim.Adamax(p, foreach=True),
    "nadam": lambda p: torch.optim.NAdam(p, foreach=True),
    "radam": lambda p: torch.optim.RAdam(p, foreach=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, foreach=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, foreach=True),
    "adadelta": lambda p: torch.optim.Adadelta(p, foreach=True),
}


def test_every_optimizer_is_measured() -> None:
    assert set(OPTIMIZED) == set(OPTIMIZERS)


@pytest.mark.parametrize("optimizer", OPTIMIZED)
@pytest.mark.parametrize("name", ["dcgan_generator", "unet_padded"])
def test_optimizers(name: str, optimizer: str) -> None:
    """The peak of a step with an optimizer's state, where the update is the peak and where it is not."""
    traced, module = small(name), built(name)
    found = step_memory(traced, Training(optimizer))
    made = OPTIMIZED[optimizer](module.parameters())
    theirs = peak_of_step(module, module, inputs(traced, "cpu"), made)
    assert within(found.peak, theirs, 0.02), (found, theirs)


CHECKPOINTED = [
    ("unet_padded", ("enc1",)),
    ("unet_padded", ("enc1", "enc2", "dec1")),
    ("unet_padded", ("enc1..pool2", "dec2")),
    ("attention_unet", ("enc1", "dec1")),
    ("unet_bn_bilinear", ("enc1..enc2", "dec1")),
    ("resnet50_fpn", ("stem..c2.0.conv1",)),
    ("srresnet", ("up.0", "up.1")),
    ("vnet", ("enc2.convs", "enc3.convs")),
]


def span_of(module: Any, names: Sequence[str]) -> list[str]:
    """The nodes of a graph module from the first to the last of some nodes of the network."""
    order = [node.name for node in module.graph.nodes]
    first, last = (order.index(name.replace(".", "_")) for name in (names[0], names[-1]))
    return order[first : last + 1]


@pytest.mark.parametrize(("name", "checkpoints"), CHECKPOINTED, ids=str)
def test_checkpoints(name: str, checkpoints: tuple[str, ...]) -> None:
    """Kept maps and the peak of a step whose blocks are run again in the backward pass are torch's."""
    traced, module = small(name), built(name)
    plain = step_memory(traced, Training())
    found = step_memory(traced, Training(checkpoints=checkpoints))
    assert found.kept < plain.kept

    calls = calls_of(traced, Training().types)
    regions = []
    for one in checkpoints:
        names = [calls[index].name for index in members(calls, one)]
        regions.append(span_of(module, names))
    run = Runner(module, regions).run
    theirs = peak_of_step(run, module, inputs(traced, "cpu"))
    assert within(found.before_update, theirs), (found.before_update / theirs, found.node)
