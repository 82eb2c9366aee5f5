// The page: a snapshot and the events after it, from one stream. Everything that came from the network is put into the
// page as text, never as markup.

import { Picture, glyph } from "./cluster.js";
import { Numbers } from "./numbers.js";

const EVENTS = 200;
const ROWS = 300;
const LARGE = 200;
const SHOWN_GONE = 120; // seconds that the picture shows those who are gone
const ORDER = { suspect: 0, alive: 1, dead: 2, left: 3 };
const KINDS = {
  join: ["joined", "good"], refuted: ["refuted", "good"], leave: ["left", "calm"], fail: ["failed", "bad"],
  suspect: ["suspect", "warn"], update: ["updated", "news"], conflict: ["conflict", "bad"],
  isolated: ["isolated", "bad"], healed: ["healed", "good"], migrated: ["migrated", "news"], message: ["message", "news"],
  log: ["log", "calm"], ready: ["ready", "good"],
  leaving: ["leaving", "warn"], reloaded: ["reloaded", "news"],
};
const OF_MEMBERS = ["join", "refuted", "leave", "fail", "suspect", "update"];

const LEGEND = [["self", "this node"], ["alive", "alive"], ["suspect", "suspect"], ["dead", "failed"], ["left", "left"]];

const $ = (id) => document.getElementById(id);

export function el(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Text of others: control characters and the like are made visible, so that nothing is hidden or turned around. */
export const visible = (text) =>
  String(text).replace(/[\p{C}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

const foreign = (text, kind = "bdi") => el(kind, { className: "foreign", textContent: visible(text) });

const state = { pools: new Map(), chosen: null, events: [], sort: { by: "name", down: false }, skew: 0, node: null };
const picture = new Picture($("picture"), (name) => details(name ?? pool()?.own), (name) => light(name));
const numbers = new Numbers($("rates"), $("queues"), $("drops"));
const rows = new Map();
let dirty = false;

const pool = () => state.pools.get(state.chosen);
const everyone = (shown) => [...shown.members.values(), ...shown.gone.values()];

function take(event) {
  const shown = state.pools.get(event.pool);
  if (event.event === "snapshot") return takeSnapshot(event);
  if (event.event === "numbers") return takeNumbers(event);
  if (event.event === "ping") {
    const member = shown?.members.get(event.name);
    if (member) member.rtt_ms = event.smooth_ms;
    if (event.pool === state.chosen) picture.pulse(event.name);
    return later();
  }
  if (shown && OF_MEMBERS.includes(event.event)) takeMember(shown, event);
  state.events.unshift(event);
  state.events.length = Math.min(state.events.length, EVENTS);
  addEvent(event);
  later();
}

function takeSnapshot(snapshot) {
  state.skew = Date.now() - Date.parse(snapshot.time);
  state.node = snapshot.node;
  state.started = snapshot.started;
  state.pools = new Map(snapshot.pools.map((one) => [one.id, {
    ...one,
    own: one.self,
    members: new Map(one.members.map((member) => [member.name, member])),
    gone: new Map(one.gone.map((member) => [member.name, member])),
  }]));
  if (!state.pools.has(state.chosen)) state.chosen = state.pools.keys().next().value ?? null;
  state.events = [...snapshot.events].reverse();
  document.title = `${visible(snapshot.node.name)} · gossip`;
  $("node").replaceChildren(foreign(snapshot.node.name));
  $("version").textContent = `libgossip ${snapshot.version}`;
  drawTabs();
  drawEvents();
  numbers.reset(state.chosen, pool()?.history);
  takeNumbers({ time: snapshot.time, port: snapshot.port, pools: Object.fromEntries(snapshot.pools.map((one) => [one.id, one])) });
}

function takeNumbers(event) {
  for (const [id, news] of Object.entries(event.pools)) {
    const shown = state.pools.get(Number(id));
    if (shown) Object.assign(shown, { stats: news.stats, health_score: news.health_score });
  }
  if (pool()) numbers.take(state.chosen, Date.parse(event.time), pool().stats, event.port);
  later();
}

function takeMember(shown, event) {
  const { event: kind, ...member } = event;
  const isGone = kind === "leave" || kind === "fail";
  shown[isGone ? "members" : "gone"].delete(member.name);
  shown[isGone ? "gone" : "members"].set(member.name, member);
  if (event.pool === state.chosen) $("announcer").textContent = `${visible(member.name)} ${KINDS[kind][0]}`;
}

/** Draws with the next frame, however much happened before it; a large pool less often. */
function later() {
  if (dirty) return;
  dirty = true;
  setTimeout(() => requestAnimationFrame(() => {
    dirty = false;
    draw();
  }), (pool()?.members.size ?? 0) > LARGE ? 300 : 0);
}

function draw() {
  const shown = pool();
  if (!shown) return;
  const about = [`at ${state.node.addresses.join(", ")}`];
  if (!state.node.addresses.includes(state.node.advertise)) about.push(`known as ${state.node.advertise}`);
  about.push(shown.encrypted ? "encrypted" : "not encrypted", `up ${span(now() - Date.parse(state.started))}`);
  $("about").textContent = about.join(" · ");
  drawTiles(shown);
  const all = everyone(shown);
  const recent = all.filter((member) => ORDER[member.state] < 2 || now() - Date.parse(member.since) < SHOWN_GONE * 1000);
  picture.draw(recent.sort(by("name")), shown.own);
  drawRows(shown, all);
  for (const tab of $("pools").children) {
    const other = state.pools.get(Number(tab.dataset.pool));
    const troubled = [...other.members.values()].some((member) => member.state === "suspect");
    tab.querySelector(".mark").textContent = troubled ? "!" : "";
  }
}

function drawTiles(shown) {
  const members = [...shown.members.values()];
  const gone = [...shown.gone.values()];
  const count = (list, wanted) => list.filter((member) => member.state === wanted).length;
  const trips = members.map((member) => member.rtt_ms).filter((rtt) => rtt > 0).sort((a, b) => a - b);
  const [suspect, dead] = [count(members, "suspect"), count(gone, "dead")];
  const tiles = [
    ["alive", count(members, "alive"), "alive"],
    ["suspect", suspect, suspect ? "suspect" : ""],
    ["failed lately", dead, dead ? "dead" : ""],
    ["left lately", count(gone, "left"), ""],
    ["round trip", trips.length ? trip(trips[trips.length >> 1]) : "–", ""],
    ["this node", shown.health_score ? `doubts itself: ${shown.health_score}` : "healthy", shown.health_score ? "suspect" : ""],
  ];
  $("tiles").replaceChildren(...tiles.map(([name, value, tone]) => {
    const tile = el("div", {}, el("dt", { textContent: name }), el("dd", { textContent: value }));
    tile.dataset.tone = tone;
    return tile;
  }));
}

function by(key) {
  const value = {
    name: (member) => member.name, state: (member) => ORDER[member.state], rtt: (member) => member.rtt_ms ?? Infinity,
    since: (member) => member.since ?? "",
  }[key];
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return (a, b) => compare(value(a), value(b)) || compare(a.name, b.name);
}

function drawRows(shown, all) {
  const wanted = $("filter").value.trim().toLowerCase();
  const matching = all.filter((member) => !wanted || `${member.name} ${member.endpoint} ${member.meta} ${member.state}`.toLowerCase().includes(wanted));
  matching.sort(by(state.sort.by));
  if (state.sort.down) matching.reverse();
  // In any order, those in trouble come first, and those who are gone last.
  matching.sort((a, b) => Math.min(2, ORDER[a.state]) - Math.min(2, ORDER[b.state]));
  const longest = Math.max(...all.map((member) => member.rtt_ms ?? 0), 0.001);
  const drawn = matching.slice(0, ROWS);
  const kept = new Set(drawn.map((member) => member.name));
  for (const [name, row] of rows) {
    if (!kept.has(name)) {
      row.remove();
      rows.delete(name);
    }
  }
  drawn.forEach((member, index) => {
    let row = rows.get(member.name);
    if (!row) rows.set(member.name, row = newRow(member.name));
    fill(row, member, shown.own, longest);
    // Moved only if it has to be: that keeps the focus.
    if ($("rows").children[index] !== row) $("rows").insertBefore(row, $("rows").children[index] ?? null);
  });
  $("more").textContent = matching.length > ROWS ? `${ROWS} of ${matching.length}; filter to see others`
    : wanted && !matching.length ? "no member matches" : "";
}

function newRow(name) {
  const cells = ["how", "who", "rtt", "meta wide", "since wide"].map((className) => el("td", { className }));
  const [, who, rtt, meta] = cells;
  const button = el("button", { type: "button", className: "name" }, foreign(name));
  button.addEventListener("click", () => details(name));
  who.append(button, el("span", { className: "you", hidden: true, textContent: "this node" }), el("span", { className: "address" }));
  rtt.append(el("span"), el("span", { className: "bar", ariaHidden: "true" }, el("i")));
  meta.append(foreign("", "span"));
  const row = el("tr", {}, ...cells);
  row.dataset.name = name;
  row.addEventListener("pointerenter", () => light(name));
  row.addEventListener("pointerleave", () => light(null));
  return row;
}

function fill(row, member, own, longest) {
  const [stateCell, who, rtt, meta, since] = row.children;
  if (row.dataset.state !== member.state) {
    row.dataset.state = member.state;
    stateCell.replaceChildren(el("span", { className: "state" }, glyph(member.state), member.state));
  }
  who.querySelector(".you").hidden = member.name !== own;
  text(who.querySelector(".address"), visible(member.endpoint));
  text(rtt.firstChild, member.rtt_ms > 0 ? trip(member.rtt_ms) : "–");
  rtt.lastChild.hidden = !(member.rtt_ms > 0);
  rtt.lastChild.firstChild.style.width = `${Math.max(3, (100 * (member.rtt_ms ?? 0)) / longest)}%`;
  text(meta.firstChild, visible(member.meta));
  text(since, member.since ? `${span(now() - Date.parse(member.since))} ago` : "");
}

function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function light(name) {
  picture.lit(name);
  for (const [key, row] of rows) row.classList.toggle("lit", key === name);
}

function details(name) {
  const shown = pool();
  const member = shown?.members.get(name) ?? shown?.gone.get(name);
  if (!member) return;
  $("details-title").replaceChildren(foreign(member.name));
  const facts = [
    ["state", member.state + (member.name === shown.own ? ", this node" : ""), ""],
    ["since", member.since ? new Date(Date.parse(member.since) + state.skew).toLocaleString() : "before this page", ""],
    ["address", member.endpoint, "mono"],
    ["round trip", member.rtt_ms > 0 ? trip(member.rtt_ms) : "not measured", ""],
    ["metadata", member.meta || "none", "mono"],
    ["incarnation", member.incarnation, ""],
    ["protocol", `speaks ${member.protocol[2]}, understands ${member.protocol[0]} to ${member.protocol[1]}`, ""],
  ];
  $("details-facts").replaceChildren(...facts.flatMap(([key, value, className]) => [
    el("dt", { textContent: key }), el("dd", { className: `foreign ${className}`, textContent: visible(value) }),
  ]));
  if (!$("details").open) $("details").showModal();
}

function drawTabs() {
  const tabs = $("pools");
  tabs.hidden = state.pools.size < 2;
  tabs.replaceChildren(...[...state.pools.values()].map((one) => {
    const chosen = one.id === state.chosen;
    const name = one.label ? `pool ${one.id} · ${visible(one.label)}` : `pool ${one.id}`;
    const tab = el("button", { type: "button", role: "tab", id: `tab-${one.id}`, tabIndex: chosen ? 0 : -1 }, name, el("span", { className: "mark" }));
    tab.setAttribute("aria-selected", chosen);
    tab.setAttribute("aria-controls", "pool");
    tab.dataset.pool = one.id;
    tab.addEventListener("click", () => choose(one.id));
    return tab;
  }));
}

function choose(id) {
  state.chosen = id;
  for (const row of rows.values()) row.remove();
  rows.clear();
  for (const tab of $("pools").children) {
    const chosen = Number(tab.dataset.pool) === id;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  numbers.reset(id, pool().history);
  drawEvents();
  later();
}

function eventRow(event) {
  const [kind, tone] = KINDS[event.event] ?? [event.event, ""];
  const at = new Date(Date.parse(event.time) + state.skew);
  const time = el("time", { dateTime: event.time, title: at.toLocaleString(), textContent: at.toLocaleTimeString([], { hour12: false }) });
  return el("li", {}, time, el("span", { className: `kind ${tone}`, textContent: visible(kind) }), el("span", { className: "what foreign" }, ...said(event)));
}

function said(event) {
  const bold = (text) => foreign(text, "b");
  switch (event.event) {
    case "message": return [bold(event.text + (event.size > 256 ? "…" : "")), ` from ${visible(event.source)}`];
    case "conflict": return [bold(event.name), ` is also claimed by ${visible(event.other)}, which was refused`];
    case "isolated": return ["no other member is reached any more"];
    case "healed": return [`${event.returned} members are back, ${event.missing} are still missing`];
    case "migrated": return [`${event.kind}: ${event.step}, as ${visible(event.by)} asked`];
    case "log": return [visible(event.text)];
    case "update": return [bold(event.name), ` ${visible(event.meta)}`];
    default: return event.name === undefined ? [] : [bold(event.name), ` ${visible(event.endpoint ?? "")}`];
  }
}

const isShown = (event) =>
  (event.pool === undefined || event.pool === state.chosen) && (event.event !== "message" || $("with-messages").checked);

function drawEvents() {
  const shown = state.events.filter(isShown);
  $("events").replaceChildren(...(shown.length ? shown.map(eventRow) : [el("li", { className: "empty", textContent: "nothing has happened yet" })]));
}

function addEvent(event) {
  if (!isShown(event)) return;
  const list = $("events");
  list.querySelector(".empty")?.remove();
  const row = eventRow(event);
  row.classList.add("new");
  list.prepend(row);
  while (list.childElementCount > EVENTS) list.lastChild.remove();
}

const now = () => Date.now() - state.skew;

function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

function trip(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0)} ms`;
}

function link(name, shown) {
  const pill = $("link");
  pill.dataset.state = name;
  text(pill, shown);
}

/** Follows the stream; the browser asks again by itself when it breaks off, we when it was refused. */
function follow() {
  const source = new EventSource("events");
  const kinds = ["snapshot", "numbers", "ping", ...Object.keys(KINDS)];
  for (const kind of kinds) source.addEventListener(kind, (message) => take({ event: kind, ...JSON.parse(message.data) }));
  source.addEventListener("snapshot", () => link("live", "live"));
  source.onerror = () => {
    link("lost", "reconnecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
}

$("legend").append(...LEGEND.map(([kind, name]) => el("li", {}, glyph(kind), name)));
for (const head of document.querySelectorAll("th[data-sort]")) {
  head.firstElementChild.addEventListener("click", () => {
    const key = head.dataset.sort;
    state.sort = { by: key, down: state.sort.by === key && !state.sort.down };
    for (const other of document.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", state.sort.down ? "descending" : "ascending");
    later();
  });
}
$("pools").addEventListener("keydown", (event) => {
  const ids = [...state.pools.keys()];
  const at = ids.indexOf(state.chosen);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(ids[(to + ids.length) % ids.length]);
  $(`tab-${state.chosen}`).focus();
});
$("filter").addEventListener("input", later);
$("with-messages").addEventListener("change", drawEvents);
$("details").addEventListener("click", (event) => event.target === $("details") && $("details").close());
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  $("filter").focus();
});
setInterval(later, 1000);
follow();
