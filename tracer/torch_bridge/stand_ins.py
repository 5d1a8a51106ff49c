"""A class that stands in for another one, for whoever asks what it is."""

from __future__ import annotations

from typing import Any


class KindOfAnother(type):
    """A class that is another one for whoever asks, and makes its own numbers."""

    kind: type

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.kind)

    def __subclasscheck__(cls, other: Any) -> bool:
        return issubclass(other, cls.kind)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls.kind

    def __hash__(cls) -> int:
        return hash(cls.kind)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.kind, name)
