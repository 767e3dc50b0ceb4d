"""The command `train-detail`, run as a user runs it."""

import json

import numpy as np
import pytest
from desk import draw_pictures
from PIL import Image
from processes import sgan

from provenance import GENERATED, read_mark
from sgan.training.detail.state import load_detail
from sgan.weights.companions.detail import load_detail_network

TINY = ["--channels", 4, "--last_channels", 3, "--deep_blocks", 1, "--crop", 16, "--mini_batch_size", 2]
TINY += ["--n_show_loss", 2, "--device", "cpu"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("detail") / "pictures", 40, 64)


def train(pictures, run, *flags):
    where = ["--image_folder_path", pictures, "--save_folder_path", run]
    return sgan("train-detail", *where, *TINY, *flags, cache=pictures.parent / "cache")


def test_it_trains_and_goes_on(tmp_path, pictures):
    run = tmp_path / "run"
    first = train(pictures, run, "--n_sample_total", "4")
    assert first.returncode == 0, first.stderr
    second = train(pictures, run, "--n_sample_total", "8", "--adversarial_weight", "0.1")
    assert second.returncode == 0, second.stderr
    state = load_detail(run)
    assert state.nimg == 8 and state.journal == [{"nimg": 4, "patch": {"adversarial_weight": 0.1}}]
    assert [json.loads(row)["nimg"] for row in (run / "stats.jsonl").read_text().splitlines()] == [4, 8]
    assert json.loads((run / "hparams.jsonl").read_text()) == state.journal[0]
    assert np.asarray(Image.open(run / "sheet-000000008.jpg")).shape[1:] == (3 * 512, 3)
    assert read_mark(run / "sheet-000000008.jpg").source_type == GENERATED
    assert load_detail_network(run).built == {"channels": 4, "deep_blocks": 1, "last_channels": 3}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--crop", "40"], "crop is 40; it must be a multiple of 16"),
        (["--learning_rate", "5"], "learning_rate is 5; it must be between 0 and 1"),
        (["--device", "tpu"], "device 'tpu' is unknown"),
    ],
)
def test_wrong_settings_are_one_sentence(tmp_path, pictures, flags, sentence):
    result = train(pictures, tmp_path / "run", *flags)
    assert result.returncode == 2 and result.stderr.startswith("error: ") and sentence in result.stderr
    assert not (tmp_path / "run").exists()


def test_missing_and_other_folders_are_one_sentence(tmp_path, pictures):
    nothing = sgan("train-detail", "--save_folder_path", tmp_path / "run")
    assert nothing.returncode == 2 and "image_folder_path is missing" in nothing.stderr
    empty = train(tmp_path, tmp_path / "run")
    assert empty.returncode == 1 and "image" in empty.stderr and not (tmp_path / "run").exists()
    assert train(pictures, tmp_path / "run", "--n_sample_total", "2").returncode == 0
    few = train(draw_pictures(tmp_path / "few", 1), tmp_path / "other")
    assert few.returncode == 1 and "1 pictures are too few" in few.stderr and not (tmp_path / "other").exists()
    other = train(pictures, tmp_path / "run", "--channels", "8")
    assert other.returncode == 2 and "channels is 8, but the run" in other.stderr
