"""The command `train-detail`: the network that turns small pictures into crisp ones of four times the side."""

import argparse
import dataclasses
import signal
from collections.abc import Sequence

from bars import progress_bar
from sgan.training.detail.settings import DetailConfig


def add_train_detail(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `train-detail`, made from the fields of DetailConfig."""
    parser.description = (
        "Train the network that adds detail, 128 to 512 pixels, on sharp pictures. One picture of 32 is held out and "
        "judges. The same command run again goes on from the newest state."
    )
    for f in dataclasses.fields(DetailConfig):
        text = f"{f.metadata['help']} (default: {f.default or 'none'})"
        parser.add_argument(f"--{f.name}", type=f.type, default=None, help=text, choices=f.metadata["choices"] or None)
    parser.set_defaults(run=run_train_detail)


def run_train_detail(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`train-detail`: the events of the run drive a progress bar."""
    from sgan.events import Control, Finished, SaveFailed, Stats, Step
    from sgan.launch.detail import open_detail, run_detail

    given = {name: value for name, value in vars(options).items() if value is not None}
    state = open_detail(given)
    control = Control(state.hparams)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: control.stop())
    with progress_bar(total=state.config.n_sample_total, initial=state.nimg, unit="img", dynamic_ncols=True) as bar:
        for event in run_detail(state, control, progress_bar):
            if isinstance(event, Step):
                bar.update(event.batch_size)
            elif isinstance(event, Stats):
                bar.set_postfix_str(", ".join(f"{name} {value:.4g}" for name, value in event.values.items()))
            elif isinstance(event, SaveFailed):
                bar.write(event.text)
            elif isinstance(event, Finished):
                reason = event.reason
    again = "; go on with the same command" if reason == "stopped" else ""
    print(f"{reason.capitalize()}: {state.config.save_folder_path} holds the network, sheets and the state{again}.")
    return 0
