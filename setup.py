"""What pyproject.toml cannot say of the build: examples in the wheel, and a README that reads well anywhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent

LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?://|#)([^)\s]+)\)")
"""A link to a file of the checkout, or a picture that lies there."""

FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
"""A block of code, which stays as it is."""


class BuildWithExamples(build_py):
    """Copies ``configs/*.yaml`` into the package, where ``tracer examples`` finds them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return

        target = Path(self.build_lib, "tracer", "configs")
        target.mkdir(parents=True, exist_ok=True)
        for config in sorted(ROOT.glob("configs/*.yaml")):
            shutil.copyfile(config, target / config.name)


def description() -> str:
    """The README for a page that has no files beside it: a link is its words and the path, a picture its title."""
    parts = FENCED.split((ROOT / "README.md").read_text("utf-8"))
    parts[::2] = [LINK.sub(_named, prose) for prose in parts[::2]]
    return "".join(parts)


def _named(link: re.Match[str]) -> str:
    is_picture, words, path = link.groups()
    if is_picture:
        return f"*{words}* (`{path}`)"
    file = path.partition("#")[0]
    return words if words.strip("`") == file else f"{words} (`{file}`)"


setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    cmdclass={"build_py": BuildWithExamples},
)
