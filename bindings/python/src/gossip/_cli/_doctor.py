"""`gossip doctor`: what is wrong with the way to a node."""

import argparse
import json
import os
import socket
from typing import Any

from .._address import split
from .._config import Config
from .._dashboard._view import endpoint
from .._node import Gossip
from ..errors import GossipError
from ._client import find
from ._commands import lines_of
from ._control import DOCTOR_LONGEST, DOCTOR_TIMEOUT, diagnosed
from ._settings import one_pool
from ._status import DONE, FAILED, USAGE, Failure
from ._terminal import spinner

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Examines, and ends with 0 if nothing is wrong."""
    timeout = DOCTOR_TIMEOUT if arguments.timeout is None else arguments.timeout
    if not 0 < timeout <= DOCTOR_LONGEST:
        raise Failure(f"--timeout is {timeout:g}, must be more than 0 and at most {DOCTOR_LONGEST:g} seconds", USAGE)
    with spinner("examining"):
        if arguments.alone is None:
            answer = _by_agent(arguments, timeout)
        else:
            answer = _alone(arguments, timeout)
    print(json.dumps(answer, separators=(",", ":")) if arguments.json else lines_of(answer["text"]))
    return DONE if answer["healthy"] else FAILED


def _by_agent(arguments: argparse.Namespace, timeout: float) -> dict[str, Any]:
    if arguments.key_file:
        raise Failure("--key-file is for a node of its own: give it a pool with --as", USAGE)
    agent = find(arguments.agent, arguments.token_file)
    return agent.command("doctor", pool=arguments.pool, to=arguments.to, timeout=timeout)


def _alone(arguments: argparse.Namespace, timeout: float) -> dict[str, Any]:
    """By a node that joins nobody, and ends."""
    if arguments.agent or arguments.pool is not None:
        raise Failure("--agent and --pool are for an agent that runs; leave them out, or --as", USAGE)
    pool_config = one_pool(arguments.alone, arguments.key_file, os.environ)
    name, slash, where = arguments.to.rpartition("/")
    try:
        # Its own port, which stands for one that is not given, means nothing.
        host, port = split(where)
    except ValueError as error:
        raise Failure(str(error), USAGE) from None
    try:
        with Gossip(Config(name="doctor", bind_addr=_near_end(host, port), bind_port=0)) as node:
            pool = node.register_pool(pool_config)
            return diagnosed(pool, pool.doctor(f"{name}{slash}{endpoint((host, port))}", timeout=timeout))
    except OSError as error:
        raise Failure(f"{host}: {(error.strerror or str(error)).lower()}", FAILED) from None
    except (GossipError, ValueError) as error:
        raise Failure(str(error), FAILED) from None


def _near_end(host: str, port: int) -> str:
    """The address of this host from which the way there begins: the other answers to it."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        # Sends nothing.
        probe.connect(address)
        return str(probe.getsockname()[0])
