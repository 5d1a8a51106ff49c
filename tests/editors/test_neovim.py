"""Neovim, headless: it starts the server by the lines of the README, shows what is wrong, and renames."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT, extras

extras.needs("lsp")

import tracer

README = ROOT / "tracer" / "editors" / "README.md"

TEXT = """\
# 😀 two units
input: [1, 3, 32, 32]
layers:
  "é😀": {op: Conv2d, out_channels: 8, kernel_sise: 3}  # 😀
  act: ReLU
  cat: {op: Concat, from: [é😀, act]}
"""

SCRIPT = """
local told = {}
local function fits(count)
  return function()
    return #vim.lsp.get_active_clients() > 0 and vim.diagnostic.get(0)[1] ~= nil == (count > 0)
  end
end
local function starts()
  if vim.lsp.config then
    %(newest)s
  elseif vim.lsp.start then
    %(older)s
  else
    vim.api.nvim_create_autocmd("FileType", { pattern = "yaml", callback = function(event)
      local id = vim.lsp.start_client({ name = "tracer", cmd = { "tracer", "lsp" } })
      vim.lsp.buf_attach_client(event.buf, id)
    end })
  end
end
local function ask(method, line, column, more)
  local params = vim.tbl_extend("force", {
    textDocument = { uri = vim.uri_from_bufnr(0) },
    position = { line = line, character = column },
  }, more or {})
  for _, answer in pairs(vim.lsp.buf_request_sync(0, method, params, 60000) or {}) do
    return answer.result
  end
end
local function run()
  starts()
  vim.cmd("filetype on")
  vim.cmd("edit net.yaml")
  vim.cmd("setfiletype yaml")
  assert(vim.wait(60000, fits(1), 20), "no finding")
  local found = vim.diagnostic.get(0)
  told.found = vim.tbl_map(function(one) return { one.lnum, one.col } end, found)

  local line = vim.api.nvim_buf_get_lines(0, 3, 4, false)[1]
  local at = line:find("kernel_sise", 1, true) - 1
  vim.api.nvim_buf_set_text(0, 3, at, 3, at + 11, { "kernel_size" })
  assert(vim.wait(60000, fits(0), 20), "the finding stays")

  told.hover = ask("textDocument/hover", 4, 3).contents.value
  local edit = ask("textDocument/rename", 3, 4, { newName = "first" })
  vim.lsp.util.apply_workspace_edit(edit, "utf-16")
  told.text = vim.api.nvim_buf_get_lines(0, 0, -1, false)
end
local ok, why = pcall(run)
told.why = not ok and tostring(why) or nil
local file = io.open("told.json", "w")
file:write(vim.fn.json_encode(told))
file:close()
vim.cmd("qall!")
"""


def test_neovim(tmp_path: Path) -> None:
    """A finding at its place, none behind a change, a hover, and another name for a node of two units."""
    if shutil.which("nvim") is None:
        message = "needs Neovim: apt-get install neovim"
        pytest.fail(message) if extras.every_extra else pytest.skip(message)

    newest, older = re.findall(r"```lua\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (tmp_path / "script.lua").write_text(SCRIPT % {"newest": newest, "older": older}, "utf-8")
    (tmp_path / "net.yaml").write_text(TEXT, "utf-8")
    (tmp_path / "home").mkdir()
    program = tmp_path / "tracer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tracer "$@"\n')
    program.chmod(0o755)
    subprocess.run(
        ["nvim", "--headless", "-n", "-u", "NONE", "-i", "NONE", "-c", "luafile script.lua"],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path / "home"),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        timeout=300,
        check=False,
    )
    told = json.loads((tmp_path / "told.json").read_text("utf-8"))
    assert told.get("why") is None
    line = TEXT.splitlines()[3]
    (found,) = told["found"]
    assert found[0] == 3
    assert found[1] == len(line[: line.index("kernel_sise")].encode())
    assert "`[1, 8, 30, 30]`" in told["hover"]

    right = TEXT.replace("kernel_sise", "kernel_size")
    text = "\n".join(told["text"]) + "\n"
    assert text == right.replace('"é😀"', '"first"').replace("[é😀,", "[first,")
    names = list(tracer.loads(text).trace().shapes)
    assert names == ["input", "first", "act", "cat"]
