"""Joins of ever more maps as joins of two: what was joined before is read as that.

A dense block joins all maps before each layer anew. Where each join goes on where the one before ended, every layer
reads the join before it, and the layers are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tracer.importing.recording import Step, Value
from tracer.ops.merge import Concat


def joined_in_turn(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps; a join that begins with all that an earlier one joins reads what that gives."""
    known: dict[tuple[object, ...], Value] = {}
    for step in steps:
        # What a join crops or pads depends on all that it joins.
        is_plain = step.arguments.keys() <= {"dim"}
        if not isinstance(step.op, Concat) or not is_plain:
            yield step
            continue

        names = [source.name for source in step.sources]
        dim = step.op.dim
        found = step
        for count in range(len(names) - 1, 1, -1):
            earlier = known.get((dim, *names[:count]))
            if earlier is not None:
                found = replace(step, sources=(earlier, *step.sources[count:]))
                break

        whole = (dim, *names)
        known[whole] = step.value
        yield found
