"""What a notebook shows of each answer: a table and a picture, of anything, at once, and nothing of it is markup."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT, extras
from tests.drawn.networks import networks, networks_to_solve
from tests.timing import at_most
from tracer.sizing.size_set import EVERY, NONE, SizeSet
from tracer.views.notebook import HEAD, TAIL, content
from tracer.views.table import rows

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
HOSTILE = "<img/src=x>&\"'<b>"
"""A name that a config may have."""

TAGS = {"p", "b", "code", "pre", "table", "tr", "th", "td", "span"}


class Page(HTMLParser):
    """The tags and the text of HTML; every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.rows = 0
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Only attributes that are ours."""
        assert {name for name, _ in attrs} <= {"style", "colspan"}
        self.open.append(tag)
        self.tags.add(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        """The innermost tag ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """What is read."""
        self.text += data


def page(shown: Any) -> Page:
    """The HTML of an object, which is made without the guard that a notebook has."""
    html = "".join(content(shown))
    assert shown._repr_html_() == html
    found = Page(html)
    assert found.tags <= TAGS and found.text
    return found


def answers(net: tracer.Net) -> dict[str, Any]:
    """Every object that a notebook shows of a network."""
    found: dict[str, Any] = {"net": net, "trace": net.trace(), "plan": net.plan()}
    sizes: dict[str, Callable[[], Any]] = {
        "sizes": lambda: tracer.sizes(net),
        "constraints": lambda: tracer.constraints(net),
    }
    for name, ask in sizes.items():
        try:
            found[name] = ask()
        except tracer.TracerError as error:
            assert {one.code for one in error.diagnostics} == {"T006"}
    if "sizes" in found:
        found |= {f"runs {s}": axis.runs for s, axis in found["sizes"].axes.items()}
    return found


def shows_itself(name: str, shown: Any) -> None:
    """It has a line, a table and a picture, each of which reads as such."""
    line = repr(shown)
    assert line and line.isprintable() and len(line) < 1_300
    table = "".join(content(shown))
    assert shown._repr_html_() == table and Page(table).tags <= TAGS
    if hasattr(shown, "draw"):
        picture = shown._repr_svg_()
        assert picture is not None or name in ("net", "trace", "plan")
        if picture is not None:
            assert ElementTree.fromstring(picture).tag.endswith("svg")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_shows_itself(path: Any) -> None:
    """Its network, trace, plan and sets; the table has a row for each name of the file, or says how many are left."""
    net = tracer.load(path)
    for name, shown in answers(net).items():
        shows_itself(name, shown)

    trace = net.trace()
    count = len(rows(trace, 1))
    found = page(trace)
    is_long = count > HEAD + TAIL
    assert found.rows == 1 + (HEAD + TAIL + 1 if is_long else count)
    assert (f"… {count - HEAD - TAIL} more rows" in found.text) == is_long
    for shape in trace.outputs.values():
        assert shape is not None and " × ".join(map(str, shape)) in found.text


@settings(max_examples=40)
@given(st.one_of(networks(), networks_to_solve()), st.integers(0, 40))
def test_drawn_networks_show_themselves(drawn: Any, size: int) -> None:
    """Those that are wrong too, at any size."""
    try:
        net = tracer.loads(drawn.text)
    except tracer.TracerError:
        return
    for name, shown in answers(net).items():
        shows_itself(name, shown)
    if net.symbols:
        other = net.trace(**{net.symbols[-1]: size})
        shows_itself("trace", other)
        assert ("errors" in repr(other)) == bool(other.diagnostics)


@settings(max_examples=100)
@given(
    st.lists(st.integers(0, 30), max_size=6, unique=True),
    st.integers(1, 24),
    st.lists(st.integers(0, 23), max_size=9, unique=True),
)
def test_a_set_says_what_it_is(finite: list[int], modulus: int, residues: list[int]) -> None:
    """Its line is what `tracer sizes` prints without the symbol, and the picture fills its sizes."""
    kept = tuple(sorted(n for n in residues if n < modulus))
    found = SizeSet(tuple(sorted(finite)), 31, modulus if kept else 1, kept)
    line, text = repr(found), str(found)
    assert text == found.told("n") and page(found)
    if not found:
        assert (line, text) == ("no size", "no n")
    else:
        assert text.replace("n = ", "").replace("n >= ", ">= ") == line

    filled = [
        one
        for one in ElementTree.fromstring(found.draw()).iter()
        if one.get("class") == "sizes-in"
    ]
    end = min(max(32, 31 + 4 * found.modulus), 512)
    width = sum(float(one.get("width") or 0) for one in filled)
    members = sum(n in found for n in range(end))
    assert width == pytest.approx(members * 640 / end, abs=0.02 * (len(filled) + 1))


def test_the_lines() -> None:
    """Each object says in a line what it is about."""
    net = tracer.load("configs/unet_2015.yaml")
    sizes = tracer.sizes(net)
    lines = {
        net: "<Net unet-2015: 52 nodes, input [N, 1, H, W]>",
        net.trace(): "<Trace unet-2015: N=1 H=572 W=572, logits (1, 2, 388, 388)>",
        net.trace(H=100): "<Trace unet-2015: N=1 H=100 W=572, logits ?, errors 1>",
        net.plan(): "<Plan feasible: nothing is open>",
        net.plan(H=100): "<Plan not feasible: T302>",
    }
    assert {shown: repr(shown) for shown in lines} == lines
    assert repr(sizes) == "<WorkingSizes any N; H >= 188; W >= 188>"
    assert repr(sizes.axes["H"].lossless) == "16k + 12, k >= 11"
    assert [repr(EVERY), repr(NONE)] == ["any size", "no size"]
    constraints = tracer.constraints(net)
    line = "<Constraints unet-2015: input [N, 1, H, W]; any N; H >= 188; W >= 188>"
    assert repr(constraints) == line and "any size" in page(constraints).text


def test_comparisons() -> None:
    """The table lists what differs; of equal networks it says so."""
    net = tracer.load("configs/unet_2015.yaml")
    narrow = tracer.load("configs/unet_2015.yaml", base=32)
    other = tracer.compare(net, narrow)
    assert repr(other) == "<Comparison unet-2015 to unet-2015: totals 3, changed 51, params 1>"
    text = page(other).text
    assert "param base" in text and "31.0 M" in text and "7.76 M" in text
    same = tracer.compare(net, net)
    assert repr(same) == "<Comparison unet-2015 to unet-2015: no difference>"
    assert "no difference" in page(same).text
    broken = tracer.compare(net, tracer.loads(two("a", "b")))
    assert "node enc1" in page(broken).text


def two(first: str, second: str) -> str:
    """A network of two nodes."""
    return (
        f"name: '{first}'\ninput: [1, 3, H, 8]\nsizes: {{H: 8}}\n"
        f"layers:\n  ? '{first}'\n  : ReLU\n  ? '{second}'\n  : {{op: Conv2d, out_channels: 4, kernel_size: 9}}\n"
    )


def test_no_name_is_markup() -> None:
    """Names with tags, quotes and ampersands stand in the table and the picture as they are."""
    net = tracer.loads(two(HOSTILE.replace("'", "''"), "plain"))
    other = tracer.loads(two("plain", HOSTILE.replace("'", "''")))
    for shown in (*answers(net).values(), *answers(other).values(), tracer.compare(net, other)):
        found = page(shown)
        assert "img" not in found.tags
        if hasattr(shown, "draw"):
            names = {one.tag for one in ElementTree.fromstring(shown.draw()).iter()}
            assert not any(name.endswith("img") for name in names)
    assert HOSTILE in page(net).text and HOSTILE in page(other.trace()).text


def test_long_names_and_control_characters() -> None:
    """They are cut and made visible, in lines and tables."""
    net = tracer.loads(
        f'name: "a\\nb\\u202e"\ninput: [1, 3, {"H" * 900}, 8]\nlayers: {{{"x" * 900}: ReLU}}\n'
    )
    for shown in (net, net.trace(), tracer.compare(net, net)):
        assert len(repr(shown)) < 1_300 and repr(shown).isprintable()
        assert len("".join(content(shown))) < 6_000


@pytest.mark.parametrize("count", [60, 2_500, 12_000])
def test_large_networks_are_shown_at_once(count: int) -> None:
    """A bounded number of rows, in a moment; a large picture is drawn only where it is asked for."""
    layers = "".join(f"  c{n}: ReLU\n" for n in range(count))
    net = tracer.loads(f"input: [1, 8, H, 64]\nsizes: {{H: 64}}\nlayers:\n{layers}")
    trace, plan = net.trace(), net.plan()
    with at_most(1.0):
        for shown in (net, trace, plan):
            html = shown._repr_html_()
            assert html is not None and len(html) < 60_000
            assert (shown._repr_svg_() is None) == (count > 200)
    text = page(trace).text
    assert f"c{count - 1}" in text and f"… {count + 1 - HEAD - TAIL} more rows" in text


def test_a_display_searches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan's repairs, and the values of an `auto` at sizes that are not declared, are looked for when asked for."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a display searches")

    open_skip = "input: [1, 4, H, 8]\nlayers:\n"
    open_skip += "  a: {op: Conv2d, out_channels: 4, kernel_size: auto(1..5)}\n"
    net = tracer.loads(open_skip)
    plan = tracer.plan(tracer.loads(two("a", "b")))
    monkeypatch.setattr("tracer.repairing.repairs.repairs", refused)
    monkeypatch.setattr(tracer.Net, "solution", refused)
    assert ".repairs" in page(plan).text and "T302" in page(plan).text
    text = page(net).text
    assert "Conv2d" in text and ".trace() has the shapes" in text
    assert net._repr_svg_() is None


def test_a_display_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook shows the line of an object whose table cannot be made."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    trace = tracer.load("configs/unet_2015.yaml").trace()
    monkeypatch.setattr("tracer.views.notebook.rows", broken)
    monkeypatch.setattr("tracer.views.notebook.svg_of_trace", broken)
    assert trace._repr_html_() is None and trace._repr_svg_() is None


def test_large_sets_are_counted() -> None:
    """A set with millions of residues is shown in a moment."""
    found = SizeSet((), 0, 4_000_000, tuple(range(0, 4_000_000, 2)))
    with at_most(1.0):
        assert repr(found) == "2000000 residues of 4000000 from 0 on"
        assert "the smallest" in page(found).text and found._repr_svg_()


# --- tables as text and as data --------------------------------------------------------------------------------------


def test_the_table_is_the_commands() -> None:
    """Each row of the text table is there, with its units, and it shows itself as it is printed."""
    trace = tracer.load("configs/unet_2015.yaml").trace()
    text = trace.table()
    assert repr(text) == str(text) and text.startswith("unet-2015   N=1  H=572  W=572\n")
    assert "316 MiB" in text and "31.0 M" in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    for row in rows(trace, 1):
        assert f" {row.name} " in text
    assert len(trace.table(depth=None).splitlines()) > len(text.splitlines())


def test_pandas_has_the_numbers() -> None:
    """A row for each node, with numbers in full that sum up to the table's."""
    extras.needs("notebook")
    trace = tracer.load("configs/unet_2015.yaml").trace()
    frame = trace.to_pandas()
    assert len(frame) == 52 and frame["params"].sum() == 31_030_658
    assert frame.loc["logits", "shape"] == (1, 2, 388, 388)
    assert frame.attrs["units"]["memory"] == "bytes"
    for row in rows(trace, None):
        assert tuple(frame.loc[row.name, ["params", "macs", "memory"]]) == (
            row.cost.params,
            row.cost.macs,
            row.cost.memory,
        )
    assert list(trace.to_pandas(depth=1).index) == [row.name for row in rows(trace, 1)]


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, with the command that installs it."""
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return original(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ImportError, match=r"needs pandas: pip install 'shape-tracer\[notebook\]'"
    ):
        tracer.load("configs/unet_2015.yaml").trace().to_pandas()
