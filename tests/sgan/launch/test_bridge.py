"""Events between processes."""

import json

import numpy as np

from sgan.config import HParams
from sgan.events import Changed, Grid, Opened, Stats, Step
from sgan.launch.bridge import decode_event, encode_event, with_numbers


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
