"""A pytest plugin: the example of CONTRIBUTING.md that EXAMPLE names by its heading, put where it says.

It is loaded before tests are collected, so that those which hold for every entry of a table find one more.
"""

import importlib
import os
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
EXAMPLES = {
    heading: (file, code)
    for heading, file, code in re.findall(
        r"^### (.+?)\n\nIn `(\S+)\.py`:\n\n```python\n(.*?)^```",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
}


def add(heading: str) -> None:
    """Runs an example as the last lines of its module."""
    file, code = EXAMPLES[heading]
    module = importlib.import_module(file.replace("/", ".").removesuffix(".__init__"))
    exec(compile("from __future__ import annotations\n" + code, f"{PAGE}, {heading}", "exec"), vars(module))


if "EXAMPLE" in os.environ:
    add(os.environ["EXAMPLE"])
