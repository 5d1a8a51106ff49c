"""The manual of diagnostics is true: every page's configs run, and ``tracer explain`` shows them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tracer
from tracer.commands import cli
from tracer.rules.manual import manual
from tracer.rules.rule import page, rule, rules
from tracer.views.manual import diagnostics_table, explained, listing
from tracer.views.sarif import sarif

MANUAL = manual()
PACKAGE = Path(tracer.__file__).parent

CONFIGS = [code for code, rule in MANUAL.items() if rule.found != "importing"]
PROGRAMS = [code for code, rule in MANUAL.items() if rule.found == "importing"]
"""Those whose examples are Python."""

WARNINGS = [code for code, rule in MANUAL.items() if rule.severity == "warning"]


@pytest.mark.parametrize("code", CONFIGS)
def test_the_bad_config_gives_the_code_and_nothing_else(code: str) -> None:
    """A page's bad config shows its fault alone, with the page's severity and a place in the text."""
    found = tracer.checks(MANUAL[code].example("Bad"))
    assert {d.code for d in found} == {code}, found
    assert all(d.severity == MANUAL[code].severity and d.span is not None for d in found)


NODES = {
    "T103": "sum", "T105": "branch", "T106": "sum", "T107": "cat", "T204": "mix", "T205": "norm", "T206": "up",
    "T301": "cat", "T302": "conv", "T303": "norm", "T304": "conv", "T305": "sum", "T306": "pad",
    "T401": "sum", "T402": None, "T501": "pool", "T502": "crop", "T503": "cat1", "T504": "up",
    "T505": "up", "T506": "up", "T507": "norm", "T508": "cut",
}  # fmt: skip
"""The node that each page's bad config is about; None where it is the promise under ``sizes``."""


@pytest.mark.parametrize("code", NODES)
def test_a_finding_knows_its_node(code: str) -> None:
    """What is found once the nodes are known carries its node's name, which nobody has to read in the message."""
    assert {d.node for d in tracer.checks(MANUAL[code].example("Bad"))} == {NODES[code]}


@pytest.mark.parametrize("code", CONFIGS)
def test_the_good_config_is_clean(code: str) -> None:
    """A page's good config has no error and no warning."""
    assert tracer.checks(MANUAL[code].example("Good")) == []


def checked(path: Path, text: str) -> list[dict[str, Any]]:
    """What ``tracer check`` finds in the module ``Net`` of a Python file."""
    path.write_text(text, "utf-8")
    words = ["check", f"{path}:Net", "--input", "1,3,32,32", "--format", "json"]
    answer = json.loads(CliRunner().invoke(cli, words).stdout)
    return list(answer["diagnostics"])


@pytest.mark.parametrize("code", PROGRAMS)
def test_the_programs_of_a_page(code: str, tmp_path: Path) -> None:
    """The bad one shows its fault alone, at its own line; the good one nothing."""
    (found,) = checked(tmp_path / "bad.py", MANUAL[code].example("Bad"))
    assert (found["code"], found["path"]) == (code, str(tmp_path / "bad.py"))
    assert found["range"]["start"]["line"] >= 4
    assert checked(tmp_path / "good.py", MANUAL[code].example("Good")) == []


@pytest.mark.parametrize("code", MANUAL)
def test_the_good_config_is_the_bad_one_mended(code: str) -> None:
    """The two differ in few lines, so that the reader sees what to change."""
    bad, good = (MANUAL[code].example(which).splitlines() for which in ("Bad", "Good"))
    changed = set(bad) ^ set(good)
    assert 0 < len(changed) <= 4
    assert MANUAL[code].example("Bad") != MANUAL[code].example("Good")


def test_every_code_that_is_raised_has_a_page_and_no_other() -> None:
    """The codes in the source, those of the pages' own declarations aside, are the manual's."""
    raised = set()
    for path in PACKAGE.rglob("*.py"):
        text = re.sub(r"(?:rule|page)\(\s*\"T\d{3}\"", "", path.read_text("utf-8"))
        raised |= set(re.findall(r"\"(T\d{3})\"", text))
    assert raised == set(MANUAL)


def test_severities() -> None:
    """A node without use, a merge of one input, design rules and what is read in part warn; the rest is an error."""
    warning = ("T105", "T107", "T5", "T604")
    assert [code for code in MANUAL if code.startswith(warning)] == WARNINGS


def test_a_code_has_one_page() -> None:
    """A second registration of a code is refused, and changes nothing."""
    before = dict(rules)
    with pytest.raises(ValueError, match="T301 is registered twice"):
        page("T301", "again", found="tracing", text="Bad:\n  a\nGood:\n  b")
    with pytest.raises(ValueError, match="T501 is registered twice"):
        rule("T501", "again")(lambda: None)
    assert rules == before


@pytest.mark.parametrize("code", MANUAL)
def test_explain_shows_the_page(code: str) -> None:
    """``tracer explain CODE``, in either case: code, severity, title, the page with both configs."""
    done = CliRunner().invoke(cli, ["explain", code.lower()])
    assert done.exit_code == 0
    assert done.stdout == explained(MANUAL[code])
    head, found, blank, *rest = done.stdout.splitlines()
    assert head == f"{code}: {MANUAL[code].title}"
    assert found.startswith(f"{MANUAL[code].severity}, found ")
    assert blank == ""
    assert "Bad:" in rest and "Good:" in rest
    assert (f"`# tracer: ignore[{code}]` on its line silences it." in rest) == (
        code in WARNINGS
    )


@pytest.mark.parametrize("code", MANUAL)
def test_a_page_reads_as_plain_text(code: str) -> None:
    """A first sentence that can stand alone, lines that fit a terminal, and nothing behind the good config."""
    text = MANUAL[code].page
    first = text.split("\n\n")[0]
    assert first[0].isupper() or first.startswith("`")
    assert first.endswith(".")
    assert "``" not in text
    assert max(map(len, text.splitlines())) <= 120
    assert text.endswith(MANUAL[code].example("Good").splitlines()[-1])


def test_explain_without_a_code_lists_all() -> None:
    """A line for each code, in their order."""
    done = CliRunner().invoke(cli, ["explain"])
    assert done.exit_code == 0
    assert done.stdout == listing()
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted(MANUAL)
    assert "T301  error    merge inputs differ\n" in done.stdout


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("T3O1", "did you mean 'T301'?"),
        ("t4o1", "did you mean 'T401'?"),
        ("t5xx", "known here: T501, T502, T503"),
        ("nonsense", "`tracer explain` lists the codes"),
    ],
)
def test_explain_of_an_unknown_code(code: str, hint: str) -> None:
    """Bad usage, exit code 2, with the nearest code; nothing on standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "explain", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no diagnostic has the code {code!r}" in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", [code for code in WARNINGS if code in CONFIGS])
def test_a_comment_silences_a_warning(code: str) -> None:
    """``# tracer: ignore[CODE]`` on the warning's line, alone or among others; another code's comment doesn't."""
    text = MANUAL[code].example("Bad")
    lines = text.splitlines()
    spans = [d.span for d in tracer.checks(text)]
    for comment, left in ((code, []), (f"T999, {code}", []), ("T999", [code] * len(spans))):
        silenced = list(lines)
        for number in {span.line for span in spans if span}:
            silenced[number - 1] += f"  # tracer: ignore[{comment}]"
        assert [d.code for d in tracer.checks("\n".join(silenced))] == left


@pytest.mark.parametrize(
    "code", [code for code in CONFIGS if code not in WARNINGS and code != "T001"]
)
def test_no_comment_silences_an_error(code: str) -> None:
    """An error stays, whatever the comment on its line says."""
    text = MANUAL[code].example("Bad")
    (span,) = {d.span for d in tracer.checks(text)}
    assert span is not None
    lines = text.splitlines()
    lines[span.line - 1] += f"  # tracer: ignore[{code}]"
    assert {d.code for d in tracer.checks("\n".join(lines))} == {code}


def test_check_reads_no_pages() -> None:
    """The pages of lower floors' faults are read by those who show them, never by ``check``."""
    program = (
        "import sys; from tracer.commands import check;"
        "assert not check.check_one('configs/unet_2015.yaml', check.Overrides((), (), ()))[0];"
        "print([m for m in sys.modules if m in ('tracer.rules.manual', 'tracer.rules.source', 'tracer.rules.shapes')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    assert done.stdout == "[]\n"


def test_sarif_describes_every_rule() -> None:
    """A SARIF rule has the page's title, first paragraph and severity, whichever floor found the fault."""
    for code in CONFIGS:
        explained_rule = MANUAL[code]
        driver = sarif(tracer.checks(explained_rule.example("Bad")))["runs"][0]["tool"][
            "driver"
        ]
        (described,) = driver["rules"]
        assert described["id"] == code
        assert described["shortDescription"] == {"text": explained_rule.title}
        assert described["fullDescription"]["text"] == explained_rule.page.split("\n\n")[0]
        assert described["defaultConfiguration"] == {"level": explained_rule.severity}


def test_the_readmes_table() -> None:
    """A markdown row for each code."""
    rows = diagnostics_table().splitlines()
    assert rows[:2] == ["| code | title | severity |", "| --- | --- | --- |"]
    assert "| `T301` | merge inputs differ | error |" in rows
    assert [row.split("`")[1] for row in rows[2:]] == sorted(MANUAL)
