"""Attention over a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Literal

from tracer.ops.base import (
    NOTHING_KEPT,
    Kept,
    NodeName,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Item, Own, Tensor, Term
from tracer.ops.merge import broadcast_shape, broadcastable, lies_in_rows
from tracer.ops.rearrange import is_one_map, strides_of
from tracer.ops.windows import Window
from tracer.sizing.arithmetic import Dim, Holds, maximum


def _as_many_dims(x: Sequence[Shape], i: int) -> Requirement:
    """Key or value have as many dims as the query."""
    return Requirement(
        len(x[i]) == len(x[0]),
        "T303",
        None,
        lambda *_: (
            f"the query {written(x[0])} and {written(x[i])} differ in their number of dims"
        ),
        inputs=(0, i),
    )


def _has_some_features(query: Shape) -> Requirement:
    return Requirement(
        query[-1] >= 1,
        "T204",
        None,
        lambda *_: f"the input {written(query)} has no features",
        dim=len(query) - 1,
        inputs=(0,),
    )


def _has_features(field: str, declared: Dim, x: Sequence[Shape], i: int) -> Requirement:
    """Input ``i`` has the declared number of features, its last dim."""
    shape = x[i]
    return Requirement(
        shape[-1] == declared,
        "T204",
        field,
        lambda *_: (
            f"{field} is {declared}, but the input {written(shape)} has {shape[-1]} features"
        ),
        dim=len(shape) - 1,
        inputs=(i,),
    )


def _mask_fits(field: str, mask: Shape, wanted: Shape) -> Requirement:
    """A mask has just this shape."""
    holds: Any = len(mask) == len(wanted)
    if holds:
        for have, want in zip(mask, wanted):
            holds = holds & (have == want)
    return Requirement(
        holds,
        "T301",
        field,
        lambda *_: f"the mask {written(mask)} has to be {written(wanted)}",
    )


@operation
class MultiheadAttention(Op, kw_only=True):
    """Multi-head attention: each position of the query takes a weighted mean of the values.

    Inputs are [L, N, E], with ``batch_first`` [N, L, E], or [L, E]. One input is self-attention; two are a query
    and the memory that gives both keys and values; three are query, key and value. The result is the attention
    output, of the query's shape, or the weights, [N, L, S], with ``average_attn_weights: false`` [N, heads, L, S].
    ``attn_mask`` and ``key_padding_mask`` name the nodes of masks.

    MACs are those of a forward pass in training, as FlopCounterMode counts them: four projections and two
    products of query and key positions for every head. In eval mode without gradients torch takes one fused
    kernel for batch-first self-attention with an even number of heads, for which FlopCounterMode counts nothing.
    """

    autocast = "lower"
    arity = (1, 3)
    node_fields: ClassVar[tuple[str, ...]] = ("attn_mask", "key_padding_mask")
    as_others: ClassVar[Mapping[str, str]] = {"kdim": "embed_dim", "vdim": "embed_dim"}
    per_call: ClassVar[tuple[str, ...]] = ("average_attn_weights", "result")

    embed_dim: int | None = None
    """Features of the query and of the output."""
    num_heads: int
    """The number of heads; it divides the features."""
    dropout: float = 0.0
    """The share of weights that training sets to zero."""
    bias: bool = True
    """Learned summands are added."""
    add_bias_kv: bool = False
    """A learned position is added behind those of key and value."""
    add_zero_attn: bool = False
    """A position of zeros is added behind those of key and value."""
    kdim: int | None = None
    """Features of the key; left out: those of the query."""
    vdim: int | None = None
    """Features of the value; left out: those of the query."""
    batch_first: bool = False
    """Samples come before positions in the shapes."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""
    attn_mask: NodeName | None = None
    """The input that says which positions are not seen, or what is added to their scores."""
    key_padding_mask: NodeName | None = None
    """The input that says which positions of the key are padding."""
    average_attn_weights: bool = True
    """The weights of all heads come as their mean."""
    result: Literal["attn_output", "attn_output_weights"] = "attn_output"
    """Which part of what torch gives."""

    def legal(self) -> Requirements:
        yield in_range("num_heads", self.num_heads, 1)
        if self.embed_dim is not None:
            yield in_range("embed_dim", self.embed_dim, 1)
            yield self._divides(self.embed_dim)
        for field, features in (("kdim", self.kdim), ("vdim", self.vdim)):
            if features is not None:
                yield in_range(field, features, 0)

    def _divides(self, features: Dim) -> Requirement:
        return Requirement(
            features % self.num_heads == 0,
            "T205",
            "num_heads",
            lambda: f"{features} features do not divide into {self.num_heads} heads",
        )

    def _sequences(self, x: tuple[Shape, ...]) -> tuple[tuple[Dim, Dim, Dim], ...]:
        """(positions, samples, features) of query, key and value."""
        query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
        return self._sequence(query), self._sequence(key), self._sequence(value)

    def _sequence(self, x: Shape) -> tuple[Dim, Dim, Dim]:
        if len(x) == 2:
            positions, features = x
            return positions, 1, features

        first, second, features = x
        if self.batch_first:
            return second, first, features
        return first, second, features

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield has_rank(x[0], 2, 3)
        for i in range(1, len(x)):
            yield _as_many_dims(x, i)
        (_, samples, features), key, value = self._sequences(x)
        if self.embed_dim is None:
            yield _has_some_features(x[0])
            yield self._divides(features)
        else:
            yield _has_features("embed_dim", self.embed_dim, x, 0)
        last = len(x) - 1
        yield _has_features(
            "kdim", features if self.kdim is None else self.kdim, x, min(1, last)
        )
        yield _has_features("vdim", features if self.vdim is None else self.vdim, x, last)
        yield Requirement(
            (key[0] == value[0]) & (key[1] == value[1]),
            "T301",
            None,
            lambda *_: (
                f"the key {written(x[-2])} and the value {written(x[-1])} differ before their features"
            ),
            inputs=(1, 2) if len(x) == 3 else (),
        )
        yield Requirement(
            # torch compares them by laying the keys out anew, which no key at all never fails.
            (samples == key[1]) | ((key[0] == 0) & (not self.add_bias_kv)),
            "T301",
            None,
            lambda *_: (
                f"the query {written(x[0])} has {samples} samples, but the key {written(x[min(1, last)])} has {key[1]}"
            ),
            inputs=(0, 1) if len(x) > 1 else (),
        )
        yield from self._masks_fit(x, sizes)

    def _masks_fit(self, x: tuple[Shape, ...], sizes: Mapping[str, Shape]) -> Requirements:
        """The masks have the positions of the query and the key."""
        (positions, samples, _), key, _ = self._sequences(x)
        is_batch = len(x[0]) == 3
        if "attn_mask" in sizes:
            mask = sizes["attn_mask"]
            outer = (samples * self.num_heads if is_batch else self.num_heads,)
            wanted = (*(outer if len(mask) == 3 else ()), positions, key[0])
            yield _mask_fits("attn_mask", mask, wanted)
        if "key_padding_mask" in sizes:
            wanted = (samples, key[0]) if is_batch else (key[0],)
            yield _mask_fits("key_padding_mask", sizes["key_padding_mask"], wanted)

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"embed_dim": x[0][-1]}

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        if self.result == "attn_output":
            return x[0]
        (queries, samples, _), (keys, _, _), _ = self._sequences(x)
        seen = keys + self.add_bias_kv + self.add_zero_attn
        outer = (samples,) if len(x[0]) == 3 else ()
        heads = () if self.average_attn_weights else (self.num_heads,)
        return (*outer, *heads, queries, seen)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
        words: dict[str, Any] = dict(given)
        if not self.average_attn_weights:
            words["average_attn_weights"] = False
        return Item(Own([query, key, value], words), 0 if self.result == "attn_output" else 1)

    def parameters(self, *x: Shape) -> Dim:
        features = x[0][-1]
        keys = features if self.kdim is None else self.kdim
        values = features if self.vdim is None else self.vdim
        weights = features * (2 * features + keys + values)
        return (
            weights
            + (4 * features if self.bias else 0)
            + (2 * features if self.add_bias_kv else 0)
        )

    def macs(self, y: Shape, *x: Shape) -> Dim:
        (queries, samples, features), (keys, _, key_features), (_, _, value_features) = (
            self._sequences(x)
        )
        projected = queries * 2 * features + keys * (key_features + value_features)
        seen = keys + self.add_bias_kv + self.add_zero_attn
        return samples * features * (projected + 2 * queries * seen)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None

    def weights(self, *x: Shape) -> Dim:
        """How many numbers torch's call gives beside the output: the heads' mean weights, which nobody reads."""
        (queries, samples, _), (keys, _, _), _ = self._sequences(x)
        return samples * queries * (keys + self.add_bias_kv + self.add_zero_attn)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # The projections, the scaled query, the weights, and what they make.
        (queries, samples, features), (keys, _, _), _ = self._sequences(x)
        seen = keys + self.add_bias_kv + self.add_zero_attn
        projected = 2 * samples * features * seen
        if is_one_map(x) and not (self.add_bias_kv or self.add_zero_attn):
            projected = projected + samples * features * queries  # all in one map

        # With dropout a mask, and what it leaves; where nothing is left, that and a zero.
        copies = 1 + 2 * (self.dropout > 0) - (self.dropout == 1)
        weights = samples * self.num_heads * queries * seen * copies
        made = projected + samples * queries * features * 2 + weights + (self.dropout == 1)
        return self._kept_inputs(x, made)

    def _kept_inputs(self, x: tuple[Shape, ...], made: Dim) -> Kept:
        """The inputs beside what is made of them; as copies where torch's order of dims is another one."""
        if not self.batch_first or len(x[0]) == 2:
            return Kept(tuple(range(len(x))), values=made)
        copied = x[:1] if is_one_map(x) else x
        return Kept(values=made + sum(prod(one) for one in copied))

    def backward_first(
        self,
        y: Shape,
        needs: Sequence[bool],
        *x: Shape,
    ) -> Dim:
        # The gradient of the softmax, and that of the scores, where the output's and what it was made of are gone.
        (queries, samples, features), (keys, _, _), _ = self._sequences(x)
        seen = keys + self.add_bias_kv + self.add_zero_attn
        scores = samples * self.num_heads * queries * seen
        projection = features * (features + self.bias)
        if self.dropout > 0:  # a mask and what it left are kept besides, and are gone too
            return scores + projection
        return maximum(2 * scores + projection - samples * queries * features, 0)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 3 * prod(y)


@operation
class ScaledDotProductAttention(Op, kw_only=True):
    """torch.nn.functional.scaled_dot_product_attention: softmax(q·kᵀ · scale + mask) · v, of query, key and value.

    Inputs are [.., L, E], [.., S, E] and [.., S, Ev]; the dims before them broadcast. The mask, of numbers that are
    added or of truth values, broadcasts to [.., L, S].

    MACs are the two products of every query and key; FlopCounterMode counts nothing in torch's fused kernel.
    """

    autocast = "lower"
    arity = (3, 3)
    node_fields: ClassVar[tuple[str, ...]] = ("attn_mask",)

    attn_mask: NodeName | None = None
    """The input that says which positions are not seen, or what is added to their scores."""
    is_causal: bool = False
    """No position sees a later one."""
    scale: float | None = None
    """What the products are multiplied by; left out: one by the root of the features."""
    enable_gqa: bool = False
    """Query heads, in the third dim from the end, share the heads of keys and values in groups."""

    def legal(self) -> Requirements:
        yield Requirement(
            not (self.is_causal and self.attn_mask is not None),
            "T202",
            "is_causal",
            "is_causal makes a mask of its own; there is an attn_mask already",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        for i in range(3):
            yield _has_dims(x, i, 3 if self.enable_gqa else 2)
        query, key, value = x
        yield Requirement(
            query[-1] == key[-1],
            "T204",
            None,
            lambda *_: (
                f"the query {written(query)} and the key {written(key)} differ in their features"
            ),
            dim=len(query) - 1,
            inputs=(0, 1),
        )
        yield Requirement(
            key[-2] == value[-2],
            "T301",
            None,
            lambda *_: (
                f"the key {written(key)} and the value {written(value)} differ in their positions"
            ),
            inputs=(1, 2),
        )
        if self.enable_gqa:
            yield _shares_heads(x, 1)
            yield _shares_heads(x, 2)
        yield from broadcastable(self._outer(*x), trailing=2)
        if "attn_mask" in sizes:
            yield _is_mask(sizes["attn_mask"], self._logits(*x))

    def _outer(self, *x: Shape) -> tuple[Shape, ...]:
        """The dims before those of the products; with groups, keys and values have the query's heads."""
        if not self.enable_gqa:
            return tuple(shape[:-2] for shape in x)
        heads = x[0][-3]
        return tuple((*shape[:-3], heads) for shape in x)

    def _logits(self, *x: Shape) -> Shape:
        """The shape of the products of query and key."""
        query, key, _ = x
        return (*broadcast_shape(self._outer(*x)[:2]), query[-2], key[-2])

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*broadcast_shape(self._outer(*x)), x[0][-2], x[2][-1])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        words: dict[str, Any] = dict(given)
        if self.is_causal:
            words["is_causal"] = True
        if self.scale is not None:
            words["scale"] = self.scale
        if self.enable_gqa:
            words["enable_gqa"] = True
        return Call("torch.nn.functional.scaled_dot_product_attention", x, words)

    def macs(self, y: Shape, *x: Shape) -> Dim:
        query, key, _ = x
        return prod(self._logits(*x)) * query[-1] + prod(y) * key[-2]

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None

    def _is_fused(self, *x: Shape) -> bool:
        """Whether torch has one kernel for it; it computes products and softmax one by one otherwise.

        Source: ATen/native/transformers/sdp_utils_cpp.cpp.
        """
        if any(len(shape) != 4 for shape in x):
            return False
        if any(strides_of(shape)[-1] != 1 for shape in x):
            return False

        query, key, value = x
        heads = key[1] if self.enable_gqa else query[1]
        alike = (query[0], heads, key[2], query[3])
        return key == alike and value == alike

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs):
            return NOTHING_KEPT
        if self._is_fused(*x):
            # The sum of each row beside its inputs and output.
            return Kept((0, 1, 2), output=True, values=prod(y[:-1]))

        # The softmax, and the scaled query and key for each other's gradient.
        outer = self._outer(*x)
        weights = prod(self._logits(*x))
        query = _kept_elements(x[0], outer[0], broadcast_shape(outer[:2]))
        key = _kept_elements(x[1], outer[1], broadcast_shape(outer[:2]))
        made = weights + query * needs[1] + key * needs[0]
        if not (needs[0] or needs[1]):
            return Kept(values=made)

        value = _kept_elements(x[2], outer[2], broadcast_shape(outer))
        if lies_in_rows(x[2], outer[2], broadcast_shape(outer)):
            return Kept((2,), values=made)
        return Kept(values=made + value)

    def backward_first(
        self,
        y: Shape,
        needs: Sequence[bool],
        *x: Shape,
    ) -> Dim:
        if self._is_fused(*x):
            return sum(prod(one) for one in x)  # all gradients, whatever is needed
        if not (needs[0] or needs[1]):
            return 0
        # The gradient of the softmax, then that of the scores, where the output's is gone.
        weights = prod(self._logits(*x))
        value = prod(y[:-2]) * prod(x[2][-2:]) * needs[2]
        return value + maximum(2 * weights - prod(y), weights)


def _kept_elements(
    x: Shape,
    have: Shape,
    outer: Shape,
) -> Dim:
    """The elements that are kept of a factor whose dims before the last two are broadcast."""
    if lies_in_rows(x, have, outer):
        return prod(x)
    return prod(outer) * prod(x[-2:])


def _has_dims(x: Sequence[Shape], i: int, least: int) -> Requirement:
    return Requirement(
        len(x[i]) >= least,
        "T303",
        None,
        lambda *_: f"takes inputs of at least {least} dims; {written(x[i])} has {len(x[i])}",
        inputs=(i,),
    )


def _divides(number: Dim, divisor: Dim) -> Holds:
    """Whether a number is a multiple of another one, which is not 0."""
    if isinstance(divisor, int) and divisor == 0:
        return False
    return (divisor >= 1) & (number % divisor == 0)


def _shares_heads(x: Sequence[Shape], i: int) -> Requirement:
    """The query's heads divide into groups, one for each head of the key or value."""
    query, other = x[0], x[i]
    return Requirement(
        _divides(query[-3], other[-3]),
        "T205",
        "enable_gqa",
        lambda *_: f"{query[-3]} heads of the query do not divide into {other[-3]} groups",
        dim=len(query) - 3,
        inputs=(0, i),
    )


def _is_mask(mask: Shape, logits: Shape) -> Requirement:
    """A mask broadcasts to the products of query and key, and not these to it."""
    holds: Any = 2 <= len(mask) <= len(logits)
    if holds:
        for have, want in zip(mask, logits[-len(mask) :]):
            holds = holds & ((have == 1) | (have == want))
    return Requirement(
        holds,
        "T301",
        "attn_mask",
        lambda *_: f"the mask {written(mask)} does not broadcast to {written(logits)}",
    )
