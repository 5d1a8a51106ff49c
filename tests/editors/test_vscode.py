"""The client for VS Code: its manifest has what the packager demands, and it starts the server as it is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT
from tracer import __version__

CLIENT = ROOT / "tracer" / "editors" / "vscode"
MANIFEST = json.loads((CLIENT / "package.json").read_text("utf-8"))

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def test_the_manifest() -> None:
    """The fields of an extension, and the version of the package."""
    assert re.fullmatch(r"[a-z0-9-]+", MANIFEST["name"])
    assert re.fullmatch(r"[a-zA-Z0-9-]+", MANIFEST["publisher"])
    assert re.fullmatch(r"\^\d+\.\d+\.\d+", MANIFEST["engines"]["vscode"])
    assert MANIFEST["version"] == __version__.partition("+")[0]
    assert (CLIENT / MANIFEST["main"]).is_file()
    assert MANIFEST["activationEvents"] == ["onLanguage:yaml"]
    assert set(MANIFEST["dependencies"]) == {"vscode-languageclient"}
    assert "tracer.command" in MANIFEST["contributes"]["configuration"]["properties"]


@needs_node
def test_every_script_is_javascript() -> None:
    """Node can read it."""
    scripts = sorted(CLIENT.glob("*.js"))
    assert scripts
    for script in scripts:
        subprocess.run(["node", "--check", script], check=True, capture_output=True)


VSCODE = """
const settings = { command: %s };
const log = [];
const handlers = {};
const shown = [];
module.exports = {
  workspace: {
    getConfiguration: (name) => ({ get: (key) => (name === "tracer" ? settings[key] : undefined) }),
    onDidChangeConfiguration: (handler) => { handlers.change = handler; return {}; },
  },
  window: { showErrorMessage: (text) => shown.push(text) },
  commands: { registerCommand: (name, run) => { handlers[name] = run; return {}; } },
  settings, log, handlers, shown,
};
"""

CLIENT_STUB = """
const { log } = require("../vscode");
exports.LanguageClient = class {
  constructor(id, name, server, options) { this.made = { id, server, options }; }
  async start() {
    if (this.made.server.command === "missing") { throw new Error("spawn missing ENOENT"); }
    log.push(["start", this.made]);
  }
  async stop() { log.push(["stop"]); }
};
"""

RUN = """
const vscode = require("vscode");
const extension = require("./extension.js");
(async () => {
  const context = { subscriptions: [] };
  await extension.activate(context);
  vscode.settings.command = ["/venv/bin/tracer", "lsp"];
  await vscode.handlers.change({ affectsConfiguration: () => false });
  await vscode.handlers.change({ affectsConfiguration: (name) => name === "tracer.command" });
  vscode.settings.command = ["missing"];
  await vscode.handlers["tracer.restart"]();
  await extension.deactivate();
  console.log(JSON.stringify({ log: vscode.log, shown: vscode.shown, kept: context.subscriptions.length }));
})();
"""


@needs_node
def test_it_starts_and_restarts_the_server(tmp_path: Path) -> None:
    """With the command of the settings; one that cannot be started is told, with what installs it."""
    shutil.copy(CLIENT / "extension.js", tmp_path)
    modules = tmp_path / "node_modules"
    (modules / "vscode").mkdir(parents=True)
    (modules / "vscode-languageclient").mkdir()
    default = MANIFEST["contributes"]["configuration"]["properties"]["tracer.command"][
        "default"
    ]
    (modules / "vscode" / "index.js").write_text(VSCODE % json.dumps(default))
    (modules / "vscode-languageclient" / "node.js").write_text(CLIENT_STUB)
    (tmp_path / "run.js").write_text(RUN)
    done = subprocess.run(
        ["node", "run.js"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    steps = [step for step, *_ in told["log"]]
    assert steps == ["start", "stop", "start", "stop"]
    first, second = (made[0] for step, *made in told["log"] if step == "start")
    assert first["server"] == {"command": "tracer", "args": ["lsp"]}
    assert second["server"] == {"command": "/venv/bin/tracer", "args": ["lsp"]}
    assert {one["language"] for one in first["options"]["documentSelector"]} == {"yaml"}
    assert told["kept"] == 2
    (shown,) = told["shown"]
    assert "pip install 'shape-tracer[lsp]'" in shown
