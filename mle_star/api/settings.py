"""The server's own settings: `MLE_STAR_SERVER_<FIELD>` in the environment or `.env`; secrets by their own names."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from mle_star.models.errors import ConfigError

MEGABYTE, GIGABYTE = 2**20, 2**30
SHORTEST_KEY = 16


class ServerSettings(BaseSettings):
    """How the server listens, whom it lets in, and what its runs may use."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="MLE_STAR_SERVER_", env_file=".env", env_ignore_empty=True,
        dotenv_filtering="match_prefix", populate_by_name=True,
    )  # fmt: skip

    host: str = Field("127.0.0.1", description="Address to listen on; any other than this machine's asks for a key.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on.")
    insecure: bool = Field(False, description="Listen on other addresses without a key.")
    api_key: SecretStr | None = Field(
        None,
        validation_alias="MLE_STAR_API_KEY",
        description="What requests have to bring: the key, or `sha256:<hex>`.",
    )
    database_url: SecretStr | None = Field(
        None, validation_alias="MLE_STAR_DATABASE_URL", description="PostgreSQL for the runs' list and checkpoints."
    )

    runs_dir: Path = Field(Path("runs"), description="Where the runs' folders are made.")
    uploads_dir: Path = Field(Path("uploads"), description="Where uploaded data is kept.")
    dataset_roots: tuple[Path, ...] = Field((), description="Folders that `dataset_path` may point into.")
    allow_endpoints: bool = Field(False, description="Let requests name the model servers' addresses.")

    max_concurrent_runs: int = Field(2, ge=1, le=256, description="Runs at once; the others wait in a queue.")
    on_restart: Literal["resume", "wait"] = Field("resume", description="What becomes of runs that were under way.")
    grace: float = Field(30, ge=0, le=3_600, description="Seconds that a script may go on after a pause or a stop.")
    min_free: int = Field(64 * MEGABYTE, ge=0, description="Free bytes of disk below which runs are paused.")
    retry_seconds: float = Field(5, gt=0, le=3_600, description="Seconds between looks at what a run waits for.")

    max_upload: int = Field(10 * GIGABYTE, ge=1, description="Bytes of one uploaded file.")
    max_unpacked: int = Field(40 * GIGABYTE, ge=1, description="Bytes of a zip's content.")
    max_files: int = Field(200_000, ge=1, description="Files in a zip.")
    max_body: int = Field(10 * MEGABYTE, ge=1_024, description="Bytes of a request that is no upload.")
    rate_limit: str = Field("1200/minute", description="Requests of one client, such as `600/minute`.")
    allowed_hosts: tuple[str, ...] = Field((), description="Names in the Host header beside this machine's own.")
    allowed_origins: tuple[str, ...] = Field((), description="Web pages of other origins that may use the API.")
    heartbeat: float = Field(15, gt=0, le=600, description="Seconds between signs of life on a quiet WebSocket.")

    def check(self) -> None:
        """Refuse a server that anyone could use.

        Raises:
            ConfigError: It listens to other machines without a key, or the key is too short.
        """
        key = self.api_key.get_secret_value() if self.api_key else ""
        if key and not key.startswith("sha256:") and len(key) < SHORTEST_KEY:
            raise ConfigError(f"MLE_STAR_API_KEY is too short to be a secret: give {SHORTEST_KEY} characters or more")
        if not key and not self.insecure and not is_loopback(self.host):
            raise ConfigError(
                f"whoever reaches {self.host} could run code here: set MLE_STAR_API_KEY, or say --insecure"
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False
