"""A crew under a notebook."""

import json
import signal
import socket

import numpy as np
import pytest

from sgan.config import HParams
from sgan.events import Changed, Control, Grid, Opened, Stats, Step
from sgan.launch import bridge
from sgan.launch.bridge import decode_event, encode_event, with_numbers

WAIT = "import time; time.sleep(600)"


def test_events_survive_the_way_between_processes():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    events = [
        Step(4, 1, 8, 0.5, 4),
        Stats(4, 1, {"loss_d": 1.5}),
        Changed(4, 1, {"learning_rate": {8: 0.01}}),
        Opened(
            4, 1, HParams(learning_rate={64: 0.001}), [{"nimg": 4, "patch": {"batch_size": {8: 2}}}], ["note"], 12, 1
        ),
    ]
    for event in events:
        assert decode_event(json.loads(json.dumps(encode_event(event)), object_hook=with_numbers)) == event
    grid = decode_event(json.loads(json.dumps(encode_event(Grid(4, 1, image, 8)))))
    assert np.array_equal(grid.image, image) and grid.resolution == 8


@pytest.mark.forks
def test_a_notebook_is_told_which_worker_was_killed_and_not_that_another_lost_it(gang, tmp_path):
    made, _ = gang(WAIT, "import os; os.kill(os.getpid(), 9)")
    made.workers[1].wait(60)
    ours, theirs = socket.socketpair()
    bridge.Link(theirs).send({"error": "Connection closed by peer"})
    with pytest.raises(RuntimeError, match="worker 1 was ended by SIGKILL .*; see .*workers.log"):
        next(bridge._follow(bridge.Link(ours), Control(), made, tmp_path / "workers.log"))
    made.dismiss(60)
    assert made.workers[0].returncode == -signal.SIGTERM
    ours.close(), theirs.close()
