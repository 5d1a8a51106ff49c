"""Functions of elements, dims and places: imported and built again, they give what they gave; or they are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.ops.pointwise import Function
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module


def changed(x: Tensor, change: Callable[[Tensor], Any]) -> Tensor:
    """A copy of the input that was changed in place."""
    y = x * 2
    change(y)
    return y


def put(index: Any, value: Any) -> Callable[[Tensor], Tensor]:
    """The input with a value at an index."""
    return lambda x: changed(x, lambda y: y.__setitem__(index, value))


def put_of_itself(x: Tensor) -> Tensor:
    """A part of the input replaced by another part."""
    return changed(x, lambda y: y.__setitem__((slice(None), slice(0, 2)), x[:, 2:] + 1))


def put_in_the_middle(x: Tensor) -> Tensor:
    """A slice of two dims replaced by one row, which is repeated."""

    def change(y: Tensor) -> None:
        y[:, 1:3, ..., 2:-2:2] = x[:, :1, :, 2:-2:2]

    return changed(x, change)


def windows(x: Tensor) -> Tensor:
    """Windows of 4 with a shift, there and back."""
    n, c, h, w = x.shape
    y = F.pad(x, (0, -w % 4, 0, -h % 4))
    high, wide = h + -h % 4, w + -w % 4
    y = torch.roll(y, (-2, -2), (2, 3))
    parts = y.view(n, c, high // 4, 4, wide // 4, 4).permute(0, 2, 4, 3, 5, 1)
    parts = parts.reshape(-1, 16, c)
    parts = parts - parts.mean(1, keepdim=True)
    y = parts.view(n, high // 4, wide // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4)
    y = torch.roll(y.reshape(n, c, high, wide), (2, 2), (2, 3))
    return y[:, :, :h, :w]


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "x ** 3": lambda x: x**3,
    "x ** 2": lambda x: x**2,
    "2 ** x": lambda x: 2**x,
    "x ** x": lambda x: x.abs() ** x,
    "x % 2": lambda x: x % 2,
    "2 % x": lambda x: 2 % x,
    "x // 2": lambda x: x // 0.5,
    "2 // x": lambda x: 2 // x,
    "fmod": lambda x: torch.fmod(x, 0.3),
    "divided and rounded": lambda x: torch.div(x, 0.3, rounding_mode="trunc"),
    "divided and floored": lambda x: torch.div(x, x.exp(), rounding_mode="floor"),
    "atan2": lambda x: torch.atan2(x, x.cos()),
    "lerp": lambda x: torch.lerp(x, x.relu(), 0.5),
    "lerp by a tensor": lambda x: torch.lerp(x, x.relu(), x.sigmoid()),
    "where": lambda x: torch.where(x > 0, x, -x),
    "where of numbers": lambda x: torch.where(x > 0, 1.0, 0.0),
    "a tensor's where": lambda x: x.where(x > 0, x * 2),
    "masked_fill": lambda x: x.masked_fill(x > 0, -1),
    "masked_fill in place": lambda x: changed(x, lambda y: y.masked_fill_(x < 0.1, 3.0)),
    "masks": lambda x: x * ((x > 0) & (x < 1) | ~(x >= -1)),
    "truth as numbers": lambda x: (x > 0).float().mean(1),
    "logic": lambda x: torch.logical_xor(x > 0, x[:, :1] > 0).to(x.dtype),
    "equal": lambda x: x * (x == x.amax(1, keepdim=True)),
    "clamp by tensors": lambda x: x.clamp(-x.exp(), x.cos()),
    "clamp by one tensor": lambda x: torch.clamp(x, min=x.mean(1, keepdim=True)),
    "add with alpha": lambda x: torch.add(x, x.relu(), alpha=3),
    "sub with alpha": lambda x: torch.sub(x, 2, alpha=3),
    "nan_to_num": lambda x: torch.nan_to_num(x / 0, 0.0, 1.0),
    "whole numbers": lambda x: x.mul(3).long() + 1,
    "one less": lambda x: 3 - x.argmax(1),
    "halves": lambda x: x.argmax(1) + 0.5,
    "whole halves": lambda x: (x.mul(7).int() // 2).float(),
    "arctan": lambda x: torch.arctan(x),
    "std": lambda x: x / x.std((2, 3), keepdim=True),
    "std of all": lambda x: x / x.std(),
    "std unbiased": lambda x: x.std(1, False),
    "var_mean": lambda x: torch.sub(*torch.var_mean(x, 1, keepdim=True)),
    "var corrected": lambda x: torch.var(x, 1, correction=0),
    "mean of a pair alone": lambda x: torch.std_mean(x, 1)[1],
    "logsumexp": lambda x: x.logsumexp((1, 2)),
    "prod": lambda x: x.prod(1, keepdim=True),
    "norm 1": lambda x: x.norm(p=1, dim=1),
    "vector norm": lambda x: torch.linalg.vector_norm(x, float("inf"), (1, 2)),
    "any": lambda x: (x > 1).any(1).float(),
    "all": lambda x: (x > -1).all(1, keepdim=True).float(),
    "argmax": lambda x: x.argmax(1),
    "argmin of all": lambda x: x.argmin(),
    "max with places": lambda x: torch.mul(*x.max(1)),
    "min's places": lambda x: x.min(2).indices,
    "aminmax": lambda x: torch.sub(*torch.aminmax(x, dim=1)),
    "median": lambda x: x.median(),
    "median of a dim": lambda x: x.median(1).values,
    "kthvalue": lambda x: x.kthvalue(2, 1)[0],
    "flip": lambda x: x.flip(3),
    "flips": lambda x: torch.flip(x, (2, -1)),
    "flipud": lambda x: torch.flipud(x),
    "rot90": lambda x: torch.rot90(x, 1, (2, 3)),
    "rot90 thrice": lambda x: torch.rot90(x, -1, (2, 3)),
    "roll": lambda x: torch.roll(x, (-3, 2), (2, 3)),
    "roll by a size": lambda x: torch.roll(x, x.shape[2] // 2, 2),
    "roll of all": lambda x: x.roll(3),
    "cumsum": lambda x: x.cumsum(2),
    "cumprod": lambda x: torch.cumprod(x, dim=1),
    "cummax": lambda x: x.cummax(2)[0],
    "sort": lambda x: x.sort(1, descending=True)[0],
    "argsort": lambda x: x.argsort(1),
    "topk": lambda x: x.topk(3, 1)[0],
    "topk's places": lambda x: x.flatten(2).topk(5).indices,
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "sorted by another": lambda x: x.gather(1, x.sin().argsort(1)),
    "take_along_dim": lambda x: torch.take_along_dim(x, x.argmax(1, keepdim=True), 1),
    "scatter": lambda x: (x * 0).scatter(1, x.argmax(1, keepdim=True), 1.0),
    "scatter_add": lambda x: x.scatter_add(1, x.argsort(1), x * 2),
    "scatter_reduce": lambda x: x.scatter_reduce(1, x.argsort(1), x * 2, "amax"),
    "one_hot": lambda x: F.one_hot(x.argmax(1), 4),
    "a list": lambda x: x[:, [0, 2, 1]],
    "a list of lists": lambda x: x[:, [[0, 2], [1, 3]]],
    "a tensor": lambda x: x[:, torch.tensor([3, -1])],
    "places of a tensor": lambda x: x.flatten(2).mean((0, 1))[x[0, 0, 0].argsort()],
    "a number and a list": lambda x: x[0, [1, 2]],
    "index_select": lambda x: x.index_select(1, torch.tensor([0, 0, 1])),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 2),
    "tril": lambda x: x.tril(1),
    "triu": lambda x: torch.triu(x),
    "diagonal": lambda x: x.diagonal(0, 2, 3),
    "cdist": lambda x: torch.cdist(x, x.cos()),
    "outer": lambda x: torch.outer(x.mean((0, 2, 3)), x.amax((0, 2, 3))),
    "tensor_split": lambda x: torch.cat(x.tensor_split(3, 1)[::-1], 1),
    "hsplit": lambda x: torch.hsplit(x, [1, 3])[1],
    "tensor_split of rows": lambda x: torch.cat(x.tensor_split((1, -1), 2)[::-1], 2),
    "atleast_3d": lambda x: torch.atleast_3d(x.mean((0, 1))),
    "a part": put((slice(None), slice(0, 2)), 0.5),
    "a channel": put((slice(None), 1), 0),
    "the last row": put((Ellipsis, -1, slice(None)), 1.0),
    "a part of itself": put_of_itself,
    "a part in the middle": put_in_the_middle,
    "all of it": lambda x: changed(x, lambda y: y.copy_(x[:, :1])),
    "a masked part": lambda x: changed(x, lambda y: y.__setitem__(x > 0, 0.0)),
    "filled": lambda x: x.mul(2).fill_(2),
    "windows": windows,
}


def given(shape: tuple[int, ...]) -> Tensor:
    """An input without a 0 and with few ties."""
    return torch.rand(shape) * 0.9 + 0.05


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_what_it_gave(name: str) -> None:
    """At the imported size and at another, the outputs are the function's."""
    gives_the_same(FUNCTIONS[name])


@pytest.mark.parametrize("name", get_args(Function))
def test_functions_of_each_element(name: str) -> None:
    """Every one that the operation has is imported."""
    function = getattr(torch, name)
    if name == "bitwise_not":
        gives_the_same(lambda x: function(x.mul(9).long()))
    else:
        gives_the_same(lambda x: function(x.exp() if name == "acosh" else x))


def gives_the_same(function: Callable[[Tensor], Any]) -> None:
    """What is imported and built gives what the function does."""
    module = Applied(function).eval()
    imported = read_module(module, (1, 4, 8, 8))
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    for shape in ((1, 4, 8, 8), (2, 4, 8, 12)):
        x = given(shape)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mine, want = built(x.clone()), module(x.clone())
        assert mine.shape == want.shape and mine.dtype == want.dtype, shape
        assert torch.allclose(mine, want, atol=1e-5, equal_nan=True), shape


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x[x > 0], "as many elements as a mask's values decide"),
        (lambda x: x.masked_select(x > 0), "as many elements as a tensor's values decide"),
        (lambda x: torch.unique(x), "unique gives as many elements as a tensor's values"),
        (lambda x: torch.where(x > 0), "as many places as a tensor's values decide"),
        (lambda x: x if (x > 0).any() else -x, "the values of a tensor decide here"),
        (lambda x: x[:, [0, 1], [0, 1]], "several tensors or lists as indices"),
        (lambda x: x[0, :, [0, 1]], "with slices between"),
        (lambda x: F.one_hot(x.argmax(1)), "as many classes as a tensor's values decide"),
        (lambda x: x.repeat_interleave(x.argmax(), 1), "as many copies as a tensor's values"),
        (
            lambda x: x.masked_fill(x > 0, x.shape[2] / 3),
            "by a number that a config cannot say",
        ),
    ],
)
def test_what_a_config_cannot_say_is_refused(
    function: Callable[[Tensor], Any], said: str
) -> None:
    """It is named."""
    with pytest.raises(Unrepresentable, match=said):
        tracer.from_module(Applied(function), (1, 4, 8, 8))


def test_a_list_needs_its_positions() -> None:
    """Sizes at which an open dim has no such position are refused, as the function refuses them."""
    net = tracer.from_module(Applied(lambda x: x[:, :, [5, 1]]), (1, 4, 8, 8))
    assert net.trace(H=6).outputs == {"indexselect": (1, 4, 2, 8)}
    assert [d.code for d in net.trace(H=5).diagnostics] == ["T302"]


def test_what_nothing_reads_is_left_out() -> None:
    """Of a pair, and of what is computed of values to look at them, only what is used stands in the config."""

    def looked_at(x: Tensor) -> Tensor:
        x.isnan().any()
        values, _ = x.max(1)
        return values

    net = tracer.from_module(Applied(looked_at), (1, 4, 8, 8))
    assert [node.name for node in net.network.nodes] == ["input", "amax"]


class Tokens(nn.Module):
    """A learned vector for the strongest channel of each position."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 6)
        self.bias = nn.Parameter(torch.randn(4, 6))
        self.register_buffer("order", torch.tensor([2, 0, 1]))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False, True]))

    def forward(self, x: Tensor) -> Tensor:
        places = x.argmax(1)
        y = self.table(places) + F.embedding(places, self.bias)
        y = torch.where(self.mask, y, 0.0)
        return y.masked_fill(~self.mask, 2.0)[..., self.order]


def test_tables_and_buffers() -> None:
    """Tables keep their weights, buffers are constants: indices are listed, masks are kept."""
    module = Tokens().eval()
    imported = read_module(module, (1, 4, 8, 8))
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    x = given((2, 4, 8, 12))
    with torch.no_grad():
        assert torch.allclose(built(x), module(x))
    assert "index: [2, 0, 1]" in imported.net.to_yaml()
