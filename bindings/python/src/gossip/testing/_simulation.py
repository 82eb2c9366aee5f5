"""The simulation: nodes, the network between them, and the time in which things happen."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from random import Random
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar, final

from .. import _core
from .._address import Seconds
from .._config import PoolConfig
from .._delegate import Delegate, _answer, _arguments
from .._events import event
from .._types import Buffer, MemberState
from ..errors import Rejected
from ._errors import UnreachedError, repeat
from ._node import Node, Task, Timer
from ._values import Bounds, Detection, Heard, Quality, Report, Traffic, nanos

__all__ = ["Cut", "Simulation"]

T = TypeVar("T")

MakeDelegate = Callable[[Node], Delegate]


@final
class Cut:
    """A cut in the network, until it is healed: by `heal()`, or at the end of a `with` block."""

    def __init__(self, core: _core.Simulation, number: int) -> None:
        self._core = core
        self._number = number

    def heal(self) -> None:
        """Ends the cut. What was lost stays lost; streams send it again."""
        self._core.heal(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if error is None:
            self.heal()


@final
class Simulation:
    """A virtual world: nodes that run the protocol of real ones, and a network between them.

    No thread, no socket, no clock: everything happens inside of `advance`, `run_until` and
    `wait`, on the thread that calls them, in virtual time; with a release build ten minutes
    of a hundred nodes take seconds. Ctrl-C ends them at an event, whole.

    Everything is a function of the seed and of what the program does: the same seed gives
    the same run, to the byte. For that the program itself must not depend on real time, on
    chance other than `random`, or on the order of a `set` of strings.

    After each event the rules of the protocol are checked, on the node that it touched: a
    broken one is a `ViolationError`, which says how to repeat it.

    In a `with` block every exception that leaves it says so, a failed `assert` included.
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be int, not {type(seed).__name__}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed is {seed}, must be from 0 to 2**64 - 1")
        self._seed = seed
        self._random = Random(seed)
        self._core = _core.Simulation(seed)
        self._nodes: list[Node] = []
        self._by_name: dict[str, Node] = {}
        self._timers: dict[int, Timer] = {}
        self._timers_made = 0
        self._pending: deque[Any] = deque()
        self._running = False
        self._heard: list[Heard] = []

    @property
    def seed(self) -> int:
        """Where all chance comes from."""
        return self._seed

    @property
    def random(self) -> Random:
        """Chance for the program, from the seed."""
        return self._random

    @property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by name, in the order of spawning, those that are down included."""
        return MappingProxyType(self._by_name)

    # The scene

    def spawn(
        self,
        count: int = 1,
        config: PoolConfig | None = None,
        *,
        delegate: MakeDelegate | None = None,
    ) -> list[Node]:
        """Starts so many nodes, named `n000` and so on, each with a pool of this configuration.

        Without one it is `PoolConfig.lan(1)`. `delegate`, such as a subclass of
        `gossip.Delegate`, is called with each node before it starts, and again at each
        restart: it makes the node's application.
        """
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"count must be int, not {type(count).__name__}")
        if count < 1:
            raise ValueError(f"count is {count}, must be 1 or more")
        return [self.spawn_one("", config, delegate=delegate) for _ in range(count)]

    def spawn_one(
        self, name: str = "", config: PoolConfig | None = None, *, delegate: MakeDelegate | None = None
    ) -> Node:
        """Starts one node of this name; without one, of that of the configuration, or a number."""
        config = PoolConfig.lan(1) if config is None else config
        if delegate is not None and (isinstance(delegate, Delegate) or not callable(delegate)):
            raise TypeError("delegate must make a Delegate for each node, such as a class, not be one")
        index = len(self._nodes)
        name = name or config.name or f"n{index:03}"
        if name in self._by_name:
            raise ValueError(f"a node named {name!r} is there already")
        if index >= NODES_MAX:
            raise ValueError(f"a simulation has at most {NODES_MAX} nodes")
        node = Node(self, self._core, index, name, config, delegate)
        hooks = node._begin_life()
        if index != len(self._nodes):
            raise RuntimeError(f"the delegate of {name} spawned a node while it was made")
        encoded = name.encode("utf-8", "surrogateescape")
        self._core.spawn(encoded, config.id, config._values(), config.meta, config.keys, hooks)
        self._nodes.append(node)
        self._by_name[name] = node
        return node

    def join_all(self, nodes: Iterable[Node] | None = None) -> list[Task[Any]]:
        """Lets all nodes but the first join through the first."""
        first, *others = self._nodes if nodes is None else nodes
        return [node.join([first]) for node in others]

    def set_quality(self, quality: Quality) -> None:
        """Makes every link this good, but for those that have a quality of their own."""
        self._core.set_quality(quality._row())

    def set_quality_between(self, source: Node, target: Node, quality: Quality) -> None:
        """Makes one direction between two nodes this good, whatever the others are."""
        self._core.set_quality_between(self._own(source), self._own(target), quality._row())

    # Faults; those of one node are methods of `Node`

    def partition(self, *groups: Iterable[Node]) -> Cut:
        """Cuts the network between the groups. Nodes in no group reach everybody."""
        indexes = [[self._own(node) for node in group] for group in groups]
        if len(indexes) < 2:
            raise ValueError("a partition has two groups or more")
        flat = [index for group in indexes for index in group]
        if len(set(flat)) < len(flat):
            raise ValueError("a node can be in one group only")
        return Cut(self._core, self._core.partition(indexes))

    def cut(self, source: Node, target: Node) -> Cut:
        """Cuts the way from one node to another, but not back."""
        return Cut(self._core, self._core.cut(self._own(source), self._own(target)))

    def isolate(self, node: Node) -> Cut:
        """Takes a node off the network: unlike after a crash, who dials it gets no answer at all."""
        return Cut(self._core, self._core.isolate(self._own(node)))

    # Time

    @property
    def now(self) -> float:
        """The virtual time, in seconds since the beginning."""
        return self._core.now() / 1e9

    def advance(self, span: Seconds) -> None:
        """Lets so many seconds pass."""
        self._run_to(self._core.now() + nanos(span, "span"))

    def run_until(
        self, condition: Callable[[], object] | Task[Any], limit: Seconds = 60.0, *, every: Seconds = 0.02
    ) -> float:
        """Lets time pass until the condition holds, looked at `every` so often; the seconds it took.

        A condition is a function without arguments, such as `sim.converged`, or a task.
        `UnreachedError` if it does not hold within `limit` seconds.
        """
        holds = _condition(condition)
        start, step = self._core.now(), nanos(every, "every")
        end = start + nanos(limit, "limit")
        if step == 0:
            raise ValueError("every is 0, must be more")
        while not holds():
            now = self._core.now()
            if now >= end:
                what = f"{condition!r} does not hold after {limit} s; {self._core.describe()}"
                raise UnreachedError(self._seed, self.now, what)
            self._run_to(min(now + step, end))
        return (self._core.now() - start) / 1e9

    def wait(self, task: Task[T], limit: Seconds = 60.0) -> T:
        """Lets time pass until the task is done; what came of it."""
        self.run_until(task, limit)
        return task.result()

    def call_later(self, delay: Seconds, call: Callable[..., object], /, *args: Any) -> Timer:
        """Calls `call(*args)` when `delay` seconds have passed: for what the scenario has planned.

        What an application plans is `Node.call_later`.
        """
        return self._plan(delay, call, args, None)

    # Looking

    def converged(self) -> bool:
        """Whether every node's live members are exactly those that run and have not left."""
        return self._core.converged()

    def agreed(self) -> bool:
        """Whether, moreover, all know the same facts of each other, and suspect nobody."""
        return self._core.agreed()

    def state(self, observer: Node, subject: Node) -> MemberState | None:
        """What a node thinks of another; `None` if it does not know it."""
        state = self._core.state(self._own(observer), self._own(subject))
        return None if state is None else MemberState(state)

    def all_see(self, subject: Node, state: MemberState | None) -> bool:
        """Whether all others that run think this of a node; `None`: don't know it, or have forgotten it."""
        return self._core.all_see(self._own(subject), None if state is None else MemberState(state))

    @property
    def heard(self) -> list[Heard]:
        """What all applications were told, in all their lives, in order: all but answers to probes."""
        self._read_journal()
        return list(self._heard)

    def bounds(self, node: Node | None = None) -> Bounds:
        """How long things may take in a cluster of all nodes, with the configuration of one."""
        if not self._nodes:
            raise ValueError("a simulation without nodes has no bounds")
        least, most, spread, detection, agreement = self._core.bounds(
            0 if node is None else self._own(node), len(self._nodes)
        )
        return Bounds(
            suspicion_min=least, suspicion_max=most, spread=spread, detection=detection, agreement=agreement
        )

    def report(self) -> Report:
        """The run so far, summed up."""
        elapsed, uptime, events, fingerprint, crashes, suspicions, false_alarms, traffic = self._core.report()
        return Report(
            seed=self._seed,
            nodes=len(self._nodes),
            elapsed=elapsed,
            uptime=uptime,
            events=events,
            fingerprint=fingerprint,
            detections=tuple(
                Detection(self._nodes[index].name, at, tuple(after)) for index, at, after in crashes
            ),
            suspicions=suspicions,
            false_alarms=false_alarms,
            traffic=Traffic(*traffic),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if error is not None:
            error.add_note(self._where())

    def __repr__(self) -> str:
        return f"<gossip.testing.Simulation seed={self._seed}, {len(self._nodes)} nodes, at {self.now:.6f} s>"

    def __reduce__(self) -> Any:
        raise TypeError("a Simulation cannot be pickled; run the same scenario with the same seed")

    # Inside

    def _run_to(self, end: int) -> None:
        """Lets time pass until `end`, and serves what is heard on the way."""
        if self._running:
            raise RuntimeError("time is passing already: hooks and timers cannot wait, plan with call_later")
        self._running = True
        try:
            while True:
                while self._pending:
                    self._serve(self._pending.popleft())
                heard = self._core.run(end)
                if not heard:
                    return
                self._pending.extend(heard)
        finally:
            self._running = False

    def _serve(self, heard: Any) -> None:
        hook, index, life, args, ask = heard
        if hook == "alarm":
            timer = self._timers.get(args[0])
            node = timer and timer._node
            if timer is not None and not self._hold(node, heard):
                del self._timers[args[0]]
                if timer.pending:
                    self._call("a timer", node, timer._fire)
            return
        node = self._nodes[index]
        if node._lives(life) and not self._hold(node, heard):
            self._call(hook, node, lambda: self._tell_or_ask(node, hook, args, ask))

    def _tell_or_ask(self, node: Node, hook: str, args: tuple[Any, ...], ask: int | None) -> None:
        if ask is None:
            getattr(node._delegate, hook)(*_arguments(hook, node.id, args))
            return
        answer: Any = Answer(self._core, (node._index, node._life, ask))
        try:
            reply = getattr(node._delegate, hook)(*_arguments(hook, node.id, args))
            _answer(hook, reply, answer)
        except Rejected as refusal:
            answer.refuse(str(refusal))

    def _hold(self, node: Node | None, heard: Any) -> bool:
        """Keeps what a paused node cannot hear now."""
        if node is None or not node.is_paused:
            return False
        node._held.append(heard)
        return True

    def _call(self, what: str, node: Node | None, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            of = f" of {node.name}" if node else ""
            error.add_note(f"raised in {what}{of}; {self._where()}")
            raise

    def _plan(self, delay: Seconds, call: Callable[..., object], args: Any, node: Node | None) -> Timer:
        if not callable(call):
            raise TypeError(f"a timer calls a function, not {type(call).__name__}")
        timer = Timer(lambda: call(*args), node)
        self._core.alarm(nanos(delay, "delay"), self._timers_made)
        self._timers[self._timers_made] = timer
        self._timers_made += 1
        return timer

    def _read_journal(self) -> None:
        for at, (hook, index, life, args, _) in self._core.journal(len(self._heard)):
            node = self._nodes[index]
            heard = Heard(at / 1e9, node.name, event((hook, node.id, args, None)))
            self._heard.append(heard)
            node._heard.append((life, heard))

    def _own(self, node: Node) -> int:
        if not isinstance(node, Node):
            raise TypeError(f"a node of the simulation is meant, not {type(node).__name__}")
        if node._sim is not self:
            raise ValueError(f"{node.name} is part of another simulation")
        return node._index

    def _where(self) -> str:
        return f"seed {self._seed}, at {self.now:.6f} s; repeat with: {repeat(self._seed)}"


class Answer:
    """The right to answer one question, at once."""

    def __init__(self, core: _core.Simulation, question: tuple[int, int, int]) -> None:
        self._core = core
        self._question = question

    def admit(self) -> None:
        self._core.reply(*self._question, True, None)

    def refuse(self, reason: str) -> None:
        self._core.reply(*self._question, False, None)

    def state(self, state: Buffer) -> None:
        self._core.reply(*self._question, True, state)


def _condition(condition: Callable[[], object] | Task[Any]) -> Callable[[], object]:
    if isinstance(condition, Task):
        return lambda: condition.done
    if not callable(condition):
        raise TypeError(f"a condition is a function or a task, not {type(condition).__name__}")
    return condition


NODES_MAX = 65000
