"""Talking to a running agent: over its control socket, or over HTTP on its gossip port."""

import http.client
import ipaddress
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._address import split
from ._keys import read_secret
from ._status import FAILED, REFUSED, UNREACHABLE, USAGE, Failure
from ._system import found_sockets

__all__ = ["Agent", "find"]

DEFAULT = "127.0.0.1:7946"
TIMEOUT = 20.0
QUIET = 15.0
"""Seconds without a sign after which a stream counts as broken; there is one each second."""
LIMIT = 64 << 20


class Agent:
    """A running agent, by the path of its control socket or by its address."""

    def __init__(self, where: str, token: str | None) -> None:
        self.where = where
        self._token = token
        self._path = where if "/" in where else None
        if self._path is None:
            try:
                self._address = split(where)
            except ValueError as error:
                raise Failure(f"agent: {error}", USAGE) from None

    @property
    def is_here(self) -> bool:
        """Whether what is sent stays on this machine."""
        if self._path is not None:
            return True
        host = self._address[0]
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def get(self, path: str) -> bytes:
        """What the agent has under a path."""
        return self._read(self._request("GET", path))

    def members(self) -> dict[str, Any]:
        """Everything the agent shows."""
        return self._object(self.get("/members.json"))

    def command(self, command: str, **fields: Any) -> dict[str, Any]:
        """Tells the agent to do something, and returns what came of it."""
        body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        return self._object(self._read(self._request("POST", f"/control/{command}", body)))

    def events(self) -> Iterator[dict[str, Any]]:
        """A snapshot, then what happens, until the agent ends, or cuts off who is too slow."""
        response = self._request("GET", "/events", timeout=QUIET)
        with response:
            try:
                while line := response.readline(LIMIT):
                    if line.startswith(b"data: "):
                        yield {"event": "snapshot", **self._object(line[6:])}
            except (OSError, http.client.HTTPException):
                return

    def _request(
        self, method: str, path: str, body: bytes | None = None, timeout: float = TIMEOUT
    ) -> http.client.HTTPResponse:
        connection = self._connection(timeout)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
            text = f"no agent answers at {self.where}: {why}; is it running? --agent says where"
            raise Failure(text, UNREACHABLE) from None
        if response.status != 200:
            text = self._read(response).decode("utf-8", "backslashreplace").strip() or response.reason
            refused = response.status in (401, 403, 421)
            hint = "; give it with --token-file or GOSSIP_TOKEN" if response.status == 401 else ""
            raise Failure(f"the agent at {self.where} says: {text}{hint}", REFUSED if refused else FAILED)
        return response

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._path is not None:
            return _UnixConnection(self._path, timeout)
        host, port = self._address
        return http.client.HTTPConnection(host, port, timeout=timeout)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            with response:
                return response.read(LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"the agent at {self.where} broke off: {error}", UNREACHABLE) from None

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Failure(f"what answers at {self.where} is no agent", UNREACHABLE)
        return value


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._unix_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._unix_path)


def find(where: str | None, token_file: str | None) -> Agent:
    """The agent of the option or `GOSSIP_AGENT`, else the one that runs here, else one on the default port."""
    token = os.environ.get("GOSSIP_TOKEN")
    if path := token_file or os.environ.get("GOSSIP_TOKEN_FILE"):
        token = read_secret(path, "token file").strip()
    if where := where or os.environ.get("GOSSIP_AGENT"):
        return Agent(where, token)
    sockets: list[Path] = found_sockets()
    if len(sockets) > 1:
        listed = ", ".join(map(str, sockets))
        raise Failure(f"several agents run here; say which with --agent: {listed}", USAGE)
    return Agent(str(sockets[0]) if sockets else DEFAULT, token)
