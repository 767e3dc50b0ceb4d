"""What importing a module may not do: load weights, open a window, read flags, speak, or bring a heavy library."""

import subprocess
import sys

import pytest
from test_layers import FLOORS, MODULES, ROOT, floor_of, place_of

IMPORT_ALL = """
import importlib, os, sys, tempfile

class Argv(list):
    def refuse(self, *_):
        raise AssertionError("it reads sys.argv")
    __getitem__ = __iter__ = __len__ = refuse

def refuse_network(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise AssertionError("it opens a connection")

def watch(module, name, what):
    def refuse(*_, **__):
        raise AssertionError(what)
    setattr(module, name, refuse)

names = sys.argv[1:]
import cv2, matplotlib
if names[0].startswith("sgan"):
    import torch, safetensors.torch
    watch(torch, "load", "it loads weights")
    watch(safetensors.torch, "load_file", "it loads weights")
    watch(torch.nn.Module, "__init__", "it builds a network")
for name in ("imshow", "namedWindow", "VideoCapture"):
    watch(cv2, name, "it opens a window or a camera")
sys.argv = Argv()
sys.addaudithook(refuse_network)
answer = os.dup(1)
with tempfile.TemporaryFile() as heard:
    os.dup2(heard.fileno(), 1), os.dup2(heard.fileno(), 2)
    for name in names:
        try:
            importlib.import_module(name)
            sys.stdout.flush(), sys.stderr.flush()
            heard.seek(0)
            said = heard.read().decode(errors="replace")
        except BaseException as error:
            said = repr(error)
        if said:
            os.write(answer, f"{name}: {said}\\n".encode())
            os._exit(1)
"""


@pytest.mark.parametrize("package", FLOORS)
def test_importing_does_nothing(package):
    names = sorted(
        (name for name in MODULES if name.split(".")[0] == package), key=lambda name: -floor_of(*place_of(name))
    )
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_provenance_brings_no_heavy_library():
    code = "import provenance, sys; print({'torch', 'cv2', 'numpy'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
