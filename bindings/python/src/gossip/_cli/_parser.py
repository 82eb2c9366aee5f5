"""The command line."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from . import _commands
from ._settings import ACCESS, ENVIRONMENT, LOG_LEVELS

__all__ = ["parse"]

STATUSES = """\
exit statuses:
  0    done; the agent left in good order
  1    what was asked for could not be done; doctor: something is wrong
  2    the command line, a file or the environment says what cannot work
  3    no agent answered, or it ended
  4    the agent does not allow it
  130  Ctrl-C
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and room for the names of options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32)


class Parser(argparse.ArgumentParser):
    """Errors in the form of all others."""

    def error(self, message: str) -> NoReturn:
        """One line, and where to read more."""
        self.exit(2, f"gossip: {message}; see {self.prog} --help\n")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of a command, and in `run` the function for it."""
    parser = Parser(
        prog="gossip",
        description="Run a gossip node, and look after the one that runs.",
        epilog=STATUSES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gossip {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    _add_agent(commands)
    _add_members(commands)
    _add_messages(commands)
    _add_doctor(commands)
    _add_keys(commands)
    _add_demo(commands)
    return parser.parse_args(sys.argv[1:] if argv is None else argv)


def _command(commands: Any, name: str, run: Any, help: str, more: str = "", epilog: str = STATUSES) -> Any:
    made = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.\n{more}".strip(),
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    made.set_defaults(run=run)
    return made


def _lazily(module: str) -> Any:
    """The function `run` of a module that few commands need."""

    def run(arguments: argparse.Namespace) -> int:
        from importlib import import_module

        status: int = import_module(f"{__package__}.{module}").run(arguments)
        return status

    return run


def _add_agent(commands: Any) -> None:
    width = max(map(len, ENVIRONMENT)) + 2
    environment = "".join(f"  {name:<{width}}{about}\n" for name, about in ENVIRONMENT.items())
    agent = _command(
        commands,
        "agent",
        _lazily("_agent"),
        "run a node until a signal ends it",
        "Options go before the environment, and that before the configuration file.\n"
        "SIGTERM and SIGINT leave politely, a second one ends at once;\n"
        "SIGHUP reads keys and metadata again, and joins by new seeds.",
        f"environment:\n{environment}\n{STATUSES}",
    )
    node = agent.add_argument_group("the node")
    node.add_argument("--config", metavar="FILE", help="a TOML file; examples/agent.toml shows everything")
    node.add_argument("--name", metavar="NAME", help="its name, unique in each pool (the host's name)")
    node.add_argument("--bind", metavar="ADDR:PORT", help="where it listens, TCP and UDP (0.0.0.0:7946)")
    node.add_argument("--advertise", metavar="ADDR:PORT", help="what others are told, behind NAT")
    node.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="any other key of docs/configuration.md"
    )
    pools = agent.add_argument_group("pools")
    pools.add_argument(
        "--pool",
        metavar="ID[,KEY=VALUE...]",
        action="append",
        default=[],
        help="a pool; keys: preset (lan, wan, local), seed, key_file, and those of docs/configuration.md (1)",
    )
    pools.add_argument(
        "--seed", metavar="ADDR", action="append", default=[], help="joined whenever it is no member, in all pools"
    )
    pools.add_argument("--meta", metavar="TEXT", help="its metadata in all pools, at most 512 bytes")
    pools.add_argument("--key-file", metavar="FILE", help="keys in base64, one a line, the primary one first")
    shown = agent.add_argument_group("what it shows")
    shown.add_argument(
        "--http", choices=ACCESS, help="who may read the dashboard on the gossip port (local: this machine)"
    )
    shown.add_argument("--token-file", metavar="FILE", help="a token that lets others read, and command")
    shown.add_argument("--control", metavar="PATH", help="the control socket; off for none (in the run folder)")
    shown.add_argument("--json", action="store_true", help="events as JSON, one a line")
    shown.add_argument("--log-level", choices=LOG_LEVELS, help="how much of the log is among them (warning)")
    shown.add_argument("--check", action="store_true", help="say whether the configuration is right, and end")


def _add_members(commands: Any) -> None:
    members = _command(commands, "members", _commands.members, "list the members of a running agent's pools")
    _add_target(members)
    _add_json(members, "one object a line")
    members.add_argument("--state", metavar="STATES", help="alive, suspect, dead, left, or all (alive,suspect)")
    members.add_argument("--name", metavar="REGEX", help="those whose names match")
    watch = _command(
        commands, "watch", _lazily("_watch"), "show members and events live", "In a pipe, events as lines."
    )
    _add_target(watch)
    _add_json(watch, "events, one object a line")
    watch.add_argument("--all", action="store_true", help="with --json: also the snapshot, each ping and the numbers")
    metrics = _command(commands, "metrics", _commands.metrics, "print metrics as text for Prometheus")
    _add_target(metrics, pool=False)


def _add_messages(commands: Any) -> None:
    send = _command(commands, "send", _commands.send, "send a message to one member")
    send.add_argument("to", metavar="NAME", help="the member")
    _add_message(send)
    send.add_argument("--reliable", action="store_true", help="over TCP instead of in a datagram")
    broadcast = _command(commands, "broadcast", _commands.broadcast, "send a message to every member")
    _add_message(broadcast)
    ping = _command(commands, "ping", _commands.ping, "ping a member")
    ping.add_argument("to", metavar="NAME", help="the member")
    explain = _command(commands, "explain", _commands.explain, "say why a member is suspected or dead, or not")
    explain.add_argument("to", metavar="NAME", help="the member; the dead are remembered for a while")
    join = _command(commands, "join", _commands.join, "let the agent join others")
    join.add_argument("seeds", metavar="ADDR", nargs="+", help="members of the pool to join")
    meta = _command(commands, "meta", _commands.meta, "announce new metadata")
    meta.add_argument("meta", metavar="TEXT", help="at most 512 bytes")
    leave = _command(commands, "leave", _commands.leave, "let the agent leave and end")
    for command in (send, broadcast, ping, explain, join, meta, leave):
        _add_target(command, pool=command is not leave)
        _add_json(command)


def _add_doctor(commands: Any) -> None:
    doctor = _command(
        commands,
        "doctor",
        _lazily("_doctor"),
        "find out what is wrong with the way to a node",
        "From a running agent, or with --as from here, by a node that joins nobody and ends.\n"
        "The other may be any memberlist; nothing comes of it.",
    )
    doctor.add_argument("to", metavar="ADDR", help="the name of a member, or an address")
    doctor.add_argument("--timeout", type=float, metavar="SECONDS", help="at most so long, up to 15 (5)")
    _add_target(doctor)
    _add_json(doctor)
    alone = doctor.add_argument_group("without an agent")
    alone.add_argument(
        "--as", dest="alone", metavar="ID[,KEY=VALUE...]", help="as a node with this pool, as of gossip agent --pool"
    )
    alone.add_argument("--key-file", metavar="FILE", help="its keys in base64, one a line, the primary one first")


def _add_keys(commands: Any) -> None:
    keys = commands.add_parser(
        "keys",
        help="list and change keys of a running agent",
        description="To change a cluster's key: install the new one everywhere, use it everywhere,\n"
        "then remove the old one everywhere; and change the key files, for the next start.",
        epilog=STATUSES,
        formatter_class=_Formatter,
    )
    actions = keys.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=Parser)
    generate = _command(actions, "generate", _commands.generate, "print a new key, for a key file")
    generate.add_argument("--bits", type=int, choices=(128, 192, 256), default=256, help="its size (256)")
    listed = _command(actions, "list", _commands.keys, "list the keys by fingerprint")
    install = _command(actions, "install", _commands.keys, "take in a key, to decrypt with")
    install.add_argument("file", metavar="FILE", help="a file with the key in base64, - for standard input")
    use = _command(actions, "use", _commands.keys, "encrypt with a key that is installed")
    remove = _command(actions, "remove", _commands.keys, "drop a key; the primary one stays")
    for action, name in ((listed, "list"), (install, "install"), (use, "use"), (remove, "remove")):
        action.set_defaults(action=name)
        if name in ("use", "remove"):
            action.add_argument("fingerprint", metavar="FINGERPRINT", help="its beginning is enough")
        _add_target(action)
        _add_json(action)


def _add_demo(commands: Any) -> None:
    demo = _command(
        commands, "demo", _lazily("_demo"), "play with a cluster on this machine", "Nodes come, crash and leave."
    )
    demo.add_argument("--nodes", type=int, choices=range(2, 13), default=5, metavar="N", help="2 to 12 nodes (5)")
    demo.add_argument("--port", type=int, default=0, help="the port of the first, which has the dashboard (a free one)")
    demo.add_argument("--once", action="store_true", help="play once without pauses, and end")
    _add_json(demo, "events, one object a line")


def _add_target(command: Any, pool: bool = True) -> None:
    command.add_argument(
        "--agent",
        metavar="WHERE",
        help="ADDR:PORT, or the path of a control socket (GOSSIP_AGENT, else the one that runs here)",
    )
    command.add_argument("--token-file", metavar="FILE", help="the agent's token (GOSSIP_TOKEN_FILE, GOSSIP_TOKEN)")
    if pool:
        command.add_argument("--pool", type=int, metavar="ID", help="one pool; needed where there are several")


def _add_json(command: Any, help: str = "the result as one object") -> None:
    command.add_argument("--json", action="store_true", help=help)


def _add_message(command: Any) -> None:
    command.add_argument("message", metavar="TEXT", nargs="?", help="the message; standard input if none, or -")
