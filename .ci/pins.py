"""Prints the pinned requirements of pyproject.toml, one a line: the runtime's, then those of the extras named.

With --check it prints nothing and fails if the interpreter that runs it lacks one of them. Runs on a bare virtual
environment: whatever it needs comes with Python or with pip.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def read_pins(extras: list[str]) -> list[str]:
    """Return the requirements, as they stand in pyproject.toml."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    return project.get("dependencies", []) + [line for extra in extras for line in optional[extra]]


def is_installed(line: str) -> bool:
    """Return whether this interpreter has what a requirement asks for, or the requirement is for another machine."""
    requirement = Requirement(line)
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def main(arguments: list[str]) -> int:
    pins = read_pins([argument for argument in arguments if argument != "--check"])
    if "--check" in arguments:
        return 0 if all(map(is_installed, pins)) else 1
    print("\n".join(pins))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
