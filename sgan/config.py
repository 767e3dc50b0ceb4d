"""Settings of a model and of its training, each declared once with range and help; flags and sliders come from here."""

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

MAX_STEP = 8  # 1024 x 1024
DETAIL_SCALE = 4  # by which the detail network lengthens the sides of a picture
RESOLUTIONS = tuple(2 ** (step + 2) for step in range(MAX_STEP + 1))
R1_GAMMA_PER_PIXEL = 0.0002  # r1_gamma = 0.0002 * resolution^2 / batch_size, arXiv 2006.06676, appendix C
STATE_PATTERN = "state-" + "[0-9]" * 9 + ".safetensors"  # training states in a run folder
DEFAULT_CHECKPOINT = "checkpoints/faces"  # the one that comes with the project, from whatever folder
FOREIGN_NAME = "trained.pth"  # SiskonEmilia/StyleGAN-PyTorch's state, in whatever folder it trained
NO_TORCH = "takes PyTorch, which is not installed; the extra `train` brings it: pip install '.[train]'"
DEFAULT_LEARNING_RATE = 0.002  # for resolutions that the dict leaves out (arXiv 1912.04958, appendix B)


class ConfigError(ValueError):
    """A setting that cannot work; the message names the setting, its value and what is allowed."""


def default_cache_dir() -> Path:
    """The user's cache folder, or what RANDOM_UNREAL_FACE_CACHE names."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("RANDOM_UNREAL_FACE_CACHE") or base / "random-unreal-face")


def setting(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    log: bool = False,
    choices: tuple = (),
    by_resolution: bool = False,
) -> Any:
    """A dataclass field with its documentation: range (inclusive), logarithmic slider, choices, dict by resolution."""
    metadata = dict(help=help, min=min, max=max, log=log, choices=choices, by_resolution=by_resolution)
    if by_resolution:
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def resolution_of(step: int) -> int:
    """Side in pixels of layer `step`: 2^(step+2)."""
    return 2 ** (step + 2)


def parse_by_resolution(value: Any) -> dict[int, float]:
    """{resolution: number} from a dict, a number (then for every resolution), or text like "64:0.002,128:0.0015"."""
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, (int, float)):
        pairs = [(resolution, value) for resolution in RESOLUTIONS]
    else:
        text = str(value).strip()
        if not text.startswith("{"):
            text = text if ":" in text else ",".join(f"{resolution}:{text}" for resolution in RESOLUTIONS)
            pairs = [part.split(":") for part in text.split(",") if part.strip()]
        else:
            pairs = json.loads(text).items()
    table = {int(resolution): float(number) for resolution, number in pairs}
    for number in table.values():
        if not math.isfinite(number):
            raise ValueError(f"{number} is no finite number")
    unknown = sorted(set(table) - set(RESOLUTIONS))
    if unknown:
        raise ValueError(f"{unknown[0]} is no resolution; use powers of two from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}")
    return {resolution: int(number) if number == int(number) else number for resolution, number in table.items()}


def check_ranges(config: Any) -> None:
    """Raises ConfigError for the first field of a dataclass outside its declared range, choices or type."""
    for f in fields(config):
        value, meta = getattr(config, f.name), f.metadata
        if meta.get("by_resolution"):
            try:
                value = parse_by_resolution(value)
            except (ValueError, TypeError) as error:
                raise ConfigError(f"{f.name}: cannot read {value!r} as a table by resolution: {error}") from None
            object.__setattr__(config, f.name, value)
        if meta.get("choices") and value not in meta["choices"]:
            raise ConfigError(f"{f.name} is {value!r}; choose one of {', '.join(map(str, meta['choices']))}")
        _check_type(f, value)
        for number in value.values() if isinstance(value, dict) else [value]:
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                _check_number(f.name, number, meta)


def _check_type(f: Any, value: Any) -> None:
    """ConfigError for a value of another kind than the field's: 1.5 or "abc" where a whole number belongs."""
    kind = getattr(f.type, "__name__", str(f.type))
    numbers = value.values() if isinstance(value, dict) else [value]
    if kind == "bool" and not isinstance(value, bool):
        raise ConfigError(f"{f.name} is {value!r}; it must be True or False")
    whole = kind == "int" or str(f.type).endswith("dict[int, int]")
    if whole and not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise ConfigError(f"{f.name} is {value!r}; it must be a whole number")
    if kind == "float" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ConfigError(f"{f.name} is {value!r}; it must be a number")


def _check_number(name: str, number: float, meta: Mapping) -> None:
    low, high = meta.get("min"), meta.get("max")
    if not math.isfinite(number):
        raise ConfigError(f"{name} is {number}; it must be a finite number")
    if (low is not None and number < low) or (high is not None and number > high):
        allowed = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise ConfigError(f"{name} is {number:g}; it must be {allowed}")


@dataclass(frozen=True)
class ModelConfig:
    """What the networks are built from; fixed for the life of a checkpoint."""

    arch: str = setting("stylegan2", "generation of the networks", choices=("stylegan2", "stylegan"))
    max_step: int = setting(4, "last layer: the highest resolution is 2^(max_step+2)", min=0, max=MAX_STEP)
    n_fc: int = setting(8, "fully connected layers of the mapping network", min=1, max=16)
    dim_latent: int = setting(512, "dimension of the latent space (z and w)", min=2, max=4096)
    dim_input: int = setting(4, "side of the learned constant that the generator starts from", min=4, max=1024)
    channel_base: int = setting(16384, "feature maps at resolution R: channel_base / R, at most channel_max", min=16)
    channel_max: int = setting(512, "most feature maps of any layer", min=1, max=2048)
    resample: str = setting("fast", "up- and down-sampling: fast, or fir (StyleGAN2's filter)", choices=("fast", "fir"))
    mbstd_group_size: int = setting(4, "samples over which the discriminator measures variation", min=1, max=64)
    channels_at: dict[int, int] = setting(
        {}, "feature maps by resolution, where they do not follow channel_base and channel_max",
        min=1, max=4096, by_resolution=True,
    )  # fmt: skip
    g_architecture: str = setting(
        "skip", "stylegan2: generator that sums colours, residual, or plain", choices=("skip", "resnet", "orig")
    )
    d_architecture: str = setting(
        "resnet",
        "stylegan2: discriminator that is residual, plain, or sums colours",
        choices=("resnet", "orig", "skip"),
    )
    conv_clamp: float = setting(0.0, "stylegan2: bound of the feature maps' values; 0: none", min=0, max=1e6)
    c_dim: int = setting(0, "classes that the generator tells apart (networks made elsewhere)", min=0, max=100_000)
    dim_z: int = setting(
        0, "dimension of z where it is not that of w (networks made elsewhere); 0: it is", min=0, max=4096
    )

    def __post_init__(self):
        check_ranges(self)
        if self.dim_input not in RESOLUTIONS:
            raise ConfigError(f"dim_input is {self.dim_input}; it must be a power of two from 4 to 1024")
        if self.dim_input > self.resolution:
            highest = f"{self.resolution} (max_step {self.max_step})"
            raise ConfigError(f"dim_input is {self.dim_input}, above the highest resolution {highest}")

    @property
    def resolution(self) -> int:
        """Highest resolution, 2^(max_step+2)."""
        return resolution_of(self.max_step)

    @property
    def z_dim(self) -> int:
        """Dimension of z."""
        return self.dim_z or self.dim_latent

    @property
    def min_step(self) -> int:
        """Layer of the learned constant."""
        return int(math.log2(self.dim_input)) - 2

    @property
    def block_resolutions(self) -> list[int]:
        """Resolutions that have a block, ascending."""
        return [resolution_of(step) for step in range(self.min_step, self.max_step + 1)]

    @property
    def num_ws(self) -> int:
        """Number of styles: one per convolution and one for the last colour output; in stylegan two per block."""
        return 2 * len(self.block_resolutions)

    def ws_of_layer(self, layer: int) -> range:
        """Indices of the styles that layer `layer` (resolution 2^(layer+2)) consumes; the last also colours."""
        first = 2 * (layer - self.min_step)
        if self.arch == "stylegan":
            return range(first, first + 2)
        last = first + (2 if layer == self.max_step else 1)
        return range(max(first - 1, 0), last)

    def ws_of_layers(self, layers: Iterable[int]) -> list[int]:
        """Indices of the styles that some layers consume, ascending.

        Low layers carry pose and shape, high ones colour and texture (arXiv 1812.04948, figure 3).
        """
        return sorted({index for layer in layers for index in self.ws_of_layer(layer)})

    def channels(self, resolution: int) -> int:
        """Feature maps at a resolution."""
        formula = max(1, min(self.channel_base // resolution, self.channel_max))
        return self.channels_at.get(resolution, formula)


@dataclass(frozen=True)
class HParams:
    """What may change while a training runs; every change is journalled."""

    learning_rate: dict[int, float] = setting(
        {}, "learning rate by resolution (one number: for all)", min=0, max=1, log=True, by_resolution=True
    )
    DGR: int = setting(1, "discriminator updates for each generator update", min=1, max=64)
    n_show_loss: int = setting(50, "iterations between two points of the loss plot", min=1, max=1_000_000)
    n_show_grid: int = setting(250, "iterations between two sample grids", min=1, max=1_000_000)
    r1_gamma: float = setting(
        0.0, "weight of the R1 penalty; 0: 0.0002 * resolution^2 / batch size", min=0, max=10_000, log=True
    )
    d_reg_interval: int = setting(16, "iterations between two R1 penalties (lazy regularisation)", min=1, max=1024)
    ema_kimg: float = setting(10.0, "half-life of the generator's moving average, in thousand images", min=0, max=1000)
    ema_rampup: float = setting(0.05, "half-life as a share of the images seen, while that is less", min=0, max=1)
    style_mixing_prob: float = setting(0.9, "share of training samples that mix two styles", min=0, max=1)

    ada_target: float = setting(
        0.6, "mean sign of D on real images above which augmentation grows; 0: never augment", min=0, max=1
    )
    ada_kimg: float = setting(
        500.0, "thousand images in which augmentation can go from none to always", min=0.1, max=100_000, log=True
    )
    noise: bool = setting(True, "give the generator noise; False also sets the strength of its noise to zero")
    pl_weight: float = setting(
        0.0, "weight of the path length term, worth its time from 256 pixels on (then 2); 0: none", min=0, max=1000
    )

    def __post_init__(self):
        check_ranges(self)

    def learning_rate_at(self, resolution: int) -> float:
        """The rate of one resolution."""
        return self.learning_rate.get(resolution, DEFAULT_LEARNING_RATE)

    def r1_gamma_at(self, resolution: int, batch_size: int) -> float:
        """The penalty's weight; when r1_gamma is 0, by the rule of arXiv 2006.06676, appendix C."""
        return self.r1_gamma or R1_GAMMA_PER_PIXEL * resolution**2 / batch_size

    def r1_reason(self, resolution: int, batch_size: int) -> str:
        """Why r1_gamma is what it is, where it follows from the rule."""
        gamma = self.r1_gamma_at(resolution, batch_size)
        rule = f"{R1_GAMMA_PER_PIXEL:g} * {resolution}^2 / {batch_size}"
        return f"r1_gamma is {gamma:.3g} at {resolution} pixels: {rule}, the rule of arXiv 2006.06676, appendix C"

    def changed(self, patch: Mapping[str, Any]) -> "HParams":
        """A copy with the patch applied; ConfigError for an unknown name or a value out of range."""
        unknown = sorted(set(patch) - {f.name for f in fields(HParams)})
        if unknown:
            raise ConfigError(f"{unknown[0]} cannot change during a training")
        return dataclasses.replace(self, **patch)


@dataclass(frozen=True)
class TrainConfig(ModelConfig, HParams):
    """Everything a training run is told. `model` and `hparams` give its two halves."""

    image_folder_path: str = setting("", "folder of face images (searched with its sub-folders), or a zip of one")
    save_folder_path: str = setting("checkpoints/run", "folder for states, grids, plots and logs")
    is_train: bool = setting(True, "train; False only loads the saved state and draws its grid")
    is_continue: bool = setting(True, "go on from the newest state in save_folder_path, if there is one")
    resume_from: str = setting("", "state or run folder whose networks to start from")
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps")
    n_gpu: int = setting(1, "processes, one per GPU; their batches add up to batch_size", min=1, max=1024)
    CUDA_VISIBLE_DEVICES: str = setting("", "indices of the GPUs to use, such as 0,1 (empty: all)")
    precision: str = setting(
        "auto",
        "number format of the feature maps; auto: bf16 where the hardware has it; fp16 for GPUs without it",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    compile: bool = setting(False, "run the networks through torch.compile: minutes at the start, faster on a GPU")
    batch_size: dict[int, int] = setting({}, "images per step, by resolution", min=1, max=65536, by_resolution=True)
    mini_batch_size: int = setting(16, "images per step at resolutions that batch_size leaves out", min=1, max=65536)
    n_sample: int = setting(600_000, "images for one layer; a new layer fades in over them", min=1)
    n_sample_total: int = setting(10_000_000, "images for the whole training", min=0)
    step: int = setting(1, "layer to start from: the first resolution is 2^(step+2)", min=0, max=MAX_STEP)
    style_mixing: tuple[int, ...] = setting((), "layers that take a second style in the sample grids")
    balance: float = setting(0.0, "0: every image equally often; 1: every sub-folder equally often", min=0, max=1)
    flip: bool = setting(True, "also show every image mirrored")
    seed: int = setting(0, "seed of the networks, of the latents and of the order of images", min=0, max=2**31 - 1)
    save_every: int = setting(20_000, "images between two saved states", min=1)
    save_minutes: float = setting(15.0, "minutes after which a state is saved all the same; 0: only by images", min=0)
    milestone_every: int = setting(500_000, "images between two states that are kept for good", min=1)
    metrics_every: int = setting(
        0, "images between two measurements of quality; the best state is kept as best.safetensors; 0: none", min=0
    )
    metrics_images: int = setting(1000, "images of each kind that are compared when quality is measured", min=10)

    def __post_init__(self):
        ModelConfig.__post_init__(self)
        if self.max_step < self.step:
            raise ConfigError(f"max_step is {self.max_step}, below step {self.step}; max_step must be at least step")
        if self.step < self.min_step:
            raise ConfigError(f"step is {self.step}, below the layer of dim_input {self.dim_input} ({self.min_step})")
        if self.g_architecture != "skip" and self.step < self.max_step:
            raise ConfigError(
                f"g_architecture is {self.g_architecture}, which colours the last layer alone; set step to max_step"
            )
        if self.c_dim:
            raise ConfigError(f"c_dim is {self.c_dim}, but training knows no classes; set it to 0")
        wrong = [layer for layer in self.style_mixing if not self.min_step <= layer <= self.max_step]
        if wrong:
            raise ConfigError(f"style_mixing names layer {wrong[0]}; layers go from {self.min_step} to {self.max_step}")

    @property
    def model(self) -> ModelConfig:
        """The fixed half."""
        return ModelConfig(**part(self, ModelConfig))

    @property
    def hparams(self) -> HParams:
        """The live half, as it stands at the start."""
        return HParams(**part(self, HParams))

    def batch_size_at(self, resolution: int) -> int:
        """Images per step at a resolution, all processes together."""
        return self.batch_size.get(resolution, self.mini_batch_size)

    def schedule(self, nimg: int) -> tuple[int, float]:
        """(step, alpha) after nimg real images.

        The first layer trains as it is for n_sample images; every later one fades in linearly over n_sample images
        (arXiv 1710.10196, figure 2), the last then stays. step == max_step: full resolution from the start.
        """
        grown = min(nimg // self.n_sample, self.max_step - self.step)
        if grown == 0:
            return self.step, 1.0
        return self.step + grown, min(1.0, (nimg - grown * self.n_sample) / self.n_sample)


def part(config: Any, kind: type) -> dict[str, Any]:
    """The values of those fields of a config that `kind` has."""
    return {f.name: getattr(config, f.name) for f in fields(kind)}


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON types (resolutions become text keys)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """A config of class `kind` from `to_dict`'s result; fields it does not know are ignored, absent ones default."""
    known = {f.name: f for f in fields(kind)}
    picked = {name: value for name, value in values.items() if name in known}
    if "style_mixing" in picked:
        picked["style_mixing"] = tuple(picked["style_mixing"])
    return kind(**picked)
