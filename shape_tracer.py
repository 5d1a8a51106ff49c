"""The command's way in: it makes sure that the package ``tracer`` is the one of the distribution ``shape-tracer``.

Another project's package has the same name. Where both are installed, one lies over the other, or their files are
mixed. This module has a name of its own, so it is here whatever lies there.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # without an import of typing, which takes longer than all of this
if TYPE_CHECKING:
    from typing import NoReturn

DISTRIBUTION = "shape-tracer"

CURE = f"pip uninstall tracer, then pip install --force-reinstall --no-deps {DISTRIBUTION}"
"""What leaves this project's files alone there."""


def main() -> None:
    """Run the command line; where the package is not this project's, say so and exit with 2."""
    found = misplaced()
    if found is not None:
        _end(found)
    try:
        from tracer.__main__ import main as run

        run()
    except ImportError as error:
        if str(error.name).partition(".")[0] != "tracer":
            raise
        _end(_advice(f"the package tracer has files of others among its own: {error}"))


def _end(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def misplaced() -> str | None:
    """What is wrong with the package that is called ``tracer`` here; None where it is this project's."""
    try:
        import tracer
    except Exception as error:  # it is someone else's: whatever it needs may be missing
        return _advice(
            f"the package tracer cannot be imported ({type(error).__name__}: {error})"
        )

    if getattr(tracer, "DISTRIBUTION", None) == DISTRIBUTION:
        return None
    place = getattr(tracer, "__file__", None)
    if place is None:
        return _advice("files of the package tracer are missing")
    return _advice(f"{place} is another project's package, which is called tracer too")


def _advice(problem: str) -> str:
    other = other_distribution()
    named = "" if other is None else f" (distribution {other})"
    return (
        f"{problem}{named}; this command is {DISTRIBUTION}'s: "
        f"{CURE}; "
        "a file or folder called tracer in the working directory or on PYTHONPATH hides the package as well"
    )


def _may_be_installed() -> bool:
    """Whether a folder that Python imports from has a distribution called tracer: reading all of them takes longer."""
    import os

    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        if any(name.lower().startswith(("tracer-", "tracer.egg")) for name in names):
            return True
    return False


def other_distribution() -> str | None:
    """The other project's distribution where it is installed, with its version.

    Releases of this project that had that name are not another project.
    """
    if not _may_be_installed():
        return None
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        other = distribution("tracer")
    except PackageNotFoundError:
        return None
    own = any(script.value.startswith("tracer.commands:") for script in other.entry_points)
    return None if own else f"tracer {other.version}"
