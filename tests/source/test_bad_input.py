# ruff: noqa: E501  (a case stands on one line, so that it can be read beside its diagnostics)
"""Bad input: each gets its diagnostics, with their places, in less than a second and 256 MiB, and no traceback.

Every case runs the command line in a process of its own, forked from one that has imported it, under limits of
processor time and memory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests import ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="measures processes by fork and wait4"
)

SECONDS = 0.8
"""Of processor time; starting Python and importing the command line takes the rest of the second."""

MEBIBYTES = 256

# Runs the command line for each list of arguments on standard input, in a process of its own.
_SERVER = """
import json, os, resource, sys
import tracer.commands.check, tracer.commands.trace
from tracer.commands import main

for line in sys.stdin:
    arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["tracer", *arguments]
        main()
    _, status, used = os.wait4(child, 0)
    answer = {
        "code": os.waitstatus_to_exitcode(status),
        "out": open("out", errors="replace").read(),
        "err": open("err", errors="replace").read(),
        "seconds": used.ru_utime + used.ru_stime,
        "mebibytes": used.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20),
    }
    print(json.dumps(answer), flush=True)
"""


class Run(NamedTuple):
    """What a command did and used."""

    code: int
    out: str
    err: str
    seconds: float
    mebibytes: float


Command = Callable[..., Run]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Runs the command line in an empty directory; fails the test where it takes too much or shows a traceback."""
    root = ROOT
    directory = tmp_path_factory.mktemp("run")
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
    )
    assert server.stdin is not None and server.stdout is not None
    send, answers = server.stdin, server.stdout

    def run(*arguments: str, config: str | bytes | None = None) -> Run:
        if config is not None:
            raw = config if isinstance(config, bytes) else config.encode()
            (directory / "F").write_bytes(raw)
        send.write(json.dumps(arguments) + "\n")
        send.flush()
        done = Run(**json.loads(answers.readline()))
        assert done.code in (0, 1, 2), done
        assert "Traceback" not in done.err and "internal error" not in done.err
        assert done.seconds < SECONDS, done
        assert done.mebibytes < MEBIBYTES, done
        return done

    run.directory = directory  # type: ignore[attr-defined]
    yield run
    server.stdin.close()
    server.wait()


_LINE = re.compile(
    r"(?P<path>F)(?::(?P<place>\d+:\d+))?: (?:error|warning)\[(?P<code>T\d\d\d)\] \S.*"
)


def told(run: Run) -> str:
    """The diagnostics of a concise report: ``3:13 T101, 4:1 T003``."""
    found = []
    for line in run.out.splitlines():
        match = _LINE.fullmatch(line)
        assert match, line
        found.append(f"{match['place']} {match['code']}")
    return ", ".join(found)


HEAD = "input: [1, 3, 8, 8]\n"
RELU = "layers: {a: ReLU}\n"


def nested(key: str, opening: str, closing: str, depth: int) -> str:
    return f"{HEAD}{key}: {opening * depth}{closing * depth}\n"


def aliases(indent: str, leaf: str = "1") -> str:
    """Nine lists, each of nine times the one before: 9**9 values."""
    lines = [f"a0: &a0 [{', '.join([leaf] * 9)}]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "".join(f"{indent}{line}\n" for line in lines)


def doubling(levels: int, last: str) -> str:
    """Blocks that use the next one twice: 2**levels nodes."""
    lines = [f"  b{i}: {{layers: {{x: b{i + 1}, y: b{i + 1}}}}}" for i in range(levels)]
    return (
        "\n".join(
            [
                HEAD + "blocks:",
                *lines,
                f"  b{levels}: {{layers: {{x: {last}}}}}",
                "layers: {a: b0}",
            ]
        )
        + "\n"
    )


def conv(argument: str) -> str:
    return f"{HEAD}layers:\n  a: {{op: Conv2d, out_channels: 3, {argument}}}\n"


def node(rest: str) -> str:
    return f"{HEAD}layers: {{a: {{{rest}}}}}\n"


def sized(sizes: str, rest: str = RELU) -> str:
    return f"input: [1, 3, H, 8]\nsizes: {{H: {sizes}}}\n{rest}"


def expected(dim: str) -> str:
    return sized(
        "{min: 8, max: 1000}", f"layers: {{a: {{op: ReLU, expect: [_, _, {dim}, _]}}}}\n"
    )


def each(lines: range, rest: str) -> str:
    """The same diagnostic on each of these lines."""
    return ", ".join(f"{line}:{rest}" for line in lines)


DEEP = "2:* T006"
"""Nesting that PyYAML 6.0.4's scanner refuses, ahead of our guard: where, its version decides."""

CASES: dict[str, tuple[str | bytes, str]] = {
    # Aliases that grow: nothing is expanded before it is counted.
    "aliases at the top": (HEAD + aliases("") + RELU, each(range(2, 11), "1 T003")),
    "aliases in params": ("params:\n" + aliases("  ") + HEAD + RELU, each(range(6, 11), "7 T006")),
    "aliases in an argument": (
        f"{HEAD}layers:\n  a:\n    op: Conv2d\n    out_channels: 3\n    kernel_size:\n"
        + "".join(f"      - {line.partition(': ')[2]}\n" for line in aliases("").splitlines()), "7:7 T006",
    ),
    "aliases in block args": (
        f"{HEAD}blocks:\n  b:\n    args:\n{aliases('      ')}    layers: {{c: ReLU}}\nlayers: {{a: b}}\n", "9:11 T006",
    ),
    "aliases in layers": (
        f"{HEAD}layers:\n  a0: &a0 {{op: ReLU}}\n"
        + "".join(f"  a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)), "",
    ),
    "aliases through merge keys": (
        f"{HEAD}name: n\nlayers:\n  a: &a0 {{op: ReLU, x0: 1}}\n"
        + "".join(f"  a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], x{i}: 1}}\n" for i in range(1, 10)), "4:21 T003, " + each(range(5, 14), "63 T003"),
    ),
    "merge keys of many keys": (
        f"{HEAD}x: &x {{{', '.join(f'k{i}: 1' for i in range(1000))}}}\ny: &y [{', '.join(['*x'] * 1000)}]\n"
        f"layers:\n  a: {{<<: *y}}\n", "2:4 T006",
    ),
    "aliases in from": (
        f"{HEAD}layers:\n  a: {{op: Concat, from: &a0 [input, input]}}\n"
        + "".join(f"  b{i}: {{op: Concat, from: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 3)), "3:25 T004, 4:26 T004",
    ),
    "aliases in expect": (
        f"{HEAD}layers:\n  a: {{op: ReLU, expect: &a0 [1, 3, 8, 8]}}\n"
        + "".join(f"  b{i}: {{op: ReLU, expect: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 3)), "3:25 T004, 4:26 T004",
    ),
    # Aliases that circle.
    "a circle in a list": (node("op: ReLU, inplace: &x [*x]"), "2:33 T006"),
    "a circle in a mapping": (f"{HEAD}layers: &x {{a: *x}}\n", "2:13 T201"),
    "a circle in params": (f"params: &x {{a: *x}}\n{HEAD}{RELU}", "1:9 T004"),
    "a circle in a merge key": (f"{HEAD}layers: &x {{<<: *x, a: ReLU}}\n", "2:9 T006"),
    "a circle in a list of merge keys": (f"{HEAD}layers: &x {{<<: [*x], a: ReLU}}\n", "2:9 T006"),
    "a circle of two merge keys": (f"{HEAD}layers: &x {{a: &y {{<<: *x, op: ReLU}}, <<: *y}}\n", "2:9 T006"),
    "a circle in blocks": (f"{HEAD}blocks: {{b: &x {{layers: {{c: *x}}}}}}\nlayers: {{a: b}}\n", "2:26 T201"),
    "a circle in from": (node("op: Concat, from: &x [*x]"), "2:32 T004"),
    "a circle in expect": (node("op: ReLU, expect: &x [*x]"), "2:32 T004"),
    "a circle in sizes": ("input: [1, 3, H, H]\nsizes: &x {H: *x}\n" + RELU, "2:12 T003"),
    # Large files.
    "ten megabytes": (HEAD + RELU + "# x\n" * 2_600_000, "1:1 T006"),
    "seven megabytes of comments": (HEAD + RELU + "# x\n" * 200_000 + "#" * 6_200_000, ""),
    "seven megabytes of one text": (f"{HEAD}{RELU}name: {'x' * 7_000_000}\n", ""),
    "millions of values": (node(f"op: ReLU, inplace: [{'1,' * 3_900_000}]"), "1:1 T006"),
    "twenty thousand unknown keys": (
        HEAD + "".join(f"x{i}: 1\n" for i in range(20_000)) + RELU,
        each(range(2, 202), "1 T003") + ", 202:1 T006",
    ),
    "ten thousand unknown operations": (
        HEAD + "layers:\n" + "".join(f"  a{i}: Conv{i}\n" for i in range(10_000)),
        f"{each(range(3, 13), '7 T101')}, {each(range(13, 103), '8 T101')}, {each(range(103, 203), '9 T101')}, 203:9 T006",
    ),
    # Nesting.
    "nested lists": (nested("layers", "[", "]", 10_000), DEEP),
    "nested lists that are not closed": (nested("layers", "[", "", 10_000), DEEP),
    "nested mappings": (nested("layers", "{a: ", "}", 10_000), "2:161 T006"),
    "nested lists of the parser's stack": (nested("layers", "[", "]", 3_000), DEEP),
    "nested sequences in block style": (f"{HEAD}layers:\n  {'- ' * 10_000}x\n", "3:79 T006"),
    "nested keys in block style": (f"{HEAD}layers:\n  {'? ' * 10_000}x\n", "3:79 T006"),
    "nested by indentation": (HEAD + "layers:\n" + "".join(" " * (i + 1) + "a:\n" for i in range(2_500)), "41:40 T006"),
    "nested in a value": (node(f"op: ReLU, inplace: {'[' * 100}{']' * 100}"), "2:33 T006"),
    "parentheses": (conv(f"kernel_size: '${{{'(' * 10_000}1{')' * 10_000}}}'"), "3:49 T005"),
    "parentheses of a short expression": (conv(f"kernel_size: '${{{'(' * 900}1{')' * 900}}}'"), "3:49 T005"),
    "many signs": (conv(f"kernel_size: '${{{'-' * 1900}1}}'"), "3:49 T005"),
    "a tower of powers": (conv(f"kernel_size: '${{{'1**' * 600}1}}'"), "3:49 T005"),
    "blocks in blocks in blocks": (
        HEAD + "blocks:\n" + "".join(f"  b{i}: {{layers: {{x: b{i + 1}}}}}\n" for i in range(2_000))
        + "  b2000: {layers: {x: ReLU}}\nlayers: {a: b0}\n", "26:21 T006",
    ),
    # Blocks and repeats that grow.
    "a repeat of 10**9": (node("op: ReLU, repeat: 1000000000"), "2:32 T006"),
    "a repeat of 10**30": (node(f"op: ReLU, repeat: 1{'0' * 30}"), "2:32 T202"),
    "repeats in blocks": (
        f"{HEAD}blocks:\n  c: {{layers: {{x: {{op: ReLU, repeat: 1000}}}}}}\n"
        "  b: {layers: {x: {op: c, repeat: 1000}}}\nlayers: {a: {op: b, repeat: 1000}}\n", "5:10 T006",
    ),
    "repeats of a param": (
        f"params: {{n: 1000}}\n{HEAD}blocks:\n  c: {{layers: {{x: {{op: ReLU, repeat: 1000}}}}}}\n"
        'layers: {a: {op: c, repeat: "${n}"}}\n', "5:10 T006",
    ),
    "repeats of a faulty block": (
        f"{HEAD}blocks:\n  c: {{layers: {{x: Foo, y: {{op: Conv2d, repeat: 10}}}}}}\n"
        "  b: {layers: {x: {op: c, repeat: 100}}}\nlayers: {a: {op: b, repeat: 50}}\n", "3:19 T101, 3:32 T201",
    ),
    "doubling blocks": (doubling(22, "ReLU"), "26:10 T006"),
    "doubling blocks of a fault": (doubling(22, "Foo"), "26:10 T006"),
    "doubling blocks of unknown size": (doubling(12, "{op: ReLU, repeat: '${1 + 1}'}"), ""),
    "blocks that all use each other": (
        HEAD + "blocks:\n"
        + "".join(f"  b{i}: {{layers: {{{', '.join(f'x{j}: b{j}' for j in range(20) if j != i)}}}}}\n" for i in range(20))
        + "layers: {a: b0}\n", "4:21 T103",
    ),
    "chunks": (f"{HEAD}layers:\n  a: {{op: Chunk, chunks: 1000000000, dim: 1}}\n  b: {{op: ReLU, from: 'a[0]'}}\n", "3:26 T006"),
    "negative chunks": (f"{HEAD}layers:\n  a: {{op: Chunk, chunks: -1, dim: 1}}\n  b: {{op: ReLU, from: 'a[0]'}}\n", "3:26 T202"),
    # Characters.
    "NUL": (f"{HEAD}layers: {{a: Re\0LU}}\n", "2:15 T001"),
    "a control character": (f"{HEAD}layers: {{a: Re\x01LU}}\n", "2:15 T001"),
    "an escape sequence": (f"{HEAD}layers: {{a: Re\x1b[31mLU}}\n", "2:15 T001"),
    "an escaped control character": (f'{HEAD}layers: {{"\\e[31m": ReLU}}\n', "2:10 T004"),
    "a character that turns the text": (f'{HEAD}layers: {{"a\\u202eb": ReLU}}\n', "2:10 T004"),
    "a lone surrogate": (b"input: [1, 3, 8, 8]\nlayers: {a: \xed\xa0\x80}\n", "2:13 T001"),
    "an escaped surrogate": (f'{HEAD}layers: {{a: "\\ud800"}}\n', "2:16 T001"),
    "no UTF-8": (b"input: [1, 3, 8, 8]\nlayers: {a: \xff}\n", "2:13 T001"),
    "UTF-16": ((HEAD + RELU).encode("utf-16"), "1:1 T001"),
    "UTF-16 without a mark": ((HEAD + RELU).encode("utf-16-le"), "1:2 T001"),
    "UTF-32": ((HEAD + RELU).encode("utf-32"), "1:1 T001"),
    "a byte order mark": (b"\xef\xbb\xbf" + (HEAD + "layers: {a: Foo}\n").encode(), "2:13 T101"),
    "CRLF": (HEAD.replace("\n", "\r\n") + "layers:\r\n  a: Foo\r\n", "3:6 T101"),
    "CR": (HEAD.replace("\n", "\r") + "layers:\r  a: Foo\r", "3:6 T101"),
    "no UTF-8 after CR": (b"input: [1, 3, 8, 8]\rlayers:\r  a: \xff\r", "3:6 T001"),
    "a tab": (f"{HEAD}layers:\n\ta: ReLU\n", "3:1 T001"),
    "markup in names": (f'{HEAD}layers: {{"<b>": "[bold]x[/bold]"}}\n', "2:17 T101"),
    # Documents.
    "an empty file": ("", "1:1 T603"),
    "blank lines": ("  \n\n", "1:1 T603"),
    "comments only": ("# one\n# two\n", "1:1 T603"),
    "an empty document": ("---\n", "1:1 T603"),
    "several documents": (f"{HEAD}{RELU}---\n{HEAD}{RELU}", "3:1 T001"),
    "a text": ("hello\n", "1:1 T603"),
    "a number": ("5\n", "1:1 T603"),
    "a list": ("[1, 2]\n", "1:1 T603"),
    "null": ("null\n", "1:1 T603"),
    "an unclosed mapping": (f"{HEAD}layers: {{a: {{op: Conv2d\n", "3:1 T001"),
    "an unknown anchor": (f"{HEAD}layers: {{a: *x}}\n", "2:13 T001"),
    "an anchor twice": (f"{HEAD}layers: {{a: &x ReLU, b: &x ReLU}}\n", "2:25 T001"),
    "another YAML": (f"%YAML 3.0\n---\n{HEAD}{RELU}", "1:1 T001"),
    # Tags.
    "a tag that runs code": (f"{HEAD}layers: {{a: !!python/object/apply:os.system ['true']}}\n", "2:13 T001"),
    "a tag that names an object": (f"{HEAD}layers: {{a: !!python/name:os.system }}\n", "2:13 T001"),
    "an unknown tag": (f"{HEAD}layers: {{a: !foo ReLU}}\n", "2:13 T001"),
    "an unknown tag on a mapping": (f"{HEAD}layers: !foo {{a: ReLU}}\n", "2:9 T001"),
    "an unknown tag on a key": (f"{HEAD}layers: {{!foo a: ReLU}}\n", "2:10 T001"),
    "an unknown tag on the name": (f"name: !foo x\n{HEAD}{RELU}", "1:7 T001"),
    "a tag of YAML that is not plain": (f"{HEAD}layers: !!set {{a, b}}\n", "2:9 T001"),
    "a tag that lies": (conv("kernel_size: !!int abc"), "3:49 T004"),
    "a tag of another kind": (f"{HEAD}layers: !!seq {{a: ReLU}}\n", "2:9 T004"),
    # Keys.
    "a null key": (f"{HEAD}layers: {{~: ReLU}}\n", "2:10 T004"),
    "a key without text": (f"{HEAD}layers:\n  : ReLU\n", "3:3 T001"),
    "an empty key": (f"{HEAD}layers: {{'': ReLU}}\n", "2:10 T004"),
    "a true key": (f"{HEAD}true: 1\n{RELU}", "2:1 T004"),
    "a numeric key": (f"1: 1\n{HEAD}{RELU}", "1:1 T003"),
    "a list as key": (f"{HEAD}layers: {{[a]: ReLU}}\n", "2:10 T004"),
    "a mapping as key": (f"{HEAD}layers: {{{{a: b}}: ReLU}}\n", "2:10 T004"),
    "a key twice": (f"{HEAD}layers: {{a: ReLU, a: ReLU, b: {{op: ReLU, from: a}}}}\n", "2:19 T002"),
    "a section twice": (f"{HEAD}layers: {{a: ReLU}}\nlayers: {{b: ReLU}}\noutput: b\n", "3:1 T002"),
    "an argument twice": (node("op: ReLU, op: ReLU"), "2:24 T002"),
    "an unknown key": (f"{HEAD}layer: {{a: ReLU}}\n{RELU}", "2:1 T003"),
    # Sections.
    "no sections": (HEAD, "1:1 T201"),
    "an empty section beside another": (f"{HEAD}encoder:\ndecoder: {{a: ReLU}}\n", ""),
    "empty sections": (f"{HEAD}encoder:\ndecoder: null\n", "2:1 T201"),
    "layers: []": (f"{HEAD}layers: []\n", "2:9 T004"),
    "layers: {}": (f"{HEAD}layers: {{}}\n", "2:1 T201"),
    "layers: 5": (f"{HEAD}layers: 5\n", "2:9 T004"),
    "a list of layers": (f"{HEAD}layers: [ReLU, ReLU]\noutput: a\n", "2:9 T004"),
    "blocks that are a list": (f"{HEAD}blocks: [a]\nlayers: {{a: b}}\n", "2:9 T004"),
    "params that are a list": (f'params: [a]\n{HEAD}layers: {{a: "${{b}}"}}\n', "1:9 T004"),
    "a block without layers": (f"{HEAD}blocks: {{b: {{args: {{}}}}}}\nlayers: {{a: b, c: b}}\n", "2:10 T201"),
    "a block of no layers": (f"{HEAD}blocks: {{b: {{layers: {{}}}}}}\nlayers: {{a: b}}\n", "2:14 T004"),
    # Inputs.
    "no input": (RELU, "1:1 T201"),
    "input:": (f"input:\n{RELU}", "1:7 T004"),
    "input: {}": (f"input: {{}}\n{RELU}", "1:8 T004"),
    "input: abc": (f"input: abc\n{RELU}", "1:8 T004"),
    "a thousand dims": (f"input: [{', '.join(['1'] * 1000)}]\n{RELU}", "1:8 T006"),
    "a negative dim": (f"input: [1, 3, -8, 8]\n{RELU}", "1:15 T202"),
    "a dim that is a sum": (f"input: [1, 3, H + 1, 8]\n{RELU}", "1:15 T005"),
    "a dim that is a list": (f"input: [1, 3, [8], 8]\n{RELU}", "1:15 T004"),
    "any dim of an input": (f"input: [_, 3, 8, 8]\n{RELU}", "1:9 T004"),
    "one faulty input of two": (
        "input: {a: [1, 3], b: [1, -3]}\nlayers:\n  x: {op: Add, from: [a, b]}\n  y: {op: ReLU, from: c}\n", "1:27 T202, 4:23 T102",
    ),
    "dims of more than 63 bits": (
        f"input: [1, 3, 1{'0' * 18}, 8]\n"
        "layers: {a: {op: ConvTranspose2d, out_channels: 3, kernel_size: 100, stride: 100}, b: ReLU}\n", "2:10 T006",
    ),
    "a product of more than 63 bits": (
        f"input: [1{'0' * 18}, 3, 1{'0' * 18}, 8]\nlayers: {{a: Flatten, b: {{op: Flatten, start_dim: 0}}}}\n", "2:10 T006",
    ),
    # Sizes and expectations.
    "a symbol without a size": (f"input: [1, 3, H, W]\n{RELU}", "1:15 T201, 1:18 T201"),
    "a size of no symbol": (f"input: [1, 3, H, 8]\nsizes: {{H: 8, h: 8}}\n{RELU}", "2:15 T003"),
    "a size without symbols": (f"{HEAD}sizes: {{H: 8}}\n{RELU}", "2:9 T003"),
    "sizes: []": (f"input: [1, 3, H, 8]\nsizes: [8]\n{RELU}", "2:8 T004"),
    "no size": (sized("[]"), "2:12 T202"),
    "a negative size": (sized("-8"), "2:12 T202"),
    "a range without end, upside down": (sized("{min: 8, max: 2}"), "2:12 T202"),
    "a range of unknown keys": (sized("{min: 8, maximum: 9}"), "2:21 T003"),
    "a range of steps beyond 63 bits": (sized(f"{{min: 1, step: {2**63 - 1}}}"), ""),
    "a range up to 63 bits": (
        sized(f"{{min: 1, max: {2**63 - 1}, step: {2**60}}}",
              "layers: {a: {op: ConvTranspose2d, out_channels: 3, kernel_size: 100, stride: 100}}\n"), "2:12 T305",
    ),
    "a range whose products leave 63 bits": (
        sized("{min: 1, max: 100000}",
              "layers:\n" + "".join(f"  a{i}: {{op: ConvTranspose2d, out_channels: 3, kernel_size: 1, "
                                    "stride: [1000000000, 1]}\n" for i in range(3))), "2:12 T305, 4:59 T504, 5:59 T504, 6:59 T504",
    ),
    "an unknown symbol": (node("op: ReLU, expect: [_, _, Q // 2, _]"), "2:39 T005"),
    "an expectation that is a text": (node("op: ReLU, expect: abc"), "2:32 T004"),
    "an expectation that is nothing": (node("op: ReLU, expect: "), "2:32 T004"),
    "division by zero for every size": (expected("H // 0"), "3:32 T005"),
    "division by zero for some size": (expected("H // (H - 8) + H // 1"), "3:32 T005"),
    "division by zero for one size": (expected("H + 0 * (1 // (H - 9))"), ""),
    "division of a symbol": (expected("H / 1"), ""),
    "a choice by a symbol": (expected("H if H > 8 else 8"), ""),
    "a float times a symbol": (expected("H * 1.0"), ""),
    "a symbol rounded": (expected("round(H)"), ""),
    "a float that no size is": (expected("H * 0.5"), "3:32 T304"),
    "a list of a symbol": (expected("'[H]'"), "3:32 T005"),
    "a large power of a symbol": (expected("H ** 50"), "3:32 T005"),
    "a large polynomial": (
        "input: [A, B, H, W]\nsizes: {A: 1, B: 0, H: {min: 0, max: 99}, W: 0}\n"
        "layers: {a: {op: ReLU, expect: [_, _, ((A + B + W + H * 0) ** 60) ** 60 + H - 1, _]}}\n", "",
    ),
    # Operations, inputs of nodes.
    "op: 5": (node("op: 5"), "2:18 T004"),
    "op: [ReLU]": (node("op: [ReLU]"), "2:18 T004"),
    "op:": (node("op: "), "2:18 T004"),
    "op that is a mapping": (node("op: {x: 1}"), "2:18 T004"),
    "op that comes out as a number": ("params: {x: 5}\n" + node('op: "${x}"'), "3:18 T004"),
    "a node that is a number": (f"{HEAD}layers: {{a: 5}}\n", "2:13 T004"),
    "a node that is a list": (f"{HEAD}layers: {{a: [ReLU]}}\n", "2:13 T004"),
    "a node of nothing": (f"{HEAD}layers:\n  a:\n  b: {{op: ReLU, from: a}}\n", "3:3 T201"),
    "from: []": (node("op: ReLU, from: []"), "2:30 T106"),
    "from:": (node("op: ReLU, from: "), "2:30 T004"),
    "from: [a, [b]]": (node("op: Add, from: [input, [input]]"), "2:37 T004"),
    "from: {}": (node("op: Add, from: {}"), "2:29 T004"),
    "from: 5": (node("op: ReLU, from: 5"), "2:30 T102"),
    "from an expression": (node('op: ReLU, from: "${x}"'), "2:30 T005"),
    "from itself": (node("op: Add, from: [a, input]"), "2:10 T103"),
    "from itself, repeated": (node("op: Add, from: [input, a], repeat: 3"), "2:10 T103"),
    "from the block's own input": (f"{HEAD}blocks: {{b: {{layers: {{x: ReLU}}}}}}\nlayers: {{a: {{op: b, from: a.input}}}}\n", "3:27 T103"),
    "from each other's inputs": (
        f"{HEAD}blocks: {{b: {{layers: {{x: ReLU}}}}}}\n"
        "layers:\n  a: {op: b, from: c.input}\n  c: {op: b, from: a.input}\n", "4:20 T103",
    ),
    "from inside a faulty block": (
        f"{HEAD}blocks: {{b: {{args: {{n: null}}, layers: {{x: ReLU}}}}}}\n"
        "layers:\n  a: b\n  c: {op: Add, from: [a, a.x]}\n", "4:6 T201",
    ),
    "output: {}": (f"{HEAD}{RELU}output: {{}}\n", "3:9 T106"),
    "output: []": (f"{HEAD}{RELU}output: []\n", "3:9 T106"),
    "output of an unknown node": (f"{HEAD}{RELU}output: b\n", "3:9 T102"),
    # Numbers.
    "a kernel of 10**30": (conv(f"kernel_size: 1{'0' * 30}"), "3:49 T202"),
    "a kernel of 10**25": (conv(f"kernel_size: 1{'0' * 25}"), "3:49 T202"),
    "a kernel of 10**18": (conv(f"kernel_size: 1{'0' * 18}"), "3:49 T202"),
    "5000 digits": (conv(f"kernel_size: {'9' * 5000}"), "3:49 T202"),
    "5000 digits and a half": (conv(f"kernel_size: {'9' * 5000}.5"), "3:49 T004"),
    "5000 hexadecimal digits": (conv(f"kernel_size: 0x{'f' * 5000}"), "3:49 T004"),
    "NaN": (conv("kernel_size: .nan"), "3:49 T202"),
    "NaN in a list": (conv("kernel_size: [1, .nan]"), "3:53 T202"),
    "NaN as a float": (node("op: Dropout, p: .NaN"), "2:30 T202"),
    "NaN as a param": (f'params: {{p: .nan}}\n{HEAD}layers: {{a: {{op: Dropout, p: "${{p}}"}}}}\n', "1:13 T202"),
    "NaN as a dim": (f"input: [1, 3, .nan, 8]\n{RELU}", "1:15 T202"),
    "infinity": (conv("kernel_size: .inf"), "3:49 T004"),
    "infinity as a float": (node("op: Upsample, scale_factor: .inf"), "2:42 T202"),
    "a scale of 10**300": (node("op: Upsample, scale_factor: 1e300"), "2:42 T202"),
    "yes": (conv("kernel_size: 1, bias: yes"), "3:58 T004"),
    "off": (conv("kernel_size: 1, bias: off"), "3:58 T004"),
    "true for a number": (conv("kernel_size: true"), "3:49 T004"),
    "a number for true": (conv("kernel_size: 1, bias: 1"), "3:58 T004"),
    "octal of YAML 1.1": (conv("kernel_size: 017"), "3:49 T004"),
    "sexagesimal": (conv("kernel_size: 1:30"), "3:49 T004"),
    "a list of 19000": (conv(f"kernel_size: [{','.join(['1'] * 19_000)}]"), "3:49 T006"),
    "a list of 25000": (conv(f"kernel_size: [{','.join(['1'] * 25_000)}]"), "3:49 T006"),
    "a permutation of 900": (node(f"op: Permute, dims: [{','.join(map(str, range(900)))}]"), "2:33 T203"),
    "a permutation to 10**18": (node(f"op: Permute, dims: [0, 1, 2, 1{'0' * 18}]"), "2:33 T202"),
    "a huge Fold": (node("op: Fold, output_size: 1000000000000, kernel_size: 1"), "2:37 T202"),
    "a huge Fold of few blocks": ("input: [1, 3, 8]\nlayers: {a: {op: Fold, output_size: [2000000000, 2000000000], kernel_size: 1}}\n", "2:37 T302"),
    "a huge Unfold": (f"input: [1, 3{'0' * 12}, 2{'0' * 12}, 2{'0' * 9}]\nlayers: {{a: {{op: Unfold, kernel_size: [2000000, 2000000]}}}}\n", "2:10 T006"),
    "a huge shuffle": (node("op: PixelShuffle, upscale_factor: 9000000000000000000"), "2:48 T202"),
    # Autos.
    "an empty domain": (node("op: MaxPool2d, kernel_size: auto(5..2)"), "2:42 T202"),
    "a domain below the legal": (node("op: MaxPool2d, kernel_size: auto(-5..2)"), "2:42 T202"),
    "a domain of 10**9": (node("op: MaxPool2d, kernel_size: auto(1..999999999), expect: [1, 3, 4, 4]"), ""),
    "a domain of 10**9 in vain": (node("op: MaxPool2d, kernel_size: auto(1..999999999), expect: [1, 3, 40, 4]"), "2:42 T006"),
    "a misspelt auto": (node("op: MaxPool2d, kernel_size: automatic"), "2:42 T004"),
    "an auto where none is": (conv("kernel_size: 1, groups: auto"), "3:60 T004"),
    # Long texts, of which a message shows the beginning and the end.
    "a long name of an operation": (f"{HEAD}layers: {{a: {'Conv2d' * 100_000}}}\n", "2:13 T101"),
    "an underscore behind a number": (conv("kernel_size: 3_"), "3:49 T004"),
    "two underscores in a number": (conv("kernel_size: 1__1"), "3:49 T004"),
    "an underscore in a number": (conv("kernel_size: 1_1, padding: 1_0"), ""),
    "an underscore behind a dim": ("input: [1, 3_, 8, 8]\nlayers: {a: ReLU}\n", "1:12 T005"),
    "a long word for a number": (conv(f"kernel_size: {'a' * 100_000}"), "3:49 T004"),
    "a long name under from": (node(f"op: ReLU, from: {'a' * 100_000}"), "2:30 T102"),
    "a long expression": (conv(f"kernel_size: '${{{'1+' * 50_000}1}}'"), "3:49 T005"),
    "many expressions in a text": (node(f"op: ReLU, inplace: '{'${1}' * 100_000}'"), "2:33 T006"),
    "many openings of an expression": (node(f"op: ReLU, inplace: '{'${' * 100_000}'"), "2:33 T005"),
    "spaces before an expression": (node(f"op: ReLU, inplace: '{' ' * 100_000}${{'"), "2:33 T005"),
}  # fmt: skip

EXPRESSIONS = {
    "a tower": "9**9**9",
    "a long list": "[0]*10**9",
    "a long text": "'a'*10**9",
    "lists of lists": "[[[[0]*900]*900]*900]*900",
    "a float too large": "1e308*10",
    "a literal too large": "1e400",
    "a power too large": "2.0**5000.0",
    "more than 63 bits": "10**18*10**18",
    "a complex number": "(0-8)**0.5",
    "a remainder by zero": "1%0",
    "a division by zero": "1/0",
    "a negative power of zero": "0.0**-1",
    "an index outside": "[1][5]",
    "an index that is no integer": "[1][1.0]",
    "an index into a number": "5[0]",
    "digits without end": "round(1.5, 10**9)",
    "digits below without end": "round(10**18, 0-10**9)",
    "half a digit": "round(1.5, 2.5)",
    "nothing to round": "round()",
    "the length of a number": "len(5)",
    "the least of nothing": "min()",
    "texts compared": "min('a','b')",
    "a list to a power": "[1]**2",
    "a text below a number": "'a' < 1",
    "a call": "__import__('os')",
    "an attribute": "().__class__",
    "another call": "open('x')",
    "a lambda": "lambda: 1",
    "a walrus": "(x := 1)",
    "chained comparisons": "1 < 2 < 3",
    "an unknown name": "nothing",
    "a missing operand": "1 +",
    "an unclosed text": "'a",
    "an unclosed list": "[1, 2",
    "an unclosed parenthesis": "(1",
    "31 digits": "9" * 31,
    "digits of another script": "\u0663",
    "nothing": "",
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_told(command: Command, name: str) -> None:
    """Each case has exactly these diagnostics at these places, and exit code 1; the odd ones without are clean."""
    config, diagnostics = CASES[name]
    done = command("check", "--format", "concise", "F", config=config)
    found = told(done)
    assert (re.sub(r"\A2:\d+", "2:*", found) if diagnostics == DEEP else found) == diagnostics
    assert done.code == (1 if diagnostics else 0)


PLACES = {
    "argument": ("input: [1, 3, 8, 8]\nlayers: {a: {op: ReLU, inplace: TEXT}}\n", "2:33", '"${EXPRESSION}"'),
    "param": ("params: {x: TEXT}\ninput: [1, 3, 8, 8]\nlayers: {a: '${x}'}\n", "1:13", '"${EXPRESSION}"'),
    "block's argument": (
        "input: [1, 3, 8, 8]\nblocks: {b: {args: {x: TEXT}, layers: {c: '${x}'}}}\nlayers: {a: b}\n", "2:24",
        '"${EXPRESSION}"',
    ),
    "expectation": ("input: [1, 3, 8, 8]\nlayers: {a: {op: ReLU, expect: [1, TEXT, 8, 8]}}\n", "2:36", '"EXPRESSION"'),
    "size": ("input: [1, 3, H, 8]\nsizes: {H: TEXT}\nlayers: {a: ReLU}\n", "2:12", '"${EXPRESSION}"'),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_out_of_bounds(command: Command, name: str, place: str) -> None:
    """T005 where the expression stands, wherever that is, and nothing of what follows from it."""
    text, position, written = PLACES[place]
    done = command(
        "check",
        "--format",
        "concise",
        "F",
        config=text.replace("TEXT", written).replace("EXPRESSION", EXPRESSIONS[name]),
    )
    assert told(done) == f"{position} T005"
