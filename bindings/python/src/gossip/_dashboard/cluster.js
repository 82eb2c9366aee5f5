// The picture of a pool: this node in the middle, the others around it, at the distance of their round trips.

const SVG = "http://www.w3.org/2000/svg";
const CENTRE = { x: 320, y: 232 };
const NEAR = 92;
const FAR = 188;
const UNKNOWN = 202;
const GONE = 218;
const WIDER = 1.32;
const MOST = 1500;
const MOST_LABELS = 32;
const MOST_TROUBLED = 6;
const MOST_SPOKES = 80;
const MOST_PULSES = 200;
const SHAPES = {
  alive: "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0",
  suspect: "M0-9.5 9.5 7.5h-19z",
  dead: "M-6-6 6 6M6-6-6 6",
  left: "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0",
  self: "M-12 0a12 12 0 1 0 24 0a12 12 0 1 0-24 0",
};
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A small picture of a state, the same shape as in the cluster: no state is told by its colour alone. */
export function glyph(state) {
  const shape = make("path", { class: "shape", d: SHAPES[state] ?? SHAPES.left });
  return make("svg", { class: `glyph ${state}`, viewBox: "-13 -13 26 26", "aria-hidden": "true" }, shape);
}

export class Picture {
  constructor(svg, choose, light) {
    this.svg = svg;
    this.choose = choose;
    this.light = light;
    this.rings = make("g");
    this.spokes = make("g");
    this.pulses = make("g");
    this.dots = make("g");
    svg.append(this.rings, this.spokes, this.pulses, this.dots);
    this.nodes = new Map();
    this.scale = null;
  }

  /** Shows the members of a pool: `{name, state, rtt_ms}`, `own` is this node's name. */
  draw(members, own) {
    const others = members.filter((member) => member.name !== own).slice(0, MOST);
    this.fit(others);
    const labelled = others.length <= MOST_LABELS;
    const troubled = others.filter((member) => member.state === "suspect").length <= MOST_TROUBLED;
    this.svg.classList.toggle("many", others.length > MOST_SPOKES);
    const seen = new Set(["\0self"]);
    this.place("\0self", { name: own, state: "self" }, CENTRE, true);
    others.forEach((member, index) => {
      seen.add(member.name);
      const angle = (index / others.length) * 2 * Math.PI - Math.PI / 2 + Math.PI / Math.max(3, others.length);
      const radius = this.radius(member);
      const place = { x: CENTRE.x + radius * WIDER * Math.cos(angle), y: CENTRE.y + radius * Math.sin(angle) };
      this.place(member.name, member, place, labelled || (troubled && member.state === "suspect"), others.length);
    });
    for (const [key, node] of this.nodes) {
      if (!seen.has(key)) {
        node.group.remove();
        node.spoke.remove();
        this.nodes.delete(key);
      }
    }
    const count = (state) => members.filter((member) => member.state === state).length;
    const parts = ["alive", "suspect", "dead", "left"].map((state) => `${count(state)} ${state}`);
    this.svg.setAttribute("aria-label", `The cluster as ${own} sees it: ${parts.join(", ")}. The table of members says the same.`);
  }

  /** Lets the light of a probe travel to a member and back. */
  pulse(name) {
    const node = this.nodes.get(name);
    if (!node || calm.matches || document.hidden || this.pulses.childElementCount > MOST_PULSES) return;
    const dot = make("circle", { class: "pulse", r: 3.2 });
    this.pulses.append(dot);
    const [from, to] = [CENTRE, node.at].map(({ x, y }) => `translate(${x}px, ${y}px)`);
    const frames = [{ transform: from, opacity: 1 }, { transform: to, opacity: 1, offset: 0.5 }, { transform: from, opacity: 0.2 }];
    dot.animate(frames, { duration: 900, easing: "ease-in-out" }).finished.finally(() => dot.remove());
  }

  /** Marks one member, and no other. */
  lit(name) {
    for (const [key, node] of this.nodes) node.group.classList.toggle("lit", key === name);
  }

  place(key, member, at, labelled, many = 1) {
    let node = this.nodes.get(key);
    if (!node) {
      node = this.add(key);
      this.nodes.set(key, node);
    }
    node.at = at;
    const size = many > 120 ? 0.45 : many > 48 ? 0.7 : 1;
    node.group.setAttribute("class", `node ${member.state}`);
    node.group.style.transform = `translate(${at.x}px, ${at.y}px)`;
    node.inner.setAttribute("transform", `scale(${size})`);
    if (node.state !== member.state) {
      node.shape.setAttribute("d", SHAPES[member.state] ?? SHAPES.left);
      node.state = member.state;
    }
    const label = labelled ? shorten(member.name) : "";
    if (node.label.textContent !== label) node.label.textContent = label;
    node.title.textContent = `${member.name}: ${member.state === "self" ? "this node" : member.state}`;
    node.label.setAttribute("y", member.state === "self" ? 32 : 24);
    node.spoke.setAttribute("class", `spoke ${member.state}`);
    for (const [name, value] of [["x1", CENTRE.x], ["y1", CENTRE.y], ["x2", at.x], ["y2", at.y]]) node.spoke.setAttribute(name, value);
  }

  add(key) {
    const shape = make("path", { class: "shape" });
    const halo = make("circle", { class: "halo", r: key === "\0self" ? 18 : 14, visibility: "hidden" });
    const inner = make("g", {}, halo, shape);
    const label = make("text");
    const title = make("title");
    // A finger is wider than a dot.
    const target = make("circle", { r: 18, fill: "transparent" });
    const group = make("g", {}, title, target, inner, label);
    group.addEventListener("click", () => this.choose(key === "\0self" ? null : key));
    group.addEventListener("pointerenter", () => this.light(key));
    group.addEventListener("pointerleave", () => this.light(null));
    const spoke = make("line");
    this.dots.append(group);
    this.spokes.append(spoke);
    return { group, inner, shape, label, title, spoke, at: CENTRE, state: null };
  }

  /** Chooses rings so that all round trips lie between the first and the last of them. */
  fit(members) {
    const trips = members.map((member) => member.rtt_ms).filter((rtt) => rtt > 0);
    const low = trips.length ? Math.min(...trips) : 0.1;
    const high = trips.length ? Math.max(...trips) : 10;
    const steps = [];
    for (let power = -2; power <= 4; power++) for (const digit of [1, 2, 5]) steps.push(digit * 10 ** power);
    let from = steps.filter((step) => step <= low).pop() ?? steps[0];
    let to = steps.find((step) => step >= high) ?? steps[steps.length - 1];
    while (to / from < 4.9) {
      to = steps[Math.min(steps.length - 1, steps.indexOf(to) + 1)];
      if (to / from < 4.9) from = steps[Math.max(0, steps.indexOf(from) - 1)];
    }
    // Rings stay while they fit, so that the picture is calm.
    if (this.scale && this.scale.from <= low && this.scale.to >= high && this.scale.to / this.scale.from <= (to / from) * 5) return;
    this.scale = { from, to };
    const decades = Math.log10(to / from);
    const shown = steps.filter((step) => step >= from && step <= to && (decades <= 1.4 || String(step).replace(/[.0]/g, "") === "1"));
    const rings = shown.map((step) => ring(this.distance(step), `${step >= 1000 ? step / 1000 + " s" : step + " ms"}`));
    this.rings.replaceChildren(...rings.flat(), ...ring(GONE, "", "gone"));
  }

  distance(rtt) {
    const { from, to } = this.scale;
    const share = Math.log(rtt / from) / Math.log(to / from);
    return NEAR + Math.min(1, Math.max(0, share)) * (FAR - NEAR);
  }

  radius(member) {
    if (member.state === "dead" || member.state === "left") return GONE;
    return member.rtt_ms > 0 ? this.distance(member.rtt_ms) : UNKNOWN;
  }
}

function ring(radius, text, kind = "") {
  const circle = make("ellipse", { class: `ring ${kind}`, cx: CENTRE.x, cy: CENTRE.y, rx: radius * WIDER, ry: radius });
  return text ? [circle, make("text", { class: "ring-label", x: CENTRE.x, y: CENTRE.y - radius + 4 }, text)] : [circle];
}

function shorten(name) {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
