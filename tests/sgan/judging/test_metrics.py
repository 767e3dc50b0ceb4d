"""Facts of the measures: what a set is to itself, to shifted sets, and small cases against plain computations."""

import json
import sys
import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.filters import gaussian

from provenance import read_mark
from sgan.cli.main import main
from sgan.config import ConfigError, ModelConfig
from sgan.data.dataset import open_dataset
from sgan.judging.checkpoint import Sample, judge
from sgan.judging.inception import inception_scores
from sgan.judging.features import N_FEATURES, RandomNetwork, picture_features, resize_square, to_tensor
from sgan.judging.metrics import (
    PATCHES_PER_PICTURE,
    count_faces,
    density_coverage,
    draw_patches,
    laplacian_pyramid,
    nearest,
    normalise_patches,
    octave_energies,
    octave_ratios,
    pyramid_filter,
    sliced_distance,
    swd,
)
from sgan.networks.generator import Generator
from sgan.weights.checkpoint import save_generator


def noise(n, side, seed=0, smooth=0.0):
    """uint8 [n, side, side, 3] of noise, the same in every colour, blurred by `smooth` pixels and stretched again."""
    values = np.random.default_rng(seed).standard_normal((n, side, side))
    if smooth:
        values = gaussian(values, (0, smooth, smooth), mode="wrap")
        values /= values.std()
    return np.repeat((values * 40 + 128).clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)


def test_the_pyramid_filter_is_the_binomial_one():
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 8, 8)))
    taps = np.array([1, 4, 6, 4, 1]) / 16
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(2, 3))
    expected = (windows * np.outer(taps, taps)).sum(axis=(-2, -1))
    assert np.allclose(pyramid_filter(images), expected, atol=1e-12)


def test_the_pyramid_adds_up_to_the_picture():
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64)))
    levels = laplacian_pyramid(images)
    assert list(levels) == [64, 32, 16]
    whole = levels[16]
    for side in (32, 64):
        spread = torch.zeros_like(levels[side])
        spread[:, :, ::2, ::2] = 4 * whole
        whole = levels[side] + pyramid_filter(spread)
    assert torch.allclose(whole, images, atol=1e-12)


def test_patches_are_cut_from_their_picture():
    """Each picture holds its own number and its pixels' places; a patch must be 7 x 7 neighbours of one picture."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    level = torch.stack([torch.stack([torch.full((16, 16), float(i)), y, x]) for i in range(5)])
    patches = draw_patches(level, np.random.RandomState(0))
    assert patches.shape == (5 * PATCHES_PER_PICTURE, 3, 7, 7)
    assert torch.equal(patches[:, 0, 3, 3], torch.arange(5.0).repeat_interleave(PATCHES_PER_PICTURE))
    assert (patches[:, 1].diff(dim=1) == 1).all() and (patches[:, 2].diff(dim=2) == 1).all()
    corner = patches[:, 1, 0, 0]
    assert corner.min() == 0 and corner.max() == 9  # every place where a patch fits


def test_normalised_patches():
    rows = normalise_patches(torch.randn(500, 3, 7, 7, generator=torch.Generator().manual_seed(0)) * 3 + 5)
    channels = rows.reshape(500, 3, 49)
    assert torch.allclose(channels.mean(dim=(0, 2)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(channels.square().mean(dim=(0, 2)), torch.ones(3), atol=1e-5)


def plain_wasserstein(p, q):
    """The area between two cumulative distributions."""
    at = np.sort(np.concatenate([p, q]))
    below = [np.searchsorted(np.sort(values), at[:-1], side="right") / len(values) for values in (p, q)]
    return float((np.abs(below[0] - below[1]) * np.diff(at)).sum())


def test_the_sliced_distance_against_its_definition():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((60, 5)), random.standard_normal((60, 5)) * 1.5 + 0.3
    axes = np.random.RandomState(7).standard_normal((16, 5))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    plain = np.mean([plain_wasserstein(a @ axis, b @ axis) for axis in axes])
    assert sliced_distance(torch.from_numpy(a), torch.from_numpy(b), seed=7, directions=16) == pytest.approx(plain)


def test_the_sliced_distance_of_a_shift_is_its_mean_projection():
    a = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([2.0, 0, 0], dtype=torch.float64)
    # On the sphere in three dimensions |x| is 1/2 on average.
    assert sliced_distance(a, a + shift, directions=4096) == pytest.approx(1.0, rel=0.03)


def test_swd_facts():
    rough, other, soft = noise(8, 32), noise(8, 32, seed=1), noise(8, 32, seed=2, smooth=1.5)
    assert swd(rough, rough) == {"16": 0.0, "32": 0.0, "mean": 0.0}
    near, far = swd(rough, other), swd(rough, soft)
    assert far["16"] > 1.5 * near["16"] and far["32"] > 2 * near["32"]
    assert swd(soft, rough) == pytest.approx(far, rel=1e-6)
    with pytest.raises(ValueError, match="alike"):
        swd(rough, other[:4])


def plain_density_coverage(real, fake, k):
    """Density and coverage as their definition reads, point by point."""
    distance = lambda p, q: float(np.sqrt(((p - q) ** 2).sum()))  # noqa: E731
    radii = [sorted(distance(p, q) for j, q in enumerate(real) if j != i)[k - 1] for i, p in enumerate(real)]
    hits = [[distance(p, q) < radius for q in fake] for p, radius in zip(real, radii)]
    return sum(map(sum, hits)) / (k * len(fake)), sum(map(any, hits)) / len(real)


def test_density_and_coverage_against_their_definition():
    random = np.random.default_rng(0)
    real, fake = random.standard_normal((30, 3)), random.standard_normal((20, 3)) * 0.7 + 0.4
    found = density_coverage(torch.from_numpy(real), torch.from_numpy(fake), k=3)
    assert found == pytest.approx(plain_density_coverage(real, fake, 3))


def test_density_and_coverage_facts():
    real = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    assert density_coverage(real, real) == (1.0, 1.0)
    assert density_coverage(real, real + 100) == (0.0, 0.0)
    density, coverage = density_coverage(real, real[:1].repeat(300, 1))  # one face again and again
    assert coverage < 0.1
    # Centre of the cloud only: dense but not diverse, which is why there are two numbers.
    density, coverage = density_coverage(real, real * 0.1)
    assert density > 2 and coverage < 0.7
    with pytest.raises(ValueError, match="too few"):
        density_coverage(real[:5], real)


def test_the_random_network_never_changes():
    """A known picture gives known features: the same network on every machine and in every version."""
    pictures = np.arange(64 * 64 * 3).reshape(1, 64, 64, 3).astype(np.uint8)
    row = picture_features(pictures)[0]
    assert row.shape == (N_FEATURES,)
    assert row[:4].tolist() == pytest.approx(KNOWN_FEATURES, rel=1e-3)


KNOWN_FEATURES = [0.217865, 0.116034, 0.299366, -0.252283]


def test_features_against_numpy():
    network = RandomNetwork()
    x = to_tensor(noise(1, 64, smooth=2))
    expected = x.numpy()[0].astype(np.float64)
    for kernel in network.kernels:
        weights = kernel.numpy().astype(np.float64)
        padded = np.pad(expected, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        maps = np.einsum("oikl,ihwkl->ohw", weights, windows)
        maps = np.where(maps > 0, maps, 0.2 * maps)
        expected = maps.reshape(len(maps), maps.shape[1] // 2, 2, maps.shape[2] // 2, 2).mean(axis=(2, 4))
    expected = network.projection.numpy() @ expected.reshape(-1)
    assert np.allclose(network(x)[0], expected, rtol=1e-3, atol=1e-4)


def test_resizing_averages_and_enlarges():
    images = torch.rand(1, 3, 8, 8)
    assert torch.allclose(resize_square(images, 4), F.avg_pool2d(images, 2))
    assert resize_square(images, 16).shape == (1, 3, 16, 16)
    assert torch.equal(resize_square(images, 8), images)


def test_nearest_leaves_itself_out():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    values, indices = nearest(points, points, 2, own=np.arange(4))
    assert values.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert nearest(points, points, 1)[0].flatten().tolist() == [0, 0, 0, 0]


def test_octaves():
    rough, soft = noise(20, 32), noise(20, 32, smooth=1.5)
    assert list(octave_energies(rough)) == ["1-2", "2-4", "4-8", "8-16"]
    assert set(octave_ratios(rough, rough).values()) == {0.0}
    ratios = octave_ratios(rough, soft)
    assert ratios["8-16"] < -3 and ratios["1-2"] > 1
    half = (rough.astype(int) // 2).astype(np.uint8)  # half the contrast is a quarter of the energy: two octaves less
    assert all(ratio == pytest.approx(-2, abs=0.05) for ratio in octave_ratios(rough, half).values())
    wave = 128 + 100 * np.cos(2 * np.pi * 6 * np.arange(32) / 32)
    energies = octave_energies(np.broadcast_to(wave[None, None, :, None], (1, 32, 32, 3)).astype(np.uint8))
    assert energies["4-8"] > 100 * max(energies["2-4"], energies["8-16"])  # six cycles


def test_faces_are_counted():
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    from skimage.data import astronaut

    face = astronaut()[0:256, 96:352]
    assert count_faces([face, noise(1, 64)[0]]) == [1, 0]


@pytest.fixture
def folder(tmp_path):
    """40 smooth pictures of 16 x 16."""
    for i, picture in enumerate(noise(40, 16, smooth=2)):
        path = tmp_path / "faces" / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "faces"


def test_memorised_faces_are_found_in_either_direction(forty_faces, tmp_path):
    dataset = open_dataset(forty_faces, 16, tmp_path / "cache")
    pixels = dataset.pixels[16]
    fake = noise(10, 16, seed=5, smooth=2)
    fake[2], fake[7] = pixels[31], pixels[12][:, ::-1]
    verdict = judge(Sample(pixels[:10], fake, None, np.arange(10), range(100, 110)), dataset, ["nearest"])
    first, second = sorted(verdict.values["nearest"]["closest"][:2], key=lambda row: row["seed"])
    assert (first["seed"], first["name"], first["mirrored"]) == (102, "31.png", False)
    assert (second["seed"], second["name"], second["mirrored"]) == (107, "12.png", True)
    assert max(first["distance"], second["distance"]) < 1e-3
    assert verdict.values["nearest"]["nearer_than_1_percent_of_training"] == pytest.approx(0.2)
    assert verdict.values["nearest"]["training"]["min"] > 0  # a picture is no neighbour of itself
    assert verdict.sheet.dtype == np.uint8 and verdict.sheet.ndim == 3


def test_the_verdict_on_the_training_images_themselves(forty_faces, tmp_path):
    dataset = open_dataset(forty_faces, 16, tmp_path / "cache")
    real = np.asarray(dataset.pixels[16][:20])
    sample = Sample(real, real, dataset.pixels[16][20:], np.arange(20), range(20))
    values = judge(sample, dataset, ["swd", "coverage", "octaves"]).values
    assert (values["density"], values["coverage"], values["high_frequency"]) == (1.0, 1.0, 0.0)
    assert values["swd"]["mean"] == 0.0 < values["swd_of_training_images"]["mean"]
    with pytest.raises(ConfigError, match="'beauty' is unknown"):
        judge(sample, dataset, ["beauty"])


def test_the_command_is_deterministic_and_writes_a_marked_sheet(forty_faces, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    G = Generator(ModelConfig(max_step=2, channel_base=64, channel_max=8, dim_latent=8, n_fc=1))
    save_generator(G, tmp_path / "g.safetensors", {"nimg": 0, "training": {}})
    command = ["metrics", "--checkpoint", str(tmp_path / "g.safetensors"), "--image_folder_path", str(forty_faces)]
    command += ["--n", "10", "--out", str(tmp_path / "out"), "--measures", "swd", "coverage", "octaves", "nearest"]
    texts = []
    for _ in range(2):
        assert main(command) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == (tmp_path / "out" / "metrics.json").read_text()
    values = json.loads(texts[0])
    assert values["resolution"] == 16 and values["n"] == 10 and values["images"] == 40
    assert 0 <= values["coverage"] <= 1 and values["swd"]["mean"] > 0
    assert read_mark(tmp_path / "out" / "nearest.png").settings["checkpoint"] == values["checkpoint"]
    assert main([*command, "--measures", "beauty"]) == 2
    assert main([*command, "--n", "1"]) == 2
    assert "n is 1; it must be between 10" in capsys.readouterr().err


def test_fid_says_why_it_is_missing(monkeypatch):
    pictures = noise(10, 16)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ImportError, match="not installed"):
        inception_scores(pictures, pictures, 0, False)

    def offline(**options):
        raise OSError("no such host")

    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(calculate_metrics=offline))
    with pytest.raises(ValueError, match=r"cannot be had \(no such host\)"):
        inception_scores(pictures, pictures, 0, False)


def test_fid_is_given_generated_against_real(monkeypatch):
    real, fake, given = noise(10, 16), noise(12, 16, seed=1), {}

    def calculate(**options):
        given.update(options)
        return {"frechet_inception_distance": 3.0, "kernel_inception_distance_mean": 0.5}

    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(calculate_metrics=calculate))
    assert inception_scores(real, fake, 4, False) == {"fid": 3.0, "kid": 0.5}
    assert np.array_equal(given["input1"][3].permute(1, 2, 0), fake[3]) and len(given["input1"]) == 12
    assert np.array_equal(given["input2"][3].permute(1, 2, 0), real[3]) and given["rng_seed"] == 4
    assert given["input1"][0].dtype == torch.uint8
