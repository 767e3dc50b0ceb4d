"""Facts of one step: its terms, in parts and whole, the optimiser's settings, random numbers."""

import itertools

import numpy as np
import pytest
import torch
from small import EIGHTS, TINY, equal, of, run, weights

from sgan.config import HParams, TrainConfig
from sgan.events import Control, Shrunk, Stats, Step
from sgan.training import losses
from sgan.training.arithmetic import Arithmetic
from sgan.training.loop import train
from sgan.training.meter import Meter
from sgan.training.state import TrainState
from sgan.training.step import PL_INTERVAL, _apply, ema_beta, generate, mix_styles, step, update_ema


def test_parts_of_a_batch_give_the_gradients_of_the_whole(noise_batches):
    """Noise has no strength yet in a fresh network, so only its strength's own gradient may differ."""
    moments = []
    for micro_batch in (0, 4):
        state = TrainState.create(TrainConfig(**EIGHTS, r1_gamma=1.0))
        state.micro_batch = micro_batch
        step(Arithmetic(state), next(noise_batches(state.config)), Meter())
        gradients = {
            f"D.{n}": state.D_opt.state[p]["exp_avg"] for n, p in state.D.named_parameters() if p in state.D_opt.state
        }
        gradients |= {
            f"G.{n}": state.G_opt.state[p]["exp_avg"] for n, p in state.G.named_parameters() if p in state.G_opt.state
        }
        moments.append({n: g for n, g in gradients.items() if "noise_strength" not in n})
    for name, whole in moments[0].items():
        assert (moments[1][name] - whole).norm() <= 0.02 * whole.norm() + 1e-8, name


def test_short_memory_halves_the_parts_and_goes_on(noise_batches, monkeypatch):
    state = TrainState.create(TrainConfig(**EIGHTS))
    forward = type(state.D).forward

    def too_much(self, img, *args, **kwargs):
        if len(img) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, img, *args, **kwargs)

    monkeypatch.setattr(type(state.D), "forward", too_much)
    events = list(train(state, noise_batches(state.config), Control(), until_nimg=24, save_nimg=10**9))
    assert [event.micro_batch for event in of(events, Shrunk)] == [4]
    assert [event.batch_size for event in of(events, Step)] == [8, 8, 8] and state.nimg == 24


def test_memory_too_short_for_one_group_is_an_error(noise_batches, monkeypatch):
    state = TrainState.create(TrainConfig(**EIGHTS))

    def never(self, *args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(state.D), "forward", never)
    with pytest.raises(torch.OutOfMemoryError):
        list(train(state, noise_batches(state.config), Control(), until_nimg=24, save_nimg=10**9))


SMALL = dict(max_step=1, step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8)


def regularised(noise_batches, batch, micro_batch=0, room=1000):
    """(gradients of the term alone, state, sizes of the parts) of a step, with memory for so many samples of it."""
    state = TrainState.create(TrainConfig(**SMALL, mini_batch_size=batch, pl_weight=2.0, noise=False))
    state.micro_batch, state.pl_mean = micro_batch, 0.3
    sizes, gradients, path_lengths = [], {}, losses.path_lengths

    def short_of_memory(img, *rest):
        sizes.append(len(img))
        if len(img) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return path_lengths(img, *rest)

    def look(work, term, resolution):
        if term == "PL":
            gradients.update({n: p.grad.clone() for n, p in state.G.named_parameters() if p.grad is not None})
        _apply(work, term, resolution)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sgan.training.losses.path_lengths", short_of_memory)
        patch.setattr("sgan.training.step._apply", look)
        step(Arithmetic(state), next(noise_batches(state.config)), Meter())
    return gradients, state, sizes


@pytest.mark.parametrize(
    ("batch", "memory", "sizes"),
    [
        (16, dict(micro_batch=4), [4, 4, 4, 4]),  # measured, then differentiated
        (16, dict(room=4), [8, 4, 4, 4, 4]),
        (12, dict(micro_batch=4), [4, 2, 4, 2]),
        (8, dict(room=1), [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]),  # less than a group of the minibatch statistics
    ],
)
def test_the_term_is_worked_through_in_parts(batch, memory, sizes, noise_batches):
    """The same gradients and running mean, whatever fits into memory."""
    (whole, expected, _), (parts, state, found) = (
        regularised(noise_batches, batch, **limits) for limits in ({}, memory)
    )
    assert found == sizes and whole.keys() == parts.keys()
    assert expected.pl_mean != 0.3 and state.pl_mean == pytest.approx(expected.pl_mean, rel=1e-5)
    for name, gradient in whole.items():
        assert (parts[name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-9, name


def test_memory_too_short_for_one_sample_is_an_error(noise_batches):
    with pytest.raises(torch.OutOfMemoryError):
        regularised(noise_batches, 8, room=0)


@pytest.mark.parametrize(("weight", "ratio"), [(0.0, 1.0), (2.0, PL_INTERVAL / (PL_INTERVAL + 1))])
def test_the_generators_rate_allows_for_its_lazy_term(weight, ratio, noise_batches):
    state = TrainState.create(TrainConfig(**SMALL, mini_batch_size=4, pl_weight=weight, learning_rate={8: 0.01}))
    for batch in (noise_batches(state.config), noise_batches(state.config)):
        step(Arithmetic(state), next(batch), Meter())
        (group,) = state.G_opt.param_groups
        assert group["lr"] == pytest.approx(0.01 * ratio) and group["betas"] == (0.0, pytest.approx(0.99**ratio))


def test_every_part_has_noise_of_its_own():
    """On a CPU, where PyTorch takes 32 bits of a seed; noise repeats neither another part's nor the latents."""
    state, drawn = TrainState.create(TrainConfig(**SMALL, seed=3)), []
    work = Arithmetic(state)
    work.synthesize = lambda *args, **kwargs: drawn.append(torch.randn(16))
    for part in (slice(0, 2), slice(2, 4), slice(0, 2)):
        generate(work, 4, dict(step=1), phase=1, part=part)
    torch.manual_seed(9 * 1_000_000_007 + 1)  # that of the latents
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], torch.randn(16))


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


def test_without_augmentation_its_probability_is_zero_at_once(noise_batches):
    state = TrainState.create(TrainConfig(**TINY))
    state.ada_p = 0.4
    state.hparams = state.hparams.changed({"ada_target": 0.0})
    step(Arithmetic(state), next(noise_batches(state.config)), Meter())
    assert state.ada_p == 0.0
