"""The Python interface: functions that load and check networks.

``import tracer`` gives the names of this file; each imports what it needs when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from tracer.api.given import Given, Named, findings, network_of, question
from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import NONE, load_text, unreadable
from tracer.net import Net
from tracer.planning.working_sizes import WorkingSizes
from tracer.repairing.repairs import Plan, plan_of
from tracer.sizing.size_set import TooLarge

if TYPE_CHECKING:
    import torch

    from tracer.comparing.comparison import Comparison
    from tracer.designing.tiling.plan import Tiling
    from tracer.planning.constraints import Constraints
    from tracer.views.notebook import Drawing


def loads(text: str, path: str = "<string>", /, **params: Any) -> Net:
    """A network from a config's text; keyword arguments replace params.

    Raises :class:`TracerError` with every T0xx to T2xx error.
    """
    if not isinstance(text, str):
        raise TypeError(f"a config's text is a str, not {type(text).__name__}")
    return load_text(text, path, params)


def load(path: str | os.PathLike[str], /, **params: Any) -> Net:
    """A network from a config file; keyword arguments replace params: ``load("unet.yaml", base=32)``.

    Of nnU-Net plans ``key`` picks a configuration, and other arguments are those that plans leave open:
    ``load("plans.json", key="3d_fullres", num_classes=3)``. Raises :class:`TracerError` with every T0xx to T2xx error,
    and OSError where the file cannot be read.
    """
    return network_of(path, params=params)


def plan(
    network: Given,
    /,
    *shapes: Sequence[int] | Mapping[str, int],
    sizes: Mapping[str, int] | None = None,
    inputs: Named = NONE,
    **symbols: int,
) -> Plan:
    """Values for every ``auto``: one assignment for every size that is promised; also ``net.plan()``.

    Some symbols have one size instead where it is given: ``plan(net, H=500)``, ``sizes={"H": 500}``, or a mapping in
    the place of a shape. Never raises on a wrong network: ``feasible`` is false then, ``diagnostics`` say why,
    ``repairs`` what would help. Raises ValueError for a symbol that the input doesn't have, and otherwise as
    :func:`sizes` does.

    >>> import tracer
    >>> tracer.plan("configs/conv_autoencoder.yaml").assignments["dec2.conv.output_padding"]
    (1, 1)
    """
    of_inputs = [shape for shape in shapes if not isinstance(shape, Mapping)]
    given = [sizes or {}, *(one for one in shapes if isinstance(one, Mapping)), symbols]
    asked = {symbol: size for one in given for symbol, size in one.items()}

    net = network_of(network, of_inputs, inputs, allow_argument_errors=True)
    return plan_of(net.with_sizes(asked) if asked else net)


def sizes(
    network: Given, /, *shapes: Sequence[int], inputs: Named = NONE, all: bool = False
) -> WorkingSizes:
    """The exact sets of input sizes, per symbol; with ``all`` of every fixed dim too. Also ``net.sizes()``.

    ``network`` is a :class:`Net`, a config's path, or a torch module. ``shapes`` are those of its inputs in their
    order, ``inputs`` of those that have a name; a module needs them, and a config declares its own otherwise. A module
    that does not run at these shapes is read at some near them, and the answer is for those that are asked for.

    Raises :class:`TracerError` for a network that cannot be read, and (T006) where a set repeats later than is
    computed; OSError for a file that cannot be read, and TypeError or ValueError for shapes that fit no input.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, H, 8]\\nsizes: {H: 8}\\nlayers: {down: {op: MaxPool2d, kernel_size: 2}}")
    >>> print(tracer.sizes(net).axes["H"].lossless)
    n = 2k, k >= 1
    """
    return network_of(network, shapes, inputs).sizes(every_dim=all)


def tile(
    network: Given,
    /,
    *shapes: Sequence[int],
    picture: Mapping[str, int] | None = None,
    tile: Mapping[str, int] | None = None,
    memory: int | None = None,
    inputs: Named = NONE,
) -> Tiling:
    """The tiles of a picture, with the overlap that makes tiled inference equal to inference on the whole picture.

    ``picture`` and ``tile`` have sizes by axis, the symbols of the inputs' spatial dims (``input[2]`` for one that is a
    number); what ``picture`` leaves out has the network's own size, and what ``tile`` leaves out is not cut. With
    ``memory``, in bytes, in the place of ``tile``, they are the fewest whose run fits. The other arguments are those
    of :func:`sizes`, and so is what is raised; :class:`tracer.designing.tiling.plan.Untileable`, a ValueError, where
    the picture or a tile does not run or is too small.

    >>> import tracer
    >>> found = tracer.tile("configs/unet_padded.yaml", picture={"H": 2048, "W": 2048}, tile={"H": 512, "W": 512})
    >>> found.exact, found.step["H"], found.halo["H"], found.tiles
    (True, 320, Halo(left=94, right=94), 36)
    """
    from tracer.designing.tiling.plan import tiling

    if tile is None and memory is None:
        raise ValueError("say the tile, or the memory that it has to fit in")
    if tile is not None and memory is not None:
        raise ValueError("give one of tile and memory: the memory chooses the tile")
    return tiling(network_of(network, shapes, inputs), picture or {}, tile, memory)


def constraints(network: Given, /, *shapes: Sequence[int], inputs: Named = NONE) -> Constraints:
    """Which input sizes run, for programs: a small object that is JSON, and needs neither the network nor torch.

    The arguments are those of :func:`sizes`. Raises as that does; T006 also where an operation takes numbers only.

    >>> import tracer
    >>> c = tracer.constraints("configs/unet_2015.yaml")
    >>> c.runs(H=572, W=572), c.nearest(H=100, W=300).above
    (True, {'H': 188, 'W': 300})
    >>> tracer.Constraints.from_json(c.to_json()) == c
    True
    """
    from tracer.planning.constraining import NoSymbols

    net = network_of(network, shapes, inputs)
    try:
        return net.constraints()
    except (TooLarge, NoSymbols) as error:
        fault = Diagnostic("T006", str(error), None, path=net.network.path)
        raise TracerError([fault]) from None


@overload
def draw(
    network: Given,
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    to: Literal["svg"] = "svg",
    depth: int | None = 1,
    style: Literal["maps", "boxes"] | None = None,
) -> Drawing: ...
@overload
def draw(
    network: Given,
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    to: Literal["html", "mermaid", "dot"],
    depth: int | None = 1,
    style: Literal["maps", "boxes"] | None = None,
) -> str: ...
@overload
def draw(
    network: Given,
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    to: Literal["png"],
    depth: int | None = 1,
    style: Literal["maps", "boxes"] | None = None,
) -> bytes: ...
def draw(
    network: Given,
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    to: str = "svg",
    depth: int | None = 1,
    style: Literal["maps", "boxes"] | None = None,
) -> str | bytes:
    """The picture of a network in a format of ``tracer draw``, as a text; of ``png`` as bytes.

    A notebook shows the text of ``svg`` as the picture.
    What is wrong is red where it is. Blocks are unfolded to this depth, with None all of them. ``svg`` and ``png`` show
    maps with their extents and channels, or boxes as the others do. The other arguments are those of :func:`sizes`.
    Raises as that does, and ValueError for a format that there is not, or one that has not that style.

    >>> import tracer
    >>> tracer.draw("configs/unet_2015.yaml", to="mermaid").startswith("flowchart TD")
    True
    """
    from tracer.views.notebook import Drawing
    from tracer.views.pictures import formats, picture_format

    if to not in formats():
        raise ValueError(f"there is no format {to!r}; formats: {', '.join(formats())}")
    drawing = picture_format(to)
    if style not in (None, *drawing.STYLES):
        raise ValueError(f"{to} has no style {style!r}; styles: {', '.join(drawing.STYLES)}")
    net = network_of(network, shapes, inputs)
    content: bytes = drawing.content(net, findings(net), depth, style).content
    if to == "svg":
        return Drawing(content.decode())
    return content.decode() if drawing.IS_TEXT else content


def compare(a: Given, b: Given, /) -> Comparison:
    """What differs between two networks: nodes, shapes, costs, sets of sizes, findings, each traced at its own sizes.

    Each is a :class:`Net` or a config's path. A wrong network is compared as far as it goes. ``differs`` is false where
    nothing does. Raises :class:`TracerError` for one that cannot be read, and OSError for a file.
    """
    from tracer.comparing.comparison import compare

    old = network_of(a, allow_argument_errors=True)
    new = network_of(b, allow_argument_errors=True)
    return compare(old, new)


def build(net: Net, /, device: str | None = None) -> torch.nn.Module:
    """The network as a torch.nn.Module, every ``auto`` planned first; needs torch.

    Its state dict keys mirror the config's names (``enc1.conv1.weight``). It takes the inputs in the config's order
    and returns the output, or a dict by name where there are several. Weights are torch's initial ones, and a buffer
    (``learned: false``), whose values no config has, is zeros or noise until it is loaded:
    ``tracer.torch_bridge.opening.read_module(module, shape).state_dict()`` has the values of a module that was read.
    Raises :class:`TracerError` where the network does not close.
    """
    from tracer.torch_bridge.building import build

    return build(net, device)


def from_module(
    module: torch.nn.Module,
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    fixed: bool = False,
) -> Net:
    """The network of a torch module, for inputs of these shapes; its batch and its spatial dims become symbols.

    ``inputs`` has the shapes of those that are given by keyword. Needs torch.
    ``from_module(model, (1, 3, 512, 512)).to_yaml()`` is its config. With ``fixed`` all dims stay numbers, and the
    config says nothing of other sizes. Raises :class:`TracerError`, whose diagnostics name what has no place in a
    config (T601), or what the module raises at these shapes.
    """
    from tracer.torch_bridge.opening import net_of

    return net_of(module, question(module, shapes, inputs, fixed=fixed))


def check(
    network: Given, /, *shapes: Sequence[int], inputs: Named = NONE, **params: Any
) -> list[Diagnostic]:
    """Everything wrong with a network, ordered by place; never raises on bad input.

    Keyword arguments replace params of a config: ``tracer.check("unet.yaml", base=32)``. The other arguments are those
    of :func:`sizes`. What is wrong with a module is told at the line of its source.

    >>> import tracer
    >>> tracer.check("configs/unet_2015.yaml", (1, 1, 100, 572))[0].code
    'T302'
    """
    try:
        return findings(network_of(network, shapes, inputs, params=params))
    except TracerError as error:
        return error.diagnostics
    except OSError as error:
        return [unreadable(str(network), error)]


def checks(text: str, path: str = "<string>", /, **params: Any) -> list[Diagnostic]:
    """Everything wrong with a config's text, ordered by place."""
    from tracer.rules import judged

    return judged(lambda: loads(text, path, **params)).found
