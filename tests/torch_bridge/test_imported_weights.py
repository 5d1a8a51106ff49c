"""What is built from an imported config has the module's weights: their shapes, their number, what is shared."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.importing import read_module


class Plain(nn.Sequential):
    """One kind of an inner block."""


class Wide(nn.Sequential):
    """Another one, of the same steps."""


class Outer(nn.Module):
    """A block with an inner block of either kind."""

    def __init__(self, kind: type[nn.Sequential], kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.body = kind(nn.Conv2d(4, 4, kernel, stride, kernel // 2), nn.ReLU())
        self.act = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.body(x))
        return y


def rebuilt(module: nn.Module, *shapes: tuple[int, ...]) -> Any:
    """What is built from the text of a module's config, with the module's weights."""
    imported = read_module(module.eval(), *shapes)
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    return built


@given(
    st.lists(
        st.builds(
            Outer, st.sampled_from([Plain, Wide]), st.sampled_from([3, 5]), st.sampled_from([1, 2])
        ),
        min_size=2,
        max_size=6,
    )
)
def test_inner_blocks_of_two_kinds(outers: list[Outer]) -> None:
    """Inner blocks with the same steps keep their kernels and strides, each the block of its kind."""
    module = nn.Sequential(nn.Conv2d(3, 4, 1), *outers).eval()
    x = torch.randn(1, 3, 24, 24)
    with torch.no_grad():
        assert torch.allclose(rebuilt(module, (1, 3, 24, 24))(x), module(x), atol=1e-6)


class Merge(nn.Module):
    """Resizes to a tensor of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lateral = nn.Sequential(nn.Conv2d(channels, 8, 1), nn.ReLU())

    def forward(self, top: Tensor, skip: Tensor) -> Tensor:
        side: Tensor = self.lateral(skip)
        return side + F.interpolate(top, size=side.shape[2:])


class Pyramid(nn.Module):
    """Uses it twice."""

    def __init__(self) -> None:
        super().__init__()
        self.downs = nn.ModuleList(
            [nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1)]
        )
        self.merges = nn.ModuleList([Merge(6), Merge(4)])

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for down in self.downs:
            maps.append(down(maps[-1]))
        *_, a, b, c = maps
        y: Tensor = self.merges[1](self.merges[0](c, b), a)
        return y


def test_a_block_that_resizes_to_its_own_tensor() -> None:
    """The tensor is a node of the block, which needs no argument for it."""
    module = Pyramid().eval()
    built = rebuilt(module, (1, 3, 64, 64))
    for shape in ((1, 3, 64, 64), (2, 3, 65, 51)):
        x = torch.randn(shape)
        with torch.no_grad():
            assert torch.allclose(built(x), module(x), atol=1e-6)


def test_weights_that_do_not_fit_are_no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the config builds is compared with the module's weights before anybody gets it."""
    from tracer.torch_bridge import importing

    class Narrow(importing.Imported):
        def state_dict(self) -> dict[str, Tensor]:
            found = super().state_dict()
            return {name: weight[..., :1] for name, weight in found.items()}

    monkeypatch.setattr(importing, "Imported", Narrow)
    with pytest.raises(importing.Unrepresentable, match=r"conv\.weight|0\.weight"):
        tracer.from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 3, 8, 8))
