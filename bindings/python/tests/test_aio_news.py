"""Subscriptions and delegates of `gossip.aio`."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from loops import Main, cancelled, two, until
from support import DEADLINE, config, pool_config

import gossip
from gossip import aio


def test_events_and_messages_are_iterated(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = a.register_pool(pool_config()), b.register_pool(pool_config())
            messages = at_a.messages()
            everywhere = a.events(gossip.MemberLeft)
            async with at_a.events() as events:
                first = await events.get()
                assert isinstance(first, gossip.MemberJoined) and first.member.name == "a"
                assert events.try_get() is None
                await cancelled(events.get())
                joining = asyncio.create_task(at_b.join([a.address]))
                async for event in events:
                    assert isinstance(event, gossip.MemberJoined) and event.member.name == "b"
                    break
                await joining
            assert events.ended
            with pytest.raises(gossip.ClosedError):
                await events.get()

            for text in (b"one", b"two"):
                await at_b.send(at_b.member("a"), text, reliable=True)
                assert (await messages.get()).data == text
            await at_b.leave()
            left = await everywhere.get()
            assert isinstance(left, gossip.MemberLeft) and (left.member.name, left.failed) == ("b", False)

            iterating = asyncio.create_task(_texts(messages))
            waiting = asyncio.create_task(everywhere.get())
            await asyncio.sleep(0)
            await a.shutdown()
            assert await iterating == []
            with pytest.raises(gossip.ClosedError):
                await waiting

    run(main)


async def _texts(messages: aio.Subscription[gossip.Message]) -> list[bytes]:
    return [message.data async for message in messages]


def test_closing_a_subscription_wakes_who_waits(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            messages = node.register_pool(pool_config()).messages()
            waiting = [asyncio.create_task(_texts(messages)) for _ in range(3)]
            await asyncio.sleep(0)
            messages.close()
            assert await asyncio.gather(*waiting) == [[], [], []]

    run(main)


def test_each_event_goes_to_one_of_several_tasks(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            _, at_b = await two(a, b)
            messages = a.pool(1).messages()
            takers = [asyncio.create_task(_texts(messages)) for _ in range(4)]
            sent = [b"%d" % n for n in range(100)]
            for text in sent:
                await at_b.send(at_b.member("a"), text, reliable=True)
            await until(lambda: messages.stats().accepted == 100 and messages.stats().pending == 0)
            messages.close()
            taken = [text for texts in await asyncio.gather(*takers) for text in texts]
            assert sorted(taken) == sorted(sent)

    run(main)


def test_a_pool_is_waited_for(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = a.register_pool(pool_config()), b.register_pool(pool_config())
            with pytest.raises(TimeoutError):
                await at_a.wait_for(2, timeout=0.05)
            waiting = asyncio.create_task(at_a.wait_for(2))
            await at_b.join([a.address])
            await waiting
            await at_b.wait_for(lambda pool: "a" in pool, timeout=DEADLINE)

    run(main)


class Service(aio.Delegate):
    """Hooks that await, one that raises, one that hangs."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    async def notify_join(self, member: gossip.Member) -> None:
        await asyncio.sleep(0.001)
        self.loop = asyncio.get_running_loop()
        self.told.append(("join", member.name))

    async def notify_msg(self, message: gossip.Message) -> None:
        self.told.append(("msg", message.data))
        if message.data == b"raise":
            raise ZeroDivisionError
        if message.data == b"cancel":
            raise asyncio.CancelledError

    async def notify_leave(self, member: gossip.Member) -> None:
        self.told.append(("leave", member.name))

    async def notify_shutdown(self) -> None:
        self.told.append(("shutdown", None))

    async def local_state(self, join: bool) -> bytes:
        return b"state of a"

    async def notify_merge(self, members: Any) -> None:
        if any(member.meta == b"unwanted" for member in members):
            raise gossip.Rejected("not wanted")
        if any(member.meta == b"endless" for member in members):
            await asyncio.Event().wait()


def test_coroutines_of_a_delegate_run_on_the_loop(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        service = Service()
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a = a.register_pool(pool_config(query_timeout=2.0), service)
            at_b = b.register_pool(pool_config())
            states = at_b.events(gossip.RemoteState)
            await at_b.join([a.address])
            state = await states.get()
            assert isinstance(state, gossip.RemoteState) and state.data == b"state of a"
            # The other side of the exchange ends when it does.
            await until(lambda: ("join", "b") in service.told)
            for text in (b"one", b"raise", b"cancel", b"two"):
                await at_b.send(at_b.member("a"), text, reliable=True)
                # Each comes in a conversation of its own, which the next might overtake.
                await until(lambda: ("msg", text) in service.told)  # noqa: B023
            await at_b.leave()
            await until(lambda: ("leave", "b") in service.told)
            assert service.told == [
                ("join", "a"), ("join", "b"),
                ("msg", b"one"), ("msg", b"raise"), ("msg", b"cancel"), ("msg", b"two"),
                ("leave", "b"),
            ]  # fmt: skip
            assert service.loop is asyncio.get_running_loop()
            assert at_a.stats().callback_errors == 2
            for meta in (b"unwanted", b"endless"):
                refused = at_a.stats().merges_refused
                async with aio.Gossip(config("c")) as c:
                    await c.register_pool(pool_config(meta=meta)).join([a.address], timeout=DEADLINE)
                    await until(lambda: at_a.stats().merges_refused > refused)  # noqa: B023
        assert service.told[-1] == ("shutdown", None)

    run(main)


def test_a_delegate_without_coroutines_has_threads_of_its_own(run: Callable[[Main], None]) -> None:
    threads: list[str] = []

    class Plain(gossip.Delegate):
        def notify_join(self, member: gossip.Member) -> None:
            threads.append(threading.current_thread().name)

    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            node.register_pool(pool_config(), Plain())
            await until(lambda: threads)
        assert threads == ["gossip-delegate-1"]

    run(main)
