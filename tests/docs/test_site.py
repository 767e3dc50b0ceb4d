"""The site of docs/: built strictly, whole in itself, and complete where it tells what the program has."""

import html.parser
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from manual import PAGES, ROOT, hooks
from test_layers import LEAVES, MODULES

pytestmark = pytest.mark.xdist_group("site")
LOADS = {"script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src", "link": "href"}


class Page(html.parser.HTMLParser):
    """What a built page loads, where it leads, which places in it can be led to, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.loads, self.leads, self.places, self.words = path, set(), set(), {""}, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag in LOADS and LOADS[tag] in given:
            self.loads.add(given[LOADS[tag]])
        if tag == "a" and given.get("href"):
            self.leads.add(given["href"])

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def is_outside(address: str) -> bool:
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in ("", "data")


def test_every_page_is_there(site, pages):
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs"):
            name = page.relative_to(ROOT / "docs").with_suffix("")
            assert site / ("" if name.name == "index" else name) / "index.html" in pages
    for folder in hooks.folders():
        assert site / "python" / folder / "index.html" in pages


def test_nothing_is_loaded_from_elsewhere(site, pages):
    assert not {address for page in pages.values() for address in page.loads if is_outside(address)}
    for sheet in site.rglob("*.css"):
        taken = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", sheet.read_text(encoding="utf-8"))
        assert not [address for address in taken if is_outside(address)], sheet
    assert not [path for path, page in pages.items() if "mermaid" in page.text]  # its script comes from a server


def test_every_link_and_picture_leads_somewhere(site, pages):
    for path, page in pages.items():
        for address in page.loads | page.leads:
            parts = urlsplit(address)
            if is_outside(address) or parts.scheme == "data" or path.name == "404.html":
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_relative_to(site) and target.exists(), (path, address)
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].places, (path, address)


def all_commands() -> list[str]:
    """Every command, with its subcommand."""
    names = []
    for command in hooks.COMMANDS:
        below = hooks.subcommands(hooks.parser_of(command))
        names += [f"{command} {name}" for name in below] or [command]
    return names


@pytest.mark.parametrize("command", all_commands())
def test_every_flag_is_told(command, pages, site):
    text = pages[site / "commands" / "index.html"].text
    assert "\\" not in text
    for action in hooks.parser_of(command)._actions:
        assert action.help is not None, action
        assert all(
            re.search(rf"{option}\b", text) for option in action.option_strings if option not in ("-h", "--help")
        )


def test_every_command_has_its_section():
    asked = re.findall(r"\{\{ flags (.+?) \}\}", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))
    same = {"python -m faceswap swap"}  # as faceswap/main.py
    assert set(asked) == set(all_commands()) - same


def registries() -> dict[int, str]:
    """The tables of the program whose entries have a help line: where each is, by its identity."""
    found = {}
    for name in MODULES:
        if name.rpartition(".")[2] in ("__main__", "main_video") or name == "faceswap.main":
            continue
        for key, value in vars(importlib.import_module(name)).items():
            if key.isupper() and isinstance(value, dict) and value and all(hasattr(v, "help") for v in value.values()):
                found.setdefault(id(value), f"{name}:{key}")
    return found


def test_every_table_of_choices_is_told():
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    asked = [place.split(":") for place in re.findall(r"\{\{ table (.+?) \}\}", text)]
    told = {id(getattr(importlib.import_module(module), name)) for module, name in asked}
    assert told == set(registries()), {place for key, place in registries().items() if key not in told}


def test_every_choice_of_a_table_is_on_its_page(pages, site):
    text = pages[site / "tables" / "index.html"].text
    for place in registries().values():
        module, name = place.split(":")
        for key, entry in getattr(importlib.import_module(module), name).items():
            assert str(key) in text and entry.help.replace("`", "") in text, (place, key)


def test_every_room_is_drawn():
    drawing = (ROOT / "img" / "house.svg").read_text(encoding="utf-8")
    for package, *inner in (folder.split(".") for folder in hooks.folders()):
        room = package if package in LEAVES else [package, *inner][:2][-1]
        assert re.search(rf"\b{room}\b", drawing), room


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_hold_in_the_repository(page):
    for address in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert is_outside(address) or (page.parent / address).exists(), address


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_names_on_a_page_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:sgan|faceswap|provenance|panels|bars)(?:\.\w+)+)`", text):
        assert pkgutil.resolve_name(name) is not None
    for path in re.findall(r"`((?:sgan|faceswap|panels|tests|bench|runs|docs|notebooks|\.ci)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("picture", sorted((ROOT / "img").glob("*.jpg")), ids=lambda path: path.stem)
def test_pictures_carry_their_mark_and_are_used(picture):
    from provenance import read_mark

    assert read_mark(picture) is not None
    assert picture.stat().st_size < 200_000
    assert any(f"img/{picture.name}" in page.read_text(encoding="utf-8") for page in PAGES)


def test_docstrings_become_lists():
    lines = "Sum of a_b * c, [x, y].\n\nArgs:\n    a, b: `one*two`\n        and more\n\nRaises:\n    OSError: never"
    shown = "\n".join(map(hooks.as_markdown, lines.splitlines()))
    assert r"Sum of a\_b \* c, \[x, y\]." in shown
    assert hooks.escaped("a|b < `c|d` *") == r"a\|b &lt; `c|d` \*"
    assert "**Args:**" in shown and "\n- `a, b`: `one*two`\n  and more" in shown and "- `OSError`: never" in shown


def test_links_hold_in_the_repository_and_on_the_site():
    assert hooks.turned("../CONTRIBUTING.md", "house.md") == "CONTRIBUTING.md"
    assert hooks.turned("../../checkpoints/faces/README.md", "tour/game.md") == "../checkpoints/faces/README.md"
    assert hooks.turned("docs/house.md", "CONTRIBUTING.md") == "house.md"
    assert hooks.turned("../img/a.jpg", "swap.md") == "img/a.jpg"
    assert hooks.turned("../../img/a.jpg", "tour/shop.md") == "../img/a.jpg"
    assert hooks.turned("grid.jpg", "checkpoints/faces/README.md") == "grid.jpg"
