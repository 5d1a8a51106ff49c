"""The page's JavaScript computes what Python computes: every size primitive, and programs of whole sizes."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sizing.test_periodic import sizes
from tracer.sizing.primitives import CONDITION, NUMBER, PRIMITIVES, SIZE, Primitive
from tracer.sizing.program import KIND_OF, Program
from tracer.sizing.symbol import Condition, Size, Space
from tracer.views.page import program_script

Json = Any

RUN = """
const asked = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const runs = asked.map(({ steps, values }) => {
  const symbols = Object.fromEntries(values.map((n, i) => [`s${i}`, n]));
  return new Program({ symbols, params: {}, choices: [], steps }).run(symbols);
});
console.log(JSON.stringify(runs));
"""

Runner = Callable[[list[Json]], list[list[int]]]


@pytest.fixture(scope="module")
def javascript() -> Runner:
    """Runs programs in Node; needed where the tests are the gate, and otherwise skipped where there is none."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI"):
            pytest.fail("the tests of the page's program need Node: apt-get install nodejs")
        pytest.skip("no Node")

    def run(asked: list[Json]) -> list[list[int]]:
        done = subprocess.run(
            [node, "-e", program_script() + RUN],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    return run


def _arguments(primitive: Primitive, draw: random.Random) -> list[Any]:
    """Values of one call: sizes of every sign, zero among them; factors; truths."""
    made: dict[str, Callable[[], Any]] = {
        SIZE: lambda: draw.choice([0, 1, draw.randint(-40, 40), draw.randint(0, 10**6)]),
        NUMBER: lambda: draw.choice([0.5, 1.5, 1 / 3, draw.uniform(0.01, 8)]),
        CONDITION: lambda: draw.random() < 0.5,
    }
    return [made[takes]() for takes in primitive.takes]


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda p: p.name)
def test_every_primitive(primitive: Primitive, javascript: Runner) -> None:
    """A row of the table says the same in JavaScript as on ints, for sizes of every sign and a divisor of zero."""
    draw = random.Random(primitive.name)
    calls = [_arguments(primitive, draw) for _ in range(300)]
    asked = []
    for arguments in calls:
        values = [value for takes, value in zip(primitive.takes, arguments) if takes == SIZE]
        slots = iter(range(len(values)))
        parts = [
            next(slots) if takes == SIZE else value
            for takes, value in zip(primitive.takes, arguments)
        ]
        asked.append({"values": values, "steps": [[KIND_OF[primitive], *parts]]})
    for arguments, found in zip(calls, javascript(asked)):
        assert found[-1] == primitive.value(*arguments), arguments


def _json(program: Program, part: Any) -> Json:
    """A part of an instruction as the page reads it."""
    if not isinstance(part, Condition):
        return part
    if part.relation in ("and", "or"):
        return [part.relation, *(_json(program, inner) for inner in part.parts)]
    return [part.relation, program.slot(part.parts[0])]


def test_whole_programs(javascript: Runner) -> None:
    """Every slot of a program has the value that Python computes, for sizes as the formulas of layers make them."""
    asked: list[Json] = []
    wanted: list[list[int]] = []

    @settings(max_examples=600)  # so many that each kind is among them, the rarest one too
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        space = Space()
        size = data.draw(sizes(space))
        if not isinstance(size, Size):
            return
        program = Program(space, ["n"])
        program.slot(size)
        value = data.draw(st.integers(0, 2000))
        steps = [
            [kind, *(_json(program, part) for part in instruction)]
            for _, kind, instruction in program.steps()
        ]
        asked.append({"values": [value], "steps": steps})
        wanted.append(program.run({"n": value}))

    collect()
    kinds = {step[0] for one in asked for step in one["steps"]}
    assert kinds >= set(KIND_OF.values()) - {
        KIND_OF[PRIMITIVES[1]]
    }  # its sizes are divided by numbers
    assert javascript(asked) == wanted
