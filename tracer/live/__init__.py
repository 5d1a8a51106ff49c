"""A network as one flat program over its symbols and params, which another language can run."""

from __future__ import annotations

from tracer.live.opening import live
from tracer.live.records import Live

__all__ = ["Live", "live"]
