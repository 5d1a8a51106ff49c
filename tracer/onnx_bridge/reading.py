"""An ONNX file as a config. The file is read, never run; weights' data is looked at for constants only.

Its nodes are walked with a size for every dim that the file leaves open. Tensors become steps, operators on shapes are
computed as sizes over the symbols (:mod:`tracer.onnx_bridge.sizes`), and everything that is constant is folded.
"""

from __future__ import annotations

import ast
import math
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy

from tracer.importing.reading import network_of
from tracer.importing.recording import (
    NoSuchPart,
    Recording,
    StepScope,
    Unrepresentable,
    Value,
    spatial_symbols,
)
from tracer.net import Net
from tracer.network.values import did_you_mean
from tracer.onnx_bridge.calls import OnnxCall, data_of
from tracer.onnx_bridge.constants import (
    LARGEST,
    NoConstant,
    Weight,
    folded,
    sparse_weight,
    weight_of,
)
from tracer.onnx_bridge.operators import MODULES, TENSORS
from tracer.onnx_bridge.part import GraphPart, names_in, needed, outputs_of, whole
from tracer.onnx_bridge.schema import DOMAINS, BadNode, attributes_of, check_functions, opset_of
from tracer.onnx_bridge.sizes import computed, is_open
from tracer.sizing.symbol import Space

Shapes = Mapping[str, Sequence[int]]
"""The shapes of inputs by their name; that of a single one by an empty name too."""

Attributes = Mapping[str, Any]

SIDE = 64
"""The size of an open dim behind the first two, where none is given."""

NO_ONNX_FILE = "it is no ONNX file, or a part of one only"


def read_onnx(
    path: str, shapes: Shapes | None = None, name: str | None = None, until: str | None = None
) -> Net:
    """The network of an ONNX file. ``shapes`` gives inputs a size, by their name; a single one by an empty name too.

    Dims that the file leaves open become symbols under the names that it gives them. Without ``shapes`` an open first
    dim is 1, other open ones 64. ``until`` names a node or a tensor of the file up to which it is read, or a node of
    the config. Raises OSError, :class:`Unrepresentable` for what has no place in a config, and ValueError for a name
    that is not there.
    """
    model = _loaded(path)
    given = dict(shapes or {})
    space = Space()
    reached = () if until is None else outputs_of(model.graph, until)

    def run(sizes: Mapping[str, int]) -> Recording:
        graph = Graph(model, given, space, sizes, reached)
        try:
            return graph.run()
        except Unrepresentable as refused:
            raise refused.after(graph.recording.guards.made) from refused

    title = name or model.graph.name or "network"
    if until is None or reached:
        return network_of(run, title, path).net

    # It may be a node of the config, which is known when all is read.
    known = names_in(model.graph)
    try:
        found = network_of(run, title, path)
    except Unrepresentable as refused:
        raise NoSuchPart(
            _no_node(until, known, f"the file cannot be read whole: {refused}")
        ) from None
    try:
        return found.up_to(until).net
    except ValueError:
        raise NoSuchPart(_no_node(until, [*known, *found.net.network.names])) from None


def _no_node(until: str, known: Iterable[str], why: str = "") -> str:
    """The message about a node that is not there, with the nearest."""
    hint = did_you_mean(until, known)
    return "; ".join(part for part in (f"there is no node {until!r}", hint, why) if part)


def _loaded(path: str) -> Any:
    """The model of a file, its own functions put in where they are called."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import inliner

    with open(path, "rb") as file:
        raw = file.read()

    try:
        model = onnx.load_model_from_string(raw)
        if model.functions:
            check_functions(model)
            model = inliner.inline_local_functions(model)
    except BadNode as error:
        raise Unrepresentable(str(error)) from None
    except (DecodeError, ValueError, RuntimeError) as error:
        raise Unrepresentable(f"{NO_ONNX_FILE}: {_first_line(error)}") from None

    if not model.graph.node or not model.graph.output:
        raise Unrepresentable(f"{NO_ONNX_FILE}: there is no graph in it")
    return model


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


class UnreadOutput(NamedTuple):
    """An output of a node that no operation of a config gives."""

    what: str


class Graph:
    """One walk over the nodes: :meth:`run` gives the steps. ``sizes`` gives some symbols another size.

    ``until`` names the tensors up to which it is read.
    """

    def __init__(
        self,
        model: Any,
        shapes: Shapes,
        space: Space,
        sizes: Mapping[str, int],
        until: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.until = until
        """The tensors up to which it is read; without any, to its end."""
        self.shapes = shapes
        self.recording = Recording(self._place, space, sizes)
        self.opset = _opset(model)
        self.known: MutableMapping[str, Any] = {}
        """For each name a Value, an array of sizes or of constants, a Weight, or an UnreadOutput."""
        self.node: Any = None
        """The node that is read now."""
        self._modules = _Modules()

    def _place(self) -> str:
        if self.node is None:
            return ""
        label = f"{self.node.name} " if self.node.name else ""
        outputs = ", ".join(self.node.output)
        return f"node {label}({self.node.op_type} -> {outputs})"

    def run(self) -> Recording:
        """The steps of the graph, its inputs and its outputs."""
        graph = self.model.graph
        self._add_weights(graph.initializer)
        for sparse in graph.sparse_initializer:
            self.known[sparse.values.name] = sparse_weight(sparse)

        outputs = self.until or [one.name for one in graph.output]
        part = needed(graph, self.until) if self.until else whole(graph)
        self._add_inputs(part)
        self._walk(part.nodes)
        self.node = None
        self.recording.outputs = {name: self._output(name) for name in outputs}
        return self.recording

    def _add_inputs(self, part: GraphPart) -> None:
        inputs = [one for one in self.model.graph.input if one.name not in self.known]
        self._refuse_unknown_shapes([one.name for one in inputs])
        for one in inputs:
            alone = len(inputs) == 1
            if one.name in part.tensors:
                self.known[one.name] = self._input(one, alone)

    def _add_weights(self, initializers: Iterable[Any]) -> None:
        for proto in initializers:
            try:
                self.known[proto.name] = weight_of(proto)
            except NoConstant as error:
                raise self.recording.refused(str(error)) from None

    def _output(self, name: str) -> Value:
        value = self.known.get(name)
        if not isinstance(value, Value):
            raise Unrepresentable(
                f"the output {name} is no tensor that depends on an input's values"
            )
        return value

    # --- inputs ------------------------------------------------------------------------------------------------------

    def _refuse_unknown_shapes(self, names: Sequence[str]) -> None:
        """Raise :class:`Unrepresentable` where a shape is given for no input of the file."""
        known = {*names, ""} if len(names) == 1 else {*names}
        for name in self.shapes:
            if name not in known:
                inputs = ", ".join(names)
                raise Unrepresentable(f"there is no input {name!r}; the inputs are {inputs}")

    def _input(self, one: Any, alone: bool) -> Value:
        """An input as the file declares it, its open dims at the sizes that are given."""
        tensor = one.type.tensor_type
        if not tensor.HasField("shape"):
            raise Unrepresentable(f"the input {one.name} has no shape")
        dims = list(tensor.shape.dim)
        given = self._given(one.name, len(dims), alone)

        shape: list[int] = []
        symbols: dict[int, str] = {}
        for i, dim in enumerate(dims):
            wanted = None if given is None else given[i]
            if not dim.HasField("dim_value"):
                symbols[i] = _symbol(dim, i, len(dims))
                shape.append(_default_size(i) if wanted is None else wanted)
                continue

            fixed = dim.dim_value
            if fixed < 1:
                raise Unrepresentable(f"dim {i} of the input {one.name} is {fixed}")
            if wanted is not None and wanted != fixed:
                at = f"dim {i} of the input {one.name}"
                raise Unrepresentable(f"{at} is {fixed} in the file, not {wanted}")
            shape.append(fixed)
        return self.recording.input(_identifier(one.name), shape, symbols)

    def _given(self, name: str, rank: int, alone: bool) -> Sequence[int] | None:
        """The shape that is given for an input, which has so many dims."""
        default = self.shapes.get("") if alone else None
        given = self.shapes.get(name, default)
        if given is not None and len(given) != rank:
            raise Unrepresentable(
                f"the input {name} has {rank} dims, and the shape that is given {len(given)}"
            )
        return given

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _walk(self, nodes: Iterable[Any]) -> None:
        """Read nodes in their order, each after those that it reads."""
        for node in nodes:
            self.node = node
            if node.domain not in DOMAINS:
                raise self.recording.refused(
                    f"{node.domain}.{node.op_type} is no operator of ONNX"
                )

            results = self._checked(node)
            unread = UnreadOutput(f"another output of {node.op_type}")
            missing = [unread] * (len(node.output) - len(results))
            for name, value in zip(node.output, [*results, *missing]):
                if name in self.known:
                    raise self.recording.refused(f"{name} is there before")
                if name:
                    self.known[name] = value

    def _read(self, node: Any) -> list[Any]:
        """The inputs of a node, as they are known so far; None for those that are left out."""
        found = [self._named(name) if name else None for name in node.input]
        for value in found:
            if isinstance(value, UnreadOutput):
                raise self.recording.refused(
                    f"it reads {value.what}, which no config can give it"
                )
        return found

    def _named(self, name: str) -> Any:
        """The input, output or weight of that name."""
        if name not in self.known:
            raise self.recording.refused(f"there is no {name}, which it reads")
        return self.known[name]

    def _checked(self, node: Any) -> list[Any]:
        """The outputs of a node. Whatever goes wrong with it is a refusal that names it."""
        try:
            attributes = attributes_of(node, self.opset)
            made = self._made(node, self._read(node), attributes)
        except (BadNode, NoConstant) as error:
            raise self.recording.refused(str(error)) from None
        except FAULTS as error:
            why = f"its inputs and attributes do not fit together: {_first_line(error)}"
            raise self.recording.refused(why) from error

        results = made if isinstance(made, list) else [made]
        if len(results) > len(node.output):
            raise self.recording.refused(
                f"it makes {len(results)} outputs, and has {len(node.output)}"
            )
        for value in results:
            self._check_size(value)
        return results

    def _check_size(self, value: Any) -> None:
        """Raise :class:`Unrepresentable` for a tensor that is larger than one can be."""
        if isinstance(value, Value) and math.prod(value.shape) > LARGEST:
            raise self.recording.refused("it makes a tensor of more than 2^63 values")

    def _made(self, node: Any, given: Sequence[Any], attributes: Attributes) -> Any:
        """The outputs of a node: a list, or a single one."""
        if node.op_type == "If":
            return self._branch(given, attributes)
        if any(isinstance(value, Value) for value in given):
            return self._handled(node, given, attributes)

        settled = [_settled(value) for value in given]
        opens = list(map(_has_open, settled))
        if node.op_type == "Expand" and opens == [False, True]:
            # A weight for each example of a batch: as a constant it would be right for one size only.
            return self._handled(node, settled, attributes)
        if any(opens):
            arrays = list(map(data_of, settled))
            return self._computed(node.op_type, arrays, attributes)
        return self._folded(node, settled, attributes)

    def _handled(self, node: Any, given: Sequence[Any], attributes: Attributes) -> Any:
        """The outputs of a node that reads tensors, by its operator's handler."""
        op_type = node.op_type
        handler = TENSORS.get(op_type)
        if handler is None:
            raise self.recording.refused(f"{op_type} has no operation in a config")

        scopes, label = self._modules.of(node)
        self.recording.scopes = scopes
        outputs = len(node.output)
        call = OnnxCall(self.recording, op_type, given, attributes, label, self.opset, outputs)
        return handler(call)

    def _branch(self, given: Sequence[Any], attributes: Attributes) -> list[Any]:
        """An If whose condition is known: sizes decide, or a constant."""
        condition = given[0] if given else None
        if condition is None:
            raise self.recording.refused("it has no condition")
        if isinstance(condition, Value):
            raise self.recording.refused(
                "the values of a tensor decide here, which no config can say"
            )

        (holds,) = data_of(condition).reshape(-1)
        taken = attributes["then_branch" if holds else "else_branch"]

        # Its names are its own.
        around, node = self.known, self.node
        self.known = ChainMap({}, around)
        self._add_weights(taken.initializer)
        self._walk(taken.node)
        self.node = node
        found = [self._named(one.name) for one in taken.output]
        self.known = around
        return found

    def _computed(self, op_type: str, arrays: Sequence[Any], attributes: Attributes) -> Any:
        """The sizes that an operator makes of sizes."""
        try:
            made = computed(op_type, arrays, attributes)
        except FAULTS as error:
            raise self.recording.refused(
                f"its sizes cannot be computed: {_first_line(error)}"
            ) from None
        if made is None:
            raise self.recording.refused(f"{op_type} of sizes that are read at run time")
        return made

    def _folded(self, node: Any, given: Sequence[Any], attributes: Attributes) -> list[Any]:
        """The outputs of a node of constants; an empty name has none."""
        made = folded(self.model, node, given, attributes)
        names = [name for name in node.output if name]
        by_name = dict(zip(names, made))
        return [by_name.get(name) for name in node.output]


FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What Python raises where a node's inputs and attributes do not fit together."""


def _opset(model: Any) -> int:
    """The version of ONNX's own operators in a model."""
    try:
        return opset_of(model)
    except BadNode as error:
        raise Unrepresentable(str(error)) from None


def _settled(constant: Any) -> Any:
    """Sizes that do not depend on the input's as a constant; other constants and None as they are."""
    is_array = constant is not None and not isinstance(constant, Weight)
    if not is_array or constant.dtype != object or is_open(constant):
        return constant
    return numpy.array(constant.tolist())


def _has_open(constant: Any) -> bool:
    """True for an array of sizes that depend on the input's."""
    is_array = constant is not None and not isinstance(constant, Weight)
    return is_array and constant.dtype == object


# --- names -----------------------------------------------------------------------------------------------------------


def _identifier(name: str | bytes) -> str:
    """The name with an underscore for what no name in a config has; a damaged file's may be no text."""
    if isinstance(name, bytes):
        raise Unrepresentable(f"the name {name!r} is no text in UTF-8")
    return re.sub(r"\W", "_", name)


def _symbol(dim: Any, index: int, rank: int) -> str:
    """The symbol of an open dim: the file's name for it, or the usual one."""
    usual = {0: "N", **spatial_symbols(rank)}
    symbol = _identifier(dim.dim_param) or usual.get(index, f"dim{index}")
    return symbol if symbol.isidentifier() else f"d_{symbol}"


def _default_size(index: int) -> int:
    """The size of an open dim that none is given for: a batch of one, and some side."""
    return SIDE if index else 1


class _Modules:
    """The modules that nodes belong to, as exporters note them, by their calls so far."""

    def __init__(self) -> None:
        self._open: list[tuple[str, int]] = []
        """The path and the number of every call that the last node was in."""
        self._count = 0

    def of(self, node: Any) -> tuple[list[StepScope], str]:
        """The scopes of the next node, and its label in them."""
        self._enter(_path(node))
        scopes = self._scopes()
        op_type = node.op_type.lower()
        if not scopes:
            return [], _identifier(op_type)

        *around, own = scopes
        is_whole_module = node.op_type in MODULES
        return around, own.name if is_whole_module else op_type

    def _enter(self, path: Sequence[str]) -> None:
        """Leave the calls that a node is not in, and number those that it is in and the last one wasn't."""
        kept = 0
        for part, (name, _) in zip(path, self._open):
            if part != name:
                break
            kept += 1

        del self._open[kept:]
        for part in path[kept:]:
            self._count += 1
            self._open.append((part, self._count))

    def _scopes(self) -> list[StepScope]:
        scopes = []
        before = ""
        for part, call in self._open:
            is_inside = before and part.startswith(f"{before}.")
            own = part[len(before) + 1 :] if is_inside else part
            kind = re.sub(r"[\d_.]+$", "", own) or "Block"
            scopes.append(StepScope(own, kind, call))
            before = part
        return scopes


def _path(node: Any) -> list[str]:
    """The names of the modules around a node, the outermost one first: by torch's note, or by the node's name."""
    metadata = {entry.key: entry.value for entry in node.metadata_props}
    noted = metadata.get("pkg.torch.onnx.name_scopes")
    if noted:
        try:
            parts = ast.literal_eval(noted)
        except (ValueError, SyntaxError):
            return []
        return [str(part) for part in parts[:-1] if part]

    if not node.name.startswith("/"):
        return []
    parts = node.name.split("/")
    return [part for part in parts[1:-1] if part]
