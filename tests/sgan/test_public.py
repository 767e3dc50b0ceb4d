"""What the manual shows of `from sgan import ...`."""

import re
from pathlib import Path

import pytest
from processes import ROOT

from sgan.presets import PRESETS
from sgan.training.state import load_state


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("name", ["docs/training.md"])
def test_the_python_lines_of_a_page_work_as_written(name, faces, tmp_path, monkeypatch):
    """In a folder with the pictures, with a preset that is small."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "from sgan import" in block]
    small = dict(max_step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8, mini_batch_size=4, n_sample_total=4)
    monkeypatch.setitem(PRESETS, "cpu", small)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("faces").symlink_to(faces)
    names = {}
    exec(compile(code, name, "exec"), names)
    shown = [axis for axis in names["plt"].gcf().axes if axis.images]
    assert len(shown) == 16 and shown[0].images[0].get_array().shape == (8, 8, 3)
    assert load_state(tmp_path / "checkpoints" / "mine").nimg == 4
    names["plt"].close("all")
