#!/usr/bin/env python3
"""Draw the loss curves of runs as an SVG picture.

    curves.py -o out.svg --title "tinyshakespeare" NAME=RUN/metrics.jsonl ...
              [--per-byte 3.93] [--floor 0.1566] [--top 4]

Thin lines are training losses (means of 10 lines of the metrics), dots and thick lines the
evaluations on held-out text. --per-byte divides nats per token by bytes per token and by
ln 2, to bits per byte; --floor draws a line, say at the source's entropy in the same unit.
Python's standard library is all it needs.
"""
import argparse
import json
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 60, 16, 34, 44
COLORS = ("#b3261e", "#1f5fa8", "#2e7d32", "#8a5a00", "#6a1b9a", "#455a64")


def read(path):
    train, val = [], []
    with open(path, encoding="utf-8") as f:
        for line in f:
            e = json.loads(line)
            if e["event"] == "step":
                train.append((e["step"], e["loss"]))
            elif e["event"] == "eval":
                val.append((e["step"], e["loss"]))
    blocks = [train[i:i + 10] for i in range(0, len(train), 10)]
    smooth = [(b[-1][0], sum(loss for _, loss in b) / len(b)) for b in blocks]
    return smooth, val


def ticks(low, high, about):
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = min((m * unit for m in (1, 2, 5, 10)), key=lambda s: abs(s - raw))
    first = math.ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("runs", nargs="+", metavar="NAME=METRICS")
    a.add_argument("-o", required=True)
    a.add_argument("--title", default="")
    a.add_argument("--per-byte", type=float, default=0.0)
    a.add_argument("--floor", type=float, default=0.0)
    a.add_argument("--top", type=float, default=0.0, help="highest loss drawn")
    c = a.parse_args()
    unit = 1.0 / (c.per_byte * math.log(2.0)) if c.per_byte else 1.0
    runs = []
    for item in c.runs:
        name, path = item.split("=", 1)
        runs.append((name, *([(s, v * unit) for s, v in part] for part in read(path))))
    points = [p for _, t, v in runs for p in t + v]
    right = max(s for s, _ in points)
    low = min([v for _, v in points] + ([c.floor] if c.floor else []))
    high = c.top or max(v for _, v in points)
    low -= 0.04 * (high - low)

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / right

    def y(loss):
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - min(loss, high)) / (high - low)

    def line(pts, color, width, more=""):
        coords = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in pts)
        return (f'<polyline points="{coords}" fill="none" stroke="{color}" '
                f'stroke-width="{width}"{more}/>')

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="sans-serif" font-size="12" fill="#222">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="20" font-size="14">{c.title}</text>']
    for t in ticks(low, high, 7):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}" '
                   f'stroke="#ddd"/><text x="{LEFT - 8}" y="{y(t) + 4:.1f}" '
                   f'text-anchor="end">{t:.4g}</text>')
    for t in ticks(0, right, 6):
        out.append(f'<text x="{x(t):.1f}" y="{HEIGHT - BOTTOM + 18}" '
                   f'text-anchor="middle">{t:.0f}</text>')
    out.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">steps</text>')
    out.append(f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" '
               f'transform="rotate(-90 14 {HEIGHT / 2})">'
               f'{"bits per byte" if c.per_byte else "nats per token"}</text>')
    if c.floor:
        out.append(line([(0, c.floor), (right, c.floor)], "#222", 1, ' stroke-dasharray="5 4"'))
    for i, (name, train, val) in enumerate(runs):
        color = COLORS[i % len(COLORS)]
        out.append(line(train, color, 0.8, ' stroke-opacity="0.45"'))
        out.append(line(val, color, 1.8))
        out += [f'<circle cx="{x(s):.1f}" cy="{y(v):.1f}" r="2.6" fill="{color}"/>'
                for s, v in val]
        last = f" {val[-1][1]:.4g}" if val else ""
        out.append(f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 16 + 17 * i}" text-anchor="end" '
                   f'fill="{color}">{name}{last}</text>')
    out.append("</svg>")
    with open(c.o, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
