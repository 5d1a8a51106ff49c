"""``python -m tracer`` and the ``tracer`` command: a process from its beginning to its end."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False  # without an import of typing, which takes longer than all of this
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line as a process of its own, and end it."""
    # What a command imports and makes is in use until its end: the collector of cycles would go through it in vain.
    gc.set_threshold(50_000)
    try:
        answer = _known_at_once(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        _leave(130)
    if answer is not None and _is_told(*answer):
        _leave(0)

    from tracer.commands import exit_code

    _leave(exit_code())


def _known_at_once(words: list[str]) -> tuple[str, str] | None:
    """What is said of configs in which nothing is wrong, without click; None where the command has to say it.

    It is for standard output, and for standard error.
    """
    if words[:1] != ["check"]:
        return None
    from tracer.api.check_line import line_of
    from tracer.api.clean import are_clean

    line = line_of(words[1:])
    if line is None or not are_clean(line.configs):
        return None
    from tracer.views.reports import beside, reported

    report = reported([], {}, line.format_)
    return report, beside([], len(set(line.configs)), line.format_)


def _is_told(report: str, beside: str) -> bool:
    """Print an answer; False where the report cannot be written, which the command says."""
    try:
        print(report, end="", flush=True)
    except OSError:
        return False
    print(beside, end="", file=sys.stderr, flush=True)
    return True


def _leave(code: int) -> NoReturn:
    """End the process, all that was printed being written.

    Nothing is left for Python to clear up behind a command that has registered nothing for its end, and clearing up
    takes as long as the check of a small network.
    """
    import atexit
    import os

    waiting = getattr(atexit, "_ncallbacks", None)  # not every Python has it
    threading = sys.modules.get("threading")
    has_threads = threading is not None and threading.active_count() > 1
    if waiting is None or waiting() or has_threads:
        sys.exit(code)

    os._exit(code)


if __name__ == "__main__":
    main()
