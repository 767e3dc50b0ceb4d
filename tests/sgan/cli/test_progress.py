"""What a training shows as a progress bar, and its last words."""

import io

import pytest

import bars
from sgan.cli import progress as main_progress
from sgan.config import TrainConfig
from sgan.events import RolledBack, Saved, Step
from sgan.launch import run as launch

LOST = "[../third_party/gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:4711\nmore"


@pytest.mark.parametrize("begun", [True, False])
def test_a_lost_worker_is_told_only_in_mid_training_and_with_the_reason(begun, tmp_path, monkeypatch, capsys):
    def run_training(*_):
        yield from [Saved(4, 1, tmp_path)] * begun
        raise RuntimeError(LOST)

    monkeypatch.setattr(launch, "run_training", run_training)
    monkeypatch.setattr(main_progress, "hear_endings", lambda *_: None)
    monkeypatch.setenv("RANK", "0")
    config = TrainConfig(save_folder_path=str(tmp_path))
    if not begun:
        with pytest.raises(RuntimeError, match="Connection closed"):
            main_progress.drive(config, [], [])
        return
    assert main_progress.drive(config, [], []) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: another process of this training is gone or cannot be reached (Connection closed by")


def test_a_log_goes_on_after_a_rollback(tmp_path, monkeypatch):
    monkeypatch.setattr(bars.sys, "stderr", io.StringIO())
    monkeypatch.setattr("bars.log.LINE_EVERY", 0.0)
    monkeypatch.setattr("bars.log.LINES_APART", 0.0)
    with main_progress.Progress(TrainConfig(n_sample_total=100), False) as progress:
        for step in range(1, 4):
            progress.show(Step(16 * step, step, 8, 1.0, 16))
        progress.show(RolledBack(16, 1, "loss_d became nan", {"learning_rate": {8: 0.001}}))
        progress.show(Step(20, 2, 8, 1.0, 4))
        assert bars.sys.stderr.getvalue().splitlines()[-1].split()[1] == "20/100"
