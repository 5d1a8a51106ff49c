"""Assertions for test suites: they hold where torch runs, and otherwise say what `tracer check` says."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tracer
from tests import ROOT
from tests.timing import at_most
from tracer.testing import assert_runs

CONFIG = "configs/unet_padded.yaml"
SIXTEENTHS = {"min": 16, "step": 16}


class Skip(nn.Module):
    """Runs for even sizes; with a kernel that is not padded, for others."""

    def __init__(self, kernel: int = 1) -> None:
        super().__init__()
        self.start = nn.Conv2d(3, 4, kernel)
        self.down = nn.Conv2d(4, 4, 2, stride=2)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The map beside what comes back from half its size."""
        x = self.start(x)
        return torch.cat([x, self.up(self.down(x))], 1)


class Flat(nn.Module):
    """Runs where height and width multiply to 24."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One vector."""
        out: torch.Tensor = self.head(x.flatten(1))
        return out


class Pooled(nn.Module):
    """Runs for all sizes from some least on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 5), nn.MaxPool2d(3), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One vector."""
        out: torch.Tensor = self.body(x)
        return out


def runs(module: nn.Module, picture: Sequence[int]) -> bool:
    """Whether torch runs the module."""
    try:
        module(torch.zeros(1, 3, *picture))
    except RuntimeError:
        return False
    return True


def holds(*given: Any, **named: Any) -> bool:
    """Whether the assertion holds."""
    try:
        assert_runs(*given, **named)
    except AssertionError as error:
        assert "error[T" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (Skip(), (1, 3, 8, 8)),
        (Skip(3), (1, 3, 8, 8)),
        (Flat(), (1, 3, 4, 6)),
        (Pooled(), (1, 3, 12, 12)),
    ],
    ids=["skip", "unpadded", "flat", "pooled"],
)
def test_it_holds_where_torch_runs(module: nn.Module, shape: tuple[int, ...]) -> None:
    """At every picture, one by one and together; and as a list of sizes of every dim."""
    net = tracer.from_module(module, shape)
    verdicts = {}
    for picture in itertools.product((1, 2, 3, 4, 6, 7, 8, 12, 24), repeat=2):
        verdicts[picture] = runs(module, picture)
        assert holds(net, sizes=[picture]) == verdicts[picture], picture
    good = [picture for picture, is_good in verdicts.items() if is_good]
    bad = [picture for picture, is_good in verdicts.items() if not is_good]
    assert good and bad

    assert_runs(module, shape, sizes=good)
    text = failure(module, shape, sizes=[*good, bad[0], bad[1]])
    assert (
        text.count("error[") == 2 and f"H = {bad[0][0]}, W = {bad[0][1]} does not work" in text
    )
    assert holds(module, (1, 3, *bad[0])) is False

    own = shape[2:]
    alone = [
        n for n in (2, 3, 7, 8, 12) if runs(module, (n, own[1])) and runs(module, (own[0], n))
    ]
    if alone and all(runs(module, both) for both in itertools.product(alone, repeat=2)):
        assert_runs(module, shape, sizes=alone)


def failure(*given: Any, **named: Any) -> str:
    """What the assertion says."""
    with pytest.raises(AssertionError) as error:
        assert_runs(*given, **named)
    return str(error.value)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (SIXTEENTHS, {"min": 16, "step": 8}),
        ({"min": 16, "max": 512, "step": 32}, {"min": 16, "max": 40, "step": 4}),
        (range(16, 513, 16), range(16, 513, 24)),
        (range(512, 0, -16), range(512, 0, -20)),
        ([16, 32, 512], [16, 24]),
        ((n * 16 for n in range(1, 5)), (n * 16 + 8 for n in range(1, 5))),
        (64, 65),
        ([(16, 32), (512, 64)], [(16, 32), (64, 33)]),
        ([torch.Size((16, 32))], [[16, 40]]),
        ({"H": 32}, {"H": 33}),
        ({"H": [32, 64], "W": SIXTEENTHS}, {"H": [32, 64], "W": {"min": 17, "step": 16}}),
    ],
    ids=lambda given: "generator" if isinstance(given, Generator) else str(given),
)
def test_the_forms_of_sizes(good: Any, bad: Any) -> None:
    """Ranges without end and with one, lists, pictures, and sizes by name."""
    assert_runs(CONFIG, sizes=good)
    text = failure(CONFIG, sizes=bad)
    assert text.startswith(f"{CONFIG}:8:") or f"{CONFIG}:" in text
    assert any(words in text for words in ("does not work", "sizes differ", "the kernel spans"))


def test_the_text_is_what_check_prints() -> None:
    """Of a config with errors; a warning is one only where they are asked for."""
    path = "tests/golden/T301.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "check", path],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert failure(path) and done.stdout.startswith(failure(path))
    assert holds("tests/golden/T504.yaml")
    assert "warning[T504]" in failure("tests/golden/T504.yaml", strict=True)


def test_the_plan_that_is_named_has_repairs() -> None:
    """That of the size that fails; where several are asked for, none: at the shape of the module nothing is wrong."""
    module = Skip()
    text = failure(module, (1, 3, 8, 8), sizes=[(8, 8), (7, 8)])
    (named,) = re.findall(r"hint: `(.*)` lists", text)
    assert named == "tracer.plan(module, (1, 3, 8, 8), sizes={'H': 7, 'W': 8})"
    plan = eval(named, {"tracer": tracer, "module": module})
    assert plan.repairs and not plan.feasible

    for several in ({"min": 2, "step": 1}, [8, 7], range(2, 9)):
        assert "lists" not in failure(module, (1, 3, 8, 8), sizes=several)

    net = tracer.from_module(module, (1, 3, 8, 8))
    before = net.read_from
    failure(net, sizes=[7])
    assert net.read_from == before


def test_a_module_that_cannot_be_read_fails_at_its_line() -> None:
    """With the line of its source; a config that cannot be loaded with its own."""
    text = failure(Skip(), (1, 3, 7, 8))
    assert text.startswith("tests/test_testing.py:") and "error[T301]" in text
    assert "return torch.cat" in text
    assert "error[T101]" in failure("tests/golden/T101.yaml")


def test_widths_are_those_of_the_networks_own_sizes() -> None:
    """A width that a layer infers is not chosen anew for the sizes that are asked for."""
    net = tracer.loads(
        "input: [1, 3, H, 4]\nsizes: {H: 4}\nlayers: {f: Flatten, l: {op: Linear, out_features: 2}}"
    )
    assert_runs(net, sizes=[4])
    for sizes in ([8], {"H": 8}, [(8,)], {"min": 8, "step": 1}):
        assert not holds(net, sizes=sizes)


def test_an_auto_serves_all_of_them() -> None:
    """One assignment for every size, as for those that a config promises."""
    text = (ROOT / "configs/conv_autoencoder.yaml").read_text("utf-8")
    net = tracer.loads(text)
    symbols = tracer.sizes(net).axes
    assert_runs(net)
    assert not holds(net, sizes={symbol: [31, 32, 33] for symbol in symbols if symbol != "N"})


@pytest.mark.parametrize(
    ("sizes", "error", "said"),
    [
        ([], ValueError, "no sizes are listed"),
        (range(0), ValueError, "no size is in range"),
        ({"min": 8, "max": 4}, ValueError, "no size is in the range"),
        ({"min": 8, "step": 0}, ValueError, "no size is in the range"),
        ({"H": {"max": 4}}, ValueError, "a range of sizes has min, max and step"),
        ({"X": 4}, ValueError, "no symbol 'X'"),
        ("32", TypeError, "a size is a whole number, not '32'"),
        (True, TypeError, "a size is a whole number, not True"),
        ([1.5], TypeError, "a size is a whole number, not 1.5"),
        (-1, ValueError, "between 0 and"),
        ([(16, 16, 16)], ValueError, "a picture has sizes for H, W"),
        ([(16, 16), 16], ValueError, "a picture has sizes for H, W"),
        (itertools.count(16, 16), ValueError, "more than 1000 sizes are listed"),
        ([16] * 2_000, ValueError, "more than 1000 sizes are listed"),
    ],
    ids=str,
)
def test_what_is_no_size(sizes: Any, error: type[Exception], said: str) -> None:
    """A mistake of the test is told as one, at once."""
    with at_most(2.0), pytest.raises(error, match=said):
        assert_runs(CONFIG, sizes=sizes)


def test_dims_without_names() -> None:
    """Other sizes are those of symbols."""
    net = tracer.loads("input: [1, 3, 8, 8]\nlayers: {a: ReLU}")
    assert_runs(net)
    with pytest.raises(ValueError, match="give them names"):
        assert_runs(net, sizes=[16])
    with pytest.raises(FileNotFoundError):
        assert_runs("no_such_file.yaml")


def test_configs_need_no_torch(tmp_path: Path) -> None:
    """A test suite of configs runs without it, and under pytest the failure is the text."""
    test = tmp_path / "test_nets.py"
    test.write_text(
        "import sys\nfrom tracer.testing import assert_runs\n"
        f"def test_good():\n    assert_runs({str(ROOT / CONFIG)!r}, sizes={SIXTEENTHS})\n"
        "    assert 'torch' not in sys.modules\n"
        f"def test_bad():\n    assert_runs({str(ROOT / CONFIG)!r}, sizes=[33])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert ".F " in done.stdout, done.stdout
    assert "H = 33 does not work" in done.stdout or "sizes differ" in done.stdout
    assert "_wrong" not in done.stdout
