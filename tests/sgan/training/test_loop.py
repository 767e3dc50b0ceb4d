"""Facts of the training loop: every event on a whole state, resume equals never having stopped."""

import copy
import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch

from sgan import viz
from sgan.config import ConfigError, HParams, TrainConfig
from sgan.events import Changed, Control, Finished, Grid, Saved, Stats, Step
from sgan.launch.folder import Occupation
from sgan.training import loop, losses
from sgan.training.arithmetic import Arithmetic
from sgan.training.loop import train
from sgan.training.meter import Meter
from sgan.training.state import TrainState, load_state, save_state
from sgan.training.step import ema_beta, mix_styles, step, update_ema

TINY = dict(max_step=1, step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8, mini_batch_size=4, n_show_loss=2)


def run(state, batches, until=24, control=None, **kwargs):
    kwargs.setdefault("save_nimg", 10**9)
    return list(train(state, batches, control or Control(), until_nimg=until, **kwargs))


def weights(state):
    return {f"{p}.{n}": t.clone() for p, net in state.networks().items() for n, t in net.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def make_state():
    return lambda **changes: TrainState.create(TrainConfig(**{**TINY, **changes}))


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


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


def test_control_refuses_at_once():
    with pytest.raises(ConfigError, match="n_fc"):
        Control().set(n_fc=3)
    with pytest.raises(ConfigError, match="DGR"):
        Control().set(DGR=0)


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


def test_save_interval_is_in_images(make_state, noise_batches, tmp_path):
    state = make_state()
    events = run(state, noise_batches(state.config), until=24, save_nimg=10, run_dir=tmp_path)
    assert [event.nimg for event in of(events, Saved)] == [12, 20, 24]


def test_DGR_counts_discriminator_updates(make_state, noise_batches):
    state = make_state(DGR=3)
    moved, before, before_d = [], weights(state), weights(state)
    for event in train(state, noise_batches(state.config), Control(), until_nimg=24, save_nimg=10**9):
        if isinstance(event, Step):
            after = weights(state)
            moved.append(not torch.equal(before["G.mapping.fc0.weight"], after["G.mapping.fc0.weight"]))
            assert not torch.equal(before_d["D.b8.conv0.weight"], after["D.b8.conv0.weight"])
            before = before_d = after
    assert moved == [False, False, True, False, False, True]


def test_learning_rate_by_resolution_reaches_the_optimiser(make_state, noise_batches):
    state = make_state(max_step=2, n_sample=8, learning_rate={8: 0.01, 16: 0.0}, d_reg_interval=1)
    run(state, noise_batches(state.config), until=8)
    assert state.G_opt.param_groups[0]["lr"] == 0.01
    before = weights(state)
    run(state, noise_batches(state.config, 8), until=16)
    assert state.G_opt.param_groups[0]["lr"] == 0.0
    names = [name for name in before if not name.startswith("G_ema") and "w_avg" not in name]
    assert equal({n: before[n] for n in names}, {n: weights(state)[n] for n in names})


def test_lazy_regularisation_adjusts_the_optimiser(make_state, noise_batches):
    state = make_state(d_reg_interval=4, learning_rate={8: 0.01})
    run(state, noise_batches(state.config), until=4)
    group = state.D_opt.param_groups[0]
    assert group["lr"] == pytest.approx(0.01 * 4 / 5) and group["betas"] == (0.0, pytest.approx(0.99**0.8))


def test_r1_gamma_holds_the_discriminator_back(make_state, noise_batches):
    norms = []
    for gamma in (1e-6, 1000.0):
        state = make_state(r1_gamma=gamma, d_reg_interval=1, learning_rate={8: 0.01})
        events = run(state, noise_batches(state.config), until=160)
        norms.append(of(events, Stats)[-1].values["r1"])
    assert norms[1] < norms[0] / 10


def test_the_path_length_term_evens_the_steps_out(make_state, noise_batches):
    spreads = []
    for weight in (0.0, 100.0):
        state = make_state(pl_weight=weight, learning_rate={8: 0.01})
        run(state, noise_batches(state.config), until=320)
        ws = state.G.mapping(torch.randn(64, 8)).detach().requires_grad_(True)
        torch.manual_seed(0)
        lengths = losses.path_lengths(state.G.synthesis(ws, step=1), ws).detach()
        spreads.append((lengths - state.pl_mean).square().mean().item() if weight else lengths.square().mean().item())
    assert spreads[1] < spreads[0]
    assert state.pl_mean > 0


def test_without_noise_its_strength_is_zero(make_state, noise_batches):
    strengths = {}
    for noise in (True, False):
        state, control = make_state(learning_rate={8: 0.01}), Control()
        events = train(state, noise_batches(state.config), control, until_nimg=40, save_nimg=10**9)
        for event in events:
            if isinstance(event, Step) and event.iteration == 5 and not noise:
                control.set(noise=False)
        named = [*state.G.named_parameters(), *state.G_ema.named_parameters()]
        strengths[noise] = [
            float(p.detach().abs()) for name, p in named if name.endswith("noise_strength") and ".b16" not in name
        ]
    assert max(strengths[False]) == 0.0 < max(strengths[True])


def test_saving_by_the_clock(make_state, noise_batches, tmp_path, monkeypatch):
    now = itertools.count(0, 30)
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(now))
    state = make_state()
    events = run(state, noise_batches(state.config), until=40, save_minutes=2, run_dir=tmp_path)
    assert 2 <= len(of(events, Saved)) <= 9


def test_augmentation_grows_while_D_is_sure_of_the_real_images(make_state):
    """D learns eight fixed pictures by heart: p rises, and without a target it never does."""
    fixed = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    p = {}
    for target in (0.0, 0.3):
        state = make_state(ada_target=target, ada_kimg=1.0, learning_rate={8: 0.01}, r1_gamma=1e-4)
        events = run(state, itertools.repeat(fixed), until=400)
        p[target] = state.ada_p
        assert of(events, Stats)[-1].values["ada_p"] == state.ada_p
    assert p[0.0] == 0.0 and p[0.3] > 0.02


def test_resume_keeps_the_augmentation(make_state, noise_batches, tmp_path):
    config = dict(ada_target=0.01, ada_kimg=0.1, learning_rate={8: 0.01})
    straight, first = make_state(**config), make_state(**config)
    run(straight, noise_batches(straight.config), until=80)
    run(first, noise_batches(first.config), until=44)
    assert first.ada_p > 0
    resumed = load_state(save_state(first, tmp_path))
    run(resumed, noise_batches(resumed.config, resumed.nimg), until=80)
    assert resumed.ada_p == straight.ada_p and equal(weights(straight), weights(resumed))


def test_the_average_halves_after_ema_kimg(make_state):
    state = make_state()
    with torch.no_grad():
        for p, q in zip(state.G.parameters(), state.G_ema.parameters()):
            p.fill_(0.0)
            q.fill_(1.0)
    hparams = HParams(ema_kimg=1.0, ema_rampup=1.0)
    for nimg in range(10_000, 11_000, 50):
        update_ema(state.G_ema, state.G, ema_beta(hparams, nimg, 50))
    assert all(torch.allclose(q, torch.tensor(0.5), atol=1e-5) for q in state.G_ema.parameters())
    assert ema_beta(hparams, 0, 50) == 0.0  # a fresh average is the network itself


def test_mix_styles():
    ws, other = torch.zeros(2000, 6, 3), torch.ones(2000, 6, 3)
    torch.manual_seed(0)
    mixed = mix_styles(ws, other, 6, 0.75)[:, :, 0]
    assert (mixed[:, 0] == 0).all()  # the first layer stays
    assert (mixed.diff(dim=1) >= 0).all()  # one crossover at most
    assert (mixed[:, -1] == 1).float().mean().item() == pytest.approx(0.75, abs=0.04)
    assert torch.equal(mix_styles(ws, other, 6, 0.0), ws)


def test_style_mixing_takes_layers_of_the_next_latent(make_state, noise_batches):
    z = torch.randn(4, 8)
    grids = {}
    for layers in ((), (0,), (0, 1)):
        state = make_state(style_mixing=layers)
        events = run(state, noise_batches(state.config), until=4, grid_z=z)
        grids[layers] = of(events, Grid)[-1].image.reshape(2, 8, 2, 8, 3).swapaxes(1, 2).reshape(4, 8, 8, 3)
    assert not np.array_equal(grids[()], grids[(0,)])
    assert np.array_equal(grids[(0, 1)], np.roll(grids[()], -1, axis=0))


def test_frozen_events_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Step(1, 1, 8, 1.0, 4).nimg = 2


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


def test_states_are_independent(make_state):
    state = make_state()
    assert copy.deepcopy(state.hparams) == state.hparams
    assert not any(p.requires_grad for p in state.G_ema.parameters())


def test_without_augmentation_its_probability_is_zero_at_once(noise_batches):
    state = TrainState.create(TrainConfig(**TINY))
    state.ada_p = 0.4
    state.hparams = state.hparams.changed({"ada_target": 0.0})
    step(Arithmetic(state), next(noise_batches(state.config)), Meter())
    assert state.ada_p == 0.0


def test_two_trainings_do_not_share_a_folder(tmp_path):
    first = Occupation(tmp_path)
    with pytest.raises(ConfigError, match="another training is running in .*; stop that one, or choose another"):
        Occupation(tmp_path)
    first.release()
    Occupation(tmp_path).release()
