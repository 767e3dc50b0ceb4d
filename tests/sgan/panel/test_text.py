"""What the training panel says."""

from sgan.panel.text import duration, patch_text


def test_durations():
    assert [duration(s) for s in (5, 600, 9000, 400_000)] == ["5 s", "10 min", "2.5 h", "4.6 days"]


def test_a_table_is_told_by_what_stands_out():
    table = {size: 0.0025 for size in (4, 8, 16, 32, 64)}
    assert patch_text({"learning_rate": table}) == "learning_rate all 0.0025"
    assert patch_text({"learning_rate": table | {64: 0.0024}}) == "learning_rate 64: 0.0024 others 0.0025"
    assert patch_text({"learning_rate": {8: 0.01}, "n_show_loss": 5000}) == "learning_rate 8: 0.01, n_show_loss 5000"
