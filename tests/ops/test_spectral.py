"""Fourier transforms and complex numbers agree with torch on shape and refusal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, agree

KINDS = ["Fft", "Ifft", "Rfft", "Irfft"]
sizes = st.sampled_from([1, 2, 3, 4, 5, 3, 4])
dims = st.sampled_from([-1, -2, 0, 1, -1, -2, 2, 3, -4])


def transform(case: Case) -> Callable[..., torch.Tensor]:
    return partial(getattr(torch.fft, case.op.lower()), **case.arguments)


@st.composite
def transform_case(draw: Draw, op: str) -> Case:
    shape = tuple(
        draw(st.lists(sizes, min_size=0 if draw(st.integers(1, 9)) == 1 else 2, max_size=4))
    )
    wanted = st.sampled_from([1, 2, 4, 5, 8, -1, 3, 0])
    arguments: dict[str, Any] = {}
    maybe(draw, arguments, "norm", st.sampled_from(["ortho", "forward", "backward"]))
    if op in KINDS:
        maybe(draw, arguments, "n", wanted.filter(lambda n: n != -1))
        maybe(draw, arguments, "dim", dims)
        return Case(op, arguments, (shape,))

    count = draw(st.sampled_from([1, 2, 2, 3]))
    exact = count if op.endswith("n") else 2
    maybe(draw, arguments, "dim", st.lists(dims, min_size=exact, max_size=exact))
    maybe(draw, arguments, "s", st.lists(wanted, min_size=count, max_size=count))
    return Case(op, arguments, (shape,))


@pytest.mark.parametrize("op", [f"{kind}{end}" for kind in KINDS for end in ("", "2", "n")])
def test_transform(op: str) -> None:
    @given(transform_case(op))
    def run(case: Case) -> None:
        if () not in case.shapes:  # of a scalar, some transforms of no dim give it back
            agree(case, transform)

    run()


@pytest.mark.parametrize("op", ["Fftshift", "Ifftshift"])
def test_shift(op: str) -> None:
    for dim in (None, 1, -1, [0, 2], [3], -4):
        arguments = {} if dim is None else {"dim": dim}
        agree(Case(op, arguments, ((2, 3, 4),)), transform)


def of_complex(case: Case) -> Callable[..., torch.Tensor]:
    """The function, of complex numbers where it takes no others."""
    if case.op == "Complex":
        return torch.complex
    if case.op == "ViewAsComplex":
        return torch.view_as_complex
    if case.op == "ViewAsReal":
        return lambda x: torch.view_as_real(x.to(torch.complex64))
    function = getattr(torch, case.arguments["function"])
    return lambda x: function(x.to(torch.complex64))


@pytest.mark.parametrize(
    ("op", "arguments", "shapes"),
    [
        ("Complex", {}, ((2, 3), (2, 3))),
        ("Complex", {}, ((2, 1), (3,))),
        ("Complex", {}, ((2, 3), (2, 4))),
        ("ViewAsReal", {}, ((2, 3),)),
        ("ViewAsReal", {}, ((),)),
        ("ViewAsComplex", {}, ((3, 2),)),
        ("ViewAsComplex", {}, ((3, 3),)),
        ("ViewAsComplex", {}, ((),)),
        *(
            ("ComplexPart", {"function": f}, ((2, 3),))
            for f in ("real", "imag", "angle", "conj_physical")
        ),
    ],
)
def test_complex_numbers(
    op: str, arguments: dict[str, Any], shapes: tuple[tuple[int, ...], ...]
) -> None:
    agree(Case(op, arguments, shapes), of_complex)
