"""A small HTTP/1.1 server for a hostile network: one request a connection, everything bounded.

What cannot be understood is answered with its status and closed. A client that is slow
to ask, or slow to read, is cut off. Nothing that a client does costs more than the
limits say.
"""

import asyncio
import logging
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

__all__ = ["HttpError", "Limits", "Request", "Response", "Server"]

log = logging.getLogger("gossip.agent")

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
CHUNK = 65536

HEADERS = {
    # Pages take scripts and styles from here alone, and are in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class HttpError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Limits:
    """What one client, and all together, may cost."""

    head: int = 8192
    """Bytes of the request line and header fields."""
    body: int = 65536
    """Bytes of the body."""
    read_timeout: float = 5.0
    """Seconds in which a request must have come."""
    write_timeout: float = 10.0
    """Seconds in which a client must take what is sent."""
    connections: int = 128
    """Connections at a time."""
    per_source: int = 32
    """The same for one address."""


@dataclass(frozen=True)
class Request:
    """A request that is well formed."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Header fields; names are lower case."""
    body: bytes
    peer: str
    """The client's IP address; empty on a UNIX socket."""


@dataclass
class Response:
    """An answer; a `stream` follows the head until it ends or the client is gone."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Request], Awaitable[Response]]


class Server:
    """Serves one socket until it is closed."""

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self._handler = handler
        self._limits = limits or Limits()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sources: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self.refused = 0
        """Connections closed because too many were open."""

    async def serve_tcp(self, listener: socket.socket) -> None:
        """Begins to accept from a listening socket."""
        self._servers.append(await asyncio.start_server(self._accept, sock=listener, limit=self._limits.head))

    async def serve_unix(self, listener: socket.socket) -> None:
        """The same for a UNIX socket."""
        self._servers.append(await asyncio.start_unix_server(self._accept, sock=listener, limit=self._limits.head))

    async def close(self) -> None:
        """Stops accepting, and ends what is open."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        if len(self._tasks) >= 2 * self._limits.connections:
            # Too many to be told so.
            self.refused += 1
            return writer.transport.abort()
        name = writer.get_extra_info("peername")
        peer = str(name[0]) if isinstance(name, tuple) else ""
        self._tasks.add(task)
        self._sources[peer] += 1
        try:
            await self._converse(reader, writer, peer)
        # The client is gone, or too slow: nobody is there to be told.
        except (OSError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            self._sources[peer] -= 1
            if not self._sources[peer]:
                del self._sources[peer]

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        method = "GET"
        try:
            if len(self._tasks) > self._limits.connections or self._sources[peer] > self._limits.per_source > 0:
                self.refused += 1
                raise HttpError(503, "too many connections are open, try again", {"Retry-After": "1"})
            request = await self._read(reader, peer)
            method = request.method
            response = await self._handler(request)
        except HttpError as error:
            response = Response(f"{error}\n".encode(), status=error.status, headers=error.headers)
        except asyncio.IncompleteReadError:
            return writer.close()
        except Exception:
            log.exception("%s: a request failed", peer or "control socket")
            response = Response(b"this failed; the agent's log says why\n", status=500)
        await self._write(writer, response, method)
        await self._finish(reader, writer)

    async def _read(self, reader: asyncio.StreamReader, peer: str) -> Request:
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, headers = _parse(head)
                return Request(method, path, headers, await self._body(reader, headers), peer)
        except asyncio.LimitOverrunError:
            raise HttpError(431, f"the head of the request is longer than {self._limits.head} bytes") from None
        except TimeoutError:
            raise HttpError(408, f"the request did not come within {self._limits.read_timeout:g} s") from None

    async def _body(self, reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise HttpError(411, "send the body with a content-length")
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()) or len(text) > 12:
            raise HttpError(400, "content-length is not a number")
        if int(text) > self._limits.body:
            raise HttpError(413, f"the body has {text} bytes, at most {self._limits.body} are taken")
        return await reader.readexactly(int(text))

    async def _write(self, writer: asyncio.StreamWriter, response: Response, method: str) -> None:
        writer.transport.set_write_buffer_limits(CHUNK)
        status = HTTPStatus(response.status)
        headers = {"Cache-Control": "no-store", **HEADERS, "Content-Type": response.content_type, **response.headers}
        if response.stream is None:
            headers["Content-Length"] = str(len(response.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}Connection: close\r\n\r\n".encode("latin-1"))
        if method != "HEAD":
            for start in range(0, len(response.body), CHUNK):
                writer.write(response.body[start : start + CHUNK])
                await self._drain(writer)
            if response.stream is not None:
                await self._send_stream(writer, response.stream)
        await self._drain(writer)

    async def _send_stream(self, writer: asyncio.StreamWriter, stream: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in stream:
                writer.write(chunk)
                await self._drain(writer)
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def _drain(self, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._limits.write_timeout):
            await writer.drain()

    async def _finish(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Closes so that the client gets the answer, also if it is still sending: a reset would destroy it."""
        if writer.can_write_eof():
            writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                for _ in range(64):
                    if not await reader.read(CHUNK):
                        break
        writer.close()
        async with asyncio.timeout(self._limits.write_timeout):
            await writer.wait_closed()


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and header fields; what RFC 9112 does not allow is refused, not guessed."""
    first, *lines = head[:-4].split(b"\r\n")
    if not (match := REQUEST_LINE.fullmatch(first)):
        if re.fullmatch(rb"[A-Z]+ \S+ HTTP/[2-9](\.\d)?", first):
            raise HttpError(505, "HTTP/1.1 is spoken here")
        raise HttpError(400, "the request line is not METHOD /PATH HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name) or not FIELD_VALUE.fullmatch(value):
            raise HttpError(400, "a header field is malformed")
        key = name.decode("ascii").lower()
        if key in headers and key in ("host", "content-length", "authorization", "transfer-encoding"):
            raise HttpError(400, f"the header field {key} comes twice")
        headers[key] = value.strip(b" \t").decode("latin-1")
    if match[3] == b"1" and "host" not in headers:
        raise HttpError(400, "the header field host is missing")
    return match[1].decode(), unquote(match[2].decode().partition("?")[0]), headers
