"""A picture that the browser sends, kept as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from faceswap.media.images import PHOTO_SUFFIXES, decode_picture
from panels.parts import observe
from provenance import whole_file


class Upload(widgets.FileUpload):
    """A button that takes a picture, keeps it in `uploads/KIND` beside the results and hands its path to `use`.

    kind: names the folder, and on the button what is uploaded. beside: the result's path. check(name, content):
    ValueError for what is not taken. attempt: does the work and tells what goes wrong. What is no picture does not
    replace a file of the same name, which may be in use.
    """

    def __init__(
        self,
        kind: str,
        beside: Callable[[], str],
        use: Callable[[Path], Any],
        check: Callable[[str, bytes], Any],
        attempt: Callable[[Callable[[], Any]], Any],
    ):
        self.kind, self.beside, self.use, self.check = kind, beside, use, check
        layout = widgets.Layout(width="auto")
        super().__init__(accept=",".join(PHOTO_SUFFIXES), description=f"upload a {kind}", layout=layout)
        observe([self], lambda: attempt(self._take))

    def _take(self) -> None:
        for file in self.value[:1]:
            path = Path(self.beside()).parent / "uploads" / self.kind / Path(file.name.replace("\\", "/")).name
            if path.suffix.lower() not in PHOTO_SUFFIXES:
                raise ValueError(f"{path.name}: not a picture in a known format")
            content = bytes(file.content)
            self.check(path.name, content)
            decode_picture(content, path.name)
            with whole_file(path) as kept:
                kept.write(content)
            self.use(path)
