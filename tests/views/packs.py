"""What a page has packed, for tests that read it without a browser."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any

PACK = re.compile(r'<script type="text/plain" data-sheet="(\d+)">([^<]*)</script>')


def sheets_of(html: str) -> list[dict[str, Any]]:
    """Every sheet of a page, as its script gets it."""
    packs = [pack for _, pack in PACK.findall(html)]
    return [json.loads(zlib.decompress(base64.b64decode(pack))) for pack in packs]


def unpacked(html: str) -> str:
    """The page with its sheets as JSON in the places of their packs, so that a text in them is found."""
    sheets = iter(sheets_of(html))
    return PACK.sub(lambda _: json.dumps(next(sheets), ensure_ascii=False), html)
