"""What many processes make of a sweep's rows, put together: the same as if one had made it of all rows at once."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import ROOT, extras
from tests.sweep.test_columns import columns
from tests.sweep.test_find import study_of
from tracer.commands.sweep import command
from tracer.source.expressions import parse
from tracer.sweep import study as studies
from tracer.sweep import table_files
from tracer.sweep.candidates import EARLIER, ROUNDS, RowComparison, candidates
from tracer.sweep.columns import as_lists, packed
from tracer.sweep.in_order import InOrder, Taker
from tracer.sweep.journal import Journal
from tracer.sweep.pareto import front
from tracer.sweep.pareto_front import FrontSoFar, FrontWish, MeetingRows, RowPlace, rows_at
from tracer.sweep.running import _Waiting
from tracer.sweep.study import Study

PADDED = str(ROOT / "configs" / "unet_padded.yaml")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sweeps of a few hundred rows have many tasks, some of too few rows for a group of a Parquet file."""
    config_study = studies.config_study

    def in_small_tasks(*arguments: Any) -> Study:
        return replace(config_study(*arguments), chunk=50)

    monkeypatch.setattr(studies, "config_study", in_small_tasks)
    monkeypatch.setattr(table_files, "FEW", 30)
    yield


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("seed", range(6))
def test_any_number_of_workers_writes_the_same(tmp_path: Path, seed: int) -> None:
    """One worker, two, three, and a sweep that goes on after any of its tasks: the same bytes, and the same front."""
    extras.needs("sweep")
    draw = random.Random(seed)
    heights = draw.randint(1, 9)
    sweep = [PADDED, "--vary", draw.choice(["base=4,5,8", "base=3..6"]), "--size"]
    sweep += [f"H=16..{16 + 8 * heights}:8", "--size", draw.choice(["W=16..200:8", "W=64"])]
    sweep += ["--where", draw.choice(["true", "macs < 30M", "base/(H - 32) > 0", "H > 999"])]
    sweep[-1] = sweep[-1].replace("30M", "30000000")
    sweep += ["--top", "7"]

    for ending in ("parquet", "csv", "jsonl"):
        expected = None
        for workers in (1, 2, 3):
            out = tmp_path / f"{workers}.{ending}"
            done = run(*sweep, "-o", str(out), "--workers", str(workers))
            assert done.exit_code == 0, done.output
            found = (out.read_bytes(), done.output.replace(str(out), ""))
            expected = expected or found
            assert found == expected, (ending, workers)

        resumed = resumed_at_random(tmp_path / f"resumed.{ending}", sweep, draw)
        assert resumed == expected[0]


def resumed_at_random(out: Path, sweep: list[str], draw: random.Random) -> bytes:
    """What a sweep writes that was interrupted, and whose journal has any of the tasks till then."""
    add = Journal.add
    left = draw.randint(1, 4)

    def some(journal: Journal, task: int, rows: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0 or draw.random() < 0.5:
            add(journal, task, rows)
        if left == 0:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "add", some)
        broken = run(*sweep, "-o", str(out), "--workers", str(draw.choice([1, 2])))
    if left == 0:
        assert broken.exit_code == 1 and not out.exists(), broken.output
    out.unlink(missing_ok=True)

    done = run(*sweep, "-o", str(out), "--workers", str(draw.choice([1, 2])))
    assert done.exit_code == 0, done.output
    assert ("rows are done already" in done.output) == (left == 0)
    return out.read_bytes()


@settings(max_examples=60)
@given(st.data())
def test_row_groups_are_appended(data: st.DataObject) -> None:
    """A file of row groups that others have made has their rows, and its metadata tell where each is."""
    extras.needs("sweep")
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tracer.sweep.row_groups import RowGroupFile, row_group

    first = data.draw(columns())
    names = {name: values.dtype.name for name, values in first.items()}
    types = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in names.items()])
    tables = [table_files._arrow_table(first, schema)]
    for _ in range(data.draw(st.integers(0, 20))):
        part = data.draw(st.integers(0, len(tables[0])))
        repeats = data.draw(st.integers(0, 40))
        tables.append(
            pa.concat_tables([tables[0].slice(part)] * (1 + repeats)).combine_chunks()
        )

    file = io.BytesIO()
    appended = RowGroupFile(file)
    for table in tables:
        alone = pa.BufferOutputStream()
        pq.write_table(table, alone)
        group = row_group(alone.getvalue().to_pybytes()) if len(table) else None
        if group is not None:
            appended.add(group)
    kept = [table for table in tables if len(table)]
    if not kept:
        return
    appended.finish()

    found = pq.ParquetFile(io.BytesIO(file.getvalue()))
    assert found.read().to_pydict() == pa.concat_tables(kept).to_pydict()
    assert found.metadata.num_rows == sum(map(len, kept))
    assert found.metadata.num_row_groups == len(kept)
    for number in data.draw(st.permutations(range(len(kept)))):
        assert found.read_row_group(number).to_pydict() == kept[number].to_pydict()
        assert found.metadata.row_group(number).num_rows == len(kept[number])


def test_few_rows_come_into_one_group(tmp_path: Path) -> None:
    """A Parquet file of many small tasks has few groups, those of large tasks have one each."""
    extras.needs("sweep")
    import pyarrow.parquet as pq

    study = replace(study_of(), structural=(), numeric=study_of().axes)
    few = {name: np.arange(3) for name in table_files.kinds(study)}
    many = {name: np.arange(table_files.FEW) for name in table_files.kinds(study)}
    for name, kind in table_files.kinds(study).items():
        if kind in (bool, str):
            few[name], many[name] = few[name].astype(kind), many[name].astype(kind)

    table = table_files.TableFile(tmp_path / "rows.parquet", study)
    for part in (few, few, few, many, few, many, many, few, few):
        table.add(table_files.table_part(study, 0, part, ".parquet"))
    table.finish(lambda path: None)
    groups = pq.read_metadata(tmp_path / "rows.parquet")
    sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
    assert sizes == [9, len(many["macs"]), 3, len(many["macs"]), len(many["macs"]), 6]


# --- order -----------------------------------------------------------------------------------------------------------


@given(st.permutations(range(12)))
def test_what_comes_early_waits(order: list[int]) -> None:
    """Whoever takes what is made of the tasks gets it in the order of the rows."""
    taken: list[list[str]] = [[], []]
    takers = [Taker(lambda *_: None, taken[i].append) for i in (0, 1)]
    given_out = InOrder(takers)
    for number in order:
        given_out.add(number, [f"a{number}", f"b{number}"])
    assert taken == [[f"{letter}{i}" for i in range(12)] for letter in "ab"]


@given(st.integers(1, 5), st.integers(1, 9), st.randoms())
def test_no_task_begins_long_before_an_earlier_one_is_done(
    ahead: int, spread: int, draw: random.Random
) -> None:
    """All tasks are begun, in their order, and what waits for an earlier one is bounded."""
    waiting = _Waiting((number,) for number in range(40))
    begun: list[int] = []
    running: list[int] = []
    while len(begun) < 40 or running:
        for (number,) in waiting.begin(ahead - len(running), spread):
            begun.append(number)
            running.append(number)
        assert running and len(running) <= ahead
        assert max(running) - min(running) < spread
        number = running.pop(draw.randrange(len(running)))
        waiting.done(number)
    assert begun == list(range(40))


# --- the front -------------------------------------------------------------------------------------------------------

WHERE = [None, "true", "a < b", "a >= 3 and c > 0", "a / b > 1", "c == 2 or b > 99", "a < -1"]


SWEEPS = itertools.count()
"""Rows that belong to one sweep are compared with each other, so each example is a sweep of its own."""


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The columns of some tasks: a few values, so that many rows are alike, and some are not known."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        count = draw(st.integers(1, 30))
        seed = np.random.default_rng(draw(st.integers(0, 10**6)))
        most = draw(st.sampled_from([2, 5, 50]))
        own: dict[str, Any] = {"valid": np.ma.array(seed.integers(0, 4, count) > 0)}
        for name in "abcd":
            values = seed.integers(0, most, count)
            own[name] = np.ma.array(values, mask=seed.integers(0, 9, count) == 0)
        own["d"] = own["d"] / 2
        found.append(own)
    return found


def cost(value: Any, larger: bool) -> Any:
    known = 2**62 if value is None else value
    return -known if larger else known


@settings(max_examples=150)
@given(
    tables(),
    st.sampled_from(WHERE),
    st.lists(st.sampled_from("abcd"), min_size=1, unique=True),
    st.sets(st.sampled_from("abcd")),
    st.randoms(),
)
def test_the_front_of_tasks_is_that_of_all_rows(
    drawn: list[dict[str, Any]],
    where: str | None,
    measures: list[str],
    larger: set[str],
    draw: random.Random,
) -> None:
    """Whichever process looked at which task: the front is the one of all rows that meet the condition."""
    comparison = RowComparison(tuple(measures), frozenset(larger & {*measures}))
    study = replace(study_of(), path=f"sweep {next(SWEEPS)}")
    so_far = FrontSoFar(FrontWish(where, comparison, True))

    # Tasks are looked at in any order, and given in theirs.
    parts = {}
    for number in draw.sample(range(len(drawn)), len(drawn)):
        parts[number] = so_far.taker.make(study, number, drawn[number])
    for number in range(len(drawn)):
        so_far.taker.take(parts[number])
    found = so_far.found()

    rows = []
    for number, own in enumerate(drawn):
        lists = as_lists(own)
        for i, values in enumerate(zip(*lists.values())):
            rows.append((RowPlace(number, i), dict(zip(lists, values))))
    met = [(place, row) for place, row in rows if row["valid"] and holds(where, row)]
    costs = [[cost(row[name], name in larger) for name in measures] for _, row in met]
    best = front(list(np.array(costs).T)).tolist() if met else []
    best.sort(key=lambda i: (costs[i], met[i][0]))
    assert found.meeting == len(met)
    assert list(found.places) == [met[i][0] for i in best]

    meeting = MeetingRows(so_far.met)
    assert len(meeting) == len(met)
    assert meeting.numbers(found.places) == best
    expected = {name: [row[name] for _, row in met] for name in measures}
    assert meeting.measures(drawn.__getitem__, measures) == expected
    others = [place for i, (place, _) in enumerate(met) if i not in best]
    assert meeting.beside(found.places, 10**6) == others
    shown = [row for _, row in met[:5]]
    assert rows_at(drawn.__getitem__, [place for place, _ in met[:5]]) == shown


def holds(where: str | None, row: dict[str, Any]) -> bool:
    try:
        return where is None or bool(parse(where)(row))
    except Exception:
        return False


def test_many_rounds_are_divided() -> None:
    """Rows of which none beats another are found at once, and so are those that one of many beats."""
    count = 3 * ROUNDS * ROUNDS
    up = np.arange(count)
    comparison = RowComparison(("a", "b"), frozenset())
    rows = {"a": np.append(up, up + 1), "b": np.append(count - up, count - up + 1)}
    found = candidates(rows, rows, 0, np.arange(2 * count), comparison, "rounds")
    assert found["#row"].tolist() == up.tolist()


def test_too_many_candidates_are_not_kept() -> None:
    """Where nearly every row is a candidate a process does not compare the next ones with all of them."""
    count = EARLIER + 1
    up = np.arange(count)
    comparison = RowComparison(("a", "b"), frozenset({"b"}))
    for task in (0, 1):
        rows = {"a": up + task, "b": up}
        found = candidates(rows, rows, task, up, comparison, "kept")
        assert len(found["#row"]) == count
    few = {"a": up[:9] + 1, "b": up[:9]}
    for task, left in ((2, 9), (3, 9), (4, 0)):
        rows = {name: values + (task == 4) * (name == "a") for name, values in few.items()}
        found = candidates(rows, rows, task, up[:9], comparison, "kept")
        assert len(found["#row"]) == left


def test_narrow_integers() -> None:
    """Integers take as few bytes as the largest of them needs, and one where all are the same."""
    sizes = []
    for most in (0, 100, 30_000, 2**31 - 1, 2**31, 2**63 - 1):
        values = np.array([-1, most] * 500)
        sizes.append(len(packed({"a": values})) // 1000)
    assert sizes == [1, 1, 2, 4, 8, 8]
    assert len(packed({"a": np.full(1000, 2**60)})) < 50
