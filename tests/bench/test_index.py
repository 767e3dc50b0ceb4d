"""The index of the folder of measurements."""

from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_every_measurement_is_in_the_index():
    text = (BENCH / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in BENCH.glob("*.py") if f"`{path.name}`" not in text] == []
