"""What an agent is told: by its command line, else the environment, else its file, else by default."""

import argparse
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._config import CONFIG_KEYS, POOL_KEYS, Config, Key, PoolConfig
from ..errors import GossipError
from ._keys import parse_keys, read_keys, read_secret
from ._status import USAGE, Failure

__all__ = ["ACCESS", "ENVIRONMENT", "Settings", "load", "one_pool"]

ACCESS = ("local", "token", "open", "off")
"""Who may read over HTTP on the gossip port."""

ENVIRONMENT = {
    "GOSSIP_CONFIG": "the configuration file",
    "GOSSIP_NAME": "the node's name",
    "GOSSIP_BIND": "where it listens",
    "GOSSIP_ADVERTISE": "the address told to others",
    "GOSSIP_SEEDS": "seeds of all pools, separated by commas",
    "GOSSIP_META": "metadata in all pools",
    "GOSSIP_KEY": "keys of all pools in base64, separated by commas, the primary one first",
    "GOSSIP_KEY_FILE": "a file with them",
    "GOSSIP_HTTP": "who may read over HTTP on the gossip port",
    "GOSSIP_TOKEN": "the token of those who may do more",
    "GOSSIP_TOKEN_FILE": "a file with it",
    "GOSSIP_CONTROL": "the control socket",
    "GOSSIP_LOG_LEVEL": "how much of the log is shown",
}

PRESETS = {"lan": PoolConfig.lan, "wan": PoolConfig.wan, "local": PoolConfig.local}
NODE_KEYS = {key.name: key for key in CONFIG_KEYS} | {
    "leave_timeout": Key("leave_timeout", "duration", "", "", "5000")
}
KEYS_OF_POOLS = {key.name: key for key in POOL_KEYS}
MORE_OF_POOLS = ("id", "preset", "seeds", "key_file")
AGENT_KEYS = ("http", "token_file", "control", "json", "log_level")
KEYS_IN = ("GOSSIP_KEY", "GOSSIP_KEY_FILE")
UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
LOG_LEVELS = ("error", "warning", "info", "debug")
TOKEN_LENGTH = 16


@dataclass(frozen=True)
class Settings:
    """Everything that an agent is told."""

    config: Config
    pools: tuple[PoolConfig, ...]
    http: str = "local"
    token: str | None = None
    control: str | None = None
    json: bool = False
    log_level: str = "warning"


def load(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Puts the sources together; `Failure` names what cannot work, and where it stands."""
    path = arguments.config or environ.get("GOSSIP_CONFIG")
    table = read_file(path) if path else {}
    node = _values(table.get("node", {}), NODE_KEYS, (), f"[node] of {path}")
    pools = _file_pools(table.get("pool", []), path)
    agent = _agent(table.get("agent", {}), path)

    _flags_of_node(node, arguments, environ)
    for text in arguments.pool:
        values = _pool_flag(text)
        pools[values["id"]] = {**pools.get(values["id"], {}), **values}
    _common(pools, arguments, environ)
    for name in ("http", "token_file", "control", "log_level"):
        if value := getattr(arguments, name) or environ.get(f"GOSSIP_{name.upper()}"):
            agent[name] = value
    agent["json"] = arguments.json or agent.get("json", False)
    return _checked(node, pools or _common({1: {"id": 1}}, arguments, environ), agent, environ)


def one_pool(text: str, key_file: str | None, environ: Mapping[str, str]) -> PoolConfig:
    """A pool as of `--pool`, with keys from where an agent has them, that joins nobody."""
    values = _pool_flag(text)
    given = argparse.Namespace(key_file=key_file, seed=[], meta=None)
    _common({values["id"]: values}, given, {key: environ[key] for key in KEYS_IN if key in environ})
    return _pool(values).replace(seeds=())


def read_file(path: str) -> dict[str, Any]:
    """The tables of a configuration file."""
    try:
        table = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise Failure(f"configuration file {path} cannot be read: {(error.strerror or '').lower()}", USAGE) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"configuration file {path} is not TOML: {error}", USAGE) from None
    for name in table:
        if name not in ("node", "pool", "agent"):
            raise _unknown(name, ("node", "pool", "agent"), f"configuration file {path}")
    return table


def _file_pools(tables: Any, path: str | None) -> dict[int, dict[str, Any]]:
    if not isinstance(tables, list):
        raise Failure(f"pool of {path} is one table; write [[pool]], once for each", USAGE)
    pools: dict[int, dict[str, Any]] = {}
    for number, table in enumerate(tables, 1):
        where = f"[[pool]] {number} of {path}"
        if "keys" in table or "key" in table:
            raise Failure(f"{where} holds keys; put them in a file of their own and name it: key_file", USAGE)
        values = _values(table, KEYS_OF_POOLS, MORE_OF_POOLS, where)
        id = values.get("id")
        if not isinstance(id, int) or isinstance(id, bool):
            raise Failure(f"{where} needs an id from 0 to 255", USAGE)
        if id in pools:
            raise Failure(f"{where} has id {id}, which another has", USAGE)
        pools[id] = values
    return pools


def _values(table: Any, keys: Mapping[str, Key], more: Iterable[str], where: str) -> dict[str, Any]:
    """Values of a TOML table as the configuration classes take them."""
    if not isinstance(table, dict):
        raise Failure(f"{where} is {type(table).__name__}, must be a table", USAGE)
    values = {}
    for name, value in table.items():
        if name in more:
            pass
        elif name in keys:
            value = _text(keys[name], value, where) if isinstance(value, str) else value
        else:
            raise _unknown(name, [*keys, *more], where)
        values[name] = value
    return values


def _text(key: Key, text: str, where: str) -> Any:
    """The value of a key from text, as flags and the environment give it."""
    match key.kind:
        case "flag" if text in ("true", "false"):
            return text == "true"
        case "count" if text.isascii() and text.isdigit():
            return int(text)
        case "duration":
            number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
            try:
                return float(number) * UNITS[text[len(number) :].strip() or "s"]
            except (ValueError, KeyError):
                pass
        case "text":
            return text
        case "list":
            return text.split(",") if text else []
    wanted = {"flag": "true or false", "count": "a number", "duration": "seconds, or such as 200ms, 5s, 2min"}
    raise Failure(f"{key.name} of {where} is {text!r}, must be {wanted[key.kind]}", USAGE)


def _unknown(name: str, known: Iterable[str], where: str) -> Failure:
    near = difflib.get_close_matches(name, list(known), 1)
    return Failure(f"{where} has no key {name!r}" + (f"; {near[0]!r} is one" if near else ""), USAGE)


def _agent(table: Any, path: str | None) -> dict[str, Any]:
    agent = _values(table, {}, AGENT_KEYS, f"[agent] of {path}")
    for name, value in agent.items():
        wanted = bool if name == "json" else str
        if not isinstance(value, wanted):
            raise Failure(f"{name} in [agent] of {path} is {value!r}, must be {wanted.__name__}", USAGE)
    return agent


def _flags_of_node(node: dict[str, Any], arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    if name := arguments.name or environ.get("GOSSIP_NAME"):
        node["name"] = name
    if bind := arguments.bind or environ.get("GOSSIP_BIND"):
        host, port = _host_port(bind, "--bind")
        node["bind_addr"] = host.split(",") if host else ["0.0.0.0"]
        node["bind_port"] = 7946 if port is None else port
    if advertise := arguments.advertise or environ.get("GOSSIP_ADVERTISE"):
        node["advertise_addr"], port = _host_port(advertise, "--advertise")
        node["advertise_port"] = port or 0
    for text in arguments.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise Failure(f"--set is {text!r}, must be KEY=VALUE", USAGE)
        if key not in NODE_KEYS:
            raise _unknown(key, NODE_KEYS, "--set")
        node[key] = _text(NODE_KEYS[key], value, "--set")


def _host_port(text: str, what: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):
        return text.removeprefix("[").removesuffix("]"), None
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise Failure(f"{what} is {text!r}, must be ADDRESS, :PORT or ADDRESS:PORT with a port from 0 to 65535", USAGE)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _pool_flag(text: str) -> dict[str, Any]:
    """`ID,KEY=VALUE,...`; a key of lists, and `seed`, may come several times."""
    id, *parts = text.split(",")
    if not (id.isascii() and id.isdigit()):
        raise Failure(f"--pool is {text!r}, must begin with an id from 0 to 255", USAGE)
    values: dict[str, Any] = {"id": int(id)}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise Failure(f"--pool {text!r} has {part!r}, must be KEY=VALUE", USAGE)
        if name == "seed":
            values.setdefault("seeds", []).append(value)
        elif name in ("preset", "key_file"):
            values[name] = value
        elif name not in KEYS_OF_POOLS:
            raise _unknown(name, [*KEYS_OF_POOLS, "seed", "preset", "key_file"], f"--pool {text!r}")
        elif KEYS_OF_POOLS[name].kind == "list":
            values.setdefault(name, []).append(value)
        else:
            values[name] = _text(KEYS_OF_POOLS[name], value, f"--pool {text!r}")
    return values


def _common(
    pools: dict[int, dict[str, Any]], arguments: argparse.Namespace, environ: Mapping[str, str]
) -> dict[int, dict[str, Any]]:
    """What is said of all pools."""
    from_environment = [seed.strip() for seed in environ.get("GOSSIP_SEEDS", "").split(",") if seed.strip()]
    if arguments.key_file:
        keys: dict[str, Any] = {"key_file": arguments.key_file}
    elif environ.get("GOSSIP_KEY") and environ.get("GOSSIP_KEY_FILE"):
        raise Failure("GOSSIP_KEY and GOSSIP_KEY_FILE are both set; unset one of them", USAGE)
    elif text := environ.get("GOSSIP_KEY"):
        keys = {"keys": parse_keys([part.strip() for part in text.split(",")], "GOSSIP_KEY")}
    else:
        keys = {"key_file": file} if (file := environ.get("GOSSIP_KEY_FILE")) else {}
    for values in pools.values():
        values.update(keys)
        if seeds := arguments.seed or from_environment:
            values["seeds"] = seeds
        if meta := arguments.meta or environ.get("GOSSIP_META"):
            values["meta"] = meta
    return pools


def _checked(
    node: dict[str, Any], pools: Mapping[int, dict[str, Any]], agent: dict[str, Any], environ: Mapping[str, str]
) -> Settings:
    if (http := agent.get("http", "local")) not in ACCESS:
        raise Failure(f"http is {http!r}, must be one of {', '.join(ACCESS)}", USAGE)
    if (level := agent.get("log_level", "warning")) not in LOG_LEVELS:
        raise Failure(f"log_level is {level!r}, must be one of {', '.join(LOG_LEVELS)}", USAGE)
    token = None
    if path := agent.get("token_file"):
        token = read_secret(path, "token file").strip()
    elif text := environ.get("GOSSIP_TOKEN"):
        token = text.strip()
    if token is not None and (len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        raise Failure(
            f"the token has {len(token)} characters, must be {TOKEN_LENGTH} or more of ASCII; "
            "make one with: gossip keys generate",
            USAGE,
        )
    if http == "token" and token is None:
        raise Failure("http is token, but there is none; name a file with one: --token-file", USAGE)
    try:
        config = Config(**node)
        made = tuple(_pool(values) for _, values in sorted(pools.items()))
    except (GossipError, TypeError, ValueError) as error:
        raise Failure(str(error), USAGE) from None
    return Settings(config, made, http, token, agent.get("control"), agent["json"], level)


def _pool(values: dict[str, Any]) -> PoolConfig:
    values = dict(values)
    id, preset, seeds = values.pop("id"), values.pop("preset", "lan"), values.get("seeds", [])
    if preset not in PRESETS:
        raise Failure(f"preset of pool {id} is {preset!r}, must be one of {', '.join(PRESETS)}", USAGE)
    if not isinstance(seeds, list) or not all(isinstance(seed, str) and seed for seed in seeds):
        raise Failure(f"seeds of pool {id} are {seeds!r}, must be a list such as ['10.0.0.1:7946']", USAGE)
    if (path := values.pop("key_file", None)) and "keys" not in values:
        values["keys"] = read_keys(path)
    if isinstance(meta := values.get("meta"), str):
        values["meta"] = meta.encode()
    try:
        return PRESETS[preset](id, **values)
    except (GossipError, TypeError, ValueError) as error:
        raise Failure(f"pool {id}: {error}", USAGE) from None
