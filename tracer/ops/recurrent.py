"""Recurrent networks over a sequence, and their cells for one step of it.

What torch gives as a tuple is one node for each part: ``result`` says which. Nodes of one network share its weights
(``weights: NODE``).

MACs are those of torch's own kernels, as FlopCounterMode counts them: a product of each position with the weights of
its layer, and one with those of the state before. The fused LSTM of oneDNN is not counted by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from tracer.ops.base import (
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Item, Own, Tensor, Term
from tracer.ops.windows import Window
from tracer.sizing.arithmetic import Dim


def has_size(field: str, declared: Dim, x: Shape) -> Requirement:
    """The last dim of the input has the declared number of features."""
    return Requirement(
        x[-1] == declared,
        "T204",
        field,
        lambda *_: f"{field} is {declared}, but the input {written(x)} has {x[-1]} features",
        dim=len(x) - 1,
        inputs=(0,),
    )


def is_state(x: Sequence[Shape], number: int, wanted: Shape) -> Requirement:
    """An input is a state before the first step, which has this shape."""
    given = x[number]
    holds: Any = len(given) == len(wanted)
    if holds:
        for have, want in zip(given, wanted):
            holds = holds & (have == want)
    return Requirement(
        holds,
        "T301",
        None,
        lambda *_: f"the state before is {written(given)}; it has to be {written(wanted)}",
        inputs=(number,),
    )


class Recurrent(Op, kw_only=True):
    """What all of them have in common."""

    autocast = "lower"
    memory_is_known = False

    gates: ClassVar[int]
    """How many times the weights of a state there are."""
    states: ClassVar[int] = 1
    """The number of tensors that a state is."""
    least_input: ClassVar[int] = 1
    least_state: ClassVar[int] = 1

    input_size: int | None = None
    """Features of the input; left out: as many as it has."""
    hidden_size: int
    """Features of a state."""
    bias: bool = True
    """Learned summands are added."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield in_range("hidden_size", self.hidden_size, self.least_state)
        if self.input_size is not None:
            yield in_range("input_size", self.input_size, self.least_input)

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"input_size": x[0][-1]}

    def reads(self, x: Shape) -> Requirement:
        """The input has the features that it is made for."""
        if self.input_size is not None:
            return has_size("input_size", self.input_size, x)
        return Requirement(
            x[-1] >= self.least_input,
            "T204",
            None,
            lambda *_: f"the input {written(x)} has no features",
            dim=len(x) - 1,
            inputs=(0,),
        )

    def is_given_state(self, x: Sequence[Shape]) -> Requirement:
        """The state before the first step is given as a whole, or not at all."""
        count = len(x) - 1
        return Requirement(
            count in (0, self.states),
            "T201",
            None,
            lambda *_: f"a state before the first step is {self.states} tensors, not {count}",
        )

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None


# --- layers ----------------------------------------------------------------------------------------------------------


class RecurrentLayers(Recurrent, kw_only=True):
    """Layers over sequences of [L, N, input_size], with ``batch_first`` [N, L, input_size], or [L, input_size]."""

    arity: ClassVar[tuple[int, int | None]] = (1, 2)
    per_call: ClassVar[tuple[str, ...]] = ("result",)

    num_layers: int = 1
    """The number of layers, each of which reads the states of the one before."""
    batch_first: bool = False
    """Samples come before positions in the shapes."""
    dropout: float = 0.0
    """The share of a layer's states that training sets to zero before the next layer reads them."""
    bidirectional: bool = False
    """A second pass reads the positions backwards; features double."""
    result: Literal["output", "h_n"] = "output"
    """Which part of what torch gives: the last layer's states at all positions, or all layers' last ones."""

    def legal(self) -> Requirements:
        yield from super().legal()
        yield in_range("num_layers", self.num_layers, 1)
        yield Requirement(
            0 <= self.dropout <= 1,
            "T202",
            "dropout",
            lambda: f"dropout is {self.dropout}; a probability lies between 0 and 1",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0, *_) = x
        yield has_rank(x0, 2, 3)
        yield self.reads(x0)
        length, _ = self._sequence(x0)
        yield Requirement(
            length >= 1,
            "T302",
            None,
            lambda *_: f"the sequence {written(x0)} has no position",
            dim=1 if self.batch_first and len(x0) == 3 else 0,
            inputs=(0,),
        )
        yield self.is_given_state(x)
        for number in range(1, len(x)):
            yield is_state(x, number, self._state(x0, number - 1))

    # --- sizes -------------------------------------------------------------------------------------------------------

    @property
    def directions(self) -> int:
        """2 where it goes over the sequence from its end too."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """The features of a state that it gives."""
        return self.hidden_size

    def _sequence(self, x: Shape) -> tuple[Dim, Dim]:
        """(positions, samples) of the input."""
        if len(x) == 2:
            return x[0], 1
        return (x[1], x[0]) if self.batch_first else (x[0], x[1])

    def _state(self, x: Shape, number: int) -> Shape:
        """The shape of the last states of all layers."""
        features = self.hidden_size if number else self.output_size
        _, samples = self._sequence(x)
        batch = () if len(x) == 2 else (samples,)
        return (self.num_layers * self.directions, *batch, features)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0, *_) = x
        if self.result == "output":
            return (*x0[:-1], self.directions * self.output_size)
        return self._state(x0, 0 if self.result == "h_n" else 1)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        x0, *state = x
        if len(state) > 1:
            made = Own([x0, state])
        else:
            made = Own(x)

        if self.result == "output":
            return Item(made, 0)
        if self.states == 1:
            return Item(made, 1)
        return Item(Item(made, 1), 0 if self.result == "h_n" else 1)

    # --- costs -------------------------------------------------------------------------------------------------------

    def _widths(self, x: Shape) -> Iterator[Dim]:
        """The features that each layer reads."""
        yield x[-1]
        for _ in range(self.num_layers - 1):
            yield self.directions * self.output_size

    def _projection(self) -> int:
        """The weights that make the state that a layer gives."""
        return 0

    def parameters(self, *x: Shape) -> Dim:
        rows = self.gates * self.hidden_size
        total: Dim = 0
        for width in self._widths(x[0]):
            of_layer = rows * (width + self.output_size) + self._projection()
            total = total + of_layer + (2 * rows if self.bias else 0)
        return total * self.directions

    def macs(self, y: Shape, *x: Shape) -> Dim:
        rows = self.gates * self.hidden_size
        length, samples = self._sequence(x[0])
        total: Dim = 0
        for width in self._widths(x[0]):
            total = total + rows * (width + self.output_size) + self._projection()
        return total * self.directions * length * samples


@operation
class RNN(RecurrentLayers, kw_only=True):
    """A recurrent network of h' = tanh(W·x + V·h), or relu: [N, L, input_size] to [N, L, hidden_size].

    A second input is the state before the first step.
    """

    gates = 1

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The function of each step: `tanh` or `relu`."""


@operation
class GRU(RecurrentLayers, kw_only=True):
    """Gated recurrent units: [N, L, input_size] to [N, L, hidden_size], twice as many features in two directions.

    A second input is the state before the first step.
    """

    gates = 3


@operation
class LSTM(RecurrentLayers, kw_only=True):
    """Long short-term memory: [N, L, input_size] to [N, L, hidden_size], or to proj_size features.

    Two further inputs are the state and the cell's state before the first step.
    """

    arity = (1, 3)
    gates = 4
    states = 2

    proj_size: int = 0
    """Features that each state is projected to; 0: none is."""
    result: Literal["output", "h_n", "c_n"] = "output"  # type: ignore[assignment]
    """Which part of what torch gives: the last layer's states at all positions, or all layers' last ones."""

    def legal(self) -> Requirements:
        yield from super().legal()
        yield in_range("proj_size", self.proj_size, 0, self.hidden_size - 1)

    @property
    def output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _projection(self) -> int:
        return self.proj_size * self.hidden_size


# --- cells -----------------------------------------------------------------------------------------------------------


class RecurrentCell(Recurrent, kw_only=True):
    """One step: of [N, input_size] or [input_size], and of the state before."""

    least_input = 0
    least_state = 0

    arity: ClassVar[tuple[int, int | None]] = (1, 2)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0, *_) = x
        yield has_rank(x0, 1, 2)
        yield self.reads(x0)
        yield self.is_given_state(x)
        for number in range(1, len(x)):
            yield is_state(x, number, self.shape(x0))

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*x[0][:-1], self.hidden_size)

    def parameters(self, *x: Shape) -> Dim:
        rows = self.gates * self.hidden_size
        return rows * (x[0][-1] + self.hidden_size) + (2 * rows if self.bias else 0)

    def macs(self, y: Shape, *x: Shape) -> Dim:
        samples = x[0][0] if len(x[0]) == 2 else 1
        return self.gates * self.hidden_size * (x[0][-1] + self.hidden_size) * samples


@operation
class RNNCell(RecurrentCell, kw_only=True):
    """One step of an RNN: [N, input_size] to [N, hidden_size]. A second input is the state before."""

    gates = 1

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The function of each step: `tanh` or `relu`."""


@operation
class GRUCell(RecurrentCell, kw_only=True):
    """One step of a GRU: [N, input_size] to [N, hidden_size]. A second input is the state before."""

    gates = 3
    least_state = 1  # torch crashes at 0


@operation
class LSTMCell(RecurrentCell, kw_only=True):
    """One step of an LSTM: [N, input_size] to [N, hidden_size]. Two further inputs are the states before."""

    arity = (1, 3)
    gates = 4
    states = 2
    per_call: ClassVar[tuple[str, ...]] = ("result",)

    result: Literal["h_1", "c_1"] = "h_1"
    """Which part of what torch gives: the state, or the cell's."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        x0, *state = x
        made = Own([x0, state] if state else x)
        return Item(made, 0 if self.result == "h_1" else 1)
