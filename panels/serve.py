"""`python -m panels.serve FOLDER`: a folder of notebooks as pages for visitors, through Voila.

A visitor gets the token from the one who serves, sees what the cells show, and can move what is shown. Voila refuses
to execute what a visitor sends; here are added the token, an address on this machine only, no files and limits.
"""

import sys
from collections.abc import Sequence

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets.config import Config
from voila.app import Voila

LARGEST_MESSAGE = 16 * 2**20  # bytes that a visitor may send at once, uploads included
MOST_KERNELS = 8  # visitors at once: each has a process of some hundred MB
IDLE = 600  # seconds until the process of a visitor who left is ended


class VisitorKernels(AsyncMappingKernelManager):
    """At most MOST_KERNELS kernels, those that are starting included."""

    def __init__(self, **named):
        super().__init__(**named)
        self.starting = set()  # their ids

    async def start_kernel(self, **named):
        """Starts a kernel; HTTPError 503 when there are too many."""
        kernel_id = named.get("kernel_id") or self.new_kernel_id()
        if len(self.starting.union(self.list_kernel_ids())) >= MOST_KERNELS:
            raise HTTPError(503, "too many visitors at the moment; try again in some minutes")
        self.starting.add(kernel_id)
        try:
            return await super().start_kernel(**named | {"kernel_id": kernel_id})
        finally:
            self.starting.discard(kernel_id)


def visitor_config() -> Config:
    """What holds unless the command line says otherwise."""
    config = Config()
    config.Voila.auto_token = True
    config.Voila.ip = "127.0.0.1"
    config.Voila.tornado_settings = {"websocket_max_message_size": LARGEST_MESSAGE}
    config.VoilaConfiguration.multi_kernel_manager_class = VisitorKernels
    config.VoilaConfiguration.file_allowlist = ["(?!)"]  # matches nothing
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.strip_sources = True
    config.VoilaConfiguration.show_tracebacks = False
    config.VoilaConfiguration.classic_tree = True
    config.MappingKernelManager.cull_idle_timeout = IDLE
    config.MappingKernelManager.cull_interval = IDLE // 10
    return config


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until interrupted. arguments: as of the command voila."""
    Voila.launch_instance(arguments, config=visitor_config())


if __name__ == "__main__":
    main(sys.argv[1:])
