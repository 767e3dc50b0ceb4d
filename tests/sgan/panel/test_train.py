"""The training panel: a run shown, paused, stopped, resumed; in this process and in others."""

import asyncio
import os

import pytest

from sgan.events import Changed, RolledBack, SaveFailed, Shrunk, Stats
from sgan.panel import TrainPanel
from sgan.training.keeper import read_rows
from sgan.training.state import load_state


def test_training_is_shown_and_ends(make_training, tmp_path):
    panel = make_training(n_sample_total=60)
    result = asyncio.run(panel.run())
    assert repr(result) == "training: done after 0.06 kimg"
    assert bytes(panel.grid.value[:4]) == bytes(panel.plot.view.value[:4]) == b"\x89PNG"
    assert panel.bar.value == panel.bar.max == 60 and "0.1 of 0.06 kimg" in panel.status.value
    assert [row["nimg"] for row in panel.plot.history] == [row["nimg"] for row in read_rows(tmp_path / "stats.jsonl")]
    assert set(result._repr_mimebundle_()) == {"text/plain", "image/jpeg"}
    assert not panel.start.disabled and panel.stop_button.disabled


def test_live_slider_takes_effect_and_is_marked(make_training, tmp_path):
    panel = make_training(n_sample_total=80)
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
    assert panel.plot.marks == [(0.02, "learning_rate 8: 0.01"), (0.02, "DGR 2")]


def test_pause_holds_and_stop_saves_and_resume_shows_the_whole_history(make_training, tmp_path):
    async def work():
        running = asyncio.ensure_future(panel.run())
        while len(panel.plot.history) < 3:
            await asyncio.sleep(0.01)
        panel.pause_button.click()
        await asyncio.sleep(0.2)
        held = panel.last_step.nimg
        await asyncio.sleep(0.2)
        assert panel.last_step.nimg == held
        panel.resume_button.click()
        while panel.last_step.nimg == held:
            await asyncio.sleep(0.01)
        panel.stop_button.click()
        return await running

    panel = make_training(n_sample_total=1_000_000)
    assert panel.resume_button.disabled
    assert "stopped" in repr(asyncio.run(work()))
    before = list(panel.plot.history)
    assert list(tmp_path.glob("state-*.safetensors")) and not panel.resume_button.disabled

    again = make_training(n_sample_total=panel.last_step.nimg + 20)
    assert "Resume goes on" in again.message.value
    assert "done" in repr(asyncio.run(again.run()))
    assert len(again.plot.history) > len(before)
    assert [row["loss_d"] for row in again.plot.history[: len(before)]] == [row["loss_d"] for row in before]
    asyncio.run(again.run())
    assert "images already; raise n_sample_total" in again.message.value


def test_cancelling_saves(make_training, tmp_path):
    async def work():
        running = asyncio.ensure_future(panel.run())
        while len(panel.plot.history) < 2:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    panel = make_training(n_sample_total=1_000_000)
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
def test_errors_are_one_sentence_with_the_traceback_folded(values, message, make_training, tmp_path):
    panel = make_training(**values)
    assert message in repr(asyncio.run(panel.run()))
    sentence, folded = panel.message.value.split("<details>")
    assert message in sentence and "Traceback" not in sentence and "Traceback" in folded


def test_gpus_are_chosen_before_cuda_is_used(make_training, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    asyncio.run(make_training(CUDA_VISIBLE_DEVICES="1,0", n_sample_total=4).run())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,0"
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    panel = make_training(CUDA_VISIBLE_DEVICES="3", n_sample_total=4)
    assert "restart the kernel" in repr(asyncio.run(panel.run()))


def test_ten_thousand_events_leave_one_picture(make_training, tmp_path):
    panel = make_training()
    values = {"loss_d": 1.0, "loss_g": 1.0, "resolution": 8}
    for i in range(10_000):
        panel.show(Stats(i, i, {**values, "kimg": i / 1000}))
    assert len(panel.plot.history) == 10_000 and len(panel.plot.view.value) < 300_000
    assert len(panel.get_state()["children"]) == 5


def test_going_back_forgets_what_came_after(make_training, tmp_path):
    panel = make_training()
    for nimg in (10, 20, 30):
        panel.show(Stats(nimg, nimg, {"kimg": nimg / 1000}))
    panel.show(Changed(30, 30, {"DGR": 2}))
    panel.show(RolledBack(20, 20, "loss_d became nan", {"learning_rate": {8: 0.001}}))
    assert [row["nimg"] for row in panel.plot.history] == [10, 20] and panel.plot.marks == [(0.02, "rolled back")]
    assert "loss_d became nan" in panel.message.value and panel.live.hparams.learning_rate == {8: 0.001}
    panel.show(Shrunk(20, 20, 4))
    assert "4 images" in panel.message.value
    panel.show(SaveFailed(20, 20, "the disk is full"))
    assert "the disk is full" in panel.message.value


def test_a_cell_waits_for_the_job_only_where_nobody_is_there(make_training, tmp_path, monkeypatch):
    async def begin(panel):
        shown = repr(await panel.begin())
        going = TrainPanel.find(panel.read_config) is panel
        while panel.running:
            await asyncio.sleep(0.01)
        return shown, going

    async def within_a_loop(folder, **values):
        """Makes the panel where a kernel would: with a loop running."""
        return await begin(make_training(folder, n_sample_total=200, **values))

    alone = make_training(tmp_path / "a", n_sample_total=20)
    assert asyncio.run(begin(alone)) == ("training: done after 0.02 kimg", False)
    monkeypatch.setattr("panels.pages.is_attended", lambda: True)
    with_somebody = TrainPanel.find(alone.read_config)
    assert with_somebody is not alone
    shown, going = asyncio.run(within_a_loop(tmp_path / "b"))
    assert "goes on in the panel above" in shown and going
    shown, going = asyncio.run(within_a_loop(tmp_path / "c", image_folder_path=""))
    assert "image_folder_path is empty" in shown and not going
    assert list((tmp_path / "b").glob("state-*.safetensors"))


def test_two_processes_train_and_rank_0_is_shown(make_training, tmp_path):
    async def work():
        running = asyncio.ensure_future(panel.run())
        while len(panel.plot.history) < 2:
            assert not running.done(), running.result()
            await asyncio.sleep(0.01)
        panel.live.children[0].value = 0.01
        while not panel.plot.marks:
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

    panel = make_training(n_gpu=2, n_sample_total=1_000_000)
    assert "stopped" in repr(asyncio.run(work()))
    assert panel.grid_image is not None and "12 pictures" not in panel.message.value
    state = load_state(next(tmp_path.glob("state-*.safetensors")))
    assert state.config.n_gpu == 2 and [row["patch"] for row in state.journal] == [{"learning_rate": {"8": 0.01}}]
    assert [row["nimg"] for row in panel.plot.history] == [row["nimg"] for row in read_rows(tmp_path / "stats.jsonl")]


def test_processes_that_cannot_begin_are_told_in_one_sentence(make_training, tmp_path):
    shared = make_training(n_gpu=3)
    assert "batch size 4 at resolution 8 cannot be shared by 3 processes" in repr(asyncio.run(shared.run()))
