"""The HTTP and WebSocket entry: `mle-star serve`, or any ASGI server with `mle_star.api.server:app`."""
