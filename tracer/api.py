"""The Python interface: functions that load and check networks.

``import tracer`` gives the names of this file; each imports what it needs when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import decoded, load_text, read_bytes, unreadable
from tracer.net import Net
from tracer.planning.working_sizes import WorkingSizes
from tracer.repairing.repairs import Plan, plan_of
from tracer.sizing.size_set import TooLarge

if TYPE_CHECKING:
    import torch

    from tracer.comparing.comparison import Comparison
    from tracer.planning.constraints import Constraints


def loads(text: str, path: str = "<string>", /, **params: Any) -> Net:
    """A network from a config's text; keyword arguments replace params.

    Raises :class:`TracerError` with every T0xx to T2xx error.
    """
    return load_text(text, path, params)


def load(path: str | os.PathLike[str], /, **params: Any) -> Net:
    """A network from a config file; keyword arguments replace params: ``load("unet.yaml", base=32)``.

    Raises :class:`TracerError` with every T0xx to T2xx error, and OSError where the file cannot be read.
    """
    return loads(decoded(read_bytes(path), str(path)), str(path), **params)


def plan(net: Net, /, sizes: Mapping[str, int] | None = None) -> Plan:
    """Values for every ``auto``: one assignment for every size that the config promises; also ``net.plan()``.

    ``sizes`` gives some symbols one size instead. Never raises on a wrong network: ``feasible`` is false then,
    ``diagnostics`` say why, ``repairs`` what would help. Raises ValueError for a symbol that the input doesn't have.

    >>> import tracer
    >>> net = tracer.load("configs/conv_autoencoder.yaml")
    >>> tracer.plan(net).assignments["dec2.conv.output_padding"]
    (1, 1)
    """
    return plan_of(net if sizes is None else net.with_sizes(sizes))


def sizes(net: Net, /, *, all: bool = False) -> WorkingSizes:
    """The exact sets of input sizes, per symbol; with ``all`` of every fixed dim too. Also ``net.sizes()``.

    Raises :class:`TracerError` (T006) where a set repeats later than is computed.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, H, 8]\\nsizes: {H: 8}\\nlayers: {down: {op: MaxPool2d, kernel_size: 2}}")
    >>> print(tracer.sizes(net).axes["H"].lossless)
    n = 2k, k >= 1
    """
    return net.sizes(every_dim=all)


def constraints(net: Net, /) -> Constraints:
    """Which input sizes run, for programs: a small object that is JSON, and needs neither the network nor torch.

    Raises :class:`TracerError` (T006) where a set repeats later than is computed, or an operation takes numbers only.

    >>> import tracer
    >>> c = tracer.constraints(tracer.load("configs/unet_2015.yaml"))
    >>> c.runs(H=572, W=572), c.nearest(H=100, W=300).above
    (True, {'H': 188, 'W': 300})
    >>> tracer.Constraints.from_json(c.to_json()) == c
    True
    """
    from tracer.planning.constraining import NoSymbols, constraints_of
    from tracer.planning.constraints import Constraints

    try:
        record = constraints_of(net.network, net.built.ops, net.network.defaults())
    except (TooLarge, NoSymbols) as error:
        fault = Diagnostic("T006", str(error), None, path=net.network.path)
        raise TracerError([fault]) from None
    return Constraints(record)


def compare(a: Net, b: Net, /) -> Comparison:
    """What differs between two networks: nodes, shapes, costs, sets of sizes, findings, each traced at its own sizes.

    Never raises on a wrong network: it is compared as far as it goes. ``differs`` is false where nothing does.
    """
    from tracer.comparing.comparison import compare

    return compare(a, b)


def build(net: Net, /, device: str | None = None) -> torch.nn.Module:
    """The network as a torch.nn.Module, every ``auto`` planned first; needs torch.

    Its state dict keys mirror the config's names (``enc1.conv1.weight``). It takes the inputs in the config's order
    and returns the output, or a dict by name where there are several. Raises :class:`TracerError` where the network
    does not close.
    """
    from tracer.torch_bridge.building import build

    return build(net, device)


def from_module(module: torch.nn.Module, /, *shapes: Sequence[int], fixed: bool = False) -> Net:
    """The network of a torch module, for inputs of these shapes; its batch and its spatial dims become symbols.

    Needs torch. ``from_module(model, (1, 3, 512, 512)).to_yaml()`` is its config. With ``fixed`` all dims stay numbers,
    and the config says nothing of other sizes. Raises
    :class:`tracer.torch_bridge.importing.Unrepresentable`, which names what has no place in a config.
    """
    from tracer.torch_bridge.importing import from_module

    return from_module(module, *shapes, fixed=fixed)


def check(path: str | os.PathLike[str], /, **params: Any) -> list[Diagnostic]:
    """Everything wrong with a config file, ordered by place; never raises on bad input."""
    from tracer.rules import judged

    try:
        return judged(lambda: load(path, **params)).found
    except OSError as error:
        return [unreadable(str(path), error)]


def checks(text: str, path: str = "<string>", /, **params: Any) -> list[Diagnostic]:
    """Everything wrong with a config's text, ordered by place."""
    from tracer.rules import judged

    return judged(lambda: loads(text, path, **params)).found
