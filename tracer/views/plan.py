"""A plan and its repairs as text and as the JSON answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tracer.diagnostics import printable
from tracer.ops.base import written
from tracer.repairing.repair import Changes, Repair, RepairEdit
from tracer.repairing.repairs import Plan
from tracer.source.written import written_value
from tracer.views.found import (
    FORMAT_VERSION,
    DiagnosticAnswer,
    Range,
    diagnostic_answer,
    range_of,
)
from tracer.views.sizes import SetAnswer
from tracer.views.table import short


class SourceEditAnswer(msgspec.Struct, frozen=True):
    """A stretch of a Python file that is replaced."""

    path: str
    range: Range
    text: str


class RepairAnswer(msgspec.Struct, frozen=True):
    """One way to make the network close."""

    title: str
    safe: bool
    """Only values of ``auto`` and ``output_padding`` change."""
    edits: list[RepairEdit]
    """Of a config."""
    source_edits: list[SourceEditAnswer]
    """Of Python files, all that the repair takes; empty where a part can only be told, and for configs."""
    steps: list[str]
    """What is to be done in a Python source or another tool's file, a sentence each."""
    elsewhere: str
    """Why it is not the user's to write: it edits an installed package, or has no form in the file; empty: it is."""
    warnings: list[str]
    """The codes of the warnings that it brings."""
    changes: Changes


class ServedAnswer(msgspec.Struct, frozen=True):
    """One assignment and the promised sizes that it serves."""

    assignments: dict[str, list[Any]]
    sizes: dict[str, SetAnswer]


class PlanAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer plan``."""

    format_version: str
    feasible: bool
    """Every ``auto`` has a value, and the network closes for every promised size."""
    assignments: dict[str, list[Any]]
    """``"up4.output_padding": [1, 0]``, one value per spatial axis."""
    cost: int
    """The sum of the distances from torch's defaults."""
    solutions: int
    """How many assignments there are."""
    solutions_capped: bool
    """``solutions`` is not exact: not all values were counted, or not each assignment was proven for every size."""
    served: list[ServedAnswer]
    """Where no assignment serves every size: which serves which."""
    repairs: list[RepairAnswer]
    repairs_complete: bool
    """False where changes were left out that take too long to try in this network."""
    diagnostics: list[DiagnosticAnswer]


def plan_answer(plan: Plan) -> PlanAnswer:
    """The JSON answer."""
    served = [
        ServedAnswer(
            {name: list(value) for name, value in one.assignments.items()},
            {
                s: SetAnswer(list(v.finite), v.start, v.modulus, list(v.residues))
                for s, v in one.sizes.items()
            },
        )
        for one in plan.served
    ]
    return PlanAnswer(
        format_version=FORMAT_VERSION,
        feasible=plan.feasible,
        assignments={name: list(value) for name, value in plan.assignments.items()},
        cost=plan.cost,
        solutions=plan.solutions,
        solutions_capped=plan.capped,
        served=served,
        repairs=[_repair_answer(repair) for repair in plan.repairs],
        repairs_complete=plan.repairs_complete,
        diagnostics=[diagnostic_answer(d) for d in plan.diagnostics],
    )


def _repair_answer(repair: Repair) -> RepairAnswer:
    return RepairAnswer(
        title=repair.title,
        safe=repair.safe,
        edits=[] if repair.steps else repair.edits,
        source_edits=[
            SourceEditAnswer(edit.path, range_of(edit.span), edit.text)
            for edit in repair.source_edits
        ],
        steps=repair.steps,
        elsewhere=repair.elsewhere,
        warnings=repair.warnings,
        changes=repair.changes,
    )


def plan_text(
    plan: Plan, chosen: Repair | None = None, notes: Mapping[int, str] | None = None
) -> str:
    """The solved values; without any, the sizes that each assignment serves, and the repairs.

    With a ``chosen`` repair, no other is listed. ``notes`` says what else is to know of some, by their number.
    """
    lines = [*_solved(plan), *_served(plan)]
    if plan.feasible and plan.of_warnings:
        lines += _repairs(plan.repairs, chosen, notes or {}, of_warnings=True)
    if not plan.feasible:
        lines += _repairs(plan.repairs, chosen, notes or {})
    if not plan.feasible and not plan.repairs_complete:
        lines.append("some changes were not tried: they take too long in this network")
    return "".join(printable(line) + "\n" for line in lines)


def _solved(plan: Plan) -> list[str]:
    """The values that were found, and how many others there are."""
    if plan.feasible and not plan.assignments:
        return ["nothing to solve: the network closes as it is"]
    if not plan.feasible:
        values = [f"{name} = {written(value)}" for name, value in plan.assignments.items()]
        return [*values, "what is wrong has nothing to do with these values"] if values else []

    many = "the only assignment"
    if plan.solutions != 1:
        count = f"about {plan.solutions}" if plan.capped else str(plan.solutions)
        many = f"the least-cost one of {count} assignments"
    return [
        *(f"{name} = {written(value)}" for name, value in plan.assignments.items()),
        f"{many}; distance from torch's defaults: {plan.cost}",
    ]


def _served(plan: Plan) -> list[str]:
    """A line for each assignment with the sizes that it serves, where none serves every promised size."""
    if not plan.served:
        return []
    lines = ["which values serve which sizes:"]
    for one in plan.served:
        values = ", ".join(
            f"{name} {written(value)}" for name, value in one.assignments.items()
        )
        sizes = "; ".join(found.written(symbol) for symbol, found in one.sizes.items())
        lines.append(f"  {sizes}: {values}")
    return lines


def _repairs(
    found: list[Repair],
    chosen: Repair | None,
    notes: Mapping[int, str],
    *,
    of_warnings: bool = False,
) -> list[str]:
    """The list of repairs, or the chosen one of it."""
    what = "repairs of warnings" if of_warnings else "repairs"
    if not found:
        return ["no change takes a warning away" if of_warnings else "no repair was found"]

    lines = [f"{what}, the best first:"] if chosen is None else []
    for number, repair in enumerate(found, 1):
        if chosen is None or repair is chosen:
            lines += _repair(number, repair, notes.get(number))
    return lines


def _repair(number: int, repair: Repair, note: str | None) -> list[str]:
    """One repair of the list: its title, its edits and their effect."""
    title = repair.title
    if repair.safe:
        title += " (safe)"
    if repair.elsewhere:
        title += f" ({repair.elsewhere})"
    if note is not None:
        title += f" ({note})"

    lines = [f"  {number}. {title}"]
    if repair.steps:
        lines += [f"     {step}" for step in repair.steps]
        return [*lines, f"     then: {effect_text(repair)}"]

    lines += [f"     {edit_text(edit)}" for edit in repair.edits]
    if len(repair.changes.nodes) > repair.changes.values:
        lines.append(f"     changes {', '.join(repair.changes.nodes)}")
    lines.append(f"     then: {effect_text(repair)}")
    return lines


def edit_text(edit: RepairEdit) -> str:
    """One edit: a value, a layer that is put in beside another one, or a key that is taken out."""
    if edit.removes:
        return f"{edit.path} is taken out"
    beside = ""
    if edit.before is not None:
        beside = f"  (before {edit.before})"
    elif edit.after is not None:
        beside = f"  (behind {edit.after})"
    return f"{edit.path}: {written_value(edit.value)}{beside}"


def effect_text(repair: Repair) -> str:
    """What a repair gives: outputs, costs, sizes that run, and the warnings that it brings."""
    changes = repair.changes
    parts = [f"{name} {written(shape)}" for name, shape in changes.outputs.items()]
    for what, value, difference in (
        ("params", changes.params, changes.params_difference),
        ("MACs", changes.macs, changes.macs_difference),
    ):
        sign = (
            ""
            if difference is None
            else " (as before)"
            if not difference
            else f" ({difference:+})"
        )
        parts.append(f"{short(value)} {what}{sign}")
    sizes = [text for text in changes.sizes.values() if not text.startswith("any ")]
    if sizes:
        parts.append("runs for " + "; ".join(sizes))
    if repair.warnings:
        parts.append(f"and warns: {', '.join(dict.fromkeys(repair.warnings))}")
    return ", ".join(parts)
