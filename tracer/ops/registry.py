"""Operations by name: the built-in families, and those of installed packages."""

from __future__ import annotations

from tracer.ops.base import Op, registry

_installed = False


class NotImportable(ImportError):
    """An installed package whose operations cannot be imported; the message names it and what went wrong."""


def find_operation(name: str) -> type[Op] | None:
    """The operation of this name, or None. Installed packages (entry points ``tracer.ops``) are searched last.

    Raises :class:`NotImportable` where one of them cannot be imported.
    """
    found = registry.get(name)
    if found is None and not _installed:
        _load_installed()
        found = registry.get(name)
    return found


def operation_names() -> list[str]:
    """The names of all operations, sorted, those of installed packages among them."""
    if not _installed:
        _load_installed()
    return sorted(registry)


def _load_installed() -> None:
    """Import what installed packages register; an entry point names an operation class or a module of them."""
    global _installed
    from importlib.metadata import entry_points

    for entry in entry_points(group="tracer.ops"):
        try:
            found = entry.load()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise NotImportable(
                f"{entry.value} (entry point `tracer.ops`) cannot be imported: {why}"
            ) from error
        if isinstance(found, type) and issubclass(found, Op) and found.__name__ not in registry:
            registry[found.__name__] = found
    _installed = True
