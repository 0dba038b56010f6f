"""Where scripts run: on this machine, in containers, or on the nodes of a Ray cluster. One interface for all three."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from mle_star.execution.isolation.detect import strongest
from mle_star.execution.isolation.policy import Level
from mle_star.execution.runner import Job, run_script
from mle_star.execution.slots import Share, slots_here
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult
from mle_star.models.errors import ConfigError


class Backend(Protocol):
    """A place where scripts run."""

    def check(self) -> str:
        """Find out whether scripts can be run, and how they are isolated; gives it in a line. Blocks.

        Raises:
            ConfigError: They can't, or are isolated less than the settings demand.
        """

    def shares(self, width: int = 1) -> tuple[Share, ...]:
        """List what each of the scripts gets that may run at once; all get the same. Blocks, the first time.

        `width` is for scripts that take the place of so many.
        """

    def share(self, run: str, width: int = 1, *, urgent: bool = False) -> AbstractAsyncContextManager[Share]:
        """Wait for the turn of one of the run's scripts, and hold its share. An urgent one goes first of the run's."""

    async def run(self, job: Job) -> ExecutionResult:
        """Run a script; its log, and what it left in `final`, are in the job's places afterwards.

        Raises:
            MLEStarError: The script could not be run, through no fault of its own.
        """


@dataclass(frozen=True)
class Local:
    """This machine."""

    parallel: int | None = None
    require: Level = "none"

    def check(self) -> str:
        """Try which isolation there is."""
        isolation = strongest()
        if not isolation.reaches(self.require):
            raise ConfigError(
                f"--require-isolation {self.require}: there is no more than {isolation} here "
                f"({'; '.join(isolation.problems)}); install bubblewrap, or run elsewhere"
            )
        return str(isolation)

    def shares(self, width: int = 1) -> tuple[Share, ...]:
        """Divide this machine."""
        return slots_here().shares(self.parallel, width)

    def share(self, run: str, width: int = 1, *, urgent: bool = False) -> AbstractAsyncContextManager[Share]:
        """Wait in this process's queue."""
        return slots_here().share(run, self.parallel, width, urgent=urgent)

    async def run(self, job: Job) -> ExecutionResult:
        """Run it as a process."""
        return await run_script(job)


def backend_of(config: MLEStarConfig) -> Backend:
    """Give the one that the settings choose; nothing is started or connected yet."""
    if config.execution_backend == "ray":
        from mle_star.execution.on_ray import OnRay

        return OnRay(
            address=config.ray_address, cpus=config.script_cpus, gpus=config.script_gpus, memory=config.memory_limit,
            shared_data=config.ray_shared_data, parallel=config.parallel_scripts, require=config.require_isolation,
        )  # fmt: skip
    if config.execution_backend == "docker":
        from mle_star.execution.on_docker import OnDocker

        return OnDocker(
            config.docker_image, config.docker_url, parallel=config.parallel_scripts, require=config.require_isolation
        )
    return Local(config.parallel_scripts, config.require_isolation)
