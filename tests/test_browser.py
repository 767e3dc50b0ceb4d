"""Both notebooks in JupyterLab, worked in a real browser as a person would. Screenshots: RUF_SCREENSHOTS=FOLDER."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from desk import TINY, make_desk, notebook_environment

from provenance import COMPOSITE, read_mark

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOKEN = "test"
CALM = 8.0  # seconds after which no question comes any more
PATIENCE = 180_000  # milliseconds for whatever needs a kernel
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
    pytest.mark.skipif(
        not os.environ.get("RUF_BROWSER"),
        reason="JupyterLab's late question for a kernel makes these unsteady; RUF_BROWSER=1 runs them",
    ),
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def wait_for(condition, seconds: float = 120):
    """What `condition` returns once it is true; fails after that time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1440, "height": 1100})
    page.set_default_timeout(PATIENCE)
    yield page
    snap(page, "at-the-end")
    page.close()


def open_notebook(page, lab: str, name: str) -> None:
    page.goto(f"{lab}/lab/tree/notebooks/{name}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")


def run_all(page) -> None:
    """Runs all cells. JupyterLab may ask for a kernel, also a while after the first cell: then all are run again."""
    accept = page.locator(".jp-Dialog .jp-mod-accept")
    started = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[(\*|\d+)\]"))
    for _ in range(4):
        if accept.count():
            accept.first.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        quiet = time.monotonic() + CALM
        while time.monotonic() < quiet and not accept.count():
            time.sleep(0.1)
        if started.count() and not accept.count():
            return


def picture_of(page, selector: str) -> str:
    """The address of a shown picture, another one after each update."""
    return page.locator(f"{selector} img").first.get_attribute("src") or ""


def snap(page, name: str, selector: str | None = None) -> None:
    """Keeps a picture of the page, where they are asked for."""
    folder = os.environ.get("RUF_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        target = page.locator(selector).first if selector else page
        target.screenshot(path=str(Path(folder) / f"{name}.png"))


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def button(page, panel: str, text: str):
    return page.locator(f"{panel} button", has_text=re.compile(rf"^\s*{text}\s*$")).first


def test_train_in_the_browser(page, lab, desk):
    open_notebook(page, lab, "SGAN.ipynb")
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

    handle = page.locator(".ruf-live-learning_rate .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press("ArrowRight")
    changed = wait_for(lambda: rows(desk / "run" / "hparams.jsonl"))
    assert set(changed[0]["patch"]) == {"learning_rate"} and changed[0]["nimg"] > 0

    button(page, panel, "Pause").click()
    time.sleep(1.0)
    count = len(rows(desk / "run" / "stats.jsonl"))
    time.sleep(1.0)
    assert len(rows(desk / "run" / "stats.jsonl")) == count
    snap(page, "sgan-paused", panel)

    button(page, panel, "Resume").click()
    wait_for(lambda: len(rows(desk / "run" / "stats.jsonl")) > count)
    button(page, panel, "Stop and save").click()
    state = wait_for(lambda: sorted((desk / "run").glob("state-*.safetensors")))[-1]
    page.wait_for_selector(".ruf-train button:has-text('Start'):enabled")

    button(page, panel, "Resume").click()  # in the kernel's background: no cell waits for it
    wait_for(lambda: rows(desk / "run" / "stats.jsonl")[-1]["nimg"] > int(state.stem[6:]))
    look_inside(page, desk)

    page.keyboard.press("Control+s")
    wait_for(lambda: "widget-view" in (desk / "notebooks" / "SGAN.ipynb").read_text())
    page.reload()
    page.wait_for_selector(f"{panel} img[src^=blob]")
    snap(page, "sgan-after-reload", panel)
    button(page, panel, "Stop and save").click()
    wait_for(lambda: len(list((desk / "run").glob("state-*.safetensors"))) == 2)


def look_inside(page, desk) -> None:
    """Moves the seed slider of the face panel, sees another face, and takes its persona along."""
    image = ".ruf-faces img"
    page.wait_for_selector(f"{image}[src^=blob]")
    before = page.locator(image).first.get_attribute("src")
    handle = page.locator(".ruf-faces .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press("ArrowRight")
    wait_for(lambda: changed_from(page, image, before))
    button(page, ".ruf-faces", "persona").click()
    persona = wait_for(lambda: list((desk / "results").glob("face.json")))[0]
    assert json.loads(persona.read_text())["settings"]["seed"] == 8
    snap(page, "sgan-faces", ".ruf-faces")


def test_swap_in_the_browser(page, lab, desk):
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    open_notebook(page, lab, "Swap.ipynb")
    run_all(page)
    panel, preview = ".ruf-swap", ".ruf-preview"
    page.wait_for_selector(f"{preview}[src^=blob]")
    before = page.locator(preview).get_attribute("src")
    with page.expect_file_chooser() as chooser:
        page.locator(f"{panel} button", has_text="upload a face").click()  # its name ends in a count
    chooser.value.set_files(desk / "a face.png")
    page.wait_for_selector(f"{panel} code:has-text('uploads/a face.png')")
    swapped = wait_for(lambda: changed_from(page, preview, before))
    snap(page, "swap-panel", panel)

    strength = page.locator(".ruf-option-strength .noUi-handle").first
    strength.focus()
    page.keyboard.press("PageDown")
    wait_for(lambda: changed_from(page, preview, swapped))
    page.wait_for_selector(f"{panel} code:has-text('--strength')")

    button(page, panel, "Save").click()
    page.wait_for_selector(f"{panel} :text('written: results/output.jpg')")
    mark = read_mark(desk / "results" / "output.jpg")
    assert mark.source_type == COMPOSITE and mark.settings["src"] == "a face.png" and mark.settings["strength"] < 1
    snap(page, "swap-page")


def changed_from(page, selector: str, old: str) -> str | None:
    """The address of a picture once it is another one."""
    new = page.locator(selector).first.get_attribute("src")
    return new if new and new != old else None
