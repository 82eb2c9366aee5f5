"""Connections to others, for coroutines."""

import asyncio
import socket
import ssl as tls

from .._address import Target, check_id, split
from .._types import Member
from ._address import addresses

__all__ = ["dial", "open_connection"]


async def dial(target: Target, id: int | None = None) -> socket.socket:
    """Connects to the port of a member or address, and there to the listener with this id.

    Without an id the connection is for the native listener. What comes back is a plain
    socket that does not block. If a name has several addresses, they are tried in order;
    `OSError` of the last one if none answers. There is no time limit but the system's: use
    `asyncio.timeout`.
    """
    opening = b"" if id is None else check_id(id).to_bytes(2, "big")
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    for family, address in await addresses(target, socket.SOCK_STREAM):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await loop.sock_connect(connection, address)
            # The id must not wait for more to send.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_sendall(connection, opening)
            return connection
        except OSError as error:
            failed = error
            connection.close()
        except BaseException:
            connection.close()
            raise
    raise failed or OSError(f"no address of {target!r} was found")


async def open_connection(
    target: Target,
    id: int | None = None,
    *,
    ssl: tls.SSLContext | None = None,
    server_hostname: str | None = None,
    limit: int = 65536,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """`dial` with streams, as `asyncio.open_connection`.

    With `ssl` TLS begins behind the id; the certificate is checked for `server_hostname`, by
    default the target's host. The reader buffers `limit` bytes.
    """
    if ssl is not None and server_hostname is None:
        server_hostname = target.host if isinstance(target, Member) else split(target)[0]
    connection = await dial(target, id)
    try:
        return await asyncio.open_connection(
            sock=connection, limit=limit, ssl=ssl, server_hostname=server_hostname
        )
    except BaseException:
        connection.close()
        raise

