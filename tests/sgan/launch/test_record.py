"""What a run leaves for people to look at."""

from sgan.events import Measured
from sgan.launch.record import Recorder


def test_what_pictures_are_too_small_for_is_left_out_of_the_curves(state, tmp_path):
    record = Recorder(tmp_path, state)
    record(Measured(8, 2, {"swd": None, "coverage": 0.5}, ""))
    record.board.close()
    (written,) = tmp_path.glob("tensorboard/*")
    assert b"metrics/coverage" in written.read_bytes() and b"metrics/swd" not in written.read_bytes()
