"""The commands that talk to a running agent."""

import argparse
import base64
import json
import os
import re
import sys
from typing import Any

from ._client import Agent, find
from ._keys import parse_keys, read_keys
from ._status import DONE, FAILED, USAGE, Failure
from ._terminal import STATES, clean, has_colour, rich_console, rich_table, spinner, table

__all__ = [
    "broadcast", "explain", "generate", "join", "keys", "leave", "lines_of", "members", "meta", "metrics", "ping", "send",
]  # fmt: skip

HEAD = ("pool", "name", "address", "state", "rtt", "meta")
MESSAGE_LIMIT = 48 << 10


def members(arguments: argparse.Namespace) -> int:
    """`gossip members`"""
    rows = select(_agent(arguments).members(), arguments)
    if arguments.json:
        for row in rows:
            print(json.dumps(row, separators=(",", ":")))
    else:
        show(rows)
    return DONE if rows else FAILED


def select(snapshot: dict[str, Any], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The members of a snapshot that are asked for, each with its pool's id."""
    if arguments.pool is not None and arguments.pool not in [pool["id"] for pool in snapshot["pools"]]:
        ids = ", ".join(str(pool["id"]) for pool in snapshot["pools"])
        raise Failure(f"the agent has no pool {arguments.pool}; it has {ids}")
    states = arguments.state.split(",") if arguments.state else ["alive", "suspect"]
    for state in states:
        if state not in (*STATES, "all"):
            raise Failure(f"--state is {state!r}, must be some of {', '.join(STATES)}, or all", USAGE)
    try:
        pattern = re.compile(arguments.name or "")
    except re.error as error:
        raise Failure(f"--name is {arguments.name!r}, no regular expression: {error}", USAGE) from None
    return [
        {"pool": pool["id"], **member}
        for pool in snapshot["pools"]
        if arguments.pool in (None, pool["id"])
        for member in [*pool["members"], *pool["gone"]]
        if ("all" in states or member["state"] in states) and pattern.search(member["name"])
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """A table of members on standard output."""
    cells = [cells_of(row) for row in rows]
    styles = [STATES.get(row["state"]) for row in rows]
    if console := rich_console(sys.stdout):
        console.print(rich_table("", HEAD, cells, styles))
    else:
        _print(table(HEAD, cells, styles, has_colour(sys.stdout)))


def cells_of(row: dict[str, Any]) -> list[str]:
    """A member's row."""
    rtt = row.get("rtt_ms")
    shown = "" if rtt is None else f"{rtt:.2f} ms"
    return [str(row["pool"]), row["name"], row["endpoint"], row["state"], shown, row["meta"]]


def send(arguments: argparse.Namespace) -> int:
    """`gossip send`"""
    data = _message(arguments)
    agent = _agent(arguments)
    answer = agent.command(
        "send", pool=arguments.pool, to=arguments.to, data=_base64(data), reliable=arguments.reliable
    )
    return _done(arguments, answer, f"sent {answer['bytes']} bytes to {clean(answer['to'])} in pool {answer['pool']}")


def broadcast(arguments: argparse.Namespace) -> int:
    """`gossip broadcast`"""
    data = _message(arguments)
    answer = _agent(arguments).command("broadcast", pool=arguments.pool, data=_base64(data))
    text = f"gave {answer['bytes']} bytes to the gossip of pool {answer['pool']}, which has {answer['members']} members"
    return _done(arguments, answer, text)


def ping(arguments: argparse.Namespace) -> int:
    """`gossip ping`"""
    answer = _agent(arguments).command("ping", pool=arguments.pool, to=arguments.to)
    return _done(arguments, answer, f"{clean(answer['to'])} answered in {answer['rtt_ms']:.2f} ms")


def explain(arguments: argparse.Namespace) -> int:
    """`gossip explain`"""
    answer = _agent(arguments).command("explain", pool=arguments.pool, to=arguments.to)
    return _done(arguments, answer, lines_of(answer["text"]))


def lines_of(text: str) -> str:
    """Several lines, each cleaned."""
    return "\n".join(map(clean, text.split("\n")))


def join(arguments: argparse.Namespace) -> int:
    """`gossip join`"""
    with spinner("joining"):
        answer = _agent(arguments).command("join", pool=arguments.pool, seeds=arguments.seeds)
    failed = "".join(f"; not {clean(seed)}: {clean(why)}" for seed, why in answer["failed"].items())
    return _done(arguments, answer, f"joined through {', '.join(answer['joined'])}{failed}")


def meta(arguments: argparse.Namespace) -> int:
    """`gossip meta`"""
    answer = _agent(arguments).command("meta", pool=arguments.pool, data=_base64(arguments.meta.encode()))
    return _done(arguments, answer, f"announced {answer['bytes']} bytes in pool {answer['pool']}")


def leave(arguments: argparse.Namespace) -> int:
    """`gossip leave`"""
    agent = _agent(arguments)
    return _done(arguments, agent.command("leave"), f"the agent at {agent.where} leaves")


def metrics(arguments: argparse.Namespace) -> int:
    """`gossip metrics`"""
    sys.stdout.write(_agent(arguments).get("/metrics").decode())
    return DONE


def keys(arguments: argparse.Namespace) -> int:
    """`gossip keys list`, `install`, `use`, `remove`"""
    agent = _agent(arguments)
    fields: dict[str, Any] = {"action": arguments.action}
    if arguments.action == "install":
        if not agent.is_here:
            raise Failure(f"a key would go to {agent.where} in the clear; run this on that machine", USAGE)
        given = sys.stdin.read(65536).split() if arguments.file == "-" else None
        found = read_keys(arguments.file) if given is None else parse_keys(given, "standard input")
        if len(found) != 1:
            raise Failure(f"{arguments.file} holds {len(found)} keys; install one at a time", USAGE)
        fields["key"] = _base64(found[0])
    elif arguments.action in ("use", "remove"):
        fields["fingerprint"] = arguments.fingerprint
    answer = agent.command("keys", pool=arguments.pool, **fields)
    if arguments.json:
        print(json.dumps(answer, separators=(",", ":")))
    elif not answer["keys"]:
        print(f"pool {answer['pool']} has no keys: nothing is encrypted")
    else:
        cells = [[key["fingerprint"], str(key["bits"]), "primary" if key["primary"] else ""] for key in answer["keys"]]
        styles = ["good" if key["primary"] else None for key in answer["keys"]]
        _print(table(("fingerprint", "bits", "use"), cells, styles, has_colour(sys.stdout)))
    return DONE


def generate(arguments: argparse.Namespace) -> int:
    """`gossip keys generate`"""
    print(_base64(os.urandom(arguments.bits // 8)))
    return DONE


def _agent(arguments: argparse.Namespace) -> Agent:
    return find(arguments.agent, arguments.token_file)


def _message(arguments: argparse.Namespace) -> bytes:
    if arguments.message is None or arguments.message == "-":
        data = sys.stdin.buffer.read(MESSAGE_LIMIT + 1)
    else:
        data = arguments.message.encode("utf-8", "surrogateescape")
    if len(data) > MESSAGE_LIMIT:
        raise Failure(f"the message is longer than {MESSAGE_LIMIT} bytes; send where it is instead")
    return data


def _done(arguments: argparse.Namespace, answer: dict[str, Any], text: str) -> int:
    print(json.dumps(answer, separators=(",", ":")) if arguments.json else text)
    return DONE


def _print(lines: list[str]) -> None:
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    print("\n".join(lines))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
