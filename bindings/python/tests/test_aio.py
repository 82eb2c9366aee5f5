"""Nodes and pools of `gossip.aio`: calls, how they are cancelled, and how a node ends."""

import asyncio
import errno
import gc
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from loops import Main, cancelled, count, two, until
from support import DEADLINE, config, pool_config

import gossip
from gossip import aio


def test_two_nodes_use_everything_that_takes_time(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = await two(a, b)
            assert (at_b.id, at_b.local_node.name, a.pool(1), dict(a.pools)) == (1, "b", at_a, {1: at_a})
            assert [member.name for member in at_a] == ["a", "b"] == [m.name for m in at_a.members()]

            messages = at_b.messages()  # Without a listener none would be taken.
            assert 0 < await at_a.ping(at_a.member("b")) < DEADLINE
            assert 0 < await at_a.ping("127.0.0.1:{}".format(b.address[1])) < DEADLINE
            assert 0 < await at_a.ping(("localhost", b.address[1])) < DEADLINE
            await at_a.send(at_a.member("b"), b"a datagram")
            await at_a.send(at_a.member("b"), bytearray(b"over tcp"), reliable=True)
            await at_a.broadcast(b"to all")
            await at_a.broadcast(b"to all, waiting for room", timeout=DEADLINE)
            await until(lambda: at_b.stats().messages_received >= 4)
            assert (await messages.get()).sender == "a"
            await at_a.update_node(b"new")
            await until(lambda: at_b.member("a").meta == b"new")
            await at_b.leave()
            await until(lambda: len(at_a) == 1)
            with pytest.raises(gossip.NotJoinedError):
                await at_b.update_node(b"too late")
            assert (await at_b.join([a.address])).joined == (a.address,)
        assert a.closed and b.closed

    run(main)


def test_errors_are_those_of_the_synchronous_api(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config())
            with socket.create_server(("127.0.0.1", 0)) as taken:
                nobody = taken.getsockname()
            with pytest.raises(gossip.JoinError) as error:
                await pool.join([nobody], timeout=DEADLINE)
            assert list(error.value.failed) == ["{}:{}".format(*nobody)]
            with pytest.raises(TypeError):
                await pool.join("127.0.0.1:1")
            with pytest.raises(TimeoutError):
                await pool.ping(nobody, timeout=0.05)
            with pytest.raises(gossip.MessageTooLargeError):
                await pool.broadcast(bytes(100_000), timeout=1)
            with pytest.raises(gossip.MessageTooLargeError):
                await pool.update_node(bytes(513))
            with pytest.raises(ValueError, match="timeout"):
                await pool.leave(-1)
            with pytest.raises(gossip.UnknownPoolError):
                node.pool(2)
        for late in (pool.join([nobody]), pool.ping(nobody), pool.leave(), pool.broadcast(b"x", timeout=1)):
            with pytest.raises(gossip.ClosedError):
                await late

    run(main)


def test_before_the_start_calls_say_so(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        node = aio.Gossip(config("a"))
        pool = node.register_pool(pool_config())
        with pytest.raises(gossip.NotStartedError):
            await pool.join(["127.0.0.1:1"])
        await node.close()

    run(main)


def test_what_is_cancelled_leaves_nothing_behind(run: Callable[[Main], None], silent: socket.socket) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config(tcp_timeout=600, probe_timeout=600, probe_interval=600))

            def under_way() -> int:
                counters = pool.stats().counters
                return counters["commands_open"] + counters["exchanges_outbound"]

            nobody = silent.getsockname()
            before = threading.active_count(), len(os.listdir("/proc/self/fd"))
            calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
                lambda: pool.join([nobody], timeout=600),
                lambda: pool.ping(nobody, timeout=600),
                lambda: pool.send(nobody, bytes(8_000_000), reliable=True, timeout=600),
            ]
            for begin in calls:
                await cancelled(begin(), when=under_way)
                await until(lambda: under_way() == 0)
                assert node._calls.core.open() == 0
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await begin()
                await until(lambda: under_way() == 0)
            await until(lambda: (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before)
            assert len(pool) == 1
            # Nobody has to wait for what was cancelled.
            await node.leave()

    run(main)


def test_a_broadcast_that_is_cancelled_while_it_waits_for_room_is_never_sent(
    run: Callable[[Main], None],
) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            slow = pool_config(
                gossip_interval=600.0, broadcast_queue_depth=1, probe_interval=600.0, broadcast_mode="plain"
            )
            at_a, at_b = a.register_pool(slow), b.register_pool(slow)
            await at_b.join([a.address])
            with pytest.raises(gossip.QueueFullError):
                for _ in range(10_000):
                    await at_a.broadcast(b"first")
            await cancelled(
                at_a.broadcast(b"second", timeout=600),
                when=lambda: at_a.stats().counters["broadcasters_waiting"] == 1,
            )
            await until(lambda: at_a.stats().counters["broadcasters_waiting"] == 0)
            await a.shutdown()
            await b.shutdown()

    run(main)


def test_the_end_of_the_node_ends_what_is_under_way(
    run: Callable[[Main], None], silent: socket.socket
) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config())
            listener, packets = node.listen(0x0101), node.packets()
            nobody = silent.getsockname()
            calls = [
                asyncio.create_task(pool.join([nobody], timeout=600)),
                asyncio.create_task(pool.ping(nobody, timeout=600)),
            ]
            iterations = [asyncio.create_task(count(listener)), asyncio.create_task(count(packets))]
            accepting = asyncio.create_task(listener.accept())
            await until(lambda: pool.stats().counters["commands_open"] == 2)
            await node.shutdown()
            for result in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(result, gossip.ClosedError)
            assert await asyncio.gather(*iterations) == [0, 0]
            with pytest.raises(OSError) as error:
                await accepting
            assert error.value.errno == errno.EBADF

    run(main)


def test_a_block_that_is_cancelled_leaves_and_closes(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a:
            at_a = a.register_pool(pool_config())
            entered: asyncio.Future[aio.Gossip] = asyncio.get_running_loop().create_future()

            async def block() -> None:
                async with aio.Gossip(config("b")) as b:
                    await b.register_pool(pool_config()).join([a.address])
                    entered.set_result(b)
                    await asyncio.Event().wait()

            task = asyncio.create_task(block())
            b = await entered
            await until(lambda: len(at_a) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert b.closed
            await until(lambda: len(at_a) == 1)
            assert at_a.stats().members_left == 1

    run(main)


def test_a_shutdown_that_is_cancelled_completes(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        node = await aio.Gossip(config("a")).start()
        await cancelled(node.shutdown())
        assert node.closed and node._calls._face.fileno() == -1
        await node.shutdown()

    run(main)


def test_a_pool_ends_alone(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config(1))
            node.register_pool(pool_config(2))
            await pool.shutdown()
            assert list(node.pools) == [2]
            node.register_pool(pool_config(1))

    run(main)


def test_many_calls_at_once_are_answered_each_with_its_own(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, _ = await two(a, b)
            threads = threading.active_count()
            rtts = await asyncio.gather(*(at_a.ping(at_a.member("b"), timeout=DEADLINE) for _ in range(300)))
            assert len(rtts) == 300 and all(rtt > 0 for rtt in rtts)
            assert threading.active_count() == threads

    run(main)


def test_a_node_belongs_to_its_loop() -> None:
    node = asyncio.run(aio.Gossip(config("a")).start(), debug=True)
    with pytest.raises(RuntimeError, match="belongs to"):
        asyncio.run(node.shutdown())
    node.sync.shutdown()
    node._release()


def test_a_forgotten_node_says_so_and_closes() -> None:
    async def main() -> tuple[str, int]:
        node = await aio.Gossip(config("a")).start()
        return node.address

    with pytest.warns(ResourceWarning) as warned:
        address = asyncio.run(main(), debug=True)
        gc.collect()
    assert [str(each.message).startswith("unclosed <gossip.Gossip") for each in warned] == [True]
    with socket.create_server(address):
        pass
