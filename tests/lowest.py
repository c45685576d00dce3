"""The lowest versions that pyproject.toml allows, as constraints for pip: `python tests/lowest.py [EXTRA ...]`.

Of a package that several lists name, the highest of their bounds counts, as for an installation of all of them.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(extras: list[str], text: str) -> dict[str, str]:
    """The bound of each package of the project and of these extras, by the package's name."""
    project = tomllib.loads(text)["project"]
    groups = project["optional-dependencies"]
    waiting, found = [*project["dependencies"], *(one for extra in extras for one in groups[extra])], {}
    while waiting:
        requirement = waiting.pop(0)
        parts = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?\s*(?:>=\s*([\d.]+))?\s*(?:;.*)?", requirement)
        if parts is None:
            raise SystemExit(f"pyproject.toml requires {requirement!r}: write it as `name>=version`")
        name, inner, version = parts.groups()
        if name == project["name"]:
            waiting += [one for extra in inner.split(",") for one in groups[extra]]
        elif version and _numbers(version) > _numbers(found.get(name, "0")):
            found[name] = version
    return found


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


if __name__ == "__main__":
    for name, version in lowest(sys.argv[1:], PROJECT.read_text(encoding="utf-8")).items():
        print(f"{name}=={version}")
