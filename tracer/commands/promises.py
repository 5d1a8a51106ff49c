"""Networks that the nearest ``pyproject.toml`` names, each checked against what is promised there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import click
from msgspec.structs import replace

from tracer.commands.options import Overrides, is_config, is_python, shown
from tracer.commands.project import Project, told
from tracer.commands.reading import Reading, open_net, source_of
from tracer.diagnostics import Diagnostic, Span, TracerError
from tracer.loading import unreadable
from tracer.neighbours.reading import is_neighbour
from tracer.net import Net
from tracer.network.promised import PromisedInput, PromisedSource, symbols_in
from tracer.network.records import Expectation, Node
from tracer.network.values import did_you_mean
from tracer.planning.promises import members
from tracer.rules import judge
from tracer.source.tree import Fault

TRIED = 8
"""So many promised sizes of each symbol are the first at which a module is tried to be read."""


# --- one network -----------------------------------------------------------------------------------------------------


def read_promised(source: PromisedSource, project: Project, seconds: float | None) -> Reading:
    """Read a network and judge it with what is promised of it.

    What is wrong in its table stands there, and makes it unreadable.
    """
    from tracer.views.running_sizes import with_sizes_that_run

    name = source.named(project.folder)
    try:
        net = _promised(_opened(source, name, project, seconds), source, project.path)
    except Fault as fault:
        return Reading("", None, [told(fault, project.path)], is_readable=False)
    except OSError as error:
        missing = replace(unreadable(project.path, error), span=source.place)
        return Reading("", None, [missing], is_readable=False)
    except TracerError as error:
        refused = [_placed(one, name, source, project) for one in error.diagnostics]
        return Reading("", None, refused)
    found = with_sizes_that_run(net, judge(net))
    return Reading(net.to_yaml(), net, [_placed(one, name, source, project) for one in found])


def _placed(one: Diagnostic, name: str, source: PromisedSource, project: Project) -> Diagnostic:
    """A finding about the whole network stands where that is named."""
    if one.span is not None or one.path != shown(name):
        return one
    return replace(one, path=project.path, span=source.place)


def _opened(source: PromisedSource, name: str, project: Project, seconds: float | None) -> Net:
    """The network that a table names.

    Raises :class:`Fault` for what makes the table unusable, :class:`TracerError` and OSError.
    """
    from tracer.commands.sources import opened

    overrides = Overrides.of_promise(source.arguments, source.until, "eval")
    overrides.seconds = seconds
    try:
        if is_config(name):
            return _of_text(source_of(name), name, overrides, source)
        if is_python(name):
            _search(project.folder)
            _give_sizes(overrides, source)
        else:
            shapes = source.sizes_at(source.first_sizes())
            overrides.shapes = list(zip(source.inputs, shapes))
        return opened(name, overrides)
    except click.BadParameter as error:
        raise Fault("T102", error.message, source.until_place) from None
    except click.UsageError as error:
        raise Fault("T004", error.message, source.place) from None


def _of_text(text: str, name: str, overrides: Overrides, source: PromisedSource) -> Net:
    """The network of a config or of another tool's file."""
    from tracer.commands.sources import opened_text

    overrides.key = source.key
    if source.inputs and is_neighbour(text):
        _give_sizes(overrides, source)
    net = opened_text(text, name, overrides)
    if net is not None:
        return net
    overrides.params, overrides.arguments = overrides.arguments, {}
    return open_net(text, name, overrides)


def _search(folder: str) -> None:
    """Let imports find the modules beside the file."""
    absolute = os.path.abspath(folder)
    if absolute not in sys.path:
        sys.path.insert(0, absolute)


def _give_sizes(overrides: Overrides, source: PromisedSource) -> None:
    """Read a module at its first promised sizes, and at the next ones where it cannot be read there."""
    if not source.inputs:
        hint = 'add input = [1, 3, "H", "W"]'
        raise Fault("T201", "a module needs `input`", source.place, hint)

    shapes = source.sizes_at(source.first_sizes())
    overrides.shapes = list(zip(source.inputs, shapes))
    overrides.symbols = tuple(map(_symbols, source.inputs.values()))
    overrides.others = [source.sizes_at(sizes) for sizes in _next_sizes(source)]


def _symbols(one: PromisedInput) -> Mapping[int, str]:
    return {number: dim for number, dim in enumerate(one.dims) if isinstance(dim, str)}


def _next_sizes(source: PromisedSource) -> Iterator[dict[str, int]]:
    """The next promised sizes, of all symbols together and of each alone."""
    first = source.first_sizes()
    several = {
        symbol: list(islice(members(promise), TRIED))
        for symbol, promise in source.sizes.items()
    }
    for number in range(1, TRIED):
        yield {symbol: sizes[min(number, len(sizes) - 1)] for symbol, sizes in several.items()}
        for symbol, sizes in several.items():
            if number < len(sizes):
                yield {**first, symbol: sizes[number]}


# --- what is promised ------------------------------------------------------------------------------------------------


def _promised(net: Net, source: PromisedSource, path: str) -> Net:
    """The network with what is promised of it. Raises :class:`Fault` for what it does not have."""
    sizes, places = dict(source.sizes), dict(source.size_places)
    for node, one in _inputs(net, source):
        for symbol, number, place in _fixed(node, one):
            sizes[symbol] = number
            places[symbol] = place

    for symbol in sizes:
        if symbol not in net.symbols:
            hint = did_you_mean(symbol, net.symbols)
            raise Fault("T102", f"the input has no symbol {symbol!r}", places[symbol], hint)
    return net.promising(path, sizes, places, _outputs(net, source))


def _inputs(net: Net, source: PromisedSource) -> Iterator[tuple[Node, PromisedInput]]:
    """The inputs of the network that the table has shapes of."""
    known = {node.name: node for node in net.network.nodes if node.is_input}
    for name, one in source.inputs.items():
        if name in known:
            yield known[name], one
        elif not name and len(known) == 1:
            (node,) = known.values()
            yield node, one
        else:
            message = (
                f"no input is called {name!r}" if name else "the network has several inputs"
            )
            hint = did_you_mean(name, known)
            raise Fault("T102", message, one.places[0] if one.places else source.place, hint)


def _fixed(node: Node, one: PromisedInput) -> Iterator[tuple[str, int, Span]]:
    """The symbols of an input for which the table has a number. Raises :class:`Fault` where a dim is another one."""
    if len(node.pattern) != len(one.dims):
        message = f"{node.name} has {len(node.pattern)} dims, not {len(one.dims)}"
        raise Fault("T203", message, one.places[0] if one.places else None)

    for number, (own, dim, place) in enumerate(zip(node.pattern, one.dims, one.places)):
        if isinstance(own, str) and isinstance(dim, int):
            yield own, dim, place
        elif own != dim:
            raise Fault("T202", f"dim {number} of {node.name} is {own} there, not {dim}", place)


def _outputs(net: Net, source: PromisedSource) -> dict[str, Expectation]:
    """The promised shapes by the names of the network's outputs."""
    names = list(net.network.outputs)
    found = {}
    for name, (pattern, at) in source.outputs.items():
        if not name and len(names) > 1:
            several = f"the network has several outputs: {_listed(names)}"
            raise Fault("T106", several, at, f"write output = {{{names[0]} = [...]}}")
        if name and name not in names:
            raise Fault("T102", f"no output is called {name!r}", at, did_you_mean(name, names))

        unknown = sorted(symbols_in(pattern) - set(net.symbols))
        if unknown:
            hint = did_you_mean(unknown[0], net.symbols)
            raise Fault("T102", f"the input has no symbol {unknown[0]!r}", at, hint)
        found[name or names[0]] = (pattern, at)
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8])
