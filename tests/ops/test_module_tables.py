"""torch's own tables of module samples, as configs: every sample of an operation of ours gives the module's shape.

They are what torch tests its modules with: ``module_db``, with inputs and errors, and the older lists of
``common_nn``.
"""

from __future__ import annotations

import inspect
import sys
import types
import unittest
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from hypothesis import settings

import tracer
from tests.drawn.oracle import REFUSALS
from tracer.ops.base import registry, written

ACCEPTED, REFUSED, CLASSES = 444, 11, 84
"""Samples that torch 2.13 accepts and refuses in eval mode, and the operations that they are of."""


class Sample(NamedTuple):
    """A module to make, and what to call it with."""

    cls: type[torch.nn.Module]
    arguments: dict[str, Any]
    x: tuple[torch.Tensor, ...]
    options: dict[str, Any]
    """Arguments of the call besides the inputs; shapes do not depend on them."""


def tables() -> tuple[Any, Any]:
    """torch's tables.

    They import expecttest, but only for the base class of test cases that are not run here. What they import loads
    hypothesis' profile of torch's own tests, which draws ten cases: ours is put back.
    """
    profile = settings.get_current_profile_name()
    if "expecttest" not in sys.modules:
        sys.modules["expecttest"] = types.ModuleType("expecttest")
        sys.modules["expecttest"].TestCase = unittest.TestCase  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal import common_modules, common_nn
    settings.load_profile(profile)
    return common_modules, common_nn


def sample(cls: type[torch.nn.Module], made: Any, given: Any) -> Sample:
    """A sample from its constructor's and its call's arguments, both with the names of their signatures."""
    bound = inspect.signature(cls).bind(*made.args, **made.kwargs).arguments
    arguments = bound.pop("kwargs", {}) | bound
    arguments |= dict(zip(("input_size", "hidden_size", "num_layers"), bound.pop("args", ())))
    arguments.pop("args", None)
    if isinstance(arguments.get("_random_samples"), torch.Tensor):
        del arguments["_random_samples"]  # where the windows lie, not how many there are
    call = (
        inspect.signature(cls.forward).bind_partial(None, *given.args, **given.kwargs).arguments
    )
    values = list(call.items())[1:]
    x = tuple(value for _, value in values if isinstance(value, torch.Tensor))
    if not x:  # refused when it is made: any input will do
        x = (torch.zeros(1),)
    if cls is torch.nn.MultiheadAttention:
        x = x[:3]
    return Sample(cls, arguments, x, dict(values[len(x) :]))


def is_sampled(name: str | None) -> bool:
    """Whether a class is an operation whose refusals are a matter of shapes; an Embedding's are one of its indices."""
    return name in registry and name != "Embedding"


def samples() -> Iterator[Sample]:
    """Every sample of a class that is an operation."""
    modules, older = tables()
    for info in modules.module_db:
        if not is_sampled(info.module_cls.__name__):
            continue
        asked = (info, "cpu", torch.float32)
        for one in info.module_inputs_func(*asked, requires_grad=False, training=False):
            if one.forward_input is not None:
                yield sample(info.module_cls, one.constructor_input, one.forward_input)
        for error in (
            info.module_error_inputs_func(*asked, False, False)
            if info.module_error_inputs_func
            else ()
        ):
            asked_too = error.module_error_input
            given = asked_too.forward_input or modules.FunctionInput()
            found = sample(info.module_cls, asked_too.constructor_input, given)
            # Another type of numbers is no matter of shapes.
            if not any(x.dtype == torch.float64 for x in found.x):
                yield found
    for old in [*older.module_tests, *older.get_new_module_tests()]:
        if is_sampled(old.get("module_name")):
            x = old["input_fn"]() if "input_fn" in old else torch.zeros(old["input_size"])
            made = modules.FunctionInput(
                *old.get("constructor_args", ()), **old.get("constructor_kwargs", {})
            )
            yield sample(getattr(torch.nn, old["module_name"]), made, modules.FunctionInput(x))


def config(one: Sample) -> str:
    """The sample as a config whose only operation is the node ``module``; the tensors of a state are inputs too."""
    state = one.options.get("hx")
    given = [*one.x, *state] if isinstance(state, tuple) else one.x
    inputs = "".join(f"  x{i}: {list(x.shape)}\n" for i, x in enumerate(given))
    arguments = "".join(f", {name}: {written(value)}" for name, value in one.arguments.items())
    names = written([f"x{i}" for i in range(len(given))])
    return f"input:\n{inputs}layers:\n  module: {{op: {one.cls.__name__}, from: {names}{arguments}}}\n"


def torchs(one: Sample) -> tuple[tuple[int, ...], int] | None:
    """The module's output shape and number of parameters; None where torch refuses."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            module = one.cls(**one.arguments).eval()
            y = module(*one.x, **one.options)
        except REFUSALS:
            return None
    shape = tuple((y[0] if isinstance(y, tuple) else y).shape)
    return shape, sum(p.numel() for p in module.parameters())


def ours(text: str) -> tuple[tuple[int, ...], int] | None:
    """The traced shape and the parameters."""
    from tracer.costs.operations import costs

    try:
        trace = tracer.loads(text).trace()
    except tracer.TracerError:
        return None
    shape = trace.shapes["module"]
    return None if shape is None else (shape, costs(trace)["module"].params)


def test_every_sample_of_torchs_tables_agrees() -> None:
    """Shape, parameters and refusal are the module's, for every sample in torch's tables."""
    accepted: Counter[str] = Counter()
    refused = 0
    for one in samples():
        text, theirs = config(one), torchs(one)
        assert ours(text) == theirs, text
        if theirs is None:
            refused += 1
        else:
            accepted[one.cls.__name__] += 1
    assert (accepted.total() >= ACCEPTED, refused >= REFUSED, len(accepted) >= CLASSES) == (True, True, True), (
        accepted.total(), refused, len(accepted),
    )  # fmt: skip
