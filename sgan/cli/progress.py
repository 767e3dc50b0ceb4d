"""A training as a progress bar: what `python -m sgan train` shows of the events of a run."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bars import progress_bar
from sgan.config import TrainConfig
from sgan.launch.crew import hear_endings

LOST = re.compile("gloo|NCCL|[Cc]onnection")  # in what PyTorch says when another process has ended in mid-training


def drive(config: TrainConfig, arguments: Sequence[str], replay: Sequence[dict]) -> int:
    """Shows a run as a progress bar. The first Ctrl-C saves and ends it, the second breaks it off."""
    from sgan.events import Control
    from sgan.launch.run import run_training
    from sgan.training.workers import reason_of

    control, begun = Control(), False
    hear_endings(_stop_once(control))
    quiet = os.environ.get("RANK", "0") != "0"
    try:
        with Progress(config, quiet) as progress:
            for event in run_training(config, control, progress.decoding, progress.open, replay):
                progress.show(event)
                begun = True
    except RuntimeError as error:
        if "RANK" not in os.environ or not begun or not LOST.search(str(error)):
            raise
        if not quiet:
            text = f"another process of this training is gone or cannot be reached ({reason_of(error)})"
            print(f"error: {text}", file=sys.stderr)
        return 1
    if progress.unsaved:
        text = f"the last state could not be saved ({progress.unsaved}); what was saved before is in the folder"
        print(f"error: {text}", file=sys.stderr)
        return 1
    if not quiet:
        _say_end(config, progress.reason, arguments)
    return 0


class Progress:
    """The bar and the lines above it. reason: why the run ended; unsaved: why the last state could not be saved."""

    def __init__(self, config: TrainConfig, quiet: bool):
        self.config, self.quiet = config, quiet
        self.reason = self.unsaved = ""
        self.bar = progress_bar(
            total=config.n_sample_total, unit="img", smoothing=0.05, disable=quiet, dynamic_ncols=True
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()

    def decoding(self, numbers: Iterable) -> Iterable:
        """The files' numbers, with a bar of their own."""
        return progress_bar(numbers, desc="decoding", unit="img", leave=False, disable=self.quiet)

    def open(self, state: Any, dataset: Any) -> None:
        """Says what the run begins with."""
        say = self._write
        self.bar.initial = self.bar.n = self.bar.last_print_n = state.nimg
        say(f"{len(dataset)} images in {len(dataset.groups)} folders; {_sizes(state)}")
        if dataset.bad:
            say(f"{len(dataset.bad)} files left out: {self.config.save_folder_path}/bad_images.txt")
        for note in state.notes:
            say(f"note: {note}")
        if state.nimg:
            say(f"going on after {state.nimg / 1000:g} kimg")

    def show(self, event: Any) -> None:
        """Shows one event."""
        from sgan.events import Changed, Finished, Grid, RolledBack, Saved, SaveFailed, Stats, Step

        if isinstance(event, Step):
            self.bar.update(event.batch_size)
        elif isinstance(event, Stats):
            self.bar.set_postfix_str(_postfix(event.values))
        elif isinstance(event, RolledBack):
            self.bar.n = self.bar.last_print_n = event.nimg  # else a log says nothing until they are made up for
            self._write(f"note: {event.reason}; back to {event.nimg / 1000:g} kimg with half the learning rate")
        elif isinstance(event, Changed):
            self._say(event, ", ".join(f"{name} {value}" for name, value in event.patch.items()))
        elif isinstance(event, Saved):
            self.unsaved = ""
        elif isinstance(event, Grid) and not self.config.is_train:
            self._write(f"grid of {self.config.save_folder_path} at {event.nimg / 1000:g} kimg")
        elif isinstance(event, Finished):
            self.reason = event.reason
        elif hasattr(event, "text"):
            self.unsaved = event.reason if isinstance(event, SaveFailed) else self.unsaved
            self._say(event, event.text)

    def _say(self, event: Any, text: str) -> None:
        self._write(f"{event.nimg / 1000:g} kimg: {text}")

    def _write(self, text: str) -> None:
        """A line above the bar; of several processes one alone speaks."""
        if not self.quiet:
            self.bar.write(text)


def _stop_once(control: Any) -> Callable:
    def handler(signum: int, frame: Any) -> None:
        if control.stopped:
            raise KeyboardInterrupt
        control.stop()

    return handler


def _sizes(state: Any) -> str:
    count = {name: sum(p.numel() for p in net.parameters()) / 1e6 for name, net in state.networks().items()}
    return f"G {count['G']:.2f} M, D {count['D']:.2f} M parameters on {state.device}"


def _postfix(values: Any) -> str:
    parts = [f"{values['resolution']}px", f"alpha {values['alpha']:.2f}", f"{values['kimg']:.1f} kimg"]
    parts += [f"{label} {values[name]:.3f}" for name, label in (("loss_d", "D"), ("loss_g", "G")) if name in values]
    if "sec_per_kimg" in values:
        parts.append(f"{values['sec_per_kimg']:.1f} s/kimg")
    return ", ".join(parts)


def _say_end(config: TrainConfig, reason: str, arguments: Sequence[str]) -> None:
    where = config.save_folder_path
    if not config.is_train:
        print(f"The grid of the saved state is in {where}.")
    elif reason == "stopped":
        again = shlex.join(_without(arguments, "--is_continue", "--replay"))
        print(f"Stopped and saved in {where}. Go on with the same command: python -m sgan {again}")
    else:
        print(f"Done: {where} holds the generator, grids, losses.png and the state.")
        print(f"Draw faces with: python -m sgan sample --checkpoint {where} --seeds 0-15 --out results")


def _without(arguments: Sequence[str], *flags: str) -> list[str]:
    """The arguments less some flags and their values, which must not be given a second time."""
    kept, skipping = [], False
    for word in arguments:
        if word.startswith("--"):
            skipping = word.split("=")[0] in flags
        if not skipping:
            kept.append(word)
    return kept
