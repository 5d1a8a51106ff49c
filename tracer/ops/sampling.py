"""Maps that are read at positions that the network computes: spatial transformers, flow fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tracer.ops.base import (
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    in_range,
    is_filled,
    operation,
    written,
)
from tracer.ops.calls import Call, Tensor, Term
from tracer.ops.windows import Window


@operation
class GridSample(Op, kw_only=True):
    """torch.nn.functional.grid_sample: reads [N, C, H, W] at the positions of a grid [N, H', W', 2], [N, C, H', W'].

    In 3-D the grid is [N, D', H', W', 3]. Where it reads is a matter of values.
    """

    arity = (2, 2)

    mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear"
    """How values between positions are found: `bilinear`, `nearest` or `bicubic`."""
    padding_mode: Literal["zeros", "border", "reflection"] = "zeros"
    """What stands outside of the map: zeros, the edge, or a reflection."""
    align_corners: bool | None = None
    """The corners' centres stay where they are, in place of the corners themselves."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        x0, grid = x
        rank = len(x0)
        yield has_rank(x0, 4, 5)
        yield Requirement(
            len(grid) == rank,
            "T303",
            None,
            lambda *_: (
                f"the map {written(x0)} and the grid {written(grid)} differ in their number of dims"
            ),
            inputs=(0, 1),
        )
        yield Requirement(
            rank == 4 or self.mode != "bicubic",
            "T303",
            "mode",
            lambda *_: f"the mode bicubic takes inputs of 4 dims; {written(x0)} has {rank}",
        )
        yield Requirement(
            x0[0] == grid[0],
            "T301",
            None,
            lambda *_: (
                f"the map {written(x0)} and the grid {written(grid)} differ in their samples"
            ),
            dim=0,
            inputs=(0, 1),
        )
        yield Requirement(
            grid[-1] == rank - 2,
            "T204",
            None,
            lambda *_: (
                f"positions have {rank - 2} numbers; the last dim of the grid {written(grid)} is {grid[-1]}"
            ),
            dim=rank - 1,
            inputs=(1,),
        )
        for dim in range(2, rank):
            yield is_filled(x0, dim)._replace(
                inputs=(0,), message=f"the map {written(x0)} is empty"
            )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        x0, grid = x
        return (*x0[:2], *grid[1:-1])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        words: dict[str, Any] = {
            "mode": self.mode,
            "padding_mode": self.padding_mode,
            "align_corners": bool(self.align_corners),
        }
        return Call("torch.nn.functional.grid_sample", x, words)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None


@operation
class AffineGrid(Op, kw_only=True):
    """torch.nn.functional.affine_grid: the grid that moves a map of this size by matrices [N, 2, 3], [N, H, W, 2].

    In 3-D the matrices are [N, 3, 4]. The size may be written over the input's symbols: ``[N, C, H, W]``.
    """

    dim_fields = ("size",)

    size: tuple[int, ...]
    """The shape of the map that the grid is for."""
    align_corners: bool | None = None
    """The corners' centres stay where they are, in place of the corners themselves."""

    def legal(self) -> Requirements:
        yield Requirement(
            len(self.size) in (4, 5),
            "T203",
            "size",
            lambda: f"size has {len(self.size)} values, {written(self.size)}; it takes 4 or 5",
        )
        yield in_range("size", self.size, 1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        axes = len(self.size) - 2
        yield has_rank(x0, 3)
        for dim, want in ((1, axes), (2, axes + 1)):
            yield _is_matrix(x0, dim, want)
        yield Requirement(
            x0[0] == self.size[0],
            "T301",
            "size",
            lambda: (
                f"size {written(self.size)} has {self.size[0]} samples; {written(x0)} has {x0[0]}"
            ),
            dim=0,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (x[0][0], *self.size[2:], len(self.size) - 2)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        words: dict[str, Any] = {"align_corners": bool(self.align_corners)}
        return Call("torch.nn.functional.affine_grid", (x[0], list(self.size)), words)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None


def _is_matrix(x: Shape, dim: int, want: int) -> Requirement:
    """The matrices have a row for each axis, and a column more."""
    return Requirement(
        x[dim] == want,
        "T302",
        None,
        lambda: f"dim {dim} of the matrices {written(x)} is {x[dim]}; it has to be {want}",
        dim=dim,
    )
