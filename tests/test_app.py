"""The pages for visitors: seen by a browser, and tried by someone who wants more than the page offers."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from desk import CHROMIUM, CHROMIUM_ARGUMENTS, ROOT, answers, changed_from, snap, wait_for

from sgan.launch.crew import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("voila", reason="voila is not installed")
PATIENCE = 300_000  # milliseconds for whatever needs a kernel
TOKEN = "secret"
# Runs in the page: opens the kernel's channel with the visitor's own rights, sends these messages and returns the
# types of what came back until the last of them was answered.
TALK = """
async ([types, code]) => {
  const config = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const address = `${location.origin.replace("http", "ws")}/api/kernels/${config.kernelId}/channels?session_id=other`;
  const socket = new WebSocket(address), seen = [];
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  const ended = new Promise((resolve) => {
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.parent_header.session !== "other") return;
      seen.push(message.header.msg_type);
      if (message.header.msg_type === "kernel_info_reply") resolve();
    };
  });
  types.forEach((type, number) => socket.send(JSON.stringify({
    header: {msg_id: `m${number}`, msg_type: type, session: "other", username: "", version: "5.3", date: ""},
    parent_header: {}, metadata: {}, buffers: [], channel: "shell",
    content: type === "execute_request" ? {code, silent: false, store_history: false, allow_stdin: false} : {},
  })));
  await ended;
  socket.close();
  return seen;
}
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The address of the running server."""
    folder, port = tmp_path_factory.mktemp("app"), free_port()
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(folder) for name in places} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "panels.serve", "notebooks/app", "--no-browser", f"--port={port}"]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [*command, f"--token={TOKEN}"], env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{address}/login"))
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def page(app):
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def test_without_the_token_there_is_only_the_question_for_it(app):
    for token in ("", "?token=wrong"):
        with urllib.request.urlopen(f"{app}/voila/render/Person.ipynb{token}", timeout=60) as answer:
            assert "/login" in answer.url and b"data:image" not in answer.read()
    for place in ("/api/kernels/00000000-0000-0000-0000-000000000000", "/voila/api/contents/?token=wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(app + place, timeout=60)
        assert refused.value.code == 403


def test_another_person_and_no_code_of_the_visitor(app, page, tmp_path):
    page.goto(f"{app}/voila/render/Person.ipynb?token={TOKEN}")
    image = ".ruf-person img"
    page.wait_for_selector(f"{image}[src^=blob]")
    before = page.locator(image).get_attribute("src")
    page.locator(".ruf-person button").click()
    wait_for(lambda: changed_from(page, image, before))
    with page.expect_download() as download:
        page.locator(".ruf-person a[download]").click()
    assert download.value.suggested_filename == "face.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    assert "PersonPage" not in page.content()  # the source of the cells
    snap(page, "app-person")

    code = f"open({json.dumps(str(tmp_path / 'run'))}, 'w')"
    seen = page.evaluate(TALK, [["execute_request", "kernel_info_request"], code])
    assert "kernel_info_reply" in seen and not {"execute_reply", "execute_input"} & set(seen)
    assert not (tmp_path / "run").exists()
    for place in ("files/Person.ipynb", "files/..%2F..%2FREADME.md", "render/..%2FSwap.ipynb", "api/contents/..%2F"):
        assert page.request.get(f"{app}/voila/{place}").status in (403, 404), place


def test_swap_page(app, page, tmp_path):
    page.goto(f"{app}/voila/render/Swap.ipynb?token={TOKEN}")
    preview = ".ruf-preview"
    page.wait_for_selector(f"{preview}[src^=blob]")
    before = page.locator(preview).get_attribute("src")
    page.locator(".ruf-faces button", has_text="surprise me").click()
    wait_for(lambda: changed_from(page, preview, before))
    assert not page.locator(".ruf-swap input[type=text]").count()
    page.locator(".ruf-swap button", has_text="Make at full size").click()
    with page.expect_download() as download:
        page.locator(".ruf-swap a[download]").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\xff\xd8")
    snap(page, "app-swap")
