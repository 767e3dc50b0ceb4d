"""How a face is put in. Light to import, as the tables it reads are: the commands' flags are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from faceswap.blend.blends import BLENDS
from faceswap.blend.masks import MASKS
from faceswap.blend.mouths import MOUTHS


def _option(default, text: str, allowed: tuple | Mapping = ()):
    """Returns a field of Options: its default, a line of help, and its choices or its lowest and highest value.

    allowed: a table of choices, each of which tells its own help, or two numbers.
    """
    if isinstance(allowed, Mapping):
        text = "; ".join([text, *(f"{name}: {kind.help}" for name, kind in allowed.items())])
    return field(default=default, metadata={"help": text, "allowed": tuple(allowed)})


@dataclass(frozen=True)
class Options:
    """How faces are put in; every field has a flag of the same name. Plain values: comparable, hashable, picklable."""

    correct_color: bool = _option(True, "give the face the light and skin tone of the picture")
    warp_2d: bool = _option(False, "only turn, scale and shift the face, without bending it to the expression")
    mask: str = _option("auto", "how much of the face is shown", MASKS)
    feather: float = _option(0.10, "width of the soft edge as a share of the face's width", (0.0, 0.5))
    blend: str = _option("feather", "how the edge is joined", BLENDS)
    strength: float = _option(1.0, "0 leaves the picture as it is, 1 shows the new face fully", (0.0, 1.0))
    keep_mouth: str = _option("auto", "keep the teeth of the picture", MOUTHS)
    match_grain: float = _option(1.0, "how far sharpness and grain follow the picture", (0.0, 1.0))

    def __post_init__(self) -> None:
        for item in fields(self):
            value, allowed = getattr(self, item.name), item.metadata["allowed"]
            if isinstance(item.default, bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{item.name} must be True or False, not {value!r}")
            elif isinstance(item.default, str):
                if value not in allowed:
                    raise ValueError(f"{item.name} must be one of {', '.join(allowed)}, not {value!r}")
            elif (
                isinstance(value, bool) or not isinstance(value, (int, float)) or not allowed[0] <= value <= allowed[1]
            ):
                raise ValueError(f"{item.name} must lie between {allowed[0]:g} and {allowed[1]:g}, not {value!r}")

    def as_dict(self) -> dict:
        """Returns the options by name, for metadata."""
        return asdict(self)
