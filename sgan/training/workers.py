"""What the processes of one training agree on; in a training of one process all of it is trivial."""

import re

import torch
import torch.distributed as dist
from torch import Tensor

PLACE = re.compile(r"^\[[^][]*\.(?:cc|cpp|h):\d+\]\s*")  # in PyTorch's source, which gloo begins its errors with


def reason_of(error: BaseException) -> str:
    """The first line of what PyTorch says about the exchange with the other processes, or the error's name."""
    return PLACE.sub("", (str(error).splitlines() or [""])[0]) or type(error).__name__


def rank() -> int:
    """This process's number; 0 alone writes files."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any of the processes, so that all come to the same decision."""
    if world() == 1:
        return flag
    shared = torch.tensor(float(flag), device=device)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return bool(shared)


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes."""
    if world() == 1:
        return value
    shared = value.clone()
    dist.all_reduce(shared)
    return shared / world()


def average_gradients(gradients: list[Tensor]) -> None:
    """Replaces gradients by their means over the processes, in one exchange."""
    if world() == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world()
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])
