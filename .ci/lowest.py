"""The lowest versions that pyproject.toml allows, as constraints for pip: those of the distribution and of some extras.

Usage: python3 .ci/lowest.py onnx,serve
"""

import re
import sys

import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]

needed = list(project["dependencies"])
for extra in sys.argv[1].split(","):
    needed += project["optional-dependencies"][extra]

for one in needed:
    match = re.fullmatch(r"([\w.-]+)>=([\d.]+)", one)
    if match is None:
        sys.exit(f"pyproject.toml: {one!r} has no lowest version")
    print(f"{match[1]}=={match[2]}")
