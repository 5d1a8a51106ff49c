"""What the Python interface is asked about: a ``Net``, a config's path, or a torch module with its shapes.

Each is one network for inputs of the shapes that are given. Torch is not imported to find out what it is.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, Union

from tracer.diagnostics import Diagnostic, TracerError, shortened
from tracer.loading import NONE, decoded, load_text, read_bytes, reloaded
from tracer.neighbours.asked import Asked, ConfigFound, ModuleFound
from tracer.neighbours.reading import is_neighbour, neighbour
from tracer.net import Net, ReadFrom
from tracer.rules import judge
from tracer.source import limits

if TYPE_CHECKING:
    import torch

    from tracer.torch_bridge.opening import Question

Given: TypeAlias = Union[Net, str, "os.PathLike[str]", "torch.nn.Module"]
"""A network, a config's path, or a torch module."""

Shapes: TypeAlias = Sequence[Sequence[int]]
"""The shapes of inputs, in their order."""

Named: TypeAlias = Mapping[str, Sequence[int]]
"""The shapes of inputs by name: of a config's inputs, or of a forward's keywords."""


def network_of(
    given: Given,
    shapes: Shapes = (),
    inputs: Named = NONE,
    *,
    params: Mapping[str, Any] = NONE,
    allow_argument_errors: bool = False,
) -> Net:
    """The network of what is given, for inputs of these shapes, and for a config with these params.

    Raises :class:`TracerError` for what cannot be read as a network, OSError for a file that cannot be read, TypeError
    for what is none of these things, and ValueError for an input or a param that there is not.
    ``allow_argument_errors`` is that of :func:`load_text`.
    """
    if is_module(given):
        if params:
            raise TypeError(f"a module has no params to replace: {', '.join(params)}")
        from tracer.torch_bridge.opening import open_module

        return open_module(given, question(given, shapes, inputs)).net

    has_shapes = bool(shapes or inputs)
    try:
        net = _loaded(given, params, allow_argument_errors or has_shapes)
    except TracerError:
        other = _of_neighbour(_neighbour(given, params), str(given), shapes, inputs)
        if other is None:
            raise
        net = other
    return _with_inputs(net, shapes, inputs, allow_argument_errors) if has_shapes else net


def no_network(given: object) -> TypeError:
    """The error for what is none of the things that are taken.

    >>> no_network(5).args[0]
    'int is no Net, no path and no torch module'
    """
    takes = "is no Net, no path and no torch module"
    if isinstance(given, type):
        return TypeError(f"the class {given.__name__} {takes}: a module is an object of it")
    return TypeError(f"{type(given).__name__} {takes}")


def findings(net: Net) -> list[Diagnostic]:
    """Everything wrong with a network; of one that was read from a program, with the sizes that run."""
    found = judge(net)
    if net.read_from is None:
        return found
    from tracer.views.running_sizes import with_sizes_that_run

    return with_sizes_that_run(net, found)


# --- torch modules ---------------------------------------------------------------------------------------------------


def is_module(given: object) -> TypeGuard[torch.nn.Module]:
    """Whether it is a torch module.

    >>> is_module("net.yaml")
    False
    """
    # Who has a module has imported torch.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.nn.Module)


def question(
    module: torch.nn.Module, shapes: Shapes, inputs: Named, *, fixed: bool = False
) -> Question:
    """What is asked of a module for these shapes of its inputs."""
    from tracer.torch_bridge.forward import Way
    from tracer.torch_bridge.opening import Question

    laid_out = _Inputs()
    args = [laid_out.add(one) for one in shapes]
    kwargs = {name: laid_out.add(one, name) for name, one in inputs.items()}
    is_plain = all(isinstance(one, int) for one in (*args, *kwargs.values()))
    kind = type(module).__name__
    _refuse_sizes(laid_out.shapes, kind)

    words = ["module", *(repr(laid_out.given(one)) for one in args)]
    words += [f"inputs={laid_out.given(kwargs)}"] if kwargs else []
    return Question(
        kind,
        laid_out.shapes,
        Way(keywords=tuple(laid_out.names), layout=None if is_plain else (args, kwargs)),
        plan=f"tracer.plan({', '.join(words)})",
        fixed=fixed,
        how="a shape for each input: (1, 3, 512, 512); a list or dict of shapes for one of tensors; "
        "inputs={NAME: shape} for what is given by keyword",
    )


def _refuse_sizes(shapes: Shapes, path: str) -> None:
    """Raise :class:`TracerError` (T202) where a size is none that a tensor has."""
    for shape in shapes:
        if all(0 <= n <= limits.INTEGER for n in shape):
            continue
        message = "a size of an input is between 0 and 2**63 - 1"
        raise TracerError([Diagnostic("T202", message, path=path)])


class _Inputs:
    """The inputs of a module one after the other, also those that are given in lists and dicts."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.names: list[str] = []
        """The name of each; an empty one where it has none."""

    def add(self, given: Any, name: str = "") -> Any:
        """An argument with the number of each input in the place of its shape."""
        if isinstance(given, Mapping):
            named = {}
            for word, one in given.items():
                named[word] = self.add(one, _name(word))
            return named
        is_several = isinstance(given, (list, tuple)) and bool(given)
        if is_several and all(isinstance(one, (list, tuple, Mapping)) for one in given):
            parts = [self.add(one, _name(f"{name}_{i}")) for i, one in enumerate(given)]
            return tuple(parts) if isinstance(given, tuple) else parts

        self.shapes.append(_shape(given))
        self.names.append(name)
        return len(self.shapes) - 1

    def given(self, layout: Any) -> Any:
        """An argument with the shapes again."""
        if isinstance(layout, dict):
            named = {}
            for word, one in layout.items():
                named[word] = self.given(one)
            return named
        if isinstance(layout, (list, tuple)):
            parts = map(self.given, layout)
            return tuple(parts) if isinstance(layout, tuple) else list(parts)
        return self.shapes[layout]


def _name(word: Any) -> str:
    """A name for an input; an empty one where it is none, as of a part of what has no name."""
    is_name = isinstance(word, str) and word.isidentifier() and not word.startswith("_")
    return word if is_name else ""


def _shape(given: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(operator.index(n) for n in given)
    except TypeError:
        shape = getattr(given, "shape", None)
        if isinstance(shape, tuple):
            what = f"a {type(given).__name__}: give its shape, {tuple(shape)}"
        else:
            what = shortened(repr(given), 60)
        raise TypeError(
            f"a shape is a tuple of sizes such as (1, 3, 512, 512), not {what}"
        ) from None


# --- files of other tools --------------------------------------------------------------------------------------------


def _neighbour(given: object, params: Mapping[str, Any]) -> ConfigFound | ModuleFound | None:
    """What another tool's file gives; None for anything else.

    Of the params, ``key`` picks the part that is the network, and the others are its arguments.
    """
    if not isinstance(given, (str, os.PathLike)):
        return None
    path = str(given)
    text = decoded(read_bytes(given), path)
    if not is_neighbour(text):
        return None

    arguments = dict(params)
    key = arguments.pop("key", None)
    return neighbour(text, Asked(path, key, arguments))


def _of_neighbour(
    found: ConfigFound | ModuleFound | None, path: str, shapes: Shapes, inputs: Named
) -> Net | None:
    """The network of another tool's file; None where it is none, or names a module and no shapes are given."""
    if isinstance(found, ConfigFound):
        program = ReadFrom(
            path, {}, data=found.places, advice=found.advice, size_key=found.size_key
        )
        return load_text(found.text, path, NONE, read_from=program)
    if found is None or not (shapes or inputs):
        return None
    from tracer.torch_bridge.opening import open_module

    module = found.make()
    return open_module(module, question(module, shapes, inputs)).net


# --- configs ---------------------------------------------------------------------------------------------------------


def _loaded(given: object, params: Mapping[str, Any], allow_argument_errors: bool) -> Net:
    if isinstance(given, Net):
        if not params:
            return given
        return reloaded(given, given.to_yaml(), params=params)

    if not isinstance(given, (str, os.PathLike)):
        raise no_network(given)

    path = str(given)
    text = decoded(read_bytes(given), path)
    return load_text(text, path, params, allow_argument_errors=allow_argument_errors)


def _with_inputs(net: Net, shapes: Shapes, inputs: Named, allow_argument_errors: bool) -> Net:
    """The network with other shapes of its inputs, which are given in their order or by name."""
    names = [node.name for node in net.network.nodes if node.is_input]
    if len(shapes) > len(names):
        raise ValueError(f"{len(shapes)} shapes are given; the inputs are {', '.join(names)}")

    given = {name: _shape(shape) for name, shape in (*zip(names, shapes), *inputs.items())}
    return reloaded(
        net,
        net.to_yaml(),
        sizes=_other_sizes(net, given),
        inputs=given,
        allow_argument_errors=allow_argument_errors,
    )


def _other_sizes(net: Net, inputs: Named) -> dict[str, int]:
    """The sizes that were replaced so far, without those of the symbols of these inputs."""
    asked = [node.pattern for node in net.network.nodes if node.name in inputs]
    before = {} if net.loading is None else net.loading.sizes
    return {symbol: n for symbol, n in before.items() if not any(symbol in p for p in asked)}
