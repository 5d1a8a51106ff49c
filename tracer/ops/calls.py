"""Operations as torch computes them, in terms that know nothing of torch.

A term is a tensor, a number known at run time (a dim of a tensor), or a call of a torch function by its name. The
torch bridge turns the same terms into a graph and into the source of a module; nothing here is ever evaluated as code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Term:
    """Something that exists when the network runs. Arithmetic on terms gives terms."""

    def __add__(self, other: Any) -> Term:
        return Call("operator.add", (self, other))

    def __radd__(self, other: Any) -> Term:
        return Call("operator.add", (other, self))

    def __sub__(self, other: Any) -> Term:
        return Call("operator.sub", (self, other))

    def __rsub__(self, other: Any) -> Term:
        return Call("operator.sub", (other, self))

    def __mul__(self, other: Any) -> Term:
        return Call("operator.mul", (self, other))

    def __rmul__(self, other: Any) -> Term:
        return Call("operator.mul", (other, self))

    def __floordiv__(self, other: Any) -> Term:
        return Call("operator.floordiv", (self, other))

    def __rfloordiv__(self, other: Any) -> Term:
        return Call("operator.floordiv", (other, self))


class Tensor(Term):
    """A tensor with a known number of dims: an input of the operation, or what a call gives."""

    def __init__(self, value: Any, rank: int) -> None:
        self.value = value
        """The bridge's own key of an input, or the call that gives it."""
        self.rank = rank

    def size(self, dim: int) -> Term:
        """The size of a dim when the network runs."""
        return DimOf(self, dim)


class DimOf(Term):
    """``tensor.shape[dim]``."""

    def __init__(self, tensor: Tensor, dim: int) -> None:
        self.tensor = tensor
        self.dim = dim


class Call(Term):
    """``function(*arguments, **keywords)``; the function by its full name, such as ``torch.cat``."""

    def __init__(
        self, function: str, arguments: Sequence[Any], keywords: dict[str, Any] | None = None
    ) -> None:
        self.function = function
        self.arguments = tuple(arguments)
        self.keywords = keywords or {}


class Own(Term):
    """The operation's own torch.nn module, called."""

    def __init__(
        self, arguments: Sequence[Any], keywords: dict[str, Any] | None = None
    ) -> None:
        self.arguments = tuple(arguments)
        self.keywords = keywords or {}


class Learned(Term):
    """A tensor that the module has: a parameter, or a buffer where the node's are constants."""

    def __init__(self, shape: Sequence[int], dtype: str = "float32") -> None:
        self.shape = tuple(shape)
        self.dtype = dtype

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers or truth values, which have no gradient."""
        return not self.dtype.startswith(("float", "bfloat", "complex"))


class Item(Term):
    """One of several things that a call gives: ``value[index]``."""

    def __init__(self, value: Term, index: int) -> None:
        self.value = value
        self.index = index


class Sliced(Term):
    """``tensor[:, :, start:stop:step]``, along one dim."""

    def __init__(self, tensor: Tensor, dim: int, start: Any, stop: Any, step: int) -> None:
        self.tensor = tensor
        self.dim = dim
        self.start = start
        self.stop = stop
        self.step = step


class Dtype(Term):
    """``torch.float32``."""

    def __init__(self, name: str) -> None:
        self.name = name


class Device(Term):
    """The device of the network's tensors when it runs."""


def inner_terms(term: Any) -> Iterator[Term]:
    """A term and all terms that it consists of, those in lists too; none of a number.

    >>> [type(one).__name__ for one in inner_terms(Call("torch.relu", [Tensor(Own([]), 4)]))]
    ['Call', 'Tensor', 'Own']
    """
    if isinstance(term, (list, tuple)):
        for one in term:
            yield from inner_terms(one)
    elif isinstance(term, Term):
        yield term
        for part in vars(term).values():
            yield from inner_terms(part)
    elif isinstance(term, dict):
        yield from inner_terms(list(term.values()))


def narrow(x: Tensor, dim: int, start: Any, length: Any) -> Tensor:
    """``length`` positions of a dim, from ``start`` on."""
    return Tensor(Call("torch.narrow", (x, dim, start, length)), x.rank)


def centre_cropped(x: Tensor, wanted: Mapping[int, Any]) -> Tensor:
    """The middle of each dim, cut at (have - want) // 2."""
    cropped = x
    for dim, want in wanted.items():
        cropped = narrow(cropped, dim, (x.size(dim) - want) // 2, want)
    return cropped


def at_least_zero(size: Term) -> Term:
    """A size, or 0 where it is negative."""
    return Call("builtins.max", (size, 0))


def zero_padded(x: Tensor, amounts: Mapping[int, tuple[Any, Any]]) -> Tensor:
    """Zeros before and after each dim; torch.nn.functional.pad lists the last dim first."""
    if not amounts:
        return x
    order: list[Any] = []
    for dim in range(x.rank - 1, min(amounts) - 1, -1):
        order += amounts.get(dim, (0, 0))
    return Tensor(Call("torch.nn.functional.pad", (x, order)), x.rank)


def interpolated(x: Tensor, size: list[Any], keywords: dict[str, Any]) -> Tensor:
    """torch.nn.functional.interpolate to a size."""
    return Tensor(
        Call("torch.nn.functional.interpolate", (x,), {"size": size, **keywords}), x.rank
    )
