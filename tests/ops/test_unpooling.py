"""The largest index that a max pooling can give, against torch's own refusal of indices."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests.drawn.counted import counted, each
from tracer.shapes.recipe import recipe_of
from tracer.sizing.program import substitute

NARROWER = """
input: [1, 1, H, W]
sizes: {H: 4, W: 5}
layers:
  pool: {op: MaxPool2d, kernel_size: 2}
  unpool: {op: MaxUnpool2d, kernel_size: 2, indices: pool}
"""

NESTED = """
input: [1, 3, H, W]
sizes: {H: 12, W: 13}
layers:
  p1: {op: MaxPool2d, kernel_size: 2}
  p2: {op: MaxPool2d, kernel_size: 2}
  q2: {op: MaxUnpool2d, kernel_size: 2, indices: p2}
  q1: {op: MaxUnpool2d, kernel_size: 2, indices: p1}
"""


def steep(*sizes: int, order: int = 1) -> torch.Tensor:
    """A map whose values grow towards its last place, along one axis more than along the others."""
    x = torch.randn(1, 1, *sizes)
    for axis, n in enumerate(sizes):
        shape = [1] * len(sizes)
        shape[axis] = n
        x = x + torch.arange(n).reshape(shape) * 10.0 ** ((axis * order) % 3 + 1)
    return x


def test_rows_that_are_shorter_than_the_pooled_ones() -> None:
    net = tracer.loads(NARROWER)
    (error,) = [d for d in net.trace().diagnostics if d.severity == "error"]
    assert (error.code, error.node) == ("T301", "unpool")
    assert "18" in error.message and "16 places" in error.message

    found = tracer.sizes(net)
    assert not found.couplings
    assert found.axes["W"].runs.written("W") == "W = 2k, k >= 1"
    assert found.axes["H"].runs.written("H") == "H >= 2"
    assert tracer.plan(net).repairs[0].edits[0].path == "layers.unpool.output_size"


@pytest.mark.parametrize("h, w", [(12, 13), (12, 12), (13, 12), (13, 16), (16, 14)])
def test_two_pools_undone_in_turn(h: int, w: int) -> None:
    net = tracer.loads(NESTED)
    pool, unpool = torch.nn.MaxPool2d(2, return_indices=True), torch.nn.MaxUnpool2d(2)

    def forward() -> torch.Tensor:
        x1, i1 = pool(steep(h, w))
        x2, i2 = pool(x1)
        return unpool(unpool(x2, i2), i1)

    axes = tracer.sizes(net).axes
    assert axes["H"].runs.written("H") == "H = 4k or 4k + 1, k >= 1"
    assert axes["W"].runs.written("W") == "W = 4k, k >= 1"
    if h in axes["H"].runs and w in axes["W"].runs:
        assert tuple(forward().shape[-2:]) == net.trace(H=h, W=w).shapes["q1"][-2:]  # type: ignore[index]
        return
    assert not net.trace(H=h, W=w).is_complete
    with pytest.raises((RuntimeError, ValueError)):
        forward()


@st.composite
def _pooled(draw: st.DrawFn) -> dict[str, list[int]]:
    """Sizes and arguments of a pool and of the unpooling of it, axis by axis."""
    axes = draw(st.integers(1, 3))

    def each_axis(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=axes, max_size=axes))

    kernel = each_axis(1, 3)
    found = {"n": each_axis(3, 7), "kernel": kernel, "stride": draw(st.sampled_from([kernel]))}
    if draw(st.booleans()):
        found["stride"] = each_axis(1, 3)
    found["padding"] = [draw(st.integers(0, k // 2)) for k in kernel]
    found["dilation"] = each_axis(1, 2) if draw(st.booleans()) else [1] * axes
    found["back"] = draw(st.sampled_from([kernel, each_axis(1, 4)]))
    found["wanted"] = [n + draw(st.integers(-1, 1)) for n in found["n"]]
    return found


@counted(each("runs", "an index", over=3))
@given(_pooled(), st.booleans(), st.sampled_from(["", "x", "y"]))
def test_indices_are_refused_where_torch_refuses_them(
    seen: Counter[str], drawn: dict[str, list[int]], ceil_mode: bool, model: str
) -> None:
    """As numbers and as symbols; torch gets maps whose largest values lie in the last places."""
    n, axes = drawn["n"], len(drawn["n"])
    names = [f"D{i}" for i in range(axes)]
    shared = f"stride: {drawn['stride']}, padding: {drawn['padding']}"
    own = f"dilation: {drawn['dilation']}, ceil_mode: {str(ceil_mode).lower()}"
    size = f", output_size: {model}" if model else ""
    any_dims = f"[{', '.join('_' * (axes + 2))}]"
    net = tracer.loads(f"""
input: {{x: [1, 1, {", ".join(names)}], y: [1, 1, {", ".join(map(str, drawn["wanted"]))}]}}
sizes: {{{", ".join(f"{name}: {size}" for name, size in zip(names, n))}}}
layers:
  pool: {{op: MaxPool{axes}d, from: x, kernel_size: {drawn["kernel"]}, {shared}, {own}}}
  back: {{op: MaxUnpool{axes}d, kernel_size: {drawn["back"]}, {shared}, indices: pool{size}}}
output: {{back: {any_dims}, y: {any_dims}}}
""")
    pool = getattr(torch.nn, f"MaxPool{axes}d")(
        *(drawn[key] for key in ("kernel", "stride", "padding", "dilation")),
        return_indices=True,
        ceil_mode=ceil_mode,
    )
    back = getattr(torch.nn, f"MaxUnpool{axes}d")(
        drawn["back"], drawn["stride"], drawn["padding"]
    )
    output_size = {"": None, "x": n, "y": drawn["wanted"]}[model]
    why = "runs"
    try:
        for order in range(4):
            back(*pool(steep(*n, order=order)), output_size=output_size)
    except (RuntimeError, ValueError) as error:
        why = "an index" if "invalid max index" in str(error) else "refused"
    seen[why] += 1

    recipe = recipe_of(net.network, net.solution().ops, contracts=False)
    on_symbols = recipe.sound and all(
        substitute([condition for condition, _ in recipe.conditions], dict(zip(names, n)))
    )
    assert net.trace().is_complete == on_symbols == (why == "runs")
