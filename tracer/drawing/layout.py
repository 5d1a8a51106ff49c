"""Places the boxes of a picture and routes its arrows; no two boxes overlap.

A network that goes down to one coarsest resolution and comes up again is drawn as a U; any other in layers.
"""

from __future__ import annotations

from tracer.drawing.layers import in_layers
from tracer.drawing.picture import Picture
from tracer.drawing.placed import Layout
from tracer.drawing.u_shape import in_a_u, sides


def layout(picture: Picture) -> Layout:
    """Place a picture."""
    found = sides(picture)
    return in_layers(picture) if found is None else in_a_u(picture, found)
