"""The page of a sweep's front: its numbers are the rows', and a row's config gives the row's figures."""

from __future__ import annotations

import csv
import json
import random
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

import tracer
from tests import ROOT, extras
from tests.drawn.texts import BROKEN, HOSTILE
from tests.timing import at_most
from tests.views.in_browser import Opened
from tests.views.test_first_view import contrast
from tracer.commands import cli
from tracer.sweep.axes import axis
from tracer.sweep.designs import SHOWN, TRACED, Design, designs
from tracer.sweep.evaluate import evaluate
from tracer.sweep.exact import exact_row
from tracer.sweep.pareto_front import spaced
from tracer.sweep.study import ROWS, Study, config_study, family_study
from tracer.views.front import OTHER_ROWS, SweepFront, front_page

extras.needs("page")
playwright = pytest.importorskip("playwright.sync_api")

PADDED = ROOT / "configs" / "unet_padded.yaml"
LIMIT = 600 * 1024
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

TEXTS = """() => {
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, holder = text.parentElement;
    if (!text.data.trim() || holder.closest("script, noscript, select, [hidden]")) continue;
    const own = getComputedStyle(holder);
    let around = holder;
    const isClear = (one) => getComputedStyle(one).backgroundColor === "rgba(0, 0, 0, 0)";
    while (around.parentElement && isClear(around)) around = around.parentElement;
    const colour = holder.closest("svg") ? own.fill : own.color;
    seen.push([text.data, colour, getComputedStyle(around).backgroundColor, parseFloat(own.fontSize)]);
  }
  return seen;
}"""
"""Every text that is shown, with its colour, that of its ground, and its size."""

LABELS = """() => [...document.querySelectorAll("#points text")].map(one => {
  const box = one.getBoundingClientRect();
  return [one.textContent, box.left, box.top, box.right, box.bottom];
})"""
"""The texts of the plot with their places."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


class Swept(NamedTuple):
    """A sweep with its page and its file of rows."""

    html: str
    rows: list[dict[str, str]]
    output: str


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    folder = tmp_path_factory.mktemp("swept")
    page, rows = folder / "front.html", folder / "rows.csv"
    done = run(
        "sweep",
        str(PADDED),
        *("--vary", "base=5,8,16", "--size", "H=64..128:16", "--size", "W=64..96:16"),
        *("--objectives", "macs,training,receptive_field,H,W"),
        *("--plot", str(page), "-o", str(rows)),
    )
    assert done.exit_code == 0, done.output
    with rows.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    return Swept(page.read_text("utf-8"), found, done.output)


@pytest.fixture
def shown(browser: Any, tmp_path: Path, swept: Swept) -> Iterator[Opened]:
    opened = open_page(browser, tmp_path, swept.html)
    yield opened
    opened.tab.close()
    assert opened.faults == []
    assert not [one for one in opened.requests if not one.startswith(("file:", "data:"))]


def open_page(browser: Any, tmp_path: Path, html: str, **options: Any) -> Opened:
    found = Opened(browser, tmp_path / "front.html", html, **options)
    found.tab.wait_for_function("() => window.front")
    return found


def written(value: Any) -> str:
    """A value of the page as the file of rows has it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_numbers_are_those_of_the_rows(shown: Opened, swept: Swept) -> None:
    """Front and others together are all rows of the file, each value the same, and the front is the table's."""
    summary, front, others = shown.tab.evaluate("[front.summary, front.rows, front.others]")
    columns = [column["name"].replace(" ", "_") for column in summary["columns"]]
    own = [dict(zip(columns, map(written, row))) for row in (*front, *others)]
    expected = [{name: row[name] for name in columns} for row in swept.rows]
    assert len(own) == 45

    def key(row: dict[str, str]) -> list[str]:
        return [row[name] for name in columns]

    assert sorted(own, key=key) == sorted(expected, key=key)
    assert f"{len(front)} of 45 rows are on the Pareto front" in swept.output
    assert summary["headline"] in swept.output
    assert summary["said"] == []


def test_a_copied_config_gives_the_figures(shown: Opened, swept: Swept, tmp_path: Path) -> None:
    """What the button copies is checked and traced by the command line: the figures are the row's."""
    tab = shown.tab
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    summary, front = tab.evaluate("[front.summary, front.rows]")
    columns = [column["name"].replace(" ", "_") for column in summary["columns"]]
    chosen = random.Random(0).sample(range(len(front)), 3)
    for number in chosen:
        tab.locator("#rows button").nth(number).click()
        tab.locator("#copy").click()
        playwright.expect(tab.locator(".copied")).to_have_text("copied")
        path = tmp_path / f"{number}.yaml"
        path.write_text(tab.evaluate("navigator.clipboard.readText()"), "utf-8")

        row = dict(zip(columns, front[number]))
        assert run("check", str(path)).exit_code == 0
        answer = json.loads(run("trace", str(path), "--format", "json").stdout)
        totals = answer["totals"]
        own = [row[name] for name in ("macs", "params", "memory", "training", "inference")]
        names = ("macs", "params", "memory", "training_memory", "inference_peak")
        assert own == [totals[name] for name in names]
        net = tracer.load(path)
        sizes = net.network.defaults()
        assert [sizes["H"], sizes["W"], net.params["base"]] == [
            row[n] for n in ("H", "W", "base")
        ]
        output = answer["nodes"][-1]["shape"]
        assert row["output_size"] == min(output[2:])


def test_a_row_is_chosen(shown: Opened) -> None:
    """A click on a point, or Enter: values, config and picture are those of the row; the values are the point's."""
    tab = shown.tab
    columns = [column["name"] for column in tab.evaluate("front.summary.columns")]
    rows = tab.evaluate("front.rows")
    last = len(rows) - 1
    tab.locator(f'.front[data-row="{last}"]').click()
    for number in (last, 0):
        if number == 0:
            tab.locator(f'.front[data-row="{last}"]').focus()
            tab.keyboard.press("Home")
            first = tab.evaluate("Number(document.activeElement.dataset.row)")
            tab.keyboard.press("Enter")
            number = first
        values = dict(
            zip(
                tab.locator("#values dt").all_inner_texts(),
                tab.evaluate(
                    "[...document.querySelectorAll('#values dd')].map(one => one.firstChild.data)"
                ),
            )
        )
        row = dict(zip(columns, rows[number]))
        assert values["macs"] == f"{row['macs']:,}" and values["base"] == str(row["base"])
        assert f"base: {row['base']}" in tab.locator("#config pre").inner_text()
        assert f"H: {row['H']}, W: {row['W']}" in tab.locator("#config pre").inner_text()
        image = tab.locator("#picture img")
        tab.wait_for_function("() => document.querySelector('#picture img').naturalWidth > 0")
        assert f"base {row['base']}, H {row['H']}" in image.get_attribute("alt")
        assert f">{row['base']}<" in tab.evaluate(
            "decodeURIComponent(document.querySelector('#picture img').src)"
        )
        assert tab.locator('[aria-selected="true"]').get_attribute("data-row") == str(number)
        assert tab.locator("tr.chosen").get_attribute("data-row") == str(number)


def test_pointer_and_keyboard(shown: Opened) -> None:
    """A point that is pointed at, or has the focus, says its row's values; arrows go along the axes, one Tab leaves."""
    tab, tip = shown.tab, shown.tab.locator("#tip")
    rows = tab.evaluate("front.rows")
    names = [column["name"] for column in tab.evaluate("front.summary.columns")]
    macs = names.index("macs")
    assert not tip.is_visible()
    tab.locator('.front[data-row="1"]').hover()
    assert f"{rows[1][macs]:,}" in tip.inner_text() and "row 2 of the front" in tip.inner_text()
    other = tab.evaluate(
        """() => { const all = front.points(), box = document.querySelector("#points").getBoundingClientRect();
             const far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
             const one = all.find((a) => a.number === null && all.every((b) => a === b || far(a, b) > 26));
             return [box.left + one.x, box.top + one.y, one.row]; }"""
    )
    tab.mouse.move(*other[:2])
    assert "another row" in tip.inner_text() and f"{other[2][macs]:,}" in tip.inner_text()
    tab.mouse.move(2, 2)
    assert not tip.is_visible()

    tab.locator("#y").focus()
    tab.keyboard.press("Tab")
    seen = []
    tab.keyboard.press("Home")
    for _ in rows:
        seen.append(tab.evaluate("Number(document.activeElement.dataset.row)"))
        assert tip.is_visible() and f"row {seen[-1] + 1} of" in tip.inner_text()
        tab.keyboard.press("ArrowRight")
    assert sorted(seen) == list(range(len(rows)))
    along = [rows[number][macs] for number in seen]
    assert along == sorted(along)
    tab.keyboard.press("Escape")
    assert not tip.is_visible()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('#points')") is None
    assert not tip.is_visible()


def test_both_measures_are_chosen(shown: Opened) -> None:
    """Whatever two columns are drawn: points are ordered as values are, labels have units, and none covers another."""
    tab = shown.tab
    columns = tab.evaluate("front.summary.columns")
    axes = tab.evaluate("front.summary.axes")
    assert [columns[i]["name"] for i in axes[:4]] == [
        "macs",
        "training",
        "receptive field",
        "H",
    ]
    seen = 0
    for x, y in [(axes[k], axes[(k * 3 + 1) % len(axes)]) for k in range(len(axes))]:
        tab.locator("#x").select_option(str(x))
        tab.locator("#y").select_option(str(y))
        points = tab.evaluate("front.points().map(({ row, x, y }) => ({ row, x, y }))")
        for column, side, sign in ((x, "x", 1), (y, "y", -1)):
            known = sorted((p["row"][column], sign * p[side]) for p in points)
            assert all(
                (a[0] == b[0]) == (abs(a[1] - b[1]) < 1e-6) and a[1] <= b[1] + 1e-6
                for a, b in pairwise(known)
            )
        words = " ".join(tab.locator("#points .measure").all_text_contents())
        for column in (columns[x], columns[y]):
            assert column["name"] in words and column["says"] in words
            assert f"{column['better']} is better" in words or not column["better"]
        ticks = tab.locator("#points .tick").all_text_contents()
        assert len(set(ticks)) >= 2
        seen += apart(tab)
    assert seen > 60


def test_ticks_differ(browser: Any, tmp_path: Path) -> None:
    """Of values that are close to each other no two ticks along an axis say the same."""
    front = made(6, 20, 3)
    close = {
        n: {**row, "macs": 7_390_000 + n * 37, "params": 10**6 + n}
        for n, row in front.rows.items()
    }
    shown = open_page(
        browser,
        tmp_path,
        front_page(front._replace(rows=close, others=[*close.values()], designs={})),
    )
    tab = shown.tab
    for name in ("macs", "params"):
        tab.locator("#x").select_option(label=name)
        ticks = tab.locator('#points .tick[text-anchor="middle"]').all_text_contents()
        assert len(ticks) >= 2 and len(set(ticks)) == len(ticks)
        apart(tab)
    tab.close()
    assert shown.faults == []


def apart(tab: Any) -> int:
    """No text of the plot touches another or leaves the plot; the number of texts."""
    labels = tab.evaluate(LABELS)
    frame = tab.locator("#points").bounding_box()
    for number, (text, left, top, right, bottom) in enumerate(labels):
        assert left >= frame["x"] - 1 and right <= frame["x"] + frame["width"] + 1, text
        for other in labels[:number]:
            is_apart = right <= other[1] + 1 or other[3] <= left + 1
            is_apart = is_apart or bottom <= other[2] + 3 or other[4] <= top + 3
            assert is_apart, (text, other)
    return len(labels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "narrow"])
def test_it_fits(
    browser: Any, tmp_path: Path, swept: Swept, scheme: str, options: dict[str, Any]
) -> None:
    """No wider than the window, every text legible on its ground, sections apart; values are inside of the plot."""
    shown = open_page(browser, tmp_path, swept.html, color_scheme=scheme, **options)
    tab = shown.tab
    width = 390 if options else 1400
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    for number in (0, len(tab.evaluate("front.rows")) - 1):
        tab.locator(f'.front[data-row="{number}"]').click()
        tip, stage = (tab.locator(place).bounding_box() for place in ("#tip", ".stage"))
        assert tip["x"] >= stage["x"] and tip["x"] + tip["width"] <= stage["x"] + stage["width"]
        texts = tab.evaluate(TEXTS)
        assert len(texts) > 60
        for text, colour, ground, size in texts:
            assert contrast(colour, ground) >= 4.5, (text, colour, ground)
            assert size >= 12, text

    picture = tab.locator("#picture img")
    tab.wait_for_function("() => document.querySelector('#picture img').naturalWidth > 0")
    shown_width, natural = picture.evaluate("one => [one.clientWidth, one.naturalWidth]")
    assert 12 * shown_width / natural >= 9
    pixel = picture_ground(tab)
    assert (sum(pixel) > 600) == (scheme == "light")

    places = ("#plot", "aside", "#picture", "#config", "#rows")
    boxes = [tab.locator(place).bounding_box() for place in places]
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            is_beside = (
                one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]
            )
            is_below = (
                one["y"] >= other["y"] + other["height"]
                or other["y"] >= one["y"] + one["height"]
            )
            assert is_beside or is_below
    apart(tab)
    tab.close()
    assert shown.faults == []


def picture_ground(tab: Any) -> list[int]:
    """The colour near the picture's upper left corner, as it is shown."""
    box = tab.locator("#picture .scroll").bounding_box()
    place = {"x": box["x"] + 8, "y": box["y"] + 8, "width": 1, "height": 1}
    png = tab.screenshot(clip=place, full_page=True)
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    first_row = zlib.decompressobj().decompress(png[start + 4 : start + 4 + length])
    assert len(first_row) >= 4
    return list(first_row[1:4])


def test_hostile_texts(browser: Any, tmp_path: Path) -> None:
    """Names and values full of markup stand there as text, in the picture too."""
    config = tmp_path / "net.yaml"
    config.write_text(
        f"name: {json.dumps(HOSTILE)}\nparams: {{note: a, base: 4}}\ninput: [N, 3, H, W]\n"
        "sizes: {N: 1, H: 32, W: 32}\nlayers:\n"
        "  '<b>x</b>': {op: Conv2d, out_channels: '${base}', kernel_size: 3}\n",
        "utf-8",
    )
    page = tmp_path / "hostile.html"
    values = f"note={json.dumps(HOSTILE)},'<img src=x onerror=window.hacked=1>'"
    done = run(
        *("sweep", str(config), "--vary", values, "--vary", "base=4,8", "--plot", str(page))
    )
    assert done.exit_code == 0, done.output
    shown = open_page(browser, tmp_path, page.read_text("utf-8"))
    tab = shown.tab
    for number in range(len(tab.evaluate("front.rows"))):
        tab.locator("#rows button").nth(number).click()
        assert json.dumps(HOSTILE) in tab.locator("#config pre").inner_text()
        tab.locator(f'.front[data-row="{number}"]').focus()
        assert "window.hacked=1" in tab.locator("#tip").inner_text()
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("main img").count() == 1
    assert tab.locator("iframe, object, embed, dl b, pre b, td b, h1 b").count() == 0
    assert "window.hacked=1" in tab.locator("#values").inner_text()
    tab.close()
    assert shown.faults == []


def test_a_front_that_is_found(browser: Any, tmp_path: Path) -> None:
    """With ``--find``: the page has the rows that standard output has, each with its config; a picture is refused."""
    page = tmp_path / "found.html"
    options = ("--vary", "base=4..7", "--size", "W=32..128:16", "--find", "H=48, W >= 64")
    lines = run("sweep", str(PADDED), *options, "--plot", str(page), "--format", "jsonl")
    assert lines.exit_code == 0, lines.output
    expected = [json.loads(line) for line in lines.stdout.splitlines()]
    shown = open_page(browser, tmp_path, page.read_text("utf-8"))
    summary, rows = shown.tab.evaluate("[front.summary, front.rows]")
    names = [column["name"].replace(" ", "_") for column in summary["columns"]]
    assert [dict(zip(names, row)) for row in rows] == [
        {name: row[name] for name in names} for row in expected
    ]
    assert len(rows) > 1 and "rows that meet it, of 28" in summary["headline"]
    assert not shown.tab.locator(".key.other").is_visible()
    for number, row in enumerate(rows):
        shown.tab.locator("#rows button").nth(number).click()
        text = shown.tab.locator("#config pre").inner_text()
        net = tracer.loads(text)
        expected_row = exact_row(net, net.network.defaults(), "float32")
        own = dict(zip(names, row))
        assert {name: own[name] for name in names if name in expected_row} == {
            name: expected_row[name] for name in names if name in expected_row
        }
    shown.tab.close()
    assert shown.faults == []

    refused = run("sweep", str(PADDED), *options, "--plot", str(tmp_path / "found.svg"))
    assert refused.exit_code == 2 and "--plot with a picture is for a sweep" in refused.output


BIG = 2**62


def made(rows: int, others: int, cell: int) -> SweepFront:
    """A front of rows that nothing compresses."""
    draw = random.Random(rows)
    names = ["note", "base", "H"]

    def row() -> dict[str, Any]:
        own = {name: draw.randint(1, 10**12) for name in ROWS}
        note = "".join(chr(draw.randint(33, 126)) for _ in range(cell))
        own |= {"note": note, "base": draw.randint(1, 99), "H": draw.randint(1, 9999)}
        return own | {"lossless": True, "aligned": None, "macs": BIG + draw.randint(1, 99)}

    trace = tracer.load(PADDED).trace()
    text = "".join(chr(draw.randint(33, 126)) for _ in range(20_000))
    return SweepFront(
        title="many",
        headline=f"{rows:,} of many",
        kinds={**dict.fromkeys(ROWS, int), "note": str, "base": int, "H": int, "lossless": bool, "aligned": bool},
        varied=names,
        measures=["macs", "receptive_field", "H"],
        larger={"receptive_field", "H"},
        dtype="float16",
        size=rows,
        rows={number: row() for number in range(rows)},
        others=[row() for _ in range(others)],
        other_count=others * 10,
        designs={n: Design(text, trace if n < 300 else None) for n in spaced(rows, SHOWN)},
    )  # fmt: skip


def test_of_too_many_some_are_drawn(browser: Any, tmp_path: Path) -> None:
    """The page stays small, is soon there, and says how many rows, configs and pictures it has."""
    front = made(5_000, 3_000, 80)
    with at_most(6):
        html = front_page(front)
    assert len(html) <= LIMIT
    shown = open_page(browser, tmp_path, html)
    tab = shown.tab
    said = tab.locator("#said").inner_text()
    counts = tab.evaluate("[front.rows.length, front.others.length]")
    assert 0 < counts[0] <= SHOWN and 0 < counts[1] <= OTHER_ROWS
    assert f"{counts[0]:,} of the 5,000 rows of the front are drawn" in said
    assert f"{counts[1]:,} of the 30,000 other rows are drawn" in said
    assert "of the 5,000 rows of the front have their config here" in said
    assert "tracer trace --dtype float16" in said

    # A number that no double holds is written digit by digit.
    numbers = tab.evaluate("front.summary.numbers")
    tab.locator("#rows button").nth(1).click()
    values = tab.locator("#values dd").all_inner_texts()
    assert f"{front.rows[numbers[1]]['macs']:,}" in "\n".join(values)
    tab.close()
    assert shown.faults == []


def test_nothing_known(browser: Any, tmp_path: Path) -> None:
    """Values that are not there, one row alone, and a measure that all rows share have their places and words."""
    front = made(1, 0, 3)
    rows = {0: {**front.rows[0], "receptive_field": None, "memory": None}}
    shown = open_page(
        browser, tmp_path, front_page(front._replace(rows=rows, other_count=0, designs={}))
    )
    tab = shown.tab
    for x in tab.evaluate("front.summary.axes"):
        tab.locator("#x").select_option(str(x))
        point = tab.evaluate("front.points()[0]")
        assert 60 <= point["x"] <= 1000 and 20 <= point["y"] <= 360
        apart(tab)
    words = tab.locator("#values").inner_text()
    assert "whole or unknown" in words and "not known" in words
    assert "--write-front writes the configs" in tab.locator("#config pre").inner_text()
    assert not tab.locator("#copy").is_visible()
    tab.close()
    assert shown.faults == []


def studies() -> list[Study]:
    """Sweeps of configs and of families: params that decide the structure and others, and one that is given."""
    padded = PADDED.read_text("utf-8")
    espcn = (ROOT / "configs" / "espcn.yaml").read_text("utf-8")
    sizes = [axis("size", ["H", "W"], "32..96:16")]
    base = [axis("param", ["base"], "3..9"), *sizes]
    depth = [axis("param", ["depth"], "1..3"), *sizes]
    up = [axis("param", ["up"], "transpose,bilinear"), axis("param", ["base"], "4..6"), *sizes]
    heights = [axis("size", ["H"], "17..60")]
    autos = [axis("size", ["H"], "97..104"), axis("size", ["W"], "96,97")]
    solved = BROKEN.replace("stride: 2}\n  cat", "stride: 2, output_padding: auto}\n  cat")
    return [
        config_study(
            solved.replace("kernel_size: 2", "kernel_size: 3, padding: 1"),
            "auto",
            {},
            {},
            autos,
            "float32",
        ),
        config_study(padded, "padded", {"classes": 5}, {}, base, "float32"),
        config_study(espcn, "espcn", {}, {}, heights, "float16"),
        family_study("resunet", {"base": 4}, {}, depth, "float32"),
        family_study("unet", {}, {}, up, "float64", opens=True),
    ]


@pytest.mark.parametrize("number", range(5))
def test_designs_are_the_rows(number: int) -> None:
    """Each config, loaded by itself, has the row's figures; and the trace that is drawn is the config's."""
    study = studies()[number]
    places, rows = [], []
    for task in study.tasks():
        columns = evaluate(study, task.number)
        for row in columns["valid"].filled(False).nonzero()[0].tolist():
            places.append((task.number, row))
            rows.append({name: values[row] for name, values in columns.items()})
    found = designs(study, places)
    assert 0 < len(found) <= SHOWN
    traced = [design for design in found.values() if design.trace is not None]
    assert 0 < len(traced) <= TRACED
    for place in random.Random(number).sample(sorted(found), min(12, len(found))):
        design = found[place]
        assert design.text is not None
        net = tracer.loads(design.text)
        expected = exact_row(net, net.network.defaults(), study.dtype)
        own = {name: rows[place][name] for name in expected}
        assert {name: None if n is None else n for name, n in expected.items()} == {
            name: (n.item() if hasattr(n, "item") else n) for name, n in own.items()
        }
        if design.trace is not None:
            assert design.trace.by_index == net.trace().by_index
        else:
            assert design.missing
