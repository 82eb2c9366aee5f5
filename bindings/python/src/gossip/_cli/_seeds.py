"""Standing seeds: a pool that asks to be let in until it is, and heals when it falls apart."""

import asyncio
import random
from collections.abc import Callable, Sequence

from .._address import split
from .._pool import Pool
from ..errors import ClosedError, GossipError, JoinError

__all__ = ["Seeds"]

FIRST_RETRY = 0.5
LAST_RETRY = 30.0
SETTLED = 60.0
"""Period in which one seed that is no member is asked, so that halves of a cluster find each other, and names that
now mean other addresses are looked up again."""
TIMEOUT = 10.0

Tell = Callable[..., None]


class Seeds:
    """The seeds of one pool. All waits are jittered, so that a cluster that starts at once does not ask at once."""

    def __init__(self, pool: Pool, seeds: Sequence[str], tell: Tell) -> None:
        self.seeds = list(seeds)
        self._pool = pool
        self._tell = tell
        self._failing = False

    async def run(self) -> None:
        """Goes on until it is cancelled, or the pool is closed."""
        retry = FIRST_RETRY
        while True:
            alone = len(self._pool) <= 1
            absent = self._absent()
            wait = SETTLED
            if absent:
                joined = await self._ask(absent if alone else [random.choice(absent)], alone)
                if alone and not joined:
                    wait = retry
                    retry = min(retry * 2, LAST_RETRY)
                else:
                    retry = FIRST_RETRY
            await self._sleep(wait * random.uniform(0.5, 1.0))

    async def _sleep(self, seconds: float) -> None:
        """Ends early when everybody is gone: a partition, perhaps."""
        together = len(self._pool) > 1
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, 1.0))
            if together and self.seeds and len(self._pool) <= 1:
                return

    async def _ask(self, seeds: list[str], alone: bool) -> bool:
        try:
            result = await asyncio.to_thread(self._pool.join, seeds, timeout=TIMEOUT)
        except (JoinError, TimeoutError, OSError) as error:
            failed = dict(error.failed) if isinstance(error, JoinError) else {}
            # Once, not with every attempt.
            if not self._failing:
                self._tell("seeds failed", self._pool.id, failed=failed or {seed: str(error) for seed in seeds})
            self._failing = True
            return False
        except ClosedError:
            raise asyncio.CancelledError from None
        except (GossipError, ValueError) as error:
            self._tell("seeds failed", self._pool.id, failed={seed: str(error) for seed in seeds})
            return False
        if alone or self._failing:
            self._tell("joined", self._pool.id, seeds=[f"{host}:{port}" for host, port in result.joined])
        self._failing = False
        return True

    def _absent(self) -> list[str]:
        """Seeds that are not certainly members: names may mean others by now."""
        endpoints = {member.address for member in self._pool.members()}
        port = self._pool.local_node.port
        return [seed for seed in self.seeds if _address(seed, port) not in endpoints]


def _address(seed: str, default_port: int) -> tuple[str, int] | None:
    text = seed.rpartition("/")[2]
    try:
        host, port = split(text)
    except ValueError:
        return None
    written = text.rpartition("]")[2] if "]" in text else text
    return host, port if written.count(":") == 1 else default_port
