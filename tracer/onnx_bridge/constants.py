"""Constants of an ONNX file: their shapes, their data where it is needed, and what operators make of them.

Data is looked at for short lists only: what decides a shape is a handful of numbers, and a file of a few hundred
bytes may name a constant of gigabytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy
import onnx
from onnx.reference import ReferenceEvaluator

MOST_VALUES = 1024
"""Constants of more values are known by their shape only."""

LARGEST = 2**63 - 1
"""The largest integer that ONNX has."""


class NoConstant(ValueError):
    """A constant cannot be had; the message says why."""


class Weight(NamedTuple):
    """A constant whose data has not been looked at."""

    name: str
    shape: tuple[int, ...]
    kind: int
    """TensorProto's number of the type of its elements."""
    proto: Any = None
    """Where its data is; None where it is computed from constants, and not here."""

    @property
    def elements(self) -> int:
        """The number of its values."""
        return math.prod(self.shape)

    def has_data(self) -> bool:
        """True where its data is in the file, and short."""
        if self.proto is None or self.elements > MOST_VALUES:
            return False
        return bool(self.proto.data_location != onnx.TensorProto.EXTERNAL)

    def data(self) -> Any:
        """Its data as an array. Raises :class:`NoConstant` where it is too long, or elsewhere."""
        if self.elements > MOST_VALUES:
            raise NoConstant(
                f"{self.name} has {self.elements} values; at most {MOST_VALUES} are looked at"
            )
        if self.proto is None:
            raise NoConstant(
                f"{self.name} is computed from too many constants, and is needed here"
            )
        if self.proto.data_location == onnx.TensorProto.EXTERNAL:
            raise NoConstant(f"the data of {self.name} is in another file, and is needed here")
        return onnx.numpy_helper.to_array(self.proto)


def weight_of(proto: Any, name: str = "") -> Weight:
    """The constant of a tensor in a file. Raises :class:`NoConstant` for one whose data does not fit its shape."""
    name = name or proto.name
    shape = tuple(proto.dims)
    if any(n < 0 for n in shape):
        raise NoConstant(f"the shape of {name} is {list(shape)}")

    weight = Weight(name, shape, proto.data_type, proto)
    is_here = proto.data_location != onnx.TensorProto.EXTERNAL and proto.raw_data
    if is_here:
        bits = _bits(proto.data_type)
        needed = (weight.elements * bits + 7) // 8
        if len(proto.raw_data) != needed:
            raise NoConstant(
                f"the data of {name} has {len(proto.raw_data)} bytes; its shape {list(shape)} needs {needed}"
            )
    return weight


def _bits(kind: int) -> int:
    """The bits of an element of a type."""
    try:
        name = onnx.TensorProto.DataType.Name(kind)
        if name.endswith(("INT4", "FLOAT4E2M1")):
            return 4
        if name.endswith("INT2"):
            return 2
        return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) * 8
    except (KeyError, ValueError):
        raise NoConstant(f"{kind} is no type of numbers") from None


def sparse_weight(sparse: Any) -> Weight:
    """A constant of which the file has only the values that are not 0."""
    return Weight(sparse.values.name, tuple(sparse.dims), sparse.values.data_type)


def constant_of(name: str, attributes: Mapping[str, Any]) -> Any:
    """The output of a Constant."""
    ((word, value),) = attributes.items()
    if word == "value":
        return weight_of(value, name)
    if word == "sparse_value":
        return sparse_weight(value)._replace(name=name)
    if word not in NUMBERS:
        raise NoConstant(f"{word} is no number")

    array = numpy.array(value, NUMBERS[word])
    if array.size > MOST_VALUES:
        raise NoConstant(f"{name} has {array.size} values; at most {MOST_VALUES} are looked at")
    return array


NUMBERS: Mapping[str, Any] = {
    "value_float": numpy.float32,
    "value_floats": numpy.float32,
    "value_int": numpy.int64,
    "value_ints": numpy.int64,
}
"""The type of a Constant's attributes."""


# --- what operators make of them -------------------------------------------------------------------------------------

COMPUTED = {
    "Abs",
    "Add",
    "And",
    "Cast",
    "CastLike",
    "Ceil",
    "Clip",
    "Concat",
    "ConstantOfShape",
    "Cos",
    "CumSum",
    "Div",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "GatherElements",
    "GatherND",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Log",
    "MatMul",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Round",
    "ScatterElements",
    "ScatterND",
    "Sigmoid",
    "Sign",
    "Sin",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tan",
    "Tanh",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
    "Xor",
}
"""Operators whose work is no more than what they read and make."""


def folded(model: Any, node: Any, given: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The outputs of a node of constants: computed where they are short, else their shapes.

    Raises :class:`NoConstant` where not even the shapes are known before they are computed.
    """
    if node.op_type == "Constant":
        return [constant_of(node.output[0], attributes)]
    if node.op_type in ("Shape", "Size"):
        return [_read_off(node.op_type, given[0].shape, attributes)]

    inputs = dict(zip(node.input, given))
    inputs.pop("", None)
    arrays: dict[str, Any] = {}
    for name, constant in inputs.items():
        if not isinstance(constant, Weight):
            arrays[name] = constant
        elif constant.has_data():
            arrays[name] = constant.data()

    graph = onnx.helper.make_graph([node], "constant", _infos(inputs), _outputs(node))
    made = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    shapes = _shapes_made(made, arrays)

    is_short = all(one.elements <= MOST_VALUES for one in shapes)
    is_known = node.op_type in COMPUTED and arrays.keys() == inputs.keys()
    if not is_short or not is_known:
        return shapes
    with numpy.errstate(all="ignore"):
        return ReferenceEvaluator(made).run(None, arrays)


def _read_off(op_type: str, shape: Sequence[int], attributes: Mapping[str, Any]) -> Any:
    if op_type == "Size":
        return numpy.array(math.prod(shape))
    taken = slice(attributes.get("start"), attributes.get("end"))
    return numpy.array(shape[taken], numpy.int64)


def _infos(inputs: Mapping[str, Any]) -> list[Any]:
    infos = []
    for name, constant in inputs.items():
        kind = constant.kind if isinstance(constant, Weight) else numpy_kind(constant)
        infos.append(onnx.helper.make_tensor_value_info(name, kind, constant.shape))
    return infos


def numpy_kind(array: Any) -> int:
    """TensorProto's number of the type of an array; that of integers for sizes."""
    if array.dtype == object:
        return int(onnx.TensorProto.INT64)
    return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


def _outputs(node: Any) -> list[Any]:
    return [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]


def _shapes_made(model: Any, arrays: Mapping[str, Any]) -> list[Weight]:
    """The outputs of a model of one node, without their data."""
    known = onnx.ModelProto()
    known.CopyFrom(model)
    for name, array in arrays.items():
        known.graph.initializer.append(onnx.numpy_helper.from_array(numpy.asarray(array), name))

    try:
        inferred = onnx.shape_inference.infer_shapes(known, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise NoConstant(str(error).splitlines()[0]) from None

    found = []
    for one in inferred.graph.output:
        tensor = one.type.tensor_type
        dims = tensor.shape.dim
        is_known = tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in dims)
        if not is_known or any(not 0 <= dim.dim_value <= LARGEST for dim in dims):
            raise NoConstant(f"the shape of {one.name} is not known before it is computed")
        shape = tuple(dim.dim_value for dim in dims)
        found.append(Weight(one.name, shape, tensor.elem_type))
    return found
