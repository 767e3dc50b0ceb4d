"""When the teeth of the target stay, by name. Light to import: the commands' help reads the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from faceswap.blend.sight import Sight


class Mouth(NamedTuple):
    """An entry of MOUTHS: keep(sight) -> how much of the target's mouth is kept, 0 to 1."""

    keep: Callable[[Sight], float]
    help: str


MOUTHS = {
    "auto": Mouth(lambda sight: sight.teeth_lacking(), "when the new face has none to show"),
    "always": Mouth(lambda sight: 1.0, "whatever it shows"),
    "never": Mouth(lambda sight: 0.0, "not at all"),
}
