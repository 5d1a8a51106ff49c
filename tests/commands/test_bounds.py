"""Every config of a thousand nodes is answered, or refused with T006, in little time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.timing import least

NODES = 1000

MEASURED = """
import contextlib, io, json, re, sys, time
from tracer.commands import main

def seconds(command, path):
    sys.argv = ["tracer", command, path]
    start = time.process_time()
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main()
        except SystemExit as end:
            assert end.code in (0, 1), (command, end.code)
    return time.process_time() - start

plain, path = sys.argv[1:]
usual = seconds("check", plain)
for command in ("sizes", "plan", "draw"):
    seconds(command, plain)
found = {command: seconds(command, path) for command in ("check", "sizes", "plan", "draw")}
status = open("/proc/self/status").read()
print(json.dumps([usual, found, int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) >> 10]))
"""
"""Prints the CPU seconds of one check of a plain chain, those of each command, and the MiB of all together."""

TIMES = 12
"""A command takes at most so many times as long as a cold check of a plain chain, which takes some 0.2 s."""

MIB = 300


def chain(operations: Iterable[str], dims: str = "H, W") -> str:
    """A config of these operations one behind the other, for every size of every dim."""
    symbols = ", ".join(f"{symbol}: {{min: 1}}" for symbol in dims.split(", "))
    layers = "".join(f"  n{i}: {{op: {one}}}\n" for i, one in enumerate(operations))
    return f"input: [1, 3, {dims}]\nsizes: {{{symbols}}}\nlayers:\n{layers}"


PLAIN = chain(["Conv2d, out_channels: 3, kernel_size: 3, padding: 1"] * NODES)


def resizes() -> Iterable[str]:
    for i in range(NODES):
        yield f"Interpolate, scale_factor: {0.5 if i % 2 else 2}"


def odd_resizes() -> Iterable[str]:
    for i in range(NODES):
        yield f"Interpolate, scale_factor: {1 + (37 * i % 100 - 50) / 301}"


def strides() -> Iterable[str]:
    for i in range(NODES // 2):
        yield f"MaxPool2d, kernel_size: 3, stride: {2 + i % 3}, padding: 1"
        yield f"Upsample, scale_factor: {2 + i % 3}"


def strides_of_volumes() -> Iterable[str]:
    for i in range(NODES // 2):
        yield f"MaxPool3d, kernel_size: 3, stride: [{2 + i % 3}, {2 + i % 2}, 1], padding: 1"
        yield f"Upsample, scale_factor: [{2 + i % 3}, {2 + i % 2}, 1]"


def heads() -> Iterable[str]:
    for i in range(NODES):
        yield f"MaxPool2d, from: input, kernel_size: {i % 60 + 1}"


def merged() -> Iterable[str]:
    yield from ["MaxPool2d, kernel_size: 3, stride: 1, padding: 1"] * (NODES - 1)
    yield f"Concat, from: [{', '.join(f'n{i}' for i in range(NODES - 1))}]"


def shrinking() -> Iterable[str]:
    for i in range(NODES):
        yield "MaxPool2d, kernel_size: 2" if i % 2 else "ReflectionPad2d, padding: 1"


def autos() -> Iterable[str]:
    for i in range(NODES):
        stride = 2 if i % 200 == 0 else 1
        yield f"Conv2d, out_channels: 3, kernel_size: 3, stride: {stride}, padding: auto"


KINDS = {
    "resizes": chain(resizes()),
    "resizes without a period": chain(odd_resizes()),
    "strides": chain(strides()),
    "strides of volumes": chain(strides_of_volumes(), "D, H, W"),
    "heads that fail, a repair each": chain(heads()),
    "a merge of all": chain(merged()),
    "maps that vanish": chain(shrinking()),
    "autos that add up": chain(autos()),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_nodes_are_answered_or_refused_at_once(kind: str, tmp_path: Path) -> None:
    """No command takes much longer than the check of a plain chain of as many nodes, or much memory."""
    plain, path = tmp_path / "plain.yaml", tmp_path / "net.yaml"
    plain.write_text(PLAIN, "utf-8")
    path.write_text(KINDS[kind], "utf-8")

    def slowest() -> float:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(plain), str(path)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
        usual, found, mib = json.loads(done.stdout)
        assert mib < MIB, (found, mib)
        slowest: float = max(found.values()) / usual
        return slowest

    assert least(slowest, TIMES) <= TIMES
