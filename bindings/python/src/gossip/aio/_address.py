"""Targets for coroutines: names are looked up without stopping the loop."""

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

from .._address import Target, split
from .._types import HostPort, Member

if TYPE_CHECKING:
    from .. import _core
    from ._calls import Calls

__all__ = ["addresses", "literal", "peer"]


def literal(target: Target) -> HostPort:
    """The IP address and port of a target that needs no lookup."""
    if isinstance(target, Member):
        return target.address
    host, port = split(target[:2] if isinstance(target, tuple) else target)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} is no IP address; look it up with loop.getaddrinfo first") from None
    return host, port


async def addresses(target: Target, kind: socket.SocketKind) -> list[tuple[socket.AddressFamily, HostPort]]:
    """Every address of a target, with its family."""
    host, port = target.address if isinstance(target, Member) else split(target)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


async def peer(
    target: Target, calls: "Calls", pool: "_core.Pool", timeout: float | None
) -> tuple[bytes, HostPort]:
    """A target as the core takes it: its name, empty if unknown, and its address."""
    if isinstance(target, Member):
        return target.name.encode("utf-8", "surrogateescape"), target.address
    if isinstance(target, tuple):
        try:
            return b"", literal(target)
        except ValueError:
            host, port = split(target)
            target = f"{host}:{port}"
    name, address = await calls.run(calls.core.look_up, pool, target, timeout)
    return name, address[:2]
