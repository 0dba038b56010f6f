"""What one script may use: set by the settings, or a fair share of the machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mle_star.execution.slots import Share
from mle_star.models.config import MLEStarConfig

GIGABYTE = 1 << 30
SHARE_OF_MEMORY = 0.9
"""Of the machine's memory, for all scripts together."""
SHARE_OF_DISK = 0.5
"""Of the free disk, likewise."""
MOST_DISK = 100 * GIGABYTE


@dataclass(frozen=True)
class Limits:
    """Bytes and numbers; each holds for a script with all the processes that it starts."""

    memory: int = 4 * GIGABYTE
    disk: int = 10 * GIGABYTE
    """Of its working folder."""
    processes: int = 1024
    """Threads included."""
    output: int = 64 << 20

    @classmethod
    def of(cls, config: MLEStarConfig, shares: tuple[Share, ...], folder: Path) -> Limits:
        """Take them from the settings; what is left out is shared between the scripts that may run at once."""
        memory = shares[0].memory * SHARE_OF_MEMORY
        disk = min(shutil.disk_usage(folder).free * SHARE_OF_DISK / len(shares), MOST_DISK)
        return cls(
            memory=int(memory if config.memory_limit is None else config.memory_limit * GIGABYTE),
            disk=int(disk if config.disk_limit is None else config.disk_limit * GIGABYTE),
            processes=config.max_processes,
            output=int(config.output_limit * (1 << 20)),
        )
