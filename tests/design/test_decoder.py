"""What a designed decoder is made of: up-layers for every size, usual widths, budgets; held against torch."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.design.test_design import encoders, said
from tracer.commands.design import command
from tracer.designing.budget import DecoderBudget, cost_of, widest
from tracer.designing.decoder import Wish, decoder
from tracer.designing.fit import MapAxis, resized_beside
from tracer.designing.skips import Undesignable, encoder
from tracer.designing.style import MERGES, UPS
from tracer.net import Net
from tracer.rules import judge

RESNET = str(ROOT / "configs" / "resnet34.yaml")

STRIDED = """
input: [N, 3, H, W]
sizes: {N: 1, H: 40, W: 56}
encoder:
  a: {op: Conv2d, out_channels: 40, kernel_size: 3, stride: 2, padding: 1}
  b: {op: Conv2d, out_channels: 80, kernel_size: 3, stride: 2, padding: 1}
  c: {op: Conv2d, out_channels: 300, kernel_size: 3, stride: 2, padding: 1}
  d: {op: Conv2d, out_channels: 600, kernel_size: 3, stride: 2, padding: 1}
"""
"""Its grids are centred on pixels, so that a plain enlargement lies half a position beside them."""

POOLED = """
input: [N, 3, H, W]
sizes: {N: 1, H: 40, W: 56}
encoder:
  a: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  pool1: {op: MaxPool2d, kernel_size: 2}
  b: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
  pool2: {op: MaxPool2d, kernel_size: 2}
  c: {op: Conv2d, out_channels: 32, kernel_size: 3, padding: 1}
"""


def designed(text: str, any_size: bool = True, **wish: Any) -> Net:
    """The encoder with a decoder."""
    maps = encoder(tracer.loads(text), None, any_size=any_size)
    return tracer.loads(decoder(maps, Wish(norm="none", **wish)).text)


def run_design(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["decoder", *arguments])


def forward(module: torch.nn.Module, height: int, width: int) -> tuple[int, ...]:
    """The shape that torch gives."""
    with torch.no_grad():
        return tuple(module(torch.zeros(1, 3, height, width)).shape)


@settings(max_examples=30, deadline=None)
@given(
    text=encoders(),
    up=st.sampled_from(UPS),
    merge=st.sampled_from(MERGES),
    aligned=st.booleans(),
    more=st.integers(1, 60),
)
def test_every_size_from_some_on(
    text: str, up: Any, merge: Any, aligned: bool, more: int
) -> None:
    """The decoder closes at sizes that were not declared, wherever the encoder runs."""
    net = tracer.loads(text)
    if any(d.severity == "error" for d in judge(net)):
        return
    try:
        made = designed(text, up=up, merge=merge, aligned=aligned)
    except Undesignable as error:
        assert "PixelShuffle" in str(error), text
        return

    given = {symbol: n + more for symbol, n in net.network.defaults().items() if symbol != "N"}
    if None in net.trace(**given).by_index:
        return
    found = made.trace(**given)
    assert found.diagnostics == [], f"{text}\n{made.to_yaml()}"


@pytest.mark.parametrize(
    ("text", "up", "merge"),
    [
        (STRIDED, "auto", "concat"),
        (STRIDED, "transpose", "add"),
        (STRIDED, "nearest", "attention"),
        (STRIDED, "pixelshuffle", "concat"),
        (POOLED, "auto", "attention"),
        (POOLED, "bilinear", "add"),
    ],
)
def test_torch_runs_at_every_size(text: str, merge: Any, up: Any) -> None:
    """The sets of sizes reach from the least on without a gap, and torch agrees at odd and even ones of them."""
    for aligned in (False, True):
        made = designed(text, up=up, merge=merge, aligned=aligned)
        least = 4 if text is POOLED else 1
        axes = made.working_sizes().axes
        assert [axes[s].runs.written(s) for s in "HW"] == [f"{s} >= {least}" for s in "HW"]
        assert said(made, made) == []

        module = tracer.build(made)
        for height, width in ((40, 56), (least, least + 2), (33, 47), (20, 35)):
            assert forward(module, height, width) == (1, 2, height, width)


def test_pooled_maps_are_transposed() -> None:
    """Behind pools a transposed convolution of kernel 2 lies on the skip; its size is taken from it as it runs."""
    made = designed(POOLED)
    text = made.to_yaml()
    assert "up2: {op: ConvTranspose2d, from: c, out_channels: 16" in text
    assert "output_size: b}" in text and "Interpolate" not in text
    axes = made.working_sizes().axes
    assert axes["H"].aligned.written("H") == "H = 4k, k >= 1"


def test_strided_maps_are_resized(tmp_path: Path) -> None:
    """Where none lies on the skip, maps are resized to it; how far they lie beside it is said in input pixels."""
    source, out = tmp_path / "strided.yaml", tmp_path / "out.yaml"
    source.write_text(STRIDED, "utf-8")
    done = run_design(str(source), "-o", str(out))
    assert done.exit_code == 0, done.output
    beside = (
        "misaligned: up4 lies up to 4 input pixels beside c, up3 2 beside b, up2 1 beside a"
    )
    assert beside in done.output
    assert "H: runs for H >= 1, aligned for no H" in done.output
    text = out.read_text("utf-8")
    before = text[: text.index("decoder:\n")]
    assert "up4, up3, up2, up1: resized (bilinear) to the size of the skip" in before
    assert "channels 256, 80, 40, 32:" in before and "up3 2 beside b" in before

    aligned = run_design(str(source), "--aligned", "-o", str(out))
    assert aligned.exit_code == 0 and "beside c" not in aligned.output
    assert (
        "H: runs for H >= 1, aligned; W: runs for W >= 1, aligned; no problems"
        in aligned.output
    )


@pytest.mark.parametrize("narrow", [("--fixed",), ("--size", "48")])
def test_fixed_sizes(narrow: tuple[str, ...], tmp_path: Path) -> None:
    """With --fixed, or one size for all axes, paddings are numbers, and nothing is taken from a skip as it runs."""
    source, out = tmp_path / "strided.yaml", tmp_path / "out.yaml"
    source.write_text(STRIDED.replace("H: 40", "H: 37"), "utf-8")
    for way in ((), ("--aligned",)):
        done = run_design(str(source), *narrow, *way, "-o", str(out))
        assert done.exit_code == 0, done.output
        made = tracer.load(out)
        assert "size:" not in made.to_yaml().replace("kernel_size:", "")
        height, width = (48, 48) if "48" in narrow else (37, 56)
        assert made.trace().outputs == {"logits": (1, 2, height, width)}
        assert forward(tracer.build(made), height, width) == (1, 2, height, width)
        runs = made.working_sizes().axes["H"].runs
        assert height in runs and height + 16 in runs and height + 7 not in runs


def test_the_sizes_with_the_expected_shapes(tmp_path: Path) -> None:
    """Paddings for one size give the input's size at some of those that run, which are told."""
    source, out = tmp_path / "strided.yaml", tmp_path / "out.yaml"
    source.write_text(STRIDED, "utf-8")
    done = run_design(str(source), "--size", "48", "-o", str(out))
    told = "H: runs for H = 16k, k >= 1, or H = 16k + 15, k >= 0, with the expected shapes for H = 16k, k >= 1,"
    assert told in done.output
    module = tracer.build(tracer.load(out))
    assert forward(module, 32, 31)[2:] == (32, 32)
    assert forward(module, 64, 32)[2:] == (64, 32)


@pytest.mark.parametrize(("n", "m"), [(40, 20), (37, 19), (21, 9), (6, 5)])
def test_the_distance_is_what_torch_does(n: int, m: int) -> None:
    """A map of its own places, resized by torch, lies beside the finer places by as much as is said."""
    coarse = MapAxis(Fraction(2), Fraction(3), (m,), m)
    fine = MapAxis(Fraction(1), Fraction(0), (n,), n)
    told = float(resized_beside(coarse, fine))
    found = [_distance(n + more, m + more // 2) for more in (0, 20, 20_000)]
    assert max(found) <= told + 1e-9
    assert max(found) == pytest.approx(told, abs=1e-3)


def _distance(n: int, m: int) -> float:
    """The largest distance of places 3, 5, 7, ... from 0, 1, 2, ... to which torch resizes them."""
    places = torch.arange(m, dtype=torch.float64) * 2 + 3
    resized = torch.nn.functional.interpolate(places[None, None], size=n, mode="linear")[0, 0]
    apart = (resized - torch.arange(n)).tolist()

    # Torch repeats the places at the ends; between two inner ones the distance is linear.
    slope = apart[n // 2] - apart[n // 2 - 1]
    first = apart[n // 2] - slope * (n // 2)
    return max(abs(first), abs(first + slope * (n - 1)))


def test_the_usual_widths() -> None:
    """A ResNet-34 has the decoder that is published for it; narrow skips narrow it."""
    net = tracer.load(RESNET)
    found = decoder(encoder(net, None, any_size=True), Wish())
    head = 16 * 2 + 2
    assert cost_of(found).params - head == 3_151_552

    narrow = STRIDED.replace("300", "24").replace("80", "24")
    assert "channels 24, 24, 24, 24:" in designed_reasons(narrow)


def designed_reasons(text: str) -> str:
    maps = encoder(tracer.loads(text), None, any_size=True)
    return "\n".join(decoder(maps, Wish()).reasons)


@pytest.mark.parametrize(
    ("params", "macs"),
    [(50_000, None), (700_000, None), (8_000_000, None), (None, 10**8), (10**6, 10**8)],
)
def test_budgets(params: int | None, macs: int | None) -> None:
    """The widest decoder that keeps a budget: the next wider one breaks it, and torch has as many parameters."""
    maps = encoder(tracer.loads(STRIDED), None, any_size=True)
    budget = DecoderBudget(params, macs)
    found = widest(maps, Wish(), budget)
    cost = cost_of(found)
    assert budget.is_kept(cost)

    made = tracer.loads(found.text)
    sections = {node.name: node.section for node in made.network.nodes}
    counted = {
        "all": sum(p.numel() for p in tracer.build(made).parameters()),
        "encoder": sum(p.numel() for p in tracer.build(tracer.loads(STRIDED)).parameters()),
    }
    assert {"decoder", "head"} <= set(sections.values())
    assert cost.params == counted["all"] - counted["encoder"]

    (line,) = [reason for reason in found.reasons if reason.startswith("channels ")]
    widths = [int(width) for width in line.removeprefix("channels ").split(":")[0].split(",")]
    wider = tuple(width + 8 for width in widths)
    assert not budget.is_kept(cost_of(decoder(maps, Wish(channels=wider))))
    shares = [(cost.params, params), (cost.macs, macs)]
    assert max(own / most for own, most in shares if most is not None) > 0.8
    usual = [own * widths[0] / 256 for own in (256, 80, 40, 32)]
    assert all(abs(width - own) <= 8 for width, own in zip(widths, usual))


def test_budgets_on_the_command_line(tmp_path: Path) -> None:
    """Amounts have units; what no decoder keeps ends with 1 and the least, what is no amount with 2."""
    source, out = tmp_path / "strided.yaml", tmp_path / "out.yaml"
    source.write_text(STRIDED, "utf-8")
    done = run_design(str(source), "--params", "0.5M", "--macs", "1G", "-o", str(out))
    assert done.exit_code == 0, done.output
    assert (
        "the widest up to 4096, in the usual proportions, that keep 500,000 parameters and"
        in done.output
    )

    out.unlink()
    least = run_design(str(source), "--params", "100", "-o", str(out))
    assert least.exit_code == 1 and not out.exists()
    told = "no channels keep 100 parameters; the narrowest decoder, of 1 channel at every level, has "
    assert told in least.output
    for bad in ("0", "5X", "-3", "M", "1" * 5000):
        refused = run_design(str(source), "--params", bad)
        assert (refused.exit_code, "is no number such as 5M" in refused.output) == (2, True)
    both = run_design(str(source), "--params", "5M", "--channels", "8,8,8,8")
    assert both.exit_code == 2 and "--channels says the widths" in both.output


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        (("--size", "48", "--size", "H=3"), "say each size once"),
        (("--size", "Q=8"), "the input has no symbol 'Q'"),
        (("--size", "4x"), "is neither a size such as 256"),
    ],
)
def test_bad_sizes(sizes: tuple[str, ...], told: str, tmp_path: Path) -> None:
    """Each is one message, with the exit code 2."""
    source = tmp_path / "strided.yaml"
    source.write_text(STRIDED, "utf-8")
    done = run_design(str(source), *sizes)
    assert (done.exit_code, told in done.output) == (2, True), done.output
