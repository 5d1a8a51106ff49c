"""A program of sizes as JSON, and JSON read as a program.

A step is a list: the name of its instruction, then its parts.

- ``["affine", slot, factor, constant]`` is ``factor * slot + constant``.
- ``["affine_floordiv", slot, factor, constant, divisor]`` is the same over ``divisor``, rounded down.
- ``["polynomial", [[factor, [slot, ...]], ...], constant]`` is a sum of products.
- The others are the primitives of :mod:`tracer.sizing.primitives` by their names.

Each step fills the next slot; the symbols fill the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tracer.sizing.primitives import CONDITION, SIZE
from tracer.sizing.program import AFFINE, FLOORDIV, POLYNOMIAL, PRIMITIVE_OF, Program
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Condition, Size, SizeLike, Space

Truth = bool | list[Any]
"""A condition: ``["ge", slot]``, ``["eq", slot]``, ``["ne", slot]``, ``["and", a, b]``, ``["or", a, b]``."""

NAMES = {
    AFFINE: "affine",
    FLOORDIV: "affine_floordiv",
    POLYNOMIAL: "polynomial",
    **{kind: primitive.name for kind, primitive in PRIMITIVE_OF.items()},
}
"""The name of every kind of instruction."""

KINDS = {name: kind for kind, name in NAMES.items()}

SYMBOL_BITS = 63
"""Bits of a symbol's value, and of a number in a step."""

BITS = 2**13
"""Bits of the largest value that a program which is read may compute."""

FLOAT_BITS = 1000
"""Bits of the largest value that is multiplied by a fraction."""

NESTING = 100
"""Conditions inside of conditions."""

WORK = 2_000_000
"""Terms of all sizes of a program that are worked out on symbols."""

LOGIC = ("and", "or")
RELATIONS = ("ge", "eq", "ne")


def written_truth(program: Program, holds: Any) -> Truth:
    """A condition over the program's slots, as JSON."""
    if not isinstance(holds, Condition):
        return bool(holds)
    if holds.relation in LOGIC:
        parts = [written_truth(program, part) for part in holds.parts]
        return [holds.relation, *parts]

    (size,) = holds.parts
    return [holds.relation, program.slot(size)]


def written_steps(program: Program) -> list[list[Any]]:
    """The program's instructions, as JSON."""
    steps = []
    for _, kind, instruction in program.steps():
        parts = [_written_part(program, part) for part in instruction]
        steps.append([NAMES[kind], *parts])
    return steps


def _written_part(program: Program, part: Any) -> Any:
    """A part of an instruction: a condition, the products of a polynomial, or a number."""
    if isinstance(part, tuple):
        return [_written_part(program, item) for item in part]
    return written_truth(program, part) if isinstance(part, Condition) else part


def holds_at(truth: Truth, v: Sequence[Any]) -> Any:
    """Whether a condition holds for these values of the slots: a bool for numbers, a condition for symbols."""
    if isinstance(truth, bool):
        return truth
    relation, *parts = truth
    if relation in LOGIC:
        first, second = (holds_at(part, v) for part in parts)
        return first & second if relation == "and" else first | second

    size = v[parts[0]]
    if relation == "ge":
        return size >= 0
    return size == 0 if relation == "eq" else size != 0


class StoredProgram(Program):
    """A program that was read: its conditions are JSON. :func:`read_program` makes one."""

    def truth(self, condition: Any, v: Sequence[Any]) -> Any:
        """A condition's truth after a run."""
        return holds_at(condition, v)

    def sizes(self) -> list[SizeLike]:
        """Every slot as a size over the symbols. Raises TooLarge where they are too long."""
        v: list[SizeLike] = [self.space.symbol(name) for name in self.symbols]
        work = 0
        for _, kind, instruction in self.steps():
            size = self._size(kind, instruction, v)
            v.append(size)

            work += 1 + (len(size.terms) if isinstance(size, Size) else 0)
            if work > WORK:
                raise TooLarge("the sizes are too long")
        return v

    def _size(self, kind: int, instruction: Any, v: list[SizeLike]) -> Any:
        """What one instruction gives on symbols."""
        if kind not in PRIMITIVE_OF:
            return self.value(kind, instruction, v)

        primitive = PRIMITIVE_OF[kind]
        readers: dict[str, Callable[[Any], Any]] = {
            SIZE: lambda part: v[part],
            CONDITION: lambda part: holds_at(part, v),
        }
        parts = zip(primitive.takes, instruction)
        return primitive(
            *[readers[takes](part) if takes in readers else part for takes, part in parts]
        )


def read_program(symbols: Sequence[str], steps: Iterable[Any]) -> StoredProgram:
    """The program of these steps. Raises ValueError for what is none, and for one that computes huge numbers."""
    program = StoredProgram(Space(), symbols or [""])
    reader = _Reader([SYMBOL_BITS] * len(program.symbols))
    for number, step in enumerate(steps):
        try:
            kind, instruction = reader.step(step)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise ValueError(f"step {number} is no step: {error}") from None
        program.add(kind, instruction)
    return program


def check_truth(truth: Any, slots: int) -> None:
    """Raise ValueError for what is no condition over so many slots."""
    _check_truth(truth, slots, NESTING)


def _check_truth(truth: Any, slots: int, depth: int) -> None:
    if isinstance(truth, bool):
        return
    if not isinstance(truth, list) or not truth or not depth:
        raise ValueError("a condition is true, false, or a list that begins with its relation")

    relation, *parts = truth
    if relation in LOGIC and len(parts) == 2:
        for part in parts:
            _check_truth(part, slots, depth - 1)
    elif relation in RELATIONS and len(parts) == 1:
        _check_slot(parts[0], slots)
    else:
        raise ValueError(f"no condition is written {relation!r} with {len(parts)} parts")


def _check_slot(slot: Any, slots: int) -> None:
    if type(slot) is not int or not 0 <= slot < slots:
        raise ValueError(f"{slot!r} is no slot before it")


def _check_number(n: Any, least: int = -(2**SYMBOL_BITS)) -> None:
    if type(n) is not int or not least <= n < 2**SYMBOL_BITS:
        raise ValueError(f"{n!r} is no number that can stand there")


class _Reader:
    """Checks the steps of a program one after the other, and bounds what they compute."""

    def __init__(self, bits: list[int]) -> None:
        self.bits = bits
        """By slot: the bits of its largest value."""

    def step(self, step: Any) -> tuple[int, tuple[Any, ...]]:
        """A step's kind and instruction; its slot is added. Raises ValueError, TypeError or KeyError."""
        name, *parts = step
        kind = KINDS[name]
        if kind == POLYNOMIAL:
            instruction, bits = self._polynomial(*parts)
        elif kind in PRIMITIVE_OF:
            instruction, bits = self._primitive(kind, parts)
        else:
            instruction, bits = self._affine(kind, parts)

        if bits > BITS:
            raise ValueError("its value can have too many digits")
        self.bits.append(bits)
        return kind, instruction

    def _affine(self, kind: int, parts: list[Any]) -> tuple[tuple[Any, ...], int]:
        slot, factor, constant, *divisors = parts
        _check_slot(slot, len(self.bits))
        _check_number(factor)
        _check_number(constant)
        if len(divisors) != (kind == FLOORDIV):
            raise ValueError("it has too many parts or too few")
        for divisor in divisors:
            _check_number(divisor, 1)
        return tuple(parts), _sum_bits([self.bits[slot] + factor.bit_length(), SYMBOL_BITS])

    def _polynomial(self, products: Any, constant: Any) -> tuple[tuple[Any, ...], int]:
        _check_number(constant)
        terms, bits = [], [SYMBOL_BITS]
        for factor, slots in products:
            _check_number(factor)
            for slot in slots:
                _check_slot(slot, len(self.bits))
            terms.append((factor, tuple(slots)))
            bits.append(factor.bit_length() + sum(self.bits[slot] for slot in slots))
        return (tuple(terms), constant), _sum_bits(bits)

    def _primitive(self, kind: int, parts: list[Any]) -> tuple[tuple[Any, ...], int]:
        takes = PRIMITIVE_OF[kind].takes
        if len(takes) != len(parts):
            raise ValueError(f"{NAMES[kind]} takes {len(takes)} parts")

        bits = [0]
        for kind_of_part, part in zip(takes, parts):
            if kind_of_part == SIZE:
                _check_slot(part, len(self.bits))
                bits.append(self.bits[part])
            elif kind_of_part == CONDITION:
                check_truth(part, len(self.bits))
            else:
                bits.append(_factor_bits(part, max(bits)))
        return tuple(parts), max(bits)


def _sum_bits(bits: Sequence[int]) -> int:
    return max(bits) + len(bits).bit_length()


def _factor_bits(factor: Any, bits: int) -> int:
    """The bits of a product with a fraction."""
    is_number = type(factor) in (int, float) and math.isfinite(factor)
    if not is_number or not 0 < factor < 2**16 or bits > FLOAT_BITS:
        raise ValueError(f"{factor!r} is no factor that can stand there")
    return bits + 17
