"""What the training panel says: changes, durations, memory."""

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch

from sgan.config import TrainConfig


def patch_text(patch: Mapping[str, Any]) -> str:
    """A change of hyper-parameters in words, for a mark in the plot."""
    return ", ".join(f"{name} {_value_text(value)}" for name, value in patch.items())


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        common = Counter(value.values()).most_common(1)[0][0] if len(value) > 2 else None
        parts = [f"{size}: {number:.3g}" for size, number in value.items() if number != common]
        return " ".join(parts if common is None else [*parts, f"{'others' if parts else 'all'} {common:.3g}"])
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds in words: 40 s, 12 min, 3.5 h, 2.1 days."""
    for limit, size, unit in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}" if unit == "h" else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"


def memory_text(device: str) -> str:
    """The device in use and the most memory taken on it so far."""
    if torch.cuda.is_available() and not device.startswith("cpu"):
        return f"{torch.cuda.get_device_name()}, {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    name = "cpu" if device == "auto" else device
    try:
        import resource  # POSIX only
    except ImportError:
        return name
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return f"{name}, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.1f} GiB"


def done_before(config: TrainConfig) -> str:
    """What to do with a run that ends before its first step."""
    return (
        f"the run in {config.save_folder_path} has its {config.n_sample_total:,} images already; raise n_sample_total "
        "to go on, or choose another save_folder_path"
    )
