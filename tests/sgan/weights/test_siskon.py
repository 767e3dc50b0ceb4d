"""SiskonEmilia's files."""

import pytest
from foreign_files import (
    adain_networks,
    siskon_data,
    torch_bytes,
    write,
)

from sgan.weights.checkpoint import load_generator
from sgan.weights.formats import CheckpointError, read_foreign


def test_positions_that_make_no_sense_are_refused(tmp_path):
    G, D = adain_networks()
    for parameters in ((9, 0, 0, 0, 1), (-1, 0, 0, 0, 1), (1, 0, 0, float("nan"), 1), ("a", 0, 0, 0, 1)):
        path = write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, parameters)))
        with pytest.raises(CheckpointError, match=r"trained\.pth"):
            read_foreign(path)


def test_a_layer_that_fades_in_is_not_drawn(tmp_path):
    G, D = adain_networks()
    fading = write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, (2, 9, 0, 9, 0.25))))
    assert load_generator(fading).trained_step == 1
    assert load_generator(tmp_path).trained_step == 1  # its folder does as well
