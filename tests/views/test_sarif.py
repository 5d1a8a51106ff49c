"""SARIF by the official schema, formats included, and paths as addresses on every system.

``sarif-2.1.0-part.json`` is the official schema (2.1.0, rtm.5) without descriptions and without the objects that are
not written; what it lacks is refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tracer.diagnostics import Diagnostic, Related, Span
from tracer.rules.manual import manual
from tracer.views.manual import explained
from tracer.views.sarif import artifact, sarif

SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0-part.json").read_text("utf-8"))

PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
AUTHORITY = r"//(?:[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]]|%[0-9A-Fa-f]{2})*"
PATH = rf"(?:{PCHAR}|/)*"
TAIL = rf"(?:\?(?:{PCHAR}|[/?])*)?(?:#(?:{PCHAR}|[/?])*)?"
ABSOLUTE = re.compile(
    rf"[A-Za-z][A-Za-z0-9+\-.]*:(?:{AUTHORITY}(?:/{PATH})?|(?!//){PATH}){TAIL}"
)
FIRST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@]|%[0-9A-Fa-f]{2})"
RELATIVE = re.compile(
    rf"(?:{AUTHORITY}(?:/{PATH})?|/(?!/){PATH}|(?:{FIRST}+(?:/{PATH})?)?){TAIL}"
)
"""RFC 3986: a first segment has no colon, otherwise it would be a scheme."""

CHECKER = jsonschema.FormatChecker(formats=())


@CHECKER.checks("uri")
def is_uri(value: object) -> bool:
    return not isinstance(value, str) or ABSOLUTE.fullmatch(value) is not None


@CHECKER.checks("uri-reference")
def is_reference(value: object) -> bool:
    return is_uri(value) or RELATIVE.fullmatch(str(value)) is not None


VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=CHECKER)


def valid(found: list[Diagnostic]) -> list[dict[str, Any]]:
    """The results of a log that the schema takes."""
    log = json.loads(json.dumps(sarif(found)))
    VALIDATOR.validate(log)
    results: list[dict[str, Any]] = log["runs"][0]["results"]
    return results


def test_the_schema_refuses() -> None:
    """It has formats, and knows no other keys."""
    log = sarif([Diagnostic("T301", "no", Span(1, 1, 1, 2), path="x.yaml")])
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    for uri in ("a b.yaml", "ü.yaml", "a:b.yaml", "50%.yaml", "C:\\x.yaml"):
        place["artifactLocation"]["uri"] = uri
        wrong = uri != "a:b.yaml"  # which is the address of something with the scheme a
        assert bool(list(VALIDATOR.iter_errors(log))) == wrong
    place["artifactLocation"] = {"uri": "x.yaml", "path": "x.yaml"}
    assert list(VALIDATOR.iter_errors(log))
    log["runs"][0]["tool"]["driver"]["rules"][0]["helpUri"] = "page.html"
    assert len(list(VALIDATOR.iter_errors(log))) == 2


def test_every_golden_report_is_valid() -> None:
    """And every result has a region, the rules their pages."""
    paths = sorted((ROOT / "tests" / "golden").glob("*.yaml"))
    found = [d for path in paths for d in tracer.check(path)]
    results = valid(found)
    assert len(results) == len(found) > 100
    assert {r["ruleId"] for r in results} >= {"T001", "T101", "T204", "T301", "T401", "T501"}


def test_a_rule_carries_its_page() -> None:
    """``helpUri`` is the page itself, for what shows no other help."""
    found = [Diagnostic(code, "no", None, path="x.yaml") for code in manual()]
    valid(found)
    rules = sarif(found)["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(manual()) and len(rules) > 30
    for rule in rules:
        kind, _, page = rule["helpUri"].partition(",")
        assert kind == "data:text/plain;charset=utf-8"
        assert unquote(page) == rule["help"]["text"] == explained(manual()[rule["id"]])


def test_a_page_as_markdown_has_its_configs_as_code() -> None:
    """An indented line behind a line of text is none; what a block has is the page's, line by line."""
    blocks = 0
    for code, rule in manual().items():
        found = [Diagnostic(code, "no", None, path="x.yaml")]
        (told,) = sarif(found)["runs"][0]["tool"]["driver"]["rules"]
        outside, *inside = re.split(
            "^```(?:yaml)?$", told["help"]["markdown"], flags=re.MULTILINE
        )
        configs, texts = inside[::2], [outside, *inside[1::2]]

        lines = [line.strip() for text in inside for line in text.splitlines()]
        assert not any(re.search("^ {4}", text, re.MULTILINE) for text in texts)
        indented = re.findall("^ {4}(.*)$", rule.page, re.MULTILINE)
        assert indented and {line.strip() for line in indented} <= set(lines)
        blocks += len(configs)
    assert blocks >= 2 * len(manual())


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..") and not re.fullmatch("<.*>", name, re.DOTALL))


@given(st.lists(NAMES, min_size=1, max_size=4), st.booleans())
def test_any_path_comes_back(parts: list[str], is_absolute: bool) -> None:
    """What a reader of the address opens is the file, whatever letters its name has."""
    path = "/".join(["", *parts] if is_absolute else parts)
    (result,) = valid([Diagnostic("T301", "no", Span(1, 1, 1, 2), path=path)])
    (location,) = result["locations"]
    found = location["physicalLocation"]["artifactLocation"]
    address = urlsplit(found["uri"])
    assert unquote(address.path) == path and not address.query and not address.fragment
    assert address.scheme == ("file" if is_absolute else "")
    assert found.get("uriBaseId") == (None if is_absolute else "%SRCROOT%")


@pytest.mark.parametrize(
    ("path", "uri", "is_relative"),
    [
        (r"nets\a b\ü#1.yaml", "nets/a%20b/%C3%BC%231.yaml", True),
        (r"..\net.yaml", "../net.yaml", True),
        (r"C:\nets\50%.yaml", "file:///C:/nets/50%25.yaml", False),
        (r"\\server\share\net.yaml", "file://server/share/net.yaml", False),
        ("nets/net.yaml", "nets/net.yaml", True),
    ],
)
def test_paths_of_windows(path: str, uri: str, is_relative: bool) -> None:
    """Other separators, drives, shares."""
    found = artifact(path, PureWindowsPath)
    assert found["uri"] == uri and is_reference(uri)
    assert ("uriBaseId" in found) == is_relative
    assert artifact(path, PurePosixPath)["uri"] == uri or "\\" in path


def test_what_is_in_no_file() -> None:
    """Standard input, a made-up text, a callable of which no line is known: no address is invented."""
    span = Span(3, 1, 3, 4)
    here = Related("x", Span(1, 1, 1, 2))
    there = Related("y", Span(2, 1, 2, 2), path="net.yaml")
    found = [
        Diagnostic("T301", "no", span, path="<stdin>", related=(here,)),
        Diagnostic("T301", "no", span, path="net.yaml", related=(Related("x", span, path="<stdin>"), there)),
        Diagnostic("T601", "no", None, path="package.nets:UNet"),
        Diagnostic("T602", "no", None, path="nets/my net.py:UNet"),
        Diagnostic("T001", "no", None, path="a:b.yaml"),
    ]  # fmt: skip
    stdin, config, dotted, python, missing = valid(found)
    assert "locations" not in stdin and "relatedLocations" not in stdin
    (related,) = config["relatedLocations"]
    assert related["id"] == 0 and related["message"] == {"text": "y"}
    (place,) = dotted["locations"]
    assert place == {"logicalLocations": [{"fullyQualifiedName": "package.nets:UNet"}]}
    uris = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in (python, missing)
    ]
    assert uris == ["nets/my%20net.py", "a%3Ab.yaml"]
