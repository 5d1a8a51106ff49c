"""One node of an ONNX graph that reads tensors, as its handler sees it, and the constants beside its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracer.importing.recording import Recording, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.onnx_bridge.constants import LARGEST, Weight
from tracer.onnx_bridge.sizes import as_object, is_open


def data_of(constant: Any) -> Any:
    """The data of a constant as an array; arrays and None are given back as they are.

    Raises :class:`NoConstant` where it is too long, or elsewhere.
    """
    return constant.data() if isinstance(constant, Weight) else constant


@dataclass(frozen=True)
class OnnxCall:
    """One node with tensors among its inputs."""

    recording: Recording
    """The recording that its handler adds steps to."""
    op_type: str
    given: Sequence[Any]
    """An input each: a Value, a constant (a Weight or an array), an array of sizes, None where it is left out."""
    attributes: Mapping[str, Any]
    label: str
    """The name of its steps, in the module that it belongs to."""
    opset: int
    """The version of the operators in the file."""
    outputs: int
    """The number of the node's outputs."""

    def refused(self, why: str) -> Unrepresentable:
        """The error that says why, and at which node."""
        return self.recording.refused(why)

    def invalid(self, why: str) -> Unrepresentable:
        """The same where ONNX itself refuses these sizes: the config must do so too."""
        refused = self.refused(why)
        return Unrepresentable(str(refused), refused.guards, by_program=True)

    def add(self, op_name: str, /, *sources: Value, **arguments: Any) -> Value:
        """The value of one more step, under the node's name."""
        return self.recording.add(op_name, sources, arguments, self.label)

    def add_beside(
        self, label: str, op_name: str, /, *sources: Value, **arguments: Any
    ) -> Value:
        """The value of a step beside the node's own, with a label of its own behind the node's name."""
        full = f"{self.label}_{label}"
        return self.recording.add(op_name, sources, arguments, full)

    # --- attributes --------------------------------------------------------------------------------------------------

    def get(self, word: str, default: Any) -> Any:
        """An attribute, or its default in ONNX."""
        return self.attributes.get(word, default)

    def text(self, word: str, default: str) -> str:
        """An attribute that is a text."""
        return str(self.get(word, default))

    def axis(self, word: str, default: int, rank: int | None = None) -> int:
        """An attribute that is one of the first input's dims, or of so many, counted from the start."""
        rank = self.rank if rank is None else rank
        return self._from_start(word, self.get(word, default), rank)

    def axes(self, index: int, rank: int, attribute: str = "axes") -> list[int] | None:
        """A list of dims, counted from the start: an input, or an attribute; None where neither is there."""
        sizes = self.sizes(index, attribute)
        if sizes is None:
            return None
        if any(isinstance(n, RunTimeSize) for n in sizes):
            raise self.refused("its axes are computed from the input's size")

        found = [self._from_start(attribute, axis, rank) for axis in sizes]
        if len(set(found)) < len(found):
            raise self.refused(f"{attribute} {sizes} has an axis twice")
        return found

    def _from_start(self, word: str, axis: int, rank: int) -> int:
        if not -rank <= axis < rank:
            raise self.refused(
                f"{word} is {axis}; for {rank} dims it is from {-rank} to {rank - 1}"
            )
        return int(axis % rank)

    def per_axis(self, word: str, count: int, default: int, least: int) -> list[int]:
        """An attribute with a number for each of so many axes."""
        values = list(self.get(word, [default] * count))
        if len(values) != count:
            raise self.refused(f"{word} is {values}; it needs {count} values")
        for n in values:
            if not least <= n <= LARGEST:
                raise self.refused(f"{word} is {values}; it must be at least {least}")
        return values

    def rounded(self, word: str, default: float) -> float:
        """An attribute as it was before the file made it a float of 32 bits: 0.1, not 0.10000000149."""
        value = float(self.get(word, default))
        return round(value, 9)

    def needed(self, word: str) -> Any:
        """An attribute that ONNX has no default for."""
        if word not in self.attributes:
            raise self.refused(f"{word} is missing")
        return self.attributes[word]

    # --- tensors -----------------------------------------------------------------------------------------------------

    @property
    def x(self) -> Value:
        """The first input as a tensor."""
        return self.tensor(0)

    @property
    def rank(self) -> int:
        """The number of dims of the first input."""
        return len(self.x.shape)

    def has(self, index: int) -> bool:
        """True where an input is there: ONNX leaves out optional ones by an empty name."""
        return index < len(self.given) and self.given[index] is not None

    def is_tensor(self, index: int) -> bool:
        """True where an input is there and depends on the network's."""
        return self.has(index) and isinstance(self.given[index], Value)

    def tensor(self, index: int) -> Value:
        """An input as a tensor; a constant becomes a parameter of the network."""
        value = self._input(index)
        if isinstance(value, Value):
            return value

        if not isinstance(value, Weight) and is_open(value):
            raise self.refused("sizes that are read at run time are used as a tensor")
        shape = tuple(value.shape)
        return self.recording.add("Parameter", [], {"shape": shape}, "constant")

    def tensors(self) -> list[Value]:
        """All inputs as tensors."""
        indices = range(len(self.given))
        return [self.tensor(index) for index in indices]

    def _input(self, index: int) -> Any:
        if not self.has(index):
            raise self.refused(f"its input {index + 1} is missing")
        return self.given[index]

    # --- constants ---------------------------------------------------------------------------------------------------

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a weight. Its data is not looked at."""
        value = self._input(index)
        if isinstance(value, Value):
            raise self.refused("the weights depend on the input")
        return tuple(value.shape)

    def array(self, index: int) -> Any:
        """A constant or sizes; None where the input is left out."""
        if not self.has(index):
            return None
        if self.is_tensor(index):
            raise self.refused("the values of a tensor decide here, which no config can say")
        return data_of(self.given[index])

    def sizes(self, index: int, attribute: str = "") -> list[Any] | None:
        """A list of sizes: an input, or an attribute in older files; None where neither is there."""
        if attribute in self.attributes:
            return list(self.attributes[attribute])

        value = self.array(index)
        if value is None:
            return None
        found = list(as_object(value).reshape(-1))
        if not all(isinstance(n, int) for n in found):
            raise self.refused(f"its input {index + 1} must be integers")
        self.recording.known(found)
        return found

    def needed_sizes(self, index: int, attribute: str = "") -> list[Any]:
        """The same, where ONNX has no default."""
        found = self.sizes(index, attribute)
        if found is None:
            raise self.refused(f"its input {index + 1} is missing")
        return found

    def number(self, index: int) -> float | None:
        """A constant of one element; None for any other input, and where none is there."""
        if not self.has(index) or self.is_tensor(index):
            return None

        value = self.given[index]
        if any(n != 1 for n in value.shape):
            return None
        if isinstance(value, Weight) and value.proto is None:
            return None
        array = data_of(value)
        if is_open(array):
            return None
        (number,) = array.reshape(-1)
        return float(number)
