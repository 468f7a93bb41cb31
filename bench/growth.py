#!/usr/bin/env python3
"""How the cost of training grows: tokens/s and memory over width, depth, context, vocabulary.

    growth.py TERN [-o growth.svg] [--threads 2] [--seconds 5]

From one shape (configs/nano.yaml without dropout: width 384, 6 layers, context 256, 65
symbols, 4096 tokens a step) one number at a time is changed. Prints Markdown tables; draws
them, both axes logarithmic. Python's standard library is all it needs.
"""
import argparse
import json
import math
import os
import subprocess

CONFIG = os.path.join(os.path.dirname(__file__), "..", "configs", "nano.yaml")
TOKENS = 4096


def width(n):
    return {"width": n, "heads": n // 64, "ffn": round(n * 8 / 3 / 128) * 128}


SERIES = {
    "width": [(n, width(n)) for n in (128, 256, 384, 512, 768, 1024)],
    "layers": [(n, {"layers": n}) for n in (2, 4, 6, 12, 24)],
    "context": [(n, {"context": n}) for n in (64, 256, 1024, 4096)],
    "vocabulary": [(n, {"vocab": n}) for n in (65, 1024, 8192, 32768)],
}


def measure(c, change):
    args = [c.tern, "bench", "train", CONFIG, "--json", "--threads", str(c.threads),
            "--seconds", str(c.seconds), "--set=model.dropout=0"]
    args += [f"--set=model.{k}={v}" for k, v in change.items()]
    args.append(f"--set=train.batch={TOKENS // change.get('context', 256)}")
    r = json.loads(subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout)
    return r["parameters"], r["tokens_per_second"], r["peak_rss_bytes"] / 2**20


def panel(name, rows, left, top):
    """Tokens/s (blue) and MiB (red) of one series, each over its own range."""
    wide, high = 300, 170
    xs = [math.log(r[0]) for r in rows]
    out = [f'<text x="{left}" y="{top - 8}" font-size="13">{name}</text>',
           f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" fill="none" '
           'stroke="#ccc"/>']
    for column, color in ((2, "#1f5fa8"), (3, "#b3261e")):
        ys = [math.log(r[column]) for r in rows]
        low, span = min(ys) - 0.2, max(ys) - min(ys) + 0.4
        points = [(left + 20 + (wide - 40) * (x - xs[0]) / (xs[-1] - xs[0]),
                   top + high - high * (y - low) / span) for x, y in zip(xs, ys)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{color}" '
                   'stroke-width="1.6"/>')
        for (x, y), r in zip(points, rows):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color}"/>'
                       f'<text x="{x:.1f}" y="{y - 6:.1f}" text-anchor="middle" '
                       f'font-size="10" fill="{color}">{r[column]:.0f}</text>')
    for x, r in zip(xs, rows):
        at = left + 20 + (wide - 40) * (x - xs[0]) / (xs[-1] - xs[0])
        out.append(f'<text x="{at:.1f}" y="{top + high + 14}" text-anchor="middle" '
                   f'font-size="10">{r[0]}</text>')
    return out


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("tern")
    a.add_argument("-o", default="")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--seconds", type=float, default=5.0)
    c = a.parse_args()
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="500" '
           'font-family="sans-serif" font-size="12" fill="#222">',
           '<rect width="720" height="500" fill="#fff"/>',
           '<text x="30" y="20" font-size="14">training: <tspan fill="#1f5fa8">tokens/s'
           '</tspan> and <tspan fill="#b3261e">peak MiB</tspan></text>']
    for i, (name, series) in enumerate(SERIES.items()):
        print(f"| {name} | parameters | tokens/s | peak MiB |\n|---|---|---|---|")
        rows = [(n, *measure(c, change)) for n, change in series]
        for n, params, speed, memory in rows:
            print(f"| {n} | {params / 1e6:.2f} M | {speed:.0f} | {memory:.0f} |")
        print(flush=True)
        svg += panel(name, rows, 30 + 350 * (i % 2), 55 + 230 * (i // 2))
    if c.o:
        with open(c.o, "w", encoding="utf-8") as f:
            f.write("\n".join(svg + ["</svg>"]) + "\n")


if __name__ == "__main__":
    main()
