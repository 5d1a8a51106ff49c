"""Recurrent networks agree with torch on shape, refusal, parameters and MACs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import (
    Case,
    Refused,
    agree,
    macs_agree,
    nn_module,
    ours,
    parameters_agree,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

LAYERS = {"RNN": 1, "GRU": 1, "LSTM": 2}
CELLS = {"RNNCell": 1, "GRUCell": 1, "LSTMCell": 2}
STATES = {**LAYERS, **CELLS}
"""How many tensors a state is."""

PARTS: dict[str, tuple[int, ...]] = {
    "output": (0,),
    "h_n": (1,),
    "c_n": (1, 1),
    "h_1": (0,),
    "c_1": (1,),
}
"""Where torch gives a part of the result."""


def module_of(case: Case) -> torch.nn.Module:
    """The module, made without what a call says."""
    made = {word: value for word, value in case.arguments.items() if word != "result"}
    module: Any = nn_module(case._replace(arguments=made))
    return module  # type: ignore[no-any-return]


def called(case: Case) -> Callable[..., torch.Tensor]:
    """The module called with its state before, and the part of what it gives."""
    module = module_of(case)

    def call(x: torch.Tensor, *state: torch.Tensor) -> Any:
        if STATES[case.op] == 2 and state:
            given: Any = (x, tuple(state))
            if len(state) != 2:
                raise ValueError("half a state")
        else:
            given = (x, *state)
        found = module(*given)
        if isinstance(found, torch.Tensor):
            return found
        default = "h_1" if case.op == "LSTMCell" else "output"
        for number in PARTS[case.arguments.get("result", default)]:
            if case.op == "LSTM" and case.arguments.get("result") == "h_n" and number == 1:
                return found[1][0]
            found = found[number]
        return found

    return call


@st.composite
def recurrent_case(draw: Draw, op: str) -> Case:
    features = draw(st.sampled_from([1, 2, 3, 3, 0]))
    hidden = draw(st.sampled_from([1, 2, 3, 4, 4, 0, -1]))
    if op == "GRUCell":  # torch crashes at 0
        hidden = hidden or 1
    arguments: dict[str, Any] = {
        "input_size": draw(st.sampled_from([features] * 12 + [1, 0, -1])),
        "hidden_size": hidden,
    }
    maybe(draw, arguments, "bias", st.booleans())
    if op.startswith("RNN"):
        maybe(draw, arguments, "nonlinearity", st.sampled_from(["relu", "tanh", "elu"]))
    if op == "LSTMCell":
        maybe(draw, arguments, "result", st.sampled_from(["h_1", "c_1"]))

    samples = draw(st.sampled_from([1, 2, 2, 3, 0]))
    is_batch = draw(st.integers(1, 4)) > 1
    batch = (samples,) if is_batch else ()
    if op in CELLS:
        shapes = [(*batch, features)]
        states = [(*batch, hidden)] * STATES[op]
    else:
        sequence = layered(draw, op, arguments, batch)
        shapes = [(*sequence, features)]
        rows = arguments.get("num_layers", 1) * (2 if arguments.get("bidirectional") else 1)
        of_output = arguments.get("proj_size") or hidden
        states = [(rows, *batch, of_output), (rows, *batch, hidden)][: STATES[op]]

    if draw(st.integers(1, 30)) == 1:
        shapes[0] = draw(st.sampled_from([(), (1, *shapes[0])]))
    if draw(st.integers(1, 2)) == 1:
        shapes += states
        # A cell reads memory that is not its own where its state has another number of dims.
        if op in LAYERS and draw(st.integers(1, 6)) == 1:
            number = draw(st.integers(1, len(shapes) - 1))
            shapes[number] = draw(st.sampled_from([shapes[number][1:], (1, *shapes[number])]))
        elif draw(st.integers(1, 6)) == 1:
            wrong = list(shapes[-1])
            wrong[draw(st.integers(0, len(wrong) - 1))] += 1
            shapes[-1] = tuple(wrong)
        shapes = [tuple(max(n, 0) for n in shape) for shape in shapes]
    return Case(op, arguments, tuple(shapes))


def layered(
    draw: Draw, op: str, arguments: dict[str, Any], batch: tuple[int, ...]
) -> tuple[int, ...]:
    """The dims of a sequence before its features; the arguments of layers are drawn too."""
    maybe(draw, arguments, "num_layers", st.sampled_from([1, 2, 2, 3, 0, -1]))
    maybe(draw, arguments, "bidirectional", st.booleans())
    maybe(draw, arguments, "batch_first", st.booleans())
    maybe(draw, arguments, "dropout", st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0]), often=4)
    results = ["output", "h_n"]
    if op == "LSTM":
        maybe(draw, arguments, "proj_size", st.sampled_from([1, 2, 1, 0, 3, 9, -1]), often=3)
        results.append("c_n")
    maybe(draw, arguments, "result", st.sampled_from(results))

    length = draw(st.sampled_from([1, 2, 3, 3, 2, 0]))
    if batch and arguments.get("batch_first"):
        return (*batch, length)
    return (length, *batch)


@pytest.mark.parametrize("op", STATES)
def test_recurrent(op: str) -> None:
    """Shape, refusal, parameters, and MACs where torch counts its own kernels."""

    @given(recurrent_case(op))
    def run(case: Case) -> None:
        agree(case, called)
        if isinstance(ours(case), Refused):
            return
        parameters_agree(case, module_of)
        with torch.backends.mkldnn.flags(enabled=False):
            macs_agree(case, called)

    run()


def test_an_input_size_left_out_is_the_inputs() -> None:
    """What the input has is what the module is made for."""
    case = Case("GRU", {"hidden_size": 4}, ((5, 2, 3),))
    given_too = case._replace(arguments={"hidden_size": 4, "input_size": 3})
    assert ours(case) == ours(given_too) == (5, 2, 4)
    parameters_agree(given_too, module_of)


def test_parts_share_their_weights() -> None:
    """Two parts of one result are two nodes with the weights of one; the module that is built has them once."""
    text = """
input: [N, L, 8]
sizes: {N: 2, L: 5}
layers:
  lstm: {op: LSTM, hidden_size: 6, batch_first: true}
  last: {op: LSTM, from: input, hidden_size: 6, batch_first: true, result: c_n, weights: lstm}
output: {all: lstm, last: last}
"""
    net = tracer.loads(text)
    assert net.trace().outputs == {"all": (2, 5, 6), "last": (1, 2, 6)}
    built: Any = tracer.build(net).eval()
    want = torch.nn.LSTM(8, 6, batch_first=True)
    assert sum(p.numel() for p in built.parameters()) == sum(
        p.numel() for p in want.parameters()
    )
    built.lstm.load_state_dict(want.state_dict())
    x = torch.randn(2, 5, 8)
    found = built(x)
    output, (_, cell) = want(x)
    assert torch.allclose(found["all"], output) and torch.allclose(found["last"], cell)
