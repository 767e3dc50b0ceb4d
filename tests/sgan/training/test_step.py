"""Facts of one step: the path length term in parts, the optimiser's settings, random numbers."""

import pytest
import torch

from sgan.config import TrainConfig
from sgan.training import losses
from sgan.training.arithmetic import Arithmetic
from sgan.training.meter import Meter
from sgan.training.state import TrainState
from sgan.training.step import PL_INTERVAL, _apply, generate, step

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
