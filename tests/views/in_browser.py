"""A page in the browser, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tests.views.packs import PACK
from tracer.costs.memory import Memory
from tracer.live.sheets import sheets
from tracer.net import Net
from tracer.rules import judge
from tracer.views.page import page


class Traced(NamedTuple):
    """What the page's program computes."""

    shapes: list[list[int] | None]
    memory: Memory | None


class Opened:
    """A page in the browser, and what went wrong in it."""

    def __init__(self, browser: Any, path: Path, html: str, **options: Any) -> None:
        options = {"viewport": {"width": 1400, "height": 1000}, **options}
        path.write_text(html, "utf-8")
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.tab = browser.new_page(**options)
        self.tab.on(
            "console", lambda m: self.faults.append(m.text) if m.type == "error" else None
        )
        self.tab.on("pageerror", lambda e: self.faults.append(str(e)))
        self.tab.on("request", lambda r: self.requests.append(r.url))
        self.tab.goto(path.as_uri())
        if PACK.search(html):
            self.tab.wait_for_function("() => window.tracer")

    def shapes(self, values: dict[str, int]) -> list[list[int] | None]:
        """Every node's shape as the page's program computes it."""
        return self.traced([values])[0][0]

    def memory(self, values: dict[str, int]) -> Memory | None:
        """What the page says of the network's memory, where every node has a shape."""
        return self.traced([values])[0][1]

    def traced(self, all_values: list[dict[str, int]]) -> list[Traced]:
        """Shapes and memory for each of some values."""
        found = self.tab.evaluate(
            """all => all.map(values => {
                const traced = tracer.program.trace({...tracer.values, ...values}, tracer.nodes);
                const fits = traced.nodes.every(one => one.state === "ok");
                const held = fits ? tracer.program.memory(traced.v, 4) : null;
                const shapes = traced.nodes.map(one => one.shape);
                return [shapes, held && [held.training, held.peak, tracer.nodes[held.at].name]];
            })""",
            all_values,
        )
        return [
            Traced(shapes, None if held is None else Memory(*held)) for shapes, held in found
        ]

    def close(self) -> None:
        """Nothing was asked of the network, and no fault was said."""
        self.tab.close()
        assert self.faults == []
        assert len(self.requests) == 1, self.requests


def opened(
    browser: Any, tmp_path: Path, net: Net, style: str | None = None, **options: Any
) -> Opened:
    html = page(sheets(net, judge(net)), judge(net), style=style)
    return Opened(browser, tmp_path / "page.html", html, **options)
