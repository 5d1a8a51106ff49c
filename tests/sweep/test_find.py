"""Searching a sweep: the front is that of all rows, each row is what its written config says, and mistakes are told."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

import tracer
from tests import ROOT
from tests.sweep.test_sweep import columns_of
from tracer.commands.sweep import command
from tracer.source.expressions import parse
from tracer.sweep.axes import axis
from tracer.sweep.exact import exact_row
from tracer.sweep.finding import (
    FrontPart,
    FrontSearch,
    TooMany,
    part_of,
    places,
    rows_of,
    together,
)
from tracer.sweep.study import ROWS, Study, config_study, family_study
from tracer.sweep.wishes import Misread, wishes

PADDED = ROOT / "configs" / "unet_padded.yaml"
MEASURES = ("macs", "memory", "params", "receptive_field")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--workers", "1"])


def study_of(chunk: int = 100) -> Study:
    """A sweep of 4 widths and 12 x 11 sizes, half of which do not run, in small tasks."""
    axes = [
        axis("param", ["base"], "4,8,6,5"),
        axis("size", ["H"], "16..192:16"),
        axis("size", ["W"], "16..96:8"),
    ]
    text = PADDED.read_text("utf-8")
    found = config_study(text, str(PADDED), {}, {}, axes, "float32")
    return replace(found, chunk=chunk)


def found_in(study: Study, text: str, measures: tuple[str, ...]) -> FrontPart:
    search = FrontSearch(
        tuple(wishes(text)), measures, frozenset(study.larger_is_better & {*measures})
    )
    return together((part_of(study, n, search) for n in range(study.task_count)), search)


def beats(
    one: dict[str, Any], other: dict[str, Any], study: Study, measures: tuple[str, ...]
) -> bool:
    """Whether a row is as good in everything and better in something, by the definition."""
    pairs = []
    for name in measures:
        a, b = (2**62 if row[name] is None else row[name] for row in (one, other))
        pairs.append((-a, -b) if name in study.larger_is_better else (a, b))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@pytest.mark.parametrize(
    ("text", "meant", "measures"),
    [
        ("valid", "valid", (*MEASURES, "H", "W")),
        ("H >= 64, fits 20MiB", "H >= 64 and training + 12*params <= 20*2**20", (*MEASURES, "H", "W")),
        ("H = 64, params <= 200K", "H == 64 and params <= 200000", ("macs", "W")),
        ("output > 40, base != 4", "output_size > 40 and base != 4", ("macs", "params")),
        ("aligned, field > 100", "aligned and receptive_field > 100", ("memory", "H")),
        ("lossless = true, macs < 3M", "lossless and macs < 3000000", ("receptive_field",)),
        ("base = 5", "base == 5", ("W", "H")),
    ],
)  # fmt: skip
def test_the_front_is_that_of_all_rows(
    text: str, meant: str, measures: tuple[str, ...]
) -> None:
    """Whatever the tasks are: the rows that meet it, and of these those that no other beats."""
    study = study_of()
    columns = columns_of(study)
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    condition = parse(meant)
    met = [row for row in rows if row["valid"] and condition(row)]
    assert met
    best = [row for row in met if not any(beats(other, row, study, measures) for other in met)]

    def key(row: dict[str, Any]) -> list[Any]:
        return [row[name] for name in ("base", "H", "W")]

    for chunk in (100, 7, 10**6):
        found = found_in(replace(study, chunk=chunk), text, measures)
        assert found.meeting == len(met)
        own = rows_of(found, 10**6)
        assert sorted(own, key=key) == sorted(best, key=key)
        first = [row[measures[0]] for row in own]
        assert first == sorted(first, reverse=measures[0] in study.larger_is_better)


def holds(study: Study, found: FrontPart, most: int = 12) -> int:
    """Hold rows of a front against traces of their configs; the number of rows compared."""
    rows = rows_of(found, 10**6)
    chosen = random.Random(0).sample(range(len(rows)), min(most, len(rows)))
    for i in chosen:
        task, row = places(found)[i]
        net = tracer.loads(study.config(study.task(task), row))
        own = rows[i]
        expected = exact_row(net, net.network.defaults(), study.dtype)
        assert {name: own[name] for name in ROWS} == {name: expected.get(name) for name in ROWS}
        for name in study.numeric_names("size"):
            assert net.network.defaults()[name] == own[name]
    return len(chosen)


def test_rows_are_those_of_their_configs() -> None:
    """Each row of a front is what a trace of its written config says."""
    study = study_of()
    assert holds(study, found_in(study, "H >= 32", (*MEASURES, "H", "W"))) == 12


def test_families_are_searched() -> None:
    """Over a family the configs are its designs for all sizes of the sweep, with the row's declared."""
    axes = [
        axis("param", ["depth"], "1..3"),
        axis("param", ["up"], "transpose,bilinear"),
        axis("size", ["H"], "33..64"),
    ]
    study = family_study("resunet", {"base": 4}, {}, axes, "float32")
    found = found_in(study, "up = bilinear, depth > 1, field >= 40", ("macs", "params", "H"))
    assert {row["up"] for row in rows_of(found, 100)} == {"bilinear"}
    assert holds(study, found) >= 5


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_numbers_of_a_family_are_computed_together(norm: str) -> None:
    """Widths turn fastest where designs differ in them alone, and rows and configs are the same either way."""
    axes = [
        axis("param", ["depth"], "1,2"),
        axis("param", ["base"], "4..20"),
        axis("size", ["H"], "32,48"),
    ]
    study = family_study("unet", {"norm": norm}, {}, axes, "float32", opens=True)
    apart = family_study("unet", {"norm": norm}, {}, axes, "float32")
    assert study.numeric_names("param") == (
        ["base"] if norm == "batch" else study.numeric_names("param")
    )

    measures = ("macs", "params", "receptive_field", "H")
    for text in ("base > 6, fits 40MiB", "field > 20"):
        own = [rows_of(found_in(one, text, measures), 1000) for one in (study, apart)]
        assert own[0] and [dict(sorted(row.items())) for row in own[0]] == [
            dict(sorted(row.items())) for row in own[1]
        ]
    assert holds(study, found_in(study, "base > 6", ("macs", "base", "H"))) > 0


def test_the_command(tmp_path: Path) -> None:
    """The table, the configs of the rows that are shown, and a size that is not varied."""
    front = tmp_path / "front"
    options = ["--vary", "base=4..7", "--size", "W=32..128:16", "--objectives", "params,W"]
    done = run(str(PADDED), *options, "--find", "H=48, W >= 64", "--write-front", str(front))
    assert done.exit_code == 0, done.output
    assert (
        "1 of 20 rows that meet it, of 28, are on the Pareto front of params, W" in done.output
    )
    (path,) = front.iterdir()
    net = tracer.load(path)
    assert net.network.defaults() == {"N": 1, "H": 48, "W": 128} and net.params["base"] == 4
    assert path.read_text("utf-8").splitlines()[0] == PADDED.read_text("utf-8").splitlines()[0]

    again = run(str(PADDED), *options, "--find", "H=48", "--write-front", str(front))
    assert again.exit_code == 2 and "is not empty" in again.output


def test_nothing_is_found() -> None:
    """By how much the rows miss each bound."""
    done = run(str(PADDED), "--size", "H=32,64", "--find", "field >= 1G, macs < 1")
    assert done.exit_code == 1
    assert "field >= 1G: the largest of the valid rows is 204" in done.output
    assert "macs < 1: the least of the valid rows is " in done.output
    assert "no row of 2 meets --find" in done.output


MISTAKES = [
    ("", "a condition is missing at the end"),
    ("H=512,", "a condition is missing at the end"),
    (", H=512", "column 1: a condition is missing before the comma"),
    ("H=512 field > 3", "column 7: a comma is missing before 'field'"),
    ("fiel > 3", "column 1: no column is called 'fiel'; did you mean 'field'?"),
    ("H >=", "column 3: a value is missing behind >="),
    ("H 512", "column 3: =, !=, <, <=, > or >= is missing between H and 512"),
    ("512 = H", "column 1: a column's name is missing before '512'"),
    ("H = =", "column 5: '=' is no value"),
    ("fits", "column 1: fits takes an amount of memory, such as fits 8GiB"),
    ("fits 8", "column 1: fits takes an amount of memory, such as fits 8GiB"),
    ("params < 5Q", "column 10: 'Q' is no unit"),
    ("W > 3", "column 1: W has one size; vary it (--size W=...), or write W=N"),
    ("H = tall", "column 1: H is compared with a number, not 'H = tall'"),
    ("aligned > 3", "column 1: aligned is compared with = or != and true or false, not 'aligned > 3'"),
    ("H $ 3", "column 3: '$' has no meaning here"),
    ("H < 99999999999999999999", "column 5: no row has a number above 2**62"),
    ("H < " + "9" * 1000, "column 5: "),
    ("H < 1e99", "column 5: no row has a number above 2**62"),
    ("H > 3," * 400, "letters; at most 2,000 are read"),
    ("H > 3," * 60 + "H > 3", "conditions; at most 32 are read"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_mistakes(text: str, told: str) -> None:
    """Each is told with its column, and nothing is computed."""
    done = run(str(PADDED), "--size", "H=32,64", "--find", text)
    assert done.exit_code == 2, done.output
    assert told in " ".join(done.output.split()), done.output


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    """A search has no file of all rows, and only a search writes a front."""
    size = ("--size", "H=32,64")
    for options, told in [
        (("--find", "valid", "-o", str(tmp_path / "x.csv")), "--output is for a sweep that keeps every row"),
        (("--find", "valid", "--where", "valid"), "--where is for a sweep that keeps every row"),
        (("--write-front", str(tmp_path / "x")), "--write-front is for --find"),
    ]:  # fmt: skip
        done = run(str(PADDED), *size, *options)
        assert done.exit_code == 2 and told in done.output, done.output


def test_numbers() -> None:
    """Units are exact."""
    (wish,) = wishes("params <= 1.5M")
    assert wish.value == 1_500_000 and wish.value.__class__ is int
    assert [w.value for w in wishes("memory < 2GiB, memory < 1.5e3, macs < 2k, macs < 0.25")] == [
        2**31, 1500, 2000, 0.25,
    ]  # fmt: skip
    with pytest.raises(Misread):
        wishes("a < 1..2")


def test_too_many_rows_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A front that takes too long to compare is refused."""
    monkeypatch.setattr("tracer.sweep.finding.COMPARED", 10)
    study = study_of()
    with pytest.raises(
        TooMany, match="rows are left to be compared with each other, at most 10 are"
    ):
        found_in(study, "valid", (*MEASURES, "H", "W"))
