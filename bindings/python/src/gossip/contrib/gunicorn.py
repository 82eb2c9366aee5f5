"""gunicorn on a listener: its workers accept, the node lives in its arbiter.

The node must exist before, and only there; workers reach the port alone, through
`Listener.share()`. gunicorn forks, so nothing else of the node may be used in a worker: there
it raises `ForkedError`.
"""

from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from .._listener import Listener
from .._share import SharedListener

__all__ = ["run"]


class _Shared:
    """A shared listener as gunicorn's sockets look."""

    def __init__(self, shared: SharedListener) -> None:
        self.sock = shared

    def get_backlog(self) -> int:
        """Unknown here."""
        return -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def __str__(self) -> str:
        host, port = self.sock.address
        return f"gossip://[{host}]:{port}" if ":" in host else f"gossip://{host}:{port}"


class _Application(BaseApplication):  # type: ignore[misc,unused-ignore]
    def __init__(self, app: Callable[..., Any], options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        return self._app


def run(app: Callable[..., Any], listener: Listener, **options: Any) -> None:
    """Serves a WSGI application by worker processes until gunicorn is told to end.

    `options` are gunicorn's settings, such as `workers=4, worker_class="gthread", threads=8`.
    Worker classes that accept in Python work: `sync`, `gthread`. To be called in the main
    thread; it ends with `SystemExit`, as gunicorn does, also in each worker.
    """
    arbiter: Any = Arbiter(_Application(app, options))
    arbiter.LISTENERS = [_Shared(listener.share())]
    arbiter.run()
