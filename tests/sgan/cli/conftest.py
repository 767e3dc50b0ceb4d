"""A finished run."""

import pytest
from processes import FLAGS, real_sgan


@pytest.fixture(scope="module")
def run(faces, tmp_path_factory):
    """A finished tiny run: (its folder, what the command printed)."""
    folder = tmp_path_factory.mktemp("run") / "new" / "deep"
    done = real_sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", folder, *FLAGS, "--n_sample_total", 24,
        cache=folder / "cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done
