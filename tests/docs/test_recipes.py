"""The scripts in runs/ and every command that a page shows: parsed by the parsers they are for."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from desk import TINY, draw_pictures
from manual import PAGES, ROOT, blocks, commands, parse

RECIPES = sorted(path for path in (ROOT / "runs").glob("*.sh") if path.stem != "recipe")
each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)


def run(script: Path, *words: str | Path) -> subprocess.CompletedProcess:
    command = ["sh", str(script), *map(str, words)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # its python trains
    environment = os.environ | {"PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@each_recipe
def test_a_dry_run_tells_the_cost_and_commands_that_exist(recipe, tmp_path):
    done = run(recipe, tmp_path / "my faces", tmp_path / "my runs", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    told = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith("$")]
    assert told == ["images", "time", "disk", "result"]
    shown = [line for line in done.stdout.splitlines() if line.startswith("$")]
    parsed = [parse(words) for words in commands("\n".join(shown))]
    assert len(parsed) == len(shown) > 0
    earlier = set()
    for options in parsed:
        assert options.image_folder_path == str(tmp_path / "my faces")
        assert Path(options.save_folder_path).is_relative_to(tmp_path / "my runs")
        assert options.resume_from in earlier | {None}
        earlier.add(options.save_folder_path)
    assert not list(tmp_path.iterdir())


@each_recipe
def test_the_settings_of_a_recipe_hold_together(recipe):
    from sgan.cli.main import make_config

    for words in commands(run(recipe, "--dry-run").stdout):
        options = parse(words)
        options.resume_from = None  # not there yet
        config = make_config(options, cuda=True)
        last = config.schedule(config.n_sample_total)[0]
        assert config.n_sample_total % config.batch_size_at(2 ** (last + 2)) == 0
        assert config.batch_size_at(2 ** (last + 2)) % (config.mbstd_group_size * config.n_gpu) == 0


@each_recipe
def test_a_recipe_asks_for_its_images(recipe):
    without, wrong = run(recipe), run(recipe, "/nowhere/faces")
    assert (without.returncode, without.stdout) == (2, "") and without.stderr.count("\n") == 1
    assert wrong.returncode == 1 and wrong.stderr.startswith("There is no folder of images /nowhere/faces")


def test_a_recipe_goes_on_where_it_was(tmp_path):
    """Two stages of one tiny training, run twice."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "runs").mkdir()
    shutil.copy(ROOT / "runs" / "recipe.sh", tmp_path / "runs")
    (tmp_path / "sgan").symlink_to(ROOT / "sgan")
    for leaf in ("bars", "provenance", "panels"):
        (tmp_path / leaf).symlink_to(ROOT / leaf)
    flags = shlex.join(f"--{name}={value}" for name, value in TINY.items())
    lines = [f'train "$runs/{stage}" {n} {flags} --device cpu {more}' for stage, n, more in STAGES]
    script = tmp_path / "runs" / "tiny.sh"
    script.write_text("\n".join(['. "$(dirname "$0")/recipe.sh"', *lines]))
    pictures = draw_pictures(tmp_path / "pictures")
    first, second = run(script, pictures, tmp_path / "out"), run(script, pictures, tmp_path / "out")
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("$ ") == len(STAGES)
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/generator.safetensors")) == ["one", "two"]
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


STAGES = [("one", 8, ""), ("one", 16, "--learning_rate 0.001"), ("two", 4, '--resume_from "$runs/one"')]
SHOWN = [
    (page, words)
    for page in PAGES
    for block in [*blocks(page), *blocks(page, "sh")]
    for words in commands(block)
]  # fmt: skip


@pytest.mark.parametrize(("page", "words"), SHOWN, ids=lambda part: part.stem if isinstance(part, Path) else part[2])
def test_commands_of_a_page_are_taken(page, words):
    assert parse(words)
