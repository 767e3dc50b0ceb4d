"""Facts of the training loop: every event on a whole state, resume equals never having stopped."""

import json

import numpy as np
import pytest
import torch
from small import equal, of, run, weights

from sgan import viz
from sgan.events import Changed, Control, Finished, Grid, Stats, Step
from sgan.training import loop
from sgan.training.loop import train
from sgan.training.state import load_state, save_state


def test_counts_and_events(make_state, noise_batches):
    state = make_state()
    events = run(state, noise_batches(state.config), until=24)
    assert [event.nimg for event in of(events, Step)] == [4, 8, 12, 16, 20, 24]
    assert [event.iteration for event in of(events, Stats)] == [2, 4, 6]
    assert events[-1] == Finished(24, 6, "done")
    values = of(events, Stats)[-1].values
    assert {"loss_d", "loss_g", "real_sign", "fake_sign", "kimg", "learning_rate", "sec_per_kimg"} <= values.keys()
    assert all(isinstance(value, (int, float)) for value in values.values())


def test_n_show_loss_and_n_show_grid_are_intervals(make_state, noise_batches):
    for interval in (1, 3):
        state = make_state(n_show_loss=interval, n_show_grid=interval)
        events = run(state, noise_batches(state.config), until=24, grid_z=torch.randn(4, 8))
        assert len(of(events, Stats)) == 6 // interval
        assert len(of(events, Grid)) == 6 // interval + 1
    grid = of(events, Grid)[-1]
    assert grid.image.shape == (16, 16, 3) and grid.image.dtype == np.uint8


def test_a_grid_of_large_faces_stays_small(make_state, monkeypatch):
    state, grid_z = make_state(), torch.randn(9, 8)
    whole = loop.draw_grid(state, grid_z).image
    assert whole.shape == (24, 24, 3)
    monkeypatch.setattr(viz, "GRID_SIDE", 14)
    monkeypatch.setattr(viz, "SMALLEST_CELL", 2)
    small = loop.draw_grid(state, grid_z).image
    assert small.shape == (12, 12, 3)  # three cells of 4 pixels
    blocks = whole.reshape(12, 2, 12, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - blocks).mean() < np.abs(small - whole[::2, ::2].astype(float)).mean()  # no pixels left out


def test_n_sample_total_ends_the_run_and_n_sample_grows(make_state, noise_batches):
    state = make_state(max_step=2, n_sample=8)
    events = run(state, noise_batches(state.config), until=24)
    assert [(e.resolution, e.alpha) for e in of(events, Step)] == [
        (8, 1.0), (8, 1.0), (16, 0.0), (16, 0.5), (16, 1.0), (16, 1.0),
    ]  # fmt: skip


def test_batch_size_by_resolution(make_state, noise_batches):
    state = make_state(max_step=2, n_sample=8, batch_size={16: 2})
    events = run(state, noise_batches(state.config), until=12)
    assert [e.batch_size for e in of(events, Step)] == [4, 4, 2, 2]


def test_resume_equals_never_having_stopped(make_state, noise_batches, tmp_path):
    straight = make_state(max_step=2, n_sample=16)
    run(straight, noise_batches(straight.config), until=48)
    first = make_state(max_step=2, n_sample=16)
    run(first, noise_batches(first.config), until=20)
    resumed = load_state(save_state(first, tmp_path))
    run(resumed, noise_batches(resumed.config, resumed.nimg), until=48)
    assert equal(weights(straight), weights(resumed))


def test_drawing_between_steps_changes_nothing(make_state, noise_batches):
    quiet, noisy = make_state(), make_state()
    run(quiet, noise_batches(quiet.config))
    for _ in train(noisy, noise_batches(noisy.config), Control(), until_nimg=24, save_nimg=10**9):
        torch.randn(17)
        noisy.G_ema(torch.randn(2, 8), noise_mode="random")
    assert equal(weights(quiet), weights(noisy))


def test_a_seed_decides_everything(make_state, noise_batches):
    results = []
    for seed in (1, 1, 2):
        state = make_state(seed=seed)
        run(state, noise_batches(state.config))
        results.append(weights(state))
    assert equal(results[0], results[1]) and not equal(results[0], results[2])


def test_change_stop_and_journal(make_state, noise_batches, tmp_path):
    state, control, seen = make_state(), Control(), []
    for event in train(state, noise_batches(state.config), control, until_nimg=400, save_nimg=10**9, run_dir=tmp_path):
        seen.append(event)
        if isinstance(event, Step) and event.iteration == 3:
            control.set(learning_rate=0.5)
            control.set(DGR=2)
        if isinstance(event, Step) and event.iteration == 5:
            control.set(r1_gamma=7.0)
            control.stop()
    assert [e.patch for e in of(seen, Changed)] == [{"learning_rate": 0.5}, {"DGR": 2}, {"r1_gamma": 7.0}]
    assert seen[-1].reason == "stopped" and state.iteration == 5
    assert state.hparams.DGR == 2 and state.hparams.learning_rate_at(8) == 0.5 and state.hparams.r1_gamma == 7.0
    rows = [json.loads(line) for line in (tmp_path / "hparams.jsonl").read_text().splitlines()]
    assert rows == state.journal and rows[0]["nimg"] == 12 and rows[2]["nimg"] == 20
    assert load_state(tmp_path).hparams == state.hparams


def test_replay_repeats_a_steered_run(make_state, noise_batches):
    steered, control = make_state(), Control()
    for event in train(steered, noise_batches(steered.config), control, until_nimg=32, save_nimg=10**9):
        if isinstance(event, Step) and event.iteration == 3:
            control.set(learning_rate=0.02, DGR=2)
    replayed = make_state()
    run(replayed, noise_batches(replayed.config), until=32, replay=steered.journal)
    assert equal(weights(steered), weights(replayed))
    plain = make_state()
    run(plain, noise_batches(plain.config), until=32)
    assert not equal(weights(steered), weights(plain))


def test_closing_the_iterator_saves_and_an_error_does_not(make_state, noise_batches, tmp_path):
    state = make_state()
    events = train(state, noise_batches(state.config), Control(), until_nimg=400, save_nimg=10**9, run_dir=tmp_path)
    for event in events:
        if event.iteration == 3:
            break
    events.close()
    assert load_state(tmp_path).nimg == 12

    def broken():
        yield from [next(noise_batches(state.config))] * 2
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError):
        run(make_state(), broken(), run_dir=tmp_path / "second")
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["stats.jsonl"]


def test_resume_keeps_the_augmentation(make_state, noise_batches, tmp_path):
    config = dict(ada_target=0.01, ada_kimg=0.1, learning_rate={8: 0.01})
    straight, first = make_state(**config), make_state(**config)
    run(straight, noise_batches(straight.config), until=80)
    run(first, noise_batches(first.config), until=44)
    assert first.ada_p > 0
    resumed = load_state(save_state(first, tmp_path))
    run(resumed, noise_batches(resumed.config, resumed.nimg), until=80)
    assert resumed.ada_p == straight.ada_p and equal(weights(straight), weights(resumed))


def test_style_mixing_takes_layers_of_the_next_latent(make_state, noise_batches):
    z = torch.randn(4, 8)
    grids = {}
    for layers in ((), (0,), (0, 1)):
        state = make_state(style_mixing=layers)
        events = run(state, noise_batches(state.config), until=4, grid_z=z)
        grids[layers] = of(events, Grid)[-1].image.reshape(2, 8, 2, 8, 3).swapaxes(1, 2).reshape(4, 8, 8, 3)
    assert not np.array_equal(grids[()], grids[(0,)])
    assert np.array_equal(grids[(0, 1)], np.roll(grids[()], -1, axis=0))


def test_training_learns_a_colour(make_state):
    """Real images are all orange: after a short training so are the samples."""
    state = make_state(learning_rate={8: 0.01}, mini_batch_size=8)
    orange = np.broadcast_to(np.array([230, 120, 20], np.uint8)[None, :, None, None], (8, 3, 8, 8))

    def batches():
        while True:
            yield orange

    run(state, batches(), until=2400)
    img = (state.G_ema(torch.randn(16, 8)) * 127.5 + 127.5).mean(dim=(0, 2, 3))
    assert torch.allclose(img, torch.tensor([230.0, 120.0, 20.0]), atol=25)
