"""HTML files that need no other file and ask nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import zlib
from html import escape

from tracer.diagnostics import printable


def html_document(title: str, sheet: str, body: str, script: str = "", images: str = "") -> str:
    """One HTML file, whose policy allows its own style sheet and script alone, and ``images`` from nowhere else.

    >>> "script-src" in html_document("a net", "p { color: red }", "<p>so</p>")
    False
    """
    rules = ["default-src 'none'", f"style-src '{policy_hash(sheet)}'"]
    if script:
        rules.append(f"script-src '{policy_hash(script)}'")
    if images:
        rules.append(f"img-src {images}")
    rules += ["base-uri 'none'", "form-action 'none'"]
    policy = "; ".join(rules)

    run = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(printable(title))}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
        f"{body}{run}</body>\n</html>\n"
    )


def policy_hash(text: str) -> str:
    """What a content security policy calls a script or a style sheet."""
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def deflated(data: bytes) -> str:
    """Data as letters that a script inflates again."""
    return base64.b64encode(zlib.compress(data, 9)).decode()
