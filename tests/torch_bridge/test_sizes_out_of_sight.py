"""A forward that takes a size out of sight (a set, a dict, a text): no shape is wrong at the sizes named there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.diagnostics import TracerError

HEIGHTS = {224, 384}
STRIDES = {224: 2, 384: 2}
LAYERS = {"s224": True, "384": True}
SIZES = {(512, 512): 1, (48, 40): 2}
TABLES = {224: [1], 384: [2]}
NESTED = {384: {9: True, 384: True}}
KEPT: dict[Any, Tensor] = {}


class Asks(nn.Module):
    """Halves what comes where a set has its size."""

    of_class = {100: 2}  # noqa: RUF012 - as people write it
    names = {"224": True, "384": True}  # noqa: RUF012
    is_224 = True

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.coarser = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.own = frozenset([96])
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        """By the question."""
        y: Tensor = self.conv(x)
        if getattr(self, self.how)(x):
            y = self.coarser(y)
        return y

    def constant(self, x: Tensor) -> bool:
        """A set in the line."""
        return x.shape[2] in {224, 384}

    def of_file(self, x: Tensor) -> bool:
        """A set of the file."""
        return x.shape[2] in HEIGHTS

    def of_pairs(self, x: Tensor) -> bool:
        """Pairs of sizes."""
        return tuple(x.shape[2:]) not in SIZES

    def of_module(self, x: Tensor) -> bool:
        """A set of the module's own."""
        return x.shape[2] in self.own

    def of_its_class(self, x: Tensor) -> bool:
        """A dict of the class."""
        return x.size(2) in self.of_class

    def of_a_value(self, x: Tensor) -> bool:
        """What a dict has for it, or another value."""
        return STRIDES.get(x.shape[2], 1) == 2

    def of_an_attempt(self, x: Tensor) -> bool:
        """What it has for it, where it has anything."""
        try:
            return STRIDES[x.shape[2]] == 2
        except KeyError:
            return False

    def of_half(self, x: Tensor) -> bool:
        """What a dict in the line has for half of it."""
        return {112: True, 192: True}.get(x.shape[2] // 2, False)

    def of_a_text(self, x: Tensor) -> bool:
        """A text of it among others."""
        return str(x.shape[2]) in ("224", "384")

    def of_a_key(self, x: Tensor) -> bool:
        """A name that is made of it."""
        return LAYERS.get(f"s{x.shape[2]}", False)

    def of_a_format(self, x: Tensor) -> bool:
        """The same by a method."""
        return "{}".format(x.size(2)) in LAYERS  # noqa: UP032 - as people write it

    def of_all(self, x: Tensor) -> bool:
        """A text of the whole shape."""
        return str(tuple(x.shape)) == "(1, 3, 384, 384)"

    def of_a_shape(self, x: Tensor) -> bool:
        """What a dict has for the whole shape."""
        return {(1, 3, 384, 384): True}.get(x.shape, False)

    def of_a_shapes_text(self, x: Tensor) -> bool:
        """A text of what torch gives."""
        return str(x.shape) == "torch.Size([1, 3, 384, 384])"

    def of_a_list_by_size(self, x: Tensor) -> bool:
        """A table of more than numbers."""
        return bool(TABLES.get(x.shape[2], [0])[0])

    def of_a_table_in_a_table(self, x: Tensor) -> bool:
        """By both sizes, one after the other."""
        return NESTED.get(x.shape[2], {}).get(x.shape[3], False)

    def of_a_class(self, x: Tensor) -> bool:
        """Names that the class has."""
        return self.names.get(f"{x.shape[2]}", False)

    def of_an_attribute(self, x: Tensor) -> bool:
        """An attribute with the size in its name."""
        return getattr(self, f"is_{x.shape[2]}", False)

    def of_a_quotient(self, x: Tensor) -> bool:
        """What a dict has for a number that is no size."""
        return {3.5: True, 6.0: True}.get(x.shape[2] / 64, False)

    def of_a_ratio(self, x: Tensor) -> bool:
        """A comparison of the sides."""
        return x.shape[2] / x.shape[3] > 1.25

    def of_own_keys(self, x: Tensor) -> bool:
        """A dict that has the size as its key."""
        return 384 in {x.shape[2]: "a"}

    def of_two_in_a_text(self, x: Tensor) -> bool:
        """Both in one text."""
        return f"{x.shape[2]}x{x.shape[3]}" == "384x9"

    def of_hex(self, x: Tensor) -> bool:
        """As a programmer writes it."""
        return hex(x.shape[2]) == "0x180"

    def of_bits(self, x: Tensor) -> bool:
        """Its bits."""
        return bin(x.shape[2]) == bin(384)

    def of_its_hash(self, x: Tensor) -> bool:
        """Its hash, as torch and Python define it."""
        return hash(x.shape[2]) == 384

    def of_a_common_one(self, x: Tensor) -> bool:
        """What two sets share."""
        return bool({x.shape[2]} & {384})

    def of_equal_ones(self, x: Tensor) -> bool:
        """How many there are in a set."""
        return len(set(x.shape[2:])) == 1

    def of_parts(self, x: Tensor) -> bool:
        """How many rows there are."""
        return len(x[0, 0]) == 384

    def of_a_list(self, x: Tensor) -> bool:
        """How long a list of so many is."""
        return len([0] * x.shape[2]) == 384

    def of_rounded(self, x: Tensor) -> bool:
        """Hundreds of it."""
        return round(x.shape[2], -2) == 400

    def of_a_length(self, x: Tensor) -> bool:
        """How many bits it has."""
        return x.shape[2].bit_length() == 9

    def of_a_name(self, x: Tensor) -> bool:
        """A set of the function's."""
        found = {31, 77}
        return x.size(-1) in found


REFUSED = {
    "of_pairs",
    "of_all",
    "of_a_table_in_a_table",
    "of_two_in_a_text",
    "of_a_shape",
    "of_a_shapes_text",
    "of_a_list",
    "of_rounded",
    "of_a_length",
}
"""Ways that depend on several sizes together, on too many of them, or on a number that is not followed."""


@pytest.mark.parametrize(
    "how", sorted(vars(Asks).keys() - vars(nn.Module).keys() - {"forward", "names", "is_224"})
)
def test_no_shape_is_wrong(how: str) -> None:
    """Each is read for the sizes that are not named, or refused."""
    if how.startswith("_") or how == "of_class":
        return
    module = Asks(how).eval()
    try:
        net = tracer.from_module(module, (1, 3, 64, 64))
    except TracerError as refused:
        assert how in REFUSED, refused
        return
    assert how not in REFUSED

    compared = set()
    for height, width in (
        (224, 64),
        (384, 9),
        (96, 64),
        (100, 7),
        (64, 77),
        (9, 31),
        (384, 384),
        (70, 70),
        (65, 66),
    ):
        trace = net.trace(H=height, W=width)
        (mine,) = trace.outputs.values()
        theirs = tuple(module(torch.zeros(1, 3, height, width)).shape)
        assert trace.diagnostics or mine == theirs, (height, width)
        compared.add(not trace.diagnostics)
    assert compared == {True, False}


class Remembers(nn.Module):
    """A table that is kept by size says nothing of ways."""

    def forward(self, x: Tensor) -> Tensor:
        """Made where it is not there."""
        size = tuple(x.shape[2:])
        if size not in KEPT:
            KEPT[size] = torch.zeros(size)
        return x + KEPT[size]


def test_what_is_kept_by_size_is_one_way() -> None:
    """The dict holds tensors: another one is made for another size."""
    net = tracer.from_module(Remembers().eval(), (1, 3, 64, 64))
    for height, width in ((64, 64), (9, 77)):
        (shape,) = net.trace(H=height, W=width).outputs.values()
        assert shape == (1, 3, height, width)
    assert KEPT == {}


class Demands(nn.Module):
    """A size that is demanded in words, as libraries do it: the words are made at each size."""

    def __init__(self) -> None:
        super().__init__()
        self.size = (96, 64)
        self.conv = nn.Conv2d(3, 4, 16, stride=16)

    def forward(self, x: Tensor) -> Tensor:
        """Only for its own size."""
        height, width = x.shape[2:]
        torch._assert(height == self.size[0], f"height {height} is not {self.size[0]} x 16")
        torch._assert(width == self.size[1], f"width {width} is not {self.size[1]} x 16")
        return self.conv(x).flatten(2)


def test_a_demand_in_words_is_a_demand() -> None:
    """What is written of a size that fails decides nothing."""
    sizes = tracer.sizes(Demands().eval(), (1, 3, 96, 64))
    assert sizes.axes["H"].runs.written("H") == "H = 96"
    assert sizes.axes["W"].runs.written("W") == "W = 64"


class Prints(nn.Module):
    """A forward that tells what it does takes no other way for the numbers in its words."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.kept: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """As in a notebook."""
        print("layer 64", x.shape)
        print(f"x512 {x.shape[2]} of {tuple(x.shape)}")
        assert x.shape[1] == 3, f"not 128 {x.shape}"
        key = f"{x.shape[2]}x{x.shape[3]}"
        if key not in self.kept:
            self.kept[key] = torch.zeros(1, 4, *x.shape[2:])
        return self.conv(x) + self.kept[key]


def test_what_is_printed_decides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """One way serves all sizes, and no check stands in the text."""
    net = tracer.from_module(Prints().eval(), (1, 3, 96, 96))
    assert "layer 64" in capsys.readouterr().out
    assert "checks" not in net.to_yaml()
    for height, width in ((64, 64), (512, 128), (9, 77)):
        (shape,) = net.trace(H=height, W=width).outputs.values()
        assert shape == (1, 4, height, width)
