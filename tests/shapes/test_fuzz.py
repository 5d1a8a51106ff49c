# ruff: noqa: E501  (tables of words and one-line configs)
"""Random configs, wrong in every way: nothing raises, nothing takes long, and every diagnostic points into the text.

Three sources: texts cut, doubled and mixed from real configs; values of any kind in any place of a real config; and
networks of random operations with random arguments.
"""

from __future__ import annotations

import copy
import math
import random
from functools import cache
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.networks import networks, networks_to_solve
from tests.timing import at_most
from tracer.diagnostics import legible
from tracer.ops.registry import find_operation, operation_names
from tracer.rules import judge
from tracer.rules.manual import manual
from tracer.views.answers import TraceAnswer, trace_answer
from tracer.views.found import CheckAnswer, check_answer, to_json
from tracer.views.report import concise, full, github
from tracer.views.sarif import sarif
from tracer.views.schema import answer_schema
from tracer.views.table import to_csv, to_markdown

CONFIGS = ROOT / "configs"
SECONDS = 1.0
"""Of processor time for one check; a config of this size takes milliseconds."""

SMALL = 40
"""Answers of so many nodes are held against the JSON Schema, which is slow; larger ones against its records."""

CASES = max(150, settings().max_examples)


@cache
def sources() -> list[str]:
    """The configs of the library, and the bad and good ones of the manual."""
    pages = [rule.example(which) for rule in manual().values() for which in ("Bad", "Good")]  # type: ignore[arg-type]
    return [path.read_text("utf-8") for path in sorted(CONFIGS.glob("*.yaml"))] + pages


@cache
def trace_schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(answer_schema(TraceAnswer))


def survives(text: str) -> str:
    """Read, check, trace and report a config; returns what it came to."""
    with at_most(SECONDS):
        found = tracer.checks(text, "F")
    lines = text.splitlines() or [""]
    for d in found:
        assert d.code in manual(), d
        assert d.severity in ("error", "warning")
        printed = legible(d.message)
        assert d.message and printed.isprintable() and len(printed) <= 400, d
        assert d.span is not None, d
        for span in (d.span, *(r.span for r in d.related)):
            assert (1, 1) <= (span.line, span.column) <= (span.end_line, span.end_column), d
            assert span.end_line <= len(lines) + 1, d
            assert span.column <= len((*lines, "")[span.line - 1]) + 1, d
    assert found == sorted(found, key=lambda d: d.order)
    assert len({(d.code, d.span, d.message) for d in found}) == len(found), found
    for report in (full(found, {"F": text}), concise(found), github(found)):
        assert report.replace("\n", "").isprintable()
    msgspec.json.decode(to_json(check_answer(found)), type=CheckAnswer)
    assert sarif(found)["runs"]
    came_to = "refused"
    try:
        net = tracer.loads(text, "F")
    except tracer.TracerError as error:
        assert error.diagnostics
        assert {d.code for d in error.diagnostics} <= {d.code for d in found}
    else:
        came_to = "clean" if not found else "judged"
        written = to_json(trace_answer(net.trace(), judge(net)))
        answer = msgspec.json.decode(written, type=TraceAnswer)
        assert [node.name for node in answer.nodes] == [node.name for node in net.network.nodes]
        if len(answer.nodes) <= SMALL:
            trace_schema().validate(msgspec.json.decode(written))
        to_csv(net.trace(), 1), to_markdown(net.trace(), None)
        assert net.trace().graph.number_of_nodes() == len(net.network.nodes)
    return came_to


# --- texts ---------------------------------------------------------------------------------------------------------

TOKENS = [
    "${", "}", "${base}", "${1 // 0}", "${[1, 2]}", "&a ", "*a", "<<: *a", "<<", "!!int ", "!x ", "- ", "? ", ": ", ",",
    "[", "]", "{", "}", "'", '"', "|", ">", "#", "%", "@", "`", "---", "...", "\t", "\r", "\x00", "\x1b", "\u2028", "\ufeff",
    "\U0001f600", "null", "~", "true", "no", ".nan", ".inf", "-1", "0", "1e3", "10000000000000000000000", "0x10", "auto",
    "auto(0..3)", "auto(3..1)", "input", "from: ", "repeat: 3", "repeat: 100000", "expect: [_, _, H // 2, W]", "op: ",
    "Conv2d", "Concat", "Chunk", "align: crop", "output_size: input", "indices: pool1", "sizes: {H: {min: 1}}", "_", "[0]",
    ".0", "enc1.conv1", "layers:", "encoder:", "blocks:", "params:", "output: ", "args: ", "inputs: [a, b]",
]  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A real config with characters, tokens and lines cut out, put in, doubled, moved or mixed with another's."""
    text = draw(st.sampled_from(sources()))
    for _ in range(draw(st.integers(1, 6))):
        how = draw(
            st.sampled_from(
                ["cut", "put", "word", "line", "double", "swap", "mix", "indent", "chop"]
            )
        )
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        lines = text.split("\n")
        row = draw(st.integers(0, len(lines) - 1))
        if how == "cut":
            text = text[:at] + text[at + draw(st.integers(1, 12)) :]
        elif how == "put":
            text = text[:at] + draw(st.sampled_from(TOKENS) | st.text(max_size=4)) + text[at:]
        elif how == "word":
            words = text.split(" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(TOKENS))
            text = " ".join(words)
        elif how == "line":
            text = "\n".join(lines[:row] + lines[row + 1 :])
        elif how == "double":
            text = "\n".join([*lines[: row + 1], *lines[row:]])
        elif how == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[row], lines[other] = lines[other], lines[row]
            text = "\n".join(lines)
        elif how == "mix":
            others = draw(st.sampled_from(sources())).split("\n")
            start = draw(st.integers(0, len(others) - 1))
            text = "\n".join(
                [*lines[:row], *others[start : start + draw(st.integers(1, 5))], *lines[row:]]
            )
        elif how == "indent":
            lines[row] = draw(st.sampled_from(["", " ", "  ", "\t"])) + lines[row].strip()
            text = "\n".join(lines)
        else:
            text = text[:at]
    return text


@settings(max_examples=CASES)
@given(mangled())
def test_a_mangled_config(text: str) -> None:
    """A text near a real config never raises, and what is said about it stands inside of it."""
    survives(text)


@settings(max_examples=CASES)
@given(
    st.lists(
        st.sampled_from([*TOKENS, "\n", "\n  ", " "]) | st.text(max_size=3), max_size=40
    ).map("".join)
)
def test_a_random_text(text: str) -> None:
    """Neither does a text of no sense."""
    survives("input: [1, 3, 8, 8]\n" + text)
    survives(text)


EXPRESSION_TOKENS = [
    "H", "W", "base", "x", "1", "2", "0", "-1", "9", "1.5", "1e300", "'a'", "[", "]", "(", ")", ",", "+", "-", "*", "/", "//", "%",
    "**", "==", "!=", "<", "<=", ">", ">=", " if ", " else ", " and ", " or ", " not ", "min(", "max(", "len(", "round(",
    "true", "null", "None", "[1, 2]", "[0]*9", "**9", ".", "_", "é",
]  # fmt: skip


@settings(max_examples=CASES)
@given(
    st.lists(st.sampled_from(EXPRESSION_TOKENS), min_size=1, max_size=12).map("".join),
    st.sampled_from(["8", "[8, 9, 4]", "{min: 1, max: 200}", "{min: 0}"]),
)
def test_a_random_expression(expression: str, size: str) -> None:
    """An expression of no sense is refused where it stands: as a param, an argument, a dim, an expectation."""
    quoted = expression.replace("'", "''")
    for template in (
        "params: {base: 4, x: '${EXPR}'}\ninput: [1, 3, H, 8]\nsizes: {H: SIZE}\nlayers: {a: {op: Flatten, start_dim: '${x}'}}\n",
        "params: {base: 4}\ninput: [1, 3, H, 8]\nsizes: {H: SIZE}\nlayers: {a: {op: Conv2d, out_channels: '${EXPR}', kernel_size: 1}}\n",
        "params: {base: 4}\ninput: [1, 3, H, 8]\nsizes: {H: SIZE}\nlayers: {a: {op: ReLU, expect: [_, _, 'EXPR', _]}}\n",
        "params: {base: 4}\ninput: [1, 3, H, 8]\nsizes: {H: SIZE}\nlayers: {a: {op: Reshape, shape: [1, -1, 'EXPR']}}\n",
        "params: {base: 4}\ninput: [1, '${EXPR}', H, 8]\nsizes: {H: SIZE}\nlayers: {a: ReLU}\n",
        "input: [1, 3, H, 8]\nsizes: {H: SIZE}\nblocks: {b: {args: {x: '${EXPR}'}, layers: {c: {op: ReLU, repeat: '${x}'}}}}\nlayers: {a: b}\n",
    ):
        survives(template.replace("EXPR", quoted).replace("SIZE", size))


# --- trees ---------------------------------------------------------------------------------------------------------

WORDS = [
    "H", "W", "_", "input", "auto", "auto(1..3)", "auto(0..1)", "same", "valid", "reflect", "crop", "pad", "resize", "bilinear",
    "${base}", "${index}", "H // 2", "a[0]", "enc1", "pool1", "Conv2d", "ReLU", "Add", "Concat", "double_conv", "", "a b", "a.b",
]  # fmt: skip
NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, 3, 4, 7, 8, 31, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30, -(10**9)]
)
SCALARS = (
    NUMBERS
    | st.integers(-4, 20)
    | st.sampled_from([0.0, 0.5, 1.5, 2.0, -1.5, 1e300, math.inf, -math.inf, math.nan])
    | st.booleans()
    | st.none()
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every value inside of a tree, as its container and its key."""
    found: list[tuple[Any, Any]] = []
    for key, value in (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    ):
        found.append((tree, key))
        found += places(value)
    return found


@cache
def trees() -> list[Any]:
    loaded = []
    for text in sources():
        try:
            tree = yaml.safe_load(text)
        except yaml.YAMLError:
            continue
        if isinstance(tree, dict):
            loaded.append(tree)
    return loaded


@st.composite
def grafted(draw: st.DrawFn) -> str:
    """A real config's tree with values of any kind in some of its places."""
    tree = copy.deepcopy(draw(st.sampled_from(trees())))
    for _ in range(draw(st.integers(1, 4))):
        inside = places(tree)
        if not inside:
            break
        container, key = inside[draw(st.integers(0, len(inside) - 1))]
        how = draw(st.sampled_from(["replace", "replace", "scalar", "remove", "add", "move"]))
        if how == "replace":
            container[key] = draw(VALUES)
        elif how == "scalar":
            container[key] = draw(SCALARS)
        elif how == "remove":
            del container[key]
        elif how == "move":
            other, place = inside[draw(st.integers(0, len(inside) - 1))]
            container[key] = copy.deepcopy(other[place])
        elif isinstance(container, dict):
            container[draw(st.sampled_from([*WORDS, *NODE_WORDS]) | st.text(max_size=5))] = (
                draw(VALUES)
            )
        else:
            container.insert(key, draw(VALUES))
    return yaml.safe_dump(
        tree,
        sort_keys=False,
        allow_unicode=draw(st.booleans()),
        width=draw(st.sampled_from([40, 120])),
    )


NODE_WORDS = [
    "op",
    "from",
    "expect",
    "repeat",
    "align",
    "size",
    "output_size",
    "indices",
    "input",
    "sizes",
    "args",
    "layers",
]


@settings(max_examples=CASES)
@given(grafted())
def test_values_of_any_kind_in_any_place(text: str) -> None:
    """A well-formed text with values that no config has there."""
    survives(text)


# --- networks ------------------------------------------------------------------------------------------------------

DIMS = st.sampled_from([0, 1, 2, 3, 4, 6, 8, 16, 17, 30, 31, 32])


def argument(draw: st.DrawFn, field: Any) -> Any:
    """A value that is likely of the argument's kind."""
    if draw(st.integers(0, 39)) == 0:
        return draw(VALUES)
    kinds = getattr(field.type, "types", (field.type,))
    kind = kinds[draw(st.integers(0, len(kinds) - 1))]
    name = type(kind).__name__
    if name == "BoolType":
        return draw(st.booleans())
    if name == "IntType":
        return draw(st.integers(1, 4) | st.integers(1, 4) | st.integers(-2, 9) | NUMBERS)
    if name == "FloatType":
        return draw(st.sampled_from([0.5, 0.5, 1.0, 2.0, 0.0, 1.7, -1.0, 1e-9]))
    if name == "LiteralType":
        return draw(st.sampled_from(kind.values))
    if name in ("VarTupleType", "ListType", "TupleType"):
        return draw(
            st.lists(st.integers(1, 4), min_size=1, max_size=3)
            | st.lists(st.integers(-2, 9), max_size=4)
        )
    if name == "StrType":
        return draw(st.sampled_from(["input", "n0", "n1", "n2", "b", "same", "relu"]))
    return None


@st.composite
def graphs(draw: st.DrawFn) -> str:
    """Operations with random arguments in a random graph, some in blocks, some repeated, some with an expectation."""
    rank = draw(st.sampled_from([0, 1, 2, 3, 4, 4, 4, 5, 6]))
    symbols = ["N", "C", "D", "H", "W", "L"][-rank:] if rank else []
    shape = [draw(DIMS | st.just(symbol)) for symbol in symbols]
    sizes = {
        symbol: draw(
            DIMS
            | st.lists(DIMS, min_size=1, max_size=3)
            | st.just({"min": 1, "max": 90})
            | st.just({"min": 2, "step": 2})
        )
        for symbol in symbols
        if symbol in shape
    }
    names = ["input"]

    def layer(name: str, known: list[str]) -> Any:
        op = draw(st.sampled_from(operation_names()))
        cls = find_operation(op)
        assert cls is not None
        node: dict[str, Any] = {"op": op}
        for field in msgspec.inspect.type_info(cls).fields:  # type: ignore[attr-defined]
            if field.required or draw(st.integers(0, 9)) == 0:
                node[field.encode_name] = argument(draw, field)
        for field in sorted(cls.solvable):
            if draw(st.integers(0, 19)) == 0:
                node[field] = draw(st.sampled_from(["auto", "auto(1..3)", ["auto", 1]]))
        if cls.arity != (1, 1) or draw(st.integers(0, 3)) == 0:
            count = (
                draw(st.integers(cls.arity[0], 3))
                if draw(st.integers(0, 9))
                else draw(st.integers(0, 3))
            )
            node["from"] = [draw(st.sampled_from(known)) for _ in range(count)]
        if draw(st.integers(0, 5)) == 0:
            node["repeat"] = draw(st.integers(1, 3) | st.integers(-1, 4))
        if draw(st.integers(0, 5)) == 0:
            known_dims = [
                "_",
                "_",
                *(
                    f"{symbol}{rest}"
                    for symbol in sizes
                    for rest in ("", " // 2", " - 1", " * 2")
                ),
            ]
            node["expect"] = [draw(st.sampled_from(known_dims) | DIMS) for _ in range(rank)]
        known.append(name)
        return node

    config: dict[str, Any] = {"input": shape}
    if sizes and draw(st.integers(0, 19)):
        config["sizes"] = sizes
    inner = ["input"]
    config["blocks"] = {
        "b": {
            "layers": {f"i{i}": layer(f"i{i}", inner) for i in range(draw(st.integers(1, 3)))}
        }
    }
    layers: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 6))):
        if draw(st.integers(0, 4)) == 0:
            layers[f"n{i}"] = {"op": "b", "repeat": 2} if draw(st.booleans()) else "b"
            names.append(f"n{i}")
        else:
            layers[f"n{i}"] = layer(f"n{i}", names)
    config["layers"] = layers
    if draw(st.integers(0, 4)) == 0:
        config["output"] = {
            draw(st.sampled_from(names)): [draw(DIMS) for _ in range(draw(st.integers(0, 4)))]
        }
    return yaml.safe_dump(config, sort_keys=False)


@settings(max_examples=CASES)
@given(graphs())
def test_random_graphs(text: str) -> None:
    """Any operation with any arguments on any input is traced or refused."""
    survives(text)


@st.composite
def almost_right(draw: st.DrawFn) -> str:
    """A network that works, or nearly, with one value changed, taken out or put in."""
    drawn = draw(networks() | networks_to_solve())
    tree = yaml.safe_load(drawn.text)
    tree["sizes"] = {
        symbol: draw(
            st.sampled_from(
                [size, [size, size + 1, max(size - 1, 0)], {"min": size, "max": size + 90}]
            )
        )
        for symbol, size in drawn.sizes.items()
    }
    inside = [
        (container, key)
        for container, key in places(tree)
        if not isinstance(container[key], dict)
    ]
    container, key = inside[draw(st.integers(0, len(inside) - 1))]
    value = container[key]
    if isinstance(value, int) and not isinstance(value, bool):
        container[key] = value + draw(st.sampled_from([-1, 1, 1, 2, -value, 1000]))
    elif draw(st.booleans()):
        container[key] = draw(SCALARS)
    else:
        del container[key]
    return yaml.safe_dump(tree, sort_keys=False)


@settings(max_examples=CASES)
@given(almost_right())
def test_one_wrong_value_in_a_network(text: str) -> None:
    """What is said about it is of one cause: few diagnostics, or warnings."""
    survives(text)


def test_the_same_answer_every_time() -> None:
    """Diagnostics do not depend on what was read before: memos of equal layers keep nothing of a file."""
    texts = sources()
    first = [tracer.checks(text) for text in texts]
    order = list(range(len(texts)))
    random.Random(1).shuffle(order)
    for index in order:
        assert tracer.checks(texts[index]) == first[index]


@pytest.mark.parametrize("text", sources()[:20])
def test_every_beginning_of_a_config(text: str) -> None:
    """A config that is being written: cut off after any line."""
    lines = text.splitlines(keepends=True)
    for count in range(0, len(lines), max(len(lines) // 25, 1)):
        survives("".join(lines[:count]))
