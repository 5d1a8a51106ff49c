"""Cautions (T506, T507) are what training mode and other backends refuse of what eval mode on the CPU takes."""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given

from tests.drawn.oracle import REFUSALS, Case, Refused, nn_module, ours, torchs
from tests.ops.test_normalization import BATCH, INSTANCE, by_channel_case, group_case
from tracer.ops.base import LOSSES, registry

DROPOUTS = [
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
]


def cautions(case: Case) -> set[str]:
    """The codes of the remarks that do not hold, losses left out."""
    op = msgspec.convert(case.arguments, registry[case.op])
    remarks = op.remarks(*case.shapes, **case.sizes)
    return {r.code for r in remarks if not r.holds} - LOSSES


def training_agrees(case: Case) -> None:
    """What eval mode takes, training mode refuses exactly where T507 is due."""
    if isinstance(ours(case), Refused):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torchs(lambda c: nn_module(c).train(), case)  # type: ignore[attr-defined]
    assert isinstance(theirs, Refused) == (cautions(case) == {"T507"}), (case, theirs)


@pytest.mark.parametrize("op", [name for name in BATCH if name != "SyncBatchNorm"] + INSTANCE)
def test_training_of_batch_and_instance_norms(op: str) -> None:
    """A single value per channel (T507); a wrong num_features that only an empty batch gets past is left out."""

    @given(by_channel_case(op))
    def run(case: Case) -> None:
        channels = (
            case.shapes[0][-1 - int(op[-2])] if op in INSTANCE and case.shapes[0] else None
        )
        if channels is None or channels == case.arguments["num_features"]:
            training_agrees(case)

    run()


def test_training_of_group_norms() -> None:
    """Groups take their statistics from the input in either mode, so there is nothing to caution."""

    @given(group_case("GroupNorm"))
    def run(case: Case) -> None:
        training_agrees(case)

    run()


@pytest.mark.parametrize("op", DROPOUTS)
def test_training_of_dropouts(op: str) -> None:
    """Dropouts of whole channels look for the channels in training only (all)."""
    found = set()
    for p, shape in product(
        (0.0, 0.5, 1.0), ((), (0,), (1,), (3,), (2, 3), (0, 3), (2, 3, 4), (2, 3, 4, 4))
    ):
        case = Case(op, {"p": p}, (shape,))
        training_agrees(case)
        found |= cautions(case)
    assert found == (
        {"T507"} if op in ("Dropout2d", "Dropout3d", "FeatureAlphaDropout") else set()
    )


def test_synchronized_statistics_are_not_cautioned() -> None:
    """Several processes make a batch of a single value each, which this process cannot know."""
    assert cautions(Case("SyncBatchNorm", {}, ((1, 4, 1, 1),))) == set()
    assert cautions(Case("BatchNorm2d", {}, ((1, 4, 1, 1),))) == {"T507"}


def accepted(case: Case, device: str) -> bool:
    """Whether torch takes the case on a device, without the CPU's fast path."""
    arguments: dict[str, Any] = {**case.arguments, "device": device}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False):
            return _runs(case._replace(arguments=arguments), device)


def _runs(case: Case, device: str) -> bool:
    try:
        nn_module(case)(torch.zeros(case.shapes[0], device=device))
    except REFUSALS:
        return False
    return True


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_empty_outputs_of_transposed_convolutions(axes: int) -> None:
    """T506 where the output is 0: taken for an empty batch on the CPU, refused by its plain path and by meta (all)."""
    seen = set()
    for n, kernel, stride, padding, dilation in product(
        (1, 2, 3), (1, 2, 3), (1, 2), (0, 1, 2), (1, 2)
    ):
        arguments = {
            "in_channels": 2,
            "out_channels": 2,
            "kernel_size": kernel,
            "stride": stride,
        }
        arguments |= {"padding": padding, "dilation": dilation}
        for batch in (0, 1, 2):
            case = Case(f"ConvTranspose{axes}d", arguments, ((batch, 2) + (n,) * axes,))
            mine = ours(case)
            if isinstance(mine, Refused):
                continue
            due = cautions(case) == {"T506"}
            assert due == (mine[2] == 0)
            assert accepted(case, "meta") == (not due), case
            assert accepted(case, "cpu") == (not due or batch == 0), case
            seen.add((due, batch))
    assert seen == set(product((False, True), (0, 1, 2))) - {
        (True, 1)
    }  # a single item is refused
