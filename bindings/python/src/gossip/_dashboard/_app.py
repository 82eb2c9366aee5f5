"""What the paths mean, and who may ask for them."""

import base64
import binascii
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from ..errors import GossipError
from ._http import HttpError, Request, Response
from ._view import Event, View

__all__ = ["Access", "App", "Control"]

JSON = "application/json"
SUBSCRIBERS = 64
"""Who may follow the events at a time."""
PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
    "/dashboard.js": ("dashboard.js", "text/javascript; charset=utf-8"),
    "/cluster.js": ("cluster.js", "text/javascript; charset=utf-8"),
    "/numbers.js": ("numbers.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class Control(Protocol):
    """What an agent does when it is told to."""

    async def __call__(self, command: str, body: dict[str, Any]) -> Any:
        """Does it, and says what came of it; raises `HttpError`, `GossipError`, `OSError` or `ValueError` if not."""


@dataclass(frozen=True)
class Access:
    """Who may do what.

    `read` is `local` (loopback), `token`, `open` or `off`. Commands need the token,
    and there are none without one. Both are free to whoever is `trusted`: those who
    could open the control socket.
    """

    read: str = "local"
    token: str | None = None
    trusted: bool = False

    def check_read(self, request: Request) -> None:
        """Raises unless the request may read."""
        if self.trusted or self.read == "open" or self._has_token(request, basic=True):
            return
        if self.read == "local":
            if not _is_loopback(request.peer):
                raise HttpError(403, "only this machine may read here; the agent's option http says who may")
            # A page elsewhere can make a browser here ask, by a name that it lets point here.
            if not _is_own_name(request.headers.get("host", "")):
                raise HttpError(421, "ask by IP address or as localhost")
            return
        raise HttpError(401, "a token is needed", {"WWW-Authenticate": 'Basic realm="gossip", charset="UTF-8"'})

    def check_command(self, request: Request) -> None:
        """Raises unless the request may command."""
        if self.trusted:
            return
        if self.token is None:
            raise HttpError(403, "commands are taken on the control socket alone: this agent has no token")
        # Not as Basic: browsers send that by themselves, also on behalf of other pages.
        if not self._has_token(request, basic=False):
            raise HttpError(401, "the token is missing or wrong", {"WWW-Authenticate": 'Bearer realm="gossip"'})

    def _has_token(self, request: Request, *, basic: bool) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        given = credentials.strip().encode("latin-1")
        if basic and scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        return self.token is not None and hmac.compare_digest(given, self.token.encode())


class App:
    """Answers requests about a node."""

    def __init__(self, view: View, control: Control, metrics: Callable[[], str]) -> None:
        self._view = view
        self._control = control
        self._metrics = metrics
        self._followers = 0
        folder = resources.files("gossip._dashboard")
        self._pages = {path: (folder.joinpath(name).read_bytes(), type) for path, (name, type) in PAGES.items()}

    def handler(self, access: Access) -> Callable[[Request], Any]:
        """The application, for those who come one way."""

        async def handle(request: Request) -> Response:
            return await self._answer(request, access)

        return handle

    async def _answer(self, request: Request, access: Access) -> Response:
        if request.path.startswith("/control/"):
            _allow(request, "POST")
            access.check_command(request)
            return await self._command(request)
        known = request.path in self._pages or request.path in ("/healthz", "/metrics", "/members.json", "/events")
        if not known:
            raise HttpError(404, "there is nothing here; try / or /members.json, /events, /metrics, /healthz")
        _allow(request, "GET", "HEAD")
        if request.path == "/healthz":
            return self._health()
        access.check_read(request)
        match request.path:
            case "/metrics":
                return Response(self._metrics().encode(), "text/plain; version=0.0.4; charset=utf-8")
            case "/members.json":
                return Response(_dump(self._view.snapshot()) + b"\n", JSON)
            case "/events":
                return self._events(request)
        body, content_type = self._pages[request.path]
        return Response(body, content_type, headers={"Cache-Control": "no-cache"})

    def _health(self) -> Response:
        if self._view.node.closed:
            raise HttpError(503, "closed")
        return Response(b"ok\n")

    def _events(self, request: Request) -> Response:
        if self._followers >= SUBSCRIBERS:
            raise HttpError(503, f"{SUBSCRIBERS} already follow the events", {"Retry-After": "5"})
        stream = None if request.method == "HEAD" else self._follow()
        return Response(content_type="text/event-stream; charset=utf-8", stream=stream)

    async def _follow(self) -> AsyncIterator[bytes]:
        """A snapshot, then every event; ends when the client doesn't keep up, and then has to ask anew."""
        self._followers += 1
        try:
            with self._view.subscribe() as subscriber:
                yield b"retry: 1000\n" + _message("snapshot", self._view.snapshot())
                while not subscriber.lost:
                    event = await subscriber.get()
                    yield _message(event["event"], event)
        finally:
            self._followers -= 1

    async def _command(self, request: Request) -> Response:
        try:
            body = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            raise HttpError(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise HttpError(400, "the body is no JSON object")
        try:
            answer = await self._control(request.path.removeprefix("/control/"), body)
        except (GossipError, OSError, ValueError, TypeError) as error:
            raise HttpError(409, str(error) or type(error).__name__) from None
        return Response(_dump(answer) + b"\n", JSON)


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        allow = ", ".join(methods)
        raise HttpError(405, f"{request.path} takes {allow}", {"Allow": allow})


def _dump(value: Any) -> bytes:
    # All ASCII, and so also right for names that are no UTF-8.
    return json.dumps(value, separators=(",", ":")).encode()


def _message(kind: str, event: Event) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _dump(event) + b"\n\n"


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_own_name(host: str) -> bool:
    """Whether a Host field has an IP address, or a name that is always this machine's."""
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
