"""What processes of a pool do in tests: light to import, since each process imports it anew."""

import os
import signal


def die(*_):
    """Ends this process as a system without memory does."""
    os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def swap_or_die(photo, out):
    """The result of a photo that was swapped; a deadly one ends the process."""
    if "deadly" in photo:
        die()
    return "swapped", 1, 1, 0.0, ""


def mesh_of(crop):
    """The mesh of a square picture, as bytes."""
    from graphs.facemesh import MeshNetwork

    return MeshNetwork()(crop).tobytes()
