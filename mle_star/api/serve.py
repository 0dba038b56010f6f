"""`mle-star serve`: the settings checked, then uvicorn."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mle_star.api.settings import ServerSettings
from mle_star.models.errors import ConfigError


def read_settings(**given: Any) -> ServerSettings:
    """Read the server's settings; what is given beats the environment.

    Raises:
        ConfigError: A value can't be used, or anyone could reach the server.
    """
    try:
        settings = ServerSettings(**{name: value for name, value in given.items() if value is not None})
    except (ValidationError, ValueError) as error:
        raise ConfigError(_explain(error)) from None
    settings.check()
    return settings


def serve(**given: Any) -> None:
    """Serve until a signal ends it.

    Raises:
        ConfigError: As `read_settings`; or the port is taken.
    """
    settings = read_settings(**given)
    import signal
    import socket
    import sys

    import uvicorn

    from mle_star.api.server import create_app

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise ConfigError(f"can't listen on {where}: {error.strerror}; give another --port") from None
    app = create_app(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it anew when all is in order
    uvicorn.run(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=3, ws_max_size=65_536, ws_ping_interval=20, ws_ping_timeout=60,
    )  # fmt: skip


def _explain(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    wrong = []
    for found in error.errors():
        name = ".".join(map(str, found["loc"]))
        variable = name if name.isupper() else f"MLE_STAR_SERVER_{name.upper()}"
        wrong.append(f"{variable}: {found['msg']}")
    return "; ".join(wrong)
