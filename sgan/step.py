"""One training iteration: D, now and then R1, G and its moving average; in chunks when memory is short."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from sgan import losses
from sgan.augment import ADA_INTERVAL, augment, update_ada_p
from sgan.config import resolution_of
from sgan.events import Step
from sgan.meter import Meter
from sgan.networks import Generator
from sgan.ops import downsample_2d, upsample_2d
from sgan.state import ADAM_BETA2, TrainState

SEED_STRIDE = 1_000_000_007  # separates the random streams of neighbouring seeds
PHASES = 3
PL_INTERVAL = 4  # updates of G between two path length terms
PL_DECAY = 0.01  # of the running mean of the path length
NOISE_SEED_STRIDE = 2**36  # and those of noise, by the first sample they are for


def step(state: TrainState, real: np.ndarray, meter: Meter, dtype: torch.dtype = torch.float32) -> Step:
    """One iteration: D, every DGR-th time G and its moving average, every d_reg_interval-th time R1.

    real uint8 [N, 3, R, R], this process's share of the batch. Random numbers depend on (seed, iteration) alone, so
    whatever is drawn between two steps cannot alter the training.
    """
    config, hparams = state.config, state.hparams
    level, alpha = config.schedule(state.nimg)
    resolution = resolution_of(level)
    batch_size = config.batch_size_at(resolution)
    real_img = torch.from_numpy(np.ascontiguousarray(real)).to(state.device, torch.float32) / 127.5 - 1
    if alpha < 1.0:
        real_img = fade_image(real_img, alpha)
    shape = dict(step=level, alpha=alpha, dtype=dtype)
    lr = hparams.learning_rate_at(resolution)
    if not hparams.noise:
        silence(state.G)
        silence(state.G_ema)

    updates_G = state.iteration % hparams.DGR == hparams.DGR - 1
    if hparams.shared_pass and updates_G:
        _accumulate(state, meter, len(real), lambda part: _backward_both(state, real_img, part, shape))
        _apply(state.D_opt, lr, hparams.d_reg_interval)
        _apply(state.G_opt, lr)
    else:
        _accumulate(state, meter, len(real), lambda part: _backward_D(state, real_img, part, shape))
        _apply(state.D_opt, lr, hparams.d_reg_interval)
    if hparams.ada_target > 0 and state.iteration % ADA_INTERVAL == 0:
        _adapt_augmentation(state, meter.last["real_sign"], len(real))
    if state.iteration % hparams.d_reg_interval == 0:
        weight = hparams.r1_gamma_at(resolution, batch_size) / 2 * hparams.d_reg_interval
        _accumulate(state, meter, len(real), lambda part: _backward_R1(state, real_img, part, weight, shape))
        _apply(state.D_opt, lr, hparams.d_reg_interval)
    if updates_G:
        if not hparams.shared_pass:
            _accumulate(state, meter, len(real), lambda part: _backward_G(state, len(real), part, shape))
            _apply(state.G_opt, lr)
        if hparams.pl_weight > 0 and state.iteration // hparams.DGR % PL_INTERVAL == 0:
            _regularize_G(state, meter, len(real), lr, shape)
        update_ema(state.G_ema, state.G, ema_beta(hparams, state.nimg, batch_size * hparams.DGR))
    state.nimg += batch_size
    state.iteration += 1
    return Step(state.nimg, state.iteration, resolution, alpha, batch_size)


def _accumulate(state: TrainState, meter: Meter, n: int, backward: Callable[[slice], dict[str, Tensor]]) -> None:
    """Sums the gradients of backward(part) over the n samples, state.micro_batch at a time (0: all at once).

    backward returns its part's share of the means. When memory is short the parts are halved and the work is done
    again; they stay multiples of the group of the minibatch statistics, so that the gradients are the same.
    """
    group = state.config.mbstd_group_size
    while True:
        size = state.micro_batch or n
        try:
            parts = [backward(slice(first, min(first + size, n))) for first in range(0, n, size)]
        except RuntimeError as error:
            if not _out_of_memory(error) or size <= group:
                raise
            state.micro_batch = max(group, size // 2 // group * group)
            for optimiser in (state.G_opt, state.D_opt):
                optimiser.zero_grad(set_to_none=True)
            if state.device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        meter.add(**{name: sum(part[name] for part in parts) for name in parts[0]})
        return


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _backward_D(state: TrainState, real_img: Tensor, part: slice, shape: dict) -> dict[str, Tensor]:
    """Gradients of D's loss for one part of the batch."""
    n, real = len(real_img), real_img[part]
    with torch.no_grad():
        gen_img = generate(state, n, shape, phase=0, part=part)
    state.D.requires_grad_(True)
    gen_logits, real_logits = _judge(state, gen_img, shape), _judge(state, real, shape)
    loss = (losses.fake_loss(gen_logits) + losses.real_loss(real_logits)).sum() / n
    loss.backward()
    return _means_D(loss, real_logits, gen_logits, n)


def _backward_R1(state: TrainState, real_img: Tensor, part: slice, weight: float, shape: dict) -> dict[str, Tensor]:
    """Gradients of R1, which comes every d_reg_interval-th step with that weight (arXiv 1912.04958, section 3.1)."""
    state.D.requires_grad_(True)
    # The penalty is taken at what D sees: bilinear sampling has no second derivative in PyTorch.
    seen = augment(real_img[part], state.ada_p).detach().requires_grad_(True)
    penalty = losses.r1_penalty(seen, state.D(seen, **shape)).sum() / len(real_img)
    (penalty * weight).backward()
    return {"r1": penalty.detach()}


def _backward_G(state: TrainState, n: int, part: slice, shape: dict) -> dict[str, Tensor]:
    """Gradients of G's loss for one part of the batch."""
    state.D.requires_grad_(False)
    gen_img = generate(state, n, shape, phase=1, part=part)
    loss = losses.generator_loss(_judge(state, gen_img, shape)).sum() / n
    loss.backward()
    return {"loss_g": loss.detach()}


def _backward_both(state: TrainState, real_img: Tensor, part: slice, shape: dict) -> dict[str, Tensor]:
    """Gradients of both losses from one pass over the generated images, taken at the same D.

    G and D see the same samples: one forward pass of each is saved, a sixth of the work.
    """
    n = len(real_img)
    state.D.requires_grad_(True)
    gen_img = generate(state, n, shape, phase=1, part=part)
    seen = gen_img.detach().requires_grad_(True)
    gen_logits, real_logits = _judge(state, seen, shape), _judge(state, real_img[part], shape)
    loss_g = losses.generator_loss(gen_logits).sum() / n
    (gradient,) = torch.autograd.grad(loss_g, seen, retain_graph=True)
    loss_d = (losses.fake_loss(gen_logits) + losses.real_loss(real_logits)).sum() / n
    loss_d.backward()
    gen_img.backward(gradient)
    return {**_means_D(loss_d, real_logits, gen_logits, n), "loss_g": loss_g.detach()}


def _means_D(loss: Tensor, real_logits: Tensor, gen_logits: Tensor, n: int) -> dict[str, Tensor]:
    """This part's share of what is reported about D."""
    signs = {"real_sign": real_logits, "fake_sign": gen_logits}
    return {"loss_d": loss.detach(), **{name: logits.detach().sign().sum() / n for name, logits in signs.items()}}


def _regularize_G(state: TrainState, meter: Meter, n: int, lr: float, shape: dict) -> None:
    """Path length term at every PL_INTERVAL-th update of G, on half of the batch (arXiv 1912.04958, section 3.2)."""
    state.D.requires_grad_(False)
    half = slice(0, max(1, n // 2))
    gen_img, ws = generate(state, n, shape, phase=2, part=half, with_ws=True)
    lengths = losses.path_lengths(gen_img, ws)
    state.pl_mean += PL_DECAY * (float(lengths.detach().mean()) - state.pl_mean)
    penalty = (lengths - state.pl_mean).square().mean()
    (penalty * (state.hparams.pl_weight * PL_INTERVAL)).backward()
    _apply(state.G_opt, lr)
    meter.add(pl_penalty=penalty)


def _judge(state: TrainState, img: Tensor, shape: dict) -> Tensor:
    """D's logits [N] of img as augmentation shows it."""
    return state.D(augment(img, state.ada_p), **shape)


def _adapt_augmentation(state: TrainState, real_sign: Tensor, n: int) -> None:
    """Moves the augmentation's p by what D says of this process's n real images.

    One batch instead of a running mean: p moves by a fixed small step, and no more state than p has to be saved.
    """
    if world() > 1:
        dist.all_reduce(real_sign)
        real_sign = real_sign / world()
    hparams, n_images = state.hparams, ADA_INTERVAL * n * world()
    state.ada_p = update_ada_p(state.ada_p, float(real_sign), hparams.ada_target, n_images, hparams.ada_kimg)


def generate(
    state: TrainState, n: int, shape: dict, phase: int, part: slice | None = None, with_ws: bool = False
) -> Any:
    """n training samples of G with random noise and style mixing, [n, 3, R, R], and with_ws their ws [n, L, w_dim].

    phase is 0 for D's turn, 1 for G's, 2 for the path length's; part picks some of the n. Random numbers depend on
    (seed, iteration, phase) alone. Latents are drawn for the whole batch of all processes, of which this one takes its
    share: neither the number of processes nor that of parts changes what is trained on. Noise is each process's and
    part's own. G's turn also advances w_avg.
    """
    part = part or slice(0, n)
    seed = (state.config.seed * SEED_STRIDE + state.iteration) * PHASES + phase
    torch.manual_seed(seed)
    z, other = torch.randn(2, n * world(), state.config.dim_latent, device=state.device)
    ws = state.G.mapping(z, update_w_avg=phase == 1 and part.start == 0)
    if state.hparams.style_mixing_prob > 0:
        num_ws = 2 * (shape["step"] - state.config.min_step + 1)
        ws = mix_styles(ws, state.G.mapping(other), num_ws, state.hparams.style_mixing_prob)
    first = rank() * n
    torch.manual_seed(seed + NOISE_SEED_STRIDE * (1 + first + part.start))
    ws = ws[first + part.start : first + part.stop]
    img = state.G.synthesis(ws, noise_mode="random" if state.hparams.noise else "none", **shape)
    return (img, ws) if with_ws else img


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
    return upsample_2d(downsample_2d(img, "fast"), "fast").lerp(img, alpha)


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


def _apply(optimiser: torch.optim.Adam, lr: float, interval: int | None = None) -> None:
    """Averages gradients over the processes and steps. With lazy regularisation each `interval`, lr and betas are
    adjusted by interval / (interval + 1) (arXiv 1912.04958, appendix B)."""
    ratio = 1.0 if interval is None or interval == 1 else interval / (interval + 1)
    for group in optimiser.param_groups:
        group["lr"], group["betas"] = lr * ratio, (0.0, ADAM_BETA2**ratio)
        if world() > 1:
            _average_gradients([p.grad for p in group["params"] if p.grad is not None])
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _average_gradients(gradients: list[Tensor]) -> None:
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world()
    torch._foreach_copy_(
        gradients, [part.view_as(g) for part, g in zip(_split(flat, gradients), gradients, strict=True)]
    )


def _split(flat: Tensor, like: list[Tensor]) -> tuple[Tensor, ...]:
    return flat.split([tensor.numel() for tensor in like])


def rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any of the processes, so that all come to the same decision."""
    if world() == 1:
        return flag
    shared = torch.tensor(float(flag), device=device)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return bool(shared)
