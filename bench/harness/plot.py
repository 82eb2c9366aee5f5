"""Lines in a diagram, as SVG: no more than is needed to see how something grows."""

from collections.abc import Mapping, Sequence
from html import escape
from math import floor, log10

from .tables import number

Point = tuple[float, float]
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 40, 50


def lines(title: str, across: str, series: Mapping[str, Sequence[Point]]) -> str:
    """A diagram with both axes logarithmic, so that what grows alike is parallel."""
    points = [point for line in series.values() for point in line if min(point) > 0]
    if not points:
        return empty(title)
    xs, ys = axis([x for x, _ in points]), axis([y for _, y in points])

    def place(point: Point) -> tuple[float, float]:
        x, y = (share(value, *ends) for value, ends in zip(point, (xs, ys), strict=True))
        return LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)

    parts = [text(WIDTH / 2, 20, title, "middle", 14), text(WIDTH / 2, HEIGHT - 10, across, "middle")]
    for value in sorted({x for x, _ in points}):
        x, _ = place((value, ys[0]))
        parts += [rule(x, TOP, x, HEIGHT - BOTTOM), text(x, HEIGHT - BOTTOM + 16, number(value), "middle")]
    for value in ticks(*ys):
        _, y = place((xs[0], value))
        parts += [rule(LEFT, y, WIDTH - RIGHT, y), text(LEFT - 6, y + 4, number(value), "end")]
    for at, (name, line) in enumerate(series.items()):
        colour = COLOURS[at % len(COLOURS)]
        placed = [place(point) for point in line if min(point) > 0]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(f'<rect x="{LEFT + 10}" y="{TOP + 6 + 18 * at}" width="12" height="4" fill="{colour}"/>')
        parts.append(text(LEFT + 28, TOP + 13 + 18 * at, name, "start"))
    return picture(parts)


def bars(title: str, values: Mapping[str, tuple[float, bool]]) -> str:
    """For each name how far its figure is from its goal, 1 being the goal, on a logarithmic axis."""
    height = TOP + 20 * len(values) + BOTTOM
    low, high = axis([value for value, _ in values.values()] + [0.5, 2])
    middle = 300

    def place(value: float) -> float:
        return middle + share(min(max(value, low), high), low, high) * (WIDTH - middle - RIGHT)

    parts = [text(WIDTH / 2, 20, title, "middle", 14)]
    for value in ticks(low, high):
        x = place(value)
        parts += [rule(x, TOP, x, height - BOTTOM), text(x, height - BOTTOM + 16, number(value), "middle")]
    for at, (name, (value, good)) in enumerate(values.items()):
        y = TOP + 20 * at + 3
        left, right = sorted((place(1), place(value)))
        colour = "#2ca02c" if good else "#d62728"
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="14" fill="{colour}"/>')
        parts.append(text(middle - 8, y + 11, name, "end", 11))
    parts.append(text(place(1), height - 12, "1 is the goal; farther right is better", "middle"))
    return picture(parts, height)


def axis(values: list[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis, with some room."""
    low, high = min(value for value in values if value > 0), max(values)
    return low / 1.3, high * 1.3


def share(value: float, low: float, high: float) -> float:
    """Where on the axis a value stands, from 0 to 1."""
    return (log10(value) - log10(low)) / (log10(high) - log10(low))


def ticks(low: float, high: float) -> list[float]:
    """Round values on an axis."""
    steps = [one * 10.0**exponent for exponent in range(floor(log10(low)), floor(log10(high)) + 1) for one in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    """A thin line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def text(x: float, y: float, content: str, anchor: str, size: int = 12) -> str:
    """A label."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(content)}</text>'


def empty(title: str) -> str:
    """A diagram of nothing, which says so."""
    return picture([text(WIDTH / 2, HEIGHT / 2, f"{title}: nothing was measured", "middle", 14)])


def picture(parts: list[str], height: float = HEIGHT) -> str:
    """The file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])
