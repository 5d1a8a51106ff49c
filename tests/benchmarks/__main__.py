"""How fast it is, as ratios measured in one run: ``python -m tests.benchmarks [whole|inside|tools|breakages|...]``.

Nothing here is timed by a test: machines are noisy. Each comparison alternates A B A B and prints the median of the
ratios, with the limit that the project sets itself where there is one.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

import tracer
from tests import ROOT
from tests.benchmarks import breakages
from tests.benchmarks.networks import (
    CHAINS,
    UNETS,
    flat_unet,
    stacked_unets,
    unet_of_autos,
    unknowns,
)

COMPOSE = "import sys, yaml, networkx\nfor p in sys.argv[1:]:\n    yaml.compose(open(p), Loader=yaml.CSafeLoader)"
COMPOSE_ONLY = COMPOSE.replace(", networkx", "")

Row = tuple[str, str, str]


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratios(
    a: Callable[[], object], b: Callable[[], object], runs: int
) -> tuple[float, float, float]:
    """Median of a/b pair by pair, and the medians of both in seconds; one warm-up each."""
    a(), b()
    pairs = [(seconds(a), seconds(b)) for _ in range(runs)]
    return (
        statistics.median(x / y for x, y in pairs),
        statistics.median(x for x, _ in pairs),
        statistics.median(y for _, y in pairs),
    )


def process(*command: str) -> Callable[[], object]:
    """A whole Python process; its output is thrown away, its exit code must be 0."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return lambda: subprocess.run(
        [sys.executable, *command], env=environment, check=True, capture_output=True
    )


def peak_mib(*command: str) -> float:
    """Peak memory of one process, measured by a child of its own."""
    watch = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, *sys.argv[1:]], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", watch, *command],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout) / (1024 if sys.platform != "darwin" else 2**20)


def whole(place: Path) -> Iterator[Row]:
    """(a) a whole process: check against importing yaml and networkx and composing the same file."""
    for name, text in UNETS.items():
        path = str(place / f"{name}.yaml")
        Path(path).write_text(text())
        ratio, a, b = ratios(
            process("-m", "tracer", "check", path), process("-c", COMPOSE, path), 9
        )
        yield (
            f"check, 67 layers, {name}",
            f"{ratio:.2f} x yaml + networkx + compose (limit 1.3)",
            f"{a:.3f} s / {b:.3f} s",
        )
        yield (
            f"peak memory, {name}",
            f"{peak_mib('-m', 'tracer', 'check', path):.0f} MiB (limit 60)",
            "",
        )


def cold(place: Path) -> Iterator[Row]:
    """(n) a whole process of check, beside a Python process that does nothing."""
    clean, wrong = place / "clean.yaml", place / "wrong.yaml"
    clean.write_text(flat_unet())
    wrong.write_text(flat_unet().replace("H: 512", "H: 510"))
    cases = {
        "check, 67 layers": (6, (str(clean),)),
        "check --strict --format json": (6, ("--strict", "--format", "json", str(clean))),
        "check of a size that does not run": (8, ("--exit-zero", str(wrong))),
    }
    for name, (limit, words) in cases.items():
        ratio, a, b = ratios(
            process("-m", "tracer", "check", *words), process("-c", "pass"), 15
        )
        yield name, f"{ratio:.1f} x python -c pass (limit {limit})", f"{a:.3f} s / {b:.3f} s"


def inside(place: Path) -> Iterator[Row]:
    """(b) in process: load and check against yaml.compose with the C loader alone, of a text again and of new ones.

    A text that is edited at its end stands where it stood; behind an edit at its beginning all of it has moved.
    """
    for name, make in UNETS.items():
        text = make()
        number = itertools.count()
        texts = {
            "again": lambda text=text: text,  # type: ignore[misc]
            "each time edited": lambda text=text, number=number: f"{text}# {next(number)}\n",  # type: ignore[misc]
            "each time moved": lambda text=text, number=number: (
                f"#{'-' * (next(number) % 97)}\n{text}"
            ),  # type: ignore[misc]
        }
        for which, given in texts.items():
            ratio, a, b = ratios(
                lambda given=given: tracer.checks(given()),  # type: ignore[misc]
                lambda given=given: yaml.compose(given(), Loader=yaml.CSafeLoader),  # type: ignore[misc]
                101,
            )
            yield (
                f"load + check, 67 layers, {name}, {which}",
                f"{ratio:.2f} x compose (limit 2)",
                f"{a * 1e3:.2f} / {b * 1e3:.2f} ms",
            )


def again(place: Path) -> Iterator[Row]:
    """(c) tracing a loaded network again for another size."""
    for nodes in (1_000, 10_000, 100_000):
        for name, make in CHAINS.items():
            net = tracer.loads(make(nodes))
            size = net.network.defaults()["H"]
            net.trace(H=size + 4)
            sizes = iter(range(size + 8, size + 4000, 4))
            times = [
                seconds(lambda net=net, sizes=sizes: net.trace(H=next(sizes)).shapes)
                for _ in range(7)
            ]  # type: ignore[misc]
            trace = net.trace(H=next(sizes))
            read = seconds(lambda trace=trace: dict(trace.shapes.items()))  # type: ignore[misc]
            count = len(net.network.nodes)
            micro = statistics.median(times) / count * 1e6
            yield (
                f"again, {count:,} nodes, {name}",
                f"{micro:.3f} us a node (limit 1)",
                f"reading every shape: {read / count * 1e6:.3f} us a node",
            )
    yield from _again_with_autos()


def _again_with_autos() -> Iterator[Row]:
    """Autos that other sizes have other values of, beside a forward of the same network on the meta device."""
    text = unet_of_autos()
    net = tracer.loads(text)
    for n in range(512, 552):
        net.trace(H=n, W=n)
    plan = statistics.median(
        seconds(lambda n=n: tracer.Net(net.network).trace(H=n)) for n in range(512, 532)
    )  # type: ignore[misc]

    sizes = iter(range(600, 10**9))
    nodes = len(net.network.nodes)
    try:
        import torch
    except ImportError:
        yield "again with autos", "torch is not installed", ""
        return
    with torch.device("meta"):
        module = tracer.build(tracer.loads(text)).eval()

    def forward() -> None:
        with torch.no_grad():
            module(torch.empty(1, 3, 512, 512, device="meta"))

    ratio, a, b = ratios(forward, lambda: net.trace(H=next(sizes), W=next(sizes)).shapes, 101)
    yield (
        f"again with autos, {nodes} nodes",
        f"a meta forward is {ratio:.0f} x that (limit 350)",
        f"{a * 1e6 / nodes:.1f} / {b * 1e6 / nodes:.2f} us a node; {b * 1e3:.3f} ms, planned anew {plan * 1e3:.2f}",
    )


TORCH_UNET = """
import torch
from torch import nn

def double(i, o):
    layers = []
    for a in (i, o):
        layers += [nn.Conv2d(a, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)

class UNet(nn.Module):
    def __init__(self, base=64, levels=4):
        super().__init__()
        widths = [base << i for i in range(levels + 1)]
        self.enc = nn.ModuleList(double(a, b) for a, b in zip([3, *widths], widths))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1]))
        self.dec = nn.ModuleList(double(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(base, 2, 1)

    def forward(self, x):
        skips = []
        for block in self.enc[:-1]:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.enc[-1](x)
        for up, dec in zip(self.up, self.dec):
            x = dec(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)

def build():
    with torch.device("meta"):
        return UNet().eval()
"""


def tools(place: Path) -> Iterator[Row]:
    """(d) beside what people use today, cold (whole process) and warm; what is not installed is left out."""
    path = place / "unet.yaml"
    path.write_text(flat_unet())
    (place / "unet_module.py").write_text(TORCH_UNET)
    try:
        import torch
    except ImportError:
        yield "meta-device forward", "torch is not installed", ""
        return
    forward = (
        f"import sys; sys.path.insert(0, {str(place)!r})\nimport torch, unet_module\n"
        "with torch.no_grad(): unet_module.build()(torch.empty(1, 3, 512, 512, device='meta'))"
    )
    check = process("-m", "tracer", "check", str(path))
    ratio, a, b = ratios(process("-c", forward), check, 3)
    yield "cold meta-device forward", f"{ratio:.1f} x tracer check", f"{a:.2f} s / {b:.2f} s"
    sys.path.insert(0, str(place))
    build = importlib.import_module("unet_module").build
    module = build()
    net = tracer.loads(path.read_text())
    net.trace(H=528)
    sizes = iter(range(512, 10**9, 16))

    def run() -> None:
        with torch.no_grad():
            module(torch.empty(1, 3, next(sizes), 512, device="meta"))

    ratio, a, b = ratios(run, lambda: net.trace(H=next(sizes)).shapes, 21)
    yield (
        "warm meta-device forward",
        f"{ratio:.0f} x tracing again",
        f"{a * 1e6 / 67:.1f} / {b * 1e6 / 67:.2f} us a layer",
    )
    ratio, a, b = ratios(build, lambda: tracer.loads(path.read_text()), 5)
    yield (
        "building the module on meta",
        f"{ratio:.1f} x loading the config",
        f"{a * 1e3:.1f} / {b * 1e3:.1f} ms",
    )
    yield from _torchinfo(module, net)


def _torchinfo(module: object, net: tracer.Net) -> Iterator[Row]:
    try:
        import torchinfo
    except ImportError:
        yield "torchinfo", "is not installed", ""
        return
    sizes = iter(range(512, 10**9, 16))
    ratio, a, b = ratios(
        lambda: torchinfo.summary(module, (1, 3, next(sizes), 512), device="meta", verbose=0),
        lambda: net.trace(H=next(sizes)).shapes,
        5,
    )
    yield (
        "warm torchinfo",
        f"{ratio:.0f} x tracing again",
        f"{a * 1e6 / 67:.1f} / {b * 1e6 / 67:.2f} us a layer",
    )


def many(place: Path) -> Iterator[Row]:
    """(e) a thousand files: check on all processors against one process that only composes them."""
    folder = place / "many"
    folder.mkdir()
    for i in range(1000):
        (folder / f"net{i:04}.yaml").write_text(flat_unet(base=16 + i % 64, name=f"net{i}"))
    paths = [str(p) for p in sorted(folder.iterdir())]
    ratio, a, b = ratios(
        process("-m", "tracer", "check", str(folder)), process("-c", COMPOSE_ONLY, *paths), 3
    )
    yield (
        "check of 1,000 files",
        f"{ratio:.2f} x composing them",
        f"{1000 / a:.0f} / {1000 / b:.0f} files a second",
    )


def sets(place: Path) -> Iterator[Row]:
    """(f) exact sets of input sizes, against a forward on the meta device for each size."""
    import numpy

    path = ROOT / "configs" / "unet_padded.yaml"
    million = numpy.arange(1, 1_000_001)
    times = []
    for _ in range(7):
        net = tracer.load(path)
        net.trace()
        times.append(
            seconds(
                lambda net=net: [axis.runs.mask(million) for axis in net.sizes().axes.values()]
            )
        )  # type: ignore[misc]
    yield (
        "padded U-Net, 1..1,000,000 per axis",
        f"{statistics.median(times) * 1e3:.1f} ms (limit 100)",
        "",
    )
    slowest: list[tuple[float, float, str]] = []
    for config in sorted((ROOT / "configs").glob("*.yaml")):
        slowest.append((*_time_of_sets(config), config.stem))
    worst, ratio, name = max(slowest)
    typical = statistics.median(found for found, *_ in slowest)
    yield (
        f"the sets of a config, at worst ({name})",
        f"{worst * 1e3:.1f} ms (limit 50), {ratio:.0f} x composing 67 layers",
        f"median {typical * 1e3:.1f} ms",
    )
    try:
        import torch
    except ImportError:
        yield "meta-device forwards", "torch is not installed", ""
        return
    (place / "unet_module.py").write_text(TORCH_UNET)
    sys.path.insert(0, str(place))
    module = importlib.import_module("unet_module").build()
    works = []

    def forwards() -> None:
        with torch.no_grad():
            for size in range(64, 1025):
                try:
                    module(torch.empty(1, 3, size, 512, device="meta"))
                    works.append(size)
                except RuntimeError:
                    pass

    text = flat_unet()
    tried = seconds(forwards)
    solved = statistics.median(seconds(lambda: tracer.loads(text).sizes()) for _ in range(7))
    runs = tracer.loads(text).sizes().axes["H"].runs
    same = works == list(runs.between(64, 1024))
    yield (
        "a forward for each size 64..1024, one axis",
        f"{tried / solved:.0f} x loading the config and its sets of all sizes and axes",
        f"{tried:.2f} s / {solved * 1e3:.1f} ms; {'the same sizes' if same else 'OTHER SIZES'}",
    )


def _time_of_sets(config: Path) -> tuple[float, float]:
    """The median of networks that are just loaded, in seconds and as a multiple of composing the flat U-Net's text."""
    text = flat_unet()
    times, multiples = [], []
    for _ in range(7):
        net = tracer.load(config)
        net.trace()
        fixed = seconds(lambda: yaml.compose(text, Loader=yaml.CSafeLoader))
        times.append(seconds(net.sizes))
        multiples.append(times[-1] / fixed)
    return statistics.median(times), statistics.median(multiples)


def plans(place: Path) -> Iterator[Row]:
    """(g) plans after loading: least-cost values, the count of all, or the proof that there are none."""
    cases = {
        "5 levels, 10 autos, 2 axes": (unknowns(5, 2, 572), 5),
        "12 levels, 24 autos, 3 axes": (unknowns(12, 3, 5000), 200),
        "12 levels, 24 autos, 3 axes, one merge": (unknowns(12, 3, 5000, merges=False), 200),
        "12 levels, 24 autos, 3 axes, unsatisfiable": (unknowns(12, 3, 5000, off=3), 500),
        "12 levels, 24 autos, 3 axes, unsatisfiable at the end": (
            unknowns(12, 3, 5000, off=0),
            500,
        ),
    }
    for name, (text, limit) in cases.items():
        times = []
        for _ in range(5):
            network = tracer.loads(text).network
            times.append(seconds(lambda network=network: tracer.Net(network).solution()))  # type: ignore[misc]
        plan = tracer.loads(text).solution()
        found = f"{plan.solutions:,} solutions" if plan.solved else "none"
        yield name, f"{statistics.median(times) * 1e3:.1f} ms (limit {limit})", found


def bridge(place: Path) -> Iterator[Row]:
    """(h) the torch bridge: building against the same module by hand, importing against trying sizes."""
    if importlib.util.find_spec("torch") is None:
        yield "build", "torch is not installed", ""
        return
    (place / "unet_module.py").write_text(TORCH_UNET)
    sys.path.insert(0, str(place))
    by_hand = importlib.import_module("unet_module").build
    net = tracer.loads(flat_unet())
    net.trace()
    ratio, a, b = ratios(lambda: tracer.build(net, "meta"), by_hand, 7)
    yield (
        "build on meta, 67 layers",
        f"{ratio:.2f} x the same module by hand",
        f"{a * 1e3:.1f} / {b * 1e3:.1f} ms",
    )
    yield from _imported("the U-Net by hand", by_hand(), 3)
    try:
        from monai.networks.nets import UNet
    except ImportError:
        yield "MONAI's UNet", "is not installed (extra zoo)", ""
        return
    yield from _imported(
        "MONAI's UNet",
        UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2).eval(),
        1,
    )


def _imported(name: str, module: object, channels: int) -> Iterator[Row]:
    """Import and sets, against a forward on the meta device for each of 270 sizes."""
    import torch

    works: list[int] = []
    on_meta = module.to("meta")  # type: ignore[attr-defined]

    def forwards() -> None:
        works.clear()
        with torch.no_grad():
            for size in range(31, 301):
                try:
                    on_meta(torch.empty(1, channels, size, 64, device="meta"))
                    works.append(size)
                except RuntimeError:
                    pass

    runs = tracer.sizes(tracer.from_module(module, (1, channels, 64, 64))).axes["H"].runs  # type: ignore[arg-type]
    ratio, a, b = ratios(
        forwards,
        lambda: tracer.sizes(tracer.from_module(module, (1, channels, 64, 64))),  # type: ignore[arg-type]
        3,
    )
    same = "the same sizes" if works == list(runs.between(31, 300)) else "OTHER SIZES"
    yield (
        f"270 meta forwards, {name}",
        f"{ratio:.1f} x import + sets of all sizes",
        f"{a:.2f} / {b:.3f} s; {same}",
    )


def imports(place: Path) -> Iterator[Row]:
    """(o) an import against one forward of the same module on the meta device, after others of its kind."""
    if importlib.util.find_spec("torch") is None:
        yield "import", "torch is not installed", ""
        return
    import torch

    from tests.torch_bridge.test_import_speed import SHAPE

    for name, make, limit in _imported_modules():
        # What is kept from import to import is there by then.
        tracer.from_module(make(), SHAPE)
        module = make().to("meta")
        x = torch.empty(SHAPE, device="meta")

        def forward(module: torch.nn.Module = module, x: torch.Tensor = x) -> None:
            with torch.no_grad():
                module(x)

        ratio, a, b = ratios(
            lambda module=module: tracer.from_module(module, SHAPE),  # type: ignore[misc]
            forward,
            15,
        )
        yield (
            f"import, {name}",
            f"{ratio:.1f} x a meta forward (limit {limit:g})",
            f"{a * 1e3:.0f} / {b * 1e3:.1f} ms",
        )


def _imported_modules() -> Iterator[tuple[str, Callable[[], Any], float]]:
    """Modules that are imported, and how many forwards that may cost."""
    from tests.torch_bridge.test_import_speed import CASES

    for name, case in CASES.items():
        yield name, lambda case=case: case.make().eval(), case.goal  # type: ignore[misc]
    try:
        from monai.networks.nets import BasicUNet, UNet
    except ImportError:
        return
    widths = (16, 32, 64, 128, 256)
    yield (
        "MONAI's UNet",
        lambda: UNet(2, 3, 2, widths, (2, 2, 2, 2), num_res_units=2).eval(),
        3,
    )
    yield "MONAI's BasicUNet", lambda: BasicUNet(2, 3, 2).eval(), 12


def drawing(place: Path) -> Iterator[Row]:
    """(i) pictures and pages of loaded networks, against loading and tracing their texts."""
    from tracer.drawing.picture import picture
    from tracer.live.sheets import sheets
    from tracer.rules import judge
    from tracer.views.page import page
    from tracer.views.svg import svg

    texts = {"60 layers, flat": flat_unet(), "2,000 nodes": stacked_unets(2000)}
    for name, text in texts.items():
        net = tracer.loads(text)
        found = judge(net)
        runs = 5 if len(net.network.nodes) > 1000 else 15
        for what, draw in {
            "SVG, unfolded": lambda net=net, found=found: svg(
                picture(net.trace(), found, None)
            ),
            "page": lambda net=net, found=found: page(sheets(net, found), found),
        }.items():
            ratio, a, b = ratios(draw, lambda text=text: tracer.loads(text).trace(), runs)
            made = len(draw()) / 1024
            yield (
                f"{what} of {name}",
                f"{ratio:.1f} x load and trace",
                f"{a * 1e3:.1f} ms, {b * 1e3:.1f} ms, {made:.0f} KiB",
            )


def sweeps(place: Path) -> Iterator[Row]:
    """(j) a million combinations of the padded U-Net: rows per second, here and on Dask, against forwards on meta."""
    import torch
    from distributed import LocalCluster

    from tracer.sweep.axes import axis
    from tracer.sweep.evaluate import evaluate
    from tracer.sweep.study import config_study

    config = str(ROOT / "configs" / "unet_padded.yaml")
    varied = [
        "--vary",
        "base=8..64:4",
        "--vary",
        "classes=2,3,4",
        "--size",
        "H=64..1024:8",
        "--size",
        "W=64..1500:8",
    ]
    command = ["-m", "tracer", "sweep", config, *varied, "--where", "false", "--overwrite"]
    axes = [
        axis("param", ["base"], "8..64:4"),
        axis("size", ["H"], "64..1024:8"),
        axis("size", ["W"], "64..1500:8"),
    ]
    study = config_study(Path(config).read_text("utf-8"), config, {}, {}, axes, "float32")
    rows = 15 * 3 * 121 * 180

    def forwards(count: int = 40) -> None:
        with torch.device("meta"):
            module = tracer.build(tracer.load(config))
            for i in range(count):
                module(torch.empty(1, 1, 64 + 16 * i, 64, device="meta"))

    forwards(2)
    meta = 40 / seconds(forwards)
    evaluate(study, 0)
    task = study.task(1)
    inside = (task.stop - task.start) / min(
        seconds(lambda: evaluate(study, 1)) for _ in range(5)
    )
    yield (
        "in one process, no file",
        f"{inside / meta:,.0f} x forwards on meta",
        f"{inside:,.0f} rows a second",
    )
    here = rows / seconds(process(*command, "-o", str(place / "a.parquet")))
    yield (
        f"{rows:,} rows to Parquet, {os.cpu_count()} processes",
        f"{here / meta:,.0f} x forwards on meta",
        f"{here:,.0f} / {meta:,.0f} rows a second",
    )
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        dask = rows / seconds(
            process(*command, "-o", str(place / "b.parquet"), "--dask", address)
        )
    same = (place / "a.parquet").read_bytes() == (place / "b.parquet").read_bytes()
    yield (
        "the same by two Dask workers",
        f"{dask / meta:,.0f} x forwards on meta",
        f"{dask:,.0f} rows a second; {'the same file' if same else 'ANOTHER FILE'}",
    )


def sweep_workers(place: Path) -> Iterator[Row]:
    """(p) two workers of a sweep against one, in rows per second, on two cores that nobody else uses."""
    from tests.benchmarks import sweep_workers as measures

    yield from measures.rows(place)


def broken(place: Path) -> Iterator[Row]:
    """(k) configs broken in one place: how often one of the first repairs undoes that, and the time."""
    for seed in range(3):
        found = list(breakages.outcomes(seed, each=4))
        kinds = sorted({one.breakage.kind for one in found})
        for kind in kinds:
            own = [one for one in found if one.breakage.kind == kind]
            undone = sum(one.is_undone for one in own)
            slowest = max(own, key=lambda one: one.seconds)
            yield (
                f"seed {seed}, {kind}",
                f"{undone} of {len(own)} undone ({undone / len(own):.0%}, limit 90 %)",
                f"slowest: {slowest.config}, {slowest.seconds:.2f} s (limit 2)",
            )


def gpu_memory(place: Path) -> Iterator[Row]:
    """(m) a training step on a CUDA card against what `trace` tells, in five minutes at most."""
    from tests.benchmarks import gpu_memory as measures

    yield from measures.rows()


def broken_twice(place: Path) -> Iterator[Row]:
    """(l) configs broken in two places: how often one of the first repairs undoes both, and the time."""
    for seed in range(3):
        found = list(breakages.outcomes(seed, each=2, places=2))
        undone = sum(one.is_undone for one in found)
        slowest = max(found, key=lambda one: one.seconds)
        yield (
            f"seed {seed}, two places",
            f"{undone} of {len(found)} undone ({undone / len(found):.0%})",
            f"slowest: {slowest.config}, {slowest.seconds:.2f} s (limit 2)",
        )


GROUPS = {
    "whole": whole, "cold": cold, "inside": inside, "again": again, "tools": tools, "many": many,
    "sets": sets, "plans": plans, "bridge": bridge, "imports": imports, "drawing": drawing,
    "sweeps": sweeps, "sweep_workers": sweep_workers,
    "breakages": broken, "pairs": broken_twice, "gpu_memory": gpu_memory,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}; all, if none")
    chosen = parser.parse_args().groups
    for name in set(chosen) - GROUPS.keys():
        parser.error(f"there is no group {name}; there are {', '.join(GROUPS)}")

    console = Console()
    for name in chosen or GROUPS:
        group = GROUPS[name]
        table = Table(
            "what",
            "ratio or time",
            "medians",
            title=f"{name}: {(group.__doc__ or '').strip()}",
            title_justify="left",
        )
        with tempfile.TemporaryDirectory() as place:
            for row in group(Path(place)):
                table.add_row(*row)
        console.print(table)
    console.print(
        f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )


if __name__ == "__main__":
    main()
