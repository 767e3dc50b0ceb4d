"""Facts of sampling: a seed is a face."""

import numpy as np
import pytest
import torch
from PIL import Image

from provenance import read_mark
from sgan.cli.main import main
from sgan.config import ModelConfig
from sgan.faces.sampling import draw_images, mixed_ws, seed_to_z, seeds_to_ws
from sgan.networks.generator import Generator
from sgan.weights.checkpoint import save_generator


@pytest.fixture(scope="module")
def G():
    torch.manual_seed(0)
    G = Generator(ModelConfig(max_step=3, n_fc=2, dim_latent=32, channel_base=256, channel_max=32)).eval()
    G.mapping.w_avg.copy_(torch.randn(32))
    with torch.no_grad():
        for p in G.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return G.requires_grad_(False)


def test_a_seed_gives_the_same_picture_next_to_any_other(G):
    together = list(draw_images(G, seeds_to_ws(G, range(8), 0.7)))
    for seed in (0, 5, 7):
        (alone,) = draw_images(G, seeds_to_ws(G, [seed], 0.7))
        assert np.array_equal(alone, together[seed])
    backwards = list(draw_images(G, seeds_to_ws(G, [7, 3, 0], 0.7)))
    assert np.array_equal(backwards[1], together[3])


def test_seeds_are_numpys_and_differ():
    assert torch.equal(seed_to_z(3, 16), torch.from_numpy(np.random.RandomState(3).randn(1, 16)).float())
    assert not torch.equal(seed_to_z(3, 16), seed_to_z(4, 16))


def test_psi_zero_is_one_face(G):
    a, b = draw_images(G, seeds_to_ws(G, [1, 2], 0.0))
    assert np.array_equal(a, b)


def test_mixing_all_layers_is_the_other_face_and_none_the_first(G):
    ws = seeds_to_ws(G, [1, 2])
    assert torch.equal(mixed_ws(G, [1], [2], range(4))[0, 0], ws[1])
    assert torch.equal(mixed_ws(G, [1], [2], [])[0, 0], ws[0])
    grid = mixed_ws(G, [1, 2], [5, 6, 7], [0, 1])
    assert grid.shape == (2, 3, 8, 32)
    assert torch.equal(grid[1, 2, :3], seeds_to_ws(G, [7])[0, :3])
    assert torch.equal(grid[1, 2, 3:], ws[1, 3:])


def test_seeded_noise_comes_again_and_disturbs_nothing(G):
    ws = seeds_to_ws(G, [3, 4])
    first, second = draw_images(G, ws, "random", noise_seeds=[3, 4])
    torch.manual_seed(0)
    expected = torch.randn(4)
    torch.manual_seed(0)
    (again,) = draw_images(G, ws[1:], "random", noise_seeds=[4])
    assert torch.equal(torch.randn(4), expected)
    (other,) = draw_images(G, ws[1:], "random", noise_seeds=[5])
    assert np.array_equal(again, second) and not np.array_equal(other, second)
    assert not np.array_equal(first, second)
    for mode in ("const", "none"):
        assert np.array_equal(*(next(draw_images(G, ws, mode, noise_seeds=seeds)) for seeds in ([3, 4], None)))


def test_a_picture_with_random_noise_comes_again_from_its_mark(G, tmp_path, capsys):
    save_generator(G, tmp_path / "generator.safetensors", {"nimg": 0})
    flags = ["sample", "--checkpoint", str(tmp_path), "--device", "cpu", "--noise_mode", "random"]
    assert main([*flags, "--seeds", "5-6", "--out", str(tmp_path / "all")]) == 0
    settings = read_mark(tmp_path / "all" / "seed0006.png").settings
    assert settings["noise_mode"] == "random"
    assert main([*flags, "--seeds", str(settings["seed"]), "--out", str(tmp_path / "one.png")]) == 0
    one, first = (np.asarray(Image.open(tmp_path / name)) for name in ("one.png", "all/seed0006.png"))
    assert np.array_equal(one, first)
