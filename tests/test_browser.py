"""Both notebooks in JupyterLab, worked in a real browser as a person would. Screenshots: RUF_SCREENSHOTS=FOLDER."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from desk import (
    CHROMIUM,
    CHROMIUM_ARGUMENTS,
    TINY,
    answers,
    changed_from,
    make_desk,
    notebook_environment,
    snap,
    wait_for,
)

from provenance import COMPOSITE, read_mark
from sgan.launch.crew import free_port

TOKEN = "test"
PATIENCE = 300_000  # milliseconds for whatever needs a kernel
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder like the project's, with copies of the notebooks and pictures to work on."""
    desk = make_desk(tmp_path_factory.mktemp("desk"))
    settings = desk / "jupyter" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    return desk


@pytest.fixture(scope="module")
def lab(desk):
    """The address of a JupyterLab on that folder."""
    port = free_port()
    parameters = dict(
        image_folder_path="pictures", save_folder_path="run", settings=TINY | {"n_sample_total": 1_000_000}
    )
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    environment = notebook_environment(desk, **parameters, checkpoint="run", body="photo.png")
    environment |= {name: str(desk / "jupyter") for name in places}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={desk}"]
    with open(desk / "server.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=desk)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{address}/api/status?token={TOKEN}"), 60)
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 1100})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    yield page
    snap(page, "at-the-end")
    context.close()


def ask(address: str, method: str, place: str, **content) -> dict:
    """What the server's interface answers."""
    request = urllib.request.Request(f"{address}{place}?token={TOKEN}", json.dumps(content).encode(), method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or "{}")


@pytest.fixture
def open_notebook(page, lab):
    """A function that opens a notebook of that name, ready to be run.

    Its kernel is started first, so that the page joins it: a page that starts one itself drops, or answers with a
    question, what is clicked before it has.
    """
    opened = []

    def start(name: str) -> None:
        kernel = {"name": "python3"}
        path = f"notebooks/{name}"
        opened.append(ask(lab, "POST", "/api/sessions", path=path, name=name, type="notebook", kernel=kernel)["id"])
        page.goto(f"{lab}/lab/tree/{path}?token={TOKEN}&reset")
        wait_until_ready(page)

    yield start
    for session in opened:
        ask(lab, "DELETE", f"/api/sessions/{session}")


def wait_until_ready(page) -> None:
    """Waits until the shown notebook has its kernel and the kernel answers."""
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector(".jp-KernelName:has-text('Python 3')")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")


def run_all(page) -> None:
    """Runs all cells; fails if the page asks something instead."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.locator(".jp-InputPrompt", has_text=re.compile(r"\[(\*|\d+)\]")).first.wait_for()
    assert not page.locator(".jp-Dialog").count()


def picture_of(page, selector: str) -> str:
    """The address of a shown picture, another one after each update."""
    return page.locator(f"{selector} img").first.get_attribute("src") or ""


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def button(page, panel: str, text: str):
    return page.locator(f"{panel} button", has_text=re.compile(rf"^\s*{text}\s*$")).first


def wait_for_saved(desk: Path, number: int) -> Path:
    """The newest state once there are so many."""
    wait_for(lambda: len(list((desk / "run").glob("state-*.safetensors"))) >= number)
    return max((desk / "run").glob("state-*.safetensors"))


def test_train_in_the_browser(page, open_notebook, lab, desk):
    open_notebook("SGAN.ipynb")
    run_all(page)
    panel = ".ruf-train"
    page.wait_for_selector(f"{panel} img[src^=blob]")
    grid = wait_for(lambda: picture_of(page, panel))
    wait_for(lambda: picture_of(page, panel) != grid)
    plot = page.locator(f"{panel} img").nth(1)
    first = plot.get_attribute("src")
    wait_for(lambda: plot.get_attribute("src") != first)
    snap(page, "sgan-training-page")
    snap(page, "sgan-form", ".ruf-form")

    move_slider(page, ".ruf-live-learning_rate", "ArrowRight")
    changed = wait_for(lambda: rows(desk / "run" / "hparams.jsonl"))
    assert set(changed[0]["patch"]) == {"learning_rate"} and changed[0]["nimg"] > 0

    button(page, panel, "Pause").click()
    page.wait_for_selector(f"{panel} button:has-text('Pause'):disabled")
    time.sleep(0.5)
    count = len(rows(desk / "run" / "stats.jsonl"))
    time.sleep(1.0)
    assert len(rows(desk / "run" / "stats.jsonl")) == count
    snap(page, "sgan-paused", panel)

    button(page, panel, "Resume").click()
    wait_for(lambda: len(rows(desk / "run" / "stats.jsonl")) > count)
    button(page, panel, "Stop and save").click()
    state = wait_for_saved(desk, 1)
    page.wait_for_selector(f"{panel} button:has-text('Start'):enabled")

    button(page, panel, "Resume").click()
    wait_for(lambda: rows(desk / "run" / "stats.jsonl")[-1]["nimg"] > int(state.stem[6:]))
    look_inside(page, desk)
    find_again(page, desk, panel, f"{lab}/lab/tree/notebooks/SGAN.ipynb?token={TOKEN}")
    button(page, panel, "Stop and save").click()
    wait_for_saved(desk, 2)


def find_again(page, desk: Path, panel: str, address: str) -> None:
    """Reloads the page while the training goes on, and opens it in a second tab: both show the running panel."""
    page.keyboard.press("Control+s")
    wait_for(lambda: "widget-view" in (desk / "notebooks" / "SGAN.ipynb").read_text())
    page.reload()
    follow(page, panel)
    snap(page, "sgan-after-reload", panel)
    second = page.context.new_page()
    second.goto(address)
    follow(second, panel)
    button(second, panel, "Pause").click()
    page.wait_for_selector(f"{panel} button:has-text('Pause'):disabled")
    button(page, panel, "Resume").click()
    second.wait_for_selector(f"{panel} button:has-text('Pause'):enabled")
    second.close()


def follow(page, panel: str) -> None:
    """Waits until the page shows the panel of a training that goes on."""
    page.wait_for_selector(f"{panel} img[src^=blob]")
    grid = picture_of(page, panel)
    wait_for(lambda: picture_of(page, panel) not in ("", grid))


def move_slider(page, selector: str, key: str) -> None:
    """Moves the first slider there by a key."""
    handle = page.locator(f"{selector} .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press(key)


def look_inside(page, desk: Path) -> None:
    """Takes what the training saved, moves the seed slider, sees another face, and takes its persona along."""
    image = ".ruf-faces img"
    button(page, ".ruf-faces", "newest of the training").click()
    page.wait_for_selector(f"{image}[src^=blob]")
    before = page.locator(image).first.get_attribute("src")
    move_slider(page, ".ruf-faces", "ArrowRight")
    wait_for(lambda: changed_from(page, image, before))
    button(page, ".ruf-faces", "persona").click()
    persona = wait_for(lambda: list((desk / "results").glob("face.json")))[0]
    assert json.loads(persona.read_text())["settings"]["seed"] == 8
    snap(page, "sgan-faces", ".ruf-faces")
    tabs = page.locator(".ruf-faces .lm-TabBar-tab")
    for number in range(tabs.count()):
        tabs.nth(number).click()
        page.locator(".ruf-faces .widget-tab-contents button:visible").first.wait_for()
    assert tabs.count() > 1 and not page.locator(".jupyter-widgets-error-widget").count()


def test_swap_in_the_browser(page, open_notebook, desk):
    open_notebook("Swap.ipynb")
    run_all(page)
    panel, preview = ".ruf-swap", ".ruf-preview"
    page.wait_for_selector(f"{preview}[src^=blob]")
    before = page.locator(preview).get_attribute("src")
    with page.expect_file_chooser() as chooser:
        page.locator(f"{panel} button", has_text="upload a face").click()  # its name ends in a count
    chooser.value.set_files(desk / "a face.png")
    page.wait_for_selector(f"{panel} code:has-text('uploads/face/a face.png')")
    swapped = wait_for(lambda: changed_from(page, preview, before))
    snap(page, "swap-panel", panel)

    move_slider(page, ".ruf-option-strength", "PageDown")
    weaker = wait_for(lambda: changed_from(page, preview, swapped))
    page.wait_for_selector(f"{panel} code:has-text('--strength')")

    page.locator(f"{panel} .ruf-pick").first.click()
    plain = wait_for(lambda: changed_from(page, preview, weaker))
    page.wait_for_selector(f"{panel} :text('0 of 1 faces')")
    page.locator(f"{panel} .ruf-pick").first.click()
    wait_for(lambda: changed_from(page, preview, plain))
    page.wait_for_selector(f"{panel} :text('1 of 1 faces')")

    button(page, panel, "Save").click()
    page.wait_for_selector(f"{panel} :text('written: results/output.jpg')")
    mark = read_mark(desk / "results" / "output.jpg")
    assert mark.source_type == COMPOSITE and mark.settings["src"] == "a face.png" and mark.settings["strength"] < 1
    snap(page, "swap-page")
