"""What is built from an imported config has the module's weights: their shapes, their number, what is shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.opening import read_module


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
        "# 168 parameters here, 84 in the module\n"
        "# conv2d has weights of its own here; in the module it shares some with conv\n"
    )


class ComplexScale(nn.Module):
    """Complex numbers that are learned, and whole ones that are not."""

    shift: Tensor

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.factor = nn.Parameter(torch.randn(4, 1, 1, dtype=dtype))
        self.register_buffer("shift", torch.arange(4).view(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fft.fft2(self.conv(x))
        return (x * self.factor).abs() + self.shift


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_parameters_keep_their_type(dtype: torch.dtype) -> None:
    """What is built of the config has parameters and buffers of the module's types, and gives its numbers."""
    module = ComplexScale(dtype)
    built = rebuilt(module, (1, 3, 8, 10))
    x = torch.randn(2, 3, 9, 7)
    assert built.factor.dtype == dtype
    assert built.shift.dtype == torch.int64
    torch.testing.assert_close(built(x), module(x))


def test_weights_that_hooks_compute() -> None:
    """torch's older norms of weights: those of the next call in eval mode, though none has been made yet."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.utils.weight_norm(nn.Conv2d(3, 8, 3)), nn.utils.spectral_norm(nn.Conv2d(8, 4, 3))
    )
    for one in module:
        for parameter in one.parameters():
            nn.init.normal_(parameter)
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    built = rebuilt(module, (1, 3, 8, 10))
    for name, value in module.state_dict().items():
        assert torch.equal(value, kept[name])
    x = torch.randn(2, 3, 9, 7)
    torch.testing.assert_close(built(x), module(x))


class Counting(nn.Module):
    """It adds how often it was called."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x + self.count


def test_a_buffer_that_each_run_changes() -> None:
    """It is told with the line, and changed in copies only, which torch's count of its changes shows."""
    module = Counting()
    before = module.count._version
    text = tracer.from_module(module, (1, 3, 8, 8)).to_yaml()
    assert (module.count._version, module.count.item()) == (before, 0)
    (line,) = [line for line in text.splitlines() if "count:" in line]
    assert "# each run changes it, at tests/torch_bridge/test_imported_weights.py:" in line


class Rearranged(nn.Module):
    """Adds parts of a table, and multiplies by complex numbers that are kept as two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.table = nn.Parameter(torch.randn(15, 8))
        self.halves = nn.Parameter(torch.randn(8, 8, 2))
        self.position = nn.Parameter(torch.randn(1, 5, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fft.rfft2(self.conv(x))
        x = torch.einsum("bi...,io->bo...", x, torch.view_as_complex(self.halves))
        places = torch.arange(4)[:, None] + torch.arange(8)[None]
        x = x + self.table[places.view(-1)].view(4, 8, 8).sum(0)[None, :, :1, None]
        return torch.cat(
            [x.real * self.position[:, :1], x.imag + self.position[:, 1:].mean()], 1
        )


def test_what_is_computed_of_parameters() -> None:
    """Steps over the parameter itself: as many parameters as the module has, and its numbers."""
    module = Rearranged()
    built = rebuilt(module, (1, 3, 8, 10))
    have = sum(p.numel() for p in module.parameters())
    assert sum(p.numel() for p in built.parameters()) == have
    x = torch.randn(2, 3, 9, 7)
    torch.testing.assert_close(built(x), module(x))
    text = tracer.from_module(module, (1, 3, 8, 10)).to_yaml()
    assert "table: {op: Parameter, shape: [15, 8]}" in text
    assert not text.startswith("#")


def _by_a_layer(table: Tensor) -> Tensor:
    written: Tensor = nn.ReLU(inplace=True)(table)
    return written


def _by_a_function(table: Tensor) -> Tensor:
    return F.relu(table, True)


def _by_itself(table: Tensor) -> Tensor:
    table += 1
    table *= 2
    return table


def _by_a_view(table: Tensor) -> Tensor:
    table.view(-1).add_(1)
    return table


def _by_an_index(table: Tensor) -> Tensor:
    table[0] = 0
    return table


def _not_at_all(table: Tensor) -> Tensor:
    return table.contiguous()


WRITTEN = [_by_a_layer, _by_a_function, _by_itself, _by_a_view, _by_an_index, _not_at_all]


class Written(nn.Module):
    """Computes a table of a parameter and writes into it, read or not read before."""

    def __init__(self, write: Callable[[Tensor], Tensor], is_read: bool) -> None:
        super().__init__()
        self.write = write
        self.is_read = is_read
        self.table = nn.Parameter(torch.randn(5, 3))

    def forward(self, x: Tensor) -> Tensor:
        table = self.table[torch.tensor([1, 2, 3, 3, 1, 0, 2])]
        if self.is_read:
            x = x * table.mean(0)[:, None, None]
        table = self.write(table)
        return x + table.sum(0)[:, None, None]


@pytest.mark.parametrize("write", WRITTEN)
@pytest.mark.parametrize("is_read", [False, True])
def test_what_is_computed_and_then_written_into(
    write: Callable[[Tensor], Tensor], is_read: bool
) -> None:
    """Each reader has the numbers that were there when it read, every step standing there once."""
    module = Written(write, is_read)
    text = tracer.from_module(module, (1, 3, 8, 10)).to_yaml()
    assert "repeat" not in text
    built = rebuilt(module, (1, 3, 8, 10))
    x = torch.randn(2, 3, 9, 7)
    torch.testing.assert_close(built(x), module(x))


class Mixed(nn.Module):
    """Its kernel is computed of two, and a layer of it is used by nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.b = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.a + self.b)


def test_another_number_of_parameters_is_told() -> None:
    """The first line says how many the config and the module have, and which are in no layer."""
    text = tracer.from_module(Mixed(), (1, 3, 16, 16)).to_yaml()
    first = (
        "# 108 parameters here, 226 in the module: in no layer as they are: a, b, head.weight"
    )
    assert text.startswith(f"{first} and 1 more\n")
