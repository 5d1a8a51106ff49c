"""A config's text, and what the caller replaces in it, to a loaded network."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Loading, Net, ReadFrom, put_places, unknown_symbol
from tracer.network.graph import arrange
from tracer.network.part import cut_behind
from tracer.network.reading import read_network
from tracer.network.records import DimPattern, Network, Node, as_written
from tracer.shapes.recipe import recipe_of
from tracer.shapes.trace import dim_value
from tracer.source.expressions import Expression
from tracer.source.tree import Fault, decode

NONE: Mapping[str, Any] = {}
"""Nothing is replaced."""


def load_text(
    text: str,
    path: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] = NONE,
    inputs: Mapping[str, tuple[int, ...]] = NONE,
    *,
    explain_plan: bool = True,
    allow_argument_errors: bool = False,
    read_from: ReadFrom | None = None,
    until: str | None = None,
) -> Net:
    """A network from a config's text, with params, symbols' sizes and inputs' shapes replaced.

    An input's shape is found by its name; the empty name stands for the only input. With ``allow_argument_errors`` a
    network is given although some arguments are wrong (T2xx) whatever the sizes of its symbols are; those that other
    sizes make right are no error of loading. ``explain_plan`` is that of :class:`Net`. ``until`` names the layer that
    is the network's output: what it does not need is left out.
    Raises TracerError, and ValueError for a param, symbol, input or layer that the config doesn't have.
    """
    network = read_network(text, path, params)
    for name, shape in inputs.items():
        replace_input(network, name, shape)
    for symbol, size in sizes.items():
        if symbol not in network.symbols:
            raise unknown_symbol(network, symbol)
        network.sizes[symbol] = size
    _refuse_untied(network, inputs)
    if until is not None:
        cut_behind(network, until)
    arrange(network)

    loading = Loading(path, params, sizes, inputs, read_from, until)
    if read_from is not None:
        put_places(network, read_from.places)
    net = Net(network, loading, explain_plan=explain_plan)
    if not allow_argument_errors and all(symbol in network.sizes for symbol in network.symbols):
        early = _wrong_at_any_size(net)
        if early:
            raise TracerError(early)
    return net


def _wrong_at_any_size(net: Net) -> list[Diagnostic]:
    """The wrong arguments (T0xx to T2xx) that no other sizes of the symbols make right."""
    early = [diagnostic for diagnostic in net.trace().diagnostics if diagnostic.code < "T3"]
    if not early or not net.network.symbols:
        return early

    recipe = recipe_of(net.network, net.solution().ops, contracts=False)
    refused = {refusal.node.name for refusal in recipe.refusals}
    return [diagnostic for diagnostic in early if diagnostic.node in {None, *refused}]


def reloaded(
    net: Net,
    text: str,
    *,
    params: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    inputs: Mapping[str, tuple[int, ...]] = NONE,
    explain_plan: bool = True,
    allow_argument_errors: bool = False,
) -> Net:
    """The network of an edited text, loaded with what ``net`` was loaded with; params or sizes are others where given.

    ``inputs`` are shapes of some inputs that are others.

    Raises as :func:`load_text` does, and TypeError where ``net`` was not loaded from a text.
    """
    before = net.loading
    if before is None:
        raise TypeError("the network was not loaded from a text")
    return load_text(
        text,
        before.path,
        before.params if params is None else params,
        before.sizes if sizes is None else sizes,
        {**before.inputs, **inputs},
        explain_plan=explain_plan,
        allow_argument_errors=allow_argument_errors,
        read_from=before.read_from,
        until=before.until,
    )


def replace_input(network: Network, name: str, shape: tuple[int, ...]) -> None:
    """Give an input of a network that is just being loaded another shape.

    Its symbols take the sizes, its fixed dims are replaced; another number of dims replaces them all. Raises
    ValueError where there is no such input, or one symbol would need two sizes.
    """
    node = _input_called(network, name)
    if len(node.pattern) != len(shape):
        node.pattern = shape
        return

    symbols = [(dim, n) for dim, n in zip(node.pattern, shape) if isinstance(dim, str)]
    network.sizes.update(symbols)
    node.pattern = tuple(
        n if isinstance(dim, int) else dim for dim, n in zip(node.pattern, shape)
    )
    if any(network.sizes[symbol] != n for symbol, n in symbols):
        raise ValueError(
            f"one symbol of the input would need two sizes in {','.join(map(str, shape))}"
        )


def _refuse_untied(network: Network, inputs: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError where a dim of a replaced input is tied to a symbol, and another size is asked for."""
    sizes = network.defaults()
    for name, shape in inputs.items():
        node = _input_called(network, name)
        for number, (dim, n) in enumerate(zip(node.pattern, shape)):
            tied = _tied_size(dim, sizes)
            if tied is not None and tied != n:
                message = (
                    f"dim {number} of {node.name} is {as_written(dim)}, here {tied}, not {n}"
                )
                raise ValueError(message)


def _tied_size(dim: DimPattern, sizes: Mapping[str, int]) -> Any:
    """The size of a dim that is an expression; None for another, and where a size in it is not known."""
    if not isinstance(dim, Expression) or not dim.names <= sizes.keys():
        return None
    return dim_value(dim, sizes)


def _input_called(network: Network, name: str) -> Node:
    """The input of this name; the only one where the name is empty."""
    inputs = [node for node in network.nodes if node.is_input]
    chosen = [node for node in inputs if node.name == name] if name else inputs
    if len(chosen) == 1:
        return chosen[0]

    known = ", ".join(node.name for node in inputs)
    if name:
        raise ValueError(f"no input is called {name!r}; inputs: {known}")
    raise ValueError(f"which input? write {known}=...")


def decoded(raw: bytes, path: str) -> str:
    """A config's text. Raises :class:`TracerError` (T001) where the bytes are no text."""
    try:
        return decode(raw)
    except Fault as fault:
        raise TracerError(
            [Diagnostic(fault.code, fault.message, fault.span, path=path)]
        ) from None


def unreadable(path: str, error: OSError) -> Diagnostic:
    """The finding about a file that cannot be read."""
    return Diagnostic("T001", f"cannot be read: {error.strerror or error}", path=path)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes, at most one more than a config may have. Raises OSError."""
    from tracer.source.limits import FILE_BYTES

    if "\0" in os.fsdecode(path):
        raise OSError(errno.EINVAL, "no file has a name with a null character", path)

    with open(path, "rb", opener=_opened_at_once) as file:
        start = b""
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            try:
                start = os.read(file.fileno(), FILE_BYTES + 1)
                if not start:
                    raise OSError(
                        errno.EPIPE, "it is a pipe that nothing writes to", os.fspath(path)
                    )
            except BlockingIOError:
                pass  # someone writes, and has not written yet

        # What remains is waited for.
        if hasattr(os, "set_blocking"):
            os.set_blocking(file.fileno(), True)
        return start + file.read(FILE_BYTES + 1 - len(start))


def quoted_texts(found: Sequence[Diagnostic], known: Mapping[str, str]) -> dict[str, str]:
    """The texts that findings quote, by path: those that are known, and those of Python files that they stand in."""
    texts = dict(known)
    for one in found:
        for path in (one.path, *(related.path for related in one.related)):
            if path is not None and path not in texts and path.endswith(".py"):
                texts[path] = _python_text(path)
    return texts


def _python_text(path: str) -> str:
    try:
        return read_bytes(path).decode("utf-8", "replace")
    except OSError:
        return ""


def _opened_at_once(path: str, flags: int) -> int:
    """A descriptor of the file; opening a pipe does not wait for one who writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
