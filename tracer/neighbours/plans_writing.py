"""A network as nnU-Net's plans, where it is one that plans can say.

What looks like its stages is read off the graph, written as plans, and read again: the two networks have to be the
same, operation by operation, or nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import load_text
from tracer.neighbours.asked import Asked
from tracer.neighbours.parts import Part
from tracer.neighbours.plans import CLASSES, read
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Op, given_arguments, per_axis
from tracer.ops.convolution import Conv, ConvTranspose
from tracer.ops.dropout import Dropping
from tracer.ops.merge import Add, Concat
from tracer.ops.normalization import ChannelNorm
from tracer.source.tree import compose

OF_SHAPES = ("in_channels", "num_features")
"""Arguments that follow from the shape of what comes in."""

Description = tuple[str, tuple[tuple[str, Any], ...], tuple[int, ...]]
"""An operation with its arguments, and the places of its inputs in the order of the walk."""


class OtherFamily(Exception):
    """What keeps a network from being one that plans can say, and its node."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message)
        self.node = node


class PlansText(NamedTuple):
    """Plans, and what they leave open."""

    text: str
    told: str


def plans_of(net: Net, images: Mapping[str, Any] | None = None) -> PlansText:
    """The plans of a network, with what is known of the images that it was planned for.

    ``images`` has keys of a configuration, such as ``spacing``. Raises :class:`TracerError` where the network is none
    that plans can say.
    """
    try:
        return _written(net, images or {})
    except OtherFamily as error:
        name = None if error.node is None else error.node.name
        at = "" if name is None else f"{name}: "
        message = f"no form in nnU-Net plans: {at}{error}"
        hint = (
            f"plans have U-Nets of stages: {', '.join(CLASSES)}; each level goes up by a ConvTranspose (no "
            "Interpolate) and is joined with its skip by a Concat"
        )
        span = None
        if error.node is not None and net.read_from is None:
            span = error.node.span
        found = Diagnostic("T601", message, span, path=net.network.path, hint=hint, node=name)
        raise TracerError([found]) from None


def _written(net: Net, images: Mapping[str, Any]) -> PlansText:
    graph = _Graph(net)
    if graph.trace.diagnostics:
        raise TracerError(graph.trace.diagnostics)
    stages = _StagesRead(graph)
    configuration = stages.configuration()
    name = "2d" if graph.dims == 2 else "3d_fullres"
    title = net.network.name or "network"
    plans = {
        "plans_name": title,
        "configurations": {name: {**images, **configuration}},
    }
    text = json.dumps(plans, indent=4) + "\n"

    arguments = {
        "input_channels": graph.channels,
        "num_classes": stages.classes,
        "deep_supervision": len(graph.heads) > 1 or len(stages.decoder) == 1,
    }
    again = read(Part(compose(text)), Asked("-", name, arguments))
    _compare(graph, _Graph(load_text(again.text, "<plans>", {}, allow_argument_errors=True)))
    open_ = {word: value for word, value in arguments.items() if word != "deep_supervision"}
    if not arguments["deep_supervision"]:
        open_["deep_supervision"] = False
    words = " ".join(f"--arg {word}={json.dumps(value)}" for word, value in open_.items())
    open_words = ["normalization", "resampling"] if images else ["spacing", "normalization"]
    told = (
        "this is the `architecture` of a configuration, with its patch and batch, to paste into a plans.json: "
        f"{', '.join(open_words)} and the like are nnU-Net's own\n"
        f"plans leave open what the data set and the trainer say: {words}"
    )
    return PlansText(text, told)


# --- the graph -------------------------------------------------------------------------------------------------------


class _Graph:
    """A network with one input, its heads the finest first."""

    def __init__(self, net: Net) -> None:
        self.trace = net.trace()

        network = net.network
        inputs = [node for node in network.nodes if node.is_input]
        if len(inputs) != 1:
            raise OtherFamily(f"it has {len(inputs)} inputs")
        self.input = inputs[0]
        shape = self.shape(self.input)
        self.batch, self.channels, self.patch = shape[0], shape[1], shape[2:]
        self.dims = len(self.patch)
        shared = [
            node for node in network.nodes if node.weights is not None or not node.learned
        ]
        if shared:
            raise OtherFamily("its weights are shared or not learned", shared[0])
        if self.dims not in (2, 3):
            raise OtherFamily(f"its input has {self.dims} axes in space", self.input)
        self.heads = list(network.outputs.values())
        if self.trace.is_complete:
            self.heads.sort(key=lambda node: -prod(self.shape(node)[2:]))

    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of a node."""
        found = self.trace.by_index[node.index]
        assert found is not None
        return found

    def op(self, node: Node) -> Op | None:
        """The operation of a node, with every ``auto`` filled in; None for the input."""
        return self.trace.ops[node.index]

    def described(self) -> Iterator[tuple[Node, Description]]:
        """Every node that an output needs, in an order that the graph alone decides."""
        places: dict[int, int] = {}
        for head in self.heads:
            waiting = [head]
            while waiting:
                node = waiting[-1]
                missing = [one for one in node.inputs if one.index not in places]
                if node.index in places or missing:
                    waiting += reversed(missing)
                    if not missing:
                        waiting.pop()
                    continue
                waiting.pop()
                yield node, self._description(node, places)
                places[node.index] = len(places)

    def _description(self, node: Node, places: Mapping[int, int]) -> Description:
        op = self.op(node)
        inputs = tuple(places[one.index] for one in node.inputs)
        if op is None:
            return "Input", (), inputs
        given = sorted(given_arguments(op).items())
        arguments = tuple(
            (word, _evened(value)) for word, value in given if word not in OF_SHAPES
        )
        return type(op).__name__, arguments, inputs

    def back(
        self,
        node: Node,
    ) -> Iterator[Node]:
        """A node, and what it reads first, up to a join or the input, which come last."""
        while True:
            yield node
            op = self.op(node)
            if op is None or isinstance(op, Concat):
                return
            if not node.inputs:
                raise OtherFamily(f"{type(op).__name__} reads nothing", node)
            node = node.inputs[0]


def _evened(value: Any) -> Any:
    """One number for all axes where they are the same."""
    if isinstance(value, (tuple, list)) and value and len(set(value)) == 1:
        return value[0]
    return value


def _compare(mine: _Graph, theirs: _Graph) -> None:
    """Raise :class:`OtherFamily` at the first operation that is another one."""
    pairs = list(zip(mine.described(), theirs.described()))
    for (node, own), (_, other) in pairs:
        if own[:2] != other[:2]:
            raise OtherFamily(f"plans have {_words(other)} in the place of {_words(own)}", node)
        if own[2] != other[2]:
            raise OtherFamily("plans have other inputs here", node)
    counts = [len(list(graph.described())) for graph in (mine, theirs)]
    if counts[0] != counts[1]:
        raise OtherFamily(f"it has {counts[0]} operations, and with plans {counts[1]}")


def _words(one: Description) -> str:
    arguments = ", ".join(f"{word}={value}" for word, value in one[1])
    return f"{one[0]}({arguments})"


# --- its stages ------------------------------------------------------------------------------------------------------


class _Segment(NamedTuple):
    """The nodes of a stage, in the order in which they run."""

    nodes: Sequence[Node]
    convs: Sequence[Conv]
    joins: int
    """Shortcuts that are added."""

    def depth(self, *, residual: bool) -> int:
        """The blocks of a stage, or its convolutions."""
        return self.joins if residual else len(self.convs)


class _StagesRead:
    """What is read off a graph, the finest stage first."""

    def __init__(self, graph: _Graph) -> None:
        self.graph = graph
        finest = graph.heads[0]
        head = graph.op(finest)
        if not isinstance(head, Conv):
            raise OtherFamily("an output is no convolution", finest)
        self.classes = graph.shape(finest)[1]

        self.decoder: list[_Segment] = []
        self.strides: list[tuple[int, ...]] = []
        ends: list[Node] = []
        node = finest.inputs[0]
        while True:
            path = list(graph.back(node))
            join = path[-1]
            if graph.op(join) is None:
                break
            up, skip = _pair(graph, join)
            self.decoder.append(self._segment(path[-2::-1]))
            self.strides.append(per_axis(_arguments(graph, up)["kernel_size"], graph.dims))
            ends.append(skip)
            node = up.inputs[0]
        if not self.decoder:
            raise OtherFamily("it has no decoder", finest)
        self.encoder = self._encoder(path[::-1][1:], ends)

    def _encoder(self, path: Sequence[Node], ends: Sequence[Node]) -> list[_Segment]:
        """The path from the input to the bottleneck, cut where the skips begin."""
        found = []
        start = 0
        for end in ends:
            if end not in path[start:]:
                raise OtherFamily("its skip does not begin on the way to the bottleneck", end)
            stop = path.index(end) + 1
            found.append(self._segment(path[start:stop]))
            start = stop
        return [*found, self._segment(path[start:])]

    def _segment(
        self,
        nodes: Sequence[Node],
    ) -> _Segment:
        ops = [self.graph.op(node) for node in nodes]
        convs = [op for op in ops if isinstance(op, Conv)]
        if not convs:
            at = nodes[0] if nodes else None
            raise OtherFamily("a stage without convolutions", at)
        return _Segment(nodes, convs, sum(isinstance(op, Add) for op in ops))

    def configuration(self) -> dict[str, Any]:
        """The configuration that says this."""
        is_residual = self.encoder[0].joins > 0
        is_residual_decoder = self.decoder[0].joins > 0
        kind = (is_residual, is_residual_decoder)
        networks = [name for name, known in CLASSES.items() if known == kind]
        if not networks:
            raise OtherFamily("its decoder is residual, its encoder is not")

        arguments = {
            **self._sizes(is_residual),
            "n_conv_per_stage_decoder": [
                one.depth(residual=is_residual_decoder) for one in reversed(self.decoder)
            ],
            **self._unit(),
        }
        network = f"dynamic_network_architectures.architectures.unet.{networks[0]}"
        return {
            "batch_size": self.graph.batch,
            "patch_size": self.graph.patch,
            "architecture": {
                "network_class_name": network,
                "arch_kwargs": arguments,
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
        }

    def _sizes(self, is_residual: bool) -> dict[str, Any]:
        """The numbers of the encoder's stages."""
        dims = self.graph.dims
        first = self.encoder[0].convs[1 if is_residual else 0]
        channels = [one.convs[-1].out_channels for one in self.encoder]
        kernels = [one.convs[-1].kernel_size for one in self.encoder]
        depth = "n_blocks_per_stage" if is_residual else "n_conv_per_stage"
        found: dict[str, Any] = {
            "n_stages": len(self.encoder),
            "features_per_stage": channels,
            "conv_op": f"torch.nn.Conv{dims}d",
            "kernel_sizes": [per_axis(kernel, dims) for kernel in kernels],
            "strides": [per_axis(first.stride, dims), *self.strides],
            depth: [one.depth(residual=is_residual) for one in self.encoder],
        }
        stem = self.encoder[0].convs[0].out_channels
        if is_residual and stem != channels[0]:
            found["stem_channels"] = stem
        return found

    def _unit(self) -> dict[str, Any]:
        """What comes with the first convolution."""
        behind = self._behind_first()
        dropout = _first(behind, Dropping)
        norm = _first(behind, ChannelNorm)
        activation = next((op for op in behind if op not in (dropout, norm)), None)

        found: dict[str, Any] = {"conv_bias": self.encoder[0].convs[0].bias}
        named = {
            "dropout_op": dropout,
            "norm_op": norm,
            "nonlin": activation,
        }
        for word, own in named.items():
            found[word] = None if own is None else f"torch.nn.{type(own).__name__}"
            found[f"{word}_kwargs"] = None if own is None else _kwargs(own)

        if activation is not None and norm in behind[behind.index(activation) :]:
            found["nonlin_first"] = True
        return found

    def _behind_first(self) -> list[Op]:
        """The operations between the first convolution and the next one."""
        behind: list[Op] = []
        for node in self.encoder[0].nodes[1:]:
            op = self.graph.op(node)
            if op is None or isinstance(op, (Conv, Add)):
                break
            behind.append(op)
        return behind


def _first(ops: Sequence[Op], kind: type[Op]) -> Op | None:
    return next((op for op in ops if isinstance(op, kind)), None)


def _pair(graph: _Graph, join: Node) -> tuple[Node, Node]:
    """What a join reads: the transposed convolution and the skip."""
    up = join.inputs[0]
    if len(join.inputs) != 2 or not isinstance(graph.op(up), ConvTranspose):
        found = ", ".join(f"{one.name} ({_kind_of(graph, one)})" for one in join.inputs)
        raise OtherFamily(
            f"plans have `Concat` of [up, skip] here, in this order, where up is a transposed convolution; this "
            f"joins {found}",
            join,
        )
    return up, join.inputs[1]


def _kind_of(graph: _Graph, node: Node) -> str:
    """The name of a node's operation."""
    op = graph.op(node)
    return "the input" if op is None else type(op).__name__


def _arguments(graph: _Graph, node: Node) -> dict[str, Any]:
    op = graph.op(node)
    assert op is not None
    return given_arguments(op)


def _kwargs(op: Op) -> dict[str, Any]:
    given = given_arguments(op)
    for word in OF_SHAPES:
        given.pop(word, None)
    return given
