"""A simulated node: what an application does with a `gossip.Pool`, and what can happen to it."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, final, overload

from .. import _core
from .._address import Endpoint, Seconds, as_bytes, limit, seconds, split
from .._config import PoolConfig
from .._delegate import Delegate, overridden
from .._diagnosis import Diagnosis, Explanation
from .._migration import MigrationReport, Step, complete, wanted
from .._types import Buffer, Delivery, HostPort, JoinResult, Member, Message
from ..errors import JoinError, UnknownMemberError
from ._values import Heard, Traffic

if TYPE_CHECKING:
    from ._simulation import Simulation

__all__ = ["Node", "Task", "Timer"]

T = TypeVar("T")

Target: TypeAlias = "Node | Member | Endpoint"

MOVES_MAX = 200


@final
class Task(Generic[T]):
    """Something that takes virtual time: `Simulation.wait` lets that pass until it is done."""

    def __init__(self, node: "Node", number: int, what: str, read: Callable[["Task[T]"], T]) -> None:
        self._node = node
        self._life = node._life
        self._number = number
        self._what = what
        self._read = read

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not, also by a crash of its node."""
        return self._node._core.is_done(*self._id())

    def result(self) -> T:
        """What came of it, or the error that the same call of a real pool raises.

        `RuntimeError` while it is under way; `ClosedError` if its node crashed meanwhile.
        """
        if not self.done:
            raise RuntimeError(f"{self!r} is under way: let time pass, or wait for it with Simulation.wait")
        return self._read(self)

    def __repr__(self) -> str:
        return f"<gossip.testing.Task {self._what} of {self._node.name}>"

    def _id(self) -> tuple[int, int, int]:
        return self._node._index, self._life, self._number


@final
class Timer:
    """A call that is planned."""

    def __init__(self, call: Callable[[], object], node: "Node | None") -> None:
        self._call: Callable[[], object] | None = call
        self._node = node
        self._life = node._life if node else 0

    @property
    def pending(self) -> bool:
        """Whether it is still to come. The timers of a node end with its process."""
        return self._call is not None and (self._node is None or self._node._lives(self._life))

    def cancel(self) -> None:
        """Calls off what has not yet been called."""
        self._call = None

    def _fire(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


@final
class Node:
    """A simulated computer with one pool. Made by `Simulation.spawn`.

    For its application it is what a `gossip.Pool` is, with the same names: what is done at
    once is the same, and what takes time (`join`, `leave`, `update_node`, `ping`, `doctor`,
    `migrate`, reliable sends) returns a `Task` at once, as nothing can wait inside of a moment.

    The delegate's hooks and its timers run inside of `Simulation.advance` and its kin, on
    that thread, in virtual time. What they raise, `advance` raises.
    """

    def __init__(
        self,
        sim: "Simulation",
        core: _core.Simulation,
        index: int,
        name: str,
        config: PoolConfig,
        make_delegate: Callable[["Node"], Delegate] | None,
    ) -> None:
        self._sim = sim
        self._core = core
        self._index = index
        self._name = name
        self._config = config
        self._make_delegate = make_delegate
        self._delegate: Delegate | None = None
        self._life = 0
        self._moves = 0
        self._held: list[Any] = []
        self._seen: tuple[int, int, dict[str, Member]] | None = None
        self._heard: list[tuple[int, Heard]] = []
        self._random = Random()

    # What it is

    @property
    def sim(self) -> "Simulation":
        """The simulation that it is part of."""
        return self._sim

    @property
    def name(self) -> str:
        """Its name, unique in the simulation."""
        return self._name

    @property
    def address(self) -> HostPort:
        """Where it is reached: a virtual address."""
        return self._core.addr(self._index)[:2]

    @property
    def id(self) -> int:
        """The number of its pool."""
        return self._config.id

    @property
    def config(self) -> PoolConfig:
        """What its pool was made with."""
        return self._config

    @property
    def delegate(self) -> Any:
        """The application that runs on it: what `delegate` of `Simulation.spawn` made for this life."""
        return self._delegate

    @property
    def random(self) -> Random:
        """Chance for its application: from the seed, and of its own in each life."""
        return self._random

    # What happens to it

    @property
    def is_up(self) -> bool:
        """Whether its process runs, be it paused."""
        return self._core.is_up(self._index)

    @property
    def is_paused(self) -> bool:
        """Whether its process stands still."""
        return self._core.is_paused(self._index)

    def crash(self) -> None:
        """Ends its process without a word: its state, its streams and its timers are gone."""
        self._check_up()
        self._core.crash(self._index)
        self._held.clear()

    def restart(self, *, elsewhere: bool = False) -> None:
        """Starts a new process that knows nothing of the one before, which ends if it still runs.

        It has the same name and configuration and a new delegate, and it has not joined.
        `elsewhere` gives it an address where nobody was before.
        """
        if elsewhere and self._moves == MOVES_MAX:
            raise ValueError(f"{self.name} has moved {MOVES_MAX} times, there are no more addresses")
        self._moves += elsewhere
        if self.is_up:
            self.crash()
        hooks = self._begin_life()
        self._core.restart(self._index, elsewhere, hooks)

    def pause(self) -> None:
        """Freezes its process: what reaches it waits, its timers stand still, until `resume`."""
        self._check_up()
        self._core.pause(self._index)

    def resume(self) -> None:
        """Lets a paused process go on: it handles what has waited, then what is due."""
        self._check_up()
        self._core.resume(self._index)
        self._sim._pending.extend(self._held)
        self._held.clear()

    def call_later(self, delay: Seconds, call: Callable[..., object], /, *args: Any) -> Timer:
        """Calls `call(*args)` when `delay` seconds have passed, if this process still lives.

        While it is paused the call waits.
        """
        return self._sim._plan(delay, call, args, self)

    # What its application does

    @property
    def local_node(self) -> Member:
        """This node, as the others see it."""
        return Member._from_core(self._core.local_node(self._index))

    @property
    def health_score(self) -> int:
        """How much this node doubts itself; 0 is healthy."""
        return self._core.health_score(self._index)

    @property
    def max_broadcast_size(self) -> int:
        """The most bytes that fit a broadcast."""
        return self._core.max_broadcast_size(self._index)

    def members(self) -> list[Member]:
        """The members, alive and suspect, this node included, by name: a snapshot."""
        return list(self._by_name().values())

    def member(self, name: str, /) -> Member:
        """The member of that name; `UnknownMemberError` if there is none."""
        if (member := self.find(name)) is None:
            raise UnknownMemberError(f"{self.name} knows no member {name!r}")
        return member

    def find(self, name: str, /) -> Member | None:
        """The member of that name, if there is one."""
        return self._by_name().get(name)

    def __len__(self) -> int:
        return len(self._by_name())

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members())

    def __contains__(self, item: object) -> bool:
        return (item.name if isinstance(item, Member | Node) else item) in self._by_name()

    def __bool__(self) -> bool:
        """True: a node without members is a node."""
        return True

    def disable_tcp_pings_for(self, names: Iterable[str]) -> None:
        """Never pings these nodes over TCP when they are silent over UDP, in place of those before."""
        if isinstance(names, str | bytes):
            raise TypeError("names must be several, such as ['b'], not one")
        self._core.disable_tcp_pings_for(
            self._index, [name.encode("utf-8", "surrogateescape") for name in names]
        )

    def join(
        self, seeds: "Iterable[Node | Member | Endpoint]", *, timeout: Seconds | None = None
    ) -> Task[JoinResult]:
        """Exchanges state with the seeds; one that is reached is enough, else `JoinError`."""
        if isinstance(seeds, str | bytes | Member | Node):
            raise TypeError("seeds must be several, such as [nodes[0]], not one")
        peers = [self._peer(seed) for seed in seeds]
        return Task(self, self._core.join(self._index, peers, limit(timeout)), "join", _joined)

    def leave(self, timeout: Seconds | None = 5.0) -> Task[None]:
        """Says goodbye; the process goes on. `join` comes back."""
        return Task(self, self._core.leave(self._index, limit(timeout)), "leave", _ended)

    def broadcast(
        self, message: Buffer, *, name: str | Buffer = b"", timeout: Seconds | None = 0.0
    ) -> None:
        """Gives a message to gossip, for every member; see `gossip.Pool.broadcast`.

        `MessageTooLargeError` if it can never fit, `QueueFullError` if the queue is full: at
        once, whatever the timeout.
        """
        self._core.broadcast(self._index, as_bytes(name), message)

    @overload
    def send(
        self, target: Target, message: Buffer, *, reliable: Literal[True], timeout: Seconds | None = None
    ) -> Task[Delivery]: ...
    @overload
    def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> Task[Delivery] | None: ...
    def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> Task[Delivery] | None:
        """Sends a message to one member: in a datagram, or as `send_reliable` does it."""
        if reliable:
            return self.send_reliable(target, message, timeout=timeout)
        self._core.send_best_effort(self._index, self._peer(target), message)
        return None

    def send_reliable(
        self, target: Target, message: Buffer, *, timeout: Seconds | None = None
    ) -> Task[Delivery]:
        """Sends a message to one member over TCP; done when it has arrived, or it is known that not."""
        number = self._core.send_reliable(self._index, self._peer(target), message, limit(timeout))
        return Task(self, number, "send", _delivery)

    def ping(self, target: Target, *, timeout: Seconds | None = None) -> Task[float]:
        """Pings a member: the seconds until its answer, or `TimeoutError`.

        Without a timeout the pool's `probe_timeout` counts.
        """
        return Task(self, self._core.ping(self._index, self._peer(target), limit(timeout)), "ping", _rtt)

    def explain(self, member: "Node | Member | str", /) -> Explanation:
        """Why this node believes of another what it believes; see `gossip.Pool.explain`."""
        name = member if isinstance(member, str) else member.name
        return Explanation._from_core(
            self._core.explain(self._index, name.encode("utf-8", "surrogateescape"))
        )

    def doctor(self, target: Target, *, timeout: Seconds = 5.0) -> Task[Diagnosis]:
        """Finds out what is wrong with the way to a peer; see `gossip.Pool.doctor`."""
        number = self._core.doctor(self._index, self._peer(target), seconds(timeout))
        return Task(self, number, "doctor", _diagnosis)

    def rotate_key(self, key: Buffer, *, timeout: Seconds | None = 60.0) -> Task[MigrationReport]:
        """Replaces the key of the whole pool; see `gossip.Pool.rotate_key`."""
        return self.migrate(key=key, timeout=timeout)

    def migrate(
        self,
        *,
        key: Buffer | None = None,
        encryption: Buffer | None = None,
        label: str | Buffer | None = None,
        until: Step | str = Step.REQUIRE,
        by_hand: bool = False,
        without_lost: bool = False,
        timeout: Seconds | None = 60.0,
    ) -> Task[MigrationReport]:
        """Moves the whole pool to another key, to encryption or to another label; see `gossip.Pool.migrate`.

        A node that is restarted has the keys and the label of its configuration, as a real one.
        """
        to = wanted(key, encryption, label, until, by_hand, without_lost)
        return Task(self, self._core.migrate(self._index, to, limit(timeout)), "migrate", _migration)

    def update_node(self, meta: Buffer, *, timeout: Seconds | None = 10.0) -> Task[None]:
        """Announces new metadata; done when it has been gossiped."""
        return Task(self, self._core.update_node(self._index, meta, limit(timeout)), "update_node", _ended)

    def set_local_state(self, state: Buffer) -> None:
        """The application's state that others get in each exchange of state."""
        self._core.set_local_state(self._index, state)

    def set_ack_payload(self, payload: Buffer) -> None:
        """Bytes that go with each answer to a ping."""
        self._core.set_ack_payload(self._index, payload)

    # What became of it

    @property
    def heard(self) -> list[Heard]:
        """What its application was told in this life, in order, hook or no hook.

        All but the answers to its probes.
        """
        self._sim._read_journal()
        return [heard for life, heard in self._heard if life == self._life]

    @property
    def messages(self) -> list[Message]:
        """The messages among them."""
        return [heard.event for heard in self.heard if isinstance(heard.event, Message)]

    @property
    def counters(self) -> dict[str, int]:
        """Every counter and gauge of its pool by its name in the core."""
        return self._core.counters(self._index)

    @property
    def traffic(self) -> Traffic:
        """What it has sent, in all its lives."""
        return Traffic(*self._core.traffic(self._index))

    def __repr__(self) -> str:
        state = "down" if not self.is_up else "paused" if self.is_paused else "up"
        return f"<gossip.testing.Node {self.name} {state}>"

    # Inside

    def _begin_life(self) -> list[str]:
        """Makes the application of the next process; the hooks that it has."""
        self._life += 1
        self._random = Random(f"{self._sim.seed}/{self.name}/{self._life}".encode("utf-8", "surrogateescape"))
        self._delegate = None if self._make_delegate is None else self._make_delegate(self)
        return [] if self._delegate is None else overridden(self._delegate)

    def _lives(self, life: int) -> bool:
        return self._life == life and self.is_up

    def _check_up(self) -> None:
        # Raises `ClosedError` for a node that is down.
        self._core.health_score(self._index)

    def _by_name(self) -> dict[str, Member]:
        seen = self._seen if self._seen and self._seen[0] == self._life else None
        news = self._core.members(self._index, seen[1] if seen else None)
        if news is not None:
            version, fields = news
            members = sorted(Member._all_from_core(fields), key=lambda member: member.name)
            self._seen = seen = self._life, version, {member.name: member for member in members}
        return seen[2] if seen else {}

    def _peer(self, target: Target) -> tuple[bytes, HostPort]:
        if isinstance(target, Node | Member):
            if isinstance(target, Node) and target._sim is not self._sim:
                raise ValueError(f"{target.name} is part of another simulation")
            return target.name.encode("utf-8", "surrogateescape"), target.address
        host, port = split(target)
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{host!r} is no IP address, and a simulation has no name servers") from None
        return b"", (host, port)


def _ended(task: Task[None]) -> None:
    task._node._core.result(*task._id())


def _delivery(task: Task[Delivery]) -> Delivery:
    task._node._core.result(*task._id())
    acknowledged = task._node._core.acknowledged(*task._id())
    return Delivery.ACKNOWLEDGED if acknowledged else Delivery.CLOSED


def _rtt(task: Task[float]) -> float:
    rtt = task._node._core.result(*task._id())
    return 0.0 if rtt is None else rtt


def _diagnosis(task: Task[Diagnosis]) -> Diagnosis:
    task._node._core.result(*task._id())
    return Diagnosis._from_core(task._node._core.diagnosis(*task._id()))


def _migration(task: Task[MigrationReport]) -> MigrationReport:
    task._node._core.result(*task._id())
    return complete(task._node._core.migration(*task._id()))


def _joined(task: Task[JoinResult]) -> JoinResult:
    task._node._core.result(*task._id())
    joined, failed = task._node._core.joined(*task._id())
    if failed and not joined:
        reasons = "; ".join(f"{seed}: {reason}" for seed, reason in failed)
        raise JoinError(f"no seed could be reached: {reasons}", failed)
    return JoinResult(tuple(address[:2] for address in joined), MappingProxyType(dict(failed)))
