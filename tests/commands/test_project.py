"""A whole repository: which of its files are networks, what ``pyproject.toml`` says, the hook and the action."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests import ROOT
from tracer.commands import cli

NETWORK = """\
input: [1, 3, H, W]
sizes: {H: 50, W: 64}
layers:
  down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
  deep: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
  up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
  join: {op: Concat, from: [up, down]}
"""
"""A network with an error, T301 at line 7, and a warning, T501 at line 5."""

CLEAN = NETWORK.replace("H: 50", "H: 64")

OTHERS = {
    "docker-compose.yml": "services: {web: {image: nginx}}\n",
    ".github/workflows/ci.yml": "on: push\njobs: {test: {runs-on: ubuntu}}\ninput: [1]\nlayers: {a: ReLU}\n",
    "train.yaml": "input: 784\nlayers: 3\nlr: 0.1\n",
    "mlp.yaml": "input: [28, 28]\nlayers: [64, 128]\n",
    "pipeline.yaml": "input:\n  file: data.csv\noutput: out.csv\n",
    "detector.yaml": "model: {backbone: {}, head: {}}\nhead: {classes: 3}\n",
    "broken.yaml": "a: [1, 2\nb: }\n",
    "templates/chart.yaml": "{{ .Values.input }}: {{- range .Values.layers }}\n",
    "list.yaml": "- 1\n- 2\n",
    "empty.yaml": "",
    "node_modules/x/net.yaml": NETWORK,
    ".venv/net.yaml": NETWORK,
    "env/pyvenv.cfg": "",
    "env/lib/net.yaml": NETWORK,
}
"""Files of an ordinary repository that are none of our business."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one network, and with much else."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, OTHERS | {"nets/unet.yaml": NETWORK})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def settings(here: Path, text: str) -> None:
    (here / "pyproject.toml").write_text(f'[project]\nname = "x"\n\n{text}\n', "utf-8")


def check(*words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["check", *words], input=text)


def found(*words: str, text: str | None = None) -> list[tuple[str, str]]:
    """The file and the code of each finding."""
    answer = json.loads(check(*words, "--format", "json", text=text).stdout)
    return [(one["path"].replace(os.sep, "/"), one["code"]) for one in answer["diagnostics"]]


ERROR = ("nets/unet.yaml", "T301")
WARNING = ("nets/unet.yaml", "T501")


# --- which files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(".",), ()])
def test_only_networks_are_read(here: Path, words: tuple[str, ...]) -> None:
    """In an ordinary repository, and without a word where to look."""
    assert found(*words) == [WARNING, ERROR]
    assert "1 file checked" in check(*words).stderr


def test_a_network_that_is_broken_is_told(here: Path) -> None:
    """A slip in it does not make it another file."""
    slips = {
        "open.yaml": NETWORK.replace("H, W]", "H, W"),
        "flow.yaml": "{input: [1, 3, 8, 8], layers: {a: Relo}}\n",
        "turned.yaml": "layers: {a: Relo}\ninput: [1, 3, 8, 8]\n",
        "list.yml": "input: [1, 3, 8, 8]\nlayers:\n  - conv: ReLU\n",
    }
    write(here, {f"slips/{name}": text for name, text in slips.items()})
    assert {path for path, _ in found("slips")} == {f"slips/{name}" for name in slips}


def test_files_in_other_encodings(here: Path) -> None:
    """What is no UTF-8, or too long to be read, is told where it has a network's keys, and is left alone otherwise."""
    slip = "# gr\u00fcn\n" + NETWORK
    (here / "latin.yaml").write_bytes("name: gr\u00fcn\n".encode("latin-1"))
    (here / "wide.yaml").write_bytes("name: gr\u00fcn\n".encode("utf-16"))
    (here / "nulls.yaml").write_bytes(bytes(100))
    (here / "long.yaml").write_bytes(b"- a\n" * (2 * 2**20 + 1))
    assert found(".") == [WARNING, ERROR]

    (here / "latin.yaml").write_bytes(slip.encode("latin-1"))
    (here / "wide.yaml").write_bytes(slip.encode("utf-16"))
    (here / "long.yaml").write_bytes(NETWORK.encode() + b"#\n" * (4 * 2**20 + 1))
    others = [("latin.yaml", "T001"), ("long.yaml", "T006"), ("wide.yaml", "T001")]
    assert sorted(found(".")) == sorted([WARNING, ERROR, *others])


def test_what_git_ignores_is_not_read(here: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    write(
        here, {"runs/net.yaml": NETWORK, "old.yaml": NETWORK, ".gitignore": "runs/\nold.yaml\n"}
    )
    assert found(".") == [WARNING, ERROR]
    assert found("runs/net.yaml") == [("runs/net.yaml", "T501"), ("runs/net.yaml", "T301")]


def test_excluded_files(here: Path) -> None:
    """As in .gitignore: a name at any depth, a path from the folder of the file, a folder with all in it."""
    write(here, {"a/old/x.yaml": NETWORK, "old/y.yaml": NETWORK, "z.draft.yaml": NETWORK})
    assert len(found(".")) == 8
    settings(here, '[tool.tracer]\nexclude = ["/old", "*.draft.yaml"]')
    assert {path for path, _ in found(".")} == {"a/old/x.yaml", "nets/unet.yaml"}
    assert {path for path, _ in found(".", "--exclude", "old,nets/")} == {"z.draft.yaml"}
    assert found("old/y.yaml"), "what is named is read"
    assert not found(
        "old/y.yaml",
        "nets/unet.yaml",
        "--force-exclude",
        "--exclude",
        "old",
        "--exclude",
        "nets",
    )


def test_patterns_start_from_the_folder_of_the_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, {"nets/old/x.yaml": NETWORK})
    settings(here, '[tool.tracer]\nexclude = ["nets/old"]')
    monkeypatch.chdir(here / "nets")
    assert found(".") == [("unet.yaml", "T501"), ("unet.yaml", "T301")]


def test_included_files(here: Path) -> None:
    """Other endings, in some folders only."""
    write(here, {"nets/b.net": NETWORK, "more/c.net": NETWORK})
    settings(here, '[tool.tracer]\ninclude = ["nets/*.net"]')
    assert {path for path, _ in found(".")} == {"nets/b.net"}
    settings(here, '[tool.tracer]\ninclude = ["*.none"]')
    done = check(".")
    assert done.exit_code == 2 and "no *.none in ." in done.stderr


def test_named_files_that_are_no_networks(here: Path) -> None:
    """A finding, unless files are named by a program that knows nothing of them."""
    assert found("train.yaml") != []
    names = [name for name in OTHERS if not name.startswith((".", "node", "env"))]
    done = check("--force-exclude", *names)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 files checked" in done.stderr
    assert found("--force-exclude", *names, "nets/unet.yaml") == [WARNING, ERROR]
    assert check("--force-exclude", "missing.yaml").exit_code == 2


# --- which findings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "words", "expected"),
    [
        ("", (), [WARNING, ERROR]),
        ('select = ["T3"]', (), [ERROR]),
        ('ignore = ["T3"]', (), [WARNING]),
        ('ignore = ["ALL"]', (), []),
        ('select = ["T501"]\nignore = ["T5"]', (), [WARNING]),
        ('select = ["T5"]\nignore = ["T501"]', (), []),
        ('select = ["T501"]\nignore = ["T501"]', (), []),
        ('select = ["T3"]', ("--select", "T5"), [WARNING]),
        ('ignore = ["T3"]', ("--select", "ALL"), [WARNING, ERROR]),
        ('ignore = ["T3"]', ("--ignore", "T501"), []),
        ("", ("--select", "T3,T5", "--ignore", "T301"), [WARNING]),
        ('per-file-ignores = {"nets/*" = ["T5"]}', (), [ERROR]),
        ('per-file-ignores = {"unet.yaml" = ["T5", "T301"]}', (), []),
        ('per-file-ignores = {"other/*" = ["T5"]}', (), [WARNING, ERROR]),
    ],
)
def test_selected_and_ignored(
    here: Path, table: str, words: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    """The longer code counts; the command line's selection replaces the project's, what it ignores is added."""
    settings(here, f"[tool.tracer]\n{table}")
    assert found(".", *words) == expected


def test_strict(here: Path) -> None:
    warned = CLEAN[: CLEAN.index("  up:")].replace("W: 64", "W: 66")
    (here / "nets" / "unet.yaml").write_text(warned, "utf-8")
    assert found(".") == [WARNING]
    assert [check(".", *w).exit_code for w in ((), ("--strict",))] == [0, 1]
    settings(here, "[tool.tracer]\nstrict = true")
    assert [check(".", *w).exit_code for w in ((), ("--no-strict",))] == [1, 0]


def test_exit_zero_and_output_file(here: Path) -> None:
    done = check("nets", "--exit-zero", "--format", "sarif", "-o", "out.sarif")
    assert (done.exit_code, done.stdout) == (0, "")
    results = json.loads((here / "out.sarif").read_text("utf-8"))["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["T501", "T301"]
    assert check("missing.yaml", "--exit-zero").exit_code == 2
    assert check("nets", "-o", "no/such/folder.txt").exit_code == 2


def test_statistics(here: Path) -> None:
    """The most frequent first; nothing else is shown."""
    write(here, {"nets/more.yaml": NETWORK.replace("W: 64", "W: 62")})
    lines = check("nets", "--statistics").stdout.splitlines()
    assert lines == ["2  T301  merge inputs differ", "2  T501  rows dropped by a stride"]
    answer = json.loads(check("nets", "--statistics", "--format", "json").stdout)
    assert answer[0] == {
        "code": "T301",
        "title": "merge inputs differ",
        "severity": "error",
        "count": 2,
    }


def test_standard_input_by_another_name(here: Path) -> None:
    """It stands in the report, and patterns are held against it."""
    settings(here, '[tool.tracer]\nper-file-ignores = {"nets/*" = ["T5"]}\nexclude = ["old"]')
    assert found("-", text=NETWORK) == [("<stdin>", "T501"), ("<stdin>", "T301")]
    assert found("-", "--stdin-filename", "nets/new.yaml", text=NETWORK) == [
        ("nets/new.yaml", "T301")
    ]
    words = ("-", "--stdin-filename", "old/new.yaml", "--force-exclude")
    assert found(*words, text=NETWORK) == []
    shown = check("-", "--stdin-filename", "nets/new.yaml", text=NETWORK).stdout
    assert "nets/new.yaml:7:" in shown and "join: {op: Concat" in shown


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--select=E501", "no rule has the code 'E501'"),
        ("--ignore=T9", "'T9'"),
        ("--exclude=#x", "no pattern"),
    ],
)
def test_words_that_say_nothing(here: Path, option: str, said: str) -> None:
    done = check(".", option)
    assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.stderr


# --- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "code", "said"),
    [
        ('[tool.tracer]\nselct = ["T3"]', 5, "T003", "no key 'selct'"),
        ('[tool.tracer]\nselect = "T3"', 5, "T004", "must be a list"),
        ('[tool.tracer]\nignore = ["T3", "E501"]', 5, "T202", "no rule has the code 'E501'"),
        ("[tool.tracer]\nstrict = 1", 5, "T004", "true or false"),
        ("[tool.tracer]\nexclude = [3]", 5, "T004", "`exclude`"),
        ('[tool.tracer]\ninclude = ["# no"]', 5, "T202", "no pattern"),
        ('[tool.tracer.per-file-ignores]\n"nets/*" = ["Q1"]', 5, "T202", "'Q1'"),
        ("[tool]\ntracer = 3", 5, "T004", "must be a table"),
        ("[tool.tracer]\nstrict = yes", 5, "T001", "TOML syntax"),
    ],
)
def test_a_file_that_is_wrong(here: Path, text: str, line: int, code: str, said: str) -> None:
    """It is told at its place beside what is found in networks, and is no success."""
    settings(here, text)
    done = check(".", "--format", "concise")
    assert done.exit_code == 2
    told = [one for one in done.stdout.splitlines() if one.startswith("pyproject.toml:")]
    assert len(told) == 1 and told[0].startswith(f"pyproject.toml:{line}:") and code in told[0]
    assert said in told[0]
    assert "unet.yaml:7" in done.stdout


@pytest.mark.parametrize(
    "text", ["[tool.black]\nx = = 3", '[tool.other]\nuses = "tracer"', "tracer ]["]
)
def test_a_file_that_is_none_of_ours(here: Path, text: str) -> None:
    """Whatever is wrong in it, it says nothing to us."""
    settings(here, text)
    assert found(".") == [WARNING, ERROR]


def test_ignoring_all_does_not_hide_what_is_wrong_in_the_file(here: Path) -> None:
    settings(here, '[tool.tracer]\nignore = ["ALL"]\nstrikt = true')
    assert found(".") == [("pyproject.toml", "T003")]


# --- other programs that run it ------------------------------------------------------------------------------------


def run_in_shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line, with this Python's commands first and this checkout's package."""
    words = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [
            "bash",
            "-eo",
            "pipefail",
            "-c",
            command.replace("tracer check", f"{sys.executable} -m tracer check"),
        ],
        env=os.environ | words | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_hook(here: Path) -> None:
    """What pre-commit would run on all files of the repository."""
    hooks: list[dict[str, Any]] = yaml.safe_load(
        (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    )
    by_file, whole = hooks
    files = [str(path.relative_to(here)) for path in sorted(here.rglob("*")) if path.is_file()]
    files = [name for name in files if re.search(by_file["files"], name)]
    files = [name for name in files if not name.startswith((".venv", "env", "node_modules"))]
    assert len(files) > 8

    done = run_in_shell(f"{by_file['entry']} --format concise {' '.join(files)}")
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "2 files checked")
    assert {line.split(":")[0] for line in done.stdout.splitlines()} == {
        "nets/unet.yaml",
        ".github/workflows/ci.yml",
    }
    assert whole["pass_filenames"] is False
    assert run_in_shell(whole["entry"]).returncode == 1
    (here / "nets" / "unet.yaml").write_text(CLEAN, "utf-8")
    assert run_in_shell(whole["entry"]).returncode == 0


def test_the_action(here: Path) -> None:
    """Its steps, run as the runner would run them."""
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    steps = {step["name"]: step for step in action["runs"]["steps"]}
    names = {
        match for step in steps.values() for match in re.findall(r"inputs\.([\w-]+)", str(step))
    }
    assert names == set(action["inputs"])

    written = run_in_shell(
        steps["Write SARIF"]["run"], ARGS="nets --select 'T3, T5'", SARIF_FILE="x.sarif"
    )
    assert written.returncode == 0, written.stderr
    assert len(json.loads((here / "x.sarif").read_text("utf-8"))["runs"][0]["results"]) == 2

    done = run_in_shell(steps["Check"]["run"], ARGS="")
    assert done.returncode == 1
    assert done.stdout.startswith("::warning file=nets/unet.yaml,line=5,")
    assert (
        run_in_shell(
            steps["Check"]["run"], ARGS="nets --exclude '*.yml' --ignore T3"
        ).returncode
        == 0
    )
    assert "pip install" in steps["Install"]["run"]
