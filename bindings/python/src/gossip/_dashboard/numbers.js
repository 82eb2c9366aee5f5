// Traffic of the last minute, what waits, and what was dropped.

import { make } from "./cluster.js";

const SECONDS = 60;
const RATES = [
  ["datagrams in", "packets_received"], ["datagrams out", "packets_sent"],
];
// Queue, its counter now, its limit where the core tells one.
const QUEUES = [
  ["datagrams for the pool", "inbox", null], ["membership news to gossip", "broadcasts_queued", null],
  ["messages to gossip", "broadcasts_user", "broadcasts_limit"], ["news for the application", "delegate", null],
  ["streams open", "streams_inbound", null],
];
// Of the pool, then of the port.
const DROPS = [
  ["datagrams dropped: inbox full", "inbox_dropped"], ["datagrams not sent: socket full", "send_dropped"],
  ["refused: malformed, wrong key or label", "refused"], ["refused: address not allowed", "sources_refused"],
  ["messages the application did not take", "messages_dropped"], ["messages not taken for gossip", "broadcasts_refused"],
  ["streams failed", "streams_failed"], ["probes without answer", "probes_failed"],
  ["probes that only TCP answered", "probes_saved_by_stream"], ["name conflicts", "conflicts"],
  ["hooks that raised", "callback_errors"], ["stalls of this process", "stalls"],
];
const PORT_DROPS = [
  ["port: for a pool that is not here", "packets_unknown_pool"], ["port: nobody receives datagrams", "packets_no_receiver"],
  ["port: connections over the limit", "connections_over_limit"], ["port: backlog of a listener full", "connections_listener_full"],
  ["port: errors of sending", "send_errors"],
];

export class Numbers {
  constructor(rates, queues, drops) {
    this.lists = { queues, drops };
    this.curves = RATES.map(([title, key]) => new Curve(rates, title, key));
    this.pool = null;
  }

  /** Begins anew, for a pool; `history` is `[time, packets received, packets sent]` of each second before. */
  reset(pool, history = []) {
    this.pool = pool;
    this.curves.forEach((curve, index) => {
      curve.reset();
      for (const moment of history) curve.add(Date.parse(moment[0]), moment[index + 1]);
      curve.draw();
    });
  }

  /** Takes the counters of a moment. */
  take(pool, time, stats, port) {
    if (pool !== this.pool) return;
    for (const curve of this.curves) curve.take(time, stats[curve.key]);
    this.lists.queues.replaceChildren(...QUEUES.map(([title, key, limit]) => meter(title, stats[key] ?? 0, limit && stats[limit])));
    const drops = [...DROPS.map(([title, key]) => [title, stats[key]]), ...PORT_DROPS.map(([title, key]) => [title, port[key]])];
    const known = drops.filter(([, value]) => value !== undefined);
    this.lists.drops.replaceChildren(...known.filter(([, value]) => value > 0).map(count));
    const none = known.filter(([, value]) => value === 0).length;
    if (none) this.lists.drops.append(item("", `${none === known.length ? "nothing" : "nothing else"} so far`));
  }
}

/** A counter's rate over the last minute. */
class Curve {
  constructor(parent, title, key) {
    this.key = key;
    this.value = document.createElement("b");
    const caption = document.createElement("figcaption");
    caption.append(title, this.value);
    this.area = make("path", { class: "area" });
    this.line = make("path", { class: "line" });
    const svg = make("svg", { viewBox: `0 0 ${SECONDS - 1} 30`, preserveAspectRatio: "none", "aria-hidden": "true" }, this.area, this.line);
    const figure = document.createElement("figure");
    figure.append(caption, svg);
    parent.append(figure);
    this.reset();
  }

  reset() {
    this.before = null;
    this.rates = [];
  }

  take(time, total) {
    this.add(time, total);
    this.draw();
  }

  add(time, total) {
    const seconds = this.before && (time - this.before.time) / 1000;
    if (seconds >= 0.2) {
      this.rates.push(Math.max(0, (total - this.before.total) / seconds));
      this.rates = this.rates.slice(-SECONDS);
    }
    if (!this.before || seconds >= 0.2) this.before = { time, total };
  }

  draw() {
    const last = this.rates.at(-1);
    this.value.textContent = last === undefined ? "–" : `${last < 10 ? last.toFixed(1) : Math.round(last)}/s`;
    const top = Math.max(...this.rates, 1);
    const from = SECONDS - this.rates.length;
    const points = this.rates.map((rate, index) => `${from + index} ${(28 - (26 * rate) / top).toFixed(2)}`);
    this.line.setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
    this.area.setAttribute("d", points.length > 1 ? `M${from} 30L${points.join("L")}L${SECONDS - 1} 30Z` : "");
  }
}

function meter(title, value, limit) {
  const row = item("", title);
  const bar = document.createElement("span");
  bar.className = "bar";
  const filled = document.createElement("i");
  // Without a known limit, a bar that is full at a thousand.
  filled.style.width = `${Math.min(100, (100 * value) / (limit || 1000))}%`;
  bar.append(filled);
  bar.ariaHidden = "true";
  const shown = document.createElement("b");
  shown.textContent = limit ? `${value} of ${limit}` : value.toLocaleString();
  row.append(bar, shown);
  return row;
}

function count([title, value]) {
  const row = item("some", title);
  const shown = document.createElement("b");
  shown.textContent = value.toLocaleString();
  row.append(shown);
  return row;
}

function item(className, title) {
  const row = document.createElement("li");
  row.className = className;
  const name = document.createElement("span");
  name.textContent = title;
  row.append(name);
  return row;
}
