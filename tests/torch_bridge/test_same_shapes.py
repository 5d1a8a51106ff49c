"""What is known of a function beforehand is what torch gives of tensors without data: shape, strides, type, errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from tracer.torch_bridge.same_shapes import KEPT, SameShapes

Draw = random.Random


def _map(draw: Draw, least: int = 1, most: int = 5) -> Tensor:
    """A tensor without data, in one of the orders that views have."""
    dims = draw.randint(least, most)
    shape = [draw.choice([0, 1, 1, 2, 4, 6, 8]) for _ in range(dims)]
    kind = draw.choice([torch.float32] * 4 + [torch.float64, torch.float16, torch.int64])
    x = torch.empty(shape, device="meta", dtype=kind)
    if draw.random() < 0.3:
        x = x.permute(*draw.sample(range(dims), dims))
    if draw.random() < 0.2:
        x = x[..., ::2]
    if draw.random() < 0.1:
        x = x.unsqueeze(-1).expand(*x.shape, 3)
    if draw.random() < 0.2 and x.dim() == 4:
        x = x.to(memory_format=torch.channels_last)
    return x


def _vector(draw: Draw, x: Tensor, dim: int = 1) -> Tensor | None:
    """Weights for the channels of a map, mostly as many as there are."""
    if draw.random() < 0.2:
        return None
    count = x.shape[dim] if x.dim() > dim else 2
    other = draw.random() < 0.1
    return torch.empty(
        count + other, device="meta", dtype=draw.choice([x.dtype] * 9 + [torch.float64])
    )


def _batch_norm(draw: Draw) -> Any:
    x = _map(draw)
    vectors = [_vector(draw, x) for _ in range(4)]
    return (x, *vectors), {"training": draw.random() < 0.2}


def _instance_norm(draw: Draw) -> Any:
    x = _map(draw, 2)
    weights = {"weight": _vector(draw, x), "bias": _vector(draw, x)}
    return (x,), weights | {"use_input_stats": draw.random() < 0.9}


def _group_norm(draw: Draw) -> Any:
    x = _map(draw)
    return (x, draw.choice([0, 1, 2, 3, 4])), {"weight": _vector(draw, x)}


def _layer_norm(draw: Draw) -> Any:
    x = _map(draw)
    count = draw.randint(0, min(2, x.dim()))
    shape = tuple(x.shape[x.dim() - count :])
    weight = torch.empty(shape, device="meta", dtype=x.dtype)
    given = shape if draw.random() < 0.9 else (*shape, 2)
    return (x, given), draw.choice([{}, {"weight": weight}, {"weight": weight, "bias": weight}])


def _pointwise(draw: Draw) -> Any:
    return (_map(draw),), draw.choice([{}, {}, {"inplace": True}])


def _alone(draw: Draw) -> Any:
    return (_map(draw),), {}


def _resize(draw: Draw) -> Any:
    x = _map(draw, 3)
    count = x.dim() - 2
    to: dict[str, Any] = draw.choice(
        [
            {"size": [draw.randint(0, 9) for _ in range(count)]},
            {"size": 6},
            {"scale_factor": draw.choice([0.5, 2, 1.7, 0.1])},
            {"scale_factor": [2.0] * count},
            {"scale_factor": 1.3, "recompute_scale_factor": True},
            {},
        ]
    )
    mode = draw.choice(["linear", "bilinear", "trilinear", "bicubic", "nearest", "area"])
    fitting = {3: "linear", 4: "bilinear", 5: "trilinear"}
    if draw.random() < 0.7:
        mode = fitting.get(x.dim(), mode)
    corners = draw.choice([{}, {"align_corners": True}, {"align_corners": False}])
    return (x,), {**to, "mode": mode, **corners}


def _dropout(draw: Draw) -> Any:
    training = {"training": draw.choice([True, False, False, False])}
    more = draw.choice([{}, {"inplace": True}, {"p": 0.3}, {"p": 2.0}])
    return (_map(draw, 3),), training | more


def _prelu(draw: Draw) -> Any:
    x = _map(draw)
    weight = _vector(draw, x) if draw.random() < 0.7 else None
    one = torch.empty(draw.choice([(), (1,)]), device="meta", dtype=x.dtype)
    return (x, one if weight is None else weight), {}


def _linear(draw: Draw) -> Any:
    x = _map(draw)
    width = x.shape[-1] + (draw.random() < 0.1)
    weight = torch.empty(draw.choice([0, 1, 5, 8]), width, device="meta", dtype=x.dtype)
    return (x, weight), {"bias": _vector(draw, weight, 0)}


def _attention(draw: Draw) -> Any:
    lead = [draw.choice([1, 2, 3]) for _ in range(draw.randint(0, 2))]
    steps, others, width = (draw.choice([1, 4, 6]) for _ in range(3))
    kind = draw.choice([torch.float32] * 4 + [torch.float16])

    def made(*shape: int) -> Tensor:
        order = [*lead, *shape]
        if draw.random() < 0.1:
            order[draw.randrange(len(order))] += 1
        x = torch.empty(order, device="meta", dtype=kind)
        return x.mT.contiguous().mT if draw.random() < 0.3 else x

    mask = torch.empty(steps, others, device="meta", dtype=kind)
    more = [
        {},
        {},
        {},
        {"is_causal": True},
        {"attn_mask": mask},
        {"scale": 0.5},
        {"dropout_p": 0.1},
    ]
    value = made(others, draw.choice([width, 2]))
    return (made(steps, width), made(others, width), value), draw.choice(more)


def _of_two(draw: Draw) -> Any:
    x = _map(draw)
    others = [2, 0.5, torch.empty_like(x), torch.empty(x.shape, device="meta"), _map(draw)]
    weights = (2, 1, 6, 6, 2)
    return (x, draw.choices(others, weights)[0]), draw.choice([{}, {}, {}, {"alpha": 2}])


def _of_two_alone(draw: Draw) -> Any:
    return _of_two(draw)[0], {}


DRAWN: dict[Any, Callable[[Draw], Any]] = {
    F.batch_norm: _batch_norm,
    F.instance_norm: _instance_norm,
    F.group_norm: _group_norm,
    F.layer_norm: _layer_norm,
    F.relu: _pointwise,
    F.relu6: _pointwise,
    F.leaky_relu: _pointwise,
    F.elu: _pointwise,
    F.scaled_dot_product_attention: _attention,
    F.dropout: _dropout,
    F.linear: _linear,
    F.prelu: _prelu,
    F.silu: _pointwise,
    F.gelu: _alone,
    F.sigmoid: _alone,
    torch.relu: _alone,
    torch.sigmoid: _alone,
    torch.tanh: _alone,
    Tensor.relu: _alone,
    Tensor.sigmoid: _alone,
    Tensor.tanh: _alone,
    torch.add: _of_two,
    torch.mul: _of_two_alone,
    torch.sub: _of_two,
    Tensor.add: _of_two,
    Tensor.mul: _of_two_alone,
    Tensor.sub: _of_two,
    Tensor.add_: _of_two,
    Tensor.mul_: _of_two_alone,
    F.interpolate: _resize,
}


def test_each_of_them_is_drawn() -> None:
    """None is left out below."""
    assert DRAWN.keys() == {*KEPT, F.interpolate}


def _given(func: Any, args: Any, kwargs: Any) -> Any:
    """What a function gives: shape, strides, type, and whether it is its first tensor; its error's kind."""
    try:
        with torch.no_grad():
            made = func(*args, **kwargs)
    except Exception as error:
        return type(error)
    # Of one place alone the stride says nothing.
    strides = [by for n, by in zip(made.shape, made.stride()) if n > 1]
    is_first = made is args[0]
    return tuple(made.shape), strides, made.dtype, made.device.type, is_first


@pytest.mark.parametrize("func", DRAWN, ids=lambda func: func.__name__)
def test_they_give_what_torch_gives(func: Any) -> None:
    """Drawn arguments, those that torch refuses among them."""
    draw = random.Random(0)
    ran = 0
    for _ in range(250):
        args, kwargs = DRAWN[func](draw)
        expected = _given(func, args, kwargs)
        with SameShapes():
            assert _given(func, args, kwargs) == expected, (args, kwargs)
        ran += isinstance(expected, tuple)
    assert ran > 60


def test_tensors_with_data_are_torch_s() -> None:
    """Only where there is nothing to compute, nothing is computed."""
    x = torch.tensor([-1.0, 2.0])
    with SameShapes():
        assert F.relu(x).tolist() == [0.0, 2.0]
        assert F.gelu(x)[1] > 1.9
