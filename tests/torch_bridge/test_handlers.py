"""Single functions of torch: imported and built again, they give what they gave; or they are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.dispatch import handles, handles_modules
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module


class Applied(nn.Module):
    """One function of the input."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def zeros_like_channels(x: Tensor) -> Tensor:
    return torch.zeros(x.shape[0], 2, x.shape[2], x.shape[3])


def changed_behind(x: Tensor, through: Callable[[Tensor], Tensor]) -> Tensor:
    """A tensor beside what is made of it and then changed in place."""
    y = x * 2
    z = through(y)
    z.add_(1)
    return torch.cat([y, z], 1)


def unpooled(x: Tensor) -> Tensor:
    """Pooled and back, by functions."""
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(pooled * 2, indices, 2, output_size=x.shape[2:])


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "zeros before": lambda x: torch.cat([zeros_like_channels(x), x], 1),
    "zeros behind": lambda x: torch.cat([x, zeros_like_channels(x)], 1),
    "norm of dim 0": lambda x: x.norm(dim=0),
    "norm of a later dim": lambda x: x.norm(dim=1, keepdim=True),
    "reversed difference": lambda x: 1 - x,
    "narrow": lambda x: x.narrow(1, 1, 2),
    "narrow from the end": lambda x: x.narrow(1, -2, 2),
    "changed through dropout": lambda x: changed_behind(x, lambda y: F.dropout(y, 0.5, False)),
    "changed through dropout2d": lambda x: changed_behind(
        x, lambda y: F.dropout2d(y, 0.5, False)
    ),
    "changed through detach": lambda x: changed_behind(x, lambda y: y.detach()),
    "changed through a clone": lambda x: changed_behind(x, lambda y: y.clone()),
    "iteration": lambda x: torch.stack(list(x.unbind(1))[::-1], 1),
    "an ellipsis": lambda x: x[..., ::2, -3:],
    "addcmul": lambda x: torch.addcmul(x, x, x, value=2),
    "einsum": lambda x: torch.einsum("nchw,nchv->ncwv", x, x),
    "unfold": lambda x: F.unfold(x, 3, padding=1),
    "windows along a dim": lambda x: x.unfold(-1, 3, 2).unfold(2, size=2, step=2).mean(4),
    "windows by aten": lambda x: torch.ops.aten.unfold(x, 2, 3, 2),
    "softmax": lambda x: F.softmax(x, dim=1),
    "log_softmax": lambda x: F.log_softmax(x, dim=1),
    "changed through float": lambda x: changed_behind(x, lambda y: y.float()),
    "changed through double": lambda x: changed_behind(x, lambda y: y.double()).float(),
    "changed through to": lambda x: changed_behind(x, lambda y: y.to(torch.float64)).float(),
    "changed through a copy": lambda x: changed_behind(x, lambda y: y.to(y.dtype, copy=True)),
    "changed through type": lambda x: changed_behind(
        x, lambda y: y.type(torch.float64)
    ).float(),
    "changed through two types": lambda x: changed_behind(
        x, lambda y: (y.double() * 1).float()
    ),
    "unpooled": unpooled,
    "threshold": lambda x: F.threshold(x, 0.1, 2.0),
    "mean as a type": lambda x: x.mean(1, dtype=torch.float32),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_what_it_gave(name: str) -> None:
    """At the imported size and at another, the outputs are the function's."""
    module = Applied(FUNCTIONS[name]).eval()
    imported = read_module(module, (1, 4, 8, 8))
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    for shape in ((1, 4, 8, 8), (2, 4, 8, 12)):
        x = torch.randn(shape)
        with torch.no_grad():
            mine, want = built(x.clone()), module(x.clone())
        assert mine.shape == want.shape and torch.allclose(mine, want, atol=1e-5), shape


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: torch.rsub(x, x.relu(), alpha=2), "rsub with alpha or rounding_mode"),
        (
            lambda x: x.unfold(2, x.shape[3] // 2, 1),
            "SlidingWindow: size follows the input's size",
        ),
        (
            lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
            "attention with dropout draws at random in eval mode too",
        ),
        (
            lambda x: F.avg_pool2d(x, x.shape[2] // 4),
            "AvgPool2d: kernel_size follows the input's size",
        ),
        (
            lambda x: F.interpolate(x, scale_factor=x.shape[2] / 4),
            "the number 2.0 is a quotient of the input's sizes",
        ),
        (
            lambda x: F.pad(x, (0, x.shape[2] / 4)),
            "the number 2.0 is a quotient of the input's sizes",
        ),
        (lambda x: x.clamp(0, x.shape[2] / 4), "clamp by a number that a config cannot say"),
        (
            lambda x: torch.round(x, decimals=1),
            "round is called with decimals, which is not known",
        ),
    ],
    ids=[
        "rsub",
        "windows",
        "attention",
        "a kernel",
        "a scale",
        "padding",
        "a bound",
        "round",
    ],
)
def test_what_a_config_cannot_say_is_refused(
    function: Callable[[Tensor], Any], said: str
) -> None:
    """It is named, where another reading of it would be another function."""
    with pytest.raises(Unrepresentable, match=said):
        tracer.from_module(Applied(function), (1, 4, 8, 8))


class Doubled(nn.Conv2d):
    """Another convolution under torch's forward."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight * 2, bias)


def patched() -> nn.Module:
    """A convolution whose forward was replaced."""
    module = nn.Conv2d(4, 4, 1)
    module.forward = lambda x: x * 3  # type: ignore[method-assign]
    return module


@pytest.mark.parametrize(
    "make", [lambda: Doubled(4, 4, 1), patched], ids=["a part", "replaced"]
)
def test_another_forward_is_no_operation(make: Callable[[], nn.Module]) -> None:
    """A module of torch.nn is its operation only where it computes as torch's does."""
    module = nn.Sequential(make()).eval()
    imported = read_module(module, (1, 4, 8, 8))
    built: Any = tracer.build(imported.net).eval()
    built.load_state_dict(imported.state_dict())
    x = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.allclose(built(x), module(x), atol=1e-5)


def test_a_handler_is_registered_once() -> None:
    """A second one would silently replace the first, whichever file is read last."""
    with pytest.raises(ValueError, match="a handler of roll is registered twice"):
        handles("roll")(lambda call: call.x)
    with pytest.raises(ValueError, match="a handler of MultiheadAttention is registered twice"):
        handles_modules(torch.nn.MultiheadAttention)(lambda call, arguments: call.x)
