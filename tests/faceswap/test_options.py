"""Facts about the options of a swap."""

import pickle
from dataclasses import fields

import pytest

from faceswap.blend.blends import BLENDS
from faceswap.blend.masks import MASKS
from faceswap.blend.mouths import MOUTHS
from faceswap.options import Options


@pytest.mark.parametrize(("name", "table"), [("blend", BLENDS), ("mask", MASKS), ("keep_mouth", MOUTHS)])
def test_choices_and_their_help_come_from_the_table(name, table):
    (field,) = (field for field in fields(Options) if field.name == name)
    assert field.metadata["allowed"] == tuple(table) and field.default in table
    for choice, kind in table.items():
        assert f"{choice}: {kind.help}" in field.metadata["help"]
        assert getattr(Options(**{name: choice}), name) == choice


@pytest.mark.parametrize(
    "wrong",
    [{"mask": "none"}, {"blend": "magic"}, {"keep_mouth": "maybe"}, {"feather": -0.1}, {"strength": 1.5}]
    + [{"match_grain": float("nan")}],
)
def test_impossible_options_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


def test_options_are_plain_values():
    options = Options(feather=0.2, mask="oval")
    assert pickle.loads(pickle.dumps(options)) == options and hash(options) == hash(Options(feather=0.2, mask="oval"))
    assert Options(**options.as_dict()) == options
