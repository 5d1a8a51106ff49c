"""The command line: exit codes, formats, options, files, terminals and pipes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

import tracer
from tests import ROOT
from tracer.commands import COMMANDS, cli

CLEAN = """\
name: small
params: {base: 8, act: ReLU}
input: [N, 3, H, W]
sizes: {N: 1, H: 32, W: 32}
encoder:
  down: {op: Conv2d, out_channels: "${base}", kernel_size: 2, stride: 2}
  act: "${act}"
decoder:
  up: {op: ConvTranspose2d, out_channels: "${base}", kernel_size: 2, stride: 2, expect: [N, "${base}", H, W]}
"""
WARNED = CLEAN.replace("W: 32", "W: 33").replace(', expect: [N, "${base}", H, W]', "")
WRONG = """\
input: [1, 3, 33, 33]
encoder:
  down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}  # tracer: ignore[T501]
decoder:
  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 2, stride: 2}
  sum: {op: Add, from: [up, input]}
  last: ReLU
"""
UNLOADED = "input: [1, 3, 8, 8]\nlayers:\n  a: {op: Conv2d, kernel: 3}\n  b: Foo\n"
FORMATS = {
    "check": ["full", "concise", "json", "sarif", "github"],
    "trace": ["table", "json", "csv", "markdown"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with one config of each kind, which is the current one."""
    for name, text in {
        "clean": CLEAN,
        "warned": WARNED,
        "wrong": WRONG,
        "unloaded": UNLOADED,
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=text)


def process(
    *arguments: str, text: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tracer", *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def schema(which: str) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(run("schema", which).stdout)
    return printed


# --- exit codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", FORMATS)
@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("clean.yaml", [], 0),
        ("clean.yaml", ["--strict"], 0),
        ("warned.yaml", [], 0),
        ("warned.yaml", ["--strict"], 1),
        ("wrong.yaml", [], 1),
        ("unloaded.yaml", [], 1),
        ("missing.yaml", [], 2),
        ("missing.yaml", ["--format", "json"], 2),
        ("clean.yaml", ["--format", "nonsense"], 2),
        ("clean.yaml", ["--set", "nothing=1"], 2),
        ("clean.yaml", ["--size", "Q=1"], 2),
        ("clean.yaml", ["--input", "other=1,3,8,8"], 2),
    ],
)
def test_exit_codes(here: Path, command: str, name: str, options: list[str], code: int) -> None:
    """0 clean, 1 findings (with --strict warnings too), 2 bad usage or unreadable file."""
    assert run(command, name, *options).exit_code == code


@pytest.mark.parametrize("command", FORMATS)
def test_formats_do_not_change_the_exit_code(here: Path, command: str) -> None:
    """What is found does not depend on how it is told."""
    for format_ in FORMATS[command]:
        codes = [
            run(command, f"{name}.yaml", "--format", format_).exit_code
            for name in ("clean", "wrong", "unloaded")
        ]
        assert codes == [0, 1, 1], format_


def test_an_unreadable_file_beside_others(here: Path) -> None:
    """The others are checked, the code is 2."""
    done = run("check", "--format", "concise", "clean.yaml", "missing.yaml", "wrong.yaml")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        "missing.yaml: error[T001] cannot be read: No such file or directory",
        "wrong.yaml:6:13: error[T301] sum: sizes differ in dim 2: 32 from up, 33 from input",
    ]


@pytest.mark.parametrize("command", FORMATS)
def test_an_internal_error_is_3(here: Path, command: str) -> None:
    """A bug of the tool itself takes two lines on standard error; with TRACER_DEBUG there is a traceback."""
    script = "import tracer.net as n; n.trace = None; from tracer.commands import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", script, command, "clean.yaml"]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        "internal error: TypeError: 'NoneType' object is not callable",
        "this is a bug in tracer; set TRACER_DEBUG=1 for the traceback",
    ]
    debug = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        env={**environment, "TRACER_DEBUG": "1"},
        check=False,
    )
    assert "Traceback" in debug.stderr


def test_results_and_the_rest(here: Path) -> None:
    """Results go to standard output, everything else to standard error."""
    done = process("check", "wrong.yaml")
    assert "error[T301]" in done.stdout and "error[T301]" not in done.stderr
    assert done.stderr == "1 file checked: 1 error; `tracer plan` tries repairs\n"
    assert process("check", "clean.yaml").stdout == ""
    done = process("trace", "wrong.yaml")
    assert "does not fit" in done.stdout and "error[T301]" in done.stderr


# --- formats of check ----------------------------------------------------------------------------------------------


def test_full(here: Path) -> None:
    """The line of source with carets, the other ends of the problem, and a hint."""
    done = run("check", "wrong.yaml")
    lines = done.stdout.splitlines()
    assert (
        lines[0]
        == "wrong.yaml:6:13: error[T301] sum: sizes differ in dim 2: 32 from up, 33 from input"
    )
    assert lines[1].endswith("| " + WRONG.splitlines()[5])
    assert lines[2].index("^") == lines[1].index("Add")
    assert any("line 5" in line for line in lines) and any("line 1" in line for line in lines)


def test_concise(here: Path) -> None:
    """One line each, ``path:line:column: error[T301] message``."""
    done = run("check", "--format", "concise", "unloaded.yaml")
    assert done.stdout == (
        "unloaded.yaml:3:19: error[T003] Conv2d has no argument 'kernel'\n"
        "unloaded.yaml:4:6: error[T101] unknown operation 'Foo'\n"
    )


def test_json_of_check(here: Path) -> None:
    """It fits its schema, and says what the Python interface says."""
    done = run(
        "check",
        "--format",
        "json",
        "clean.yaml",
        "warned.yaml",
        "wrong.yaml",
        "unloaded.yaml",
        "missing.yaml",
    )
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, schema("check"))
    assert (answer["format_version"], answer["valid"]) == ("1.0", False)
    found = [
        d for name in ("unloaded", "warned", "wrong") for d in tracer.check(f"{name}.yaml")
    ]
    assert [
        (d["path"], d["code"], d["message"]) for d in answer["diagnostics"] if d["range"]
    ] == [(d.path, d.code, d.message) for d in found]
    assert answer["error_count"] == 1 + sum(d.severity == "error" for d in found)
    assert answer["warning_count"] == sum(d.severity == "warning" for d in found) > 0
    assert (
        answer["diagnostics"][0]["range"] is None
        and answer["diagnostics"][0]["path"] == "missing.yaml"
    )
    clean = json.loads(run("check", "--format", "json", "clean.yaml").stdout)
    assert clean == {
        "format_version": "1.0",
        "valid": True,
        "error_count": 0,
        "warning_count": 0,
        "diagnostics": [],
    }


def test_sarif_of_any_name(here: Path) -> None:
    """A file is named as a URI; standard input is no file, and has no location."""
    names = ["dir with space/ü #1.yaml", "50%?.yaml", "a:b.yaml"]
    (here / "dir with space").mkdir()
    for name in names:
        (here / name).write_text("input: [1, 1, 8, 8]\nlayers: {a: Konv}\n")

    def results(*arguments: str, **given: str) -> list[dict[str, Any]]:
        done = run("check", "--format", "sarif", *arguments, **given)
        (one,) = json.loads(done.stdout)["runs"]
        return [dict(result) for result in one["results"]]

    def uris(found: list[dict[str, Any]]) -> list[str]:
        places = [
            location["physicalLocation"] for one in found for location in one["locations"]
        ]
        return [place["artifactLocation"]["uri"] for place in places]

    assert sorted(uris(results(*names))) == [
        "50%25%3F.yaml",
        "a%3Ab.yaml",
        "dir%20with%20space/%C3%BC%20%231.yaml",
    ]
    absolute = str(here / names[0])
    assert uris(results(absolute)) == [Path(absolute).as_uri()]
    (found,) = results("-", text=(here / names[0]).read_text())
    assert (
        found["ruleId"] == "T101"
        and "locations" not in found
        and "relatedLocations" not in found
    )


def test_sarif(here: Path) -> None:
    """One run of SARIF 2.1.0: rules with their texts, results that name their rule, a level and a region."""
    done = run("check", "--format", "sarif", "warned.yaml", "wrong.yaml", "missing.yaml")
    log = json.loads(done.stdout)
    assert (log["version"], log["$schema"].endswith("sarif-2.1.0.json"), len(log["runs"])) == (
        "2.1.0",
        True,
        1,
    )
    (one,) = log["runs"]
    rules = one["tool"]["driver"]["rules"]
    assert one["tool"]["driver"]["name"] == "tracer"
    assert all(
        rule["shortDescription"]["text"] and rule["fullDescription"]["text"] for rule in rules
    )
    for result in one["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning") and result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] in ("warned.yaml", "wrong.yaml", "missing.yaml")
        assert ("region" in place) == (place["artifactLocation"]["uri"] != "missing.yaml")
    wrong = next(result for result in one["results"] if result["ruleId"] == "T301")
    assert wrong["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 6, "startColumn": 13, "endLine": 6, "endColumn": 16,
    }  # fmt: skip
    assert {
        r["physicalLocation"]["region"]["startLine"] for r in wrong["relatedLocations"]
    } == {
        1,
        5,
    }


def test_github(here: Path) -> None:
    """Workflow commands, their values escaped."""
    done = run("check", "--format", "github", "wrong.yaml", "unloaded.yaml")
    assert done.stdout.splitlines() == [
        "::error file=unloaded.yaml,line=3,col=19,endLine=3,endColumn=25,title=T003::"
        "Conv2d has no argument 'kernel'%0Ahint: did you mean 'kernel_size'?",
        *[line for line in done.stdout.splitlines() if "T101" in line],
        *[line for line in done.stdout.splitlines() if "T301" in line],
    ]
    (here / "a,b:c%.yaml").write_text(UNLOADED)
    assert "file=a%2Cb%3Ac%25.yaml," in run("check", "--format", "github", "a,b:c%.yaml").stdout


# --- formats of trace ----------------------------------------------------------------------------------------------


def test_json_of_trace(here: Path) -> None:
    """It fits its schema and has the nodes in execution order, inputs included."""
    done = run("trace", "--format", "json", "clean.yaml", "--size", "H=64")
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, schema("trace"))
    assert [(node["name"], node["shape"]) for node in answer["nodes"]] == [
        ("input", [1, 3, 64, 32]), ("down", [1, 8, 32, 16]), ("act", [1, 8, 32, 16]), ("up", [1, 8, 64, 32]),
    ]  # fmt: skip
    assert (answer["name"], answer["path"], answer["sizes"]) == (
        "small",
        "clean.yaml",
        {"N": 1, "H": 64, "W": 32},
    )
    assert answer["outputs"] == {"up": [1, 8, 64, 32]}
    assert answer["nodes"][1]["args"] == {"out_channels": 8, "kernel_size": 2, "stride": 2}
    assert (answer["nodes"][3]["line"], answer["nodes"][3]["section"]) == (9, "decoder")
    assert answer["totals"]["params"] == (3 * 4 * 8 + 8) + (8 * 4 * 8 + 8)


def test_json_of_a_config_that_cannot_be_loaded(here: Path) -> None:
    """It is still the answer of a trace: no nodes, and the diagnostics."""
    done = run("trace", "--format", "json", "unloaded.yaml")
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, schema("trace"))
    assert (done.exit_code, answer["nodes"], answer["path"]) == (1, [], "unloaded.yaml")
    assert [d["code"] for d in answer["diagnostics"]] == ["T003", "T101"]
    missing = run("trace", "--format", "json", "missing.yaml")
    jsonschema.validate(json.loads(missing.stdout), schema("trace"))
    assert missing.exit_code == 2


def test_a_wrong_network_is_shown(here: Path) -> None:
    """The table shows how far the network fits, the diagnostics what is wrong; what follows is left open."""
    done = run("trace", "wrong.yaml")
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert done.exit_code == 1
    assert "1 × 3 × 32 × 32" in rows["up"]
    assert "does not fit" in rows["sum"]
    assert "?" in rows["last"]
    answer = json.loads(run("trace", "--format", "json", "wrong.yaml").stdout)
    jsonschema.validate(answer, schema("trace"))
    assert [node["shape"] for node in answer["nodes"]][-2:] == [None, None]
    assert answer["outputs"] == {"last": None}


def test_csv_and_markdown(here: Path) -> None:
    """Both have the table's rows, numbers in full."""
    table = list(csv.reader(io.StringIO(run("trace", "--format", "csv", "clean.yaml").stdout)))
    assert table[0] == [
        "section",
        "node",
        "operation",
        "from",
        "shape",
        "params",
        "macs",
        "memory",
        "receptive_field",
    ]
    assert table[2] == [
        "encoder",
        "down",
        "Conv2d",
        "",
        "1×8×16×16",
        "104",
        str(16 * 16 * 8 * 3 * 4),
        str(8 * 16 * 16 * 4),
        "2",
    ]
    lines = run("trace", "--format", "markdown", "clean.yaml").stdout.splitlines()
    assert all(line.count("|") == 10 for line in lines)
    assert [line.split(" | ")[1] for line in lines[2:-1]] == ["input", "down", "act", "up"]


def test_names_cannot_break_a_table(here: Path) -> None:
    """Markup, separators and quotes of a name stay text in every format."""
    names = ["a|b", "<i>", "[red]x", 'q"q', "a,b", "`c`", "日本"]
    allowed = [
        name for name in names if name not in ("[red]x", "a,b")
    ]  # brackets and commas cannot name a node
    text = "input: [1, 3, 8, 8]\nlayers:\n" + "".join(f"  '{name}': ReLU\n" for name in allowed)
    for name in allowed:
        assert name in run("trace", "-", text=text).stdout
    table = list(
        csv.reader(io.StringIO(run("trace", "--format", "csv", "-", text=text).stdout))
    )
    assert [row[1] for row in table[2:]] == allowed
    markdown = run("trace", "--format", "markdown", "-", text=text).stdout
    assert "<i>" not in markdown and "a\\|b" in markdown
    assert (
        run("check", "-", text=text.replace("ReLU", "'[red]ReLU'")).stdout.count("'[red]ReLU'")
        >= 4
    )


@pytest.mark.parametrize(("depth", "rows"), [("1", 2), ("2", 3), ("3", 5), ("all", 5)])
def test_depth(here: Path, depth: str, rows: int) -> None:
    """How many levels of blocks are unfolded."""
    text = """\
input: [1, 3, 8, 8]
blocks:
  inner: {layers: {a: ReLU, b: ReLU}}
  outer: {layers: {one: {op: inner, repeat: 2}}}
layers: {x: outer}
"""
    table = run(
        "trace", "--format", "csv", "--depth", depth, "-", text=text
    ).stdout.splitlines()
    assert len(table) - 1 == {"1": 2, "2": 2, "3": 3, "all": 5}[depth], table


@pytest.mark.parametrize("depth", ["0", "-1", "x", "1.5", "1000"])
def test_a_wrong_depth(here: Path, depth: str) -> None:
    """Neither a number of levels nor ``all``."""
    assert run("trace", "--depth", depth, "clean.yaml").exit_code == 2


# --- overrides -----------------------------------------------------------------------------------------------------


def test_set(here: Path) -> None:
    """A param's value, read as YAML."""
    answer = json.loads(
        run(
            "trace", "--format", "json", "clean.yaml", "--set", "base=16", "--set", "act=GELU"
        ).stdout
    )
    assert answer["outputs"] == {"up": [1, 16, 32, 32]}
    assert answer["nodes"][2]["op"] == "GELU"
    text = CLEAN.replace(
        "kernel_size: 2, stride: 2, expect", "kernel_size: '${kernel}', stride: 2, expect"
    )
    text = text.replace("base: 8", "base: 8, kernel: 2")
    done = run(
        "trace",
        "--format",
        "json",
        "-",
        "--set",
        "kernel=[2, 4]",
        "--input",
        "1,3,32,34",
        text=text,
    )
    assert json.loads(done.stdout)["nodes"][3]["args"]["kernel_size"] == [2, 4]


def test_size_and_input(here: Path) -> None:
    """A symbol's size, several at once, or the whole input's shape; they replace the declared ones."""
    assert run("check", "clean.yaml", "--size", "H=33").exit_code == 1
    assert run("check", "clean.yaml", "--size", "H=64,W=48").exit_code == 0
    assert run("check", "clean.yaml", "--size", "H=64", "--size", "W=47").exit_code == 1
    for shape in ("2,3,64,48", "[2, 3, 64, 48]", "input=2,3,64,48"):
        answer = json.loads(
            run("trace", "--format", "json", "clean.yaml", "--input", shape).stdout
        )
        assert answer["outputs"] == {"up": [2, 8, 64, 48]}
        assert answer["sizes"] == {"N": 2, "H": 64, "W": 48}
    text = "input: {a: [1, 3, H, 8], b: [1, 3, H, 8]}\nlayers: {x: {op: Add, from: [a, b]}}\n"
    answer = json.loads(
        run(
            "trace",
            "--format",
            "json",
            "-",
            "--input",
            "a=1,3,9,8",
            "--input",
            "b=1,3,9,8",
            text=text,
        ).stdout
    )
    assert answer["outputs"] == {"x": [1, 3, 9, 8]}
    unsized = CLEAN.replace("sizes: {N: 1, H: 32, W: 32}\n", "")
    assert run("check", "-", "--size", "N=1,H=8,W=8", text=unsized).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--set", "base", "is not PARAM=VALUE"),
        ("--set", "=1", "is not PARAM=VALUE"),
        ("--set", "base=[1", "YAML syntax"),
        ("--set", "base=!!python/name:os.system", "tag"),
        ("--set", "base={a: 1}", "mapping"),
        ("--set", "base=${x}", "unknown name"),
        ("--set", "base=1\x00", "U+0000"),
        ("--set", f"base={'[' * 10_000}", "nested"),
        ("--set", f"base={'9' * 5000}", "digits"),
        ("--set", "bas=1", "no param is called 'bas'"),
        ("--size", "H", "is not SYMBOL=N"),
        ("--size", "H=", "is not SYMBOL=N"),
        ("--size", "H=x", "is not SYMBOL=N"),
        ("--size", "H=-1", "is not SYMBOL=N"),
        ("--size", "H=1.5", "is not SYMBOL=N"),
        ("--size", f"H={'9' * 30}", "is not SYMBOL=N"),
        ("--size", "H=٣", "is not SYMBOL=N"),
        ("--size", "=3", "is not SYMBOL=N"),
        ("--size", "H=1,", "is not SYMBOL=N"),
        ("--size", "Q=3", "no symbol 'Q'"),
        ("--input", "", "is not a shape"),
        ("--input", "1,3,x,8", "is not a shape"),
        ("--input", "1,3,-8,8", "is not a shape"),
        ("--input", f"1,3,{'9' * 30},8", "is not a shape"),
        ("--input", "1,,8", "is not a shape"),
        ("--input", "other=1,3,8,8", "no input is called 'other'"),
    ],
)
@pytest.mark.parametrize("command", FORMATS)
def test_garbage_in_an_option(
    here: Path, command: str, option: str, value: str, words: str
) -> None:
    """Bad usage: one sentence on standard error that quotes the option, nothing on standard output, exit code 2."""
    done = run(command, "clean.yaml", option, value)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr) < 1000


def test_an_input_of_another_rank(here: Path) -> None:
    """Is traced, and refused where the operation refuses it; its symbols are not asked for."""
    done = run("check", "--format", "concise", "clean.yaml", "--input", "3,32,32")
    assert "T201" not in done.stdout and done.exit_code == 1


# --- files ---------------------------------------------------------------------------------------------------------


def test_standard_input(here: Path) -> None:
    """``-`` reads standard input, and its diagnostics name it."""
    done = process("check", "--format", "concise", "-", text=UNLOADED)
    assert done.stdout.splitlines()[0].startswith("<stdin>:3:19: error[T003]")
    assert process("trace", "--format", "json", "-", text=CLEAN).returncode == 0
    assert (
        process("check", "-", "clean.yaml", text=CLEAN).stderr
        == "2 files checked: no problems found\n"
    )


def test_directories_are_searched(here: Path) -> None:
    """For *.yaml and *.yml, at any depth; other files, and directories of such a name, are left alone."""
    inner = here / "more" / "deep"
    inner.mkdir(parents=True)
    (inner / "one.yml").write_text(UNLOADED)
    (inner / "two.txt").write_text("no config")
    (here / "more" / "dir.yaml").mkdir()
    done = run("check", "--format", "concise", "more", "clean.yaml", "more")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        str(Path("more/deep/one.yml"))
    ] * 2
    assert done.stderr.startswith("2 files checked")
    (here / "empty").mkdir()
    done = run("check", "empty")
    assert done.exit_code == 2 and "no *.yaml or *.yml in empty" in done.stderr
    assert run("trace", "more").exit_code == 2


def test_the_order_of_reports(here: Path) -> None:
    """Path, line, column, code, whatever the order of the arguments."""
    done = run("check", "--format", "concise", "wrong.yaml", "warned.yaml", "unloaded.yaml")
    keys = []
    for line in done.stdout.splitlines():
        match = re.match(r"(.*?):(\d+):(\d+): \w+\[(T\d+)\]", line)
        assert match
        keys.append((match[1], int(match[2]), int(match[3]), match[4]))
    assert keys == sorted(keys) and len({path for path, *_ in keys}) == 3


def test_comments_that_ignore(here: Path) -> None:
    """``# tracer: ignore[T501, T504]`` silences warnings of its line, never an error, and nothing of another line."""
    found = run("check", "--format", "concise", "warned.yaml").stdout
    assert "T501" in found and "T504" not in found
    lines = WARNED.splitlines()
    index = next(i for i, line in enumerate(lines) if line.startswith("  down:"))
    ignored = [
        *lines[:index],
        lines[index] + "  # tracer: ignore[T504, T501]",
        *lines[index + 1 :],
    ]
    assert (
        "T501" not in run("check", "--format", "concise", "-", text="\n".join(ignored)).stdout
    )
    other = [*lines[:index], lines[index] + "  # tracer: ignore[T502]", *lines[index + 1 :]]
    assert "T501" in run("check", "--format", "concise", "-", text="\n".join(other)).stdout
    above = [*lines[:index], "  # tracer: ignore[T501]", *lines[index:]]
    assert "T501" in run("check", "--format", "concise", "-", text="\n".join(above)).stdout
    error = WRONG.replace("from: [up, input]}", "from: [up, input]}  # tracer: ignore[T301]")
    assert "T301" in run("check", "--format", "concise", "-", text=error).stdout


def test_many_files_in_several_processes(here: Path) -> None:
    """The same answer, in the same order, as one process gives, and the same as one call for each."""
    kinds = [CLEAN, WARNED, WRONG, UNLOADED]
    many = here / "many"
    many.mkdir()
    for i in range(60):
        (many / f"{i:02}.yaml").write_text(kinds[i % 4], "utf-8")
    (many / "link.yaml").symlink_to(here / "nowhere.yaml")
    paths = sorted(str(path) for path in Path("many").glob("*.yaml") if path.exists())
    several = process("check", "--format", "json", "many")
    single = [
        d
        for path in paths
        for d in json.loads(run("check", "--format", "json", path).stdout)["diagnostics"]
    ]

    def key(d):
        return d["path"], d["range"]["start"]["line"], d["range"]["start"]["column"], d["code"]

    assert several.returncode == 1
    assert json.loads(several.stdout)["diagnostics"] == sorted(single, key=key)
    few = process("check", "--format", "full", *paths[:40])
    most = process("check", "--format", "full", *paths)
    assert few.stdout in most.stdout


# --- terminals and pipes -------------------------------------------------------------------------------------------

ESCAPE = "\x1b["


def test_colour(here: Path) -> None:
    """Only on a terminal, or where it is asked for; never where NO_COLOR is set and nobody asks."""
    for command in FORMATS:
        assert ESCAPE not in process(command, "wrong.yaml").stdout
        assert ESCAPE in process(command, "wrong.yaml", "--color", "always").stdout
        assert (
            ESCAPE
            not in process(command, "wrong.yaml", "--color", "never", FORCE_COLOR="1").stdout
        )
    plain = process("check", "wrong.yaml").stdout
    assert (
        re.sub(
            r"\x1b\[[0-9;]*m", "", process("check", "wrong.yaml", "--color", "always").stdout
        )
        == plain
    )
    assert (
        ESCAPE
        not in process("check", "--format", "json", "wrong.yaml", "--color", "always").stdout
    )


pty = pytest.importorskip("pty", reason="a terminal is made by pty")


def on_terminal(*arguments: str, errors_only: bool = False, **environment: str) -> str:
    """What a command writes to a terminal, standard output and error together."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "tracer", *arguments],
        stdin=follower,
        stdout=subprocess.DEVNULL if errors_only else follower,
        stderr=follower,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "COLUMNS": "120",
            **environment,
        },
    )
    os.close(follower)
    written = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
    child.wait()
    os.close(leader)
    return written.decode()


def test_colour_on_a_terminal(here: Path) -> None:
    """A terminal gets colours, unless NO_COLOR is set or it is a dumb one."""
    for command in FORMATS:
        assert ESCAPE in on_terminal(command, "wrong.yaml")
        assert ESCAPE not in on_terminal(command, "wrong.yaml", NO_COLOR="1")
        assert ESCAPE not in on_terminal(command, "wrong.yaml", TERM="dumb")
        assert ESCAPE in on_terminal(command, "wrong.yaml", "--color", "always", NO_COLOR="1")


def test_progress_only_on_a_terminal(here: Path) -> None:
    """A bar on standard error, where that is a terminal and there is something to wait for; nothing elsewhere."""
    many = here / "many"
    many.mkdir()
    for i in range(60):
        (many / f"{i}.yaml").write_text(CLEAN)
    assert "checking" not in on_terminal("check", "clean.yaml", errors_only=True)
    assert process("check", "many").stderr == "60 files checked: no problems found\n"


@pytest.mark.parametrize("format_", FORMATS["trace"])
def test_a_pipe_that_closes(here: Path, format_: str) -> None:
    """``tracer trace ... | head -1`` ends quietly."""
    text = "input: [1, 3, 8, 8]\nlayers: {a: {op: ReLU, repeat: 3000}}\n"
    (here / "long.yaml").write_text(text)
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tracer",
            "trace",
            "--depth",
            "all",
            "--format",
            format_,
            "long.yaml",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait() == 0


def test_a_full_disk(here: Path) -> None:
    """What cannot be written is told, with exit code 2."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tracer", "trace", "clean.yaml"],
            stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "cannot write: No space left on device\n"


def test_a_table_that_takes_no_more(here: Path) -> None:
    """A sweep whose file may not grow says so once: what is left in memory cannot be written either."""
    varied = "--vary k=1..70 --vary s=1..5 --vary d=1..3 --size H=60..70 --size W=61,64"
    (here / "k.yaml").write_text(
        "params: {k: 3, s: 1, d: 1}\ninput: [1, 3, H, W]\nsizes: {H: 64, W: 64}\nlayers:\n"
        '  a: {op: Conv2d, out_channels: 8, kernel_size: "${k}", stride: "${s}", dilation: "${d}"}\n'
    )
    sweep = f'ulimit -f 300; exec "$0" -m tracer sweep k.yaml {varied} -o rows.csv --workers 2'
    done = subprocess.run(
        ["bash", "-c", sweep, sys.executable],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("cannot write: ") == 1 and "Traceback" not in done.stderr


def test_closed_streams(here: Path) -> None:
    """Standard input, output or error that is closed is no internal error."""
    for closed, code in (("<&-", 0), (">&-", 1), ("2>&-", 1)):
        path = "clean.yaml" if code == 0 else "wrong.yaml"
        done = subprocess.run(
            ["sh", "-c", f'"$0" -m tracer check {path} {closed}', sys.executable],
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
        assert done.returncode == code, done
    done = subprocess.run(
        ["sh", "-c", '"$0" -m tracer check --format concise - <&-', sys.executable],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (
        2,
        "<stdin>: error[T001] cannot be read: standard input is closed\n",
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_any_encoding(here: Path, encoding: str) -> None:
    """Pipes get UTF-8 whatever the locale says."""
    (here / "names.yaml").write_text(
        "input: [1, 3, 8, 8]\nlayers: {é: ReLU, 日本: ReLU}\n", "utf-8"
    )
    for command, formats in FORMATS.items():
        for format_ in formats:
            done = process(
                command,
                "--format",
                format_,
                "names.yaml",
                PYTHONIOENCODING=encoding,
                PYTHONUTF8="0",
            )
            assert done.returncode == 0, done
    assert (
        "日本"
        in process("trace", "names.yaml", PYTHONIOENCODING=encoding, PYTHONUTF8="0").stdout
    )


def test_names_of_files(here: Path) -> None:
    """Spaces, markup, control characters and bytes that are no UTF-8 stay in one line, in every format."""
    names = [b"a [red]\x1b[31mnew\nline\xff.yaml", "日本 [red].yaml".encode()]
    for name in names:
        (here / os.fsdecode(name)).write_text(UNLOADED)
        for format_ in FORMATS["check"]:
            done = process("check", "--format", format_, os.fsdecode(name))
            assert done.returncode == 1 and "internal" not in done.stderr
            assert ESCAPE not in done.stdout and "new\n" not in done.stdout
        for format_ in FORMATS["trace"]:
            assert process("trace", "--format", format_, os.fsdecode(name)).returncode == 1


# --- the rest ------------------------------------------------------------------------------------------------------


def test_version_and_help() -> None:
    """``--version`` and ``--help`` answer on standard output with 0; every command has help."""
    assert run("--version").stdout == f"tracer, version {tracer.__version__}\n"
    for option in ("--help", "-h"):
        assert all(command in run(option).stdout for command in COMMANDS)
    for command in COMMANDS:
        done = run(command, "--help")
        assert done.exit_code == 0 and done.stdout.startswith("Usage:")
    assert run().exit_code == 2 or "Usage:" in run().output


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("chek", "check"), ("tarce", "trace"), ("op", "ops"), ("shema", "schema")],
)
def test_an_unknown_command_names_the_nearest(typed: str, meant: str) -> None:
    """Exit code 2 and the command that was meant."""
    done = run(typed, "x.yaml")
    assert done.exit_code == 2
    assert f"No such command {typed!r}. Did you mean {meant!r}?" in done.stderr
    assert "Commands: check, trace" in run("frobnicate").stderr


def test_a_command_without_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is bad usage, where there is nothing to check."""
    monkeypatch.chdir(tmp_path)
    assert run("check").exit_code == run("trace").exit_code == 2


def test_ops_and_schema_and_explain() -> None:
    """What the other commands print, and what they say about a name that they don't know."""
    assert "kernel_size" in run("ops", "Conv2d").stdout and "Conv2d" in run("ops").stdout
    done = run("ops", "conv2D")
    assert done.exit_code == 2 and "Conv2d" in done.stderr
    for which in ("language", "trace", "check"):
        jsonschema.Draft202012Validator.check_schema(schema(which))
    assert run("schema", "nonsense").exit_code == 2
    assert "T301" in run("explain").stdout and "Bad" in run("explain", "t301").stdout
    done = run("explain", "T399")
    assert done.exit_code == 2 and "T399" in done.stderr


def test_a_name_given_twice(here: Path) -> None:
    """Two values for one name are no usage; the same one twice is."""
    for arguments, said in (
        (
            ["--size", "H=32,H=64"],
            "Error: Invalid value for --size: H is given twice: 32 and 64",
        ),
        (
            ["--set", "base=8", "--set", "base=[1, 2]"],
            "Error: Invalid value for --set: base is given twice: 8 and [1, 2]",
        ),
        (
            ["--input", "1,3,8,8", "--input", "1,3,9,9"],
            "--input: the input is given twice: [1, 3, 8, 8] and [1, 3, 9, 9]",
        ),
    ):
        result = run("trace", "clean.yaml", *arguments)
        assert result.exit_code == 2 and said in result.stderr
    assert run("trace", "clean.yaml", "--size", "H=32", "--size", "H=32").exit_code == 0


def test_sizes_of_a_network_that_never_runs(here: Path) -> None:
    """No size is in the sets; standard error says what stops the declared ones."""
    (here / "never.yaml").write_text(
        "input: [1, 3, H, W]\nsizes: {H: 8, W: 8}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 3}\n  b: {op: Add, from: [a, input]}\n",
        "utf-8",
    )
    result = run("sizes", "never.yaml", "--format", "json")
    assert (
        result.exit_code == 1
        and json.loads(result.stdout)["axes"]["H"]["runs"]["residues"] == []
    )
    assert result.stderr.startswith(
        "never.yaml:5:11: error[T301] b: sizes differ in dim 1: 4 from a, 3 from input\n"
    )
