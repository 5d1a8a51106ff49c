"""The instructions of a function around the place where it is: what they load, and what becomes of it."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple


class Instruction(NamedTuple):
    """An instruction, those that are two in one apart."""

    name: str
    value: Any
    effect: int
    """By how much more lies on the stack behind it."""


@lru_cache(1000)
def steps_up_to(code: CodeType, place: int) -> Sequence[Instruction]:
    """The instructions up to the one at a place."""
    return [step for offset, steps in _steps(code) if offset <= place for step in steps]


@lru_cache(1000)
def steps_behind(code: CodeType, place: int) -> Sequence[Instruction]:
    """The instructions behind the one at a place."""
    return [step for offset, steps in _steps(code) if offset > place for step in steps]


@lru_cache(1000)
def _steps(code: CodeType) -> Sequence[tuple[int, Sequence[Instruction]]]:
    """The instructions with their places."""
    return [(step.offset, list(_split(step))) for step in dis.get_instructions(code)]


def _split(step: dis.Instruction) -> Iterator[Instruction]:
    """An instruction; one that loads two names as two."""
    if isinstance(step.argval, tuple) and step.opname.startswith("LOAD_FAST"):
        for name in step.argval:
            yield Instruction("LOAD_FAST", name, 1)
        return
    if step.opname == "STORE_FAST_LOAD_FAST":
        yield Instruction("STORE_FAST", step.argval[0], -1)
        yield Instruction("LOAD_FAST", step.argval[1], 1)
        return
    value = step.argrepr if step.opname == "BINARY_OP" else step.argval
    yield Instruction(step.opname, value, _effect(step))


def _effect(step: dis.Instruction) -> int:
    arg = step.arg if step.opcode >= dis.HAVE_ARGUMENT else None
    try:
        return dis.stack_effect(step.opcode, arg, jump=False)
    except ValueError:  # a marker that no program runs
        return 0


def without_value(steps: Sequence[Instruction]) -> Sequence[Instruction]:
    """The instructions before those that give the last value."""
    height = 0
    for place in range(len(steps) - 1, -1, -1):
        height += steps[place].effect
        if height >= 1:
            return steps[:place]
    return []


BRANCHES = ("POP_JUMP", "JUMP", "FOR_ITER", "SEND", "YIELD")
"""How the instructions begin that go elsewhere."""

ENDS = ("POP_TOP", "RAISE_VARARGS", "STORE", "RETURN", *BRANCHES)
"""Those that leave nothing on the stack for what they take."""


def is_dropped(steps: Sequence[Instruction]) -> bool:
    """Whether the value on the stack before these instructions is only handed on to calls whose results are dropped.

    A text that is printed is, and so is the message of an assertion.

    >>> def told(size): print(f"{size} of {[size][0]}")
    >>> def kept(size): return f"{size}" == "384"
    >>> starts = [[step.name.startswith("FORMAT") for step in steps_behind(f.__code__, -1)] for f in (told, kept)]
    >>> [is_dropped(steps_behind(f.__code__, -1)[start.index(True) + 1:]) for f, start in zip((told, kept), starts)]
    [True, False]
    """
    above = 0
    for step in steps:
        leaves = 0 if step.name.startswith(ENDS) else 1
        takes = 0 if step.name.startswith("LOAD_") and step.effect > 0 else leaves - step.effect
        if takes <= above:
            above += step.effect
        elif step.name.startswith(("POP_TOP", "RAISE_VARARGS")):
            return True
        elif step.name.startswith(HANDED_ON):
            above = 0
        else:
            return False
    return False


HANDED_ON = (
    "CALL",
    "PRECALL",
    "BUILD_",
    "FORMAT_",
    "CONVERT_VALUE",
    "LIST_EXTEND",
    "DICT_MERGE",
)
"""How the instructions begin whose result stands for what they take."""
