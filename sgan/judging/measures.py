"""What can be measured of a checkpoint: the table that command line, notebook and `judge` read.

Light to import, since the command line's help reads the table: what a measure needs is imported when it is taken.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sgan.judging.evidence import Evidence


def measure_swd(evidence: "Evidence") -> dict[str, Any]:
    """The distance of the generated images and, where there are enough, of other training images."""
    from sgan.judging.metrics import swd

    sample, seed = evidence.sample, evidence.seed
    found = {"swd": swd(sample.real, sample.fake, seed)}
    if sample.others is not None:
        found["swd_of_training_images"] = swd(sample.real, sample.others, seed)
    return found


def measure_coverage(evidence: "Evidence") -> dict[str, Any]:
    """Density and coverage of the generated images and, where there are enough, of other training images."""
    from sgan.judging.features import DESCRIPTION
    from sgan.judging.metrics import density_coverage

    sample, found = evidence.sample, {"features": DESCRIPTION}
    real = evidence.real_features
    found["density"], found["coverage"] = density_coverage(real, evidence.features(sample.fake))
    if sample.others is not None:
        density, coverage = density_coverage(real, evidence.features(sample.others))
        found |= {"density_of_training_images": density, "coverage_of_training_images": coverage}
    return found


def measure_nearest(evidence: "Evidence") -> dict[str, Any]:
    """How near generated and training images come to the (other) training images; draws the sheet."""
    from sgan.judging.features import DESCRIPTION
    from sgan.judging.memory import judge_memory

    nearest, evidence.sheet = judge_memory(evidence)
    return {"features": DESCRIPTION, "nearest": nearest}


def measure_octaves(evidence: "Evidence") -> dict[str, Any]:
    """log2 of the energies' ratio by octave, and that of the highest one."""
    from sgan.judging.metrics import octave_ratios

    octaves = octave_ratios(evidence.sample.real, evidence.sample.fake)
    return {"high_frequency": list(octaves.values())[-1], "octaves": octaves}


def measure_faces(evidence: "Evidence") -> dict[str, Any]:
    """Shares of pictures in which Face Mesh sees exactly one face."""
    from sgan.judging.metrics import count_faces

    sets = {"generated": evidence.sample.fake, "training": evidence.sample.real}
    return {"one_face": {name: count_faces(pictures).count(1) / len(pictures) for name, pictures in sets.items()}}


def measure_fid(evidence: "Evidence") -> dict[str, Any]:
    """FID and KID; neither without torch-fidelity and its network."""
    from sgan.judging.inception import inception_scores

    cuda = str(evidence.device).startswith("cuda")
    return inception_scores(evidence.sample.real, evidence.sample.fake, evidence.seed, cuda)


class Measure(NamedTuple):
    """measure(evidence) gives the named values, and more; ImportError or ValueError where it cannot be taken."""

    measure: Callable[["Evidence"], dict[str, Any]]
    help: str
    values: tuple[str, ...]


MEASURES = {
    "swd": Measure(measure_swd, "sliced Wasserstein distance", ("swd",)),
    "coverage": Measure(measure_coverage, "density and coverage", ("density", "coverage")),
    "nearest": Measure(measure_nearest, "nearest training images", ("nearest",)),
    "octaves": Measure(measure_octaves, "energy by octave", ("high_frequency", "octaves")),
    "faces": Measure(measure_faces, "share with exactly one face", ("one_face",)),
    "fid": Measure(measure_fid, "FID and KID", ("fid", "kid")),
}
