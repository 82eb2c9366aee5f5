"""What an agent does when it is told to."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .._dashboard._http import HttpError
from .._dashboard._view import describe, endpoint
from .._diagnosis import Diagnosis, Explanation
from .._node import Gossip
from .._pool import Pool
from ._keys import fingerprint

__all__ = ["DOCTOR_LONGEST", "DOCTOR_TIMEOUT", "Commands", "diagnosed", "explained"]

TIMEOUT = 10.0
DOCTOR_TIMEOUT = 5.0
DOCTOR_LONGEST = 15.0
"""Shorter than commands wait for an answer."""
PREFIX = 4


class Commands:
    """The commands of a running agent; each takes the fields of a JSON object and returns one."""

    def __init__(self, node: Gossip, stop: Callable[[], None]) -> None:
        self._node = node
        self._stop = stop
        self._known = {
            "send": self._send,
            "broadcast": self._broadcast,
            "ping": self._ping,
            "explain": self._explain,
            "doctor": self._doctor,
            "join": self._join,
            "meta": self._meta,
            "keys": self._keys,
        }

    async def __call__(self, command: str, body: dict[str, Any]) -> Any:
        """Does a command on a thread, as it may wait."""
        if command == "leave":
            self._stop()
            return {"leaving": True}
        if command not in self._known:
            raise HttpError(404, f"there is no command {command!r}; these are: {', '.join(self._known)}, leave")
        return await asyncio.to_thread(self._known[command], self._pool(body), body)

    def _pool(self, body: dict[str, Any]) -> Pool:
        pools = self._node.pools
        id = body.get("pool")
        if id is None and len(pools) == 1:
            return next(iter(pools.values()))
        if isinstance(id, int) and not isinstance(id, bool) and id in pools:
            return pools[id]
        ids = ", ".join(map(str, pools))
        raise ValueError(f"pool is {id}, must be one of {ids}" if id is not None else f"say which pool: {ids}")

    def _send(self, pool: Pool, body: dict[str, Any]) -> Any:
        data = _data(body)
        member, reliable = pool.member(_text(body, "to")), body.get("reliable") is True
        delivery = pool.send(member, data, reliable=reliable, timeout=TIMEOUT)
        told = {"delivery": delivery.value} if delivery else {}
        return {"pool": pool.id, "to": body["to"], "bytes": len(data), **told}

    def _broadcast(self, pool: Pool, body: dict[str, Any]) -> Any:
        data = _data(body)
        pool.broadcast(data, timeout=TIMEOUT)
        return {"pool": pool.id, "bytes": len(data), "members": len(pool)}

    def _ping(self, pool: Pool, body: dict[str, Any]) -> Any:
        name = _text(body, "to")
        try:
            rtt = pool.ping(pool.member(name), timeout=pool.config.probe_timeout)
        except TimeoutError:
            raise TimeoutError(f"{name} did not answer within {pool.config.probe_timeout:g} s") from None
        return {"pool": pool.id, "to": name, "rtt_ms": round(rtt * 1000, 3)}

    def _explain(self, pool: Pool, body: dict[str, Any]) -> Any:
        return explained(pool, pool.explain(_text(body, "to")))

    def _doctor(self, pool: Pool, body: dict[str, Any]) -> Any:
        timeout = body.get("timeout", DOCTOR_TIMEOUT)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= DOCTOR_LONGEST:
            raise ValueError(f"timeout is {timeout!r}, must be more than 0 and at most {DOCTOR_LONGEST:g} seconds")
        return diagnosed(pool, pool.doctor(_text(body, "to"), timeout=timeout))

    def _join(self, pool: Pool, body: dict[str, Any]) -> Any:
        seeds = body.get("seeds")
        if not isinstance(seeds, list) or not seeds or not all(isinstance(seed, str) for seed in seeds):
            raise ValueError("seeds must be a list of addresses")
        result = pool.join(seeds, timeout=TIMEOUT)
        return {"pool": pool.id, "joined": [f"{h}:{p}" for h, p in result.joined], "failed": dict(result.failed)}

    def _meta(self, pool: Pool, body: dict[str, Any]) -> Any:
        data = _data(body)
        pool.update_node(data, timeout=TIMEOUT)
        return {"pool": pool.id, "bytes": len(data)}

    def _keys(self, pool: Pool, body: dict[str, Any]) -> Any:
        match action := body.get("action", "list"):
            case "list":
                pass
            case "install":
                pool.keyring.add(_data(body, "key"))
            case "use":
                pool.keyring.use(self._key(pool, body))
            case "remove":
                pool.keyring.remove(self._key(pool, body))
            case _:
                raise ValueError(f"action is {action!r}, must be list, install, use or remove")
        keys = [
            {"fingerprint": fingerprint(key), "bits": len(key) * 8, "primary": number == 0}
            for number, key in enumerate(pool.keyring.keys())
        ]
        return {"pool": pool.id, "keys": keys}

    def _key(self, pool: Pool, body: dict[str, Any]) -> bytes:
        wanted = _text(body, "fingerprint").lower()
        if len(wanted) < PREFIX:
            raise ValueError(f"fingerprint is {wanted!r}, must have {PREFIX} characters or more")
        found = [key for key in pool.keyring.keys() if fingerprint(key).startswith(wanted)]
        if len(found) != 1:
            many = "no key" if not found else f"{len(found)} keys"
            raise ValueError(f"{many} of pool {pool.id} begin with fingerprint {wanted!r}; see: gossip keys list")
        return found[0]


def explained(pool: Pool, why: Explanation) -> dict[str, Any]:
    """An explanation as an object of JSON."""
    return {"pool": pool.id, **asdict(why), "member": describe(why.member)}


def diagnosed(pool: Pool, found: Diagnosis) -> dict[str, Any]:
    """A diagnosis as an object of JSON."""
    return {
        "pool": pool.id,
        **asdict(found),
        "healthy": found.is_healthy,
        "address": endpoint(found.address),
        "member": None if found.member is None else describe(found.member),
        "findings": {finding: finding.meaning for finding in found.findings},
    }


def _text(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} is {value!r}, must be text")
    return value


def _data(body: dict[str, Any], field: str = "data") -> bytes:
    # Not shown in errors: it may be a key.
    value = body.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field} must be base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{field} is not base64") from None
