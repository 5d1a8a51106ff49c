"""Between which numbers the values of tensors lie that a forward makes of sizes, so that those used as indices fit.

Values of such tensors are not followed, only their sizes. Of ``torch.arange(w) - 1`` it is known that they lie from -1
to ``w - 2``: a table of 32 rows takes them where ``w`` is 33 at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch

from tracer.importing.decisions import is_bound_to_hold
from tracer.importing.recording import Recording
from tracer.importing.run_time_sizes import (
    Fractional,
    RunTimeQuotient,
    RunTimeSize,
    over_symbols,
)
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition
from tracer.torch_bridge.calls_made import MadeCall, tensors_in
from tracer.torch_bridge.tensor_numbers import TensorNumbers
from tracer.torch_bridge.tensor_numbers import larger as larger_number
from tracer.torch_bridge.tensor_numbers import smaller as smaller_number
from tracer.torch_bridge.tensors import ByIdentity, Tensors, memory_of


class Between(NamedTuple):
    """The ends between which the values of a tensor lie; both are numbers as the program sees them."""

    least: Any
    most: Any


KEEPING = {
    "view",
    "reshape",
    "flatten",
    "unflatten",
    "expand",
    "expand_as",
    "broadcast_to",
    "repeat",
    "repeat_interleave",
    "tile",
    "unsqueeze",
    "squeeze",
    "permute",
    "transpose",
    "t",
    ".T",
    ".mT",
    "flip",
    "roll",
    "movedim",
    "clone",
    "detach",
    "contiguous",
    "cpu",
    "cuda",
    "__getitem__",
    "select",
    "narrow",
    "index_select",
    "gather",
    "take_along_dim",
    "unbind",
    "__iter__",
    "chunk",
    "split",
    "sort",
    "amax",
    "amin",
    "max",
    "min",
    "view_as",
    "reshape_as",
    "diagonal",
    "diag",
    "swapaxes",
    "ravel",
    "unfold",
}
"""Functions whose values are among those of their first tensor."""

CONVERTING = {
    "to",
    "type",
    "type_as",
    "long",
    "int",
    "short",
    "float",
    "double",
    "floor",
    "round",
    "trunc",
}
"""Functions whose values are those of their first tensor, some of them rounded."""

ALL_OF_THEM = {
    "meshgrid": 0,
    "stack": 0,
    "cat": 0,
    "concat": 0,
    "concatenate": 0,
    "hstack": 0,
    "vstack": 0,
    "broadcast_tensors": 0,
    "where": 1,
}
"""Functions whose values are among those of all tensors that they are given, from which argument on."""

EACH_BY_ITSELF = {"meshgrid", "broadcast_tensors"}
"""Those of them that give a tensor for each."""

TO_WHOLE = {"floor", "ceil", "round", "trunc"}
"""Functions that give whole numbers as floats."""

CLAMPS = {"clamp", "clip", "clamp_min", "clamp_max"}

ALIKE = {"zeros": 0, "zeros_like": 0, "new_zeros": 0, "ones": 1, "ones_like": 1, "new_ones": 1}
"""Functions that fill a tensor with one number."""

FILLS = {"full": 1, "full_like": 1, "new_full": 2}
"""Functions that fill a tensor with the number that is given them, and where it stands."""

MAKES_BY_NUMBERS = {"tensor", "as_tensor", "new_tensor", "scalar_tensor"}

Ends = Between | None
"""None where nothing is known."""


class Taking(NamedTuple):
    """How a function takes elements at places."""

    names: str
    """Its arguments, ``index`` being the one that has the places."""
    places: Callable[[IndexBounds, Mapping[str, Any]], Any]
    """The number of places that there are."""
    words: Mapping[str, str] = {"axis": "dim", "indices": "index"}
    """Other words for them."""


def _along_dim(bounds: IndexBounds, given: Mapping[str, Any]) -> Any:
    dims = bounds.tensors.dims(given["input"])
    return dims[given["dim"]] if dims else 1


def _rows(bounds: IndexBounds, given: Mapping[str, Any]) -> Any:
    return bounds.tensors.dims(given["weight"])[0]


def _classes(bounds: IndexBounds, given: Mapping[str, Any]) -> Any:
    return given.get("num_classes", -1)


OF_DIM = Taking("input dim index", _along_dim)

TAKING: Mapping[str, Taking] = {
    **dict.fromkeys(
        [
            "gather",
            "index_select",
            "scatter",
            "scatter_add",
            "scatter_reduce",
            "index_add",
            "index_copy",
            "index_fill",
        ],
        OF_DIM,
    ),
    "take_along_dim": Taking("input index dim", _along_dim),
    "embedding": Taking("index weight", _rows, {"input": "index"}),
    "one_hot": Taking("index num_classes", _classes, {"tensor": "index", "input": "index"}),
}
"""Functions that take elements at the places that a tensor has, counted from 0."""


class IndexBounds:
    """The ends of the tensors of one recorded forward."""

    def __init__(self, tensors: Tensors, numbers: TensorNumbers) -> None:
        self.tensors = tensors
        self.recording: Recording = tensors.recording
        self.numbers = numbers
        self.known: ByIdentity[Between] = ByIdentity()

    # --- what is demanded --------------------------------------------------------------------------------------------

    def check(self, call: MadeCall) -> None:
        """Raise what torch raises where a function takes elements at places that there are not.

        The comparisons are noted. Refused where the places were made at run time, and their ends are not known.
        """
        if call.name in ("__getitem__", "__setitem__"):
            self._check_parts(*call.args[:2])
            return
        name = call.name.removesuffix("_")
        if name not in TAKING:
            return

        taking = TAKING[name]
        given = dict(zip(taking.names.split(), call.args))
        given |= {taking.words.get(word, word): value for word, value in call.kwargs.items()}
        index = given.get("index")
        if isinstance(index, torch.Tensor) and given.get("dim", 0) is not None:
            count = taking.places(self, given)
            self.check_inside(index, count, constants=name != "index_select")

    def check_inside(
        self, index: Any, count: Any, *, from_end: bool = False, constants: bool = True
    ) -> None:
        """Raise what torch raises where one of the places in a tensor is not among so many."""
        if not self._is_asked(index, constants) or (type(count) is int and count < 0):
            return
        ends = self.of(index)
        if ends is None:
            raise self.recording.refused(
                "places that are made at run time, of which it is not known between which numbers they lie"
            )
        first = -count if from_end else 0
        if ends.least < first or ends.most >= count:
            least, most = int(ends.least), int(ends.most)
            raise IndexError(
                f"indices from {least} to {most} are out of bounds for the size {int(count)}"
            )

    def _is_asked(self, index: Any, constants: bool) -> bool:
        """Whether the places in a tensor are no values of the input's, and there are any."""
        if not isinstance(index, torch.Tensor) or index in self.tensors.values:
            return False
        if index in self.tensors.unsaid:
            return False
        is_constant = constants and index.device.type != "meta"
        is_asked = is_constant or self.tensors.is_made(index)
        # That there are none is a way of its own, where sizes decide it.
        return is_asked and not any(n == 0 for n in self.tensors.dims(index))

    def _check_parts(self, tensor: Any, index: Any) -> None:
        """The same for an index in brackets, which may count from the end."""
        parts = index if isinstance(index, tuple) else (index,)
        if not isinstance(tensor, torch.Tensor) or not any(map(_has_places, parts)):
            return

        dims = self.tensors.dims(tensor)
        rest = len(dims) - sum(map(_dims_used, parts))
        dim = 0
        for one in parts:
            if _has_places(one):
                self.check_inside(one, dims[dim], from_end=True, constants=False)
            dim += rest if one is Ellipsis else _dims_used(one)

    # --- what is known -----------------------------------------------------------------------------------------------

    def of(self, tensor: Any) -> Ends:
        """The ends of a tensor or of a number."""
        if not isinstance(tensor, torch.Tensor):
            number = isinstance(tensor, (int, float)) and not isinstance(tensor, bool)
            return Between(tensor, tensor) if number else None
        known = self.known.get(tensor)
        if known is not None:
            return known
        if tensor.dtype == torch.bool:
            return Between(0, 1)
        numbers = self.numbers.of(tensor)
        if numbers is not None and numbers.size:
            return _around(Between(n, n) for n in numbers.flat)
        return self._of_data(tensor)

    def _of_data(self, tensor: torch.Tensor) -> Ends:
        """The ends of a constant."""
        is_constant = tensor.device.type != "meta" and not self.tensors.is_made(tensor)
        if not is_constant or not tensor.numel() or tensor.is_complex():
            return None
        with torch._C.DisableTorchFunction():
            return Between(tensor.min().item(), tensor.max().item())

    def note(self, call: MadeCall, result: Any) -> None:
        """Note the ends of what a function gives."""
        try:
            ends = self._ends(call)
        except Undecided:
            ends = None
        given = call.given()
        changed = given[0] if call.changes_first() and given else None
        if changed is not None:
            assigned = self.of(call.args[-1]) if call.name == "__setitem__" else ends
            self._change(memory_of(changed), assigned)
        made = tensors_in(result)
        each = [ends] * len(made)
        if call.name in EACH_BY_ITSELF and len(given) == len(made):
            each = list(map(self.of, given))
        for tensor, of_one in zip(made, each):
            fitting = _of_type(of_one, tensor.dtype, call.name)
            if fitting is not None:
                self.known[tensor] = self._in_numbers(fitting)

    def _in_numbers(self, ends: Between) -> Between:
        """Ends with numbers as the program would see them in the place of fractions."""

        def seen(end: Any) -> Any:
            if not isinstance(end, Fractional):
                return end
            numerator, denominator = substitute(end, self.recording.symbols)
            number = int(numerator) / int(denominator)
            return RunTimeQuotient(number, *end, self.recording.guards)

        return Between(*map(seen, ends))

    def _change(self, memory: int, ends: Ends) -> None:
        """The memory was written into: what lies in it has these values too."""
        for tensor in self.known.things():
            if memory_of(tensor) != memory:
                continue
            before = self.known[tensor]
            del self.known[tensor]
            with suppress(Undecided):
                around = _around([before, ends]) if ends is not None else None
                if around is not None:
                    self.known[tensor] = around

    def _ends(self, call: MadeCall) -> Ends:
        """The ends of what a function gives; None for one that is not followed."""
        name = call.name if call.name in KEEPING else call.name.strip("_")
        if name in ALIKE:
            return self.of(ALIKE[name])
        if name in FILLS:
            return self.of(_argument(call, FILLS[name], "fill_value"))
        if name in MADE:
            return MADE[name](call)
        if name in ALL_OF_THEM:
            return self._of_all(tensors_in(tuple(call.args[ALL_OF_THEM[name] :])))
        if not call.args:
            return None
        if name in KEEPING or name in CONVERTING:
            return self.of(call.args[0])
        return self._clamped(call, name) if name in CLAMPS else self._computed(name, call)

    def _of_all(self, tensors: Sequence[torch.Tensor]) -> Ends:
        ends = [self.of(tensor) for tensor in tensors]
        return None if None in ends else _around(one for one in ends if one is not None)

    def _clamped(self, call: MadeCall, name: str) -> Ends:
        """The ends of what is clamped, which are those of the clamp where nothing else is known."""
        place = 1 if name == "clamp_max" else 2
        most = _argument(call, place, "max")
        least = None if name == "clamp_max" else _argument(call, 1, "min")
        if tensors_in((least, most)):
            return None

        ends = self.of(call.args[0])
        if ends is None:
            return None if least is None or most is None else Between(least, most)
        if least is not None:
            ends = Between(larger(ends.least, least), larger(ends.most, least))
        if most is not None:
            ends = Between(smaller(ends.least, most), smaller(ends.most, most))
        return ends

    def _computed(self, name: str, call: MadeCall) -> Ends:
        """The ends of what arithmetic gives."""
        # The mask of masked_fill, in the middle, is none of the values.
        operands = call.args[::2] if name == "masked_fill" else call.args
        ends = [self.of(operand) for operand in operands]
        known = [one for one in ends if one is not None]
        compute = None if set(call.kwargs) - {"rounding_mode"} else ARITHMETIC.get(name)
        takes = 1 if compute is _opposite else 2
        if compute is None or not len(ends) == len(known) == takes:
            return None
        is_floor = call.kwargs.get("rounding_mode") == "floor"
        return _quotient(*known) if is_floor else compute(*known)


class Undecided(Exception):
    """Which of two numbers is the larger one would have to be decided."""


def larger(a: Any, b: Any) -> Any:
    """The larger one of two numbers, which decides nothing. Raises :class:`Undecided` where it would."""
    return larger_number(a, b) if _is_plain_or_size(a, b) else _undecided()


def smaller(a: Any, b: Any) -> Any:
    """The smaller one."""
    return smaller_number(a, b) if _is_plain_or_size(a, b) else _undecided()


def _undecided() -> Any:
    raise Undecided


def _is_plain_or_size(a: Any, b: Any) -> bool:
    """Whether both are plain numbers, or whole ones."""
    followed = (RunTimeSize, RunTimeQuotient)
    both = (a, b)
    is_plain = not any(isinstance(n, followed) for n in both)
    return is_plain or all(isinstance(n, int) for n in both)


# --- ends of what functions give -------------------------------------------------------------------------------------


def _around(several: Iterator[Between] | Sequence[Between]) -> Ends:
    """The ends around several."""
    found: Ends = None
    for ends in several:
        if found is None:
            found = ends
        else:
            found = Between(smaller(found.least, ends.least), larger(found.most, ends.most))
    return found


def _opposite(a: Between) -> Ends:
    return Between(-a.most, -a.least)


def _sum(a: Between, b: Between) -> Ends:
    return Between(a.least + b.least, a.most + b.most)


def _difference(a: Between, b: Between) -> Ends:
    return Between(a.least - b.most, a.most - b.least)


def _product(a: Between, b: Between) -> Ends:
    """That of two that are no less than 0, or by one number of a known sign."""
    if _is_natural(a) and _is_natural(b):
        return Between(a.least * b.least, a.most * b.most)
    for ends, by in ((a, b), (b, a)):
        factor = by.least
        if by.least is not by.most:
            continue
        products = (ends.least * factor, ends.most * factor)
        if _is_bound(factor, lambda n: n >= 0):
            return Between(*products)
        if type(factor) in (int, float):
            return Between(*products[::-1])
    return None


def _quotient(a: Between, b: Between) -> Ends:
    """That of what is no less than 0 by one number, rounded down."""
    if not _is_natural(a) or not _is_one_above_zero(b):
        return None
    return Between(a.least // b.least, a.most // b.least)


def _ratio(a: Between, b: Between) -> Ends:
    """That by one number above 0."""
    is_number = type(b.least) in (int, float) and _is_one_above_zero(b)
    return Between(a.least / b.least, a.most / b.least) if is_number else None


def _remainder(a: Between, b: Between) -> Ends:
    """That by one whole number."""
    if not isinstance(b.least, int) or not _is_one_above_zero(b):
        return None
    return Between(0, b.least - 1)


def _is_natural(ends: Between) -> bool:
    """Whether none of the values is negative, for every size."""
    return _is_bound(ends.least, lambda n: n >= 0)


def _is_one_above_zero(ends: Between) -> bool:
    """Whether the values are one number, above 0 for every size."""
    return ends.least is ends.most and _is_bound(ends.least, lambda n: n > 0)


def _is_bound(number: Any, holds: Callable[[Any], Any]) -> bool:
    """Whether something holds of a number for every size; it is not noted, as the program does not ask."""
    if isinstance(number, RunTimeQuotient):
        fraction = number.fraction()
        size = None if fraction is None else fraction.numerator
    else:
        size = over_symbols(number)
    condition = None if size is None else holds(size)
    if isinstance(condition, Condition):
        return is_bound_to_hold(condition)
    return bool(condition)


ARITHMETIC: Mapping[str, Callable[..., Ends]] = {
    **dict.fromkeys(["neg", "negative"], _opposite),
    **dict.fromkeys(["add", "iadd", "radd"], _sum),
    **dict.fromkeys(["sub", "isub", "subtract"], _difference),
    **dict.fromkeys(["rsub"], lambda a, b: _difference(b, a)),
    **dict.fromkeys(["mul", "imul", "rmul", "multiply"], _product),
    **dict.fromkeys(["floordiv", "ifloordiv", "floor_divide"], _quotient),
    **dict.fromkeys(["mod", "imod", "remainder"], _remainder),
    **dict.fromkeys(["div", "divide", "truediv", "idiv", "itruediv", "true_divide"], _ratio),
    "masked_fill": lambda a, b: _around([a, b]),
    "maximum": lambda a, b: Between(larger(a.least, b.least), larger(a.most, b.most)),
    "minimum": lambda a, b: Between(smaller(a.least, b.least), smaller(a.most, b.most)),
}


def _argument(call: MadeCall, place: int, word: str) -> Any:
    return call.kwargs.get(word, call.args[place] if len(call.args) > place else None)


def _counted(call: MadeCall) -> Ends:
    """The ends of ``arange``, by steps of a known number."""
    named = [call.kwargs[word] for word in ("start", "end", "step") if word in call.kwargs]
    numbers = [*call.args, *named]
    if not 1 <= len(numbers) <= 3 or not all(isinstance(n, int) for n in numbers):
        return None
    start, stop, step = (0, *numbers, 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    if type(step) is not int or not step:
        return None
    count = -((start - stop) // step)
    last = start + (count - 1) * step
    return Between(start, last) if step > 0 else Between(last, start)


def _between_two(call: MadeCall) -> Ends:
    """The ends of ``linspace``."""
    start, end = _argument(call, 0, "start"), _argument(call, 1, "end")
    if tensors_in((start, end)) or start is None or end is None:
        return None
    return Between(smaller(start, end), larger(start, end))


def _drawn(call: MadeCall) -> Ends:
    """The ends of ``randint``."""
    numbers = [n for n in call.args if isinstance(n, int)]
    low = call.kwargs.get("low", numbers[0] if len(numbers) > 1 else 0)
    high = call.kwargs.get("high", numbers[-1] if numbers else None)
    return None if high is None else Between(low, high - 1)


def _in_any_order(call: MadeCall) -> Ends:
    """The ends of ``randperm``."""
    return Between(0, call.args[0] - 1) if call.args else None


MADE: Mapping[str, Callable[[MadeCall], Ends]] = {
    "arange": _counted,
    "linspace": _between_two,
    "randint": _drawn,
    "randperm": _in_any_order,
}


def _of_type(ends: Ends, dtype: torch.dtype, name: str) -> Ends:
    """The ends as numbers of a type, where a function of this name gives it."""
    if ends is None or dtype.is_complex:
        return None
    if dtype == torch.bool:
        return Between(0, 1)
    if any(map(_may_be_rounded, ends)):
        return _rounded(ends, dtype, name)
    if dtype.is_floating_point or all(isinstance(n, int) for n in ends):
        return ends
    return Between(*(n.__trunc__() for n in ends))


def _may_be_rounded(number: Any) -> bool:
    """Whether it is a float that was computed of sizes, and not exactly."""
    if not isinstance(number, RunTimeQuotient):
        return False
    return number.numerator is None or not isinstance(number.denominator, int)


def _rounded(ends: Between, dtype: torch.dtype, name: str) -> Ends:
    """Ends that floats may have rounded, as numbers of a type."""
    if dtype.is_floating_point:
        # A whole number may have become a little less.
        return None if name in TO_WHOLE else ends
    return _cut_off(ends) if name in CONVERTING else ends


def _cut_off(ends: Between) -> Ends:
    """The ends of what is cut off to whole numbers; those of fractions lie farther apart than floats round."""
    fraction = _fraction(ends.most)
    if fraction is None or not _is_natural(ends):
        return None
    return Between(0, fraction)


def _fraction(number: Any) -> Fractional | None:
    """A number as a fraction, off by no more than floats round; None where that is not known."""
    if isinstance(number, RunTimeQuotient):
        return number.fraction()
    if isinstance(number, float):
        return Fractional(int(number), 1) if number.is_integer() else None
    size = over_symbols(number)
    return None if size is None else Fractional(size, 1)


MASKS = (torch.bool, torch.uint8)
"""The types of tensors that are no places as an index."""


def _has_places(part: Any) -> bool:
    """Whether a part of an index is a tensor of places."""
    return isinstance(part, torch.Tensor) and part.dtype not in MASKS


def _dims_used(part: Any) -> int:
    """How many dims a part of an index takes."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    is_mask = isinstance(part, torch.Tensor) and part.dtype in MASKS
    return part.dim() if is_mask else 1
