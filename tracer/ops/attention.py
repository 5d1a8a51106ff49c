"""Attention over a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.ops.base import (
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Item, Own, Tensor, Term
from tracer.ops.windows import Window
from tracer.sizing.arithmetic import Dim


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


@operation
class MultiheadAttention(Op, kw_only=True):
    """Multi-head attention: each position of the query takes a weighted mean of the values.

    Inputs are [L, N, E], with ``batch_first`` [N, L, E], or [L, E]. One input is self-attention; two are a query
    and the memory that gives both keys and values; three are query, key and value. The result is the attention
    output, of the query's shape, and not the weights.

    MACs are those of a forward pass in training, as FlopCounterMode counts them: four projections and two
    products of query and key positions for every head. In eval mode without gradients torch takes one fused
    kernel for batch-first self-attention with an even number of heads, for which FlopCounterMode counts nothing.
    """

    arity = (1, 3)

    embed_dim: int | None = None
    num_heads: int
    dropout: float = 0.0
    bias: bool = True
    add_bias_kv: bool = False
    add_zero_attn: bool = False
    kdim: int | None = None
    vdim: int | None = None
    batch_first: bool = False
    device: str | None = None
    dtype: str | None = None

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
            return x[0], 1, x[1]
        return (x[1], x[0], x[2]) if self.batch_first else (x[0], x[1], x[2])

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

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"embed_dim": x[0][-1]}

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
        return Item(Own([query, key, value]), 0)

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
        # The inputs in torch's order of dims, the projections, the scaled query, the weights, and what they make.
        (queries, samples, features), (keys, _, key_features), (_, _, value_features) = (
            self._sequences(x)
        )
        seen = keys + self.add_bias_kv + self.add_zero_attn
        projected = samples * features * (queries + 2 * seen)
        weights = samples * self.num_heads * queries * seen
        made = projected + samples * queries * features * 2 + weights * (1 + (self.dropout > 0))
        if not self.batch_first or len(x[0]) == 2:
            return Kept(tuple(range(len(x))), values=made)
        turned = samples * queries * x[0][-1]
        if len(x) > 1:
            turned = turned + samples * keys * (
                key_features + (value_features if len(x) == 3 else 0)
            )
        return Kept(values=made + turned)
