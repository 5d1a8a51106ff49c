"""Sweeps: every row is what the tracer says of it, none is lost or repeated, and the best are the best."""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import tracer
from tests import ROOT, extras
from tracer.commands.sweep import command
from tracer.sweep.axes import Unvaried, axis, count, digits
from tracer.sweep.columns import as_lists, packed
from tracer.sweep.evaluate import evaluate
from tracer.sweep.exact import exact_row
from tracer.sweep.journal import Journal, OtherSweep
from tracer.sweep.pareto import front
from tracer.sweep.study import ROWS, Study, config_study, family_study

CONFIGS = ROOT / "configs"
PADDED = str(CONFIGS / "unet_padded.yaml")
SWEPT = [
    "unet_padded", "unet_2015", "attention_unet", "conv_autoencoder", "conv_tasnet", "dcgan_generator", "enet", "espcn",
    "fcn8s", "linknet", "segnet", "srresnet", "unet3d", "unetpp", "vnet", "wave_unet",
]  # fmt: skip


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def columns_of(study: Study) -> dict[str, list[Any]]:
    """All rows of a study, computed here."""
    found: dict[str, list[Any]] = {}
    for task in study.tasks():
        for name, values in as_lists(evaluate(study, task.number)).items():
            found.setdefault(name, []).extend(values)
    return found


@pytest.mark.parametrize("name", SWEPT)
def test_rows_are_the_tracers(name: str) -> None:
    """Whatever is computed together is what a network that is loaded and traced for the row alone says."""
    path = CONFIGS / f"{name}.yaml"
    net = tracer.load(path)
    draw = random.Random(name)
    axes = []
    for symbol, n in net.network.defaults().items():
        near = (
            {n, n + 1, n + draw.randint(2, 40), max(1, n - draw.randint(1, n // 2 + 1))}
            if symbol != "N"
            else {1, 2}
        )
        axes.append(axis("size", [symbol], ",".join(map(str, sorted(near)))))
    numbers = {param: n for param, n in net.params.items() if n.__class__ is int}
    axes += [axis("param", [param], f"{n},{n + 1}") for param, n in list(numbers.items())[:2]]
    study = config_study(path.read_text("utf-8"), str(path), {}, {}, axes, "float16")
    rows = columns_of(study)
    assert len(rows["valid"]) == study.rows == count(axes)
    for i in draw.sample(range(study.rows), min(study.rows, 40)):
        params = {
            axis.names[0]: rows[axis.names[0]][i] for axis in axes if axis.kind == "param"
        }
        sizes = {axis.names[0]: rows[axis.names[0]][i] for axis in axes if axis.kind == "size"}
        try:
            alone = tracer.load(path, **params)
            expected = exact_row(alone, {**alone.network.defaults(), **sizes}, "float16")
        except tracer.TracerError as error:
            expected = {"valid": False, "error": error.diagnostics[0].code}
        assert {name: rows[name][i] for name in ROWS} == {
            name: expected.get(name) for name in ROWS
        }, (params, sizes)


def test_every_combination_once() -> None:
    """The structural axes turn slowest, sizes fastest, and no combination is missing or twice."""
    axes = [
        axis("param", ["base"], "4,8"),
        axis("param", ["depth"], "1..3"),
        axis("size", ["H", "W"], "16..64:16"),
        axis("size", ["N"], "1,3"),
    ]
    study = family_study("unet", {"classes": 5}, {}, axes, "float32")
    rows = columns_of(study)
    combinations = list(zip(rows["base"], rows["depth"], rows["H"], rows["W"], rows["N"]))
    assert combinations == [
        (b, d, h, h, n)
        for b, d, h, n in itertools.product((4, 8), (1, 2, 3), (16, 32, 48, 64), (1, 3))
    ]
    assert all(rows["valid"]) and all(rows["aligned"])
    assert [digits(axes, i) for i in (0, 1, 2, 8, 47)] == [
        [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 2, 3, 1],
    ]  # fmt: skip


def test_families_serve_every_size() -> None:
    """One design of a family meets all sizes of a sweep, those too that its depth does not divide."""
    axes = [
        axis("param", ["up"], "transpose,bilinear"),
        axis("size", ["H"], "33..64"),
        axis("size", ["W"], "40,41"),
    ]
    rows = columns_of(family_study("resunet", {"depth": 2, "base": 4}, {}, axes, "float32"))
    assert all(rows["valid"]), set(rows["error"])
    assert rows["up"] == ["transpose"] * 64 + ["bilinear"] * 64


def test_files_hold_the_same_rows(tmp_path: Path) -> None:
    """Parquet, CSV and JSON lines have the same rows, whoever computed them."""
    extras.needs("sweep")
    sweep = [
        PADDED,
        "--vary",
        "base=8,16",
        "--size",
        "H=16..256:8",
        "--size",
        "W=64,72",
        "--size",
        "N=1",
    ]
    for name, more in (
        ("a.parquet", []),
        ("b.csv", ["--workers", "2"]),
        ("c.jsonl", ["--workers", "1"]),
    ):
        done = run(*sweep, "-o", str(tmp_path / name), *more)
        assert done.exit_code == 0, done.output
    import pyarrow.parquet as pq

    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert len(rows) == 2 * 31 * 2
    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert lines == rows
    cells = list(csv.DictReader((tmp_path / "b.csv").read_text().splitlines()))
    written = {None: "", True: "true", False: "false"}
    assert cells == [
        {k: written[v] if v is None or isinstance(v, bool) else str(v) for k, v in row.items()}
        for row in rows
    ]
    assert {row["error"] for row in rows} == {None, "T301"}
    assert os.listdir(tmp_path) == sorted(os.listdir(tmp_path)) or not list(
        tmp_path.glob("*.partial")
    )


SLOW = [
    "--family",
    "unetpp",
    "--vary",
    "base=2..7",
    "--vary",
    "depth=2,3,4",
    "--vary",
    "up=transpose,bilinear",
]
SLOW += ["--size", "H=W=64,100,128"]


HELD = """
import os, sys, time
from tracer.sweep import running

rows = running.rows
go = sys.argv.pop()

def held(study, number, known, makers):
    while number >= 12 and not os.path.exists(go):
        time.sleep(0.02)
    return rows(study, number, known, makers)

if __name__ == "__main__":
    from tracer.commands import main

    running.rows = held
    main()
"""
"""The command, whose later tasks wait until a file is there: until then it is in the middle, on any machine."""


def held(tmp_path: Path, *arguments: str, script: str = HELD) -> subprocess.Popen[str]:
    """A sweep that stays in the middle until ``tmp_path / "go"`` is there."""
    file = tmp_path / "held.py"
    file.write_text(script)
    return started(file, "sweep", *arguments, str(tmp_path / "go"))


def started(script: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def until(condition: Any, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def has_rows(output: Path) -> bool:
    """True where some tasks of a sweep are kept."""
    partial = Path(f"{output}.partial")
    return partial.exists() and partial.stat().st_size > 3000


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_resumed(tmp_path: Path, end: signal.Signals) -> None:
    """However it ends, the same command goes on from there, and the rows are those of a sweep in one go."""
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    assert run(*SLOW, "-o", str(whole), "--workers", "1").exit_code == 0
    partial = tmp_path / "broken.jsonl.partial"
    running = held(tmp_path, *SLOW, "-o", str(broken), "--workers", "2")
    until(lambda: has_rows(broken))
    running.send_signal(end)
    _, said = running.communicate(timeout=300)
    assert running.returncode == (130 if end == signal.SIGINT else -signal.SIGKILL)
    assert not broken.exists() and partial.exists()
    if end == signal.SIGINT:
        assert "rows are kept in" in said and "the same command goes on from there" in said
    done = run(*SLOW, "-o", str(broken))
    assert done.exit_code == 0 and "rows are done already" in done.output
    assert broken.read_bytes() == whole.read_bytes()
    assert not partial.exists()


DYING = HELD.replace("time.sleep(0.02)", "os.kill(os.getpid(), 9)")
"""The command, whose workers are killed at its later tasks."""


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_worker_that_is_killed(tmp_path: Path, ending: str) -> None:
    """It is said, what is done is kept, and the same command goes on: the file is that of a sweep in one go."""
    extras.needs("sweep")
    whole, broken = tmp_path / f"whole.{ending}", tmp_path / f"broken.{ending}"
    assert run(*SLOW, "-o", str(whole), "--workers", "1").exit_code == 0
    running = held(tmp_path, *SLOW, "-o", str(broken), "--workers", "2", script=DYING)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 2, said
    assert "a worker process was killed" in said and "Traceback" not in said
    assert not broken.exists()
    done = run(*SLOW, "-o", str(broken), "--workers", "2")
    assert done.exit_code == 0 and "rows are done already" in done.output
    assert broken.read_bytes() == whole.read_bytes()
    assert os.listdir(tmp_path).count(broken.name) == 1 and len(os.listdir(tmp_path)) == 3


def two_rows(task: int) -> bytes:
    """Columns of numbers and of objects, one of which is not known."""
    numbers = np.ma.array([task, 0], mask=[False, True])
    return packed({"a": numbers, "b": np.array(["x", True], object)})


def test_a_torn_journal(tmp_path: Path) -> None:
    """A record that is not whole is cut off, and its task is done again; another sweep's file is refused."""
    journal = Journal(tmp_path / "j", "key")
    for task in (0, 2, 1):
        journal.add(task, two_rows(task))
    journal.add(2, packed({"a": np.array([])}))
    journal.close()
    size = (tmp_path / "j").stat().st_size
    for cut in (1, 9, 20):
        os.truncate(tmp_path / "j", size - cut)
        journal = Journal(tmp_path / "j", "key")
        assert journal.done == {0, 2}
        journal.add(1, two_rows(1))
        assert [record.columns["a"][0] for record in journal.records()] == [0, 1, 2]
        journal.close()
        assert (tmp_path / "j").stat().st_size == size
    with pytest.raises(OtherSweep):
        Journal(tmp_path / "j", "another")


def test_a_journal_torn_anywhere(tmp_path: Path) -> None:
    """Cut after any byte, with or without a tail of zeros or of noise: what is whole is kept as it was, and goes on."""
    path, draw = tmp_path / "j", random.Random(0)
    columns = {task: two_rows(task) for task in range(4)}
    lists = {task: {"a": [task, None], "b": ["x", True]} for task in range(4)}
    journal = Journal(path, "key")
    ends = [path.stat().st_size]
    for task, own in columns.items():
        journal.add(task, own)
        ends.append(path.stat().st_size)
    journal.close()
    whole = path.read_bytes()

    opened = 0
    for cut, tail in itertools.product(
        range(len(whole) + 1), (b"", bytes(64), draw.randbytes(64))
    ):
        if tail.strip(b"\0") and cut < ends[0]:
            continue  # no beginning of this sweep's file
        path.write_bytes(whole[:cut] + tail)
        journal = Journal(path, "key")
        kept = set(range(max(sum(end <= cut for end in ends) - 1, 0)))
        assert journal.done == kept, (cut, tail)
        assert journal.begins_anew == (cut + len(tail) > 0 and cut < ends[0])
        for task, own in columns.items():
            journal.add(task, own)
        found = {record.task: as_lists(record.columns) for record in journal.records()}
        assert found == lists
        journal.close()
        assert path.read_bytes() == whole
        opened += 1
    assert opened > 300


@pytest.mark.parametrize("damage", ["zeros", "head"])
def test_a_sweep_whose_journal_is_torn(tmp_path: Path, damage: str) -> None:
    """The same command goes on, or begins anew, and the rows are those of a sweep in one go."""
    broken = tmp_path / "broken.jsonl"
    partial = Path(f"{broken}.partial")
    running = held(tmp_path, *SLOW, "-o", str(broken), "--workers", "1")
    until(lambda: has_rows(broken))
    running.kill()
    running.communicate(timeout=300)
    content = partial.read_bytes()
    partial.write_bytes(content + bytes(64) if damage == "zeros" else content[:30])
    done = run(*SLOW, "-o", str(broken))
    said = (
        "rows are done already"
        if damage == "zeros"
        else "is torn at its head: the sweep begins anew"
    )
    assert done.exit_code == 0 and said in done.output
    assert len(broken.read_text().splitlines()) == 6 * 3 * 2 * 3


KILLED = """
import os, signal
from tracer.commands import main
from tracer.sweep import journal

journal.Journal.remove = lambda self: os.kill(os.getpid(), signal.SIGKILL)
main()
"""
"""The command, killed between the naming of its output and the removal of its journal."""


def test_killed_behind_the_output(tmp_path: Path) -> None:
    """The same command goes on to the table; an output that is not the sweep's own is not touched."""
    out, partial = tmp_path / "rows.csv", tmp_path / "rows.csv.partial"
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    sweep = (PADDED, "--vary", "base=8,16", "--size", "H=64", "-o", str(out))

    def kill() -> bytes:
        running = started(script, "sweep", *sweep)
        running.communicate(timeout=300)
        assert running.returncode == -signal.SIGKILL and partial.exists()
        return out.read_bytes()

    content = kill()
    again = run(*sweep)
    assert again.exit_code == 0 and "Pareto front" in again.output, again.output
    assert out.read_bytes() == content and not partial.exists()
    assert run(*sweep).exit_code == 2

    out.unlink()
    content = kill()
    out.write_bytes(content + b"mine\n")
    refused = run(*sweep)
    assert refused.exit_code == 2 and "is there already" in refused.output
    assert out.read_bytes() == content + b"mine\n" and partial.exists()

    out.unlink()
    again = run(*sweep)
    assert again.exit_code == 0 and out.read_bytes() == content


def test_two_sweeps_of_one_output(tmp_path: Path) -> None:
    """The second one is refused, whatever it sweeps; the first goes on, and its end frees the name."""
    out, go = tmp_path / "rows.jsonl", tmp_path / "go"
    running = held(tmp_path, *SLOW, "-o", str(out), "--workers", "2")
    until(lambda: has_rows(out))
    for sweep in (SLOW, [PADDED, "--size", "H=64"]):
        second = run(*sweep, "-o", str(out))
        assert second.exit_code == 2, second.output
        assert f"another sweep writes {out} now" in second.output
    go.touch()
    _, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    assert len(out.read_text().splitlines()) == 6 * 3 * 2 * 3


def test_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    """The beginning of an output whose writer is dead goes; one of a process that lives stays, as do other files."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".rows.csv.{dead.pid}").write_text("half")
    others = [f".rows.csv.{os.getppid()}", f".other.csv.{dead.pid}", ".rows.csv.old"]
    for name in others:
        (tmp_path / name).write_text("other")
    assert run(PADDED, "--size", "H=64", "-o", str(tmp_path / "rows.csv")).exit_code == 0
    assert sorted(os.listdir(tmp_path)) == sorted(["rows.csv", *others])


@pytest.mark.parametrize("name", ROWS)
def test_a_param_named_like_a_column(tmp_path: Path, name: str) -> None:
    """It would overwrite the column, so it is refused, as a param and as a symbol."""
    config = tmp_path / "net.yaml"
    config.write_text(
        f"params: {{{name}: 3}}\ninput: [1, 1, 16, 16]\nlayers:\n"
        f'  c: {{op: Conv2d, out_channels: "${{{name}}}", kernel_size: 3}}\n'
    )
    refused = run(str(config), "--vary", f"{name}=8,16", "-o", str(tmp_path / "x.csv"))
    assert refused.exit_code == 2, refused.output
    assert f"{name} cannot be varied: every row has a column of that name" in refused.output
    assert os.listdir(tmp_path) == ["net.yaml"]


def test_numbers_beyond_63_bits(tmp_path: Path) -> None:
    """Rows are what a trace says up to the last number that a table holds; beyond that they are refused by name."""
    text = "input: [1, 1, H, H]\nsizes: {H: 8}\nlayers:\n"
    text += "  c: {op: Conv2d, out_channels: 64, kernel_size: 3, padding: 1}\n"
    text += "  p: {op: MaxPool2d, kernel_size: 2}\n"
    net, draw = tracer.loads(text), random.Random(3)
    config = tmp_path / "net.yaml"
    config.write_text(text)
    compared = refused = 0
    for _ in range(40):
        size = draw.randint(2, 2 ** draw.randint(20, 34))
        out = tmp_path / f"{size}.jsonl"
        done = run(
            str(config), "--size", f"H={size - 1},{size}", "-o", str(out), "--workers", "1"
        )
        rows = [exact_row(net, {"H": n}, "float32") for n in (size - 1, size)]
        if any(n >= 2**63 for row in rows for n in row.values() if isinstance(n, int)):
            assert done.exit_code == 2 and "is out of range for H=" in done.output, done.output
            assert not list(tmp_path.glob("*.partial")) and not out.exists()
            refused += 1
        else:
            assert done.exit_code == 0, done.output
            written = [json.loads(line) for line in out.read_text().splitlines()]
            assert [{name: row[name] for name in ROWS} for row in written] == [
                {"error": None, **row} for row in rows
            ]
            compared += 1
    assert compared >= 10 and refused >= 5


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real Dask scheduler with two worker processes, which the test may kill."""
    extras.needs("sweep")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place = tmp_path / "scheduler.json"
    options = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(place),
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *options], **quiet
        )
    ]
    try:
        until(place.exists)
        address = json.loads(place.read_text())["address"]
        for _ in range(2):
            worker = [
                "distributed.cli.dask_worker",
                address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
            ]
            processes.append(
                subprocess.Popen([sys.executable, "-m", *worker], cwd=tmp_path, **quiet)
            )
        yield address, processes
    finally:
        for one in processes:
            one.kill()
            one.wait()


def test_dask_and_a_worker_that_dies(tmp_path: Path, scheduler: Any) -> None:
    """The same rows in the same file, although one of two workers is killed mid-way."""
    address, (_, first, _) = scheduler
    whole, spread = tmp_path / "whole.parquet", tmp_path / "spread.parquet"
    assert run(*SLOW, "-o", str(whole)).exit_code == 0
    running = held(tmp_path, *SLOW, "-o", str(spread), "--dask", address)
    until(lambda: has_rows(spread))
    first.kill()
    (tmp_path / "go").touch()
    _, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    assert spread.read_bytes() == whole.read_bytes()


def test_a_scheduler_that_dies(tmp_path: Path, scheduler: Any) -> None:
    """It is said, what is done is kept, and local processes finish the rest."""
    address, processes = scheduler
    out = tmp_path / "rows.jsonl"
    running = held(tmp_path, *SLOW, "-o", str(out), "--dask", address)
    until(lambda: has_rows(out))
    for one in processes:
        one.kill()
    _, said = running.communicate(timeout=300)
    assert running.returncode == 2, said
    assert (
        f"the scheduler at {address} is lost" in said
        and "rows are kept in" in said
        and "Traceback" not in said
    )
    done = run(*SLOW, "-o", str(out))
    assert done.exit_code == 0 and "rows are done already" in done.output
    assert len(out.read_text().splitlines()) == 6 * 3 * 2 * 3


def test_pareto_against_all_pairs() -> None:
    """The front is what comparing every row with every other gives."""
    draw = np.random.default_rng(0)
    kinds = [(1, 1, 12), (50, 1, 12), (200, 2, 12), (300, 3, 12), (200, 4, 12)]
    # Few values and many rows are divided by measures that have no middle; of large ones nothing is rounded.
    kinds += [(700, 3, 2), (700, 5, 3), (600, 4, 50), (600, 3, 2**62)]
    for rows, measures, values in kinds:
        table = draw.integers(0, values, (rows, measures))
        expected = [
            i
            for i in range(rows)
            if not any((row <= table[i]).all() and (row < table[i]).any() for row in table)
        ]
        assert front(list(table.T)).tolist() == expected


def test_a_front_of_all_rows_is_found_at_once() -> None:
    """Of two sizes of which larger is better, and costs that grow with them, every pair is on the front.

    Each compared with each would be a billion pairs.
    """
    side = np.arange(1, 181) * 16
    height, width = (sizes.ravel() for sizes in np.meshgrid(side, side))
    area = height * width
    costs = [13 * area + 7 * height, 5 * area, np.minimum(height, 204), np.full(len(area), 9)]

    begun = time.process_time()
    best = front([-height, -width, *costs])
    assert len(best) == len(area) == 32_400
    assert time.process_time() - begun < 20

    # One row that is worse than a neighbour in every measure is not.
    worse = [np.append(values, values[100] + 1) for values in (-height, -width, *costs)]
    assert front(worse).tolist() == list(range(32_400))


def test_the_pareto_front_of_the_rows_that_meet_where() -> None:
    """Every valid row is compared that meets --where; the table shows the Pareto front of these."""
    done = run(
        PADDED,
        "--vary",
        "base=8,16,32",
        "--size",
        "H=W=64..256:16",
        "--where",
        "macs < 1e9 and H >= 128",
    )
    assert done.exit_code == 0, done.output
    first = done.output.splitlines()[0]
    assert (
        "9 of 11 rows are on the Pareto front of macs, memory, params, receptive_field, H"
        in first
    )
    only = run(
        PADDED,
        "--vary",
        "base=8,16",
        "--size",
        "H=W=64",
        "--objectives",
        "receptive_field,params",
    )
    assert "1 of 2 rows are on the Pareto front of receptive_field, params" in only.output
    none = run(PADDED, "--size", "H=W=64", "--where", "params < 10")
    assert none.exit_code == 0 and "no row meets --where" in none.output
    least = "params < 10: the least of the valid rows is 31,030,658, off by 3.10306e+07"
    assert least in none.output


def test_families_without_sizes() -> None:
    """A family has sizes of its own, by its number of axes; what cannot be designed is a row too."""
    axes = [axis("param", ["dims"], "1,2,3"), axis("param", ["up"], "transpose,pixelshuffle")]
    rows = columns_of(family_study("unet", {"depth": 2, "base": 2}, {}, axes, "float32"))
    assert rows["error"] == [None, "design", None, None, None, "design"]
    assert rows["memory"][0] < rows["memory"][2] < rows["memory"][4]


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_picture(tmp_path: Path, ending: str) -> None:
    """A picture of the format that its name says."""
    extras.needs("sweep")
    picture = tmp_path / f"front.{ending}"
    whole = str(
        CONFIGS / "deeplabv3plus.yaml"
    )  # a global pooling: its output sees the whole input
    assert run(whole, "--size", "H=W=129,257", "--plot", str(picture)).exit_code == 0
    done = run(
        PADDED, "--vary", "base=8,16", "--size", "H=W=64..256:16", "--plot", str(picture)
    )
    assert done.exit_code == 0, done.output
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[ending]
    assert picture.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((PADDED, "--vary", "bse=8"), 2, "no param is called 'bse'"),
        ((PADDED, "--size", "Q=8"), 2, "the input has no symbol 'Q'"),
        ((PADDED, "--size", "H=64.."), 2, "H has no end: write H=64..LAST"),
        ((PADDED, "--size", "H=64..32"), 2, "H=64..32 has no values"),
        ((PADDED, "--size", "H=1.5"), 2, "a size of H is 1.5"),
        ((PADDED, "--vary", "base=8,8"), 2, "base has a value twice"),
        (
            (PADDED, "--vary", "base=8-32"),
            2,
            "write 8..32 for all from 8 to 32, or a list such as 8,20,32",
        ),
        ((PADDED, "--vary", "base=8:32"), 2, "--vary base=8:32: write 8..32"),
        ((PADDED, "--vary", "base=8...32"), 2, "--vary base=8...32: write 8..32"),
        ((PADDED, "--vary", "base=8,...,32"), 2, "--vary base=8,...,32: write 8..32"),
        ((PADDED, "--size", "H=8-32"), 2, "--size H=8-32: write 8..32"),
        ((PADDED, "--vary", "base=big"), 1, "the config was read with base=big"),
        ((PADDED, "--vary", f"base=8,{2**63}"), 2, "out of range"),
        ((PADDED, "--vary", "base"), 2, "'base' is not NAME=VALUES"),
        ((PADDED, "--vary", "base=8", "--vary", "base=9"), 2, "base is varied twice"),
        (
            (PADDED, "--vary", "base=1..100000", "--size", "H=1..100000"),
            2,
            "this sweep has 10,000,000,000 rows",
        ),
        ((PADDED, "--where", "macs <"), 2, "expected a value"),
        ((PADDED, "--where", "flops < 3"), 2, "no column is called 'flops'"),
        ((PADDED, "--objectives", "error"), 2, "'error' is no number"),
        ((PADDED, "-o", "rows.xlsx"), 2, "rows are written as .parquet, .csv, .jsonl"),
        ((PADDED, "--plot", "front.gif"), 2, "a picture is .svg, .png or .pdf, a page .html"),
        (
            (PADDED, "--dask", "tcp://127.0.0.1:9"),
            2,
            "no scheduler answers at tcp://127.0.0.1:9",
        ),
        ((PADDED, "--dask", "nonsense://x"), 2, "no scheduler answers at nonsense://x"),
        (("--family", "unett", "--size", "H=W=64"), 2, "did you mean 'unet'"),
        (("--family", "unet", "--vary", "deep=3"), 2, "a family has no 'deep'"),
        ((), 2, "give a CONFIG, or --family NAME"),
        (("nowhere.yaml",), 2, "cannot be read"),
        (("{bytes}", "--size", "H=8"), 1, "error[T001] not UTF-8: byte 0xff at offset 0"),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each is told in a sentence, before anything is computed."""
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    arguments = tuple(
        argument.replace("{bytes}", str(tmp_path / "bytes.yaml")) for argument in arguments
    )
    monkeypatch.setattr("tracer.sweep.running.CONNECT", 1)
    done = run(*arguments)
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_outputs_are_not_overwritten(tmp_path: Path) -> None:
    """A file that is there stays, and so do the rows of another sweep."""
    out = tmp_path / "rows.csv"
    assert run(PADDED, "--size", "H=64", "-o", str(out)).exit_code == 0
    assert (
        "is there already; --overwrite replaces it"
        in run(PADDED, "--size", "H=64", "-o", str(out)).output
    )
    assert run(PADDED, "--size", "H=64,80", "-o", str(out), "--overwrite").exit_code == 0
    Journal(Path(f"{out}.partial"), "another").close()
    refused = run(PADDED, "--size", "H=64,80", "-o", str(out), "--overwrite")
    assert refused.exit_code == 2 and "holds the rows of another sweep" in refused.output


def test_values_that_a_network_does_not_take() -> None:
    """Rows whose network cannot be loaded or designed are rows too: they say why."""
    net = "params: {k: 3, groups: 1}\ninput: [1, 4, H, 8]\nsizes: {H: 8}\nlayers:\n"
    net += '  a: {op: Conv2d, out_channels: 4, kernel_size: "${k}", groups: "${groups}"}\n'
    axes = [
        axis("param", ["k"], "0,3,9"),
        axis("param", ["groups"], "1,2,3"),
        axis("size", ["H"], "4,8,12"),
    ]
    rows = columns_of(
        config_study(net.replace("k: 3", "k: 3"), "x", {"k": 3}, {}, axes[1:], "float32")
    )
    assert rows["error"] == [None] * 6 + ["T205"] * 3
    rows = columns_of(
        config_study(net, "x", {}, {}, [axis("param", ["k"], "3,0,9"), axes[2]], "float32")
    )
    assert rows["error"] == [None] * 3 + ["T202"] * 3 + ["T302"] * 3
    with pytest.raises(Unvaried, match="no param is called 'missing'"):
        config_study(net, "x", {}, {}, [axis("param", ["missing"], "1")], "float32")


@pytest.mark.parametrize("values", ["0,4,-1", "4,-1,0"])
def test_the_first_row_need_not_be_a_network(tmp_path: Path, values: str) -> None:
    """The rows are the same in any order: those that are no network say why."""
    config = tmp_path / "net.yaml"
    config.write_text(
        "params: {base: 8}\ninput: [1, 3, H, 8]\nsizes: {H: 8}\nlayers:\n"
        '  a: {op: Conv2d, out_channels: "${base}", kernel_size: 3}\n'
    )
    out = tmp_path / "rows.csv"
    done = run(str(config), "--vary", f"base={values}", "-o", str(out), "--workers", "1")
    assert done.exit_code == 0 and "2 of 3 rows are not valid: `error` says why" in done.output
    with out.open(newline="") as table:
        rows = {row["base"]: (row["valid"], row["error"]) for row in csv.DictReader(table)}
    assert rows == {"0": ("false", "T202"), "4": ("true", ""), "-1": ("false", "T202")}
