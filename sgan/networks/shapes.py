"""The tensors of a generator, by name, as its config asks for them: what a file is held to before memory is taken."""

from collections.abc import Container, Iterator, Mapping

from sgan.config import ModelConfig

Shapes = dict[str, tuple[int, ...]]


def generator_shapes(config: ModelConfig) -> Shapes:
    """Name -> shape of every tensor of a generator."""
    shapes = {"mapping.w_avg": (config.dim_latent,)}
    features = config.z_dim
    if config.c_dim:
        shapes |= _linear("mapping.embed", config.c_dim, config.dim_latent)
        features += config.dim_latent
    for i in range(config.n_fc):
        shapes |= _linear(f"mapping.fc{i}", features, config.dim_latent)
        features = config.dim_latent
    below = 0
    block = _adain_block if config.arch == "stylegan" else _block
    for resolution in config.block_resolutions:
        own = dict(block(config, below, resolution))
        shapes |= {f"synthesis.b{resolution}.{name}": shape for name, shape in own.items()}
        below = config.channels(resolution)
    return shapes


def misfit(config: ModelConfig, found: Mapping[str, tuple[int, ...]], missing: Container[str] = ()) -> str | None:
    """What is wrong with a generator's tensors, as the end of a sentence; None when they fit.

    missing: names that need not be there.
    """
    wanted = generator_shapes(config)
    for name, shape in wanted.items():
        if found.get(name) != shape and (name in found or name not in missing):
            return f"has a tensor {name} of shape {found.get(name)}, where its other tensors ask for {shape}"
    extra = sorted(set(found) - set(wanted))
    return f"has a tensor {extra[0]} that a network of this kind does not have" if extra else None


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _block(config: ModelConfig, below: int, resolution: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A block of StyleGAN2; there are 0 channels below the first."""
    channels = config.channels(resolution)
    if not below:
        yield "const", (channels, resolution, resolution)
    for name, inputs in [("conv0", below), ("conv1", channels)][not below :]:
        yield from _linear(f"{name}.affine", config.dim_latent, inputs).items()
        yield f"{name}.weight", (channels, inputs, 3, 3)
        yield f"{name}.bias", (channels,)
        yield f"{name}.noise_const", (resolution, resolution)
        yield f"{name}.noise_strength", ()
    if config.g_architecture == "skip" or resolution == config.resolution:
        yield from _linear("torgb.affine", config.dim_latent, channels).items()
        yield "torgb.weight", (3, channels, 1, 1)
        yield "torgb.bias", (3,)
    if config.g_architecture == "resnet" and below:
        yield "skip.weight", (channels, below, 1, 1)


def _adain_block(config: ModelConfig, below: int, resolution: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A block of the first StyleGAN; there are 0 channels below the first."""
    channels = config.channels(resolution)
    if not below:
        yield "const", (channels, resolution, resolution)
    for name, inputs in (("conv0", below), ("conv1", channels)):
        if inputs:
            yield f"{name}.weight", (channels, inputs, 3, 3)
            yield f"{name}.bias", (channels,)
        yield from _linear(f"{name}.affine", config.dim_latent, 2 * channels).items()
        yield f"{name}.noise_strength", (channels,)
    yield "noise_const", (resolution, resolution)
    yield "torgb.weight", (3, channels, 1, 1)
    yield "torgb.bias", (3,)
