"""Events as lines: for people, or JSON for programs."""

import json
import queue
import sys
import threading
from typing import Any, TextIO

from ._terminal import clean, has_colour, paint

__all__ = ["Lines", "render"]

BACKLOG = 10000

SIGNS = {
    "ready": ("*", "strong"),
    "join": ("+", "good"),
    "refuted": ("+", "good"),
    "leave": ("-", "quiet"),
    "fail": ("x", "bad"),
    "suspect": ("?", "warn"),
    "update": ("~", "news"),
    "conflict": ("!", "bad"),
    "isolated": ("!", "bad"),
    "healed": ("*", "good"),
    "migrated": ("~", "news"),
    "message": (">", "news"),
    "log": (".", "quiet"),
}


def render(event: dict[str, Any], colour: bool) -> str:
    """One line for people."""
    kind = event["event"]
    sign, style = SIGNS.get(kind, ("*", "plain"))
    where = f"pool {event['pool']}" if "pool" in event else ""
    # The time of day here; events carry UTC.
    text = f"{_clock(event['time'])} {sign} {kind:<12} {where:<8} {clean(_facts(event))}".rstrip()
    return paint(text, style, colour)


def _clock(time: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(time).astimezone().strftime("%H:%M:%S")


def _facts(event: dict[str, Any]) -> str:
    match event["event"]:
        case "join" | "refuted" | "leave" | "fail" | "suspect" | "update":
            return f"{event['name']}  {event['endpoint']}  {event['meta']}".rstrip()
        case "conflict":
            return f"{event['name']} at {event['endpoint']} is also claimed by {event['other']}, which was refused"
        case "isolated":
            return "no other member is reached any more; trying on; see: gossip doctor ADDRESS"
        case "healed":
            return f"{event['returned']} members are back, {event['missing']} are still missing"
        case "migrated":
            return f"{event['kind']}: {event['step']}, as {event['by']} asked; write it to the configuration"
        case "message":
            more = "…" if event["size"] > 256 else ""
            return f"{event['size']} bytes from {event['source']}  {event['text']}{more}"
        case "log":
            return f"{event['level']}: {event['text']}"
    return "  ".join(f"{key} {value}" for key, value in event.items() if key not in ("time", "event", "pool"))


class Lines:
    """Writes events on a thread of its own: output that nobody reads stalls nothing else."""

    def __init__(self, as_json: bool, stream: TextIO | None = None) -> None:
        self._json = as_json
        self._stream = stream or sys.stdout
        self._colour = has_colour(self._stream)
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(BACKLOG)
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="gossip-lines", daemon=True)
        self._thread.start()

    def put(self, event: dict[str, Any]) -> None:
        """Writes an event when its turn comes; drops it, and counts, when too many wait."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def close(self, timeout: float = 1.0) -> None:
        """Writes what waits, for a moment."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        dropped = 0
        while (event := self._queue.get()) is not None:
            lines = [self._line(event)]
            if self.dropped > dropped:
                lost, dropped = self.dropped - dropped, self.dropped
                text = f"{lost} lines dropped: the output is not read fast enough"
                lines.append(self._line({"time": event["time"], "event": "log", "level": "warning", "text": text}))
            try:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                # Nobody reads any more. The node is not there for its output.
                pass

    def _line(self, event: dict[str, Any]) -> str:
        if self._json:
            return json.dumps(event, separators=(",", ":"))
        return render(event, self._colour).encode(self._stream.encoding or "utf-8", "backslashreplace").decode(
            self._stream.encoding or "utf-8"
        )
