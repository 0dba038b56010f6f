"""Which addresses a page may be read from, held at the connection itself.

A name is looked up once, every address that it stands for is checked, and the connection is made to a checked address
and to nothing else: a name that stands for another address a moment later (DNS rebinding) gains nothing. Each hop of a
redirect is a request of its own and is checked alike.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], Awaitable[list[str]]]
INWARD = [ip_network(text) for text in ("168.63.129.16/32", "192.0.0.0/24", "64:ff9b:1::/48")]
"""What `ipaddress` takes for public and is not: where clouds answer their own machines, and local translation."""
TRANSLATED = ip_network("64:ff9b::/96")
"""IPv6 addresses that a NAT64 gateway translates into the IPv4 address in their last 32 bits."""


class ForbiddenAddressError(httpx.RequestError):
    """The address is not on the public internet."""


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet: not private, loopback, link-local or a cloud's own."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    inward = address.is_private or address.is_loopback or address.is_link_local or address.is_reserved
    special = address.is_multicast or address.is_unspecified or any(address in network for network in INWARD)
    return address.is_global and not (inward or special)


async def look_up(host: str, port: int) -> list[str]:
    """Return the addresses that a name stands for.

    Raises:
        OSError: There are none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class PublicTransport(httpx.AsyncHTTPTransport):
    """Connects to public addresses only. `allowed` and `lookup` are there for tests."""

    def __init__(self, allowed: Callable[[Address], bool] = is_public, lookup: Lookup = look_up) -> None:
        # No connection is kept: one to an address would serve every name there, whosever certificate it began with.
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self._allowed, self._lookup = allowed, lookup

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Look the name up, check, and send the request to the address that was checked.

        Raises:
            ForbiddenAddressError: The address, or one of those that the name stands for, is not public.
            httpx.ConnectError: The name stands for no address.
        """
        url = request.url
        if url.scheme not in ("http", "https"):
            raise ForbiddenAddressError(f"{url.scheme}: is not read", request=request)
        try:
            found = await self._lookup(url.host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{url.host} is not known: {error}", request=request) from error
        if not found or not all(self._allowed(ip_address(address.partition("%")[0])) for address in found):
            raise ForbiddenAddressError(f"{url.host} is not on the public internet", request=request)
        pinned = httpx.Request(
            request.method, url.copy_with(host=found[0]), headers=request.headers, stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},  # the certificate is held against the name
        )  # fmt: skip
        return await super().handle_async_request(pinned)
