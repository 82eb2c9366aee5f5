"""A pool, as the application holds it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, final, overload

from . import _core
from ._address import Endpoint, Seconds, Target, as_bytes, limit, seconds, split
from ._config import PoolConfig
from ._delegate import Serving
from ._events import MEMBERSHIP, Call, Event, event, hooks_of, message
from ._keyring import Keyring
from ._migration import MigrationProgress, MigrationReport, Step, complete, progress_of, wanted
from ._subscription import Subscription
from ._types import Buffer, Delivery, HostPort, JoinResult, Member, Message, PoolStats
from ._wait import deadline_of
from .errors import UnknownMemberError

if TYPE_CHECKING:
    from ._diagnosis import Diagnosis, Explanation
    from ._node import Gossip

__all__ = ["Pool"]

T = TypeVar("T")


@final
class Pool:
    """One pool of a node: its members, and messages to them. Made by `Gossip.register_pool`."""

    def __init__(
        self, node: "Gossip", config: PoolConfig, core: _core.Pool, dispatcher: Serving | None
    ) -> None:
        self._node = node
        self._config = config
        self._core = core
        self._dispatcher = dispatcher
        self._seen: dict[str, Member] | None = None
        self._seeing = threading.Lock()

    @property
    def id(self) -> int:
        """The pool's number on its node."""
        return self._config.id

    @property
    def config(self) -> PoolConfig:
        """What the pool was registered with."""
        return self._config

    @property
    def keyring(self) -> Keyring:
        """The pool's keys."""
        return Keyring(self._core)

    @property
    def local_node(self) -> Member:
        """This node, as the others see it."""
        return Member._from_core(self._core.local_node())

    @property
    def health_score(self) -> int:
        """How much this node doubts itself; 0 is healthy."""
        return self._core.health_score()

    @property
    def protocol_version(self) -> int:
        """The memberlist protocol version that this node speaks in the pool."""
        return self._config.protocol_version

    @property
    def max_broadcast_size(self) -> int:
        """The most bytes that fit a broadcast."""
        return self._core.max_broadcast_size()

    def join(self, seeds: Iterable[Endpoint | Member], *, timeout: Seconds | None = None) -> JoinResult:
        """Exchanges state with the seeds, and so becomes a member of their pool.

        One seed that is reached is enough; `JoinError` says that none was. A seed without
        port is meant on this node's own. Without a timeout each seed has `tcp_timeout`.
        """
        if isinstance(seeds, str | bytes | Member):
            raise TypeError("seeds must be several, such as ['10.0.0.1:7946'], not one")
        joined, failed, untried = self._core.join([_seed(seed) for seed in seeds], limit(timeout))
        reached = tuple(address[:2] for address in joined)
        return JoinResult(reached, MappingProxyType(dict(failed)), untried)

    def leave(self, timeout: Seconds | None = 5.0) -> None:
        """Says goodbye to the pool, so that nobody suspects a failure. `join` comes back."""
        self._core.leave(limit(timeout))

    def shutdown(self, timeout: Seconds | None = 5.0) -> None:
        """Ends this pool alone, without a word: its id is free again."""
        self._core.shutdown(limit(timeout))
        self._node._forget(self)
        self._stop_hooks()

    def members(self) -> list[Member]:
        """The members, alive and suspect, this node included, by name: a snapshot."""
        return list(self._by_name().values())

    def member(self, name: str, /) -> Member:
        """The member of that name; `UnknownMemberError` if there is none."""
        if (member := self.find(name)) is None:
            raise UnknownMemberError(f"pool {self.id} has no member {name!r}")
        return member

    def find(self, name: str, /) -> Member | None:
        """The member of that name, if there is one."""
        return self._by_name().get(name)

    def __len__(self) -> int:
        return self._core.num_members()

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members())

    def __contains__(self, item: object) -> bool:
        return (item.name if isinstance(item, Member) else item) in self._by_name()

    def __bool__(self) -> bool:
        """True: a pool without members is a pool."""
        return True

    def broadcast(
        self, message: Buffer, *, name: str | Buffer = b"", timeout: Seconds | None = 0.0
    ) -> None:
        """Gives a message to every other member, each of which gets it once.

        With a member that does not understand how, such as one of memberlist
        (`broadcast_mode`), nobody relays it: a pool of a few nodes is then reached as a
        whole, perhaps more than once; in a large one some may miss it. A pool of one has
        nobody to tell.

        With a `name`, at most 255 bytes, which the message has the less, it takes the place
        of this node's older broadcasts of that name: one that still waits is not sent, and
        a member that has the newer one is not told of an older one.

        `MessageTooLargeError` if it can never fit; `QueueFullError` if the queue is still
        full after `timeout`.
        """
        self._core.broadcast(as_bytes(name), message, limit(timeout))

    @overload
    def send(
        self, target: Target, message: Buffer, *, reliable: Literal[True], timeout: Seconds | None = None
    ) -> Delivery: ...
    @overload
    def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> Delivery | None: ...
    def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> Delivery | None:
        """Sends a message to one member: in a datagram, or as `send_reliable` does it if `reliable`.

        A target as text is read as a seed is, so that `name/host:port` works, and a name is
        looked up. `MessageTooLargeError` if it does not fit.
        """
        if reliable:
            return self.send_reliable(target, message, timeout=timeout)
        self._core.send_best_effort(self._peer(target, timeout), message)
        return None

    def send_reliable(
        self, target: Target, message: Buffer, *, timeout: Seconds | None = None
    ) -> Delivery:
        """Sends a message to one member over TCP, and returns when it has arrived.

        `Delivery` says how certain that is. `NotTakenError` if the receiver's program has not got
        it and will not. `ConnectionRefusedError` and its like: nothing was sent.
        `ConnectionResetError`, and `TimeoutError` unless it says that there was no connection:
        whether the message arrived is not known. It is delivered once, whatever happens to
        connections, which are kept for some seconds and used again.
        """
        peer = self._peer(target, timeout)
        acknowledged = self._core.send_reliable(peer, message, limit(timeout))
        return Delivery.ACKNOWLEDGED if acknowledged else Delivery.CLOSED

    def wall_clock(self, received: float) -> datetime:
        """The time of day, in UTC, that belongs to `Message.received`.

        It counts on from the start of the node, whatever becomes of the system's clock meanwhile.
        """
        return datetime.fromtimestamp(self._core.wall_clock(received), timezone.utc)

    def ping(self, target: Target, *, timeout: Seconds | None = None) -> float:
        """Pings a member, and returns the seconds until its answer; `TimeoutError` if none came.

        Without a timeout the pool's `probe_timeout` counts.
        """
        wait = self._config.probe_timeout if timeout is None else timeout
        return self._core.ping(self._peer(target, wait), limit(wait))

    def explain(self, member: Member | str, /) -> "Explanation":
        """Why this node believes of a member what it believes, from what it knows, at once.

        What probes have shown, who accused it, and what that says of the way to it. Also of the
        dead that are still remembered, and of this node itself. `UnknownMemberError` if no
        member has that name.

            >>> import gossip
            >>> config = gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)
            >>> with gossip.Gossip(config) as node:
            ...     pool = node.register_pool(gossip.PoolConfig.local(1))
            ...     why = pool.explain("a")
            >>> why.accusers
            ()
            >>> print(str(why).splitlines()[-1])
            conclusion: nobody has accused this node
        """
        from ._diagnosis import Explanation

        name = member.name if isinstance(member, Member) else member
        return Explanation._from_core(self._core.explain(name.encode("utf-8", "surrogateescape")))

    def doctor(self, target: Target, *, timeout: Seconds = 5.0) -> "Diagnosis":
        """Finds out which direction of which protocol to a peer does not work, or what else keeps it away.

        UDP and TCP from here to there, datagrams of the full size, label, keys, name, version;
        and of the ways back what can be told. The target is a member, dead ones included, its
        name, or an address. It takes a moment if all is well, at most `timeout`. The peer may be
        any memberlist; it sees a few pings, and nothing comes of them: nobody is suspected, and
        nothing changes.

        `BusyError` while another one is at work in this pool; `OSError` or `ValueError` if a
        name cannot be looked up. After Ctrl-C nothing of it goes on.

            >>> import gossip
            >>> config = gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)
            >>> with gossip.Gossip(config) as node:
            ...     pool = node.register_pool(gossip.PoolConfig.local(1))
            ...     diagnosis = pool.doctor(node.address, timeout=10)
            >>> diagnosis.is_healthy, diagnosis.check(gossip.CheckKind.UDP).result
            (True, <CheckResult.OK: 'ok'>)
        """
        from ._diagnosis import Diagnosis

        return Diagnosis._from_core(self._core.doctor(_seed(target), seconds(timeout)))

    def update_node(self, meta: Buffer, *, timeout: Seconds | None = 10.0) -> None:
        """Announces new metadata, at most 512 bytes, and returns when it has been gossiped."""
        self._core.update_node(meta, limit(timeout))

    def set_local_state(self, state: Buffer) -> None:
        """The application's state that others get in each exchange of state."""
        self._core.set_local_state(state)

    def set_ack_payload(self, payload: Buffer) -> None:
        """Bytes that go with each answer to a ping."""
        self._core.set_ack_payload(payload)

    def disable_tcp_pings_for(self, names: Iterable[str]) -> None:
        """Never pings these nodes over TCP when they are silent over UDP, in place of those before.

        For nodes to which TCP is blocked; `PoolConfig.disable_tcp_pings` is for all, and
        `Delegate.allow_tcp_ping` decides case by case.
        """
        if isinstance(names, str | bytes):
            raise TypeError("names must be several, such as ['b'], not one")
        self._core.disable_tcp_pings_for([name.encode("utf-8", "surrogateescape") for name in names])

    def rotate_key(self, key: Buffer, *, timeout: Seconds | None = 60.0) -> MigrationReport:
        """Replaces the key of the whole pool: `migrate(key=key)`, all steps and nothing passed over."""
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
        progress: Callable[[MigrationProgress], object] | None = None,
    ) -> MigrationReport:
        """Moves the whole pool to another key, to encryption with a key, or to another label (`""`: none).

        In three steps, each of which every member takes before anyone takes the next, members
        that join meanwhile included: messages flow all the while, and none is lost or refused.

        `key`: of 16, 24 or 32 bytes; the pool is encrypted. It is sent, encrypted with the old
        one, to the members that do not hold it. `encryption`: every member holds the key already,
        and neither uses nor requires it (`gossip_verify_incoming`, `gossip_verify_outgoing`).
        `label`: the pool is encrypted, or its members' `remote_migration` is `always`.

        `until` is the last step to be taken. `by_hand` passes over members that take no such
        requests, such as those of memberlist, and `without_lost` those that died without a
        goodbye; the report names them. `progress` is called in this thread for each member that
        has taken a step, or is in the way of one; what it raises breaks the migration off.

        `MigrationError` if a member is in the way, or the time was up: its report names each, with
        the reason. Everybody understands everybody then, and after Ctrl-C, until the next call, on
        any node, goes on from there. `BusyError` while another migration is under way,
        `KeyringError` for a key or a pool that cannot be. A timeout of a minute or more is right
        for hundreds of members.

        Members obey as their `remote_migration` says, and tell their program: `Migrated`.

            >>> import gossip
            >>> config = gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)
            >>> with gossip.Gossip(config) as node:
            ...     pool = node.register_pool(gossip.PoolConfig.local(1, keys=[b"o" * 32]))
            ...     print(pool.migrate(key=b"n" * 32, progress=print))
            accept: a is done, 1 of 1
            speak: a is done, 1 of 1
            require: a is done, 1 of 1
            key: all 1 members have taken require
        """
        to = wanted(key, encryption, label, until, by_hand, without_lost)
        told = None if progress is None else lambda fields: progress(progress_of(fields))
        return complete(self._core.migrate(to, limit(timeout), told))

    def accept_label(self, label: str | Buffer) -> None:
        """Accepts this label, too, empty for none at all: the first of three steps.

        A cluster moves to another label without a gap by `accept_label`, `speak_label` and
        `require_label`, each on every node before the next. A bare pool becomes a label pool
        so, and back.
        """
        self._core.accept_label(as_bytes(label))

    def speak_label(self, label: str | Buffer) -> None:
        """Speaks under this label from now on, and still accepts the former one: the second step."""
        self._core.speak_label(as_bytes(label))

    def require_label(self, label: str | Buffer) -> None:
        """Speaks under this label and accepts no other: the last step."""
        self._core.require_label(as_bytes(label))

    def set_gossip_verify(self, *, incoming: bool, outgoing: bool) -> None:
        """With keys: whether clear text is refused, and whether what goes out is encrypted.

        A running cluster becomes an encrypted one in three steps, each on every node before
        the next: neither, and `keyring.add`; then `outgoing`; then `incoming`, too.
        """
        self._core.set_gossip_verify(incoming, outgoing)

    def events(
        self, *kinds: type[Event], maxsize: int = 4096, snapshot: bool = True
    ) -> Subscription[Event]:
        """What happens in this pool from now on, to be pulled: its membership, unless `kinds` are given.

        `pool.events(MemberJoined, Message)` brings these alone, in the order in which they
        happened. Whether asked for or not, an `Overflow` tells what was dropped because more than
        `maxsize` events waited; changes of membership never are. With `snapshot` it begins
        with a `MemberJoined` for each member of now, and with `Isolated` if it is, so that between the
        two nothing is missed.

            >>> import gossip
            >>> config = gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)
            >>> with gossip.Gossip(config) as node:
            ...     events = node.register_pool(gossip.PoolConfig.local(1)).events()
            ...     match events.get(timeout=10):
            ...         case gossip.MemberJoined(member=member):
            ...             print("+", member.name)
            + a
            >>> list(events)[-1]
            PoolEnded(pool_id=1)
        """
        return self._subscribe(event, hooks_of(kinds or MEMBERSHIP), maxsize, snapshot)

    def messages(self, *, maxsize: int = 4096) -> Subscription[Message]:
        """The messages that arrive in this pool from now on.

        When more than `maxsize` wait, further ones are dropped and counted in `dropped`, which
        is all that is told of it here; `events(Message)` brings an `Overflow` besides.
        """
        return self._subscribe(_message, hooks_of((Message,)), maxsize, False)

    def wait_for(
        self, condition: "int | Callable[[Pool], object]", *, timeout: Seconds | None = None
    ) -> None:
        """Waits until the pool has so many members or more, or until a function of it is true.

        The function is called first, and again after each change of membership.
        `TimeoutError` when the time is up, `ClosedError` when the pool has ended.
        """
        wanted = (lambda pool: len(pool) >= condition) if isinstance(condition, int) else condition
        deadline = deadline_of(limit(timeout))
        with self.events(snapshot=False) as changes:
            while not wanted(self):
                changes.get(None if deadline is None else max(0.0, deadline - monotonic()))

    def metrics(self) -> str:
        """The pool's metrics as text for Prometheus, also before its start and after its end."""
        return self._core.metrics()

    def stats(self) -> PoolStats:
        """The pool's counters."""
        counters = self._core.stats()
        for name in ("refused", "counters"):
            counters[name] = MappingProxyType(counters[name])
        errors = self._dispatcher.errors if self._dispatcher else 0
        return PoolStats(**counters, callback_errors=errors)

    def __repr__(self) -> str:
        return f"<gossip.Pool {self.id} of {self._node.node_name!r}>"

    def _by_name(self) -> dict[str, Member]:
        """The members by name; what has not changed since the last call is not built anew."""
        with self._seeing:
            # Put back at the end: whoever is interrupted before it begins afresh.
            seen, self._seen = self._seen, None
            news = self._core.members(seen is None)
            if seen is None or news is not None:
                gone, changed = news or ((), ())
                members = dict(seen or ())
                for name in gone:
                    del members[name]
                for member in Member._all_from_core(changed):
                    members[member.name] = member
                seen = dict(sorted(members.items())) if seen else members
            self._seen = seen
            return seen

    def _peer(self, target: Target, timeout: Seconds | None) -> tuple[bytes, HostPort]:
        """A target as the core takes it: its name, empty if unknown, and its address."""
        if isinstance(target, Member):
            return target.name.encode("utf-8", "surrogateescape"), target.address
        if isinstance(target, tuple):
            from ipaddress import ip_address

            host, port = split(target)
            try:
                return b"", (str(ip_address(host)), port)
            except ValueError:
                target = f"{host}:{port}"
        name, address = self._core.look_up(target, limit(timeout))
        return name, address[:2]

    def _subscribe(
        self, make: "Callable[[Call], T | None]", hooks: list[str], maxsize: int, snapshot: bool
    ) -> "Subscription[T]":
        queue = _core.Events(maxsize)
        self._core.feed(queue, hooks, True, snapshot)
        return Subscription(queue, make)

    def _stop_hooks(self) -> None:
        if self._dispatcher:
            self._dispatcher.close()


def _message(call: Call) -> Message | None:
    # What was dropped is counted; there is no message that could tell it.
    return message(call[1], *call[2]) if call[0] == "notify_msg" else None


def _seed(seed: Endpoint | Member) -> str:
    """A seed as the core reads it; text goes as it is, so that `name/host:port` works."""
    if isinstance(seed, Member):
        return f"{seed.name}/{seed.endpoint}"
    if isinstance(seed, str):
        return seed
    host, port = split(seed)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
