"""A crew trains under a notebook: rank 0 sends its events over a local socket and passes on what it is told.

The notebook's side is run_workers(), which gives the same events as one process would. Messages are lines of JSON.
"""

import base64
import dataclasses
import hmac
import json
import os
import secrets
import socket
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from bars import one_sentence
from sgan import events as event_types
from sgan.config import HParams, TrainConfig, from_dict, to_dict
from sgan.events import Control, Event, Finished, Opened, Step
from sgan.launch.crew import Crew, end_with_crew, hear_endings
from sgan.launch.run import check_workers, run_training
from sgan.networks.device import own_device, resolve_device

VARIABLE = "RANDOM_UNREAL_FACE_RUN"  # tells a worker its settings and where the notebook listens
LOG_NAME = "workers.log"
ROOT = Path(__file__).resolve().parents[2]
STEP_EVERY = 0.05  # seconds between two Step events that are sent; all other events are
LOOK = 0.05  # seconds between two looks at the socket
LAST_WORDS = 10.0  # seconds until it is known which worker broke off a run
PATIENCE = 60.0  # seconds until workers that were told to stop are ended


class Link:
    """One end of the socket. `send` and `receive` plain objects; `closed` once the other end is gone."""

    def __init__(self, connection: socket.socket):
        self.connection, self.rest, self.closed = connection, b"", False

    def send(self, content: Any) -> None:
        """Sends one object that JSON knows; nothing when the other end is gone."""
        try:
            self.connection.settimeout(None)
            self.connection.sendall(json.dumps(content).encode() + b"\n")
        except OSError:
            self.closed = True

    def receive(self, seconds: float = 0.0) -> list[Any]:
        """What has come, waiting so long for the first of it."""
        self.connection.settimeout(seconds)
        try:
            while not self.closed:
                data = self.connection.recv(1 << 20)
                self.closed = not data
                self.rest += data
                if b"\n" in data:
                    break
        except (BlockingIOError, TimeoutError):
            pass
        except OSError:
            self.closed = True
        *lines, self.rest = self.rest.split(b"\n")
        return [json.loads(line, object_hook=with_numbers) for line in lines]


def with_numbers(table: dict) -> dict:
    """A dict whose keys are numbers again where JSON made them text: a table by resolution."""
    return {int(key) if key.isdecimal() else key: value for key, value in table.items()}


def encode_event(event: Event) -> dict[str, Any]:
    """An event as an object that JSON knows."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            fields[name] = {"shape": value.shape, "uint8": base64.b64encode(value.tobytes()).decode()}
        elif isinstance(value, HParams):
            fields[name] = to_dict(value)
    return {"event": type(event).__name__, **fields}


def decode_event(content: dict[str, Any]) -> Event:
    """The event that was encoded."""
    fields = {name: value for name, value in content.items() if name != "event"}
    if "image" in fields:
        raw = base64.b64decode(fields["image"]["uint8"])
        fields["image"] = np.frombuffer(raw, np.uint8).reshape(fields["image"]["shape"])
    if "hparams" in fields:
        fields["hparams"] = from_dict(HParams, fields["hparams"])
    return getattr(event_types, content["event"])(**fields)


class SharedControl(Control):
    """The mailbox of one of several workers: rank 0 hears from the notebook, and all of them do the same at once.

    link: rank 0's end of the socket, None elsewhere. A notebook that is gone counts as stop.
    """

    def __init__(self, link: Link | None, device: torch.device):
        super().__init__()
        self.link, self.device = link, device

    def drain(self) -> list[dict[str, Any]]:
        """The new patches, the same in all processes; comes back after a pause when there is one."""
        patches: list[dict[str, Any]] = []
        while True:
            news = self._listen() if self.link is not None else {}
            flag = torch.tensor(float(bool(news)), device=self.device)
            dist.broadcast(flag, src=0)  # an object takes several exchanges: only when there is one
            if flag:
                shared = [news]
                dist.broadcast_object_list(shared, src=0, device=self.device)
                news = shared[0]
                patches += news.get("patches", [])
                self.stopped = self.stopped or news.get("stop", False)
            if not news.get("pause") or news.get("stop"):  # and not self.stopped: all must leave at the same turn
                return patches
            time.sleep(LOOK)

    def _listen(self) -> dict[str, Any]:
        """What the notebook said, empty when there is nothing to tell the others."""
        patches = []
        for message in self.link.receive():
            if "patch" in message:
                patches.append(message["patch"])
            if "pause" in message:
                self.pause() if message["pause"] else self.unpause()
            self.stopped = self.stopped or message.get("stop", False)
        stop = self.stopped or self.link.closed
        news = {"patches": patches, "stop": stop, "pause": self.paused and not stop}
        return news if any(news.values()) else {}


def run_workers(config: TrainConfig, control: Control) -> Iterator[Event]:
    """The events of a run in config.n_gpu processes, Opened first; a bare Event where there is nothing to tell.

    What is posted to `control` reaches all workers; while it is paused they wait. They end when the iterator is
    closed. ConfigError or RuntimeError, in one sentence, when they cannot begin or break off.
    """
    check_workers(config)
    key = secrets.token_hex(32)
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = {"config": to_dict(config), "port": server.getsockname()[1], "key": key}
        log = Path(config.save_folder_path) / LOG_NAME
        log.parent.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        variables = {VARIABLE: json.dumps(told), "PYTHONPATH": path}
        if config.CUDA_VISIBLE_DEVICES:
            variables["CUDA_VISIBLE_DEVICES"] = config.CUDA_VISIBLE_DEVICES
        crew, link = Crew(), None
        with open(log, "wb") as file:
            crew.start(config.n_gpu, ["sgan.launch.bridge"], variables, file)
        try:
            link = yield from _accept(server, key, crew)
            yield from _follow(link, control, crew, log)
        finally:
            if link is not None:
                link.connection.close()  # which they take for stop
            crew.dismiss(PATIENCE if link is not None else 0.0)


def _accept(server: socket.socket, key: str, crew: Crew) -> Generator[Event, None, Link | None]:
    """Bare events until rank 0 has come and shown the key; returns its Link, or None when the workers ended before."""
    server.settimeout(LOOK)
    while crew.running():
        try:
            link = Link(server.accept()[0])
        except TimeoutError:
            yield Event(0, 0)
            continue
        if _shows(link, key):
            return link
        link.connection.close()
    return None


def _shows(link: Link, key: str) -> bool:
    """Whether the other end says the key first; any program of this machine can reach the port and say anything."""
    try:
        return hmac.compare_digest(str(link.receive(1.0)[0]["key"]), key)
    except (ValueError, LookupError, TypeError):
        return False


def _follow(link: Link | None, control: Control, crew: Crew, log: Path) -> Iterator[Event]:
    """The events that come, until the last; passes on what is posted to the mailbox."""
    last, paused, stopped = Event(0, 0), False, False
    while link is not None:
        for patch in control.drain():
            link.send({"patch": patch})
        if control.paused != paused:
            paused = control.paused
            link.send({"pause": paused})
        if control.stopped and not stopped:
            stopped = True
            link.send({"stop": True})
        messages = link.receive(LOOK)
        for message in messages:
            if "error" in message:
                crew.running()
                killed = crew.failure is not None and crew.failure.code < 0  # then rank 0 has only lost it
                raise RuntimeError(f"{crew.failure}; see {log}" if killed else message["error"])
            last = decode_event(message)
            yield last
            if isinstance(last, Finished):
                return
        if not messages:
            if link.closed:
                break
            crew.running()
            yield Event(last.nimg, last.iteration)
    crew.wait(LAST_WORDS)
    raise RuntimeError(f"the workers ended before the training did ({crew.failure or 'without a word'}); see {log}")


def main() -> None:
    """One worker of the crew."""
    end_with_crew()
    told = json.loads(os.environ[VARIABLE])
    config = from_dict(TrainConfig, told["config"])
    device = own_device(resolve_device(config.device))
    link = None
    if os.environ["RANK"] == "0":
        link = Link(socket.create_connection(("127.0.0.1", told["port"])))
        link.send({"key": told["key"]})
    try:
        _work(config, link, device)
    except Exception as error:
        if link is not None:
            link.send({"error": one_sentence(error)})
        raise


def _work(config: TrainConfig, link: Link | None, device: torch.device) -> None:
    """Trains, sending the events where there is a link."""

    def opened(state: Any, dataset: Any) -> None:
        if link is not None:
            link.send(encode_event(opened_event(state, dataset)))

    sent = 0.0
    control = SharedControl(link, device)
    hear_endings(lambda *_: control.stop())
    for event in run_training(config, control, on_open=opened):
        if link is None or (isinstance(event, Step) and time.monotonic() - sent < STEP_EVERY):
            continue
        sent = time.monotonic()
        link.send(encode_event(event))


def opened_event(state: Any, dataset: Any) -> Opened:
    """The Opened event of a TrainState and its Dataset."""
    n_images, n_bad = len(dataset), len(dataset.bad)
    return Opened(state.nimg, state.iteration, state.hparams, state.journal, state.notes, n_images, n_bad)


if __name__ == "__main__":
    main()
