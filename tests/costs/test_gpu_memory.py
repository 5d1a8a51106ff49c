"""The script that measures the margin on a card: its cases, what it does on the CPU, and its line without a card."""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks import gpu_memory
from tests.benchmarks.gpu_memory import Case, Measured, cases, rows, summary, train
from tests.costs.test_memory import inputs
from tests.costs.test_training_step import built, small
from tracer.costs.training_step import step_memory


def test_cases() -> None:
    """Six configs, in float32 and under autocast, with SGD and Adam; each has a figure to compare with."""
    found = cases()
    assert len(found) == 24 and len({case.name for case in found}) == 6
    assert {case.amp for case in found} == {None, "float16"}
    assert {case.optimizer for case in found} == {"sgd", "adam"}
    for case in found[:4]:
        traced, _ = gpu_memory.network(case.name)
        assert 2**28 < step_memory(traced, case.training).peak < 2**34


@pytest.mark.parametrize(
    "case", [Case("unet_padded", "sgd", None), Case("unet_padded", "adam", "float16")]
)
def test_steps_on_the_cpu(case: Case) -> None:
    """The steps train: the weights change, and no gradient is left."""
    traced, module = small(case.name), built(case.name)
    before = [p.detach().clone() for p in module.parameters()]
    train(module, inputs(traced, "cpu"), case, "cpu", steps=1)
    changed = [not torch.equal(a, b) for a, b in zip(before, module.parameters())]
    assert all(changed)
    assert all(p.grad is None for p in module.parameters())


def test_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says that nothing was measured."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert list(rows()) == [(gpu_memory.NO_CARD, "", "")]


def test_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is too small, and time that is over, leave cases out by name."""

    def too_small(case: Case) -> Measured:
        if case.name == "vnet":
            raise torch.OutOfMemoryError
        return Measured(case, 1000, 900, 1100)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(gpu_memory, "measured", too_small)
    found = list(rows())
    assert [row[1] for row in found].count("left out") == 4
    assert found[0][1] == "allocated 0.900, reserved 1.100 x told"
    assert found[-1][:2] == ("a card: the margin needed", "10.0%")

    monkeypatch.setattr(gpu_memory, "SECONDS", -1)
    assert [row[2] for row in rows()] == ["-1 s are over"] * 24


def test_the_margin_that_is_needed() -> None:
    """It is that of the worst case, and never less than nothing."""
    one, other = Case("unetpp", "sgd", None), Case("vnet", "adam", None)
    found = [Measured(one, 100, 90, 95), Measured(other, 100, 105, 125)]
    assert list(summary(found, "card")) == [("card: the margin needed", "25.0%", str(other))]
    assert next(iter(summary(found[:1], "card")))[1] == "0.0%"
    assert list(summary([], "card")) == []
