"""A run's folder."""

import pytest

from sgan.config import ConfigError
from sgan.launch.folder import Occupation


def test_two_trainings_do_not_share_a_folder(tmp_path):
    first = Occupation(tmp_path)
    with pytest.raises(ConfigError, match="another training is running in .*; stop that one, or choose another"):
        Occupation(tmp_path)
    first.release()
    Occupation(tmp_path).release()
