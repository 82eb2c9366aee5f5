"""The page of the agent, in a browser: what people see, and how soon."""

import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cli import FAST_POOL, HERE, AgentProcess
from conftest import MakeNode
from support import DEADLINE, pool_config

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PICTURES = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parent.parent / "target") / "dashboard"
WAIT = DEADLINE * 1000
SOON = 2.0
"""Seconds in which the page shows what the agent was told."""
HOSTILE = '<img src=x onerror="alert(1)">'
SCRIPT = "</script><script>alert(2)</script>\u202e"

# Notes when each member was first shown in each state.
OBSERVE = """
window.shown = {};
const note = () => {
  for (const row of document.querySelectorAll("#rows tr"))
    window.shown[`${row.dataset.name} ${row.dataset.state}`] ??= Date.now();
};
new MutationObserver(note).observe(document, { subtree: true, childList: true, attributes: true });
"""

CONTRAST = """() => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    const [r, g, b] = style.getPropertyValue(name).trim().slice(1).match(/../g)
      .map((hex) => parseInt(hex, 16) / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const names = ["--text", "--quiet", "--accent", "--alive", "--suspect", "--dead", "--left"];
  return Object.fromEntries(names.map((name) => [name, ratio(light(name), light("--card"))]));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    there = importlib.util.find_spec("playwright") is not None
    missing = "playwright is not installed" if not there else "" if CHROMIUM else "there is no chromium"
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; the page cannot be tested")
        pytest.skip(f"{missing}; the page is not tested")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    agents: list[AgentProcess] = []

    def start(name: str, *arguments: str, pool: str = FAST_POOL, bind: str = "127.0.0.1:0") -> AgentProcess:
        agents.append(AgentProcess(tmp_path, "--name", name, "--bind", bind, "--pool", pool, *arguments))
        return agents[-1]

    yield start
    for agent in agents:
        agent.close()


class Watched:
    """A page, and everything that must not happen on it."""

    def __init__(self, browser: Any, agent: AgentProcess, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1360, "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.wrong: list[str] = []
        self.origin = f"http://{agent.address}/"
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", self._asked)
        self.page.on("request", self._requested)
        self.page.add_init_script(OBSERVE)
        self.page.goto(self.origin)
        self.page.locator("#link[data-state=live]").wait_for()

    def _asked(self, dialog: Any) -> None:
        self.wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(self.origin):
            self.wrong.append(f"request to {request.url}")

    def row(self, name: str, state: str) -> Any:
        """The row of a member in a state, which may be yet to come."""
        rows = self.page.locator(f"#rows tr[data-state={state}]")
        row = rows.filter(has=self.page.get_by_role("button", name=name, exact=True))
        row.wait_for()
        return row

    def shows_soon(self, event: dict[str, Any], state: str) -> None:
        """A member's new state is shown within two seconds of the event."""
        self.row(event["name"], state)
        shown = self.page.evaluate("key => window.shown[key]", f"{event['name']} {state}") / 1000
        assert shown - datetime.fromisoformat(event["time"]).timestamp() < SOON

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    def close(self) -> None:
        self.context.close()
        assert not self.wrong, self.wrong


@pytest.fixture
def watch(browser: Any) -> Iterator[Any]:
    pages: list[Watched] = []

    def watch(agent: AgentProcess, **options: Any) -> Watched:
        pages.append(Watched(browser, agent, **options))
        return pages[-1]

    yield watch
    for page in pages:
        page.close()


def test_a_node_joins_crashes_and_leaves(start: Any, watch: Any) -> None:
    a = start("a")
    page = watch(a)
    b = start("b", "--seed", a.address, "--meta", "role=web")
    page.shows_soon(a.event("join", name="b"), "alive")
    c = start("c", "--seed", a.address)
    page.shows_soon(a.event("join", name="c"), "alive")
    assert "role=web" in page.row("b", "alive").inner_text()
    page.page.locator("#rows tr", has_text="ms").first.wait_for()
    assert page.page.locator("#picture .node.alive").count() == 2

    b.process.send_signal(signal.SIGKILL)
    suspected = a.event("suspect", name="b")
    failed = a.event("fail", name="b")
    page.shows_soon(failed, "dead")
    assert suspected["time"] < failed["time"]
    assert c.stop() == 0
    page.shows_soon(a.event("leave", name="c"), "left")
    assert page.page.locator("#picture .node.dead").count() == 1
    # The last one has gone, and the first is looked for.
    a.event("isolated")
    page.page.locator("#events .kind", has_text="isolated").wait_for()
    # What the core logs stands between them.
    kinds = [kind for kind in page.page.locator("#events .kind").all_inner_texts() if kind != "log"]
    assert kinds[:3] == ["isolated", "left", "failed"] and "suspect" in kinds
    label = page.page.locator("#picture").get_attribute("aria-label")
    assert "1 alive, 0 suspect, 1 dead, 1 left" in label


def test_what_members_say_of_themselves_is_text(start: Any, watch: Any, make_node: MakeNode) -> None:
    a = start("a")
    page = watch(a)
    hostile = make_node(HOSTILE)
    pool = hostile.register_pool(pool_config(meta=SCRIPT.encode()))
    pool.join([a.endpoint], timeout=DEADLINE)
    page.shows_soon(a.event("join", name=HOSTILE), "alive")
    pool.send(a.endpoint, b"<b onclick=alert(3)>bold</b>", reliable=True, timeout=DEADLINE)
    page.page.locator("#events", has_text="<b onclick=alert(3)>bold</b>").wait_for()

    row = page.row(HOSTILE, "alive")
    assert HOSTILE in row.inner_text() and "\u202e" not in row.inner_text()
    assert "</script><script>alert(2)</script>\\u{202e}" in row.inner_text()
    row.get_by_role("button", name=HOSTILE).click()
    assert page.page.locator("dialog h2").inner_text() == HOSTILE
    page.page.keyboard.press("Escape")
    assert page.page.locator("main img, main script, main b[onclick], dialog img").count() == 0


def test_it_is_used_with_a_keyboard(start: Any, watch: Any) -> None:
    a = start("a", "--pool", "2,preset=local,label=second")
    page = watch(a).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tab-1"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-2"
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "pool 2 · second"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.type("nobody")
    page.get_by_text("no member matches").wait_for()
    for _ in "nobody":
        page.keyboard.press("Backspace")
    page.locator("#rows tr").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("th[data-sort=state]").get_attribute("aria-sort") == "ascending"
    assert page.locator("th[data-sort=name]").get_attribute("aria-sort") is None
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "name"
    page.keyboard.press("Enter")
    page.locator("dialog[open]").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.className") == "name"


def test_it_finds_back_to_an_agent_that_comes_back(start: Any, watch: Any) -> None:
    a = start("a")
    page = watch(a)
    assert a.stop() == 0
    page.page.locator("#link[data-state=lost]").wait_for()
    start("again", bind=a.address)
    page.page.locator("#link[data-state=live]").wait_for()
    page.row("again", "alive")
    # The browser says in the console that it could not connect meanwhile.
    page.wrong = [text for text in page.wrong if "ERR_CONNECTION_REFUSED" not in text and "ERR_INCOMPLETE" not in text]


def test_a_browser_asks_for_the_token(start: Any, watch: Any, tmp_path: Path) -> None:
    token = "a-token-of-some-length"
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    a = start("a", "--http", "token", "--token-file", str(tmp_path / "token"))
    page = watch(a, http_credentials={"username": "anyone", "password": token})
    page.row("a", "alive")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_everywhere(start: Any, watch: Any, make_node: MakeNode, scheme: str) -> None:
    a = start("ada", "--meta", "role=web zone=a")
    nodes = [make_node(name) for name in ("ben", "cleo", "dora", "emil", "finn", "gwen")]
    for number, node in enumerate(nodes):
        meta = f"role={'web db cache'.split()[number % 3]} zone={'abc'[number % 3]}".encode()
        node.register_pool(pool_config(meta=meta)).join([a.endpoint], timeout=DEADLINE)
    page = watch(a, color_scheme=scheme)
    for node in nodes:
        page.row(node.node_name, "alive")
    nodes[0].pool(1).send(a.endpoint, b"good morning", reliable=True, timeout=DEADLINE)
    page.page.locator("#events", has_text="good morning").wait_for()
    nodes[1].leave(DEADLINE)
    page.row("cleo", "left")
    nodes[2].shutdown()
    page.row("dora", "dead")
    page.page.wait_for_function("document.querySelectorAll('#rows .rtt .bar:not([hidden])').length >= 4")
    assert all(ratio >= 4.5 for ratio in page.page.evaluate(CONTRAST).values()), page.page.evaluate(CONTRAST)
    for device, width in (("desktop", 1360), ("phone", 390)):
        page.page.set_viewport_size({"width": width, "height": 844})
        # Nothing is wider than the screen.
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        page.picture(f"{device}-{scheme}")


def test_who_wants_no_motion_gets_none(start: Any, watch: Any) -> None:
    a = start("a")
    b = start("b", "--seed", a.address)
    page = watch(a, reduced_motion="reduce")
    page.row("b", "alive")
    page.page.locator("#rows tr", has_text="ms").first.wait_for()
    b.process.kill()
    page.row("b", "dead")
    assert page.page.evaluate("document.getAnimations().length") == 0
    assert page.page.locator("#picture .pulse").count() == 0
