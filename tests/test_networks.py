"""Random networks against real torch: every node's shape, and every refusal at the node where torch refuses.

Later traces go through the compiled recipe, and many sizes at once through arrays: both against ints.
"""

from __future__ import annotations

from collections import Counter

import numpy
from hypothesis import assume, event, given
from hypothesis import strategies as st

import tracer
from tests.drawn_networks import Drawn, networks
from tests.torch_network import run
from tracer.trace import Recipe, trace


@given(networks())
def test_every_shape_and_refusal_is_torchs(drawn: Drawn) -> None:
    """Every node has torch's shape, or has none because torch refuses it or something before it.

    What torch refuses is told once, at that node; nothing else is told but expectations, which torch doesn't know.
    """
    net = tracer.loads(drawn.text)
    mine = net.trace(**drawn.sizes)
    # Whether a transposed convolution may give nothing depends on the backend that torch takes.
    assume(
        not any("ConvTranspose" in node.op_name and 0 in (mine.shapes[node.name] or ()) for node in net.network.nodes)
    )
    torchs = run(net, drawn.sizes)
    assert dict(mine.shapes) == torchs.shapes, (drawn, torchs.refused, mine.diagnostics)
    told = [d.message.split(":")[0] for d in mine.diagnostics if d.code != "T304"]
    assert told == list(torchs.refused), (drawn, torchs.refused, mine.diagnostics)
    event(f"refused {min(len(torchs.refused), 2)}, nodes {len(mine.shapes) // 8 * 8}+")


sizes = st.integers(1, 70) | st.integers(0, 9) | st.sampled_from([0, 512, 1000, 2**31, 2**40, 2**63 - 1])


def test_later_traces_equal_the_first() -> None:
    """A loaded network's later traces, by the recipe, give what a fresh trace on ints gives, diagnostics included."""
    answered: Counter[str] = Counter()

    @given(networks(), st.data())
    def compare(drawn: Drawn, data: st.DataObject) -> None:
        net = tracer.loads(drawn.text)
        net.trace(**drawn.sizes)
        for _ in range(4):
            some = {symbol: data.draw(st.just(n) | st.integers(n, n + 9) | sizes) for symbol, n in drawn.sizes.items()}
            later, fresh = net.trace(**some), trace(net.network, some)
            assert dict(later.shapes) == dict(fresh.shapes), (some, drawn)
            assert later.diagnostics == fresh.diagnostics, (some, drawn)
            answered["ints" if fresh.diagnostics else "recipe" if by_recipe(net, some) else "undecided"] += 1

    compare()
    assert answered["recipe"] > 2 * answered["undecided"] and answered["recipe"] * 5 > answered.total(), answered


def by_recipe(net: tracer.Net, some: dict[str, int]) -> bool:
    """Whether the recipe answers for these sizes, so that the comparison is one."""
    recipe = net._recipe
    return recipe is not None and recipe.sound and recipe.apply(some) is not None


# Both ask more of a symbol than of a number: see their docstrings.
STRICTER = ("Squeeze", "PixelUnshuffle")


def test_all_sizes_at_once_equal_each() -> None:
    """The conditions on an array of sizes hold where the trace on ints finds nothing, and shapes are the same."""
    judged: Counter[bool] = Counter()

    @given(networks(), st.data())
    def compare(drawn: Drawn, data: st.DataObject) -> None:
        net = tracer.loads(drawn.text)
        if not drawn.sizes:
            return
        symbol = data.draw(st.sampled_from(sorted(drawn.sizes)))
        fixed = {name: n for name, n in drawn.sizes.items() if name != symbol}
        recipe = Recipe(net.network, [node.op for node in net.network.nodes], fixed)
        tried = [*range(25), drawn.sizes[symbol], *data.draw(st.lists(st.integers(25, 200), max_size=4))]
        traces = [trace(net.network, {**fixed, symbol: n}) for n in tried]
        if not recipe.sound:
            strict = any(op in drawn.text for op in STRICTER)
            assert recipe.failed is None or strict or all(t.diagnostics for t in traces), (recipe.failed, drawn)
            return
        conditions = [recipe.program.watch(condition) for condition, _ in recipe.conditions]
        slots = [[recipe.program.slot(d) for d in shape] for shape in recipe.unique]
        v = recipe.program.run(
            {name: numpy.full(len(tried), n) for name, n in fixed.items()} | {symbol: numpy.array(tried)}
        )
        holds = numpy.ones(len(tried), bool)
        for condition in conditions:
            holds &= recipe.program.truth(condition, v)
        for i, one in enumerate(traces):
            judged[bool(holds[i])] += 1
            if holds[i] or not any(op in drawn.text for op in STRICTER):
                assert bool(holds[i]) == (not one.diagnostics), (symbol, tried[i], drawn, one.diagnostics)
            if holds[i]:
                for node, index in zip(net.network.nodes, recipe.shape_of):
                    got = tuple(int(numpy.broadcast_to(v[slot], len(tried))[i]) for slot in slots[index])
                    assert got == one.shapes[node.name], (symbol, tried[i], node, drawn)

    compare()
    assert min(judged[True], judged[False]) * 8 > judged.total(), judged
