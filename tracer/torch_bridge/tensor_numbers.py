"""The numbers in small tensors that a forward makes of sizes: ``torch.tensor([h, w])``, and what it computes of them.

Beside such a tensor stands an array of the sizes that the program sees, so that what is read back is still a size.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
import torch

from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.torch_bridge.calls_made import MadeCall, tensors_in
from tracer.torch_bridge.tensors import ByIdentity, Tensors, memory_of

Numbers = Any
"""An array of numbers, which may be sizes."""

MOST = 64
"""Numbers of a tensor that is followed."""

MAKING = {"tensor", "as_tensor", "scalar_tensor", "new_tensor"}
"""Functions that make a tensor of numbers."""

CONVERTING = {
    "to", "type", "type_as", "long", "int", "short", "float", "double", "half", "bfloat16",
    "clone", "detach", "contiguous", "cpu", "cuda",
}  # fmt: skip
"""Functions that leave the numbers, or make them another type's."""

MOVING = {
    "__getitem__", "__iter__", "view", "reshape", "flatten", "unsqueeze", "squeeze", "stack", "cat", "concat",
    "concatenate", "hstack", "permute", "transpose", "t", ".T", "flip", "expand", "repeat", "unbind", "chunk",
    "split", "select", "narrow", "roll",
}  # fmt: skip
"""Functions that put numbers into other places."""


def larger(a: Any, b: Any) -> Any:
    """The larger one of two numbers."""
    if isinstance(a, RunTimeSize) and isinstance(b, int):
        return a.at_least(b)
    if isinstance(b, RunTimeSize) and isinstance(a, int):
        return b.at_least(a)
    return a if a >= b else b


def smaller(a: Any, b: Any) -> Any:
    """The smaller one of two numbers."""
    if isinstance(a, RunTimeSize) and isinstance(b, int):
        return a.at_most(b)
    if isinstance(b, RunTimeSize) and isinstance(a, int):
        return b.at_most(a)
    return a if a <= b else b


OF_TWO: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "subtract": operator.sub,
    "rsub": lambda a, b: b - a,
    "mul": operator.mul,
    "multiply": operator.mul,
    "div": operator.truediv,
    "divide": operator.truediv,
    "truediv": operator.truediv,
    "true_divide": operator.truediv,
    "rdiv": lambda a, b: b / a,
    "rtruediv": lambda a, b: b / a,
    "floordiv": operator.floordiv,
    "floor_divide": operator.floordiv,
    "rfloordiv": lambda a, b: b // a,
    "mod": operator.mod,
    "remainder": operator.mod,
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "maximum": larger,
    "minimum": smaller,
}
"""Functions of two numbers, by the name without underscores."""

OF_ONE: Mapping[str, Callable[[Any], Any]] = {
    "neg": operator.neg,
    "negative": operator.neg,
    "abs": abs,
    "floor": lambda n: n.__floor__(),
    "ceil": lambda n: n.__ceil__(),
    "trunc": lambda n: n.__trunc__(),
    "round": lambda n: n.__round__(),
}
"""Functions of one number."""

OF_ALL: Mapping[str, Callable[[Any, Any], Any]] = {
    "sum": operator.add,
    "prod": operator.mul,
    "max": OF_TWO["maximum"],
    "min": OF_TWO["minimum"],
    "amax": OF_TWO["maximum"],
    "amin": OF_TWO["minimum"],
    "any": lambda a, b: bool(a) or bool(b),
    "all": lambda a, b: bool(a) and bool(b),
}
"""Functions that make one number of all."""

READING: Mapping[str, Callable[[Any], Any]] = {
    "item": lambda n: n,
    "__int__": lambda n: n.__trunc__(),
    "__index__": lambda n: n,
    "__float__": lambda n: n,
    "__bool__": bool,
    "is_nonzero": bool,
}
"""Functions that give the one number of a tensor to the program."""

TAKES_SIZES = {
    "view", "reshape", "expand", "repeat", "tile", "narrow", "select", "unflatten", "roll", "pad",
    "interpolate", "new_zeros", "new_ones", "new_full", "new_empty",
}  # fmt: skip
"""Functions of a tensor behind which numbers come."""

MAKES_BY_SIZES = {
    "zeros", "ones", "full", "empty", "rand", "randn", "arange", "linspace", "eye", "tensor", "as_tensor",
}  # fmt: skip
"""Functions of numbers alone."""

JOINS = {
    "cat",
    "concat",
    "concatenate",
    "stack",
    "hstack",
    "vstack",
    "meshgrid",
    "broadcast_tensors",
}
"""Functions that take tensors in a list."""


class TensorNumbers:
    """The numbers that are known of the tensors of one recorded forward."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.known: ByIdentity[Numbers] = ByIdentity()

    # --- what is read ------------------------------------------------------------------------------------------------

    def read(self, call: MadeCall) -> list[Any]:
        """What a function reads out of a tensor, alone in a list; nothing where the numbers are not known."""
        several = self._all_of(call.given())
        if not several:
            return []
        numbers = several[0]
        if call.name == "tolist":
            return [numbers.tolist()]
        if call.name == "equal" and len(several) == 2:
            same = numbers.shape == several[1].shape
            return [same and all(map(operator.eq, numbers.flat, several[1].flat))]
        if call.name in READING and numbers.size == 1:
            return [READING[call.name](numbers.item())]
        return []

    def _all_of(self, given: Sequence[torch.Tensor]) -> list[Numbers]:
        """The numbers of each tensor; none where those of one are not known."""
        several = [self.of(tensor) for tensor in given]
        return [] if any(numbers is None for numbers in several) else several

    def of(self, tensor: torch.Tensor) -> Numbers | None:
        """The numbers of a tensor; those of a constant are its own."""
        known = self.known.get(tensor)
        if known is not None:
            return known
        is_constant = tensor.device.type != "meta" and not isinstance(
            tensor, torch.nn.Parameter
        )
        if not is_constant or tensor.numel() > MOST or self.tensors.is_made(tensor):
            return None
        with torch._C.DisableTorchFunction():
            return _array(tensor.tolist())

    def given(self, call: MadeCall) -> MadeCall:
        """The call with numbers in the place of tensors that stand where torch takes sizes."""
        if call.name in JOINS:
            return call
        is_made = call.name in MAKES_BY_SIZES
        takes = is_made or call.name in TAKES_SIZES

        def argument(value: Any, place: int) -> Any:
            if isinstance(value, torch.Tensor):
                return self._number(value) if takes and (is_made or place) else value
            return self._numbers_in(value)

        args = [argument(value, place) for place, value in enumerate(call.args)]
        kwargs = {word: argument(value, 1) for word, value in call.kwargs.items()}
        return call._replace(args=tuple(args), kwargs=kwargs)

    def _numbers_in(self, value: Any) -> Any:
        """A list or a slice with numbers for its tensors; anything else as it is."""
        if isinstance(value, slice):
            ends = (value.start, value.stop, value.step)
            return slice(*map(self._number, ends)) if tensors_in(value) else value
        if isinstance(value, (list, tuple)) and tensors_in(value):
            return type(value)(map(self._numbers_in, map(self._number, value)))
        return value

    def _number(self, value: Any) -> Any:
        """The number of a tensor that is known to hold one."""
        known = self.known.get(value) if isinstance(value, torch.Tensor) else None
        return known.item() if known is not None and known.size == 1 else value

    # --- what is computed --------------------------------------------------------------------------------------------

    def note(self, call: MadeCall, result: Any) -> None:
        """Note the numbers of what a function gives, where they are known."""
        made = tensors_in(result)
        is_small = all(tensor.numel() <= MOST for tensor in made)
        several = (self._computed(call) or []) if is_small else []
        if call.changes_first() and call.given():
            self._forget(memory_of(call.given()[0]))
        for tensor, numbers in zip(made, several):
            if numbers.shape == tuple(tensor.shape):
                self.known[tensor] = _of_type(numbers, tensor.dtype)

    def _forget(self, memory: int) -> None:
        """The memory was written into: what lies in it has other numbers."""
        for tensor in self.known.things():
            if memory_of(tensor) == memory:
                del self.known[tensor]

    def _computed(self, call: MadeCall) -> list[Numbers] | None:
        """The numbers of each tensor that a function gives; None where they are not known."""
        if call.name in MAKING:
            return _made_of(call)
        given = call.given()
        several = self._all_of(given)
        if not several:
            return None
        if call.name in CONVERTING:
            return several[:1]
        if call.name in MOVING:
            return _moved(call, given, several)
        return self._of_operator(call, several)

    def _of_operator(self, call: MadeCall, several: Sequence[Numbers]) -> list[Numbers] | None:
        """The numbers that arithmetic gives; None for a function that is not followed."""
        name = call.name.strip("_")
        if len(call.args) == 1 and not call.kwargs:
            return _of_one_array(name, several[0])
        compute = _of_two(name, call.kwargs)
        if compute is None or len(call.args) != 2:
            return None
        operands = [
            self.of(one) if isinstance(one, torch.Tensor) else _array(one) for one in call.args
        ]
        return [_each(compute, *operands)]


def _of_one_array(name: str, numbers: Numbers) -> list[Numbers] | None:
    """What a function gives of one array."""
    if name in OF_ONE:
        return [_each(OF_ONE[name], numbers)]
    if name in OF_ALL and numbers.size:
        return [_of_all(OF_ALL[name], numbers)]
    return None


def _of_two(name: str, kwargs: Mapping[str, Any]) -> Callable[[Any, Any], Any] | None:
    """The function of two numbers of a name; None where there is none, or it is called with more."""
    if not kwargs:
        return OF_TWO.get(name)
    is_floor = dict(kwargs) == {"rounding_mode": "floor"} and name in ("div", "divide")
    return operator.floordiv if is_floor else None


def _made_of(call: MadeCall) -> list[Numbers] | None:
    """The numbers of a tensor that is made of them."""
    place = 1 if call.name == "new_tensor" else 0
    data = call.args[place] if len(call.args) > place else call.kwargs.get("data")
    if data is None or tensors_in(data):
        return None
    found = _array(data)
    return [found] if found.size <= MOST and all(map(_is_number, found.flat)) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _array(data: Any) -> Numbers:
    """Numbers, in lists or alone, as an array of them."""
    if isinstance(data, tuple):
        data = [*tuple.__iter__(data)]
    if not isinstance(data, list):
        return _filled([data], ())
    rows = [_array(one) for one in data]
    return numpy.stack(rows) if rows else numpy.empty(0, object)


def _filled(numbers: Sequence[Any], shape: tuple[int, ...]) -> Numbers:
    """An array of a shape with these numbers."""
    made = numpy.empty(len(numbers), object)
    for place, number in enumerate(numbers):
        made[place] = number
    return made.reshape(shape)


def _each(compute: Callable[..., Any], *several: Numbers) -> Numbers:
    """A function of each number, or of those at one place of several arrays."""
    together = numpy.broadcast_arrays(*several)
    numbers = [compute(*row) for row in zip(*(array.flat for array in together))]
    return _filled(numbers, together[0].shape)


def _of_all(compute: Callable[[Any, Any], Any], numbers: Numbers) -> Numbers:
    """One number of all."""
    first, *rest = numbers.flat
    for number in rest:
        first = compute(first, number)
    return _filled([first], ())


def _moved(
    call: MadeCall, given: Sequence[torch.Tensor], several: Sequence[Numbers]
) -> list[Numbers] | None:
    """The numbers in the places to which a function moves them, which it does to the numbers of the places too."""
    pool = [number for numbers in several for number in numbers.flat]
    places: dict[int, torch.Tensor] = {}
    count = 0
    for tensor, numbers in zip(given, several):
        of_tensor = torch.arange(count, count + numbers.size, device="cpu")
        places[id(tensor)] = of_tensor.reshape(numbers.shape)
        count += numbers.size

    moved = call.run(lambda one: places.get(id(one), one), device="cpu")
    found = []
    for tensor in tensors_in(moved):
        found.append(
            _filled([pool[place] for place in tensor.flatten().tolist()], tuple(tensor.shape))
        )
    return found


def _of_type(numbers: Numbers, dtype: torch.dtype) -> Numbers:
    """Numbers as those of a type of torch."""
    return _each(lambda number: _as_type(number, dtype), numbers)


def _as_type(number: Any, dtype: torch.dtype) -> Any:
    """A number as one of a type of torch."""
    if dtype == torch.bool:
        return bool(number)
    if dtype.is_floating_point:
        return number / 1 if isinstance(number, RunTimeSize) else number * 1.0
    is_float = isinstance(number, (float, RunTimeQuotient))
    return number.__trunc__() if is_float else number
