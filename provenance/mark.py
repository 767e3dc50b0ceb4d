"""What is said about a picture: the kind of source it comes from and the settings that made it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

VERSION = "0.1.0"

# Terms of the IPTC vocabulary "digital source type".
GENERATED = "trainedAlgorithmicMedia"  # made by a trained network alone
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"  # a photo or video with a part made by a trained network


@dataclass(frozen=True)
class Mark:
    """A statement that a picture is synthetic.

    source_type: a term of the IPTC vocabulary, normally GENERATED or COMPOSITE.
    settings: what is needed to make the picture again, in what JSON knows: dicts, lists, str, int, float, bool, None.
        Stored as JSON gives it back, so tuples become lists; ValueError if JSON cannot hold it.
    """

    source_type: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.source_type, str) or not re.fullmatch(r"[A-Za-z]{1,80}", self.source_type):
            raise ValueError(f"source type {self.source_type!r} is no term of the IPTC vocabulary")
        if not isinstance(self.settings, dict):
            raise ValueError(f"settings must be a dict, not {type(self.settings).__name__}")
        try:
            plain = json.loads(json.dumps(self.settings, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"settings cannot be written as JSON: {error}") from None
        object.__setattr__(self, "settings", plain)
