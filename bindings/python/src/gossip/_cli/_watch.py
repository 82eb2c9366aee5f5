"""`gossip watch`: a live table on a terminal, lines of events in a pipe."""

import argparse
import json
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from ._client import Agent, find
from ._commands import HEAD, cells_of
from ._lines import render
from ._status import DONE
from ._terminal import STATES, clean, rich_console, rich_table, table

__all__ = ["run"]

EVENTS = 8
QUIET = ("ping", "numbers", "snapshot")


def run(arguments: argparse.Namespace) -> int:
    """Follows the agent until it ends, which is a failure, or Ctrl-C."""
    agent = find(arguments.agent, arguments.token_file)
    if sys.stdout.isatty() and not arguments.json:
        _watch(_follow(agent), arguments.pool)
    for event in _follow(agent):
        if arguments.json and (arguments.all or event["event"] not in QUIET):
            print(json.dumps(event, separators=(",", ":")), flush=True)
        elif event["event"] not in QUIET:
            print(render(event, False), flush=True)
    return DONE


def _follow(agent: Agent) -> Iterator[dict[str, Any]]:
    """The events, also after the agent has cut off who was too slow; `Failure` when it has ended."""
    while True:
        yield from agent.events()
        time.sleep(0.2)


class State:
    """What is shown: a snapshot, kept up to date."""

    def __init__(self, pool: int | None) -> None:
        self._pool = pool
        self.title = ""
        self.members: dict[tuple[int, str], dict[str, Any]] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS)

    def take(self, event: dict[str, Any]) -> None:
        """Brings what is shown up to date."""
        kind, pool = event["event"], event.get("pool")
        if kind == "snapshot":
            self._take_snapshot(event)
        elif kind == "ping":
            if member := self.members.get((event["pool"], event["name"])):
                member["rtt_ms"] = event["smooth_ms"]
        elif kind != "numbers" and (pool is None or self._pool in (None, pool)):
            self.events.append(event)
            if kind in ("join", "update", "suspect", "refuted", "leave", "fail"):
                self.members[event["pool"], event["name"]] = event

    def _take_snapshot(self, snapshot: dict[str, Any]) -> None:
        node = snapshot["node"]
        self.title = f"{node['name']} at {', '.join(node['addresses'])}"
        self.members = {
            (pool["id"], member["name"]): {**member, "pool": pool["id"]}
            for pool in snapshot["pools"]
            if self._pool in (None, pool["id"])
            for member in [*pool["gone"], *pool["members"]]
        }
        self.events = deque(snapshot["events"], maxlen=EVENTS)

    def rows(self) -> list[dict[str, Any]]:
        """The members in order."""
        return [self.members[key] for key in sorted(self.members)]


def _watch(events: Iterator[dict[str, Any]], pool: int | None) -> None:
    state = State(pool)
    console = rich_console(sys.stdout)
    if console is None:
        for event in events:
            state.take(event)
            _draw(state)
        return
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, screen=True, refresh_per_second=4) as live:
        for event in events:
            state.take(event)
            rows = state.rows()
            styles = [STATES.get(row["state"]) for row in rows]
            drawn = rich_table(state.title, HEAD, [cells_of(row) for row in rows], styles)
            live.update(Group(drawn, *(Text(render(event, False)) for event in state.events)))


def _draw(state: State) -> None:
    """The same without rich: the whole screen anew."""
    size = shutil.get_terminal_size()
    rows = state.rows()
    lines = [clean(state.title), ""]
    lines += table(HEAD, [cells_of(row) for row in rows], [STATES.get(row["state"]) for row in rows], False)
    lines += ["", *(render(event, False) for event in state.events)]
    shown = "\n".join(line[: size.columns - 1] for line in lines[: size.lines - 1])
    sys.stdout.write(f"\x1b[2J\x1b[H{shown}\n")
    sys.stdout.flush()
