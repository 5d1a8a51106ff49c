"""Small strategies that every family's cases are made of; edges favoured."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Draw = st.DrawFn


def ints(
    axes: int, values: st.SearchStrategy[int], lengths: tuple[int, ...] = ()
) -> st.SearchStrategy[Any]:
    """An int, or a list of one per axis (or of another of ``lengths``)."""
    sizes = st.sampled_from([axes, axes, axes, *lengths])
    return values | sizes.flatmap(lambda n: st.lists(values, min_size=n, max_size=n))


def maybe(
    draw: Draw,
    arguments: dict[str, Any],
    field: str,
    values: st.SearchStrategy[Any],
    often: int = 2,
) -> None:
    """Set an argument in about one case of ``often``."""
    if draw(st.integers(1, often)) == 1:
        arguments[field] = draw(values)


def image(
    draw: Draw, axes: int, channels: int, sizes: st.SearchStrategy[int]
) -> tuple[int, ...]:
    """An input shape: batched or not, now and then with no batch, or of a wrong rank."""
    spatial = tuple(draw(st.lists(sizes, min_size=axes, max_size=axes)))
    kind = draw(
        st.sampled_from(["batched"] * 6 + ["unbatched"] * 3 + ["empty batch", "long", "short"])
    )
    lead: tuple[int, ...] = {
        "batched": (draw(st.integers(1, 2)), channels),
        "unbatched": (channels,),
        "empty batch": (0, channels),
        "long": (1, 1, channels),
        "short": (),
    }[kind]
    return lead + spatial
