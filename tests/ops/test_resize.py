"""Resizing agrees with torch on shape and refusal: the floor in double arithmetic, and which mode takes what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.resize  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours, parameters_agree
from tracer.ops import Window
from tracer.ops.base import registry
from tracer.sizing.arithmetic import floor_scale

OPS = ["Upsample", "Interpolate", "UpsamplingNearest2d", "UpsamplingBilinear2d"]
RANK_OF = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3, "lanczos": 2}
MODES = [
    "nearest",
    "linear",
    "bilinear",
    "bicubic",
    "trilinear",
    "area",
    "nearest-exact",
    "lanczos",
]

factors = (
    st.sampled_from([2, 2.0, 0.5, 1 / 3, 2 / 3, 0.57, 1.005, 2.5, 1.1, 0.1, 0.7, 3])
    | st.floats(0.05, 4)
    | st.sampled_from(
        [
            0,
            0.0,
            -0.0,
            -1,
            -0.5,
            1e-300,
            1e20,
            1e300,
            float("inf"),
            float("-inf"),
            float("nan"),
            10**400,
        ]
    )
)
usual = st.sampled_from([2, 2.0, 0.5, 1 / 3, 0.57, 1.005, 2.5, 1.1, 0.1]) | st.floats(0.2, 4)


def module(case: Case) -> Callable[..., Any]:
    """The torch side, with ``size`` taken from a node's shape where the case has one."""
    wanted = case.sizes.get("size")
    case = (
        case
        if wanted is None
        else case._replace(arguments={**case.arguments, "size": wanted[2:]})
    )
    if case.op != "Interpolate":
        return nn_module(case)
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in case.arguments.items()}
    return lambda x: torch.nn.functional.interpolate(x, **arguments)


@st.composite
def resize_case(draw: Draw, op: str) -> Case:
    arguments: dict[str, Any] = {}
    axes = draw(st.sampled_from([1, 2, 2, 2, 3]))
    if op in ("Upsample", "Interpolate"):
        if draw(st.integers(0, 4)):
            arguments["mode"] = mode = draw(st.sampled_from(MODES * 3 + ["odd"]))
            axes = RANK_OF.get(mode, axes) if draw(st.integers(0, 7)) else axes
            if mode == "lanczos" and draw(st.integers(0, 2)):
                arguments["antialias"] = True
        flags = st.sampled_from([True, False, None])
        maybe(draw, arguments, "align_corners", flags, often=6)
        maybe(draw, arguments, "recompute_scale_factor", flags, often=6)
        if op == "Interpolate" or draw(st.integers(0, 30)) == 0:
            maybe(draw, arguments, "antialias", st.booleans(), often=5)
    elif draw(st.integers(0, 9)):
        axes = 2
    sizes: dict[str, tuple[int, ...]] = {}
    length = draw(st.sampled_from([axes] * 16 + [0, 1, 2, 3]))
    which = draw(
        st.sampled_from(["scale"] * 10 + ["size"] * 5 + ["node"] * 4 + ["both", "none"])
    )
    if which in ("scale", "both"):
        values = usual if draw(st.integers(0, 3)) else factors
        arguments["scale_factor"] = draw(
            values | st.lists(values, min_size=length, max_size=length)
        )
    if which in ("size", "both"):
        wanted = st.integers(1, 9) if draw(st.integers(0, 3)) else st.integers(-1, 9)
        arguments["size"] = draw(wanted | st.lists(wanted, min_size=length, max_size=length))
    if which == "node":
        arguments["size"] = "node"
        lead = draw(st.sampled_from([(1, 1)] * 8 + [(7,), ()]))
        sizes["size"] = (
            *lead,
            *draw(
                st.lists(
                    st.integers(0 if draw(st.booleans()) else 1, 9),
                    min_size=length,
                    max_size=length,
                )
            ),
        )
    lead = draw(
        st.sampled_from([(1, 1), (2, 3), (1, 2)] * 4 + [(0, 1), (1, 0), (1,), (), (1, 1, 1)])
    )
    spatial = draw(
        st.lists(
            st.integers(1, 9) | st.integers(2, 300 if axes == 1 else 12) | st.integers(0, 3),
            min_size=axes,
            max_size=axes,
        )
    )
    return Case(op, arguments, ((*lead, *spatial),), sizes)


@pytest.mark.parametrize("op", OPS)
def test_resize(op: str) -> None:
    @given(resize_case(op))
    def run(case: Case) -> None:
        agree(case, module)
        if op != "Interpolate" and not isinstance(ours(case), Refused):
            parameters_agree(case, module)

    run()


@pytest.mark.parametrize("recompute", [True, False])
@pytest.mark.parametrize(
    "factor", [0.57, 1.005, 1 / 3, 0.1, 0.7, 2.3, 1.1, 1.15, 0.29, 1 / 49, 4.35]
)
def test_the_floor_is_of_a_double(factor: float, recompute: bool) -> None:
    """100 · 0.57 is 56 and 200 · 1.005 is 200, as doubles; every n of 1..300 asked."""
    for n in range(1, 301):
        want = floor_scale(n, factor)
        try:
            y = torch.nn.functional.interpolate(
                torch.zeros(1, 1, n), scale_factor=factor, recompute_scale_factor=recompute
            )
        except RuntimeError:
            assert want < 1
        else:
            assert y.shape[-1] == want


def test_known_numbers() -> None:
    def size(n: int, factor: float) -> Any:
        return ours(Case("Upsample", {"scale_factor": factor}, ((1, 1, n),)))

    assert size(100, 0.57) == (1, 1, 56)
    assert size(200, 1.005) == (1, 1, 200)
    assert size(3, 1 / 3) == (1, 1, 1)
    assert size(1, 0.5) == Refused(
        "T302", "the output size is 0 from 1; torch needs at least 1"
    )


def test_refusals() -> None:
    x = ((1, 1, 4, 4),)
    assert ours(Case("Upsample", {"size": 4, "scale_factor": 2}, x)) == Refused(
        "T202", "takes size or scale_factor, not both"
    )
    assert ours(Case("Upsample", {"scale_factor": 0}, x)) == Refused(
        "T201", "needs size or scale_factor; a scale_factor of 0 counts as none"
    )
    assert ours(Case("Upsample", {"size": [4]}, x)) == Refused(
        "T203", "size has 1 values, [4]; [1, 1, 4, 4] has 2 spatial dims"
    )
    assert ours(Case("Upsample", {"scale_factor": 2, "mode": "linear"}, x)) == Refused(
        "T303", "takes an input of 3 dims in mode linear; [1, 1, 4, 4] has 4"
    )
    assert ours(Case("Upsample", {"scale_factor": 2, "align_corners": False}, x)) == Refused(
        "T202", "align_corners has no meaning for mode nearest; leave it out"
    )


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ({"scale_factor": 2}, Window(1, 1, 2, (-1, 4))),
        ({"scale_factor": 0.5}, Window(1, 2, 1, (0, 2))),
        ({"scale_factor": 2, "mode": "bilinear"}, Window(2, 1, 2, (-1, 4))),
        ({"scale_factor": 2.5, "mode": "bicubic"}, Window(4, 2, 5, (-3, 10))),
        ({"scale_factor": 1, "mode": "bilinear"}, Window(1)),
        ({"scale_factor": 1 / 3, "mode": "area"}, Window(3, 3, 1, (3, 2), (4, 1))),
        ({"scale_factor": 2 / 3, "mode": "area"}, Window(2, 3, 2, (3, 10), (8, 5))),
        (
            {"scale_factor": 0.25, "mode": "bilinear", "antialias": True},
            Window(8, 4, 1, (3, 2)),
        ),
        ({"size": 32, "mode": "bilinear"}, Window(2, 1, 4, (-3, 8))),
        (
            {"size": 16, "mode": "bilinear", "align_corners": True},
            Window(2, 1, 2, (0, 1), (7, 15)),
        ),
        (
            {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
            Window(2, 1, 2, (0, 1), (7, 15)),
        ),
        (
            {"size": 1, "mode": "bilinear", "align_corners": True},
            Window(2, 8, 1, (0, 1), (7, 1)),
        ),
        ({"size": 1, "mode": "area"}, Window(8, 8, 1, (7, 2))),
        ({"scale_factor": 0.25, "mode": "nearest-exact"}, Window(1, 4, 1, (4, 2))),
        ({"scale_factor": 1 / 3, "mode": "nearest-exact"}, Window(1, 3, 1, (2, 2))),
        (
            {"scale_factor": 0.3, "mode": "linear", "recompute_scale_factor": True},
            Window(2, 10, 3, (3, 2), (4, 1)),
        ),
        ({"size": "node"}, None),
    ],
)
def test_window(arguments: dict[str, Any], want: Window | None) -> None:
    """What an output position sees, and by how much it moves."""
    op = msgspec.convert(arguments, registry["Interpolate"])
    assert op.window(2, (1, 1, 8, 8)) == want
