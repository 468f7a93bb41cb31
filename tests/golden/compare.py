#!/usr/bin/env python3
"""Larger models against PyTorch, live: what the checked-in golden files are too small for.

    compare.py REF_BITNET.PY BUILD_DIR [--shape char] [--only VARIANT ...] [--f32]
    compare.py REF_BITNET.PY BUILD_DIR --shape thin --seeds 40

Makes golden files of the given shape in a temporary folder (make_reference.py beside this
file), lets the test programs of BUILD_DIR read them instead of the checked-in ones, and
prints by how much loss, logits, gradients and the losses of a run are off. Needs numpy
and PyTorch (Debian: python3-torch).

Float models must stay within the tests' tolerances. A ternary model of this size meets
rounding ties (make_reference.py says why): where float32 and double choose neighbouring
int8 codes, gradients are off by more than rounding. --f32 shows how far PyTorch in single
precision is from PyTorch in double on the same batch: tern cannot be asked for less.
"thin" has the widths of "char" and so few tokens that a seed without ties can be found;
there ternary must stay within the tolerances too.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import numpy as np

import make_reference

SHAPES = {
    "thin": "n_layer=2 d_model=128 n_head=4 ffn=344 ctx=16 batch=1 vocab=65 iters=1",
    "char": "n_layer=4 d_model=128 n_head=4 ffn=344 ctx=64 batch=12 vocab=65",
    "wide": "n_layer=2 d_model=512 n_head=8 ffn=1408 ctx=32 batch=4 vocab=300",
    "deep": "n_layer=12 d_model=96 n_head=4 ffn=256 ctx=48 batch=4 vocab=65",
}
PROGRAMS = ("test_layers_reference", "test_train_reference_run")


def distance(a, b):
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


def single_precision(ref, options):
    """PyTorch's own float32 against its float64."""
    both = []
    for dtype in ("f32", "f64"):
        c = SimpleNamespace(**dict(make_reference.COMMON, **options), seed=1)
        c.dtype = dtype
        arrays = make_reference.dump(ref, c)
        both.append((arrays, make_reference.run(ref, c, arrays)[1]))
    (single, single_run), (double, double_run) = both
    worst = max(distance(single[k], double[k]) for k in double if k.startswith("g/"))
    print(f"    PyTorch f32: loss off by {abs(float(single['loss']) - float(double['loss'])):.2e}, "
          f"logits by {distance(single['logits'], double['logits']):.2e}, "
          f"worst gradient tensor by {worst:.2e}, "
          f"losses of a run by {max(abs(a - b) for a, b in zip(single_run, double_run)):.2e}",
          flush=True)


def run_tests(build, folder):
    environment = dict(os.environ, TERN_GOLDEN_DIR=folder)
    for program in PROGRAMS:
        done = subprocess.run([os.path.join(build, "tests", program), "--verbose=1", "--jobs", "1"],
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        for line in done.stdout.splitlines():
            if "off by" in line:
                print("    tern " + line.split(".golden: ")[-1], flush=True)
        print(f"    {program}: {'within tolerance' if done.returncode == 0 else 'NOT within tolerance'}")


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("ref", metavar="REF_BITNET.PY")
    a.add_argument("build", metavar="BUILD_DIR")
    a.add_argument("--shape", default="char", choices=SHAPES)
    a.add_argument("--seeds", default="1", help="as make_reference.py; 40 avoids ties in 'thin'")
    a.add_argument("--only", action="append", choices=make_reference.VARIANTS)
    a.add_argument("--f32", action="store_true")
    c = a.parse_args()
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_reference.py")
    changes = dict(s.split("=") for s in SHAPES[c.shape].split())
    for name in c.only or make_reference.VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, script, c.ref, "--out", folder, "--only", name, "--seeds", c.seeds]
            for key, value in changes.items():
                command += ["--set", f"{key}={value}"]
            made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            print(f"{c.shape} {name}: {made.stdout.split(' bytes, ')[-1].strip()}", flush=True)
            if c.f32:
                options = dict(make_reference.VARIANTS[name], **{k: int(v) for k, v in changes.items()})
                single_precision(make_reference.load(c.ref), options)
            run_tests(c.build, folder)


if __name__ == "__main__":
    main()
