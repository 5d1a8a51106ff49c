"""Functions of torch without a module, and what surrounds modules: built again, they give what they gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module

WEIGHT = torch.randn(4, 5)
SIZES = ((1, 4, 8, 8), (2, 4, 8, 12), (1, 4, 11, 7))


def agrees(module: nn.Module, *shapes: tuple[int, ...]) -> None:
    """Imported at the first size, the config gives what the module gives at all of them."""
    imported = read_module(module, shapes[0])
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    for shape in shapes:
        x = torch.randn(shape)
        with torch.no_grad():
            mine, want = built(x.clone()), module(x.clone())
        assert mine.shape == want.shape and torch.allclose(mine, want, atol=1e-5), shape


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "einsum with dots": lambda x: torch.einsum("bc...,cd->bd...", x, WEIGHT),
    "einsum with dots in the middle": lambda x: torch.einsum("b...w,b...w->...", x, x),
    "einsum of three": lambda x: torch.einsum("nchw,nkhw,kd->ncd", x, x.relu(), WEIGHT),
    "einsum of one": lambda x: torch.einsum("nchw->nwc", x),
    "einsum without an arrow": lambda x: torch.einsum("nchw,cd", x, WEIGHT),
    "attention": lambda x: F.scaled_dot_product_attention(x, x.relu(), x * 2),
    "causal attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "attention of groups": lambda x: F.scaled_dot_product_attention(
        x, x[:, :2], x[:, :2], scale=0.3, enable_gqa=True
    ),
    "attention with a mask": lambda x: F.scaled_dot_product_attention(
        x, x, x, attn_mask=x.mean(3, True)
    ),
    "grid_sample": lambda x: F.grid_sample(
        x, x[:, :2].permute(0, 2, 3, 1), mode="nearest", align_corners=True
    ),
    "grid_sampler": lambda x: torch.grid_sampler(
        x, x[:, :2, ::2].permute(0, 2, 3, 1), 0, 1, False
    ),
    "a spatial transformer": lambda x: F.grid_sample(
        x, F.affine_grid(x[:, :2, :3, 0], x.shape, align_corners=False), align_corners=False
    ),
    "a spectrum and back": lambda x: torch.fft.irfft2(
        torch.fft.rfft2(x, norm="ortho"), s=x.shape[2:], norm="ortho"
    ),
    "the size of a spectrum": lambda x: torch.fft.fftshift(torch.fft.fft2(x), (-2, -1)).abs(),
    "low frequencies": lambda x: torch.fft.ifft(torch.fft.fft(x, dim=2)[:, :, :4], dim=2).real,
    "a spectrum of all dims": lambda x: torch.fft.rfftn(x, dim=(1, 2, 3)).imag,
    "a spectrum filtered": lambda x: torch.fft.irfft(
        torch.fft.rfft(x) * torch.complex(x.mean(3, True), x.mean(3, True)), n=x.shape[-1]
    ),
    "parts of complex numbers": lambda x: torch.view_as_real(
        torch.fft.fft2(x).conj().resolve_conj()
    ).flatten(3),
    "complex numbers of parts": lambda x: torch.view_as_complex(
        torch.stack([x, x.relu()], -1)
    ).angle(),
    "as_tensor": lambda x: torch.as_tensor(x) * 2,
    "tensordot": lambda x: torch.tensordot(x, WEIGHT, dims=([1], [0])),
    "tensordot of the last dims": lambda x: torch.tensordot(x.movedim(1, -1), WEIGHT, dims=1),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x.relu()),
    "cosine_similarity of pixels": lambda x: F.cosine_similarity(x, x.mean(2, True), dim=-1),
    "normalize by sums": lambda x: F.normalize(x, p=1.0),
    "normalize by the largest": lambda x: F.normalize(x, p=float("inf"), dim=-1),
    "pad of all dims": lambda x: F.pad(x, (1, 2, 3, 0, 0, 2, 1, 1)),
    "pad of channels by a number": lambda x: F.pad(x, (0, 0, 0, 0, 1, 0, 0, 1), value=2.0),
    "fold to a size": lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1),
    "fold to half a size": lambda x: F.fold(
        F.unfold(x, 2, stride=2), (x.shape[2] // 2 * 2, x.shape[3] // 2 * 2), 2, stride=2
    ),
    "a number of NumPy's": lambda x: F.max_pool2d(x, numpy.int64(2)),  # type: ignore[arg-type]
    "numbers of NumPy's": lambda x: F.avg_pool2d(x, (numpy.int64(2), numpy.int32(3))),
    "aten": lambda x: torch.ops.aten.relu(x),
    "a variant of aten": lambda x: torch.ops.aten.mean.dim(x, [2], True),
    "convolution": lambda x: torch.convolution(
        x, WEIGHT[:, :4, None, None], None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1
    ),
    "transposed convolution": lambda x: torch.convolution(
        x, WEIGHT[:, :, None, None], None, [2, 2], [0, 0], [1, 1], True, [1, 1], 1
    ),
    "batch_norm of torch": lambda x: torch.batch_norm(
        x, WEIGHT[:, 0], WEIGHT[:, 1], WEIGHT[:, 2], WEIGHT[:, 3].abs(), False, 0.1, 1e-5, False
    ),
    "group_norm by a weight alone": lambda x: F.group_norm(x, 2, WEIGHT[:, 0]),
    "group_norm by a bias alone": lambda x: F.group_norm(x, 4, None, WEIGHT[:, 0]),
    "copies of each row for a size": lambda x: x.repeat_interleave(x.shape[3] // 2, dim=2),
    "a mask in windows of its own": lambda x: (
        x
        + torch.zeros(x.shape[2:])
        .unsqueeze(0)
        .transpose(1, 2)
        .contiguous()
        .view(1, *x.shape[2:])
    ),
    "group_norm of torch": lambda x: torch.group_norm(x, 2, None, None, 1e-5, False),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_what_it_gave(name: str) -> None:
    """At the imported size and at others, the outputs are the function's."""
    agrees(Applied(FUNCTIONS[name]).eval(), *SIZES)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: torch.einsum("nccw->nw", x), "a letter stands twice in one term"),
        (lambda x: F.pad(x, (0, 0, 0, 0, 1, 1, 1, 1), mode="replicate"), "padding 4 dims"),
        (lambda x: F.normalize(x, p=3.0), "normalize by the norm 3.0"),
        (
            lambda x: torch.vmap(torch.relu)(x),
            "torch.func runs functions on tensors of its own",
        ),
        (
            lambda x: F.cosine_similarity(x, x.mean(1, True)),
            "along a dim that the tensors have at other sizes",
        ),
    ],
    ids=["a diagonal", "replicate", "norm 3", "vmap", "broadcast"],
)
def test_what_a_config_cannot_say_is_refused(
    function: Callable[[Tensor], Any], said: str
) -> None:
    """It is named."""
    with pytest.raises(Unrepresentable, match=said):
        tracer.from_module(Applied(function), (1, 4, 8, 8))


# --- hooks -----------------------------------------------------------------------------------------------------------


class Watched(nn.Module):
    """A convolution and a linear map of pixels whose hooks may do anything."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3, padding=1)
        self.act = nn.ReLU()
        self.kept: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv(x))
        return torch.cat([y, self.kept["early"]], 1) if self.kept else y


def hooked(name: str) -> Watched:
    """The module with one hook."""
    made = Watched()
    conv = made.conv
    if name == "a new result":
        conv.register_forward_hook(lambda module, given, result: result[:, :2] * 2)
    elif name == "a new input":
        conv.register_forward_pre_hook(lambda module, given: (given[0].relu(),))
    elif name == "keywords":
        conv.register_forward_hook(
            lambda module, given, words, result: result[..., ::2], with_kwargs=True
        )
    elif name == "kept":
        conv.register_forward_hook(lambda module, given, result: made.kept.update(early=result))
    elif name == "watched":
        conv.register_forward_hook(lambda module, given, result: None)
    else:
        conv.register_full_backward_hook(lambda module, above, below: None)
    return made.eval()


@pytest.mark.parametrize(
    "name", ["a new result", "a new input", "keywords", "kept", "watched", "backward"]
)
def test_hooks_are_run(name: str) -> None:
    """What a hook gives back is what goes on, and what it keeps is kept in the copy that is run."""
    module = hooked(name)
    agrees(module, *SIZES)
    module.kept.clear()
    tracer.from_module(module, SIZES[0])
    assert not module.kept


# --- attention -------------------------------------------------------------------------------------------------------


class Attending(nn.Module):
    """Attention of pixels, with a mask and its weights."""

    def __init__(self, **words: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.words = words

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2).transpose(1, 2)
        mask = torch.matmul(y, y.transpose(1, 2)).mean(0)
        output, weights = self.attention(y, y, y, attn_mask=mask, **self.words)
        return output if weights is None else weights.unsqueeze(1).flatten(1, -2) @ output


@pytest.mark.parametrize(
    "words",
    [{}, {"need_weights": False}, {"average_attn_weights": False}],
    ids=["averaged", "none", "of each head"],
)
def test_masks_and_weights_of_attention(words: dict[str, Any]) -> None:
    """The mask is a node, and the weights are one where they are read."""
    agrees(Attending(**words).eval(), *SIZES)
    text = tracer.from_module(Attending(**words).eval(), SIZES[0]).to_yaml()
    assert text.count("op: MultiheadAttention") == (1 if "need_weights" in words else 2)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("first", [True, False])
def test_transformers(first: bool) -> None:
    """torch's own encoder and decoder, whose kernels of eval mode are fused."""

    class Transformed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=first)

        def forward(self, x: Tensor) -> Tensor:
            target = x.relu() if first else x[:3]
            return self.transformer(x, target)  # type: ignore[no-any-return]

    agrees(Transformed().eval(), (4, 5, 8), (4, 7, 8))


# --- recurrent networks ----------------------------------------------------------------------------------------------


class Sequence(nn.Module):
    """A network over a line of maps, of which something is taken."""

    def __init__(self, cell: nn.Module, take: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 8, stride=4)
        self.cell = cell
        self.take = take

    def forward(self, x: Tensor) -> Tensor:
        return self.take(self.cell, self.conv(x).transpose(1, 2))


def two_steps(cell: Any, y: Tensor) -> Tensor:
    """The state and the cell's behind two positions."""
    return torch.cat(cell(y[:, 1], cell(y[:, 0])), 1)


RECURRENT: dict[str, tuple[nn.Module, Callable[[Any, Tensor], Tensor]]] = {
    "all states": (
        nn.LSTM(8, 6, batch_first=True, bidirectional=True),
        lambda cell, y: cell(y)[0],
    ),
    "the last state": (nn.GRU(8, 6, 2, batch_first=True), lambda cell, y: cell(y)[1][-1]),
    "both last states": (
        nn.LSTM(8, 6, 2, batch_first=True, proj_size=3),
        lambda cell, y: torch.cat(cell(y)[1], -1),
    ),
    "positions first": (
        nn.RNN(8, 6, nonlinearity="relu", bias=False),
        lambda cell, y: cell(y.transpose(0, 1))[0],
    ),
    "a state given": (
        nn.GRU(8, 6, batch_first=True),
        lambda cell, y: cell(y, cell(y)[1])[0],
    ),
    "a cell": (nn.LSTMCell(8, 6), two_steps),
    "a cell with one state": (
        nn.GRUCell(8, 6),
        lambda cell, y: cell(y[:, 1], cell(y[:, 0])),
    ),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks(name: str) -> None:
    """What a network gives as a tuple is a node for each part that is read."""
    agrees(Sequence(*RECURRENT[name]).eval(), (1, 1, 64), (2, 1, 70), (3, 1, 33))


def test_a_part_that_nobody_reads_is_no_step() -> None:
    """So that the costs are those of one run."""
    module = Sequence(nn.GRU(8, 6, 2, batch_first=True), lambda cell, y: cell(y)[1][-1])
    text = tracer.from_module(module.eval(), (1, 1, 64)).to_yaml()
    assert text.count("op: GRU") == 1 and "result: h_n" in text


def test_sequences_of_lengths_of_their_own_are_refused() -> None:
    """They are named, and what would do."""
    pack = nn.utils.rnn.pack_padded_sequence
    module = Sequence(
        nn.GRU(8, 6, batch_first=True),
        lambda cell, y: cell(pack(y, torch.tensor([3]), batch_first=True))[1],
    )
    with pytest.raises(Unrepresentable, match="give the padded tensor"):
        tracer.from_module(module, (1, 1, 64))
