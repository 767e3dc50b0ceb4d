"""The command line: `python -m sgan train | sample | convert | inspect | metrics | show`."""

import argparse
import dataclasses
import functools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bars import allow_any_text, one_sentence
from sgan.cli.convert import add_convert
from sgan.cli.detail import add_train_detail
from sgan.cli.judge import add_inspect, add_metrics
from sgan.cli.progress import drive
from sgan.cli.sample import add_sample
from sgan.config import (
    DEFAULT_LEARNING_RATE,
    FOREIGN_NAME,
    NO_TORCH,
    STATE_PATTERN,
    ConfigError,
    HParams,
    ModelConfig,
    TrainConfig,
    from_dict,
    parse_by_resolution,
)
from sgan.launch.crew import Crew, end_with_crew
from sgan.presets import PRESETS

TRAINING = {"torch", "torchvision", "tensorboardX"}  # what the extra `train` brings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when done, 1 for what went wrong on the way, 2 for wrong usage."""
    allow_any_text()
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options, arguments)
    except ConfigError as error:
        return _fail(error, 2)
    except (OSError, ValueError, RuntimeError, MemoryError, FloatingPointError) as error:
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        if error.name not in TRAINING:
            raise
        return _fail(f"{arguments[0]} {NO_TORCH}", 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _fail(error: object, code: int) -> int:
    if isinstance(error, (RuntimeError, MemoryError)):
        error = (str(error).splitlines() or [type(error).__name__])[0]
    elif isinstance(error, BaseException):
        error = one_sentence(error)
    print(f"error: {error}", file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; training flags are made from the fields of TrainConfig."""
    parser = argparse.ArgumentParser(prog="python -m sgan", description="People who do not exist.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_train(commands.add_parser("train", help="train on a folder of faces", allow_abbrev=False))
    add_train_detail(commands.add_parser("train-detail", help="train the network that adds detail", allow_abbrev=False))
    add_sample(commands.add_parser("sample", help="draw faces from a checkpoint", allow_abbrev=False))
    add_convert(commands.add_parser("convert", help="turn a checkpoint into another format", allow_abbrev=False))
    add_inspect(commands.add_parser("inspect", help="look through a folder of pictures", allow_abbrev=False))
    add_metrics(commands.add_parser("metrics", help="judge a checkpoint", allow_abbrev=False))
    show = commands.add_parser("show", help="read back how a picture was made")
    show.add_argument("file", help="a picture that this project wrote")
    show.set_defaults(run=run_show)
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.usage = "python -m sgan train --image_folder_path DIR [--save_folder_path DIR] [--NAME VALUE ...]"
    parser.description = (
        "Train a style-based GAN. The same command run again goes on from the newest state. Tables by resolution are "
        "written like 64:0.002,128:0.0015, or as one number for all."
    )
    presets = "; ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset", choices=PRESETS, help=f"sizes and schedule; {presets} (default: cpu or gpu, by device)"
    )
    parser.add_argument("--replay", metavar="FILE", help="repeat the changes in an earlier run's hparams.jsonl")
    groups = {
        owner: parser.add_argument_group(title)
        for owner, title in ((TrainConfig, "run"), (HParams, "live"), (ModelConfig, "networks"))
    }
    for f in dataclasses.fields(TrainConfig):
        owner = next((kind for kind in (HParams, ModelConfig) if f.name in kind.__dataclass_fields__), TrainConfig)
        groups[owner].add_argument(f"--{f.name}", default=None, **_flag(f))
    parser.set_defaults(run=run_train)


def _flag(f: dataclasses.Field) -> dict[str, Any]:
    """argparse keywords for one field of TrainConfig; the default None tells an absent flag from a given one."""
    meta = f.metadata
    flag: dict[str, Any] = {"help": f"{meta['help']} (default: {_default(f)})".replace("%", "%%")}
    if f.type is bool or f.type == "bool":
        return flag | {"type": parse_bool, "nargs": "?", "const": True, "metavar": "True|False"}
    if f.name == "style_mixing":
        return flag | {"type": int, "nargs": "*", "metavar": "LAYER"}
    if meta.get("by_resolution"):
        return flag | {"type": _table, "metavar": "TABLE"}
    kind = {"int": int, "float": float}.get(getattr(f.type, "__name__", f.type), str)
    metavar = "|".join(meta["choices"]) if meta["choices"] else {int: "N", float: "X"}.get(kind, "TEXT")
    return flag | {"type": kind, "metavar": metavar}


def _default(f: dataclasses.Field) -> str:
    """What a flag is when it is not given, the presets' values included."""
    if f.name == "learning_rate":
        return f"{DEFAULT_LEARNING_RATE} at every resolution"
    plain = (
        "mini_batch_size"
        if f.name == "batch_size"
        else f.default
        if f.default not in ("", (), dataclasses.MISSING)
        else "none"
    )
    own = [f"{name} {_table_text(preset[f.name])}" for name, preset in PRESETS.items() if f.name in preset]
    return ", ".join(own) if len(own) == len(PRESETS) else ", ".join([str(plain), *own])


def _table_text(value: Any) -> str:
    return ",".join(f"{key}:{number}" for key, number in value.items()) if isinstance(value, dict) else str(value)


def parse_bool(text: str) -> bool:
    """True or False from text such as True, no, 1."""
    known = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return known[text.lower()]


def _table(text: str) -> dict:
    try:
        return parse_by_resolution(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no table by resolution ({error})") from None


def make_config(options: argparse.Namespace, cuda: bool) -> TrainConfig:
    """The TrainConfig of a train command: flags over the run's saved settings (or else the preset) over defaults."""
    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(TrainConfig)}
    given = {name: value for name, value in given.items() if value is not None}
    if "style_mixing" in given:
        given["style_mixing"] = tuple(given["style_mixing"])
    on_gpu = cuda and not str(given.get("device", "auto")).startswith("cpu")
    values = dict(PRESETS[options.preset or ("gpu" if on_gpu else "cpu")])
    run_dir = Path(given.get("save_folder_path", TrainConfig.save_folder_path))
    has_state = any(run_dir.glob(STATE_PATTERN))
    if given.get("is_continue", True) and has_state:
        if not options.preset and (run_dir / "config.json").exists():
            values = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))
            values |= {"is_train": True, "is_continue": True}  # of one command, not of the run
            values["save_folder_path"] = str(run_dir)  # it may have been moved
    elif given.get("is_continue", True) and (run_dir / FOREIGN_NAME).is_file():
        values |= _settings_of(run_dir / FOREIGN_NAME, True)
    elif given.get("resume_from"):
        values |= _settings_of(given["resume_from"], False)
    if "max_step" in given and "step" not in given:
        values["step"] = min(values.get("step", TrainConfig.step), given["max_step"])
    return from_dict(TrainConfig, {**values, **given})


@functools.lru_cache(maxsize=1)  # asked for twice, and a large file takes seconds
def _settings_of(checkpoint: str | Path, going_on: bool) -> dict[str, Any]:
    """The settings with which a training can take over the networks of a checkpoint.

    going_on: the first layer stays the default, since the position within the layers comes from the checkpoint.
    """
    from sgan.launch.resume import model_settings

    settings = model_settings(checkpoint)
    return settings | {"step": min(TrainConfig.step, settings["step"])} if going_on else settings


def _early_config(options: argparse.Namespace) -> TrainConfig:
    """The settings as far as they are known without torch, so that what is wrong with them is said at once.

    A setting that only the preset of a GPU allows passes: whether there is one is not known yet.
    """
    try:
        return make_config(options, cuda=False)
    except ConfigError as error:
        try:
            return make_config(options, cuda=True)
        except ConfigError:
            raise error from None


def run_train(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`train`: the events of the run drive a progress bar."""
    end_with_crew()
    config = _early_config(options)
    if config.CUDA_VISIBLE_DEVICES:  # before anything asks CUDA how many devices there are
        os.environ["CUDA_VISIBLE_DEVICES"] = config.CUDA_VISIBLE_DEVICES
    if config.is_train and not config.image_folder_path:
        raise ConfigError("image_folder_path is missing; give the folder of face images to train on")
    import torch

    from sgan.data.dataset import list_images
    from sgan.launch.run import check_workers

    config = make_config(options, torch.cuda.is_available())
    if config.n_gpu > 1 and "RANK" not in os.environ:
        check_workers(config)  # here, so that one sentence says what is wrong and not every worker
        list_images(config.image_folder_path)
        return run_crew(config, arguments)
    return drive(config, arguments, read_journal(options.replay) if options.replay else [])


def run_crew(config: TrainConfig, arguments: Sequence[str]) -> int:
    """`train` in several processes, of which the first one speaks; returns the exit code."""
    from sgan.weights.files import newest_state

    crew = Crew()
    crew.pass_on_signals()
    crew.start(config.n_gpu, ["sgan", *arguments])
    crew.wait()
    if crew.failure is None:
        return 0
    newest = newest_state(config.save_folder_path)
    how = f"the same command goes on from {newest}" if newest else "no state was saved yet"
    if crew.asked:
        return _fail(f"interrupted before the training could end in order; {how}", 130)
    where = " (what it said is above)" if crew.failure.code > 0 else ""
    return _fail(f"{crew.failure}{where}, so the others were ended too; {how}", max(crew.failure.code, 1))


def read_journal(path: str) -> list[dict]:
    """The rows {"nimg", "patch"} of a hparams.jsonl; ValueError naming the line that is none."""
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            HParams().changed(row["patch"])
            rows.append({"nimg": int(row["nimg"]), "patch": row["patch"]})
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}, line {number} is no change of hyper-parameters ({error})") from None
    return rows


def run_show(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`show`: the mark of a picture as JSON."""
    from provenance import read_mark

    mark = read_mark(options.file)
    if mark is None:
        print(f"error: {options.file} carries no mark of this project", file=sys.stderr)
        return 1
    print(json.dumps({"DigitalSourceType": mark.source_type, **mark.settings}, indent=2, ensure_ascii=False))
    return 0
