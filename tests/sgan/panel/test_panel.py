"""The form, the training panel and the face panel, without a kernel: callbacks then run at once."""

import asyncio
import base64
import dataclasses
import json
import os
import types

import numpy as np
import pytest
from desk import TINY, draw_pictures
from foreign_files import small_networks

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

import ipywidgets as widgets
from PIL import Image

from panels import OnMainThread, Shown
from provenance import GENERATED, from_xmp, read_mark
from sgan.cli.main import main
from sgan.config import PRESETS, ConfigError, HParams, TrainConfig, resolution_of
from sgan.events import Changed, Control, Finished, Grid, Opened, RolledBack, SaveFailed, Shrunk, Stats, Step
from sgan.faces.editing import Edit, apply_edits, find_directions, sample_w, style_indices
from sgan.faces.nearest import nearest_images
from sgan.faces.persona import PersonaError, load_persona, make_persona, read_persona
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.faces.walk import XMP_BOX, walk_ws
from sgan.launch.bridge import decode_event, encode_event, with_numbers
from sgan.panel import ConfigForm, FacePanel, TrainPanel, newest_checkpoint, show_folder
from sgan.panel.form import ResolutionTable, live_widget
from sgan.panel.page import FacePage, PersonPage
from sgan.panel.text import duration, patch_text
from sgan.training.logs import read_rows
from sgan.training.loop import train
from sgan.training.state import TrainState, load_state, save_state
from sgan.viz import plot_losses
from sgan.weights.checkpoint import load_generator, save_generator

CONFIG = TrainConfig(**TINY | {"max_step": 2})


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A generator file of random weights; the w of different seeds differ."""
    path = tmp_path_factory.mktemp("checkpoint") / "generator.safetensors"
    return save_generator(TrainState.create(CONFIG).G_ema, path, {})


# --- the form


def test_every_setting_has_a_field_with_its_help_and_range():
    form = ConfigForm()
    for f in dataclasses.fields(TrainConfig):
        field = form.fields[f.name]
        if isinstance(field, ResolutionTable):
            assert f.metadata["help"] in field.boxes[64].tooltip
            continue
        assert field.widget.tooltip == f.metadata["help"]
        for end in ("min", "max"):
            if f.metadata[end] is not None:
                assert getattr(field.widget, end) == f.metadata[end]


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_gives_its_settings(preset):
    assert ConfigForm(preset).config() == TrainConfig(**PRESETS[preset])


def test_changing_the_preset_leaves_nothing_of_the_old_one():
    form = ConfigForm("gpu", image_folder_path="faces")
    form.presets.value = "cpu"
    assert form.config() == TrainConfig(**PRESETS["cpu"], image_folder_path="faces")


def test_form_returns_what_was_put():
    values = dict(
        batch_size={8: 32, 16: 8}, learning_rate={64: 0.001}, style_mixing=(1, 2), flip=False, precision="fp32",
        max_step=3, CUDA_VISIBLE_DEVICES="0,1", r1_gamma=2.5, balance=0.25,
    )  # fmt: skip
    config = ConfigForm("cpu", **values).config()
    assert {name: getattr(config, name) for name in values} == values


def test_form_tells_what_cannot_work():
    form = ConfigForm("cpu")
    form.fields["step"].put(8)
    with pytest.raises(ConfigError, match="max_step is 4, below step 8"):
        form.config()
    assert "max_step is 4, below step 8" in form.message.value
    form.fields["step"].put(1)
    assert "8 px (batch 16)" in form.message.value
    form.fields["learning_rate"].boxes[64].value = "fast"
    with pytest.raises(ConfigError, match="learning_rate.*fast"):
        form.config()


def test_form_refuses_a_name_that_is_no_setting():
    with pytest.raises(ConfigError, match="colour is no setting"):
        ConfigForm("cpu", colour=1)


def test_values_are_checked_beside_those_that_the_form_holds():
    form = ConfigForm("gpu")
    form.put(step=6)  # max_step is 6 there, and 4 by default
    assert form.config().step == 6
    form.put(max_step=7, step=7)
    form.fields["learning_rate"].boxes[64].value = "fast"
    form.put(step=5)  # a box that holds no number is told, but not in the way
    assert "fast" in form.message.value
    form.fields["learning_rate"].boxes[64].value = ""
    assert form.config().step == 5


def test_a_form_goes_on_checking_after_a_value_was_refused():
    form = ConfigForm("cpu")
    with pytest.raises(ConfigError, match="max_step is 3, below step 4"):
        form.put(seed=7, max_step=3, step=4)
    assert form.config() == ConfigForm("cpu").config()
    form.fields["step"].put(8)
    assert "max_step is 4, below step 8" in form.message.value
    form.presets.value = "gpu"
    assert "max_step is 6, below step 8" in form.message.value


def test_live_widgets_keep_to_the_ranges():
    rate = live_widget("learning_rate", 0.002)
    assert (
        isinstance(rate, widgets.FloatLogSlider)
        and 10**rate.max == HParams.__dataclass_fields__["learning_rate"].metadata["max"]
    )
    assert not rate.continuous_update
    assert live_widget("r1_gamma", 0.0032).value == pytest.approx(0.0032)  # which is below the usual range
    assert isinstance(live_widget("DGR", 1), widgets.IntSlider)
    assert live_widget("no_such_parameter", 1) is None


def test_folder_is_shown_or_what_is_wrong_with_it(pictures, tmp_path):
    shown = show_folder(pictures)
    assert "12 images in 1 folders" in shown.text and shown.picture.shape == (96, 12 * 96, 3)
    assert "No folder is chosen" in show_folder("").text
    assert f"{tmp_path / 'no'} is not" in show_folder(tmp_path / "no").text


# --- training


def panel_for(pictures, folder, **values) -> TrainPanel:
    settings = TINY | dict(image_folder_path=str(pictures), save_folder_path=str(folder), device="cpu") | values
    return TrainPanel(ConfigForm("cpu", **settings).config)


def test_training_is_shown_and_ends(pictures, tmp_path):
    panel = panel_for(pictures, tmp_path, n_sample_total=60)
    result = asyncio.run(panel.run())
    assert repr(result) == "training: done after 0.06 kimg"
    assert bytes(panel.grid.value[:4]) == bytes(panel.plot.value[:4]) == b"\x89PNG"
    assert panel.bar.value == panel.bar.max == 60 and "0.1 of 0.06 kimg" in panel.status.value
    assert [row["nimg"] for row in panel.history] == [row["nimg"] for row in read_rows(tmp_path / "stats.jsonl")]
    assert set(result._repr_mimebundle_()) == {"text/plain", "image/jpeg"}
    assert not panel.buttons["Start"].disabled and panel.buttons["Stop"].disabled


def test_live_slider_takes_effect_and_is_marked(pictures, tmp_path):
    panel = panel_for(pictures, tmp_path, n_sample_total=80)
    seen = []
    show = panel.show

    def watch(event):
        show(event)
        seen.append(event)
        if event.nimg == 20 and isinstance(event, Stats):
            sliders = {slider.description: slider for slider in panel.live.children}
            assert list(sliders) == ["learning_rate", "r1_gamma", "ada_target", "DGR", "n_show_loss"]
            sliders["learning_rate"].value, sliders["DGR"].value = 0.01, 2

    panel.show = watch
    asyncio.run(panel.run())
    changes = [event for event in seen if isinstance(event, Changed)]
    assert [event.nimg for event in changes] == [20, 20]
    assert changes[0].patch == {"learning_rate": {8: pytest.approx(0.01)}} and changes[1].patch == {"DGR": 2}
    later = [event.values["learning_rate"] for event in seen if isinstance(event, Stats) and event.nimg > 20]
    assert later == pytest.approx([0.01] * len(later)) and later
    assert panel.marks == [(0.02, "learning_rate 8: 0.01"), (0.02, "DGR 2")]


def test_pause_holds_and_stop_saves_and_resume_shows_the_whole_history(pictures, tmp_path):
    async def work():
        running = asyncio.ensure_future(panel.run())
        while len(panel.history) < 3:
            await asyncio.sleep(0.01)
        panel.buttons["Pause"].click()
        await asyncio.sleep(0.2)
        held = panel.last_step.nimg
        await asyncio.sleep(0.2)
        assert panel.last_step.nimg == held
        panel.buttons["Resume"].click()
        while panel.last_step.nimg == held:
            await asyncio.sleep(0.01)
        panel.buttons["Stop"].click()
        return await running

    panel = panel_for(pictures, tmp_path, n_sample_total=1_000_000)
    assert panel.buttons["Resume"].disabled
    assert "stopped" in repr(asyncio.run(work()))
    before = list(panel.history)
    assert list(tmp_path.glob("state-*.safetensors")) and not panel.buttons["Resume"].disabled

    again = panel_for(pictures, tmp_path, n_sample_total=panel.last_step.nimg + 20)
    assert "Resume goes on" in again.message.value
    assert "done" in repr(asyncio.run(again.run()))
    assert len(again.history) > len(before)
    assert [row["loss_d"] for row in again.history[: len(before)]] == [row["loss_d"] for row in before]
    asyncio.run(again.run())
    assert "images already; raise n_sample_total" in again.message.value


def test_cancelling_saves(pictures, tmp_path):
    async def work():
        running = asyncio.ensure_future(panel.run())
        while len(panel.history) < 2:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    panel = panel_for(pictures, tmp_path, n_sample_total=1_000_000)
    asyncio.run(work())
    assert list(tmp_path.glob("state-*.safetensors")) and "interrupted" in panel.message.value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_folder_path": ""}, "image_folder_path is empty"),
        ({"image_folder_path": "no such folder"}, "no such folder is not"),
        ({"is_train": False}, "holds no state"),
        ({"device": "cuda:77"}, "cuda:77"),
    ],
)
def test_errors_are_one_sentence_with_the_traceback_folded(values, message, pictures, tmp_path):
    panel = panel_for(pictures, tmp_path, **values)
    assert message in repr(asyncio.run(panel.run()))
    sentence, folded = panel.message.value.split("<details>")
    assert message in sentence and "Traceback" not in sentence and "Traceback" in folded


def test_gpus_are_chosen_before_cuda_is_used(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    asyncio.run(panel_for(pictures, tmp_path, CUDA_VISIBLE_DEVICES="1,0", n_sample_total=4).run())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,0"
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    panel = panel_for(pictures, tmp_path, CUDA_VISIBLE_DEVICES="3", n_sample_total=4)
    assert "restart the kernel" in repr(asyncio.run(panel.run()))


def test_ten_thousand_events_leave_one_picture(pictures, tmp_path):
    panel = panel_for(pictures, tmp_path)
    values = {"loss_d": 1.0, "loss_g": 1.0, "resolution": 8}
    for i in range(10_000):
        panel.show(Stats(i, i, {**values, "kimg": i / 1000}))
    assert len(panel.history) == 10_000 and len(panel.plot.value) < 300_000
    assert len(panel.get_state()["children"]) == 5


def test_going_back_forgets_what_came_after(pictures, tmp_path):
    panel = panel_for(pictures, tmp_path)
    for nimg in (10, 20, 30):
        panel.show(Stats(nimg, nimg, {"kimg": nimg / 1000}))
    panel.show(Changed(30, 30, {"DGR": 2}))
    panel.show(RolledBack(20, 20, "loss_d became nan", {"learning_rate": {8: 0.001}}))
    assert [row["nimg"] for row in panel.history] == [10, 20] and panel.marks == [(0.02, "rolled back")]
    assert "loss_d became nan" in panel.message.value and panel.hparams.learning_rate == {8: 0.001}
    panel.show(Shrunk(20, 20, 4))
    assert "4 images" in panel.message.value
    panel.show(SaveFailed(20, 20, "the disk is full"))
    assert "the disk is full" in panel.message.value


def test_durations():
    assert [duration(s) for s in (5, 600, 9000, 400_000)] == ["5 s", "10 min", "2.5 h", "4.6 days"]


def test_a_table_is_told_by_what_stands_out():
    table = {size: 0.0025 for size in (4, 8, 16, 32, 64)}
    assert patch_text({"learning_rate": table}) == "learning_rate all 0.0025"
    assert patch_text({"learning_rate": table | {64: 0.0024}}) == "learning_rate 64: 0.0024 others 0.0025"
    assert patch_text({"learning_rate": {8: 0.01}, "n_show_loss": 5000}) == "learning_rate 8: 0.01, n_show_loss 5000"


def test_a_long_mark_leaves_the_curves_their_room():
    history = [{"kimg": i, "loss_d": i % 2, "resolution": 8} for i in range(10)]
    heights = []
    for marks in ([], [(8.0, "x" * 300)]):
        red, green, blue = plot_losses(history, marks)[..., :3].astype(int).transpose(2, 0, 1)
        curve = (blue > 150) & (red < 90)  # the first curve's colour
        heights.append(np.flatnonzero(curve.any(axis=1)).size)
    assert heights[1] > 0.9 * heights[0] > 100


# --- faces


@pytest.fixture
def faces(checkpoint, tmp_path):
    return FacePanel(str(checkpoint), tmp_path, seed=3)


def test_seed_and_psi_are_those_of_sampling(faces, checkpoint):
    G = load_generator(checkpoint)
    faces.seed.value, faces.psi.value = 12, 0.5
    expected = next(draw_images(G, seeds_to_ws(G, [12], 0.5)))
    assert np.array_equal(faces.picture, expected)
    faces.noise.value = False
    assert faces.settings()["noise_mode"] == "none"


def test_what_a_browser_answers_is_no_step_along_a_direction(faces):
    faces.sliders[3].value = -4.440892098500626e-16  # its raster begins at the end of the range
    assert faces.edits() == [] and "edits" not in faces.settings()
    faces.sliders[3].value = 1.2500000000000002
    assert [edit.amount for edit in faces.edits()] == [1.25]


def test_a_failure_is_forgotten_with_the_next_move_and_other_text_is_not(faces):
    faces.nearest.button.click()
    assert "give the folder" in faces.message.value
    faces.seed.value = 11
    assert faces.message.value == ""
    path = faces.save_picture()
    faces.seed.value = 12
    assert str(path) in faces.message.value


def test_listeners_hear_of_every_face(faces):
    heard = []
    faces.on_face(lambda picture, settings: heard.append(settings))
    faces.seed.value = 5
    faces.surprise_me()
    assert heard[0]["seed"] == 3 and heard[1]["seed"] == 5 and len(heard) >= 2


def test_direction_sliders_add_up_and_are_undone(faces):
    plain = faces.picture
    faces.sliders[0].value = 2.0
    faces.kind.value = "samples"
    assert faces.sliders[0].value == 0.0
    faces.sliders[1].value = -3.0
    assert faces.edits() == [Edit("weights", "all", 0, 2.0), Edit("samples", "all", 1, -3.0)]
    assert len(faces.settings()["edits"]) == 2
    faces.clear_edits()
    assert faces.edits() == [] and np.array_equal(faces.picture, plain)


def test_exports_carry_their_mark_and_the_persona_gives_the_same_face_again(faces, checkpoint, tmp_path):
    faces.sliders[0].value = 1.5
    mark = read_mark(faces.save_picture())
    assert mark.source_type == GENERATED and mark.settings["seed"] == 3 and mark.settings["edits"]
    path = faces.save_persona()
    assert path.stat().st_size < 20_000
    other = FacePanel(str(checkpoint), tmp_path, seed=99)
    other.load_persona(path)
    assert np.array_equal(other.picture, faces.picture)
    assert other.settings()["persona"]["seed"] == 3
    other.seed.value = 4
    assert "persona" not in other.settings()
    assert read_mark(faces.save_mix()).settings["mix_seeds"] == [4, 5, 6, 7, 8]


def test_exported_generator_draws_the_same_faces(faces, checkpoint, tmp_path):
    path = faces.save_generator()
    assert path == tmp_path / "face.safetensors" and path.read_bytes() == checkpoint.read_bytes()
    faces.checkpoint.value = str(save_state(TrainState.create(CONFIG), tmp_path))
    exported = load_generator(faces.save_generator())
    drawn = [next(draw_images(G, seeds_to_ws(G, [1]), "const", G.trained_step)) for G in (faces.G, exported)]
    assert np.array_equal(*drawn) and exported.config.max_step == faces.G.trained_step


def test_command_draws_the_same_persona(faces, checkpoint, tmp_path, capsys):
    faces.sliders[2].value = -1.0
    out = tmp_path / "again.png"
    command = ["sample", "--persona", str(faces.save_persona()), "--checkpoint", str(checkpoint), "--out", str(out)]
    assert main(command) == 0
    assert np.array_equal(np.asarray(Image.open(out)), faces.picture)
    assert read_mark(out).settings["persona"]["edits"][0]["index"] == 2
    assert main([*command[:2], str(tmp_path / "none.json"), *command[3:]]) == 1
    assert "none.json does not exist" in capsys.readouterr().err


def test_persona_of_another_checkpoint_is_refused(faces, tmp_path):
    path = faces.save_persona()
    text = path.read_text().replace(faces.G.checkpoint_hash, "0" * 64)
    with pytest.raises(PersonaError, match="belongs to checkpoint 000000000000"):
        faces.take_persona(read_persona(text.encode()))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": "random-unreal-face persona"}', b"\xff\x00"])
def test_files_of_strangers_are_no_personas(data, tmp_path):
    with pytest.raises(PersonaError):
        read_persona(data)
    with pytest.raises(FileNotFoundError, match="no.json"):
        load_persona(tmp_path / "no.json")


def test_mixing_grid_has_people_down_and_styles_across(faces):
    faces.mix_rows.value, faces.mix_columns.value = "1 2", "3, 4 5"
    side = 2 ** (CONFIG.max_step + 2)
    picture = faces.mix_picture()
    assert picture.shape == (3 * side, 4 * side, 3)
    faces.mix_rows.value = "a b"
    assert "invalid literal" in faces.message.value


def test_missing_checkpoint_is_told(tmp_path, checkpoint):
    panel = FacePanel(str(tmp_path / "no"), tmp_path)
    assert panel.image.layout.display == panel.mix.layout.display == "none"  # no empty picture is shown as a broken one
    panel.checkpoint.value = str(checkpoint)
    assert panel.image.layout.display is None and panel.message.value == ""
    panel = FacePanel(str(tmp_path / "no"), tmp_path)
    assert "does not exist" in panel.message.value and "no face" in repr(panel)
    assert newest_checkpoint(tmp_path, "other") == "other"


# --- candidates for a photo


def test_a_candidate_is_shown_as_it_was_drawn(faces, tmp_path):
    faces.noise.value, faces.psi.value = False, 0.4
    (_, _), (key, picture) = faces.candidates(2)
    faces.noise.value, faces.psi.value, faces.sliders[0].value = True, 0.9, 2.0
    faces.show_candidate(key)
    assert np.array_equal(faces.picture, picture) and str(key) == "seed 1"
    assert faces.settings() == {
        "checkpoint": faces.G.checkpoint_hash, "noise_mode": "none", "seed": 1, "truncation_psi": 0.4,
    }  # fmt: skip
    faces.checkpoint.value = str(save_state(TrainState.create(CONFIG), tmp_path))
    faces.show_candidate(key)
    assert "checkpoint before" in faces.message.value


# --- networks with classes


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """A generator file of a network with three classes, whose faces differ."""
    G, _ = small_networks(c_dim=3)
    return save_generator(G, tmp_path_factory.mktemp("classes") / "generator.safetensors", {})


def test_the_class_is_chosen_drawn_and_exported(classes, faces, tmp_path):
    assert faces.class_choice.layout.display == "none" and "class" not in faces.settings()
    panel = FacePanel(str(classes), tmp_path, seed=5)
    first, mix = panel.picture, panel.mix_picture()
    assert panel.class_choice.layout.display is None and panel.class_choice.description == "class (0 to 2)"
    panel.class_choice.value = 2
    assert (panel.picture != first).any() and (panel.mix_picture() != mix).any()
    assert read_mark(panel.save_picture()).settings["class"] == 2
    assert read_mark(panel.save_mix()).settings["class"] == 2
    panel.walk.seeds.value, panel.walk.seconds.value = "1", 0.5
    panel.walk.make()
    assert from_xmp(panel.walk.data[panel.walk.data.rindex(XMP_BOX.bytes) + 16 :]).settings["class"] == 2
    panel.checkpoint.value = "none"
    panel.checkpoint.value = str(classes)
    assert panel.settings()["class"] == 2


def test_a_picture_of_a_class_comes_again_from_its_mark(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path, seed=5)
    panel.class_choice.value = 1
    panel.sliders[0].value = 1.5
    made = read_mark(panel.save_picture()).settings
    edit = "{kind}.{layers}.1={amount}".format(**made["edits"][0])
    again = tmp_path / "again.png"
    command = ["sample", "--checkpoint", str(classes), "--seeds", str(made["seed"]), "--class", str(made["class"])]
    command += ["--truncation_psi", str(made["truncation_psi"]), "--edit", edit, "--out", str(again)]
    assert main([*command, "--device", "cpu"]) == 0
    assert np.array_equal(np.asarray(Image.open(again)), panel.picture)


def test_a_persona_brings_its_class(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path, seed=5)
    panel.class_choice.value = 1
    path, picture = panel.save_persona(), panel.picture
    other = FacePanel(str(classes), tmp_path)
    other.load_persona(path)
    assert np.array_equal(other.picture, picture) and other.class_choice.value == 1
    assert other.settings()["persona"]["class"] == 1
    other.class_choice.value = 2
    assert "persona" not in other.settings() and other.settings()["class"] == 2


def test_a_persona_of_a_class_that_is_none_leaves_the_choice(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path, seed=5)
    panel.class_choice.value = 1
    for label in (99, 3, -1, True, False, 2.0, "2", None):
        panel._put_class(label)
        assert panel.class_choice.value == panel.G.mapping.label == 1, label
    panel._put_class(2)
    assert panel.class_choice.value == panel.G.mapping.label == 2


def test_candidates_are_of_the_class_of_their_beginning(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path)
    panel.class_choice.value = 2
    found = panel.candidates(2)
    next(found)
    panel.class_choice.value = 0
    key, picture = next(found)
    assert panel.settings()["class"] == 0
    panel.show_candidate(key)
    assert np.array_equal(panel.picture, picture) and panel.settings()["class"] == 2


def test_pages_offer_classes_and_no_number_beyond_them(classes):
    page = PersonPage(str(classes))
    page.class_choice.max = page.class_choice.value = 10**6
    assert page.G.mapping.label == 2 and page.class_choice.layout.display is None
    assert FacePage(str(classes)).class_choice.classes == 3


# --- a walk


def test_walk_passes_through_every_seed_and_closes(checkpoint):
    G = load_generator(checkpoint)
    ws = walk_ws(G, [1, 2, 3], 8, 0.7)
    assert ws.shape[0] == 24 and np.allclose(ws[::8], seeds_to_ws(G, [1, 2, 3], 0.7), atol=1e-6)
    steps = (ws.roll(-1, dims=0) - ws).norm(dim=-1)
    assert steps.max() < 4 * steps.median()  # no jolt, at the seam neither


def test_walk_is_a_video_that_carries_its_mark(faces):
    import av

    faces.walk.seeds.value, faces.walk.seconds.value = "1 2", 0.5
    path = faces.walk.save()
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 24
    data = path.read_bytes()
    assert from_xmp(data[data.rindex(XMP_BOX.bytes) + 16 :]).settings["seeds"] == [1, 2]
    faces.walk.seeds.value = " ".join(["1"] * 200)
    faces.walk.button.click()
    assert "at most 60 seconds" in faces.message.value


# --- nearest training pictures


def test_nearest_finds_a_picture_itself_mirrored_or_not_and_of_another_size():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), np.uint8)
    for picture in (pixels[7], pixels[7][:, ::-1], pixels[7].repeat(4, 0).repeat(4, 1)):
        order, distances = nearest_images(pixels, picture, 3)
        assert order[0] == 7 and distances[0] == 0 and np.all(np.diff(distances) >= 0)


def test_nearest_training_pictures_are_shown(faces, pictures):
    faces.nearest.button.click()
    assert "give the folder" in faces.message.value
    faces.nearest.folder.value = str(pictures)
    faces.nearest.button.click()
    labels = [cell.children[1].value for cell in faces.nearest.row.children]
    assert len(labels) == 7 and labels[0] == "this face" and ".png: " in labels[1]


# --- directions


def test_directions_are_orthonormal_and_strongest_first(checkpoint):
    G = load_generator(checkpoint)
    for kind in ("weights", "samples"):
        found = find_directions(G, kind, "coarse", count=4)
        assert np.allclose(found.vectors @ found.vectors.T, np.eye(4), atol=1e-5)
    assert np.all(np.diff(found.deviations.numpy()) <= 1e-4)  # of the samples' own principal components
    w = sample_w(G)
    assert found.deviations[0] ** 2 == pytest.approx(np.linalg.eigvalsh(np.cov(w.T.numpy()))[-1], rel=1e-3)


def test_an_edit_moves_only_the_layers_of_its_range(checkpoint):
    G = load_generator(checkpoint)
    ws = seeds_to_ws(G, [0])
    moved = apply_edits(G, ws, [Edit("weights", "coarse", 0, 2.0)])
    changed = {i for i in range(G.config.num_ws) if not np.array_equal(ws[0, i], moved[0, i])}
    assert changed == set(style_indices(G.config, "coarse")) < set(range(G.config.num_ws))
    assert resolution_of(1) == 8  # coarse ends there


# --- what all panels share


def test_calls_that_pile_up_become_one():
    done = []

    async def work():
        later = OnMainThread(lambda: done.append(1))
        for _ in range(50):
            later()
        assert done == []
        await asyncio.sleep(0)

    asyncio.run(work())
    assert done == [1]
    OnMainThread(lambda: done.append(2))()  # no loop: at once
    assert done == [1, 2]


def test_shown_is_text_and_picture():
    assert Shown("text")._repr_mimebundle_() == {"text/plain": "text"}
    assert Finished(1, 1, "done").reason == "done"


def test_the_time_of_a_pause_is_no_training_time(noise_batches, monkeypatch):
    clock = types.SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    for module in ("sgan.events", "sgan.training.meter"):
        monkeypatch.setattr(f"{module}.time", clock)
    state, control, speeds = TrainState.create(CONFIG), Control(), []
    batches = noise_batches(CONFIG)
    for event in train(state, batches, control, until_nimg=80, save_nimg=1000):
        if isinstance(event, Step):
            clock.now += 1.0
        if event.nimg in (28, 56):
            control.pause()
            clock.now += 1000.0
            control.unpause()
        if isinstance(event, Stats) and "sec_per_kimg" in event.values:
            speeds.append(event.values["sec_per_kimg"])
    assert len(speeds) == 3 and speeds == [pytest.approx(1.0 * 1000 / 4)] * 3


def test_a_cell_waits_for_the_job_only_where_nobody_is_there(pictures, tmp_path, monkeypatch):
    async def begin(panel):
        shown = repr(await panel.begin())
        going = TrainPanel.find(panel.read_config) is panel
        while panel.running:
            await asyncio.sleep(0.01)
        return shown, going

    alone = panel_for(pictures, tmp_path / "a", n_sample_total=20)
    assert asyncio.run(begin(alone)) == ("training: done after 0.02 kimg", False)
    monkeypatch.setattr("panels.is_attended", lambda: True)
    with_somebody = TrainPanel.find(alone.read_config)
    assert with_somebody is not alone
    shown, going = asyncio.run(begin_within_a_loop(pictures, tmp_path / "b", begin))
    assert "goes on in the panel above" in shown and going
    shown, going = asyncio.run(begin_within_a_loop("", tmp_path / "c", begin))
    assert "image_folder_path is empty" in shown and not going
    assert list((tmp_path / "b").glob("state-*.safetensors"))


async def begin_within_a_loop(pictures, folder, begin):
    """Makes the panel where a kernel would: with a loop running."""
    return await begin(panel_for(pictures, folder, n_sample_total=200))


# --- a page for strangers


def test_person_page_shows_one_person_after_another_and_hands_them_over_marked(checkpoint, tmp_path):
    page = PersonPage(str(checkpoint))
    first, seed = bytes(page.image.value), page.seed
    page.button.click()
    assert page.seed != seed and bytes(page.image.value) != first
    (tmp_path / "got.png").write_bytes(base64.b64decode(page.download.value.split("base64,")[1].split('"')[0]))
    mark = read_mark(tmp_path / "got.png")
    assert mark.source_type == GENERATED and mark.settings["seed"] == page.seed


def test_face_page_has_sliders_but_no_path(checkpoint, faces):
    page = FacePage(str(checkpoint), seed=3)
    assert np.array_equal(page.picture, faces.picture)
    page.sliders[0].value = 2.0
    assert not np.array_equal(page.picture, faces.picture) and "base64" in page.export.value
    inner, texts = [page], []
    while inner:
        part = inner.pop()
        inner += getattr(part, "children", ())
        texts += [part] if isinstance(part, widgets.Text) else []
    assert not texts and page.checkpoint.value == str(checkpoint)
    persona = make_persona(faces.G, faces.ws, faces.settings(), faces.picture).to_json().encode()
    page.take_persona(read_persona(persona))
    assert np.array_equal(page.picture, faces.picture)


# --- several processes


def test_two_processes_train_and_rank_0_is_shown(pictures, tmp_path):
    async def work():
        running = asyncio.ensure_future(panel.run())
        while len(panel.history) < 2:
            assert not running.done(), running.result()
            await asyncio.sleep(0.01)
        panel.live.children[0].value = 0.01
        while not panel.marks:
            await asyncio.sleep(0.01)
        panel.pause()
        await asyncio.sleep(0.3)
        held = panel.last_step.nimg
        await asyncio.sleep(0.5)
        assert panel.last_step.nimg == held
        panel.unpause()
        while panel.last_step.nimg < held + 40:
            await asyncio.sleep(0.01)
        panel.stop()
        return await running

    panel = panel_for(pictures, tmp_path, n_gpu=2, n_sample_total=1_000_000)
    assert "stopped" in repr(asyncio.run(work()))
    assert panel.grid_image is not None and "12 pictures" not in panel.message.value
    state = load_state(next(tmp_path.glob("state-*.safetensors")))
    assert state.config.n_gpu == 2 and [row["patch"] for row in state.journal] == [{"learning_rate": {"8": 0.01}}]
    assert [row["nimg"] for row in panel.history] == [row["nimg"] for row in read_rows(tmp_path / "stats.jsonl")]


def test_processes_that_cannot_begin_are_told_in_one_sentence(pictures, tmp_path):
    shared = panel_for(pictures, tmp_path, n_gpu=3)
    assert "batch size 4 at resolution 8 cannot be shared by 3 processes" in repr(asyncio.run(shared.run()))


def test_events_survive_the_way_between_processes():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    events = [
        Step(4, 1, 8, 0.5, 4),
        Stats(4, 1, {"loss_d": 1.5}),
        Changed(4, 1, {"learning_rate": {8: 0.01}}),
        Opened(
            4, 1, HParams(learning_rate={64: 0.001}), [{"nimg": 4, "patch": {"batch_size": {8: 2}}}], ["note"], 12, 1
        ),
    ]
    for event in events:
        assert decode_event(json.loads(json.dumps(encode_event(event)), object_hook=with_numbers)) == event
    grid = decode_event(json.loads(json.dumps(encode_event(Grid(4, 1, image, 8)))))
    assert np.array_equal(grid.image, image) and grid.resolution == 8
