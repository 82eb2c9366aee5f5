"""Who finds whom again: standing seeds, lost members, names that move; and broadcasts that reach everyone."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import MakeNode
from loops import Main, until
from support import DEADLINE, Recorder, config, eventually, pool_config

import gossip
from gossip import Healed, Isolated, MemberJoined, MemberLeft, aio
from gossip.testing import Simulation, seeds

FORGETFUL: dict[str, Any] = {
    "probe_interval": 0.4,
    "probe_timeout": 0.2,
    "gossip_to_the_dead_time": 0.4,
    "reconnect_interval": 0.2,
    "tcp_timeout": 2.0,
}
"""Forgets the dead after a moment, and looks for those who are missing as often."""

PATIENT: dict[str, Any] = {"probe_interval": 2.0, "probe_timeout": 1.8, "retransmit_mult": 6}
"""For members that are well: none is suspected because the machine is busy."""


class Company(Recorder):
    """Remembers what is told of the company of its node, too."""

    def notify_isolated(self) -> None:
        self._note("notify_isolated")

    def notify_healed(self, returned: int, missing: int) -> None:
        self._note("notify_healed", returned, missing)


def names(pool: gossip.Pool) -> list[str]:
    return [member.name for member in pool]


@contextmanager
def free_port() -> Iterator[int]:
    """A port on loopback that nobody else is given meanwhile, for TCP and UDP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        yield tcp.getsockname()[1]


def test_a_node_enters_the_pool_of_its_seeds_by_itself(make_node: MakeNode) -> None:
    first = make_node("first")
    at_first = first.register_pool(pool_config(**FORGETFUL))
    host, port = first.address

    told = Company()
    second = make_node("second").register_pool(
        pool_config(**FORGETFUL, seeds=[f"{host}:{port}", f"localhost:{port}"]), told
    )

    eventually(lambda: names(at_first) == names(second) == ["first", "second"])
    assert second.config.seeds == (f"{host}:{port}", f"localhost:{port}")
    assert not [hook for hook, _ in told.calls if hook == "notify_isolated"]


def test_a_seed_that_comes_later_is_found_and_both_are_told(make_node: MakeNode) -> None:
    with free_port() as port:
        seed = f"127.0.0.1:{port}"
        told = Company()
        pool = make_node("early").register_pool(pool_config(**FORGETFUL, seeds=seed), told)
        events = pool.events()
        told.wait_for("notify_isolated")
        assert pool.stats().counters["isolated"] == 1
    late = gossip.Gossip(gossip.Config(name="late", bind_addr="127.0.0.1", bind_port=port))
    with late:
        late.register_pool(pool_config(**FORGETFUL))
        assert told.wait_for("notify_healed") == (0, 0)
        assert names(pool) == ["early", "late"]
        # The subscription hears the same, in order, without asking for it.
        kinds = [type(events.get(timeout=DEADLINE)) for _ in range(4)]
        assert kinds == [MemberJoined, Isolated, MemberJoined, Healed]


def test_seeds_are_tried_once_without_an_interval(make_node: MakeNode) -> None:
    with free_port() as port:
        told = Company()
        changes = {**FORGETFUL, "reconnect_interval": 0}
        pool = make_node("a").register_pool(pool_config(**changes, seeds=f"127.0.0.1:{port}"), told)
        told.wait_for("notify_isolated")
        assert pool.stats().counters["rejoins"] == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seeds": "127.0.0.1:no"}, "seeds"),
        ({"seeds": ["10.0.0.1"] * 65}, "seeds"),
        ({"reconnect_interval": 90000}, "reconnect_interval"),
        ({"reconnect_timeout": -1}, "reconnect_timeout"),
        ({"seeds": "10.0.0.1", "require_node_names": True}, "seeds"),
    ],
)
def test_seeds_and_times_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(gossip.ConfigError) as error:
        gossip.PoolConfig.lan(1, **changes)
    assert error.value.field == field


def test_halves_that_have_forgotten_each_other_become_one_when_the_cut_ends(make_node: MakeNode) -> None:
    # Halves that have no key in common hear nothing of each other, as if the network were cut.
    one, other = (bytes([number]) * 16 for number in (1, 2))
    told = [Company() for _ in range(4)]
    nodes = [make_node(name) for name in "abcd"]
    pools = [
        node.register_pool(pool_config(**FORGETFUL, keys=[one]), recorder)
        for node, recorder in zip(nodes, told, strict=True)
    ]
    for pool in pools[1:]:
        pool.join([nodes[0].address], timeout=DEADLINE)
    eventually(lambda: all(names(pool) == list("abcd") for pool in pools))
    heals = pools[0].events(Healed, MemberLeft)

    def change(old: bytes, new: bytes) -> None:
        for pool in pools[2:]:
            pool.keyring.add(new)
            pool.keyring.use(new)
            pool.keyring.remove(old)

    def knows_alone(pool: gossip.Pool, half: str) -> bool:
        return names(pool) == list(half) and pool.stats().members_dead == 0

    change(one, other)
    eventually(lambda: all(knows_alone(pool, "ab") for pool in pools[:2]))
    eventually(lambda: all(knows_alone(pool, "cd") for pool in pools[2:]))
    change(other, one)

    eventually(lambda: all(names(pool) == list("abcd") for pool in pools))
    for recorder in told:
        recorder.wait_for("notify_healed", lambda returned, missing: returned > 0)
    eventually(lambda: all(pool.stats().counters["members_lost"] == 0 for pool in pools))
    assert {type(event) for event in heals.drain()} == {Healed, MemberLeft}


def test_a_node_that_restarts_elsewhere_takes_its_name_along(make_node: MakeNode) -> None:
    a, b, c = (make_node(name) for name in "abc")
    pools = [node.register_pool(pool_config(**FORGETFUL, push_pull_interval=1.0)) for node in (a, b, c)]
    for pool in pools[1:]:
        pool.join([a.address], timeout=DEADLINE)
    eventually(lambda: all(len(pool) == 3 for pool in pools))

    c.shutdown()
    again = make_node("c")
    again.register_pool(pool_config(**FORGETFUL, seeds="{}:{}".format(*b.address)))

    def knows(pool: gossip.Pool) -> bool:
        member = pool.find("c")
        return member is not None and member.address == again.address

    eventually(lambda: knows(pools[0]) and knows(pools[1]) and names(again.pool(1)) == list("abc"))


def test_a_broadcast_reaches_everyone_once_and_the_newest_of_a_name_wins(make_node: MakeNode) -> None:
    names_of_all = [f"n{number:02}" for number in range(12)]
    nodes = [make_node(name, threads=1) for name in names_of_all]
    pools = [node.register_pool(pool_config(**PATIENT)) for node in nodes]
    for pool in pools[1:]:
        pool.join([nodes[0].address], timeout=DEADLINE)
    eventually(lambda: all(len(pool) == 12 for pool in pools))
    heard = [pool.messages() for pool in pools]
    got: list[list[bytes]] = [[] for _ in pools]

    def take() -> None:
        for messages, subscription in zip(got, heard, strict=True):
            messages += [message.data for message in subscription.drain()]

    def all_have(text: bytes, but: int) -> bool:
        take()
        return all(text in messages for number, messages in enumerate(got) if number != but)

    for sender in (0, 7):
        pools[sender].broadcast(b"by %d" % sender)
        eventually(lambda sender=sender: all_have(b"by %d" % sender, sender))  # type: ignore[misc]
    for value in range(10):
        pools[3].broadcast(b"value %d" % value, name="colour", timeout=DEADLINE)
    eventually(lambda: all_have(b"value 9", 3))
    pools[5].broadcast(b"the end")
    eventually(lambda: all_have(b"the end", 5))

    for number, messages in enumerate(got):
        assert len(messages) == len(set(messages)), f"{number} got one twice: {messages}"
        values = [text for text in messages if text.startswith(b"value")]
        # An older one never comes after the newest.
        assert values[-1:] == ([] if number == 3 else [b"value 9"]) and values == sorted(values)


def test_coroutines_hear_of_the_company_of_their_node(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        class Told(aio.Delegate):
            def __init__(self) -> None:
                self.calls: list[Any] = []

            async def notify_isolated(self) -> None:
                self.calls.append("isolated")

            async def notify_healed(self, returned: int, missing: int) -> None:
                self.calls.append((returned, missing))

        with free_port() as port:
            early = aio.Gossip(config("early"))
            told = Told()
            pool = early.register_pool(pool_config(**FORGETFUL, seeds=f"127.0.0.1:{port}"), told)
            news = pool.events(Isolated, Healed)
            await early.start()
            assert await news.get() == Isolated(pool_id=1)
        late = aio.Gossip(gossip.Config(name="late", bind_addr="127.0.0.1", bind_port=port))
        async with early, late:
            late.register_pool(pool_config(**FORGETFUL))
            assert await news.get() == Healed(pool_id=1, returned=0, missing=0)
            await until(lambda: len(told.calls) == 2)
            assert told.calls == ["isolated", (0, 0)]

    run(main)


@pytest.mark.parametrize("seed", seeds(3))
def test_simulated_applications_hear_of_the_company_of_their_node(seed: int) -> None:
    with Simulation(seed) as sim:
        nodes = sim.spawn(4, gossip.PoolConfig.lan(1), delegate=lambda node: Company())
        sim.join_all()
        sim.run_until(sim.agreed, limit=60)
        with sim.isolate(nodes[0]):
            sim.run_until(lambda: len(nodes[0]) == 1, limit=300)
            # Longer than the dead are remembered.
            sim.advance(120)
        sim.run_until(sim.agreed, limit=300)
        sim.advance(15)

        news = [heard.event for heard in nodes[0].heard if isinstance(heard.event, Isolated | Healed)]
        assert news[0] == Isolated(pool_id=1) and isinstance(news[1], Healed)
        calls = [call for call in nodes[0].delegate.calls if call[0] in ("notify_isolated", "notify_healed")]
        assert [call[0] for call in calls][:2] == ["notify_isolated", "notify_healed"]
        assert sum(args[0] for hook, args in calls if hook == "notify_healed") == 3


@pytest.mark.parametrize("seed", seeds(3))
def test_simulated_nodes_find_their_seed_whenever_it_is_there(seed: int) -> None:
    with Simulation(seed) as sim:
        first, *_ = sim.spawn(1, gossip.PoolConfig.lan(1))
        others = sim.spawn(3, gossip.PoolConfig.lan(1, seeds="{}:{}".format(*first.address)))
        sim.run_until(sim.agreed, limit=60)
        assert all(len(node) == 4 for node in [first, *others])

        first.crash()
        sim.run_until(lambda: sim.all_see(first, None), limit=300)
        # It knows nobody, and asks nobody.
        first.restart()
        sim.run_until(sim.agreed, limit=120)
        sim.advance(15)
        assert len(first) == 4
        healed = [heard.event for heard in others[0].heard if isinstance(heard.event, Healed)]
        assert healed == [Healed(pool_id=1, returned=1, missing=0)]
