"""The config language: what each construct builds, and where its faults are reported."""

from __future__ import annotations

import textwrap

import pytest

import tracer
from tracer.diagnostics import Diagnostic
from tracer.source import limits


def net(text: str, **params: object) -> tracer.Net:
    return tracer.loads(textwrap.dedent(text), **params)


def shapes(text: str, **params: object) -> dict[str, object]:
    result = net(text, **params).trace()
    assert not result.diagnostics, result.diagnostics
    return dict(result.shapes)


def faults(text: str) -> list[Diagnostic]:
    return tracer.checks(textwrap.dedent(text))


def one(text: str) -> Diagnostic:
    found = faults(text)
    assert len(found) == 1, found
    return found[0]


def place(d: Diagnostic) -> tuple[str, int, int]:
    assert d.span is not None
    return d.code, d.span.line, d.span.column


def test_a_param_keeps_its_type_and_can_be_replaced() -> None:
    """A scalar that is one ${...} keeps the value's type; a keyword of load replaces the param."""
    text = """\
        params: {base: 8, kernel: [3, 5], act: ReLU}
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: "${base * 2}", kernel_size: "${kernel}"}
          act: "${act}"
        """
    assert shapes(text)["act"] == (1, 16, 30, 28)
    assert shapes(text, base=4)["conv"] == (1, 8, 30, 28)
    assert net(text).network.names["act"].op_name == "ReLU"


def test_an_unknown_param_is_refused() -> None:
    """A replacement for a param that the config doesn't have is an error of the caller."""
    with pytest.raises(ValueError, match="no param is called 'bas'; known: base"):
        net("params: {base: 8}\ninput: [1, 3, 8, 8]\nlayers: {a: ReLU}\n", bas=3)


def test_blocks_have_defaults_and_required_arguments() -> None:
    """null is required; another default may be an expression over params and earlier arguments."""
    text = """\
        params: {wide: 4}
        input: [1, 3, 32, 32]
        blocks:
          conv:
            args: {channels: null, kernel: 3, pad: "${kernel // 2}", out: "${channels * wide}"}
            layers:
              c: {op: Conv2d, out_channels: "${out}", kernel_size: "${kernel}", padding: "${pad}"}
        layers:
          a: {op: conv, channels: 2}
          b: {op: conv, channels: 2, kernel: 5, out: 7}
        """
    found = shapes(text)
    assert found["a.c"] == (1, 8, 32, 32)
    assert found["b.c"] == (1, 7, 32, 32)
    missing = one(text.replace("a: {op: conv, channels: 2}", "a: {op: conv}"))
    assert place(missing) == ("T201", 9, 11)
    assert "needs channels" in missing.message


def test_a_blocks_name_stands_for_its_last_node() -> None:
    """``from: enc1`` reads the block's last node; ``from: enc1.one`` reads inside of it."""
    text = """\
        input: [1, 3, 32, 32]
        blocks:
          two:
            layers:
              one: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
              last: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
        layers:
          enc1: two
          skip: {op: Concat, from: [enc1, enc1.one]}
        """
    trace = net(text).trace()
    assert trace.shapes["skip"] == (1, 12, 32, 32)
    assert trace.shapes["enc1"] == trace.shapes["enc1.last"] == (1, 8, 32, 32)
    assert "enc1" in trace.shapes and "enc2" not in trace.shapes
    with pytest.raises(KeyError):
        trace.shapes["enc2"]


def test_residual_blocks_and_repeat() -> None:
    """A block reads its own input as ``input``; repeat chains copies and gives ${index}."""
    text = """\
        input: [1, 8, 16, 16]
        blocks:
          residual:
            args: {width: 8}
            layers:
              c1: {op: Conv2d, out_channels: "${width}", kernel_size: 3, padding: 1}
              c2: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
              sum: {op: Add, from: [c2, input]}
        layers:
          stage: {op: residual, repeat: 3, width: "${8 + index}"}
          out: {op: Add, from: [stage, stage.0]}
        """
    found = shapes(text)
    assert [found[f"stage.{i}.c1"] for i in range(3)] == [(1, 8 + i, 16, 16) for i in range(3)]
    trace = net(text).trace()
    assert set(trace.graph.predecessors("stage.1.sum")) == {"stage.0.sum", "stage.1.c2"}
    assert set(trace.graph.predecessors("out")) == {"stage.0.sum", "stage.2.sum"}


def test_a_block_with_two_inputs() -> None:
    """``inputs`` names what a block reads; the use gives them in order under ``from``."""
    text = """\
        input: {image: [1, 4, 8, 8], guide: [1, 2, 8, 8]}
        blocks:
          gate:
            inputs: [g, x]
            layers:
              a: {op: Conv2d, out_channels: 4, kernel_size: 1, from: g}
              b: {op: Mul, from: [a, x]}
        layers:
          use: {op: gate, from: [guide, image]}
        """
    assert shapes(text)["use.b"] == (1, 4, 8, 8)
    wrong = one(text.replace("from: [guide, image]", "from: guide"))
    assert place(wrong) == ("T106", 9, 25)


def test_several_inputs_need_a_name() -> None:
    """With several inputs the first node has no node before it."""
    found = one("input: {a: [1, 3, 8, 8], b: [1, 3, 8, 8]}\nlayers:\n  x: ReLU\n")
    assert place(found) == ("T201", 3, 3)


def test_forward_references_give_a_deterministic_order() -> None:
    """A node may read one that stands later; the order stays nearest to the file's."""
    text = """\
        input: [1, 4, 8, 8]
        layers:
          late: {op: Add, from: [b, a]}
          a: {op: ReLU, from: input}
          b: {op: ReLU, from: a}
        output: late
        """
    assert [n.name for n in net(text).network.nodes] == ["input", "a", "b", "late"]


def test_a_cycle_is_printed_as_its_path() -> None:
    """T103 names every node of the cycle, beginning with the first in the file."""
    found = one(
        "input: [1, 4, 8, 8]\nlayers:\n  a: {op: Add, from: [input, c]}\n  b: ReLU\n  c: ReLU\n"
    )
    assert place(found) == ("T103", 3, 3)
    assert found.message == "the graph has a cycle: a -> b -> c -> a"


def test_a_block_that_uses_itself() -> None:
    """Recursion of blocks is T103, with the chain."""
    found = one(
        "input: [1, 4, 8, 8]\nblocks:\n  x: {layers: {y: z}}\n  z: {layers: {w: x}}\nlayers:\n  a: x\n"
    )
    assert found.code == "T103"
    assert "x -> z -> x" in found.message


def test_anchors_aliases_and_merge_keys_keep_their_places() -> None:
    """A fault in a merged value points at the anchor's line."""
    text = """\
        input: [1, 4, 8, 8]
        layers:
          a: &conv {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
          b: *conv
          c: {<<: *conv, out_channels: 6}
        """
    assert shapes(text)["c"] == (1, 6, 8, 8)
    found = one(text.replace("kernel_size: 3", "kernel_size: 0"))
    assert place(found) == ("T202", 3, 55)


def test_sizes_as_value_list_and_range() -> None:
    """A single trace uses the value, the list's first, or min; the others are checked too."""
    text = """\
        input: [N, 3, H, W]
        sizes: {N: 2, H: [32, 48], W: {min: 16, max: 64, step: 16}}
        layers:
          down: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2, expect: [N, 4, H // 2, W // 2]}
        """
    assert shapes(text)["down"] == (2, 4, 16, 8)
    assert net(text).trace(H=50).shapes["down"] == (2, 4, 25, 8)
    assert faults(text) == []
    failing = one(text.replace("[32, 48]", "[32, 1, 48]"))
    assert place(failing) == ("T305", 2, 18)
    assert failing.message.startswith("H = 1 does not work")


def test_a_symbol_without_size() -> None:
    """Nothing is guessed: every symbol needs a size."""
    found = one("input: [1, 3, H, 8]\nlayers:\n  a: ReLU\n")
    assert place(found) == ("T201", 1, 15)


def test_expectations_hold_for_every_size() -> None:
    """_ matches any dim, expressions are over symbols; what differs is told by dim."""
    text = """\
        input: [1, 3, H, W]
        sizes: {H: [30, 31], W: 8}
        layers:
          a: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1, stride: 2, expect: [_, 3, DIM, 4]}
        """
    assert faults(text.replace("DIM", "(H + 1) // 2")) == []
    found = one(text.replace("DIM", "H // 2"))
    assert place(found) == ("T305", 2, 12)
    assert "dim 2 is expected to be H // 2 = 15, not 16" in found.message


def test_outputs_and_their_shapes() -> None:
    """``output`` is a name, a list, or a mapping to shapes."""
    text = """\
        input: [1, 3, 8, 8]
        layers:
          a: {op: Conv2d, out_channels: 4, kernel_size: 1}
          b: {op: Conv2d, out_channels: 5, kernel_size: 1}
        output: {a: [1, 4, 8, 8], b: [1, 6, 8, 8]}
        """
    found = one(text)
    assert place(found) == ("T304", 5, 30)
    trace = net(text.replace("{a: [1, 4, 8, 8], b: [1, 6, 8, 8]}", "[a, b]")).trace()
    assert trace.outputs == {"a": (1, 4, 8, 8), "b": (1, 5, 8, 8)}


def test_chunks_are_nodes() -> None:
    """A Chunk's outputs are ``name[i]``; unused ones need not exist."""
    text = """\
        input: [1, 6, 8, 8]
        layers:
          qkv: {op: Chunk, chunks: 3, dim: 1}
          q: {op: Mul, from: ["qkv[0]", "qkv[2]"]}
        """
    trace = net(text).trace()
    assert trace.shapes["q"] == (1, 2, 8, 8)
    assert [n for n in trace.shapes if n.startswith("qkv")] == ["qkv[0]", "qkv[2]"]
    assert one(text.replace("qkv[2]", "qkv[3]")).code == "T102"
    assert one(text.replace('["qkv[0]", "qkv[2]"]', "[qkv, input]")).code == "T106"


def test_sizes_from_nodes_are_edges() -> None:
    """output_size, size and indices name nodes; they are edges of the graph with the argument as position."""
    text = """\
        input: [1, 4, 15, 15]
        layers:
          pool: {op: MaxPool2d, kernel_size: 2, return_indices: true}
          up: {op: MaxUnpool2d, kernel_size: 2, indices: pool, output_size: input}
          half: {op: MaxPool2d, kernel_size: 2}
          back: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2, output_size: up}
          small: {op: Interpolate, size: half}
        """
    trace = net(text).trace()
    assert trace.shapes["up"] == trace.shapes["back"] == (1, 4, 15, 15)
    assert trace.shapes["small"] == (1, 4, 7, 7)
    assert trace.graph.edges["input", "up"]["position"] == "output_size"
    assert trace.graph.edges["pool", "up"] == {"position": 0, "positions": (0, "indices")}


def test_align() -> None:
    """crop cuts the others, pad fills the first, resize interpolates the first."""
    text = """\
        input: [1, 4, 21, 21]
        layers:
          pool: {op: MaxPool2d, kernel_size: 2}
          up: {op: Upsample, scale_factor: 2}
          cat: {op: Concat, from: [up, input], align: ALIGN}
        """
    assert shapes(text.replace("ALIGN", "crop"))["cat"] == (1, 8, 20, 20)
    assert shapes(text.replace("ALIGN", "pad"))["cat"] == (1, 8, 21, 21)
    assert shapes(text.replace("ALIGN", "resize"))["cat"] == (1, 8, 21, 21)
    found = [d for d in faults(text.replace("ALIGN", "none")) if d.severity == "error"]
    assert [d.code for d in found] == ["T301"]
    assert [r.span.line for r in found[0].related] == [4, 1]


def test_a_fault_in_a_block_names_its_use() -> None:
    """One diagnostic for a block's line, however often the block is used; the use is a related place."""
    text = """\
        input: [1, 4, 8, 8]
        blocks:
          bad: {layers: {c: {op: Conv2d, out_channels: 4, kernel_size: 0}}}
        layers:
          first: bad
          second: bad
        """
    found = one(text)
    assert place(found) == ("T202", 3, 64)
    assert [(r.message, r.span.line) for r in found.related] == [
        ("in the block used as 'first' here", 5)
    ]


def test_what_follows_from_an_error_is_not_told_again() -> None:
    """One cause, one diagnostic."""
    text = """\
        input: [1, 4, 8, 8]
        layers:
          a: {op: Conv2d, out_channels: 4, kernel_size: 9}
          b: {op: Conv2d, out_channels: 4, kernel_size: 9}
          c: {op: Add, from: [a, b]}
        """
    assert [place(d) for d in faults(text)] == [("T302", 3, 49)]


def test_auto_is_solved_before_the_trace() -> None:
    """output_padding: auto takes what the skip needs, each axis for itself."""
    text = """\
        input: [1, 4, H, W]
        sizes: {H: 31, W: 32}
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1, output_padding: auto}
          sum: {op: Add, from: [up, input]}
        """
    text = text.replace(
        "kernel_size: 4, stride: 2, padding: 1, output",
        "kernel_size: 3, stride: 2, padding: 1, output",
    )
    loaded = net(text)
    trace = loaded.trace()
    assert trace.shapes["sum"] == (1, 4, 31, 32)
    assert loaded.solution({"H": 31, "W": 32}).assignments == {"up.output_padding": (0, 1)}


@pytest.mark.parametrize(
    "what", ["a: {op: conv2d, out_channels: 3, kernel_size: 1}", "a: Conv2D"]
)
def test_an_unknown_operation_names_the_nearest(what: str) -> None:
    """T101 with a hint, the letters' case aside."""
    found = one(f"input: [1, 3, 8, 8]\nlayers:\n  {what}\n")
    assert found.code == "T101"
    assert found.hint == "did you mean 'Conv2d'?"


def test_an_expectation_is_missed_once() -> None:
    """Later expectations that fail because of an earlier one are not told again; other branches are."""
    text = """\
        input: [1, 3, H, 8]
        sizes: {H: 9}
        layers:
          a: {op: MaxPool2d, kernel_size: 2, ceil_mode: true, expect: [_, _, H // 2, 4]}
          b: {op: ReLU, expect: [_, _, H // 2, 4]}
          c: {op: ReLU, from: input, expect: [_, _, 7, _]}
        output: {b: [_, _, H // 2, 4], c: [1, 3, _, _]}
        """
    assert [place(d) for d in faults(text)] == [("T304", 4, 63), ("T304", 6, 38)]


def test_dims_over_symbols_as_arguments() -> None:
    """Reshape, size lists and Slice take expressions over the symbols; a negative dim is refused at its place."""
    text = """\
        input: [N, 4, H, W]
        sizes: {N: 2, H: {min: 4, max: 400}, W: 6}
        layers:
          pad: {op: ZeroPad2d, padding: 3}
          cut: {op: Slice, dim: 2, start: 3, stop: "H + 3"}
          up: {op: Interpolate, size: ["2 * H", W]}
          flat: {op: Reshape, shape: [N, 4, "2 * H * W"], expect: [N, 4, 12 * H]}
        """
    assert faults(text) == []
    assert shapes(text)["cut"] == (2, 4, 4, 12)
    found = one(text.replace("2 * H *", "H - 5 *"))
    assert place(found) == ("T202", 7, 30)
    assert "the dim H - 5 * W is -26" in found.message


def test_receptive_fields_of_unbatched_inputs() -> None:
    """Without a batch the spatial dims begin one earlier; the windows of an axis stay with that axis."""
    from tracer.geometry.receptive_field import fields

    layers = """\
        layers:
          a: {op: Conv2d, out_channels: 4, kernel_size: [3, 5]}
          b: {op: MaxPool2d, kernel_size: [2, 1]}
          c: {op: Slice, dim: -1, step: 2}
        """
    for shape in ("[4, 20, 20]", "[1, 4, 20, 20]"):
        found = fields(net(f"        input: {shape}\n{layers}").trace())
        assert [f.extent for f in found["c"]] == [4, 5]
        assert [f.stride for f in found["c"]] == [2, 2]
    mean = net(
        "input: [2, 2, 2, 2, 6, 6]\nlayers: {a: {op: AdaptiveAvgPool2d, output_size: 1}}"
    )
    assert [f.extent for f in fields(mean.trace())["a"]] == [1, 1, None, None]


def test_a_wrong_number_of_inputs_in_a_block_is_told_once() -> None:
    """Like every fault of a block: at its place, for its first use."""
    found = one("""\
        input: [1, 4, 8, 8]
        blocks: {b: {layers: {a: {op: ReLU, from: [input, input]}}}}
        layers: {x: b, y: b}
        """)
    assert place(found) == ("T106", 2, 44)
    assert [r.span.line for r in found.related] == [3]


def test_copies_read_the_mirrored_copies() -> None:
    """An expression under `from` is computed for each copy; the first input is the copy before."""
    text = """\
        params: {depth: 3}
        input: [1, 8, L]
        sizes: {L: 64}
        blocks:
          down:
            layers:
              c: {op: Conv1d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}
          up:
            inputs: [x, skip]
            layers:
              sum: {op: Add, from: [x, skip]}
              t: {op: ConvTranspose1d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}
        encoder:
          e: {op: down, repeat: "${depth}"}
        decoder:
          d: {op: up, from: [e, "e.${depth - 1 - index}"], repeat: "${depth}"}
        """
    for depth in (1, 3, 5):
        names = net(text, depth=depth).network.names
        joined = [[n.name for n in names[f"d.{i}.sum"].inputs] for i in range(depth)]
        before = [f"e.{depth - 1}.c", *[f"d.{i}.t" for i in range(depth - 1)]]
        mirrored = [f"e.{i}.c" for i in reversed(range(depth))]
        assert joined == [list(pair) for pair in zip(before, mirrored)]
        assert net(text, depth=depth).trace().shapes["d"] == (1, 8, 64)

    found = one(text.replace("depth - 1 - index", "depth - index"))
    assert place(found) == ("T102", 16, 25) and "'e.3'" in found.message
    assert place(one(text.replace("depth - 1 - index", "nowhere"))) == ("T005", 16, 25)


def test_inputs_whose_sizes_are_tied() -> None:
    """A dim over a symbol that stands alone elsewhere is no size of its own; it must be a whole number from 0 on."""
    text = """\
        input: {features: [1, 6, T], audio: [1, 6, 160*T]}
        sizes: {T: 5}
        layers:
          up: {op: ConvTranspose1d, from: features, out_channels: 6, kernel_size: 160, stride: 160}
          sum: {op: Add, from: [up, audio]}
        """
    assert faults(text) == []
    tied = net(text)
    assert tied.trace(T=7).shapes["audio"] == (1, 6, 1120)
    axes = tracer.sizes(tied).axes
    assert list(axes) == ["T"] and 1 in axes["T"].runs and 10_000 in axes["T"].runs
    assert tracer.constraints(tied).runs(T=9)

    less = "input: {features: [1, 6, T], audio: [1, 6, T - 8]}\nsizes: {T: 5}\n"
    less += "layers:\n  a: {op: ReLU, from: audio}\noutput: [a, features]\n"
    assert place(one(less)) == ("T202", 1, 44)
    runs = tracer.sizes(net(less)).axes["T"].runs
    assert 7 not in runs and 8 in runs and 9 in runs
    assert place(one(less.replace("T - 8", "T / 2"))) == ("T202", 1, 44)
    alone = text.replace("[1, 6, T]", "[1, 6, 5]").replace("sizes: {T: 5}", "")
    assert place(one(alone)) == ("T005", 1, 44)


def test_a_tied_input_takes_its_own_size_alone() -> None:
    """A shape given from outside that its symbol denies is refused."""
    from tracer.loading import load_text

    text = 'input: {a: [1, T], b: [1, "2*T"]}\nlayers: {s: {op: Concat, from: [a, b]}}\n'
    asked = {"a": (1, 3), "b": (1, 6)}
    assert load_text(text, "n.yaml", {}, {}, asked).trace().shapes["s"] is not None
    with pytest.raises(ValueError, match="dim 1 of b is 2\\*T, here 6, not 7"):
        load_text(text, "n.yaml", {}, {}, asked | {"b": (1, 7)})


def test_layers_that_a_file_may_write() -> None:
    """A file at the limit is checked; one layer more is told at its line, in layers."""

    def chain(count: int) -> str:
        lines = [
            f"  c{i}: {{op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}}\n"
            for i in range(count)
        ]
        return (
            "input: [1, 3, H, W]\nsizes: {H: 64, W: 64}\nencoder:\n  first: ReLU\ndecoder:\n"
            + "".join(lines)
        )

    assert tracer.checks(chain(limits.LAYERS - 1), "net.yaml") == []
    (found,) = tracer.checks(chain(limits.LAYERS + 1), "net.yaml")
    assert found.code == "T006"
    assert found.span is not None and found.span.line == limits.LAYERS + 5
    assert found.message == (
        f"the config writes {limits.LAYERS + 2} layers, and the limit is {limits.LAYERS}; "
        "blocks and `repeat` write many as one"
    )
