"""Network files as functions of arrays: which runner opens which kind of file, and the files that the project ships."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphs.silence import silent_libraries

MODELS = Path(__file__).parent / "models"  # models.json there says what each file is and where it comes from
Run = Callable[..., list[np.ndarray]]


class Runner(NamedTuple):
    """What opens files of one kind."""

    open: Callable[[bytes], Run]  # a file's content -> a function of arrays, for one thread at a time
    help: str


def open_litert(content: bytes) -> Run:
    """Returns a LiteRT (TensorFlow Lite) network as a function of its inputs, on one thread.

    Raises:
        ValueError: no such network.
    """
    from ai_edge_litert.interpreter import Interpreter

    with silent_libraries():  # it tells on the screen what it computes with
        network = Interpreter(model_content=content, num_threads=1)
        network.allocate_tensors()
    into, out = ([one["index"] for one in of()] for of in (network.get_input_details, network.get_output_details))

    def run(*inputs: np.ndarray) -> list[np.ndarray]:
        for index, value in zip(into, inputs, strict=True):
            network.set_tensor(index, value)
        network.invoke()
        return [network.get_tensor(index) for index in out]

    return run


RUNNERS = {".tflite": Runner(open_litert, "LiteRT, the runner of TensorFlow Lite's files")}


class Graph:
    """A network file as a function: arrays, in the order of its inputs -> its outputs, a list of arrays.

    Any number of threads may call it. Each call has an instance to itself, one that an earlier call has left or a new
    one, so that there are as many as there ever were calls at the same time. Nothing is opened before the first call.

    Args:
        path: a file of a kind that is in RUNNERS.

    Raises:
        ValueError: no runner for such files; at the first call, a file that its runner cannot read.
        FileNotFoundError: at the first call.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in RUNNERS:
            raise ValueError(f"{path}: no network file; their names end in {', '.join(RUNNERS)}")
        self.path = path
        self._idle: deque[Run] = deque()

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        try:
            run = self._idle.pop()
        except IndexError:
            run = self._open()
        outputs = run(*inputs)
        self._idle.append(run)
        return outputs

    def _open(self) -> Run:
        content = self.path.read_bytes()
        try:
            return RUNNERS[self.path.suffix].open(content)
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"{self.path}: not a whole network file ({' '.join(str(error).split())}); fetch it again"
            ) from None


@cache
def shipped_models() -> dict[str, dict]:
    """Returns name -> what models.json says of each network file that the project ships; tests hold it to its word."""
    return json.loads((MODELS / "models.json").read_text(encoding="utf-8"))


@cache
def open_graph(name: str) -> Graph:
    """Returns a network that the project ships, the same one for all who ask.

    Raises:
        ValueError: an unknown name.
    """
    if name not in shipped_models():
        raise ValueError(f"unknown network {name!r}; there are {', '.join(shipped_models())}")
    return Graph(MODELS / shipped_models()[name]["file"])
