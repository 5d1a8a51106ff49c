"""The server and the watcher, as processes: the page is new when the file is, for this machine alone."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner

import tracer
from tests import ROOT, extras
from tests.drawn.texts import BROKEN
from tests.views.packs import sheets_of, unpacked
from tracer.commands.options import Overrides
from tracer.commands.serve import Page, command

extras.needs("serve")

GOOD = (
    "input: [N, 3, H, W]\nsizes: {N: 1, H: 32, W: 32}\n"
    "layers:\n  first: {op: Conv2d, out_channels: 8, kernel_size: 3}\n"
)


def started(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tracer", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


class Server:
    """A running server of one config."""

    def __init__(self, config: Any, *options: str) -> None:
        self.config = config
        self.process = started("serve", str(config), *options)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert match, line
        self.port = int(match[1])
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if self.get("/")[0] == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the server does not answer")

    def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read().decode()
        connection.close()
        return found

    def listening(self, seen: str) -> tuple[http.client.HTTPConnection, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", f"/events?seen={seen}")
        return connection, connection.getresponse()

    def seen(self) -> str:
        match = re.search(r"/events\?seen=(\d+)", self.get("/")[2])
        assert match
        return match[1]

    def resident(self) -> int:
        """Pages of memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    config = tmp_path / "net.yaml"
    config.write_text(GOOD)
    running = Server(config)
    yield running
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(10) == 0
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


def next_change(answer: Any) -> float:
    """When the next change was told."""
    while True:
        line = answer.readline().decode()
        assert line, "the connection has ended"
        if line.startswith("event: change"):
            return time.monotonic()


def replaced(path: Path, text: str) -> None:
    """As editors do: a new file in the place of the old one."""
    beside = path.with_suffix(".tmp")
    beside.write_text(text)
    os.replace(beside, path)


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_change_is_told_at_once(server: Server, how: str) -> None:
    """Saving the file is told and the new page is there in less than 300 ms (the median of several)."""
    took = []
    connection, answer = server.listening(server.seen())
    for k in range(7):
        text = GOOD.replace("first", f"layer{k}")
        start = time.monotonic()
        if how == "replaced":
            replaced(server.config, text)
        else:
            server.config.write_text(text)
        next_change(answer)
        deadline = time.monotonic() + 5
        while f"layer{k}" not in unpacked(server.get("/")[2]) and time.monotonic() < deadline:
            pass
        took.append(time.monotonic() - start)
        time.sleep(0.15)
    connection.close()
    assert sorted(took)[3] < 0.3


def test_a_change_before_the_page_listens(server: Server) -> None:
    """A page that has seen an earlier text is told when it begins to listen."""
    seen = server.seen()
    replaced(server.config, GOOD.replace("first", "second"))
    deadline = time.monotonic() + 5
    while server.seen() == seen and time.monotonic() < deadline:
        time.sleep(0.02)
    connection, answer = server.listening(seen)
    next_change(answer)
    connection.close()


def test_a_broken_file_shows_the_last_picture(server: Server) -> None:
    """What is wrong stands beside the last good picture; a file that is gone, or no text, too; and it comes back."""
    for wrong, code in (
        ("input: [1\n", "T001"),
        (GOOD.replace("Conv2d", "Konv2d"), "T101"),
        ("\x00", "T001"),
    ):
        replaced(server.config, wrong)
        page = wait_for(server, code)
        assert 'class="told stale"' in page and ">first ▸<" in page
    server.config.unlink()
    assert ">first ▸<" in wait_for(server, "cannot be read")
    server.config.mkdir()
    assert server.get("/")[0] == 200
    server.config.rmdir()
    replaced(server.config, GOOD.replace("first", "again"))
    assert 'class="told' not in wait_for(server, ">again ▸<")


def wait_for(server: Server, text: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        page = unpacked(server.get("/")[2])
        if text in page:
            return page
        time.sleep(0.03)
    raise AssertionError(f"{text} does not appear")


def test_only_this_machine(server: Server) -> None:
    """Other names in the Host header, other origins, other addresses and methods are refused."""
    assert server.get("/")[0] == 200
    assert server.get("/", Host=f"localhost:{server.port}")[0] == 200
    for host in (
        "evil.example",
        f"evil.example:{server.port}",
        f"127.0.0.1:{server.port + 1}",
        "localhost",
        "",
    ):
        assert server.get("/", Host=host)[0] in (400, 403), host
        assert server.get("/events", Host=host)[0] in (400, 403), host
    assert server.get("/", Origin="http://evil.example")[0] == 403
    for path in (
        "/net.yaml",
        "/../net.yaml",
        "/static/x",
        "//etc/passwd",
        "/%2e%2e/etc/passwd",
        "/index.html",
    ):
        assert server.get(path)[0] == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert server.get("/", method)[0] == 405
    status, headers, _ = server.get("/", "HEAD")
    assert (
        status == 200
        and headers["cache-control"] == "no-store"
        and headers["x-content-type-options"] == "nosniff"
    )
    with socket.socket() as other:
        other.settimeout(1)
        name = socket.gethostbyname(socket.gethostname())
        if not name.startswith("127."):
            assert other.connect_ex((name, server.port)) != 0


def test_it_does_not_grow(server: Server) -> None:
    """A thousand reloads, hundreds of changes, some of them broken, clients that never read or that go: no growth."""
    idle = [server.listening("0")[0] for _ in range(20)]  # they never read
    for k in range(60):
        replaced(server.config, GOOD.replace("first", f"n{k}") if k % 3 else f"broken {k}: [")
        server.get("/")
    before = server.resident()
    for k in range(1000):
        if k % 4 == 0:
            replaced(
                server.config, GOOD.replace("first", f"m{k}") if k % 3 else f"broken {k}: ["
            )
        if k % 10 == 0:
            server.listening("0")[0].close()
        assert server.get("/")[0] == 200
    assert server.resident() - before < 12_000_000 // os.sysconf("SC_PAGE_SIZE")
    for connection in idle:
        connection.close()


def test_the_page_follows(server: Server, browser: Any) -> None:
    """In a browser: an edit refreshes the page, what was set stays, and a broken text shows beside the last picture."""
    tab = browser.new_page()
    tab.goto(f"http://127.0.0.1:{server.port}/")
    tab.get_by_label("H", exact=True).fill("40")
    replaced(server.config, GOOD.replace("first", "renamed"))
    tab.wait_for_selector("text=renamed >> visible=true", timeout=30_000)
    assert tab.get_by_label("H", exact=True).input_value() == "40"
    assert "38×30" in tab.locator("#viewport svg").first.text_content()
    replaced(server.config, BROKEN.replace("MaxPool2d", "Pool").replace("Conv2d", "Konv2d"))
    tab.wait_for_selector(".told", timeout=30_000)
    assert "T101" in tab.locator(".told").inner_text()
    assert tab.locator("svg .unit").count() == 2
    tab.close()


def test_a_broken_file_in_a_scrolled_page(server: Server, browser: Any) -> None:
    """Nothing moves: what is wrong is told within the window, with its line, and the old picture is marked as such."""
    tab = browser.new_page(viewport={"width": 1000, "height": 600})
    tab.goto(f"http://127.0.0.1:{server.port}/")
    tab.wait_for_selector("svg .unit")
    top = "document.querySelector('#viewport').getBoundingClientRect().top"
    mark = "getComputedStyle(document.querySelector('#drawing'), '::after').content"
    tab.evaluate("window.scrollTo(0, 150)")
    before = tab.evaluate("window.scrollY"), tab.evaluate(top)
    assert before[0] > 50 and tab.evaluate(mark) == "none"
    tab.evaluate("window.isTheSame = true")
    tab.get_by_label("W", exact=True).evaluate("one => one.focus({ preventScroll: true })")

    replaced(server.config, GOOD.replace("Conv2d", "Konv2d"))
    tab.wait_for_selector(".told", timeout=10_000)
    tab.wait_for_function(f"() => window.scrollY === {before[0]}", timeout=10_000)
    assert tab.evaluate(top) == before[1]
    box = tab.locator(".told").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 600
    assert "line 4: unknown operation 'Konv2d'" in tab.locator(".told").inner_text()
    assert "last picture" in tab.evaluate(mark)
    dated = tab.locator("#drawing").get_attribute("data-dated")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", dated)
    assert f"could be made, of {dated}" in tab.locator(".told").inner_text()
    assert (
        tab.locator("#viewport svg").first.evaluate("e => getComputedStyle(e).opacity") < "0.7"
    )

    # It is the same document, in which a field has the focus that it had, and so it is when all is well again.
    for text, count in ((GOOD.replace("Conv2d", "Konv3d"), 1), (GOOD, 0)):
        replaced(server.config, text)
        tab.wait_for_function(
            "([count, text]) => document.querySelectorAll('.told').length === count"
            " && (!count || document.querySelector('.told').textContent.includes(text))",
            arg=[count, "Konv3d"],
            timeout=10_000,
        )
    tab.wait_for_function(f"() => {mark} === 'none'")
    assert tab.evaluate("window.isTheSame") and tab.evaluate("scrollY") == before[0]
    assert tab.evaluate("document.activeElement.labels[0].textContent") == "W"
    assert tab.evaluate(top) == before[1]
    tab.close()


def test_a_server_that_is_gone(server: Server, browser: Any) -> None:
    """The page says so over the dimmed picture, and follows the file again when a server is back, with what was set."""
    tab = browser.new_page()
    tab.goto(f"http://127.0.0.1:{server.port}/")
    tab.get_by_label("H", exact=True).fill("40")
    assert tab.locator(".told").count() == 0
    ended = server.process
    ended.kill()
    assert ended.wait(10) != 0

    tab.wait_for_selector(".told.silent", timeout=15_000)
    assert "server does not answer" in tab.locator(".told").text_content()
    opacity = "one => getComputedStyle(one).opacity"
    assert tab.locator("#viewport svg").first.evaluate(opacity) < "0.7"

    # Another one, of a file that has changed meanwhile.
    server.config.write_text(GOOD.replace("first", "afterwards"))
    server.process = Server(server.config, "--port", str(server.port)).process
    tab.wait_for_selector("text=afterwards >> visible=true", timeout=15_000)
    assert tab.locator(".told").count() == 0
    assert tab.locator("#viewport svg").first.evaluate(opacity) == "1"
    assert tab.get_by_label("H", exact=True).input_value() == "40"

    # It is listened to once, and followed.
    replaced(server.config, GOOD.replace("first", "followed"))
    tab.wait_for_selector("text=followed >> visible=true", timeout=15_000)
    tab.close()


CLIENTS = """
import socket, sys, time

port = int(sys.argv[1])
clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(int(sys.argv[2]))]
for client in clients:
    try:
        client.sendall(f"GET /events?seen=x HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n".encode())
    except OSError:
        pass  # sent away by now
answers = []
for client in clients:
    client.settimeout(20)
    try:
        answers.append(client.recv(12).decode()[9:])
    except OSError:
        answers.append("gone")
print(answers.count("200"), answers.count("503"), answers.count("gone"))
"""


@pytest.mark.parametrize(
    ("files", "count"), [(128, 200), pytest.param(64, 300, marks=pytest.mark.long)]
)
def test_more_clients_than_files(tmp_path: Path, files: int, count: int) -> None:
    """They are sent away with an answer, in one line of the server's, and when they are gone it answers as before."""
    resource = pytest.importorskip("resource")
    config = tmp_path / "net.yaml"
    config.write_text(GOOD)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, limits[1]))
    try:
        running = Server(config)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLIENTS, str(running.port), str(count)],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        served, refused, gone = map(int, done.stdout.split())
        assert served >= 10 and refused >= count // 2 and served + refused + gone == count
        assert running.get("/")[0] == 200
    finally:
        running.process.send_signal(signal.SIGINT)
        _, said = running.process.communicate(timeout=60)
    assert running.process.returncode == 0
    assert said.count("\n") == 1 and "those that come now are sent away" in said


def test_bad_starts(tmp_path: Path) -> None:
    """A file that is not there, standard input, a port that is taken: one message, exit code 2."""
    config = tmp_path / "net.yaml"
    config.write_text(GOOD)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            ["serve", str(tmp_path / "none.yaml")],
            ["serve", "-"],
            ["serve", str(config), "--port", port],
        ]
        cases += [["watch", str(tmp_path / "none.yaml")], ["watch", "-"]]
        for arguments in cases:
            process = started(*arguments)
            _, told = process.communicate(timeout=20)
            assert process.returncode == 2, arguments
            assert told and "Traceback" not in told


def lines_until(stream: IO[str], text: str) -> str:
    found = ""
    while text not in found:
        line = stream.readline()
        assert line, found
        found += line
    return found


def test_watch(tmp_path: Path) -> None:
    """The table and what is wrong are printed at the start and for each change; Ctrl-C ends it with 0."""
    config = tmp_path / "net.yaml"
    config.write_text(GOOD)
    process = started("watch", str(config))
    assert process.stdout is not None and process.stderr is not None
    assert "first" in lines_until(process.stdout, "no errors")
    time.sleep(0.5)  # until the folder is watched
    replaced(config, GOOD.replace("first", "second"))
    assert "second" in lines_until(process.stdout, "no errors")
    replaced(config, GOOD.replace("Conv2d", "Konv2d"))
    assert "T101" in lines_until(process.stdout, "1 error")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert process.stderr.read() == ""


def wished(page: str, repair: int) -> dict[str, Any]:
    """What the page sends to have a repair written."""
    match = re.search(r'"writing":(\{[^}]*\})', page)
    assert match
    writing = json.loads(match[1])
    return {"token": writing["token"], "seen": writing["seen"], "repair": repair}


def posted(server: Server, wish: Any, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
    connection.request("POST", "/edit", body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_a_repair_is_written(tmp_path: Path, browser: Any, mark: bytes) -> None:
    """With ``--edit`` a button of the page writes the plan's own text; what is no wish of its page writes nothing."""
    config = tmp_path / "net.yaml"
    text = f"# kept\r\n{BROKEN}"
    config.write_bytes(mark + text.encode())
    repairs = tracer.plan(tracer.loads(text)).repairs
    running = Server(config, "--edit")
    try:
        page = running.get("/")[2]
        wish = wished(page, 0)
        refused = {
            403: [{**wish, "token": "x"}, {**wish, "token": ""}],
            409: [
                {**wish, "seen": 7},
                {**wish, "repair": len(repairs)},
                {**wish, "repair": -1},
            ],
            400: [b"", b"{", b"\xff", {"repair": 0}, {**wish, "repair": "0"}, [wish]],
            413: [b" " * 5000],
        }
        for status, wishes in refused.items():
            for one in wishes:
                assert posted(running, one)[0] == status, one
        assert posted(running, wish, Origin="http://elsewhere.example")[0] == 403
        assert posted(running, wish, Host="elsewhere.example")[0] == 403
        assert running.get("/edit")[0] == 405
        assert config.read_bytes() == mark + text.encode()

        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{running.port}/")
        tab.get_by_role("button", name="write repair 1", exact=True).click()
        tab.wait_for_function("() => document.querySelector('#verdict').textContent === 'runs'")
        assert config.read_bytes() == mark + repairs[0].text.encode()
        assert tab.get_by_role("button", name="write repair 1", exact=True).count() == 0
        tab.close()

        # The page that asked has seen an earlier file.
        assert posted(running, wish)[0] == 409
        assert config.read_bytes() == mark + repairs[0].text.encode()
    finally:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0


def test_nothing_is_written_without_being_asked_for(server: Server) -> None:
    """Without ``--edit`` there is no button, no token and no address."""
    replaced(server.config, BROKEN)
    page = wait_for(server, "cat2")
    assert '"writing":null' in page
    assert posted(server, {"token": "", "seen": 1, "repair": 0})[0] == 404
    assert server.config.read_text() == BROKEN


MODULE = """
from torch import nn
import parts

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = parts.block(3)

    def forward(self, x):
        return self.body(x)
"""
PARTS = """
from torch import nn

def block(width):
    return nn.Conv2d(width, 4, 3, padding=1)
"""


def test_a_python_source_and_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page follows every file of the user's that the module imports, those that fail for a while too."""
    (tmp_path / "net.py").write_text(MODULE)
    parts = tmp_path / "parts.py"
    parts.write_text(PARTS)
    monkeypatch.chdir(tmp_path)
    running = Server("net.py:Net", "--input", "1,3,16,16")
    try:
        assert "out_channels: 4" in wait_for(running, "body")
        for text, said in (
            (PARTS.replace("4", "6"), "out_channels: 6"),
            (PARTS.replace("return", "return ("), 'class="told stale"'),
            (PARTS.replace("4", "7"), "out_channels: 7"),
        ):
            time.sleep(0.6)
            replaced(parts, text)
            wait_for(running, said.replace("\\", ""))
        assert 'class="told' not in running.get("/")[2]
    finally:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0


def test_boxes_on_request(tmp_path: Path) -> None:
    """The page of a server draws maps, or boxes where they are asked for."""
    config = tmp_path / "net.yaml"
    config.write_text(GOOD)
    for style, drawn, other in (
        ("maps", "data-unit", "data-box"),
        ("boxes", "data-box", "data-unit"),
    ):
        page = Page(str(config), Overrides(), style=style)
        # A browser that other tests have open runs a loop in this thread.
        with ThreadPoolExecutor(1) as thread:
            html = thread.submit(asyncio.run, page.html()).result()
        text = pictures_of(html)
        assert drawn in text and other not in text


def pictures_of(html: str) -> str:
    """The pictures of a page's sheets."""
    return "".join(one["svg"] for sheet in sheets_of(html) for one in sheet["pictures"])


def test_only_configs_are_written() -> None:
    """A repair of Python is another command's, and an ONNX file has nothing to edit: both are said before all else."""
    for source, said in (
        ("net.py:Net", "net.py:Net is a program"),
        ("my_nets.UNet", "`tracer plan my_nets.UNet --repair N --diff` shows it"),
        ("net.onnx", "net.onnx has none"),
    ):
        done = CliRunner().invoke(command, [source, "--edit"])
        assert done.exit_code == 2
        assert said in " ".join(done.output.split())
        assert "http://" not in done.output

    options = ["--input", "1,1,250,198", "--edit"]
    done = CliRunner().invoke(command, ["net.py:Net", *options])
    said = " ".join(done.output.split())
    assert "`tracer plan net.py:Net --input 1,1,250,198 --repair N --diff` shows it" in said
    assert "`tracer plan net.py:Net --input 1,1,250,198 --repair N` writes it" in said
