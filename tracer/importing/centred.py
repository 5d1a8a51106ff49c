"""Maps that a program cuts or pads by numbers of its own, so that they fit another one: ``align`` of the merge behind.

``x[:, :, d:d + h]`` with ``d = (H - h) // 2`` cuts the middle out. Where that is proven for every size, the merge
that joins it crops by itself, or a CenterCrop has the node whose size it cuts to. Padding with half of a difference
before and the rest behind is the merge's as well.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tracer.importing.decisions import Decisions
from tracer.importing.recording import (
    Recording,
    Step,
    Unrepresentable,
    Value,
    demanded_of,
)
from tracer.importing.run_time_sizes import depends_on_input, over_symbols, same_size
from tracer.ops.base import with_arguments
from tracer.ops.crop import CenterCrop, Slice
from tracer.ops.merge import Merge
from tracer.ops.padding import ConstantPadding
from tracer.ops.rearrange import wrapped
from tracer.sizing.symbol import Condition, SizeLike, identity


class Centred(NamedTuple):
    """A recording whose merges and crops find the middle themselves."""

    recording: Recording
    inside: Mapping[str, str]
    """For each step that is left out, the one that does its work."""


class Stretch(NamedTuple):
    """What a step leaves of a dim, with positions of the map before it."""

    first: SizeLike
    """Where it begins: below 0 where something is put before."""
    size: SizeLike


class MovedMap(NamedTuple):
    """A map that steps behind each other cut or pad."""

    steps: tuple[Step, ...]
    source: Value
    """The map before them."""
    spans: Mapping[int, Stretch]
    """By dim."""

    @property
    def value(self) -> Value:
        """What comes of it."""
        return self.steps[-1].value

    @property
    def follows_input(self) -> bool:
        """True where an amount follows the input's size."""
        written = [value for step in self.steps for value in step.arguments.values()]
        return any(map(depends_on_input, written))

    def size(
        self,
        dim: int,
    ) -> SizeLike:
        """The size of a dim behind the steps, where they find as much as they cut."""
        return self.spans[dim].size if dim in self.spans else self.source.sizes[dim]


def centred(recording: Recording) -> Centred:
    """The recording with what is proven to crop or pad to the middle as the merge's behind it, or as a CenterCrop."""
    work = _Centring(recording)
    for step in recording.steps:
        work.take(step)

    found = copy.copy(recording)
    found.steps = [step for step in work.steps if step.name not in work.inside]
    return Centred(found, work.inside)


class _Centring:
    """The steps of a recording, one after the other."""

    def __init__(
        self,
        recording: Recording,
    ) -> None:
        self.recording = recording
        self.decisions = Decisions(recording.space)
        self.steps: list[Step] = []
        """Those so far, as they stand from now on."""
        self.inside: dict[str, str] = {}
        self._readers = _readers_of(recording)
        self._is_read = Counter(value.name for value in _read(recording))
        self._proven: dict[Any, bool] = {}
        """What was asked already: one map may fit what is before the merge, and the merge itself."""
        self._moved: dict[str, MovedMap] = {}
        """By the name of the last step."""

    def take(
        self,
        step: Step,
    ) -> None:
        """One more step, and what it makes of those before it."""
        moved = self._moved_by(step)
        if moved is not None:
            self._moved[step.name] = moved
            if not self._goes_on(moved):
                step = self._cropped(moved) or step
        elif isinstance(step.op, Merge) and step.op.align == "none":
            step = self._aligned(step) or step
        self.steps.append(step)

    # --- maps that are moved -----------------------------------------------------------------------------------------

    def _moved_by(
        self,
        step: Step,
    ) -> MovedMap | None:
        """The map that a step cuts or pads, with the steps before it that do so along other dims."""
        spans = _spans_of(step)
        if spans is None:
            return None

        (source,) = step.sources
        before = self._moved.get(source.name)
        if before is None or not self._is_read_once(before) or before.spans.keys() & spans:
            return MovedMap((step,), source, spans)
        return MovedMap((*before.steps, step), before.source, {**before.spans, **spans})

    def _is_read_once(
        self,
        moved: MovedMap,
    ) -> bool:
        return self._is_read[moved.value.name] == 1

    def _goes_on(
        self,
        moved: MovedMap,
    ) -> bool:
        """True where a step or a merge behind may take the map as one that is moved."""
        readers = self._readers[moved.value.name]
        if not self._is_read_once(moved) or not readers:
            return False

        (reader,) = readers
        spans = _spans_of(reader)
        if spans is not None:
            return not moved.spans.keys() & spans
        return isinstance(reader.op, Merge) and self._aligned_by(reader, moved)

    def _aligned_by(
        self,
        merge: Step,
        moved: MovedMap,
    ) -> bool:
        """True where a merge fits a moved map to its first input, or this one to the others."""
        others = [value for value in merge.sources if value.name != moved.value.name]
        is_first = merge.sources[0].name == moved.value.name
        if not others or len(others) + 1 < len(merge.sources) or merge.op.align != "none":  # type: ignore[attr-defined]
            return False

        dims = merge.op.spatial(len(moved.source.sizes))  # type: ignore[attr-defined]
        if is_first:
            return self._is_padded(moved, others[0], dims, [merge])
        return self._is_cropped(moved, merge.sources[0], dims, [merge])

    # --- what they are -----------------------------------------------------------------------------------------------

    def _aligned(
        self,
        merge: Step,
    ) -> Step | None:
        """A merge that crops or pads what is moved before it; None where it joins them as they are."""
        first, *others = fitted = [self._fitted(merge, value) for value in merge.sources]
        are_others = any(others)
        # One merge does not do both, and does one of them at all.
        if are_others is (first is not None):
            return None

        model = merge.sources[0 if are_others else 1]
        if not _fit_as_they_are(merge, fitted, model):
            return None

        for one in filter(None, fitted):
            self._put_inside(one.steps, merge)
        sources = [one.source if one else value for value, one in zip(merge.sources, fitted)]
        align = {"align": "crop" if are_others else "pad"}
        op = with_arguments(merge.op, dict(align))
        arguments = {**merge.arguments, **align}
        return replace(merge, op=op, sources=tuple(sources), arguments=arguments)

    def _fitted(
        self,
        merge: Step,
        value: Value,
    ) -> MovedMap | None:
        """The moved map that an input of a merge is, where the merge can move it itself."""
        moved = self._moved.get(value.name)
        if moved is None or not self._is_read_once(moved):
            return None
        return moved if self._aligned_by(merge, moved) else None

    def _cropped(
        self,
        moved: MovedMap,
    ) -> Step | None:
        """A CenterCrop in the place of steps; None where they cut by plain numbers, or something else."""
        last = moved.steps[-1]
        rank = len(moved.source.sizes)
        dims = range(2, rank)

        if not moved.follows_input:
            return None

        readers = self._readers[last.name]
        model = self._model_of(moved, dims)
        if model is None or not self._is_cropped(moved, model, dims, readers):
            return None

        self._put_inside(moved.steps[:-1], last)

        arguments = {"size": model}
        label = "crop" if last.label == "slice" else last.label
        op = CenterCrop(size=model.name)
        return replace(
            last, op=op, sources=(moved.source,), arguments=arguments, label=label, told=""
        )

    def _model_of(
        self,
        moved: MovedMap,
        dims: Iterable[int],
    ) -> Value | None:
        """The node that has the size that is cut to: the last one."""
        rank = len(moved.source.sizes)
        inputs = list(self.recording.inputs.values())
        wanted = {dim: moved.size(dim) for dim in dims}
        for value in reversed([*inputs, *(step.value for step in self.steps)]):
            if len(value.sizes) != rank or value.part is not None or value.node in self.inside:
                continue
            if all(same_size(value.sizes[dim], size) for dim, size in wanted.items()):
                return value
        return None

    def _put_inside(
        self,
        steps: Iterable[Step],
        kept: Step,
    ) -> None:
        for step in steps:
            self.inside[step.name] = kept.name

    # --- proofs ------------------------------------------------------------------------------------------------------

    def _is_cropped(
        self,
        moved: MovedMap,
        model: Value,
        dims: Iterable[int],
        readers: Sequence[Step],
    ) -> bool:
        """True where a map is the middle of another, of a model's size, for every size that runs."""
        return self._is_centred(moved, model, dims, readers, are_cut=True)

    def _is_padded(
        self,
        moved: MovedMap,
        model: Value,
        dims: Iterable[int],
        readers: Sequence[Step],
    ) -> bool:
        """True where a map is another in the middle of zeros, of a model's size, for every size that runs."""
        fills = [getattr(step.op, "value", None) or 0 for step in moved.steps]
        return not any(fills) and self._is_centred(moved, model, dims, readers, are_cut=False)

    def _is_centred(
        self,
        moved: MovedMap,
        model: Value,
        dims: Iterable[int],
        readers: Sequence[Step],
        *,
        are_cut: bool,
    ) -> bool:
        rank = len(moved.source.sizes)
        of_dims = set(dims)
        if len(model.sizes) != rank or not moved.spans.keys() <= of_dims:
            return False
        if not _has_sizes(moved.source, model.sizes, of_dims - moved.spans.keys()):
            return False

        demands = self._demands_around(moved, model, readers)
        for dim, span in moved.spans.items():
            have, want = moved.source.sizes[dim], model.sizes[dim]
            fits = want <= have if are_cut else have <= want
            first = (have - want) // 2 if are_cut else -((want - have) // 2)
            filled = [have >= 0, want >= 0]

            # Where it fits it is the middle, and where it does not, nothing runs either way. A map that does not fit
            # is found at once among some sizes.
            if not self._follows([fits], [*filled, *demands]):
                return False
            if not self._follows([span.first == first, span.size == want], [*filled, fits]):
                return False
        return True

    def _demands_around(
        self,
        moved: MovedMap,
        model: Value,
        readers: Sequence[Step],
    ) -> list[Condition]:
        """What the steps demand that make the maps, that move one and that read it."""
        makers = {moved.source.node, model.node}
        steps = [step for step in self.steps if step.name in makers]
        steps += [*moved.steps, *readers]
        return [demand for step in steps for demand in demanded_of(step)]

    def _follows(
        self,
        conditions: Sequence[Condition | bool],
        held: Sequence[Condition | bool],
    ) -> bool:
        """True where conditions are proven for every size for which others hold; False where one never does."""
        if any(one is False for one in held):
            return False

        known = [one for one in held if isinstance(one, Condition)]
        key = (*map(identity, conditions), None, *map(identity, known))
        if key not in self._proven:
            self._proven[key] = self._is_proven(conditions, known)
        return self._proven[key]

    def _is_proven(
        self, conditions: Sequence[Condition | bool], held: Sequence[Condition]
    ) -> bool:
        try:
            return all(self.decisions.follows(one, held) for one in conditions)
        except Unrepresentable:
            return False


# --- steps -----------------------------------------------------------------------------------------------------------


def _spans_of(step: Step) -> dict[int, Stretch] | None:
    """What a step leaves of the dims that it cuts or pads; None where it does something else."""
    if isinstance(step.op, Slice):
        return _span_of_slice(step)
    if isinstance(step.op, ConstantPadding):
        return dict(_spans_of_padding(step))
    return None


def _span_of_slice(step: Step) -> dict[int, Stretch] | None:
    """The dim that a slice cuts, without a step between the positions that it takes."""
    if step.argument("step") != 1:
        return None

    (source,) = step.sources
    dim = wrapped(step.argument("dim"), len(source.sizes))
    n = source.sizes[dim]

    stop = step.argument("stop")
    first = _from_front(step.argument("start"), n)
    end = n if stop is None else _from_front(stop, n)
    return {dim: Stretch(first, end - first)}


def _from_front(
    position: int,
    n: SizeLike,
) -> SizeLike:
    """A position of a dim; a number below 0 counts from the end."""
    found: SizeLike = over_symbols(position)
    return n + found if isinstance(found, int) and found < 0 else found


def _spans_of_padding(step: Step) -> Iterator[tuple[int, Stretch]]:
    (source,) = step.sources
    padding = over_symbols(step.argument("padding"))
    op = with_arguments(step.op, {"padding": padding})
    assert isinstance(op, ConstantPadding)

    amounts = op.amounts()
    for dim, (before, after) in enumerate(amounts, len(source.sizes) - len(amounts)):
        yield dim, Stretch(-before, source.sizes[dim] + before + after)


def _fit_as_they_are(
    merge: Step,
    fitted: Sequence[MovedMap | None],
    model: Value,
) -> bool:
    """True where the inputs that are not moved have the size already: they would be aligned as well."""
    dims = merge.op.spatial(len(model.sizes))  # type: ignore[attr-defined]
    rest = [value for value, one in zip(merge.sources, fitted) if one is None]
    return all(_has_sizes(value, model.sizes, dims) for value in rest)


def _has_sizes(
    value: Value,
    sizes: Sequence[SizeLike],
    dims: Iterable[int],
) -> bool:
    if len(value.sizes) != len(sizes):
        return False

    return all(same_size(value.sizes[dim], sizes[dim]) for dim in dims)


def _read(recording: Recording) -> Iterator[Value]:
    """Every reading of a tensor: by a step, and as an output."""
    for step in recording.steps:
        yield from step.read()
    yield from recording.outputs.values()


def _readers_of(recording: Recording) -> dict[str, list[Step]]:
    """The steps that read each tensor."""
    found: dict[str, list[Step]] = {step.name: [] for step in recording.steps}
    for step in recording.steps:
        for name in {value.name for value in step.read()}:
            found.setdefault(name, []).append(step)
    return found
