"""Products of matrices: matmul and its kin, attention, einsum."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import TorchCall, handles


@handles("matmul", "__matmul__")
def _matmul(call: TorchCall) -> Value:
    words = call.bound("input other")
    return call.add("MatMul", words.input, words.other)


@handles("bmm", "mm")
def _matrix_product(call: TorchCall) -> Value:
    words = call.bound("input mat2")
    return call.add("MatMul", words.input, words.mat2)


@handles("addcmul")
def _add_product(call: TorchCall) -> Value:
    return _added_merge(call, "Mul")


@handles("addcdiv")
def _add_quotient(call: TorchCall) -> Value:
    return _added_merge(call, "Div")


def _added_merge(call: TorchCall, op_name: str) -> Value:
    """A tensor plus the scaled product or quotient of two others."""
    words = call.bound("input tensor1 tensor2 value", value=1)
    joined = call.add(op_name, words.tensor1, words.tensor2)
    scaled = _scaled(call, joined, words.value)
    return call.add("Add", words.input, scaled)


@handles("addmm")
def _add_matmul(call: TorchCall) -> Any:
    words = call.bound("input mat1 mat2", beta=1, alpha=1)
    return _added_product(call, words, words.mat1, words.mat2)


@handles("baddbmm")
def _add_batch_of_matmul(call: TorchCall) -> Any:
    words = call.bound("input batch1 batch2", beta=1, alpha=1)
    return _added_product(call, words, words.batch1, words.batch2)


def _added_product(call: TorchCall, words: Any, left: Any, right: Any) -> Any:
    """beta · input + alpha · (left @ right)"""
    product = call.add("MatMul", left, right)
    scaled = _scaled(call, product, words.alpha)
    if words.beta == 0:
        return scaled
    added = _scaled(call, words.input, words.beta)
    return call.add("Add", added, scaled)


@handles("addbmm")
def _add_summed_matmul(call: TorchCall) -> Value:
    raise call.refused("addbmm")


def _scaled(call: TorchCall, tensor: Any, factor: float) -> Any:
    if factor == 1:
        return tensor
    return call.add("Scale", tensor, factor=call.number(factor))


@handles("scaled_dot_product_attention")
def _attention(call: TorchCall) -> Value:
    words = call.bound(
        "query key value attn_mask dropout_p is_causal scale",
        attn_mask=None,
        dropout_p=0.0,
        is_causal=False,
        scale=None,
        enable_gqa=False,
    )
    if words.dropout_p:
        raise call.refused("attention with dropout draws at random in eval mode too")

    arguments: dict[str, Any] = {}
    if words.attn_mask is not None:
        arguments["attn_mask"] = mask_of(call, words.attn_mask)
    if words.scale is not None:
        arguments["scale"] = call.number(words.scale)
    for word in ("is_causal", "enable_gqa"):
        if getattr(words, word):
            arguments[word] = True
    return call.add(
        "ScaledDotProductAttention", words.query, words.key, words.value, **arguments
    )


def mask_of(call: TorchCall, mask: Any) -> Value:
    """The node that gives a mask."""
    # A config's constants are numbers, and a mask of numbers is added.
    tensors = call.tensors
    is_constant = tensors.value(mask) is None and not tensors.is_made(mask)
    if is_constant and mask.dtype == torch.bool:
        raise call.refused("attention with a constant mask of truth values")
    return call.value(mask)


# --- einsum ----------------------------------------------------------------------------------------------------------


class Lettered(NamedTuple):
    """A tensor whose dims have letters."""

    value: Value
    letters: str


@handles("einsum")
def _einsum(call: TorchCall) -> Value:
    equation, *operands = call.args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    if not isinstance(equation, str):
        raise call.refused("einsum of lists of dims; write its equation")

    values = [call.value(operand) for operand in operands]
    letters, output = _letters_of(call, equation, values)
    return _product_of(call, list(map(Lettered, values, letters)), output)


def _product_of(call: TorchCall, terms: Sequence[Lettered], output: str) -> Value:
    """The product of terms, from the left on, summed over the letters that the output has not."""
    first, *rest = terms
    while len(rest) > 1:
        second, *rest = rest
        later = output + "".join(term.letters for term in rest)
        both = "".join(dict.fromkeys(first.letters + second.letters))
        kept, _ = _apart(both, later)
        first = Lettered(_product_of(call, [first, second], kept), kept)

    # What only one term has and the output hasn't is summed first.
    summed = []
    pair = [first, *rest]
    for term, others in zip(pair, [rest, [first]]):
        keep = output + "".join(other.letters for other in others)
        summed.append(_summed(call, term, keep))
    return _joined(call, summed, output)


DOTS = "..."
SPARE = string.ascii_uppercase + string.ascii_lowercase
"""The letters that the dims behind dots may get."""


def _letters_of(
    call: TorchCall, equation: str, values: Sequence[Value]
) -> tuple[list[str], str]:
    """The letters of each input, and those of the output; the dims behind dots have letters too."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(values):
        raise RuntimeError(f"einsum of {equation!r} with {len(values)} tensors")
    if not arrow:
        output = DOTS + _standing_once(inputs)

    # Dims behind dots are broadcast: they are counted from the last one.
    counts = [_behind_dots(term, value) for term, value in zip(terms, values)]
    spare = [letter for letter in SPARE if letter not in equation]
    dots = "".join(spare[: max(counts)])
    terms = [term.replace(DOTS, dots[len(dots) - n :]) for term, n in zip(terms, counts)]
    output = output.replace(DOTS, dots)

    for term in (*terms, output):
        if len(set(term)) < len(term):
            raise call.refused(f"einsum of {equation!r}: a letter stands twice in one term")
    return terms, output


def _behind_dots(term: str, value: Value) -> int:
    """How many dims of a value the dots in its letters stand for."""
    if DOTS not in term:
        return 0
    return len(value.shape) - len(term.replace(DOTS, ""))


def _standing_once(inputs: str) -> str:
    """The letters of the output where an equation has none: those that stand once, in alphabetical order."""
    letters = sorted(set(inputs) - set(",."))
    return "".join(letter for letter in letters if inputs.count(letter) == 1)


@handles("tensordot")
def _tensordot(call: TorchCall) -> Value:
    words = call.bound("a b dims", dims=2)
    left = call.value(words.a)
    right = call.value(words.b)
    a = string.ascii_lowercase[: len(left.shape)]
    b = list(string.ascii_uppercase[: len(right.shape)])

    summed = _dims_of_product(words.dims, len(a))
    for of_left, of_right in zip(*summed, strict=True):
        b[of_right] = a[of_left]
    kept = [letter for letter in a if letter not in b]
    kept += [letter for letter in b if letter not in a]
    terms = [Lettered(left, a), Lettered(right, "".join(b))]
    return _product_of(call, terms, "".join(kept))


def _dims_of_product(dims: Any, rank: int) -> tuple[Sequence[int], Sequence[int]]:
    """The dims of both tensors that are summed: the last ones of the first with the first ones of the second."""
    if isinstance(dims, int):
        return range(rank - dims, rank), range(dims)
    of_left, of_right = dims
    if isinstance(of_left, int):
        return [of_left], [of_right]
    return of_left, of_right


def _summed(call: TorchCall, term: Lettered, keep: str) -> Lettered:
    """A term, summed over the dims whose letters are not kept."""
    kept, alone = _apart(term.letters, keep)
    if not alone:
        return term
    dims = tuple(map(term.letters.index, alone))
    summed = call.add("Sum", term.value, dim=dims)
    return Lettered(summed, kept)


def _joined(call: TorchCall, terms: Sequence[Lettered], output: str) -> Value:
    """One term in the order of the output, or the product of two."""
    if len(terms) == 1:
        return _ordered(call, terms[0], output)
    left, right = terms
    return _contracted(call, left, right, output)


def _ordered(call: TorchCall, term: Lettered, wanted: str) -> Value:
    """The dims in the wanted order."""
    if term.letters == wanted:
        return term.value
    dims = tuple(map(term.letters.index, wanted))
    return call.add("Permute", term.value, dims=dims)


def _contracted(call: TorchCall, a: Lettered, b: Lettered, output: str) -> Value:
    """Two tensors as one matrix product: dims of both that stay are its batch, those that don't are summed."""
    shared, rows = _apart(a.letters, b.letters)
    batch, summed = _apart(shared, output)
    _, columns = _apart(b.letters, a.letters)

    sizes = _sizes_by_letter(call, a)
    sizes.update(_sizes_by_letter(call, b))
    left = _as_matrices(call, a, (batch, rows, summed), sizes)
    right = _as_matrices(call, b, (batch, summed, columns), sizes)
    made = call.add("MatMul", left, right)

    if not len(rows) == len(columns) == 1:
        shape = tuple(sizes[letter] for letter in batch + rows + columns)
        made = call.add("Reshape", made, shape=shape)
    product = Lettered(made, batch + rows + columns)
    return _ordered(call, product, output)


def _as_matrices(
    call: TorchCall, term: Lettered, groups: tuple[str, str, str], sizes: Mapping[str, Any]
) -> Value:
    """A batch of matrices. ``groups`` are the letters of the batch, the rows and the columns: each side is made one."""
    batch, *sides = groups
    ordered = _ordered(call, term, "".join(groups))
    if all(len(side) == 1 for side in sides):
        return ordered

    matrix = [math.prod(sizes[letter] for letter in side) for side in sides]
    outer = [sizes[letter] for letter in batch]
    return call.add("Reshape", ordered, shape=(*outer, *matrix))


def _apart(letters: str, others: str) -> tuple[str, str]:
    """The letters that are among the others, and those that are not."""
    among = "".join(letter for letter in letters if letter in others)
    rest = "".join(letter for letter in letters if letter not in others)
    return among, rest


def _sizes_by_letter(call: TorchCall, term: Lettered) -> dict[str, Any]:
    sizes = call.recording.dims(term.value)
    return dict(zip(term.letters, sizes))
