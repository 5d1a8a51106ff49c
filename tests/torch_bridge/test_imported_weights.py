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
            Outer,
            st.sampled_from([Plain, Wide]),
            st.sampled_from([3, 5]),
            st.sampled_from([1, 2]),
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
        def weights(self) -> dict[str, Tensor]:
            found = super().weights()
            return {name: weight[..., :1] for name, weight in found.items()}

    monkeypatch.setattr(importing, "Imported", Narrow)
    with pytest.raises(importing.Unrepresentable, match=r"conv\.weight|0\.weight"):
        tracer.from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 3, 8, 8))


# --- weights that are used twice --------------------------------------------------------------------------------------


class Twice(nn.Module):
    """One convolution used twice, and two named outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.conv(self.conv(x)), "aux": x.mean((2, 3))}


class Block(nn.Module):
    """A block with an inner one."""

    def __init__(self, channels: int, of: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, of, 3, padding=1), nn.BatchNorm2d(of), nn.ReLU()
        )
        self.last = nn.Conv2d(of, of, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.body(x))
        return y


class Siamese(nn.Module):
    """One encoder for two pictures, another one for their difference."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(Block(3, 4), Block(4, 5))
        self.rest = nn.Sequential(Block(5, 4), Block(4, 5))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        y: Tensor = self.rest(self.encoder(left) - self.encoder(right))
        return y


class Recurrent(nn.Module):
    """A block three times in a chain, and one of its layers once more outside."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.other = Block(4, 4), Block(4, 4)

    def forward(self, x: Tensor) -> list[Tensor]:
        for _ in range(3):
            x = self.block(x)
        return [
            self.other(x),
            self.other.last(x),
            F.conv2d(x, self.block.last.weight, self.block.last.bias),
        ]


class PartlyShared(nn.Module):
    """Two blocks that have one layer in common."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = Block(4, 4), Block(4, 4), Block(4, 4)
        self.two.last = self.one.last

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.three(self.two(self.one(x)))
        return y


class Blur(nn.Module):
    """A buffer as a kernel, and one that is added."""

    kernel: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.ones(3, 1, 3, 3) / 9)
        self.register_buffer("mean", torch.ones(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x - self.mean, self.kernel, stride=2, padding=1, groups=3)
        return F.conv2d(x, self.kernel, stride=2, padding=1, groups=3)


class Standardised(nn.Module):
    """A kernel that is computed from a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean())


def outputs(result: Any) -> dict[str, Tensor]:
    """The tensors that a forward gives, by name; by number where it gives a list."""
    if isinstance(result, dict):
        return result
    return dict(enumerate([result] if isinstance(result, Tensor) else result))  # type: ignore[arg-type]


SHARING = {
    "twice": (Twice, [(1, 3, 16, 16)]),
    "siamese": (Siamese, [(1, 3, 16, 16), (1, 3, 16, 16)]),
    "recurrent": (Recurrent, [(1, 4, 16, 16)]),
    "partly": (PartlyShared, [(1, 4, 16, 16)]),
    "blur": (Blur, [(1, 3, 16, 16)]),
    "standardised": (Standardised, [(1, 4, 16, 16)]),
}


@pytest.mark.parametrize("name", SHARING)
def test_weights_are_counted_once(name: str) -> None:
    """As many parameters as the module has, the same outputs, and no two layers that were one."""
    from tracer.costs.operations import costs, total

    make, shapes = SHARING[name]
    torch.manual_seed(0)
    module = make().eval()
    built = rebuilt(module, *shapes)
    want = sum(p.numel() for p in module.parameters())
    assert sum(p.numel() for p in built.parameters()) == want
    assert total(costs(tracer.from_module(module, *shapes).trace())).params == want

    xs = [torch.randn(shape) for shape in shapes]
    with torch.no_grad():
        mine, theirs = outputs(built(*xs)), outputs(module(*xs))
    for found, expected in zip(mine.values(), theirs.values(), strict=True):
        assert torch.allclose(found, expected, atol=1e-5)


def test_the_text_of_what_is_shared() -> None:
    """A block's use shares as a whole; a layer that one of two blocks shares keeps it from being a block."""
    siamese = tracer.from_module(Siamese(), (1, 3, 16, 16), (1, 3, 16, 16)).to_yaml()
    assert siamese.count("weights:") == 1
    assert "weights: encoder}" in siamese
    partly = tracer.from_module(PartlyShared(), (1, 4, 16, 16)).to_yaml()
    assert (
        "two_last: {op: Conv2d, out_channels: 4, kernel_size: 1, weights: one.last}" in partly
    )
    blur = tracer.from_module(Blur(), (1, 3, 16, 16)).to_yaml()
    assert blur.count("learned: false") == 2


def test_outputs_keep_their_names() -> None:
    """Those that the forward names; a list's are named by their nodes."""
    net = tracer.loads(tracer.from_module(Twice(), (1, 3, 16, 16)).to_yaml())
    assert list(net.trace().outputs) == ["out", "aux"]
    assert list(tracer.build(net)(torch.zeros(1, 3, 16, 16))) == ["out", "aux"]


class OneByOne(nn.Module):
    """Takes a batch apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.conv(one[None])[0] for one in x])


def test_a_batch_that_is_fixed_is_told() -> None:
    """With the reason, in the config."""
    text = tracer.from_module(OneByOne(), (1, 3, 16, 16)).to_yaml()
    assert "input: [1, 3, H, W]" in text
    first = text.splitlines()[0]
    assert first.startswith("# the first dim is fixed: with an open one, ")
    assert "for one in x" in first


class TwoKernels(nn.Module):
    """One kernel with two strides, which no module has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.conv(x), self.conv.weight, self.conv.bias, stride=2)


def test_weights_that_no_config_can_share_are_told() -> None:
    """A line says which layers have weights of their own that were one's."""
    text = tracer.from_module(TwoKernels(), (1, 3, 16, 16)).to_yaml()
    assert text.startswith(
        "# conv2d has weights of its own here; in the module it shares some with conv\n"
    )
