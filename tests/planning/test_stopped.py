"""Of a network that stops: where, and a number of parameters that it has at least, whatever makes it run."""

from __future__ import annotations

import tracer
from tests import ROOT
from tracer.costs.operations import costs, total
from tracer.planning.stopped import stopped
from tracer.views.answers import trace_answer
from tracer.views.table import to_markdown

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def test_no_more_than_a_network_has() -> None:
    """At sizes where a config stops: what is known is no more than it has where it runs, and what is counted in it."""
    stops = known = 0
    for path in CONFIGS:
        net = tracer.load(path)
        whole = total(costs(net.trace())).params
        for offset in (1, 5):
            sizes = {s: n + offset for s, n in net.network.defaults().items() if s != "N"}
            trace = net.trace(**sizes)
            stop = stopped(trace)
            assert (stop is None) == (None not in trace.by_index)
            if stop is None:
                continue
            assert trace.shapes[stop.at] is None
            counted = total(costs(trace)).params
            least = counted + stop.params
            assert counted <= least <= whole
            totals = trace_answer(trace, []).totals
            assert (totals.stops_at, totals.params_at_least) == (stop.at, least)
            assert f"up to {stop.at} | | | | {counted} of at least {least} |" in to_markdown(
                trace, 1
            )
            stops += 1
            known += stop.params > 0
    assert stops > 10 and known > 5


def test_a_network_of_numbers() -> None:
    """Dims that are numbers may be others: what follows from layers alone is counted."""
    text = """
input: [1, 3, 50, 64]
layers:
  e: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  p: {op: MaxPool2d, kernel_size: 4}
  u: {op: ConvTranspose2d, out_channels: 4, kernel_size: 4, stride: 4}
  c: {op: Concat, from: [u, e]}
  y: {op: Conv2d, out_channels: 256, kernel_size: 3, padding: 1}
"""
    stop = stopped(tracer.loads(text).trace())
    assert stop == ("c", 8 * 256 * 9 + 256)
    runs = tracer.loads(text.replace("50", "48")).trace()
    assert stopped(runs) is None
    assert (
        total(costs(runs)).params
        == total(costs(tracer.loads(text).trace())).params + stop.params
    )
