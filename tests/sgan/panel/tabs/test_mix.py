"""The grid of mixed styles."""

from sgan.panel.tabs.mix import MixTab


def test_mixing_grid_has_people_down_and_styles_across(tiny_config, faces):
    faces.part(MixTab).rows.value, faces.part(MixTab).columns.value = "1 2", "3, 4 5"
    side = 2 ** (tiny_config.max_step + 2)
    picture = faces.part(MixTab).picture()
    assert picture.shape == (3 * side, 4 * side, 3)
    faces.part(MixTab).rows.value = "a b"
    assert "invalid literal" in faces.message.value
