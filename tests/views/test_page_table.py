"""The page's table: the rows of the picture, sorted, filtered and copied; its numbers are those of ``tracer trace``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import tracer
from tests import ROOT, extras
from tests.drawn.texts import BROKEN
from tests.views.in_browser import opened
from tests.views.test_page_repairs import copied
from tracer.planning.stopped import stopped
from tracer.views.table import rows, short

extras.needs("page")

CONFIGS = ROOT / "configs"
CELLS = (
    "[...document.querySelectorAll('#listing tbody tr')].map(row =>"
    " [...row.cells].map(cell => cell.textContent))"
)
HEAD = ["node", "operation", "output", "from", "params", "MACs", "memory", "field"]


def test_rows_fold_with_the_picture(browser: Any, tmp_path: Path) -> None:
    """At every depth a row for each box, with the sums that ``tracer trace`` gives at that depth."""
    net = tracer.load(CONFIGS / "u2net_small.yaml")
    shown = opened(browser, tmp_path, net, "boxes")
    tab = shown.tab
    depths = tab.locator("#depth option").count()
    assert depths > 2
    for depth in range(1, depths + 1):
        tab.locator("#depth").select_option(str(depth - 1))
        assert tab.evaluate(CELLS) and tab.evaluate(
            "document.querySelectorAll('#viewport svg:not([hidden]) .box').length"
        ) == len(tab.evaluate(CELLS))
        found = list(csv.reader(io.StringIO(copied(shown, "#copy-csv"))))
        assert found[0] == HEAD
        expected = [
            (row.name, " × ".join(map(str, row.shape or ())), row.cost.params, row.cost.macs, row.cost.memory)
            for row in rows(net.trace(), depth)
        ]  # fmt: skip
        assert [
            (name, output, int(params), int(macs), int(memory))
            for name, _, output, _, params, macs, memory, _ in found[1:]
        ] == expected
    shown.close()


def test_sorted_and_filtered(browser: Any, tmp_path: Path) -> None:
    """A click sorts, the next one the other way, the third as in the file; words filter; copies are what is seen."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    own = [row[0] for row in tab.evaluate(CELLS)]
    params = {row.name: row.cost.params for row in rows(net.trace(), 1)}
    head = tab.locator("#listing th", has_text="params")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    found = [params[row[0]] for row in tab.evaluate(CELLS)]
    assert found == sorted(params.values(), reverse=True) and found[0] > found[-1]
    head.locator("button").click()
    assert [params[row[0]] for row in tab.evaluate(CELLS)] == sorted(params.values())
    head.locator("button").click()
    assert [row[0] for row in tab.evaluate(CELLS)] == own
    assert head.get_attribute("aria-sort") is None

    tab.locator("#listing input").fill("concat CAT2")
    assert [row[0] for row in tab.evaluate(CELLS)] == ["cat2"]
    lines = copied(shown, "#copy-markdown").splitlines()
    assert lines[0] == f"| {' | '.join(HEAD)} |" and len(lines) == 3
    assert lines[2].startswith("| cat2 | Concat | 1 × ")
    tab.locator("#listing input").fill("nothing has this")
    assert tab.locator("#listing .none").is_visible()
    tab.locator("#listing input").fill("")
    assert [row[0] for row in tab.evaluate(CELLS)] == own
    shown.close()


def test_a_long_table_stays_in_the_window(browser: Any, tmp_path: Path) -> None:
    """HRNet's thousand rows make no page of 24,000 pixels, and the header stays where rows go by."""
    net = tracer.load(CONFIGS / "hrnet.yaml")
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    tab.locator("#depth").select_option(label="unfolded")
    assert tab.evaluate("document.documentElement.scrollHeight") < 2400
    assert tab.evaluate(CELLS + ".length") == len(net.network.nodes)
    place = (
        "(() => { const box = document.querySelector('#listing .scroll').getBoundingClientRect();"
        " return document.querySelector('#listing th').getBoundingClientRect().top - box.top; })()"
    )
    before = tab.evaluate(place)
    tab.evaluate("document.querySelector('#listing .scroll').scrollTo(0, 5000)")
    assert tab.evaluate(place) == before
    shown.close()


def test_totals_of_a_network_that_stops(browser: Any, tmp_path: Path) -> None:
    """They are marked as those up to there, with what is known of the rest; Python says the same."""
    net = tracer.loads(BROKEN)
    shown = opened(browser, tmp_path, net)
    said = shown.tab.locator("#totals")
    stop, counted = stopped(net.trace()), sum(row.cost.params for row in rows(net.trace(), 1))
    assert stop is not None and stop.params > 0
    least = short(counted + stop.params)
    assert f"{short(counted)} of at least {least} params" in said.inner_text()
    assert f"up to {stop.at}" in said.inner_text()
    shown.tab.get_by_label("H", exact=True).fill("104")
    shown.tab.wait_for_function(
        "() => document.querySelector('#verdict').textContent === 'runs'"
    )
    assert f", {least} params" in said.inner_text() and "at least" not in said.inner_text()
    shown.close()


def test_names_are_no_markup_and_no_formulas(browser: Any, tmp_path: Path) -> None:
    """What is copied is text: a bar or a tag in a name ends no cell, and a spreadsheet computes nothing."""
    names = ["a|b", "<b>c", '=1+1"x"', "@d", "`e`", "-f"]
    lines = ["input: [1, 3, 8, 8]", "layers:"]
    lines += [f"  {json.dumps(name)}: ReLU" for name in names]
    shown = opened(browser, tmp_path, tracer.loads("\n".join(lines)))
    found = list(csv.reader(io.StringIO(copied(shown, "#copy-csv"))))
    assert len(found) == len(names) + 2
    assert all(len(row) == len(HEAD) for row in found)
    assert not any(cell[:1] in {"=", "@", "+", "-"} for row in found for cell in row)
    markdown = copied(shown, "#copy-markdown").splitlines()
    assert len(markdown) == len(names) + 3
    assert all(line.replace("\\|", "").count("|") == len(HEAD) + 1 for line in markdown)
    shown.close()
