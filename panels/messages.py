"""The line of text below a panel's controls, which says what was done and what went wrong."""

import html
import re
import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from bars import one_sentence

FAILURES = (OSError, ValueError, RuntimeError)  # what a user's file or setting brings about; told in one sentence
FOLDERS = re.compile(r"""(?<![\w/\\])(?:[A-Za-z]:)?[/\\](?:[^/\\:'"\n]+[/\\])+""")  # of an absolute path


class Message(widgets.HTML):
    """One line of text below the controls; an error shows its sentence with the traceback folded away.

    details: whether there are a traceback and the folders of files; not for strangers, whom they would tell about the
    machine.
    """

    def __init__(self, details: bool = True):
        super().__init__()
        self.details, self.failed = details, False

    def say(self, text: str) -> None:
        """Shows plain text."""
        self.value, self.failed = html.escape(text), False

    def fail(self, error: BaseException) -> None:
        """Shows an exception."""
        self.failed = True
        sentence = one_sentence(error) if self.details else FOLDERS.sub("", one_sentence(error))
        self.value = f'<div style="color:#b00020">{html.escape(sentence)}</div>'
        if self.details:
            lines = "".join(traceback.format_exception(error))
            self.value += f"<details><summary>details</summary><pre>{html.escape(lines)}</pre></details>"

    def attempt(self, work: Callable[[], Any]) -> None:
        """Does something and tells what went wrong; what went wrong before is forgotten, other text stays."""
        if self.failed:
            self.say("")
        try:
            work()
        except FAILURES as error:
            self.fail(error)
