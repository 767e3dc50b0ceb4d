"""The manual: the hooks that build it, and the commands and code that its pages show."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def load(path: Path) -> ModuleType:
    """A file as a module, without a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = load(ROOT / "docs" / "hooks.py")


def blocks(page: Path, language: str = "") -> list[str]:
    """The fenced blocks of a page in a language, without their fences."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def commands(text: str) -> list[list[str]]:
    """The words of every command of the project in a block; what a shell does with it is left away, [ ] too."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        start = re.match(r"(?:\$ |nohup )*(?:\S*/)?python ", line)
        if start:
            words = shlex.split(re.sub(r"[][]", "", line[start.end() :]), comments=True)
            end = next((i for i, word in enumerate(words) if word in (">", "|", "&")), len(words))
            found.append(["python", *(word for word in words[:end] if word != "...")])
    return [words for words in found if any(" ".join(words).startswith(known) for known in hooks.COMMANDS)]


def parse(words: list[str]):
    """What the real parser makes of a command; SystemExit where it does not take it."""
    command = max((known for known in hooks.COMMANDS if " ".join(words).startswith(known)), key=len)
    return hooks.parser_of(command).parse_args(words[len(command.split()) :])
