"""train(): one generator of events. It never prints, plots or opens a window; consumers do."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from sgan import losses
from sgan.augment import ADA_INTERVAL, augment, update_ada_p
from sgan.config import resolution_of
from sgan.events import Changed, Control, Event, Finished, Grid, Saved, Stats, Step
from sgan.networks import Generator, swap_layers
from sgan.ops import downsample_2d, upsample_2d
from sgan.state import ADAM_BETA2, TrainState, save_state
from sgan.viz import make_grid, to_uint8

SEED_STRIDE = 1_000_000_007  # separates the random streams of neighbouring seeds
NOISE_SEED_STRIDE = 2**40  # and those of noise, by process


def train(
    state: TrainState,
    batches: Iterable[np.ndarray],
    control: Control,
    *,
    until_nimg: int,
    save_nimg: int,
    run_dir: str | Path | None = None,
    grid_z: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    replay: Iterable[Mapping[str, Any]] = (),
) -> Iterator[Event]:
    """Trains `state` in place until until_nimg images and yields what happens, always on an iteration boundary.

    batches: uint8 [N, 3, R, R] arrays, R and N as state.config.schedule(nimg) says. The state is saved to run_dir
    every save_nimg images, at the end, and when the consumer closes the iterator. grid_z [n, z_dim] are the fixed
    latents of the Grid events (None: no grids); dtype is that of the feature maps; replay gives {"nimg", "patch"}
    rows of an earlier journal to be applied when their time comes.
    """
    if run_dir is not None:
        Path(run_dir).mkdir(parents=True, exist_ok=True)
    batches = iter(batches)
    pending = sorted(replay, key=lambda row: row["nimg"])
    meter = Meter(state.device)
    saved_at = state.nimg
    try:
        while True:
            due = [row["patch"] for row in pending if row["nimg"] <= state.nimg]
            pending = pending[len(due) :]
            for patch in due + control.drain():
                state.hparams = state.hparams.changed(patch)
                state.journal.append({"nimg": state.nimg, "patch": patch})
                _append_line(run_dir, "hparams.jsonl", state.journal[-1])
                yield Changed(state.nimg, state.iteration, patch)
            if control.stopped or state.nimg >= until_nimg:
                break
            event = step(state, next(batches), meter, dtype)
            yield event
            if state.iteration % state.hparams.n_show_loss == 0:
                values = meter.read(state, event)
                _append_line(run_dir, "stats.jsonl", {"nimg": state.nimg, "iteration": state.iteration, **values})
                yield Stats(state.nimg, state.iteration, values)
            if grid_z is not None and state.iteration % state.hparams.n_show_grid == 0:
                yield draw_grid(state, grid_z)
            if state.nimg // save_nimg > saved_at // save_nimg:
                yield from _save(state, run_dir)
                saved_at = state.nimg
    except GeneratorExit:
        list(_save(state, run_dir))
        raise
    if grid_z is not None:
        yield draw_grid(state, grid_z)
    yield from _save(state, run_dir)
    yield Finished(state.nimg, state.iteration, "stopped" if control.stopped else "done")


def step(state: TrainState, real: np.ndarray, meter: "Meter", dtype: torch.dtype = torch.float32) -> Step:
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

    updates_G = state.iteration % hparams.DGR == hparams.DGR - 1
    shares = hparams.shared_pass and updates_G
    if shares:
        _update_both(state, real_img, meter, lr, shape)
    else:
        _update_D(state, real_img, meter, lr, shape)
    if state.iteration % hparams.d_reg_interval == 0:
        gamma = hparams.r1_gamma_at(resolution, batch_size)
        _regularize_D(state, real_img, meter, lr, gamma, shape)
    if updates_G:
        if not shares:
            _update_G(state, len(real), meter, lr, shape)
        update_ema(state.G_ema, state.G, ema_beta(hparams, state.nimg, batch_size * hparams.DGR))
    state.nimg += batch_size
    state.iteration += 1
    return Step(state.nimg, state.iteration, resolution, alpha, batch_size)


def _update_D(state: TrainState, real_img: Tensor, meter: "Meter", lr: float, shape: dict) -> None:
    with torch.no_grad():
        gen_img = generate(state, len(real_img), shape, phase=0)
    state.D.requires_grad_(True)
    gen_logits, real_logits = _judge(state, gen_img, shape), _judge(state, real_img, shape)
    loss = (losses.fake_loss(gen_logits) + losses.real_loss(real_logits)).mean()
    loss.backward()
    _apply(state.D_opt, lr, state.hparams.d_reg_interval)
    _adapt_augmentation(state, real_logits)
    meter.add(loss_d=loss, real_sign=real_logits.sign().mean(), fake_sign=gen_logits.sign().mean())


def _regularize_D(state: TrainState, real_img: Tensor, meter: "Meter", lr: float, gamma: float, shape: dict) -> None:
    """R1 at every d_reg_interval-th step, weighted by the interval (arXiv 1912.04958, section 3.1)."""
    # The penalty is taken at what D sees: bilinear sampling has no second derivative in PyTorch.
    real_img = augment(real_img, state.ada_p).detach().requires_grad_(True)
    penalty = losses.r1_penalty(real_img, state.D(real_img, **shape)).mean()
    (penalty * (gamma / 2 * state.hparams.d_reg_interval)).backward()
    _apply(state.D_opt, lr, state.hparams.d_reg_interval)
    meter.add(r1=penalty)


def _update_G(state: TrainState, n: int, meter: "Meter", lr: float, shape: dict) -> None:
    state.D.requires_grad_(False)
    loss = losses.generator_loss(_judge(state, generate(state, n, shape, phase=1), shape)).mean()
    loss.backward()
    _apply(state.G_opt, lr)
    meter.add(loss_g=loss)


def _update_both(state: TrainState, real_img: Tensor, meter: "Meter", lr: float, shape: dict) -> None:
    """Both updates from one pass over the generated images, with gradients taken at the same D.

    G and D see the same samples: one forward pass of each is saved, a sixth of the work.
    """
    state.D.requires_grad_(True)
    gen_img = generate(state, len(real_img), shape, phase=1)
    seen = gen_img.detach().requires_grad_(True)
    gen_logits, real_logits = _judge(state, seen, shape), _judge(state, real_img, shape)
    loss_g = losses.generator_loss(gen_logits).mean()
    (gradient,) = torch.autograd.grad(loss_g, seen, retain_graph=True)
    loss_d = (losses.fake_loss(gen_logits) + losses.real_loss(real_logits)).mean()
    loss_d.backward()
    gen_img.backward(gradient)
    _apply(state.D_opt, lr, state.hparams.d_reg_interval)
    _apply(state.G_opt, lr)
    _adapt_augmentation(state, real_logits)
    signs = dict(real_sign=real_logits.sign().mean(), fake_sign=gen_logits.sign().mean())
    meter.add(loss_d=loss_d, loss_g=loss_g, **signs)


def _judge(state: TrainState, img: Tensor, shape: dict) -> Tensor:
    """D's logits [N] of img as augmentation shows it."""
    return state.D(augment(img, state.ada_p), **shape)


def _adapt_augmentation(state: TrainState, real_logits: Tensor) -> None:
    """Every ADA_INTERVAL-th iteration moves the augmentation's p by what D says of this batch of real images.

    One batch instead of a running mean: p moves by a fixed small step, and no more state than p has to be saved.
    """
    hparams = state.hparams
    if hparams.ada_target <= 0 or state.iteration % ADA_INTERVAL:
        return
    real_sign = real_logits.detach().sign().mean()
    if _world() > 1:
        dist.all_reduce(real_sign)
        real_sign /= _world()
    n_images = ADA_INTERVAL * len(real_logits) * _world()
    state.ada_p = update_ada_p(state.ada_p, float(real_sign), hparams.ada_target, n_images, hparams.ada_kimg)


def generate(state: TrainState, n: int, shape: dict, phase: int) -> Tensor:
    """n training samples of G with random noise and style mixing, [n, 3, R, R]; phase is 0 for D's turn, 1 for G's.

    Random numbers depend on (seed, iteration, phase) alone. Latents are drawn for the whole batch of all processes, of
    which this one takes its share: the number of processes does not change what is trained on. Noise is each process's
    own. G's turn also advances w_avg.
    """
    seed = (state.config.seed * SEED_STRIDE + state.iteration) * 2 + phase
    torch.manual_seed(seed)
    share = slice(_rank() * n, (_rank() + 1) * n)
    z, other = torch.randn(2, n * _world(), state.config.dim_latent, device=state.device)
    ws = state.G.mapping(z, update_w_avg=phase == 1)
    if state.hparams.style_mixing_prob > 0:
        num_ws = 2 * (shape["step"] - state.config.min_step + 1)
        ws = mix_styles(ws, state.G.mapping(other), num_ws, state.hparams.style_mixing_prob)
    torch.manual_seed(seed + NOISE_SEED_STRIDE * (1 + _rank()))
    return state.G.synthesis(ws[share], noise_mode="random", **shape)


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
        if _world() > 1:
            _average_gradients([p.grad for p in group["params"] if p.grad is not None])
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _average_gradients(gradients: list[Tensor]) -> None:
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= _world()
    torch._foreach_copy_(
        gradients, [part.view_as(g) for part, g in zip(_split(flat, gradients), gradients, strict=True)]
    )


def _split(flat: Tensor, like: list[Tensor]) -> tuple[Tensor, ...]:
    return flat.split([tensor.numel() for tensor in like])


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@torch.no_grad()
def draw_grid(state: TrainState, grid_z: Tensor) -> Grid:
    """Samples of G_ema from fixed latents [n, z_dim] at the current resolution, one at a time to bound memory.

    The layers in config.style_mixing take their style from the next latent.
    """
    config = state.config
    level, alpha = config.schedule(state.nimg)
    ws = state.G_ema.mapping(grid_z.to(state.device))
    ws = swap_layers(ws, ws.roll(-1, dims=0), config.model, config.style_mixing)
    images = [state.G_ema.synthesis(w[None], step=level, alpha=alpha, noise_mode="const") for w in ws]
    return Grid(state.nimg, state.iteration, make_grid(to_uint8(torch.cat(images))), resolution_of(level))


class Meter:
    """Running sums on the device; floats only in read()."""

    def __init__(self, device: torch.device):
        self.device = device
        self.sums: dict[str, list] = {}
        self.since, self.since_nimg = time.monotonic(), None

    def add(self, **scalars: Tensor) -> None:
        """Adds one value to each named mean."""
        for name, value in scalars.items():
            entry = self.sums.setdefault(name, [torch.zeros([], device=self.device), 0])
            entry[0] += value.detach()
            entry[1] += 1

    def read(self, state: TrainState, event: Step) -> dict[str, float]:
        """The means since the last call, with the settings in force; resets."""
        values = {name: float(total) / count for name, (total, count) in self.sums.items()}
        now = time.monotonic()
        images = state.nimg - self.since_nimg if self.since_nimg is not None else 0
        self.sums.clear()
        values["kimg"] = state.nimg / 1000
        values["resolution"], values["alpha"] = event.resolution, event.alpha
        values["learning_rate"] = state.hparams.learning_rate_at(event.resolution)
        values["ada_p"] = state.ada_p
        values["r1_gamma"] = state.hparams.r1_gamma_at(event.resolution, event.batch_size)
        if images:
            values["sec_per_kimg"] = (now - self.since) * 1000 / images
        self.since, self.since_nimg = now, state.nimg
        return values


def _save(state: TrainState, run_dir: str | Path | None) -> Iterator[Saved]:
    if run_dir is not None and _rank() == 0:
        yield Saved(state.nimg, state.iteration, str(save_state(state, run_dir)))


def _append_line(run_dir: str | Path | None, name: str, row: Mapping[str, Any]) -> None:
    if run_dir is not None and _rank() == 0:
        with open(Path(run_dir) / name, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
