"""Random networks as config texts: encoders with decoders, and graphs of any operations.

While a network is drawn, its shapes for one set of sizes are followed, so that most operations fit their input and a
network gets deep before something is refused; about one operation in twelve is kept although it does not fit.
Nothing here decides what is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from tests.drawn.arguments import Draw
from tracer.ops.base import registry, written

Shape = tuple[int, ...]
Arguments = dict[str, Any]

SYMBOLS = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
LARGEST = {1: 70, 2: 70, 3: 18}
"""The largest size of a spatial dim, by their number."""

ELEMENTS = 300_000
"""A node with more elements is not drawn."""

DEPTH = {1: 5, 2: 5, 3: 3}
AUTO = ("output_padding", "padding", "kernel_size", "dilation", "ceil_mode")
"""Arguments that are left to be solved where an operation lets them."""

ACTIVATIONS = (
    "ReLU",
    "LeakyReLU",
    "GELU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Identity",
    "Dropout",
)


class Drawn(NamedTuple):
    """A config without ``sizes``, and values for its symbols."""

    text: str
    sizes: dict[str, int]

    @property
    def declared(self) -> str:
        """The config with its sizes."""
        return (
            f"{self.text}sizes: {{{', '.join(f'{s}: {n}' for s, n in self.sizes.items())}}}\n"
        )

    def __repr__(self) -> str:
        return f"{self.sizes}\n{self.text}"


class Unfit(Exception):
    """An operation that is illegal whatever its input, or whose output is too large to run here."""


def shape_of(
    op: str, arguments: Arguments, x: list[Shape], operands: dict[str, Shape]
) -> Shape | None:
    """The output's shape, or None where the input is refused."""
    try:
        record = msgspec.convert({**arguments, **dict.fromkeys(operands, "node")}, registry[op])
    except msgspec.ValidationError as error:
        raise Unfit from error
    least, most = type(record).arity
    if not least <= len(x) <= (most or len(x)) or not all(r.holds for r in record.legal()):
        raise Unfit
    if not all(r.holds for r in record.requirements(*x, **operands)):
        return None
    y = record.shape(*x, **operands)
    if math.prod(y) > ELEMENTS:
        raise Unfit
    return y


def quoted(name: str) -> str:
    """A node's name in a flow collection, where a chunk's brackets need quotes."""
    return f'"{name}"' if "[" in name else name


class Sketch:
    """A network while it is drawn."""

    def __init__(self, draw: Draw, combinations: int = 0) -> None:
        self.draw = draw
        self.combinations = combinations
        """How many combinations of values the arguments written as ``auto`` may have together; 0 for no auto."""
        self.axes: int = self.pick([1, 2, 2, 2, 3])
        self.batched: bool = self.pick([True, True, True, False])
        self.lines: list[str] = []
        self.blocks: dict[str, str] = {}
        self.shapes: dict[str, Shape] = {}
        """Of every node that can be read from."""
        self.pools: dict[str, str] = {}
        """Max pools, and the node that each reads."""
        self.sizes = {symbol: self.size() for symbol in SYMBOLS[self.axes]}
        self.inputs: dict[str, list[int | str]] = {}
        for name in ("image", "mask") if self.one_in(8) else ("input",):
            self.inputs[name] = self._input()
            self.shapes[name] = self.evaluated(self.inputs[name])
        self.sizes = {
            s: n
            for s, n in self.sizes.items()
            if any(s in shape for shape in self.inputs.values())
        }
        self.last = next(iter(self.inputs))
        self.above = self.last if len(self.inputs) == 1 else ""
        """The node that stands before the next one in the text."""

    def _input(self) -> list[int | str]:
        pattern: list[int | str] = list(SYMBOLS[self.axes])
        if self.one_in(8):
            pattern[-1] = pattern[0]
        if self.one_in(8):
            pattern[-1] = self.size()
        lead: list[int | str] = [self.pick([1, 1, 2])] if self.batched else []
        channels: int | str = self.pick([1, 2, 3, 4, 4])
        if lead and self.one_in(3):
            self.sizes["N"] = self.pick([1, 2])
            lead = ["N"]
        if self.one_in(12):
            self.sizes["C"], channels = 2, "C"
        return [*lead, channels, *pattern]

    # --- choices -------------------------------------------------------------------------------------------

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(list(choices)))

    def one_in(self, n: int) -> bool:
        return self.draw(st.integers(1, n)) == n

    def size(self) -> int:
        most = LARGEST[self.axes]
        return self.draw(
            st.integers(min(9, most), most)
            | st.integers(1, most)
            | st.sampled_from([16, 15, 17, 1, 2])
        )

    def per_axis(self, *choices: Any) -> Any:
        """One of these, or a list of one per axis."""
        if self.one_in(3):
            return [self.pick(choices) for _ in range(self.axes)]
        return self.pick(choices)

    def some(self, **choices: Any) -> Arguments:
        """About half of these arguments."""
        return {word: make() for word, make in choices.items() if self.draw(st.booleans())}

    # --- what is known of the drawing ----------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Of the node that the next one reads."""
        return self.shapes[self.last]

    @property
    def channels(self) -> int:
        return self.shape[-1 - self.axes]

    def is_map(self, name: str | None = None) -> bool:
        """Whether it is a feature map of the network's rank."""
        return len(self.shapes[name or self.last]) == self.axes + self.batched + 1

    def evaluated(self, value: Any) -> Any:
        """An argument with its dims over symbols as numbers."""
        if isinstance(value, (list, tuple)):
            return tuple(self.evaluated(v) for v in value)
        if isinstance(value, str) and any(symbol in value for symbol in self.sizes):
            return eval(value, {}, dict(self.sizes))
        return value

    def dim(self, n: int) -> int | str:
        """A dim that is n, as a number or by the symbols."""
        found: list[int | str] = [n]
        for symbol, size in self.sizes.items():
            texts = [
                symbol,
                f"{symbol} // 2",
                f"({symbol} + 1) // 2",
                f"2*{symbol}",
                f"{symbol} + {n - size}",
            ]
            found += [
                text
                for text in texts
                if eval(text, {}, {symbol: size}) == n and "-" not in text
            ]
            if size > n:
                found.append(f"{symbol} - {size - n}")
        return self.pick(found)

    # --- nodes ---------------------------------------------------------------------------------------------

    def put(
        self,
        op: str,
        arguments: Arguments,
        sources: list[str] | None = None,
        operands: dict[str, str] | None = None,
    ) -> bool:
        """Write a node and go on from it; False where it is unfit, or refused and not kept.

        One that is kept although it is refused gets a node that reads it, and the drawing goes on from before.
        """
        operands = operands or {}
        names = [self.last] if sources is None else sources
        numbers = {word: self.evaluated(value) for word, value in arguments.items()}
        seen = {word: self.shapes[name] for word, name in operands.items()}
        try:
            y = shape_of(op, numbers, [self.shapes[name] for name in names], seen)
        except Unfit:
            return False
        if y is None and not self.one_in(12):
            return False
        index = arguments.get("index")
        shown = arguments if operands or not self.combinations else self.opened(op, arguments)
        parts = [
            f"op: {op}",
            *(f"{word}: {written(value)}" for word, value in shown.items() if word != "index"),
        ]
        parts += [f"{word}: {quoted(name)}" for word, name in operands.items()]
        if sources is not None or self.above != self.last:
            read = [quoted(name) for name in names]
            parts.append(
                f"from: {read[0] if len(read) == 1 and self.one_in(2) else written(read)}"
            )
        if y is not None and self.one_in(10):
            pattern = [
                self.pick([n + 1 if self.one_in(20) else n, "_", self.dim(n)]) for n in y
            ]
            parts.append(f"expect: {written(pattern)}")
        name = f"n{len(self.lines)}"
        self.lines.append(f"{name}: {{{', '.join(parts)}}}")
        name = name if index is None else f"{name}[{index}]"
        if y is None:
            self.lines.append(f"after{len(self.lines)}: {{op: ReLU, from: {quoted(name)}}}")
            self.above = ""
            return True
        self.shapes[name] = y
        if op.startswith("MaxPool"):
            self.pools[name] = names[0]
        self.above = "" if index is not None else name
        self.last = name
        return True

    def opened(self, op: str, arguments: Arguments) -> Arguments:
        """The arguments with some written as ``auto``; the values drawn are a solution, as far as this node goes."""
        record = registry[op]
        fields = [
            field
            for field in AUTO
            if field in record.solvable and field in record.__struct_fields__
        ]
        if (
            "kernel_size" not in fields
            or not self.one_in(2)
            or isinstance(arguments.get("padding"), str)
        ):
            return arguments
        if "output_padding" in fields:
            fields += ["output_padding"] * 6
        shown = dict(arguments)
        for field in dict.fromkeys([self.pick(fields), self.pick(fields)]):
            value = arguments.get(field, 0 if "padding" in field else 1)
            values = value if isinstance(value, list) else [value] * self.axes
            if field == "ceil_mode":
                text, choices, free = "auto", 2, [True]
            else:
                least, most = (
                    min(values) - self.pick([0, 1, 2]),
                    max(values) + self.pick([0, 0, 1]),
                )
                least = max(least, record.solvable[field].least)
                free = [self.axes == 1 or not self.one_in(4) for _ in values]
                plain = field == "output_padding" and not self.one_in(4)
                text, choices = (
                    "auto" if plain else f"auto({least}..{most})",
                    3 if plain else most + 1 - least,
                )
            if choices ** sum(free) <= self.combinations and any(free):
                self.combinations //= choices ** sum(free)
                shown[field] = (
                    text if all(free) else [text if f else n for f, n in zip(free, values)]
                )
        return shown

    def use(self, block: str, layers: str, y: Shape, arguments: Arguments) -> None:
        """Write a use of a block whose output has the shape y."""
        self.blocks[block] = layers
        name = f"n{len(self.lines)}"
        parts = [
            f"op: {block}",
            *(f"{word}: {written(value)}" for word, value in arguments.items()),
        ]
        self.lines.append(f"{name}: {{{', '.join(parts)}, from: {quoted(self.last)}}}")
        self.shapes[name] = y
        self.last = self.above = name

    def text(self) -> str:
        inputs = [f"  {name}: {written(shape)}" for name, shape in self.inputs.items()]
        head = (
            [f"input: {written(self.inputs['input'])}"]
            if len(inputs) == 1
            else ["input:", *inputs]
        )
        if self.blocks:
            head += [
                "blocks:",
                *(f"  {name}: {layers}" for name, layers in self.blocks.items()),
            ]
        return "\n".join([*head, "layers:", *(f"  {line}" for line in self.lines)]) + "\n"

    def drawn(self) -> Drawn:
        return Drawn(self.text(), self.sizes)


# --- one operation -------------------------------------------------------------------------------------------


def convolution(s: Sketch) -> bool:
    arguments = {
        "out_channels": s.pick([1, 2, 3, 4]),
        "kernel_size": s.per_axis(1, 2, 3, 3, 3, 4, 5),
    }
    arguments |= s.some(
        stride=lambda: s.per_axis(1, 2, 2, 3), padding=lambda: s.per_axis(0, 1, 1, 2, 3)
    )
    if s.one_in(4):
        arguments["dilation"] = s.per_axis(1, 2, 3)
    if s.one_in(6):
        arguments |= {"padding": "same", "stride": 1}
    if s.one_in(6):
        arguments |= {"groups": 2, "out_channels": 4}
    if s.one_in(8):
        arguments["padding_mode"] = s.pick(["reflect", "replicate", "circular"])
    if s.one_in(8):
        arguments["in_channels"] = s.channels if s.is_map() and not s.one_in(6) else 3
    return s.put(f"Conv{s.axes}d", arguments)


def transposed(s: Sketch) -> bool:
    arguments = {"out_channels": s.pick([1, 2, 4]), "kernel_size": s.per_axis(1, 2, 2, 3, 3, 4)}
    arguments |= s.some(
        stride=lambda: s.per_axis(1, 2, 2, 2, 3), padding=lambda: s.per_axis(0, 1, 1, 2)
    )
    arguments |= s.some(output_padding=lambda: s.per_axis(0, 1, 1, 2))
    if s.one_in(6):
        arguments["dilation"] = s.per_axis(1, 2, 3)
    return s.put(f"ConvTranspose{s.axes}d", arguments)


def pooling(s: Sketch) -> bool:
    op = s.pick(["MaxPool", "MaxPool", "AvgPool", "LPPool"])
    kernel = s.per_axis(1, 2, 2, 3, 3, 4)
    arguments: Arguments = {"kernel_size": kernel} | s.some(
        stride=lambda: s.per_axis(1, 2, 2, 3), ceil_mode=lambda: s.pick([True, False])
    )
    if op == "LPPool":
        arguments |= {"norm_type": 2, "kernel_size": s.pick([1, 2, 3])}
    elif s.one_in(2):
        arguments["padding"] = s.per_axis(0, 1, 1, 2)
    if op == "MaxPool" and s.one_in(4):
        arguments["dilation"] = s.per_axis(1, 2, 3)
    return s.put(f"{op}{s.axes}d", arguments)


def pooling_to_size(s: Sketch) -> bool:
    if s.axes > 1 and s.one_in(3):
        by = s.pick(
            [{"output_ratio": s.pick([0.5, 0.7, 0.57])}, {"output_size": s.per_axis(1, 2, 3)}]
        )
        return s.put(f"FractionalMaxPool{s.axes}d", {"kernel_size": s.per_axis(1, 2, 3), **by})
    return s.put(
        f"Adaptive{s.pick(['Avg', 'Max'])}Pool{s.axes}d",
        {"output_size": s.per_axis(1, 2, 3, 7)},
    )


def padding(s: Sketch) -> bool:
    op = s.pick(
        ["ZeroPad", "ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad"]
    )
    amounts = [s.pick([0, 1, 1, 2, 3, -1, -2]) for _ in range(2 * s.axes)]
    arguments: Arguments = {"padding": amounts if s.one_in(2) else s.pick([1, 2, -1])}
    if op == "ConstantPad":
        arguments["value"] = 0.5
    return s.put(f"{op}{s.axes}d", arguments)


def resize(s: Sketch) -> bool:
    mode = s.pick(
        [
            "nearest",
            "nearest",
            "nearest-exact",
            "area",
            ["linear", "bilinear", "trilinear"][s.axes - 1],
        ]
    )
    arguments: Arguments = {"mode": mode} if mode != "nearest" or s.one_in(4) else {}
    nodes = [name for name in s.shapes if s.is_map(name)]
    if nodes and s.one_in(4):
        return s.put(
            s.pick(["Upsample", "Interpolate"]), arguments, None, {"size": s.pick(nodes)}
        )
    if s.one_in(3):
        size = s.per_axis(1, 3, 8, 10)
        if s.one_in(2):
            size = [s.dim(n) for n in s.shapes[s.pick(s.shapes)][-s.axes :]]
        return s.put(s.pick(["Upsample", "Interpolate"]), arguments | {"size": size})
    factors = s.per_axis(2, 2, 2.0, 0.5, 1.5, 0.7, 1.1, 3)
    return s.put(s.pick(["Upsample", "Interpolate"]), arguments | {"scale_factor": factors})


def crop(s: Sketch) -> bool:
    kind = s.pick(["Crop", "CenterCrop", "node", "Slice"])
    if kind == "Crop":
        return s.put("Crop", {"crop": s.per_axis(0, 1, 1, 2)})
    if kind == "node":
        return s.put(
            "CenterCrop",
            {},
            None,
            {"size": s.pick([n for n in s.shapes if s.is_map(n)] or s.shapes)},
        )
    if kind == "CenterCrop":
        size = [s.dim(max(n - s.pick([0, 1, 2, 3]), 0)) for n in s.shape[-s.axes :]]
        return s.put("CenterCrop", {"size": s.pick([size, 4, 1])})
    arguments = {
        "dim": s.pick([-1, -2, 2, 1]),
        "start": s.pick([0, 1, -4, -9, s.dim(2), s.dim(9)]),
    }
    stops = [5, -1, 40, None, s.dim(7), s.dim(s.shape[-1])]
    return s.put(
        "Slice", arguments | s.some(stop=lambda: s.pick(stops), step=lambda: s.pick([1, 2, 3]))
    )


def normalization(s: Sketch) -> bool:
    op = s.pick(
        [
            f"BatchNorm{s.axes}d",
            f"BatchNorm{s.axes}d",
            f"InstanceNorm{s.axes}d",
            "GroupNorm",
            "LayerNorm",
        ]
    )
    arguments: Arguments = {}
    if op == "GroupNorm":
        arguments["num_groups"] = s.pick([1, 2, 2, 3])
    elif op.startswith("InstanceNorm"):
        arguments |= {"num_features": s.pick([s.channels, 4]) if s.is_map() else 4}
        arguments |= s.some(affine=lambda: True, track_running_stats=lambda: True)
    return s.put(op, arguments)


def activation(s: Sketch) -> bool:
    return s.put(s.pick(ACTIVATIONS), {})


def rearrangement(s: Sketch) -> bool:
    """Channels against space, or parts of a map; the rank stays."""
    rank = len(s.shape)
    kind = s.pick(
        [
            "PixelShuffle",
            "PixelUnshuffle",
            "ChannelShuffle",
            "Chunk",
            "Chunk",
            "Transpose",
            "Permute",
            "GLU",
        ]
    )
    if kind == "Chunk":
        chunks = s.pick([2, 2, 3])
        arguments = {
            "chunks": chunks,
            "dim": s.pick([-1 - s.axes, -1, 0]),
            "index": s.pick(range(chunks)),
        }
        return s.put("Chunk", arguments)
    if kind == "Transpose":
        return s.put("Transpose", {"dim0": s.pick([-1, 1]), "dim1": s.pick([-2, 2])})
    if kind == "Permute":
        return s.put("Permute", {"dims": s.draw(st.permutations(range(rank)))})
    if kind == "GLU":
        return s.put("GLU", {"dim": s.pick([-1, 1])})
    field = {"PixelShuffle": "upscale_factor", "PixelUnshuffle": "downscale_factor"}.get(
        kind, "groups"
    )
    return s.put(kind, {field: 2})


def merge(s: Sketch) -> bool:
    """Any nodes, mostly of one rank."""
    rank = len(s.shape)
    others = (
        [name for name in s.shapes if len(s.shapes[name]) == rank]
        if not s.one_in(8)
        else list(s.shapes)
    )
    count = s.pick([1, 1, 1, 2])
    op = s.pick(["Concat", "Concat", "Add", "Mul", "Maximum", "Sub", "Stack", "MatMul"])
    arguments: Arguments = {}
    if op == "Concat" and (not s.batched or s.one_in(6)):
        arguments["dim"] = s.pick([0, 0, -1, 1])
    if op != "MatMul" and s.one_in(2):
        arguments["align"] = s.pick(["crop", "pad", "resize", "none"])
    return s.put(op, arguments, [s.last, *(s.pick(others) for _ in range(count))])


def tokens(s: Sketch) -> bool:
    """To another rank, and what works on the last dim."""
    rank = len(s.shape)
    kind = s.pick(
        [
            "Flatten",
            "Unflatten",
            "Reshape",
            "Mean",
            "Sum",
            "Squeeze",
            "Unsqueeze",
            "Linear",
            "Attention",
        ]
    )
    if kind == "Flatten":
        return s.put(
            "Flatten",
            s.some(
                start_dim=lambda: s.pick([0, 1, 2, -2]), end_dim=lambda: s.pick([-1, -2, 1])
            ),
        )
    if kind == "Unflatten":
        return s.put(
            "Unflatten",
            {
                "dim": s.pick([-1, 1, 0]),
                "unflattened_size": s.pick([[-1, 1], [2, -1], [1, -1, 2]]),
            },
        )
    if kind == "Reshape":
        wanted: list[Any] = [s.dim(n) for n in s.shape]
        cut = s.draw(st.integers(0, rank))
        wanted[cut:] = [-1] if s.one_in(2) else [1, *wanted[cut:]]
        return s.put("Reshape", {"shape": wanted})
    if kind in ("Mean", "Sum"):
        arguments = s.some(keepdim=lambda: True) | {"dim": s.pick([[-1, -2], -1, [2], 1])}
        return s.put(kind, arguments)
    if kind in ("Squeeze", "Unsqueeze"):
        return s.put(kind, {"dim": s.pick([0, 1, -1, 2])})
    if kind == "Linear":
        return s.put("Linear", {"out_features": s.pick([1, 2, 4, 8])})
    return s.put(
        "MultiheadAttention",
        {"num_heads": s.pick([1, 2]), "batch_first": s.pick([True, False])},
    )


def unpooling(s: Sketch) -> bool:
    """A max pool, a layer that keeps its shape, and the way back."""
    if not s.put(
        f"MaxPool{s.axes}d",
        {"kernel_size": 2} | s.some(stride=lambda: 2, ceil_mode=lambda: True),
    ):
        return False
    pool = s.last
    if pool not in s.pools:
        return True
    s.put(
        f"Conv{s.axes}d",
        {"out_channels": s.channels, "kernel_size": 3, "padding": s.pick([1, 1, 1, 0])},
    )
    return unpool(s, pool)


def unpool(s: Sketch, pool: str) -> bool:
    operands = {"indices": pool} | ({"output_size": s.pools[pool]} if s.one_in(2) else {})
    return s.put(f"MaxUnpool{s.axes}d", {"kernel_size": 2}, None, operands)


MAPS: tuple[Callable[[Sketch], bool], ...] = (
    convolution, convolution, transposed, pooling, pooling_to_size, padding, resize, crop, normalization, activation,
    rearrangement, merge, merge, unpooling,
)  # fmt: skip


def any_operation(s: Sketch) -> None:
    """One of all operations, an activation where three tries did not fit."""
    for _ in range(3):
        if s.pick((*MAPS, tokens) if s.is_map() else (tokens, tokens, merge, activation))(s):
            return
    activation(s)


# --- networks ------------------------------------------------------------------------------------------------


def graph(s: Sketch) -> None:
    """Any operations, each reading the one before or one further back."""
    for _ in range(s.draw(st.integers(2, 12))):
        if s.one_in(5):
            s.last = s.pick(s.shapes)
        any_operation(s)


def residual(s: Sketch) -> None:
    """A residual block, used several times: its own input comes by the name ``input``."""
    kernel = s.pick([1, 3, 3, 5])
    layers = (
        "{args: {kernel: null, channels: null}, layers: {"
        f'conv: {{op: Conv{s.axes}d, out_channels: "${{channels}}", kernel_size: "${{kernel}}", '
        'padding: "${kernel // 2}"}, act: ReLU, add: {op: Add, from: [act, input]}}}'
    )
    if s.is_map() and min(s.shape) > 0:
        s.use(
            "residual",
            layers,
            s.shape,
            {"kernel": kernel, "channels": s.channels, "repeat": s.pick([1, 2, 3])},
        )


def stage(s: Sketch) -> None:
    """The layers of one level: a few of those that keep a map a map, with residual and dense skips."""
    for _ in range(s.draw(st.integers(0, 2))):
        before = s.last
        kind = s.pick(["conv", "conv", "any", "norm", "residual", "dense"])
        if kind == "residual":
            residual(s)
        elif kind == "any":
            s.pick((convolution, padding, crop, normalization, activation, unpooling))(s)
        elif kind == "norm":
            normalization(s)
        else:
            padded = s.pick([{"padding": 1}, {"padding": 1}, {"padding": "same"}, {}])
            s.put(
                f"Conv{s.axes}d", {"out_channels": s.pick([2, 4]), "kernel_size": 3, **padded}
            )
            if kind == "dense" and before != s.last:
                s.put("Concat", {} if s.batched else {"dim": 0}, [s.last, before])
        if not s.is_map():
            s.last = before


def down(s: Sketch) -> None:
    before = s.last
    kind = s.pick(["max", "max", "pool", "conv", "unshuffle"])
    if kind == "max":
        s.put(f"MaxPool{s.axes}d", {"kernel_size": 2} | s.some(ceil_mode=lambda: True))
    elif kind == "pool":
        pooling(s)
    elif kind == "conv":
        padded = {"padding": s.pick([0, 1])}
        s.put(
            f"Conv{s.axes}d",
            {
                "out_channels": s.pick([2, 4]),
                "kernel_size": s.pick([2, 3, 4]),
                "stride": 2,
                **padded,
            },
        )
    elif s.axes == 2:
        s.put("PixelUnshuffle", {"downscale_factor": 2})
    if not s.is_map():
        s.last = before


def up(s: Sketch, skip: str, pool: str) -> None:
    """One of the ways back to the size of a skip, those that take it from the skip included."""
    kind = s.pick(
        [
            "transposed",
            "transposed",
            "output_size",
            "scale",
            "size",
            "size",
            "unpool",
            "shuffle",
        ]
    )
    arguments: Arguments = {
        "out_channels": s.pick([1, 2, 4]),
        "kernel_size": s.pick([2, 2, 3, 4]),
        "stride": 2,
    }
    if s.one_in(2):
        arguments |= {"padding": s.pick([0, 1]), "output_padding": s.per_axis(0, 1)}
    if kind == "transposed":
        s.put(f"ConvTranspose{s.axes}d", arguments)
    elif kind == "output_size":
        s.put(f"ConvTranspose{s.axes}d", arguments, None, {"output_size": skip})
    elif kind == "scale":
        s.put(s.pick(["Upsample", "Interpolate"]), {"scale_factor": 2})
    elif kind == "unpool" and pool in s.pools:
        s.put(f"Conv{s.axes}d", {"out_channels": s.shapes[pool][-1 - s.axes], "kernel_size": 1})
        unpool(s, pool)
    elif kind == "shuffle" and s.axes == 2:
        s.put("PixelShuffle", {"upscale_factor": 2})
    else:
        s.put(s.pick(["Upsample", "Interpolate"]), {}, None, {"size": skip})


def meet(s: Sketch, skip: str) -> None:
    """Merge with a skip: as it is, aligned, padded or cropped by hand, or gated."""
    have, want = s.shape[-s.axes :], s.shapes[skip][-s.axes :]
    kind = s.pick(["none", "none", "align", "align", "pad", "crop", "gate"])
    if kind == "pad":
        amounts = [
            part
            for n, m in zip(have[::-1], want[::-1])
            for part in ((m - n) // 2, (m - n) - (m - n) // 2)
        ]
        s.put(f"ZeroPad{s.axes}d", {"padding": amounts})
    decoder = s.last
    if kind == "crop":
        s.last = skip
        s.put("CenterCrop", {}, None, {"size": decoder})
        skip = s.last
    op = s.pick(["Concat", "Concat", "Concat", "Add", "Maximum"])
    arguments: Arguments = (
        {"align": s.pick(["crop", "pad", "resize"])} if kind == "align" else {}
    )
    if op == "Concat" and not s.batched:
        arguments["dim"] = 0
    if op != "Concat" and s.shapes[decoder][-1 - s.axes] != s.shapes[skip][-1 - s.axes]:
        s.last = decoder
        s.put(f"Conv{s.axes}d", {"out_channels": s.shapes[skip][-1 - s.axes], "kernel_size": 1})
        decoder = s.last
    if kind == "gate":
        s.last = decoder
        s.put(f"Conv{s.axes}d", {"out_channels": 1, "kernel_size": 1})
        s.put("Mul", {}, [s.last, skip])
        skip = s.last if s.last != decoder else skip
    s.last = decoder
    s.put(op, arguments, [decoder, skip])


def encoder_decoder(s: Sketch) -> None:
    """A U-Net: levels down, the same levels up, each up-layer meeting the skip of its level."""
    skips = []
    for _ in range(s.draw(st.integers(1, DEPTH[s.axes]))):
        stage(s)
        skip = s.last
        down(s)
        skips.append((skip, s.last))
    stage(s)
    for skip, pool in reversed(skips):
        up(s, skip, pool)
        if not s.one_in(8):
            meet(s, skip)
        stage(s)
    if s.one_in(3):
        any_operation(s)


@st.composite
def networks(draw: Draw) -> Drawn:
    """A network of either kind."""
    s = Sketch(draw)
    s.pick([encoder_decoder, encoder_decoder, graph])(s)
    if not s.lines:
        s.put("Identity", {})
    return s.drawn()


@st.composite
def networks_to_solve(draw: Draw) -> Drawn:
    """An encoder and decoder with ``auto`` arguments, of at most 600 combinations, and an output that may not be met.

    A third of the networks get other sizes than those that were followed.
    """
    s = Sketch(draw, combinations=600)
    encoder_decoder(s)
    wanted = [n + 1 if s.one_in(12) else s.pick([n, "_"]) for n in s.shape]
    s.lines.append(f"end: {{op: Identity, from: {quoted(s.last)}, expect: {written(wanted)}}}")
    if s.one_in(3):
        s.sizes = {symbol: n + s.pick([0, 1, 2, -1]) for symbol, n in s.sizes.items()}
    return s.drawn()
