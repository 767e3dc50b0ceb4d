"""What the site takes from the code when it is built: tables of choices, every flag, and the names of every folder.

A page asks with {{ table MODULE:NAME }}, {{ flags COMMAND }} or {{ rooms PACKAGE }}. Pages that lie outside docs/ are
shown where they lie, and links between the two kinds are turned, so that they hold in the repository and on the site.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import itertools
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the code that the site tells of

PACKAGES = ("sgan", "faceswap", "graphs", "provenance", "panels", "bars")
OUTSIDE = (
    "CONTRIBUTING.md",
    "bench/README.md",
    "checkpoints/faces/README.md",
)  # pages of the site that do not lie in docs/
PICTURES = ("img/*.*", "checkpoints/faces/*.[jp][pn]g")
COMMANDS = {
    "python -m sgan": ("sgan.cli.main", []),
    "python faceswap/main.py": ("faceswap.cli.photo", []),
    "python faceswap/main_video.py": ("faceswap.cli.film", []),
    "python -m faceswap swap": ("faceswap.cli.main", ["swap"]),
    "python -m faceswap batch": ("faceswap.cli.main", ["batch"]),
    "python -m faceswap align": ("faceswap.cli.main", ["align"]),
}


class Parser(Exception):  # noqa: N818 (it carries a parser, nothing went wrong)
    """The parser that a command was about to use."""


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of a command of COMMANDS, or of `python -m sgan NAME`, caught on its way to parsing."""
    start = next((known for known in COMMANDS if command == known or command.startswith(f"{known} ")), None)
    if start is None:
        raise ValueError(f"there is no command {command!r}; there are {', '.join(COMMANDS)}")
    module, words = COMMANDS[start]

    def stop(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise Parser(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", stop):
        try:
            importlib.import_module(module).main(words)
        except Parser as found:
            parser = found.args[0]
    for name in command.removeprefix(start).split():
        parser = subcommands(parser)[name]
    return parser


def subcommands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parsers below a parser by name; empty where it has none."""
    found = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return next(found, {})


def table(place: str) -> str:
    """A Markdown table of names and help of a registry, named as MODULE:NAME."""
    module, _, name = place.partition(":")
    entries = getattr(importlib.import_module(module), name)
    return rows(("name", "what it is"), ((f"`{key}`", escaped(entry.help)) for key, entry in entries.items()))


def flags(command: str) -> str:
    """Markdown tables of all flags of a command, one for each group of them."""
    parser, parts = parser_of(command), []
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.dest != "help"]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            parts.append(f"**{group.title}**")
        parts.append(rows(("flag", "what it does"), map(flag_row, actions)))
    return "\n\n".join(parts)


def flag_row(action: argparse.Action) -> tuple[str, str]:
    """(flag with its value, help) of one flag."""
    name = " ".join(action.option_strings) or str(action.metavar or action.dest)
    value = "" if action.nargs == 0 or not action.option_strings else f" {value_name(action)}"
    words = (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default))
    return f"`{name}{value}`", escaped(words)


def value_name(action: argparse.Action) -> str:
    """What a flag's value is called: its choices where they are few, else as --help calls it."""
    if action.metavar:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    return ", ".join(map(str, action.choices)) if action.choices else action.dest.upper()


def rooms(package: str) -> str:
    """A Markdown table of the folders of a package and what lives there, as their docstrings say it."""
    found = sorted(path.parent for path in (ROOT / package).glob("*/__init__.py"))
    told = (
        (folder, ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))) for folder in found
    )
    link = "[`{0}/`](python/{1}.{0}.md)"
    return rows(
        ("room", "what lives there"),
        ((link.format(f.name, package), escaped(text.splitlines()[0])) for f, text in told),
    )


def rows(head: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def folders() -> dict[str, list[str]]:
    """The modules of each folder of the packages, dotted names; a folder without modules of its own has none."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("__init__.py")):
            name = path.parent.relative_to(ROOT).as_posix().replace("/", ".")
            modules = sorted(p.stem for p in path.parent.glob("*.py") if not p.stem.startswith(("__", "main")))
            found[name] = [f"{name}.{module}" for module in modules]
    return found


def reference(folder: str, modules: list[str]) -> str:
    """The page of a folder: its docstring, then every public name of its modules."""
    options = "show_root_heading: false, show_root_toc_entry: false" + (", members: false" if modules else "")
    own = f"# {folder}\n\n::: {folder}\n    options: {{{options}}}"
    return "\n\n".join([own, *(f"::: {module}" for module in modules)])


def on_config(config: Any) -> Any:
    """Puts the pages of names into the navigation."""
    last = config.nav[-1]
    last["Python"] = [{folder: f"python/{folder}.md"} for folder in folders()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages of names, the pages outside docs/ and the pictures, none of which lie there."""
    for folder, modules in folders().items():
        files.append(File.generated(config, f"python/{folder}.md", content=reference(folder, modules)))
    for path in [*map(ROOT.joinpath, OUTSIDE), *(path for kind in PICTURES for path in sorted(ROOT.glob(kind)))]:
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with its tables filled in and its links turned."""
    makers = {"table": table, "flags": flags, "rooms": rooms}
    markdown = re.sub(r"\{\{ (\w+) (.+?) \}\}", lambda ask: makers[ask[1]](ask[2]), markdown)
    return re.sub(r"(?<=\]\()[\w./-]+\.(?:md|jpg|png|svg)\b", lambda link: turned(link[0], page.file.src_uri), markdown)


def turned(link: str, page: str) -> str:
    """A link of a page, relative in the repository, as the site has it."""
    home = page if page in OUTSIDE else f"docs/{page}"
    target = posixpath.normpath(posixpath.join(posixpath.dirname(home), link)).removeprefix("docs/")
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


class PlainText(griffe.Extension):
    """Docstrings are plain text: their sections and their lines that begin with names and a colon become lists."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Changes the docstring of one class, function, attribute or module."""
        if obj.docstring:
            obj.docstring.value = "\n".join(map(as_markdown, obj.docstring.value.splitlines()))


def as_markdown(line: str) -> str:
    """One line of a docstring as Markdown; what is not between backticks means only itself."""
    words = line.strip()
    if re.fullmatch(r"(Args|Returns|Raises|Yields|Attributes):", words):
        return f"\n**{words}**\n"
    inner = line[:1] == " "
    entry = re.match(r"([*\w]+(?:, [*\w]+)*): " if inner else r"([a-z_]\w*(?:, \w+)*): ", words)
    start = f"\n- `{entry[1]}`: " if entry else "  " if inner else ""
    return start + escaped(words[entry.end() if entry else 0 :])


def escaped(text: str) -> str:
    """Plain text as Markdown that shows just it; what stands between backticks stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    plain = (re.sub(r"([\[\]*_>|])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2])
    return "".join(part for pair in itertools.zip_longest(plain, parts[1::2], fillvalue="") for part in pair)
