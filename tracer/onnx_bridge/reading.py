"""An ONNX file as a config. The file is read, never run; weights' data is looked at for constants only.

Its nodes are walked with a size for every dim that the file leaves open. Tensors become steps, operators on shapes are
computed as sizes over the symbols (:mod:`tracer.onnx_bridge.sizes`), and everything that is constant is folded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracer.importing.reading import network_of
from tracer.importing.recording import AXES, Recording, Scope, Unrepresentable, Value
from tracer.net import Net
from tracer.onnx_bridge.calls import OnnxCall, Weight, data_of
from tracer.onnx_bridge.operators import MODULES, TENSORS
from tracer.onnx_bridge.sizes import computed, is_open
from tracer.sizing.symbol import Space

SIDE = 64
"""The size of an open dim behind the first two, where none is given."""

DOMAINS = ("", "ai.onnx")


def read_onnx(
    path: str, shapes: Mapping[str, Sequence[int]] | None = None, name: str | None = None
) -> Net:
    """The network of an ONNX file. ``shapes`` gives inputs a size, by their name; a single one by an empty name too.

    Dims that the file leaves open become symbols under the names that it gives them. Without ``shapes`` an open first
    dim is 1, other open ones 64. Raises OSError, and :class:`Unrepresentable` for what has no place in a config.
    """
    model = _loaded(path)
    given = dict(shapes or {})
    space = Space()

    def run(sizes: Mapping[str, int]) -> Recording:
        graph = Graph(model, given, space, sizes)
        try:
            return graph.run()
        except Unrepresentable as refused:
            raise refused.after(graph.recording.guards.made) from refused

    return network_of(run, name or model.graph.name or "network", path)[0]


def _loaded(path: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import inliner

    with open(path, "rb") as file:
        raw = file.read()
    try:
        model = onnx.load_model_from_string(raw)
        if model.functions:
            model = inliner.inline_local_functions(model)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise Unrepresentable(
            f"it is no ONNX file, or a part of one only: {_first(error)}"
        ) from None
    if not model.graph.node or not model.graph.output:
        raise Unrepresentable("it is no ONNX file, or a part of one only: there is no graph in it")
    return model


def _settled(array: Any) -> Any:
    """Sizes that do not depend on the input's as a constant."""
    if array is None or array.dtype != object or is_open(array):
        return array
    import numpy

    return numpy.array(array.tolist())


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class UnreadOutput(NamedTuple):
    """An output of a node that no operation of a config gives."""

    what: str


class Graph:
    """One walk over the nodes."""

    def __init__(
        self,
        model: Any,
        shapes: Mapping[str, Sequence[int]],
        space: Space,
        sizes: Mapping[str, int],
    ) -> None:
        self.model = model
        self.shapes = shapes
        self.recording = Recording(self._place, space, sizes)
        self.opset = next((o.version for o in model.opset_import if o.domain in DOMAINS), 13)
        self.known: dict[str, Any] = {}
        """What each name stands for: a Value, an array of sizes or of constants, or a Weight."""
        self.node: Any = None
        self._calls: list[tuple[str, int]] = []
        self._count = 0

    def _place(self) -> str:
        if self.node is None:
            return ""
        label = f"{self.node.name} " if self.node.name else ""
        return f"{label}({self.node.op_type} -> {', '.join(self.node.output)})"

    def run(self) -> Recording:
        graph = self.model.graph
        self.known |= {weight.name: Weight(weight) for weight in graph.initializer}
        self.known |= {
            weight.values.name: Weight(weight.values) for weight in graph.sparse_initializer
        }
        inputs = [one for one in graph.input if one.name not in self.known]
        self._refuse_unknown_inputs([one.name for one in inputs])
        for one in inputs:
            self.known[one.name] = self._input(one, len(inputs) == 1)
        self._walk(graph.node)
        self.node = None
        for one in graph.output:
            value = self.known.get(one.name)
            if not isinstance(value, Value):
                raise Unrepresentable(
                    f"the output {one.name} is no tensor that depends on an input's values"
                )
            self.recording.outputs[one.name] = value
        return self.recording

    def _refuse_unknown_inputs(self, names: Sequence[str]) -> None:
        for name in self.shapes:
            if name not in names and not (name == "" and len(names) == 1):
                raise Unrepresentable(
                    f"there is no input {name!r}; the inputs are {', '.join(names)}"
                )

    def _input(self, one: Any, alone: bool) -> Value:
        tensor = one.type.tensor_type
        if not tensor.HasField("shape"):
            raise Unrepresentable(f"the input {one.name} has no shape")
        dims = list(tensor.shape.dim)
        given = self.shapes.get(one.name, self.shapes.get("") if alone else None)
        if given is not None and len(given) != len(dims):
            raise Unrepresentable(
                f"the input {one.name} has {len(dims)} dims, and the shape that is given {len(given)}"
            )
        names = dict(enumerate(AXES.get(len(dims), ()), len(dims) - len(AXES.get(len(dims), ()))))
        shape, symbols = [], {}
        for i, dim in enumerate(dims):
            if dim.HasField("dim_value"):
                if given is not None and given[i] != dim.dim_value:
                    raise Unrepresentable(
                        f"dim {i} of the input {one.name} is {dim.dim_value} in the file, not {given[i]}"
                    )
                shape.append(dim.dim_value)
                continue
            shape.append(given[i] if given is not None else 1 if i == 0 else SIDE)
            symbol = re.sub(r"\W", "_", dim.dim_param) or names.get(i, "N" if i == 0 else f"dim{i}")
            symbols[i] = symbol if symbol.isidentifier() else f"d_{symbol}"
        return self.recording.input(re.sub(r"\W", "_", one.name), shape, symbols)

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _walk(self, nodes: Any) -> None:
        for node in nodes:
            self.node = node
            if node.domain not in DOMAINS:
                raise self.recording.refused(f"{node.domain}.{node.op_type} is no operator of ONNX")
            given = [self.known.get(name) if name else None for name in node.input]
            missing = [name for name, value in zip(node.input, given) if name and value is None]
            if missing:
                raise self.recording.refused(f"there is no {missing[0]}, which it reads")
            unread = next((value for value in given if isinstance(value, UnreadOutput)), None)
            if unread is not None:
                raise self.recording.refused(f"it reads {unread.what}, which no config can give it")
            made = self._made(node, given)
            results = (
                made if isinstance(made, (list, tuple)) and not isinstance(made, Value) else [made]
            )
            self.known |= {name: value for name, value in zip(node.output, results) if name}
            for name in node.output[len(results) :]:
                self.known[name] = UnreadOutput(f"another output of {node.op_type}")

    def _made(self, node: Any, given: Sequence[Any]) -> Any:
        import onnx

        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "If":
            return self._branch(given[0], attributes)
        if any(isinstance(value, Value) for value in given):
            handler = TENSORS.get(node.op_type)
            if handler is None:
                raise self.recording.refused(f"{node.op_type} has no operation in a config")
            self.recording.scopes, label = self._scopes(node)
            call = OnnxCall(
                self.recording, node.op_type, given, attributes, label, self.opset, len(node.output)
            )
            return handler(call)
        arrays = [_settled(data_of(value, self.recording)) for value in given]
        if any(value is not None and value.dtype == object for value in arrays):
            made = computed(node.op_type, arrays, attributes)
            if made is None:
                raise self.recording.refused(f"{node.op_type} of sizes that are read at run time")
            return made
        return self._folded(node, arrays)

    def _branch(self, condition: Any, attributes: Mapping[str, Any]) -> list[Any]:
        """An If whose condition is known: sizes decide, or a constant."""
        if isinstance(condition, Value):
            raise self.recording.refused(
                "the values of a tensor decide here, which no config can say"
            )
        taken = attributes[
            "then_branch"
            if bool(data_of(condition, self.recording).reshape(-1)[0])
            else "else_branch"
        ]
        self.known |= {weight.name: Weight(weight) for weight in taken.initializer}
        self._walk(taken.node)
        return [self.known[one.name] for one in taken.output]

    def _folded(self, node: Any, arrays: Sequence[Any]) -> Any:
        """A node of constants, by the operators' reference."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        if node.op_type in ("Loop", "Scan", "RandomNormal", "RandomUniform"):
            raise self.recording.refused(f"{node.op_type} has no operation in a config")
        names = [name for name in node.input if name]
        values = dict(zip(names, [value for value in arrays if value is not None]))
        inputs = [onnx.helper.make_empty_tensor_value_info(name) for name in names]
        outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "constant", inputs, outputs)
        model = onnx.helper.make_model(graph, opset_imports=self.model.opset_import)
        try:
            return ReferenceEvaluator(model).run(None, values)
        except Exception as error:
            raise self.recording.refused(
                f"its constants cannot be computed: {_first(error)}"
            ) from None

    # --- names -------------------------------------------------------------------------------------------------------

    def _scopes(self, node: Any) -> tuple[list[Scope], str]:
        """The modules that a node belongs to, as the exporter has noted them, and what it is called there."""
        path = self._path(node)
        kept = 0
        while kept < min(len(path), len(self._calls)) and self._calls[kept][0] == path[kept]:
            kept += 1
        self._calls = self._calls[:kept]
        for part in path[kept:]:
            self._count += 1
            self._calls.append((part, self._count))
        scopes, before = [], ""
        for part, call in self._calls:
            own = part[len(before) + 1 :] if before and part.startswith(f"{before}.") else part
            scopes.append(Scope(own, re.sub(r"[\d_.]+$", "", own) or "Block", call))
            before = part
        if not scopes:
            return [], re.sub(r"\W", "_", node.op_type.lower())
        return scopes[:-1], scopes[-1].name if node.op_type in MODULES else node.op_type.lower()

    def _path(self, node: Any) -> list[str]:
        metadata = {entry.key: entry.value for entry in node.metadata_props}
        noted = metadata.get("pkg.torch.onnx.name_scopes")
        if noted:
            try:
                parts = ast.literal_eval(noted)
            except (ValueError, SyntaxError):
                parts = []
            return [str(part) for part in parts[:-1] if part]
        if node.name.startswith("/"):
            return [part for part in node.name.split("/")[1:-1] if part]
        return []
