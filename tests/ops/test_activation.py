"""Activations and dropouts agree with torch on shape, refusal and parameters, in eval mode."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.activation
import tracer.ops.dropout  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw
from tests.drawn.oracle import Case, Refused, agree, ours, parameters_agree
from tracer.ops.base import registry

pytestmark = pytest.mark.filterwarnings("ignore:keyword argument:FutureWarning")

ACTIVATIONS = [
    name for name in torch.nn.modules.activation.__all__ if name != "MultiheadAttention"
]
DROPOUTS = torch.nn.modules.dropout.__all__

NAN, INF, LARGEST = float("nan"), float("inf"), 3.4028234663852886e38
values: dict[str, st.SearchStrategy[Any]] = {
    "inplace": st.booleans(),
    "approximate": st.sampled_from(["none", "tanh", "tan", ""]),
    "dim": st.integers(-4, 3),
    "num_parameters": st.sampled_from([1, 2, 3, 0, -1]),
    "p": st.sampled_from([0.0, 1.0, 0.3, 1.1, -0.1, NAN]),
}
numbers = st.sampled_from([0.0, 0.3, 1.0, -1.0, 1e-3, 2.0])
edges = st.sampled_from(
    [NAN, INF, -INF, LARGEST, -LARGEST, 3.4028235e38, -1e39, 1e300, 1e-39, -1e-39, 1e-320]
)


@st.composite
def case_of(draw: Draw, op: str) -> Case:
    """Every argument of torch's class, given in about half of the cases; a shape of any rank."""
    arguments: dict[str, Any] = {}
    for field, parameter in inspect.signature(getattr(torch.nn, op)).parameters.items():
        if field in ("args", "kwargs", "device", "dtype"):
            continue
        if parameter.default is inspect.Parameter.empty or draw(st.booleans()):
            arguments[field] = draw(values.get(field, numbers | edges))
    sizes = st.sampled_from([2, 2, 3, 4, 6, 1, 0])
    ranks = (
        {"Dropout1d": (2, 3), "Softmax2d": (3, 4)}.get(op, (0, 5))
        if draw(st.integers(1, 3)) > 1
        else (0, 5)
    )
    return Case(
        op, arguments, (tuple(draw(st.lists(sizes, min_size=ranks[0], max_size=ranks[1]))),)
    )


@pytest.mark.parametrize("op", ACTIVATIONS + DROPOUTS)
def test_activation_or_dropout(op: str) -> None:
    @given(case_of(op))
    def run(case: Case) -> None:
        agree(case)
        if not isinstance(ours(case), Refused):
            parameters_agree(case)

    run()


@pytest.mark.parametrize("op", ACTIVATIONS + DROPOUTS)
def test_arguments_are_those_of_torch(op: str) -> None:
    """The same names and defaults, none missing and none of our own."""
    parameters = inspect.signature(getattr(torch.nn, op)).parameters
    theirs = {name for name in parameters if name not in ("args", "kwargs")}
    assert set(registry[op].__struct_fields__) == theirs
    made = registry[op](
        **{n: 0.0 for n in theirs if parameters[n].default is inspect.Parameter.empty}
    )
    for name in theirs:
        default = parameters[name].default
        assert default is inspect.Parameter.empty or getattr(made, name) == default


@pytest.mark.parametrize("op", ["Softmin", "Softmax", "LogSoftmax", "Softmax2d", "GLU"])
def test_dims_of_every_rank(op: str) -> None:
    """Each dim from -5 to 5 on each rank from 0 to 5."""
    dims = [{}] if op == "Softmax2d" else [{"dim": dim} for dim in range(-5, 6)]
    for arguments, rank in itertools.product([*dims, {}], range(6)):
        agree(Case(op, arguments, ((2, 4, 2, 6, 2)[:rank],)))
