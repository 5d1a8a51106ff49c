"""What a training step takes on a CUDA card, against what `tracer trace` says of it: the margin that it needs."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

import tracer
from tests import ROOT
from tests.costs.allocations import Loss, leaves
from tests.costs.test_memory import inputs
from tracer.costs.training_step import Training, step_memory
from tracer.shapes.trace import Trace
from tracer.torch_bridge.building import build

SECONDS = 270
"""Cases that have not begun by then are left out, and told."""

NO_CARD = "no CUDA card is at hand: nothing was measured, and the margin stays a guess"

SIZES = {
    "unet_padded": {"N": 2},
    "resnet34_unet": {"N": 4},
    "unetpp": {"N": 16},
    "resnet50_fpn": {"N": 1},
    "srresnet": {"N": 16},
    "vnet": {"N": 1},
}
"""The configs that are measured: padded and strided encoders, nested skips, a pyramid, no pooling, three dims."""

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-4),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-4),
}


class Case(NamedTuple):
    """A config, an optimizer, and the type of autocast."""

    name: str
    optimizer: str
    amp: str | None

    @property
    def training(self) -> Training:
        return Training(self.optimizer, amp=self.amp)

    def __str__(self) -> str:
        return f"{self.name}, {self.optimizer}, {self.amp or 'float32'}"


class Measured(NamedTuple):
    """Bytes of one case."""

    case: Case
    told: int
    allocated: int
    reserved: int

    @property
    def margin(self) -> float:
        """The margin with which what is told would have been enough."""
        return self.reserved / self.told - 1


def cases() -> list[Case]:
    return [
        Case(name, optimizer, amp)
        for name in SIZES
        for amp in (None, "float16")
        for optimizer in OPTIMIZERS
    ]


def network(name: str) -> tuple[Trace, torch.nn.Module]:
    net = tracer.load(ROOT / "configs" / f"{name}.yaml").with_sizes(SIZES[name])
    return net.trace(), build(net).train()


def train(
    module: torch.nn.Module, x: Sequence[torch.Tensor], case: Case, device: str, steps: int = 3
) -> None:
    """A few training steps; autocast to bfloat16 where that is not a card."""
    optimizer = OPTIMIZERS[case.optimizer](module.parameters())
    dtype = torch.float16 if device == "cuda" else torch.bfloat16
    for _ in range(steps):
        with torch.autocast(device, dtype, enabled=case.amp is not None):
            y = module(*x)
        outputs = [y] if isinstance(y, torch.Tensor) else list(leaves(y))
        Loss.apply(*outputs).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def measured(case: Case) -> Measured:
    """The peak of a few steps on the card, without what was there before."""
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    reserved_before = torch.cuda.memory_reserved()

    traced, module = network(case.name)
    torch.cuda.reset_peak_memory_stats()
    train(module.to("cuda"), inputs(traced, "cuda"), case, "cuda")
    torch.cuda.synchronize()
    return Measured(
        case,
        step_memory(traced, case.training).peak,
        torch.cuda.max_memory_allocated() - before,
        torch.cuda.max_memory_reserved() - reserved_before,
    )


def rows() -> Iterator[tuple[str, str, str]]:
    """A line for each case, and the margin that all of them need."""
    if not torch.cuda.is_available():
        yield NO_CARD, "", ""
        return

    start = time.monotonic()
    found: list[Measured] = []
    for case in cases():
        if time.monotonic() - start > SECONDS:
            yield str(case), "left out", f"{SECONDS} s are over"
            continue
        try:
            one = measured(case)
        except torch.OutOfMemoryError:
            yield str(case), "left out", "the card is too small"
            continue
        found.append(one)
        yield row(one)
    yield from summary(found, torch.cuda.get_device_name())


def row(one: Measured) -> tuple[str, str, str]:
    return (
        str(one.case),
        f"allocated {one.allocated / one.told:.3f}, reserved {one.reserved / one.told:.3f} x told",
        f"{one.allocated >> 20} / {one.reserved >> 20} / {one.told >> 20} MiB",
    )


def summary(found: Sequence[Measured], card: str) -> Iterator[tuple[str, str, str]]:
    """The margin that would have been enough for every case."""
    if found:
        worst = max(found, key=lambda one: one.margin)
        yield f"{card}: the margin needed", f"{max(worst.margin, 0):.1%}", str(worst.case)
