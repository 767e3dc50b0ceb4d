"""A look at a folder of pictures."""

from pathlib import Path

from panels.pages import Shown
from sgan.data.dataset import DataError, list_images
from sgan.data.inspection import inspect_pictures, sheet_pictures, to_text
from sgan.viz import make_grid

SHEET = 24  # pictures on a contact sheet
FULL_REPORT = 5000  # pictures
LINES = 30  # of a report


def show_folder(folder: str | Path) -> Shown:
    """What is in a folder or zip of pictures: a report and some of them, spread over the whole.

    Above FULL_REPORT pictures only their number: looking into each would take minutes.
    """
    if not str(folder):
        return Shown("No folder is chosen: set image_folder_path to a folder of face pictures to train on them.")
    try:
        count = len(list_images(folder))
        if count > FULL_REPORT:
            text = f"{count} pictures below {folder}; for a report on each: python -m sgan inspect {folder}"
        else:
            text = _shorten(to_text(inspect_pictures(folder)))
        return Shown(text, make_grid(sheet_pictures(folder, count=SHEET), 12))
    except DataError as error:
        return Shown(str(error))


def _shorten(text: str, lines: int = LINES) -> str:
    """The first lines of a text, and how many more there are."""
    parts = text.splitlines()
    return "\n".join(parts[:lines] + ([f"... and {len(parts) - lines} lines more"] if len(parts) > lines else []))
