"""The base class of operations, and what their methods give.

One operation is one class: its name is the torch class, its fields are torch's arguments and at once the
YAML keys, the JSON Schema and the ``tracer ops`` page. To add one, write the class in the file of its family
and decorate it with :func:`operation`; nothing else changes.

Shapes are tuples of dims in torch's order. ``shape`` never judges and never branches on a dim; what torch
refuses is yielded by ``legal`` (wrong whatever the input) and ``requirements`` (wrong for this input).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import msgspec

from tracer.ops.calls import Own, Tensor, Term
from tracer.ops.windows import POINTWISE, Seen, Window, seen_through
from tracer.sizing.arithmetic import Dim, Holds
from tracer.sizing.symbol import Size

Shape = tuple[Dim, ...]
"""A tensor's shape in torch's order, for instance (N, C, H, W)."""

Ints = int | tuple[int, ...]
"""An int for every axis, or one int per axis."""

NodeName = Annotated[str, msgspec.Meta(description="the name of a node")]
"""A size or indices taken from another node at run time: an edge of the graph too."""

InputName = Annotated[str | int, msgspec.Meta(description="the name of an input")]
"""One of the inputs: its name in a config, its number from 0 in a network."""

Autocast = Literal["widest", "lower", "float32"]

MAX_INT = 2**31 - 1


class Requirement(NamedTuple):
    """A condition that must hold, and the report where it doesn't."""

    holds: Holds
    """A bool, an array of bools, or a Condition."""
    code: str
    """The diagnostic's code, T2xx for arguments and T3xx for shapes."""
    field: str | None
    """The argument at fault (None: the operation itself, or its input)."""
    message: str | Callable[..., str]
    """One sentence. A callable runs only where the condition fails, and takes a name for each of ``inputs``."""
    hint: str | None = None
    dim: int | None = None
    """The dim that it is about, counted in the input's shape (a merge's in the longest one's)."""
    inputs: tuple[int, ...] = ()
    """The numbers of the inputs that it is about, from 0; none: all of them."""

    def text(self, names: Sequence[str] = ()) -> str:
        """The message; ``names`` are those of all inputs. Without them the first is called "input 1".

        >>> Requirement(False, "T303", None, lambda name: f"{name} is a scalar", inputs=(1,)).text()
        'input 2 is a scalar'
        """
        if isinstance(self.message, str):
            return self.message
        return self.message(*(names[i] if names else f"input {i + 1}" for i in self.inputs))


Requirements = Iterator[Requirement]


class Kept(NamedTuple):
    """The maps and numbers of an operation that autograd keeps from the forward pass to the backward pass."""

    inputs: tuple[int, ...] = ()
    """The numbers of the inputs that are kept, from 0."""
    output: bool = False
    values: Dim = 0
    """Further numbers of the maps' type: statistics, masks, intermediate maps."""
    indices: Dim = 0
    """Further 64-bit integers."""


NOTHING_KEPT = Kept()
KEPT = {
    "nothing": NOTHING_KEPT,
    "input": Kept((0,)),
    "output": Kept(output=True),
    "both": Kept((0,), output=True),
}
"""What autograd keeps of an operation of one input, by the maps."""


LOSSES = frozenset({"T501", "T502"})
"""Remarks about what is lost: rows that a stride drops, an uneven crop."""


class Auto(NamedTuple):
    """The values of an argument that may be ``auto``."""

    least: int = 1
    """The least value that torch takes."""
    default: int | str = 1
    """torch's default, or the argument whose value it is."""
    per_side: bool = False
    """Two values per axis, before and after, rather than one."""
    is_free: bool = False
    """No value is nearer to torch's than another: what a cut takes off."""
    width: int = 16
    """The number of values that are tried where the ``auto`` names none and torch does not bound them."""


FROM_0 = Auto(least=0, default=0)
FROM_1 = Auto()


def autos(**arguments: Auto) -> Mapping[str, Auto]:
    """The arguments that an operation lets be ``auto``, for :attr:`Op.solvable`."""
    return arguments


class Op(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every operation, the built-in ones and a user's own."""

    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    """Least and largest number of inputs (None: no limit). Node-valued arguments don't count."""
    node_fields: ClassVar[tuple[str, ...]] = ()
    """Arguments that may name a node; that node's shape reaches the methods under the argument's name."""
    as_others: ClassVar[Mapping[str, str]] = {}
    """Arguments that are as large as another one where they are not said, with that one."""
    input_fields: ClassVar[tuple[str, ...]] = ()
    """Arguments that name one of the inputs; the record has its number, from 0."""
    dim_fields: ClassVar[tuple[str, ...]] = ()
    """Arguments that are, or list, dims which may be written over the input's symbols, such as ``H // 2``."""

    signed: ClassVar[tuple[str, ...]] = ()
    """Those of them that are no sizes, and may be negative."""
    per_call: ClassVar[tuple[str, ...]] = ()
    """Arguments of a call, which the torch.nn module is not made with: nodes that share weights may differ in them."""
    solvable: ClassVar[Mapping[str, Auto]] = autos()
    """Arguments that may be ``auto``."""
    positional: ClassVar[tuple[str, ...]] = ()
    """The arguments in the order in which torch's class takes them; empty where that is the order of the fields."""
    fixed_window: ClassVar[bool] = False
    """``window`` needs no more of the inputs than the first one's number of dims."""
    keeps: ClassVar[Literal["nothing", "input", "output", "both"]] = "nothing"
    """The map that autograd keeps where the input needs a gradient; ``kept`` is for more than that."""
    hands_on: ClassVar[Literal["nothing", "first", "all"]] = "nothing"
    """The inputs whose gradient lies in the memory of the output's gradient: none is made for them."""
    autocast: ClassVar[Autocast] = "widest"
    """The type in which torch.autocast runs it on a GPU: the inputs' widest, the lower one, or float32."""

    memory_is_known: ClassVar[bool] = True
    """Whether ``kept`` and ``backward_extra`` say what training keeps and makes."""

    @classmethod
    def meaning(cls, field: str, text: str, arguments: Mapping[str, Any]) -> str | None:
        """What to write for a text that another tool takes for an argument; None where nothing is known of it.

        ``arguments`` are those that are written; one that is solved for is the text ``auto``.
        """
        return None

    def legal(self) -> Requirements:
        """The conditions on the arguments alone: a value's range, a tuple's length."""
        return iter(())

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        """The conditions on inputs of these shapes, in the order in which they are reported.

        Only the first one that does not hold is reported, so a later one may rely on the earlier.
        """
        return iter(())

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        """The output's shape, for inputs that meet the requirements."""
        return x[0]

    def symbols_restrict(self, *x: Shape) -> bool:
        """On symbols this operation refuses some sizes that torch takes (Squeeze: a dim of 1)."""
        return False

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        """Conditions on inputs that meet the requirements; one that does not hold is a warning.

        ``LOSSES``: no row dropped by a stride, no uneven crop (T501, T502). The others: backends beside the CPU and
        the training mode take these inputs too (T506, T507).
        """
        return iter(())

    def last_indices(self, *x: Shape) -> tuple[Dim, ...] | None:
        """The largest position along each spatial axis that its indices name; None where it gives no indices."""
        return None

    def sees_everywhere(self) -> bool:
        """Each of its windows has a tap in the input, so that an index is a place of it."""
        return True

    def takes_indices(self, pool: Op, pooled: Shape, *x: Shape, **sizes: Shape) -> Requirements:
        """The conditions on the indices that ``pool`` gives of a map of the shape ``pooled``."""
        return iter(())

    def inferred(self, *x: Shape) -> dict[str, Any]:
        """The arguments that torch needs and that the inputs give where they are left out."""
        return {}

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        """The output, as torch computes it of its inputs and of nodes that give an argument: its own torch.nn module.

        Arguments that are dims over symbols are terms here.
        """
        return Own(x)

    def parameters(self, *x: Shape) -> Dim:
        """Number of learnable parameters."""
        return 0

    def runs_in(self) -> Autocast:
        """The type in which torch.autocast runs it with these arguments."""
        return self.autocast

    def buffers(self, *x: Shape) -> Dim:
        """Number of elements that it has besides, and that are not learned: running statistics."""
        return 0

    def macs(self, y: Shape, *x: Shape) -> Dim:
        """Multiply-accumulate operations of one forward pass: torch's FlopCounterMode counts two FLOPs each."""
        return 0

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        """The maps and numbers that autograd keeps on the CPU; ``needs``: whether each input needs a gradient.

        The inputs' shapes have the strides of views: see :class:`tracer.ops.rearrange.LaidShape`.
        """
        return KEPT[self.keeps] if any(needs) else NOTHING_KEPT

    def forward_extra(self, y: Shape, *x: Shape) -> Dim:
        """The count of numbers that its call makes on the way to the map and frees, where it is several of torch's."""
        return 0

    def backward_first(
        self,
        y: Shape,
        needs: Sequence[bool],
        *x: Shape,
    ) -> Dim:
        """The count of numbers that its backward makes at most at once before its inputs' gradients, and frees."""
        return 0

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        """The count of numbers, of its map's type, that its backward makes beside the gradients, at most at once."""
        return 0

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        """The strides of the output, in elements, where it lies in the input's memory; None where it is a new map.

        It lies there where it is a view, and where the input is written over or passed on.
        """
        return None

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        """The input positions that an output position sees along a dim of ``x[0]`` and of the output.

        None: all of them, or the dim is another one in the output. Never branches on a dim.
        """
        return POINTWISE

    def sees(self, dim: int, *x: Shape, **sizes: Shape) -> Seen | None:
        """The input positions along a dim that each output position is made of, borders ignored; None: all of them.

        Asked with ints only.
        """
        window = self.window(dim, *x, **sizes)
        return None if window is None else seen_through(window)

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        """Whether a position along a dim follows from what it sees alone, wherever in the map it lies.

        Not so where the map's statistics, its other end, or the position's number come in. Asked with ints only.
        """
        return True

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        """The dim of ``x[0]`` that is a dim of the output, where dims are moved; None for a new one."""
        return dim

    def grid_needs_numbers(self) -> bool:
        """True where the grid behind it is exact for numbers only, and for symbols where their sizes divide."""
        return False

    def leading_dims(self, *x: Shape) -> int | None:
        """The number of dims before the spatial ones: 2, or 1 for an unbatched input; None where any rank is taken."""
        return None


registry: dict[str, type[Op]] = {}
"""Every operation by its name in YAML."""

T = TypeVar("T", bound=type[Op])


def operation(cls: T) -> T:
    """Register an operation under its class name. A second one of that name is refused."""
    if cls.__name__ in registry:
        raise ValueError(f"the operation {cls.__name__} is registered twice")
    registry[cls.__name__] = cls
    return cls


def value_count(op: Op, field: str) -> int:
    """The number of values of a solvable argument that is written out."""
    axes = int(getattr(op, "axes", 1))
    return 2 * axes if op.solvable[field].per_side else axes


def default_value(op: Op, field: str, axis: int, open_fields: frozenset[str]) -> int:
    """torch's default of a solvable argument, where the arguments in ``open_fields`` have no value yet.

    >>> from tracer.ops.pooling import MaxPool2d
    >>> default_value(MaxPool2d(kernel_size=2), "stride", 0, frozenset())
    2
    """
    default = op.solvable[field].default
    if isinstance(default, int):
        return default
    if default in open_fields:
        return 1
    return per_axis(argument(op, default), int(getattr(op, "axes", 1)))[axis]


def may_be_negative(op: Op, field: str) -> bool:
    """True for an argument that takes negative numbers: an amount, and no size."""
    auto = op.solvable.get(field)
    return field in op.signed or (auto is not None and auto.least < 0)


def per_axis(value: Ints, axes: int) -> tuple[int, ...]:
    """One value per axis from an int, a tuple of one per axis, or a tuple of one for all.

    >>> per_axis(3, 2), per_axis((1, 2), 2)
    ((3, 3), (1, 2))
    """
    if isinstance(value, tuple):
        return value if len(value) == axes else value * axes
    return (value,) * axes


HOLDS = Requirement(True, "", None, "")
"""A requirement that is met, for the common case."""


def in_range(field: str, value: Any, least: int, largest: int = MAX_INT) -> Requirement:
    """Every number of an int-or-tuple argument lies in [least, largest]."""
    if isinstance(value, int) and least <= value <= largest:
        return HOLDS
    numbers = value if isinstance(value, tuple) else (value,)
    bad = [v for v in numbers if isinstance(v, (int, float)) and not least <= v <= largest]
    holds: Holds = not bad
    for v in numbers:
        if isinstance(v, Size):  # an auto that is being solved
            holds = holds & (v >= least) & (v <= largest)

    def message() -> str:
        bound = f"at least {least}" if not bad or bad[0] < least else f"at most {largest}"
        return f"{field} is {written(value)}; torch needs {bound}"

    return Requirement(holds, "T202", field, message)


def has_length(field: str, value: Any, *lengths: int) -> Requirement:
    """A tuple argument has one of these lengths (an int holds for every axis)."""
    if not isinstance(value, tuple) or len(value) in lengths:
        return HOLDS

    def message() -> str:
        wanted = " or ".join(map(str, lengths))
        counted = "1 value" if len(value) == 1 else f"{len(value)} values"
        return (
            f"{field} has {counted}, {written(value)}; it takes an integer or {wanted} values"
        )

    return Requirement(False, "T203", field, message)


def has_rank(x: Shape, *ranks: int, batched: str = "") -> Requirement:
    """The input has one of these numbers of dims."""
    if len(x) in ranks:
        return HOLDS
    return Requirement(
        False,
        "T303",
        None,
        lambda: (
            f"takes an input of {' or '.join(map(str, ranks))} dims{batched}; {written(x)} has {len(x)}"
        ),
    )


def is_filled(x: Shape, dim: int, holds: Holds | None = None) -> Requirement:
    """T302: a dim of the input is not 0; ``holds`` where more inputs than those pass."""
    return Requirement(
        x[dim] >= 1 if holds is None else holds,
        "T302",
        None,
        lambda: f"the input {written(x)} is empty",
        dim=dim,
    )


def has_channels(x: Shape, dim: int, holds: Holds | None = None) -> Requirement:
    """T204: the dim of the channels is not 0; ``holds`` where more inputs than those pass."""
    return Requirement(
        x[dim] >= 1 if holds is None else holds,
        "T204",
        None,
        lambda: f"the input {written(x)} has no channels",
        dim=dim,
    )


def no_dropped_rows(
    x: Shape, dim: int, extent: int, stride: int, padding: tuple[int, int]
) -> Requirement:
    """T501: a strided window reaches the end of dim ``dim``.

    Padding that no window reaches is no loss, and neither are rows between windows that lie apart (a 1x1
    convolution of stride 2 skips every other row anyway).
    """
    left, right = padding
    rest = (x[dim] + left + right - extent) % stride
    slack = right + max(stride - extent, 0)

    def message() -> str:
        lost = rest - slack
        rows = "row" if lost == 1 else f"{lost} rows"
        return f"the stride {stride} drops the last {rows} of {x[dim]} in dim {dim}"

    return Requirement(rest <= slack, "T501", "stride", message, dim=dim)


def written(value: Any) -> str:
    """A value or shape as YAML has it.

    >>> written((1, 64, 8, 8)), written(True), written(None)
    ('[1, 64, 8, 8]', 'true', 'null')
    """
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(written(v) for v in value)}]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@cache
def fields_of(cls: type[Op]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a class; msgspec works them out anew each time, which takes longer than a trace."""
    return msgspec.structs.fields(cls)


def given_arguments(op: Op) -> dict[str, Any]:
    """The arguments of an operation that differ from torch's defaults, for display and JSON.

    >>> from tracer.ops.pooling import MaxPool2d
    >>> given_arguments(MaxPool2d(kernel_size=2, padding=0))
    {'kernel_size': 2}
    """
    found: dict[str, Any] = {}
    for field in fields_of(type(op)):
        value = getattr(op, field.name)
        if field.default is msgspec.NODEFAULT or value != field.default:
            found[field.encode_name] = value
    return found


def argument(op: Op, name: str) -> Any:
    """The value of an argument, by its name in YAML."""
    cls = type(op)
    return getattr(op, cls.__struct_fields__[cls.__struct_encode_fields__.index(name)])


def with_arguments(op: Op, arguments: dict[str, Any]) -> Op:
    """The operation with some arguments replaced, by their names in YAML. Nothing is checked."""
    cls = type(op)
    attribute = dict(zip(cls.__struct_encode_fields__, cls.__struct_fields__))
    return msgspec.structs.replace(
        op, **{attribute[name]: value for name, value in arguments.items()}
    )
