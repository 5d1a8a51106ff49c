"""A config's text, and what the caller replaces in it, to a loaded network."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from functools import partial
from typing import Any

from tracer.diagnostics import TracerError
from tracer.net import Net
from tracer.network.graph import arrange
from tracer.network.reading import read_network
from tracer.network.records import Network


def load_text(
    text: str,
    path: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    tabled: bool = True,
    faulty: bool = False,
) -> Net:
    """A network from a config's text, with params, symbols' sizes and inputs' shapes replaced.

    An input's shape is found by its name; the empty name stands for the only input. With ``faulty`` a network is given
    although its trace finds wrong arguments (T2xx). Raises TracerError, and ValueError for a param, symbol or input
    that the config doesn't have.
    """
    network = read_network(text, path, params)
    for name, shape in (inputs or {}).items():
        replace_input(network, name, shape)
    for symbol, size in (sizes or {}).items():
        if symbol not in network.symbols:
            known = ", ".join(network.symbols) or "none"
            raise ValueError(f"the input has no symbol {symbol!r}; its symbols: {known}")
        network.sizes[symbol] = size
    arrange(network)
    net = Net(network, tabled=tabled)
    net.reloaded = partial(load_text, path=path, params=params, sizes=sizes, inputs=inputs)
    if not faulty and all(symbol in network.sizes for symbol in network.symbols):
        early = [d for d in net.trace().diagnostics if d.code < "T3"]
        if early:
            raise TracerError(early)
    return net


def replace_input(network: Network, name: str, shape: tuple[int, ...]) -> None:
    """Give an input another shape: its symbols take the sizes, its fixed dims are replaced."""
    inputs = [node for node in network.nodes if node.is_input]
    chosen = [node for node in inputs if node.name == name] if name else inputs
    if len(chosen) != 1:
        known = ", ".join(node.name for node in inputs)
        raise ValueError(
            f"no input is called {name!r}; inputs: {known}"
            if name
            else f"which input? write {known}=..."
        )
    node = chosen[0]
    if len(node.pattern) == len(shape):
        for dim, n in zip(node.pattern, shape):
            if isinstance(dim, str):
                network.sizes[dim] = n
        node.pattern = tuple(d if isinstance(d, str) else n for d, n in zip(node.pattern, shape))
        if any(network.sizes[d] != n for d, n in zip(node.pattern, shape) if isinstance(d, str)):
            raise ValueError(
                f"one symbol of the input would need two sizes in {','.join(map(str, shape))}"
            )
    else:
        node.pattern = shape


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
        if hasattr(os, "set_blocking"):
            os.set_blocking(file.fileno(), True)
        return start + file.read(FILE_BYTES + 1 - len(start))


def _opened_at_once(path: str, flags: int) -> int:
    """A descriptor of the file; opening a pipe does not wait for one who writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
