"""One training iteration: D, now and then R1, G and its moving average; in chunks when memory is short."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgan.config import resolution_of
from sgan.events import Step
from sgan.networks.generator import Generator
from sgan.networks.ops import downsample_mean, upsample_bilinear
from sgan.training import losses
from sgan.training.arithmetic import Arithmetic
from sgan.training.augment import ADA_INTERVAL, augment, update_ada_p
from sgan.training.meter import Meter
from sgan.training.state import ADAM_BETA2, TrainState
from sgan.training.workers import average_gradients, mean_over_processes, rank, world

SEED_STRIDE = 1_000_000_007  # separates the random streams of neighbouring seeds
PHASES = 3
PL_INTERVAL = 4  # updates of G between two path length terms
PL_DECAY = 0.01  # of the running mean of the path length


def step(work: Arithmetic, real: np.ndarray, meter: Meter) -> Step:
    """One iteration: D, every DGR-th time G and its moving average, every d_reg_interval-th time R1.

    real uint8 [N, 3, R, R], this process's share of the batch. Random numbers depend on (seed, iteration) alone, so
    whatever is drawn between two steps cannot alter the training.
    """
    state = work.state
    level, alpha = state.config.schedule(state.nimg)
    resolution = resolution_of(level)
    batch_size = state.config.batch_size_at(resolution)
    real_img = torch.from_numpy(np.ascontiguousarray(real)).to(state.device, torch.float32) / 127.5 - 1
    if alpha < 1.0:
        real_img = fade_image(real_img, alpha)
    shape = dict(step=level, alpha=alpha, dtype=work.dtype)
    if not state.hparams.noise:
        silence(state.G)
        silence(state.G_ema)
    if state.hparams.ada_target == 0:
        state.ada_p = 0.0
    _update_D(work, meter, real_img, shape)
    if state.iteration % state.hparams.DGR == state.hparams.DGR - 1:
        _update_G(work, meter, len(real), shape)
        update_ema(state.G_ema, state.G, ema_beta(state.hparams, state.nimg, batch_size * state.hparams.DGR))
    state.nimg += batch_size
    state.iteration += 1
    return Step(state.nimg, state.iteration, resolution, alpha, batch_size)


def _update_D(work: Arithmetic, meter: Meter, real_img: Tensor, shape: dict) -> None:
    """D's update, the steering of the augmentation, and now and then R1."""
    state, hparams, n = work.state, work.state.hparams, len(real_img)
    resolution = real_img.shape[-1]
    _accumulate(work, meter, n, lambda part: _backward_D(work, real_img, part, shape))
    _apply(work, "D", resolution)
    if hparams.ada_target > 0 and state.iteration % ADA_INTERVAL == 0:
        _adapt_augmentation(state, meter.last["real_sign"], n)
    if state.iteration % hparams.d_reg_interval == 0:
        gamma = hparams.r1_gamma_at(resolution, state.config.batch_size_at(resolution))
        weight = gamma / 2 * hparams.d_reg_interval
        _accumulate(work, meter, n, lambda part: _backward_R1(work, real_img, part, weight, shape))
        _apply(work, "R1", resolution)


def _update_G(work: Arithmetic, meter: Meter, n: int, shape: dict) -> None:
    """G's update, and now and then the path length term."""
    state, hparams = work.state, work.state.hparams
    resolution = resolution_of(shape["step"])
    _accumulate(work, meter, n, lambda part: _backward_G(work, n, part, shape))
    _apply(work, "G", resolution)
    if hparams.pl_weight > 0 and state.iteration // hparams.DGR % PL_INTERVAL == 0:
        _regularize_G(work, meter, n, shape)
        _apply(work, "PL", resolution)


def _accumulate(
    work: Arithmetic, meter: Meter, n: int, backward: Callable[[slice], dict[str, Tensor]], grouped: bool = True
) -> None:
    """Sums the gradients of backward(part) over the n samples, state.micro_batch at a time (0: all at once).

    backward returns its part's share of the means. When memory is short the parts are halved and the work is done
    again; they stay multiples of the group of the minibatch statistics, so that the gradients are the same. A term that
    is not `grouped` does without D: where a group is too much its parts are halved down to single samples. When
    compiled networks fail the work is done again without them.
    """
    state = work.state
    group, w_avg, most = state.config.mbstd_group_size, state.G.mapping.w_avg.clone(), n
    while True:
        size = min(state.micro_batch or n, most)
        try:
            parts = [backward(slice(first, min(first + size, n))) for first in range(0, n, size)]
        except Exception as error:  # a compiler raises what it likes
            if isinstance(error, RuntimeError) and _out_of_memory(error) and size > group:
                state.micro_batch = max(group, size // 2 // group * group)
            elif isinstance(error, RuntimeError) and _out_of_memory(error) and size > 1 and not grouped:
                most = size // 2
            elif work.compiled.active:
                work.compiled.give_up(error)
            else:
                raise
            _start_again(state, w_avg)
            continue
        meter.add(**{name: sum(part[name] for part in parts) for name in parts[0]})
        return


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _start_again(state: TrainState, w_avg: Tensor) -> None:
    """Takes back what a pass that broke off has done."""
    for optimiser in (state.G_opt, state.D_opt):
        optimiser.zero_grad(set_to_none=True)
    state.G.mapping.w_avg.copy_(w_avg)
    if state.device.type == "cuda":
        torch.cuda.empty_cache()


def _backward_D(work: Arithmetic, real_img: Tensor, part: slice, shape: dict) -> dict[str, Tensor]:
    """Gradients of D's loss for one part of the batch."""
    n, real = len(real_img), real_img[part]
    with torch.no_grad():
        gen_img = generate(work, n, shape, phase=0, part=part)
    work.state.D.requires_grad_(True)
    gen_logits, real_logits = _judge(work, gen_img, shape), _judge(work, real, shape)
    loss = (losses.fake_loss(gen_logits) + losses.real_loss(real_logits)).sum() / n
    work.scaled("D", loss).backward()
    signs = {"real_sign": real_logits, "fake_sign": gen_logits}
    return {"loss_d": loss.detach(), **{name: logits.detach().sign().sum() / n for name, logits in signs.items()}}


def _backward_R1(work: Arithmetic, real_img: Tensor, part: slice, weight: float, shape: dict) -> dict[str, Tensor]:
    """Gradients of R1, which comes every d_reg_interval-th step with that weight (arXiv 1912.04958, section 3.1)."""
    D = work.state.D.requires_grad_(True)
    # The penalty is taken at what D sees: bilinear sampling has no second derivative in PyTorch.
    seen = augment(real_img[part], work.state.ada_p).detach().requires_grad_(True)
    penalty = losses.r1_penalty(seen, D(seen, **shape), work.inner_scale("R1")).sum() / len(real_img)
    work.scaled("R1", penalty * weight).backward()
    return {"r1": penalty.detach()}


def _backward_G(work: Arithmetic, n: int, part: slice, shape: dict) -> dict[str, Tensor]:
    """Gradients of G's loss for one part of the batch."""
    work.state.D.requires_grad_(False)
    gen_img = generate(work, n, shape, phase=1, part=part)
    loss = losses.generator_loss(_judge(work, gen_img, shape)).sum() / n
    work.scaled("G", loss).backward()
    return {"loss_g": loss.detach()}


def _regularize_G(work: Arithmetic, meter: Meter, n: int, shape: dict) -> None:
    """Gradients of the path length term, every PL_INTERVAL-th update of G, on half of the batch (arXiv 1912.04958,
    section 3.2).

    The term needs the mean of the whole half. In parts, lengths are therefore measured first and then once more.
    """
    state, half = work.state, max(1, n // 2)
    state.D.requires_grad_(False)
    known: list[float] = []  # the new mean: the processes agree on it once, however often memory runs short here

    def lengths_of(part: slice) -> Tensor:
        gen_img, ws = generate(work, n, shape, phase=2, part=part, with_ws=True)
        torch.manual_seed(_seed_of(state, 2, rank() * n, 1))
        y = torch.randn(half, *gen_img.shape[1:], device=gen_img.device)[part]  # a sample's own, in whatever part
        return losses.path_lengths(gen_img, ws, work.inner_scale("PL"), y)

    def learn_mean(lengths: Tensor) -> None:
        mean, old = float(mean_over_processes(lengths.mean())), state.pl_mean
        # An overflow of float16 must not stay in the running mean.
        known.append(old + PL_DECAY * (mean - old) if math.isfinite(mean) else old)

    def backward(part: slice) -> dict[str, Tensor]:
        size = part.stop - part.start
        if not known and size < half:  # the first part, and no smaller than any other
            parts = (slice(first, min(first + size, half)) for first in range(0, half, size))
            learn_mean(torch.cat([lengths_of(one).detach() for one in parts]))
        lengths = lengths_of(part)
        if not known:
            learn_mean(lengths.detach())
        penalty = (lengths - known[0]).square().sum() / half
        work.scaled("PL", penalty * (state.hparams.pl_weight * PL_INTERVAL)).backward()
        return {"pl_penalty": penalty.detach()}

    _accumulate(work, meter, half, backward, grouped=False)
    state.pl_mean = known[0]


def _judge(work: Arithmetic, img: Tensor, shape: dict) -> Tensor:
    """D's logits [N] of img as augmentation shows it."""
    return work.judge(augment(img, work.state.ada_p), shape)


def _adapt_augmentation(state: TrainState, real_sign: Tensor, n: int) -> None:
    """Moves the augmentation's p by what D says of this process's n real images.

    One batch instead of a running mean: p moves by a fixed small step, and no more state than p has to be saved.
    """
    hparams, n_images = state.hparams, ADA_INTERVAL * n * world()
    sign = float(mean_over_processes(real_sign))
    state.ada_p = update_ada_p(state.ada_p, sign, hparams.ada_target, n_images, hparams.ada_kimg)


def generate(
    work: Arithmetic, n: int, shape: dict, phase: int, part: slice | None = None, with_ws: bool = False
) -> Any:
    """n training samples of G with random noise and style mixing, [n, 3, R, R], and with_ws their ws [n, L, w_dim].

    phase is 0 for D's turn, 1 for G's, 2 for the path length's; part picks some of the n. Random numbers depend on
    (seed, iteration, phase) alone. Latents are drawn for the whole batch of all processes, of which this one takes its
    share: neither the number of processes nor that of parts changes what is trained on. Noise is each process's and
    part's own. G's turn also advances w_avg.
    """
    state, part = work.state, part or slice(0, n)
    torch.manual_seed(_seed_of(state, phase))
    z, other = torch.randn(2, n * world(), state.config.z_dim, device=state.device)
    ws = state.G.mapping(z, update_w_avg=phase == 1 and part.start == 0)
    if state.hparams.style_mixing_prob > 0:
        num_ws = 2 * (shape["step"] - state.config.min_step + 1)
        ws = mix_styles(ws, state.G.mapping(other), num_ws, state.hparams.style_mixing_prob)
    first = rank() * n
    torch.manual_seed(_seed_of(state, phase, first + part.start))
    ws = ws[first + part.start : first + part.stop]
    img = work.synthesize(ws, shape, "random" if state.hparams.noise else "none", plain=with_ws)
    return (img, ws) if with_ws else img


def _seed_of(state: TrainState, phase: int, *place: int) -> int:
    """The seed of a phase's latents, or of what is drawn at one place in the batch.

    PyTorch's generator on a CPU takes only the lowest 32 bits of a seed, so that places are told apart by a hash.
    """
    seed = (state.config.seed * SEED_STRIDE + state.iteration) * PHASES + phase
    if not place:
        return seed
    return int(np.random.SeedSequence([seed, *place]).generate_state(1, np.uint64)[0]) >> 1


def mix_styles(ws: Tensor, other: Tensor, num_ws: int, probability: float) -> Tensor:
    """ws [N, L, C] with `other` from a random layer on, for a share of the samples (arXiv 1812.04948, section 3.1).

    The crossover lies among the first num_ws layers, those in use at the current resolution.
    """
    n, length, _ = ws.shape
    cut = torch.randint(1, max(num_ws, 2), (n, 1), device=ws.device)
    mixed = torch.rand(n, 1, device=ws.device) < probability
    takes_other = (torch.arange(length, device=ws.device) >= cut) & mixed
    return torch.where(takes_other[:, :, None], other, ws)


def fade_image(img: Tensor, alpha: float) -> Tensor:
    """Real images at the sharpness that the network has while a layer fades in (arXiv 1710.10196, figure 2)."""
    return upsample_bilinear(downsample_mean(img)).lerp(img, alpha)


def ema_beta(hparams: Any, nimg: int, batch_size: int) -> float:
    """Decay per step so that weights halve after ema_kimg (or ema_rampup * nimg, while that is less)."""
    half_life = min(hparams.ema_kimg * 1000, nimg * hparams.ema_rampup)
    return 0.5 ** (batch_size / max(half_life, 1e-8))


@torch.no_grad()
def silence(G: Generator) -> None:
    """Sets the strength of every layer's noise to zero."""
    for name, parameter in G.named_parameters():
        if name.endswith("noise_strength"):
            parameter.zero_()


@torch.no_grad()
def update_ema(G_ema: Generator, G: Generator, beta: float) -> None:
    """G_ema <- beta * G_ema + (1 - beta) * G for parameters; buffers are copied."""
    torch._foreach_lerp_(list(G_ema.parameters()), list(G.parameters()), 1.0 - beta)
    for target, source in zip(G_ema.buffers(), G.buffers(), strict=True):
        target.copy_(source)


def _apply(work: Arithmetic, term: str, resolution: int) -> None:
    """Averages the gradients of a term over the processes and steps.

    A network with a regularisation of its own every k-th update makes k + 1 steps in k updates: its lr and betas are
    adjusted by k / (k + 1) (arXiv 1912.04958, appendix B). That is D with R1, and G while the path length has weight.
    """
    state, hparams = work.state, work.state.hparams
    of_D = term in ("D", "R1")
    interval = hparams.d_reg_interval if of_D else PL_INTERVAL if hparams.pl_weight > 0 else 1
    ratio = interval / (interval + 1) if interval > 1 else 1.0
    optimiser = state.D_opt if of_D else state.G_opt
    for group in optimiser.param_groups:
        group["lr"], group["betas"] = hparams.learning_rate_at(resolution) * ratio, (0.0, ADAM_BETA2**ratio)
        average_gradients([p.grad for p in group["params"] if p.grad is not None])
    work.update(term, optimiser)
