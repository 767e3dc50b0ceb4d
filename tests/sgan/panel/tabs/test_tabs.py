"""What holds for every tab."""

import json

import ipywidgets as widgets
import pytest
from desk import ROOT

from sgan.panel import FacePanel
from sgan.panel.tabs import TABS

NOTEBOOK = ROOT / "notebooks" / "SGAN.ipynb"


def buttons_of(widget: widgets.Widget) -> list[widgets.Button]:
    """Returns all buttons within a widget."""
    inner = [button for child in getattr(widget, "children", ()) for button in buttons_of(child)]
    return [widget, *inner] if isinstance(widget, widgets.Button) else inner


@pytest.mark.parametrize("title", ["One face", *TABS])
def test_every_tab_is_there_with_its_help_and_its_buttons_work(title, checkpoint, pictures, tmp_path):
    panel = FacePanel(str(checkpoint), tmp_path, folder=str(pictures))
    assert panel.tabs.titles == ("One face", *TABS)
    tab = panel.tabs.children[panel.tabs.titles.index(title)]
    if title in TABS:
        assert isinstance(tab, TABS[title].kind) and tab is panel.part(TABS[title].kind)
    buttons = buttons_of(tab)
    assert buttons
    for button in buttons:
        button.click()
        assert not panel.message.failed, panel.message.value


def test_the_notebook_tells_of_every_tab():
    prose = " ".join("".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"])
    assert [title for title, tab in TABS.items() if f"*{title}*: {tab.help}" not in prose] == []


@pytest.mark.parametrize("title", TABS)
def test_a_tab_without_a_generator_tells_so_or_does_nothing(title, tmp_path):
    panel = FacePanel(str(tmp_path / "none"), tmp_path)
    for button in buttons_of(panel.part(TABS[title].kind)):
        button.click()
        assert "load a checkpoint first" in panel.message.value
