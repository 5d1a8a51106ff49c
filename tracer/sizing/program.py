"""Symbolic sizes compiled to a flat program that is applied to many input sizes.

Parse once, compile once, then apply: a program is a list of instructions over slots, run by a loop of a few
lines, on ints (one input size) or on numpy arrays (all sizes at once). It holds integers only and never code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from tracer.sizing.primitives import (
    CONDITION,
    PRIMITIVES,
    SIZE,
    SYMBOL,
    Dim,
    Holds,
    Primitive,
    quotient,
)
from tracer.sizing.symbol import Atom, Condition, Monomial, Size, SizeLike, Space

AFFINE, FLOORDIV, POLYNOMIAL = range(3)
"""The instructions of sums and products, and of the commonest quotient, ``(factor * slot + constant) // divisor``."""

PRIMITIVE_OF: dict[int, Primitive] = dict(enumerate(PRIMITIVES, POLYNOMIAL + 1))
"""By the kind of an instruction: the primitive that it applies."""

KIND_OF: dict[Primitive, int] = {primitive: kind for kind, primitive in PRIMITIVE_OF.items()}

Instruction = tuple[Any, ...]
Group = tuple[int, list[Instruction]]


class Program:
    """Computes sizes from the values of the symbols; each size has a slot in the list of values.

    Slots 0..len(symbols)-1 hold the symbols' values. Instructions are grouped by kind, in an order in which
    every argument comes before its use.
    """

    def __init__(self, space: Space, symbols: Sequence[str]) -> None:
        self.space = space
        self.symbols = tuple(symbols)
        self._slot_of_atom: dict[int, int] = {}
        self._slot_of_size: dict[Size, int] = {}
        self._slot_of_constant: dict[int, int] = {}
        self._base: dict[int, tuple[int, int]] = {}
        """A slot and a factor by the sizes' terms: sizes that differ by a constant are affine in one slot."""
        self._instructions: list[tuple[int, Instruction]] = []
        self._groups: list[Group] | None = None
        for slot, name in enumerate(self.symbols):
            (monomial, _), *_ = space.symbol(name).terms
            self._slot_of_atom[monomial[0]] = slot
        self.length = len(self.symbols)

    def slot(self, size: SizeLike) -> int:
        """The slot that holds a size after a run; adds the instructions for it where they are missing."""
        if isinstance(size, int):
            slot = self._slot_of_constant.get(size)
            if slot is None:
                slot = self._slot_of_constant[size] = self.add(AFFINE, (0, 0, size))
            return slot
        slot = self._slot_of_size.get(size)
        if slot is None:
            source, factor = self._base.get(id(size.siblings)) or self._based(size)
            if factor == 1 and size.constant == 0:
                slot = source
            else:
                slot = self.add(AFFINE, (source, factor, size.constant))
            self._slot_of_size[size] = slot
        return slot

    def add(self, kind: int, instruction: Instruction) -> int:
        """Add an instruction over slots that are there; returns the slot that it fills."""
        self._groups = None
        self._instructions.append((kind, instruction))
        self.length += 1
        return self.length - 1

    def _based(self, size: Size) -> tuple[int, int]:
        """The slot and the factor that a size and its siblings are made of."""
        for index in self.space.atoms_under(size, self._slot_of_atom):
            self._slot_of_atom[index] = self._emit_atom(index)

        multiple = size.multiple()
        if multiple is not None:
            atom, factor = multiple
            base = (self._slot_of_atom[atom], factor)
        else:
            products = tuple([self._product(*term) for term in size.terms])
            base = (self.add(POLYNOMIAL, (products, 0)), 1)
        self._base[id(size.siblings)] = base
        return base

    def _product(self, monomial: Monomial, factor: int) -> tuple[int, tuple[int, ...]]:
        """A term as a factor and the slots of its atoms."""
        return factor, tuple([self._slot_of_atom[atom] for atom in monomial])

    def _emit_atom(self, index: int) -> int:
        atom = self.space.atoms[index]
        if atom.primitive is SYMBOL:
            raise KeyError(atom.arguments[0])

        floor = self._floor_of_affine(atom)
        if floor is not None:
            return self.add(FLOORDIV, floor)
        parts = zip(atom.primitive.takes, atom.arguments)
        return self.add(KIND_OF[atom.primitive], tuple([self._part(*part) for part in parts]))

    def _floor_of_affine(self, atom: Atom) -> Instruction | None:
        """The instruction of an atom that is ``(factor * slot + constant) // divisor``; None for others."""
        if atom.primitive is not quotient:
            return None
        numerator, divisor = atom.arguments
        if not isinstance(numerator, Size) or not isinstance(divisor, int):
            return None

        multiple = numerator.multiple()
        if multiple is None:
            return None
        inner, factor = multiple
        return self._slot_of_atom[inner], factor, numerator.constant, divisor

    def _part(self, takes: str, argument: Any) -> Any:
        """An argument of a primitive as it stands in the instruction: the slot of a size, others themselves."""
        if takes == SIZE:
            return self.slot(argument)
        return self.watch(argument) if takes == CONDITION else argument

    def groups(self) -> list[Group]:
        """The instructions in order, as runs of one kind; affine ones also of one source and factor."""
        if self._groups is None:
            # Another thread may run the program meanwhile: it sees all groups or none.
            self._groups = list(self._grouped())
        return self._groups

    def _grouped(self) -> Iterator[Group]:
        for (kind, source, factor), run in groupby(self._instructions, _run_of):
            instructions = [instruction for _, instruction in run]
            if kind == AFFINE:
                instructions = [(source, factor, [constant for _, _, constant in instructions])]
            yield kind, instructions

    def run(self, values: Mapping[str, Dim]) -> list[Dim]:
        """The value of every slot, for the given values of the symbols (ints or arrays)."""
        v: list[Dim] = [values[name] for name in self.symbols]
        for kind, instructions in self.groups():
            if kind == AFFINE:
                ((source, factor, constants),) = instructions
                if factor:
                    n = v[source] * factor
                    v += [n + constant for constant in constants]
                else:
                    v += constants
            elif kind == FLOORDIV:
                for source, factor, constant, divisor in instructions:
                    v.append((v[source] * factor + constant) // divisor)
            elif kind == POLYNOMIAL:
                for instruction in instructions:
                    v.append(self.value(kind, instruction, v))
            else:
                at, truth = PRIMITIVE_OF[kind].at, self.truth
                for instruction in instructions:
                    v.append(at(instruction, v, truth))
        return v

    @property
    def computed(self) -> int:
        """How many slots are computed."""
        return len(self._instructions)

    def steps(self) -> Iterator[tuple[int, int, Instruction]]:
        """The instructions one by one: the slot that each fills, its kind, and itself."""
        for slot, (kind, instruction) in enumerate(self._instructions, len(self.symbols)):
            yield slot, kind, instruction

    def reads(self, kind: int, instruction: Instruction) -> list[int]:
        """The slots that an instruction reads."""
        if kind == AFFINE:
            return [instruction[0]] if instruction[1] else []
        if kind == FLOORDIV:
            return [instruction[0]]
        if kind == POLYNOMIAL:
            return [slot for _, slots in instruction[0] for slot in slots]

        parts = zip(PRIMITIVE_OF[kind].takes, instruction)
        return [slot for takes, part in parts for slot in self._slots_in(takes, part)]

    def _slots_in(self, takes: str, part: Any) -> list[int]:
        """The slots that an argument of a primitive reads."""
        if takes == CONDITION:
            return [self._slot_of_size[size] for size in part.sizes()]
        return [part] if takes == SIZE else []

    def value(self, kind: int, instruction: Instruction, v: Sequence[Dim]) -> Dim:
        """What one instruction gives."""
        if kind > POLYNOMIAL:
            return PRIMITIVE_OF[kind].at(instruction, v, self.truth)
        first, second = instruction[:2]
        if kind == AFFINE:
            return v[first] * second + instruction[2] if second else instruction[2]
        if kind == FLOORDIV:
            return (v[first] * second + instruction[2]) // instruction[3]

        total = second
        for factor, slots in first:
            for slot in slots:
                factor = factor * v[slot]
            total = total + factor
        return total

    def truth(self, condition: Condition, v: Sequence[Dim]) -> Holds:
        """A condition's truth after a run; its sizes must have slots."""
        return condition.evaluate(lambda size: v[self._slot_of_size[size]])

    def result(self, of: SizeLike | Condition | bool, v: Sequence[Dim]) -> Any:
        """A size's value or a condition's truth after a run; ints and bools are themselves."""
        if isinstance(of, Condition):
            return self.truth(of, v)
        return v[self.slot(of)] if isinstance(of, Size) else of

    def watch(self, condition: Condition) -> Condition:
        """Give every size of a condition a slot, so that :meth:`truth` can judge it."""
        for size in condition.sizes():
            self.slot(size)
        return condition


def _run_of(emitted: tuple[int, Instruction]) -> tuple[int, Any, Any]:
    """What the instructions of one run share."""
    kind, instruction = emitted
    return (kind, instruction[0], instruction[1]) if kind == AFFINE else (kind, None, None)


def substitute(
    sizes: Iterable[SizeLike | Condition | bool], values: Mapping[str, Dim]
) -> list[Any]:
    """Values of sizes and truths of conditions, for given values of all symbols."""
    wanted = list(sizes)
    first = next((size for size in wanted if isinstance(size, (Size, Condition))), None)
    if first is None:
        return wanted

    program = Program(first.space, list(values))
    for size in wanted:
        if isinstance(size, Condition):
            program.watch(size)
        elif isinstance(size, Size):
            program.slot(size)
    v = program.run(values)
    return [program.result(size, v) for size in wanted]
