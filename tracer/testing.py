"""Assertions for test suites: that a network runs, at one shape and at every size that is asked for.

``tracer.testing.assert_runs(module, (1, 3, 512, 512), sizes={"min": 32, "step": 32})``
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeGuard

from msgspec.structs import replace

from tracer.api.given import Given, Named, findings, network_of
from tracer.diagnostics import Diagnostic, TracerError, shortened
from tracer.geometry.grids import spatial_symbols
from tracer.loading import NONE, decoded, quoted_texts, read_bytes
from tracer.net import Net, unknown_symbol
from tracer.network.records import Promise, SizeRange
from tracer.planning.promises import unkept
from tracer.source import limits
from tracer.views.report import full

MOST = 1_000
"""Sizes that are listed one by one, at most."""

Sizes: TypeAlias = int | Iterable[int] | Iterable[Sequence[int]] | Mapping[str, Any]
"""Sizes that have to work; :func:`assert_runs` says in which forms."""


def assert_runs(
    network: Given,
    /,
    *shapes: Sequence[int],
    sizes: Sizes | None = None,
    inputs: Named = NONE,
    strict: bool = False,
) -> None:
    """Fails where a network does not run at these shapes of its inputs, and at every one of some sizes.

    ``network``, ``shapes`` and ``inputs`` are those of :func:`tracer.sizes`: a torch module needs shapes, a config has
    its own. ``sizes`` are those of the inputs' spatial dims:

    - ``{"min": 32, "step": 32}``: every multiple of 32 without end, which is proven; ``"max"`` ends it
    - ``range(32, 513, 32)``, ``[256, 320, 512]`` or ``256``: each of these, of every dim
    - ``[(256, 256), (500, 375)]``: these pictures, a size for each dim
    - ``{"H": [256, 320], "W": {"min": 32, "step": 32}}``: by the names of the dims

    AssertionError has the errors as ``tracer check`` prints them, with ``strict`` the warnings too. Raises ValueError
    and TypeError for sizes that are none, and for a network whose spatial dims have no names.

    >>> assert_runs("configs/unet_padded.yaml", sizes={"min": 16, "step": 16})
    >>> assert_runs("configs/unet_padded.yaml", sizes=[64, 72])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    AssertionError: configs/unet_padded.yaml:8:30: error[T305] H = 72 does not work: ...
    """
    __tracebackhide__ = True
    text = _text_of(network)
    try:
        net = network_of(network, shapes, inputs)
        found = _wrong(net, sizes, strict)
    except TracerError as error:
        found = error.diagnostics
        net = None
    if not found:
        return

    own = {str(network): text} if net is None else {net.network.path: net.to_yaml()}
    raise AssertionError(full(found, quoted_texts(found, own)))


def _text_of(network: object) -> str:
    """The text of a config's file, which findings quote; empty for what is no file. Raises OSError and TracerError."""
    if not isinstance(network, (str, os.PathLike)):
        return ""
    return decoded(read_bytes(network), str(network))


def _wrong(net: Net, sizes: Sizes | None, strict: bool) -> list[Diagnostic]:
    """What is wrong at the declared sizes; where nothing is, at the sizes that are asked for."""
    found = _failing(findings(net), strict)
    if found or sizes is None:
        return found

    # What is read once is gone then.
    asked = _listed(sizes) if _is_list(sizes) else sizes
    pictures = _pictures(net, asked)
    if pictures is not None:
        return [one for picture in pictures for one in _at(net, picture, strict)]
    return _failing(findings(_promising(net, _promises(net, asked))), strict)


def _is_list(sizes: object) -> TypeGuard[Iterable[Any]]:
    """Whether sizes are listed one by one."""
    is_other = isinstance(sizes, (str, bytes, Mapping, range))
    return isinstance(sizes, Iterable) and not is_other


def _failing(found: Sequence[Diagnostic], strict: bool) -> list[Diagnostic]:
    return [one for one in found if strict or one.severity == "error"]


# --- sizes that are proven -------------------------------------------------------------------------------------------


def _promising(net: Net, promises: Mapping[str, Promise]) -> Net:
    """The network with these sizes promised; the widths that it infers are those of its own sizes."""
    network = net.network
    places = {symbol: network.symbols[symbol] for symbol in promises}
    promising = net.promising(None, promises, places, {})
    _plan_at(promising, promises)
    return promising.built_as(net) if net.built.widths else promising


def _plan_at(net: Net, asked: Mapping[str, Promise]) -> None:
    """Let errors name the plan of these sizes; none where several are asked for, as nothing is wrong at its own."""
    program = net.read_from
    if program is None or program.plan is None:
        return

    plan = None
    if all(isinstance(one, int) for one in asked.values()):
        sizes = ", ".join(f"{symbol!r}: {one}" for symbol, one in asked.items())
        plan = f"{program.plan.removesuffix(')')}, sizes={{{sizes}}})"
    net.reading_of(replace(program, plan=plan))


def _promises(net: Net, sizes: Any) -> dict[str, Promise]:
    """What is asked of each symbol."""
    if not isinstance(sizes, Mapping) or _is_range(sizes):
        return dict.fromkeys(_spatial(net), _promise(sizes))

    for symbol in sizes:
        if symbol not in net.symbols:
            raise unknown_symbol(net.network, symbol)
    return {symbol: _promise(one) for symbol, one in sizes.items()}


def _spatial(net: Net) -> list[str]:
    """The symbols of the spatial dims. Raises ValueError where there are none."""
    found = spatial_symbols(net.trace())
    if not found:
        raise ValueError(
            "the spatial dims of the inputs are numbers: give them names, as in [1, 3, H, W]"
        )
    return found


def _is_range(given: Mapping[str, Any]) -> bool:
    return "min" in given and given.keys() <= {"min", "max", "step"}


def _promise(given: Any) -> Promise:
    """The sizes of one symbol."""
    if isinstance(given, Mapping):
        return _range_of(given)
    if isinstance(given, range):
        return _range_of_python(given)
    if _is_list(given):
        return tuple(_size(one) for one in _listed(given))
    return _size(given)


def _range_of(given: Mapping[str, Any]) -> SizeRange:
    """``{"min": 32, "step": 32}``."""
    if not _is_range(given):
        raise ValueError(f"a range of sizes has min, max and step, not {_written(dict(given))}")

    end = given.get("max")
    found = SizeRange(
        least=_size(given["min"]),
        largest=None if end is None else _size(end),
        step=_size(given.get("step", 1)),
    )
    is_empty = found.largest is not None and found.largest < found.least
    if is_empty or found.step < 1:
        raise ValueError(f"no size is in the range {_written(dict(given))}")
    return found


def _range_of_python(given: range) -> SizeRange:
    """``range(32, 513, 32)``, in either direction."""
    if not given:
        raise ValueError(f"no size is in {_written(given)}")
    ends = sorted((given[0], given[-1]))
    return SizeRange(_size(ends[0]), _size(ends[1]), abs(given.step))


def _listed(given: Iterable[Any]) -> list[Any]:
    """Sizes that are listed, in a bounded number. Raises ValueError for none, and for too many."""
    found = list(islice(given, MOST + 1))
    if not found:
        raise ValueError("no sizes are listed")
    if len(found) > MOST:
        raise ValueError(
            f'more than {MOST} sizes are listed: give a range, or {{"min": 32, "step": 32}} for those without end'
        )
    return found


def _size(given: Any) -> int:
    """One size. Raises TypeError and ValueError for what is none."""
    try:
        size = operator.index(given)
    except TypeError:
        size = None
    if size is None or isinstance(given, bool):
        raise TypeError(f"a size is a whole number, not {_written(given)}")
    if not 0 <= size <= limits.INTEGER:
        raise ValueError(f"a size is between 0 and 2**63 - 1, not {_written(size)}")
    return size


def _written(given: object) -> str:
    return shortened(repr(given), 80)


# --- pictures --------------------------------------------------------------------------------------------------------


def _pictures(net: Net, sizes: Any) -> list[dict[str, int]] | None:
    """The sizes of each picture by symbol; None where no pictures are listed."""
    if not isinstance(sizes, list) or not any(map(_is_list, sizes)):
        return None
    symbols = _spatial(net)
    return [_picture(symbols, one) for one in sizes]


def _picture(symbols: Sequence[str], given: Any) -> dict[str, int]:
    """One picture's sizes by symbol. Raises ValueError where there are more or fewer."""
    if not isinstance(given, Sequence) or len(given) != len(symbols):
        raise ValueError(f"a picture has sizes for {', '.join(symbols)}, not {_written(given)}")
    return {symbol: _size(one) for symbol, one in zip(symbols, given)}


def _at(net: Net, picture: Mapping[str, int], strict: bool) -> list[Diagnostic]:
    """What is wrong with the network, as it is built at its own sizes, at those of one picture."""
    asked = _promising(net, picture).built_as(net)
    found = unkept(asked.network, asked.built.ops, picture)
    if found is not None:
        return asked.told([found])
    return findings(asked) if strict else []
