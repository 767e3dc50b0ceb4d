"""Prints the pinned requirements of pyproject.toml, one a line: the runtime's, then those of the extras named.

With --check it prints nothing and fails if the interpreter that runs it lacks one of them. With --import it imports the
heavy ones, so that Python keeps them compiled and a missing system library is found at once. Runs on a bare virtual
environment: whatever it needs comes with Python or with pip.
"""

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
HEAVY = {
    "torch": "torch",
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "opencv-python": "cv2",
    "matplotlib": "matplotlib.pyplot",
    "scikit-image": "skimage",
    "av": "av",
}


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


def import_heavy(lines: list[str]) -> int:
    """Return the exit status after importing; what fails is said in one line."""
    for name in (Requirement(line).name for line in lines):
        try:
            importlib.import_module(HEAVY.get(name, "sys"))
        except ImportError as error:
            print(f"{name} is installed but cannot be imported: {error}")
            return 1
    return 0


def main(arguments: list[str]) -> int:
    """Return the exit status of the task the arguments name."""
    pins = read_pins([argument for argument in arguments if not argument.startswith("--")])
    if "--check" in arguments:
        return 0 if all(map(is_installed, pins)) else 1
    if "--import" in arguments:
        return import_heavy(pins)
    print("\n".join(pins))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
