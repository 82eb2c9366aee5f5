"""How simulations fail, and how a failure is repeated."""

import os

from ..errors import GossipError

__all__ = ["SimulationError", "UnreachedError", "ViolationError", "repeat", "seeds"]


class SimulationError(GossipError, AssertionError):
    """A simulation did not go as it must. The text says how to repeat it."""

    seed: int
    """The seed of the simulation."""
    at: float
    """When, in seconds of virtual time."""
    what: str
    """What is wrong, in words."""

    def __init__(self, seed: int, at: float, what: str) -> None:
        super().__init__(seed, at, what)
        self.seed = seed
        self.at = at
        self.what = what
        self._repeat = repeat(seed)

    def __str__(self) -> str:
        return f"seed {self.seed}, at {self.at:.6f} s: {self.what}\nrepeat with: {self._repeat}"


class UnreachedError(SimulationError, TimeoutError):
    """What `run_until` waited for did not come in time."""


class ViolationError(SimulationError):
    """The protocol broke a rule that always holds: a defect of the library; please report it.

    The simulation can only be looked at from now on.
    """


def repeat(seed: int) -> str:
    """What repeats the run of this seed: a command where pytest runs, or code."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if not test:
        return f"gossip.testing.Simulation(seed={seed})"
    return f"GOSSIP_SEED={seed} python -m pytest '{test}'"


def seeds(count: int = 1) -> range:
    """The seeds to run a test with: `count` fixed ones.

    The environment may say otherwise: with `GOSSIP_SEED=n` that one alone, with
    `GOSSIP_SEEDS=n` all below `n`.

        @pytest.mark.parametrize("seed", gossip.testing.seeds(5))
        def test_my_service(seed): ...
    """
    if (one := _number("GOSSIP_SEED")) is not None:
        return range(one, one + 1)
    many = _number("GOSSIP_SEEDS")
    return range(count if many is None else many)


def _number(variable: str) -> int | None:
    text = os.environ.get(variable)
    if text is None:
        return None
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise ValueError(f"{variable} is {text!r}, must be a whole number")
    return int(text)
