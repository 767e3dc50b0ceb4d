"""Facts about `python -m faceswap`: its commands, and what is not one."""

import pytest
from drawn_face import small_file

import bars
from faceswap.jobs import batch

ALL = ["--src", "a.png", "--dst", "photos", "--out", "out", "--src_face", "all"]


@pytest.mark.parametrize(
    "arguments", [["batch", "--workers", "0"], ["batch", *ALL], ["swap", *ALL], ["align", "--size", "-3"], ["dance"]]
)
def test_impossible_values_are_usage_errors(call_module, arguments):
    result = call_module(*arguments)
    assert result.returncode == 2 and "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["batch", "align"])
def test_the_bar_counts_no_results_among_the_photos(call_module, tmp_path, monkeypatch, command):
    bars_made = []
    real = bars.progress_bar
    monkeypatch.setattr(bars, "progress_bar", lambda *a, **named: bars_made.append(named["total"]) or real(*a, **named))
    monkeypatch.setattr(batch, "run_batch", lambda *given: iter(()))
    small_file(tmp_path / "photos" / "a.png")
    small_file(tmp_path / "photos" / "out" / "b.png")
    home = tmp_path / "photos"
    face = ["--src", home / "a.png", "--dst"] if command == "batch" else ["--src"]
    result = call_module(command, *face, home, "--out", home / "out")
    assert result.returncode == 0 and bars_made == [1]
