"""Logs with one JSON object a line, each with the image count "nimg" that it belongs to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import write_bytes

JOURNAL = "hparams.jsonl"
LOGS = ("stats.jsonl", JOURNAL, "metrics.jsonl")  # of a run folder


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Adds a row at the end."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def write_journal(run_dir: Path, journal: Sequence[Mapping[str, Any]]) -> None:
    """Makes hparams.jsonl what the state says: a flag may have changed a setting, a kill have undone a change."""
    path = run_dir / JOURNAL
    if journal or path.exists():
        write_bytes(path, "".join(json.dumps(row) + "\n" for row in journal).encode())


def read_rows(path: Path, until_nimg: int | None = None) -> list[dict]:
    """Rows of a .jsonl log up to an image count; a half-written last line is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break
            if until_nimg is None or row["nimg"] <= until_nimg:
                rows.append(row)
    return rows


def truncate_rows(path: Path, until_nimg: int) -> None:
    """Drops the rows after an image count, which the run will write again."""
    if path.exists():
        kept = "".join(json.dumps(row) + "\n" for row in read_rows(path, until_nimg))
        write_bytes(path, kept.encode())
