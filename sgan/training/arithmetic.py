"""How a training computes: loss scales that keep float16 gradients in range, and networks run through torch.compile."""

from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler

from sgan.training.state import TrainState

INIT_SCALE = 2.0**12  # PyTorch starts at 2^16, where the first updates overflow
GROWTH_INTERVAL = 2000  # updates without an overflow after which a scale doubles; R1's come a 16th as often
LAZY_GROWTH_INTERVAL = 125
LAZY = ("R1", "PL")  # the terms that come now and then


class Arithmetic:
    """The number format of the feature maps, the loss scales that float16 needs, and the compiled networks, if any.

    float16 holds 6e-8 to 65504: gradients would vanish. Each of the terms "D", "R1", "G" and "PL" is multiplied by a
    scale of its own before it goes backward; an update whose gradients overflowed is left out and the scale halved
    (arXiv 1710.03740, section 3.2). Scales live in state.scalers and are saved with the state. In other formats nothing
    is scaled.
    """

    def __init__(self, state: TrainState, dtype: torch.dtype = torch.float32, compiled: "Compiled | None" = None):
        self.state, self.dtype, self.compiled = state, dtype, compiled or Compiled()

    def scaler(self, term: str) -> GradScaler | None:
        """The loss scale of a term; None where the format needs none."""
        if self.dtype != torch.float16:
            return None
        if term not in self.state.scalers:
            interval = LAZY_GROWTH_INTERVAL if term in LAZY else GROWTH_INTERVAL
            self.state.scalers[term] = GradScaler(
                self.state.device.type, init_scale=INIT_SCALE, growth_interval=interval
            )
        return self.state.scalers[term]

    def scaled(self, term: str, loss: Tensor) -> Tensor:
        """The loss as it goes backward."""
        scaler = self.scaler(term)
        return loss if scaler is None else scaler.scale(loss)

    def inner_scale(self, term: str) -> Tensor | None:
        """Scale of the gradient inside a penalty: the root of the term's, so that an overflow lowers both."""
        scaler = self.scaler(term)
        return None if scaler is None else scaler.scale(torch.ones([], device=self.state.device)).sqrt()

    def update(self, term: str, optimiser: torch.optim.Optimizer) -> None:
        """Steps the optimiser with the term's gradients and clears them."""
        scaler = self.scaler(term)
        if scaler is None:
            optimiser.step()
        else:
            scaler.step(optimiser)  # the fused Adam divides by the scale, and does nothing after an overflow
            scaler.update()
        optimiser.zero_grad(set_to_none=True)

    def synthesize(self, ws: Tensor, shape: dict[str, Any], noise_mode: str, plain: bool = False) -> Tensor:
        """G's images [N, 3, R, R] of ws; plain: as they are needed for second derivatives."""
        run = self.compiled.synthesis if self._fits(shape) and not plain else None
        run = self.state.G.synthesis if run is None else run
        return run(ws, noise_mode=noise_mode, **shape)

    def judge(self, img: Tensor, shape: dict[str, Any]) -> Tensor:
        """D's logits [N] of img."""
        run = self.compiled.D if self._fits(shape) else None
        return (self.state.D if run is None else run)(img, **shape)

    def _fits(self, shape: dict[str, Any]) -> bool:
        """Whether the compiled networks serve this pass: while a layer fades in, alpha changes at every step."""
        return shape["alpha"] == 1.0


class Compiled:
    """G's synthesis and D through torch.compile, for passes that are differentiated once; none at all without `state`.

    PyTorch compiles at the first call and at the first backward pass, and either may fail: no compiler on this machine,
    an operation that it does not know. give_up() then leaves the plain networks; `reason` says why. Second derivatives
    are not supported by torch.compile, so that R1 and the path length take the plain networks always.
    """

    def __init__(self, state: TrainState | None = None, **options: Any):
        self.synthesis = self.D = None
        self.reason = ""
        if state is None:
            return
        try:
            self.synthesis = torch.compile(state.G.synthesis, dynamic=False, **options)
            self.D = torch.compile(state.D, dynamic=False, **options)
        except Exception as error:  # of whatever backend
            self.give_up(error)

    @property
    def active(self) -> bool:
        """Whether compiled networks are in use."""
        return self.synthesis is not None

    def give_up(self, error: Exception) -> None:
        """Goes on without."""
        self.synthesis = self.D = None
        lines = str(error).strip().splitlines()
        self.reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def scale_values(state: TrainState) -> dict[str, float]:
    """The loss scales as plain numbers, {"scale_d": ...}; empty where nothing is scaled."""
    return {f"scale_{term.lower()}": scaler.get_scale() for term, scaler in state.scalers.items()}
