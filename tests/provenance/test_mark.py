"""What a mark may hold."""

from pathlib import Path

import pytest

from provenance import GENERATED, VERSION, Mark


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}, ["a"], None])
def test_settings_must_be_json(value):
    with pytest.raises(ValueError, match="settings"):
        Mark(GENERATED, value)


@pytest.mark.parametrize("source_type", ["", "a b", "x/../y", "<x>", None, 3])
def test_source_type_must_be_a_term(source_type):
    with pytest.raises(ValueError, match="vocabulary"):
        Mark(source_type, {})


def test_marks_hold_what_json_gives_back():
    inner = {"list": [1]}
    mark = Mark(GENERATED, {"tuple": (1, 2), "inner": inner, 3: "number"})
    inner["list"].append(2)
    assert mark.settings == {"tuple": [1, 2], "inner": {"list": [1]}, "3": "number"}


def test_version_is_the_project_s():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{VERSION}"\n' in text
