"""Where agents keep their control sockets, and how they talk to systemd."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from ._status import FAILED, Failure

__all__ = ["control_path", "found_sockets", "notify", "open_control", "run_folder"]


def run_folder() -> Path | None:
    """The folder for control sockets; `None` if this user has none."""
    if folder := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(folder.split(":")[0])
    if folder := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(folder) / "gossip"
    return Path("/run/gossip") if os.geteuid() == 0 else None


def control_path(port: int) -> Path | None:
    """Where an agent on this port has its control socket, if it is not told."""
    folder = run_folder()
    return folder / f"agent-{port}.sock" if folder else None


def found_sockets() -> list[Path]:
    """The control sockets of this user's agents that run."""
    folder = run_folder()
    return [path for path in sorted(folder.glob("agent-*.sock")) if _answers(path)] if folder else []


def open_control(path: Path) -> socket.socket:
    """A listening UNIX socket that its owner alone can open."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
        if path.exists() or path.is_symlink():
            _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Closed to others from its first moment, not only after a chmod.
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        except BaseException:
            listener.close()
            raise
        finally:
            os.umask(mask)
        listener.listen(16)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise Failure(f"control socket {path} cannot be opened: {why}; --control says where else", FAILED) from None
    return listener


def _remove_stale(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise Failure(f"control socket {path} is there, and is no socket; --control says where else", FAILED)
    if _answers(path):
        raise Failure(f"control socket {path} belongs to an agent that runs; --control says where else", FAILED)
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.errno not in (errno.ECONNREFUSED, errno.ENOENT, errno.EACCES, errno.EPERM)
    return True


def notify(state: str) -> None:
    """Tells systemd, if it wants to be told (`Type=notify`)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] in ("/", "@"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
            out.connect(address.replace("@", "\0", 1))
            out.send(state.encode())
