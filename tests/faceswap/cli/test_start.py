"""What the commands leave unloaded, so that they start quickly."""

import pytest
from commands import run

HEAVY = {
    "torch",
    "cv2",
    "numpy",
    "PIL",
    "av",
    "ai_edge_litert",
    "skimage",
    "scipy",
    "matplotlib",
    "IPython",
    "ipywidgets",
}
TELL = f"""
import runpy, sys
name, *sys.argv[1:] = sys.argv[1:]
try:
    (runpy.run_path if name.endswith(".py") else runpy.run_module)(name, run_name="__main__")
except SystemExit as left:
    print(*(set({sorted(HEAVY)}) & set(sys.modules)))
    sys.exit(left.code)
"""


def loaded_by(*arguments):
    """Returns which of HEAVY a command has loaded in the end."""
    result = run(("-c", TELL), *arguments)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command",
    ["faceswap/main.py", "faceswap/main_video.py", "faceswap", "faceswap swap", "faceswap batch", "faceswap align"],
)
def test_help_needs_no_library(command):
    assert loaded_by(*command.split(), "--help") == set()


def test_one_photo_needs_neither_video_nor_torch_nor_notebook(folder, tmp_path):
    files = ["--src", folder / "face.png", "--dst", folder / "body.png", "--out", tmp_path / "out.png"]
    loaded = loaded_by("faceswap/main.py", *files, "--no_debug_window")
    assert {"cv2", "numpy", "PIL"} <= loaded
    assert not loaded & {"torch", "av", "skimage", "scipy", "IPython", "ipywidgets"}
