"""Where a process computes, and in which number format."""

import os
from pathlib import Path

import torch

from sgan.config import ConfigError


def resolve_device(name: str) -> torch.device:
    """The torch device of "auto", "cpu", "cuda", "cuda:N" or "mps"; ConfigError when it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu, cuda, cuda:N or mps") from None
    if device.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= found:
            raise ConfigError(f"device {name} is not there: PyTorch sees {found} CUDA devices; use device cpu")
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps is not there: PyTorch finds no Apple GPU; use device cpu")
    elif device.type not in ("cpu", "mps"):
        raise ConfigError(f"device {name!r} is not supported; use auto, cpu, cuda, cuda:N or mps")
    return device


def own_device(device: torch.device) -> torch.device:
    """What one of several workers computes on: of "cuda" the GPU of its number, which is the default from now on."""
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype of the feature maps. auto: bfloat16 where the hardware multiplies it, else float32."""
    if name != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and Path("/proc/cpuinfo").exists():
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32
    return torch.float32
