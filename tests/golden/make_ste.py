#!/usr/bin/env python3
"""Golden vectors for the straight-through ops, from PyTorch's autograd.

    python3 make_ste.py REFERENCE.py > ste.inc

REFERENCE.py holds activation_quant(x) and weight_quant(w, gamma) as in the training code
that the BitNet authors published ("The Era of 1-bit LLMs: Training Tips, Code and FAQ",
figure 3). The graph is theirs, with the detach trick:

    a  = silu(gate) * up;  x = rmsnorm(a) * gain
    y  = (x + (activation_quant(x) - x).detach()) @ (w + (weight_quant(w) - w).detach()).T
         + residual
"""
import importlib.util
import sys

import torch

ROWS, COLS, OUT = 4, 33, 6  # no multiple of a vector width


def load(path):
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def emit(name, tensor, kind="float"):
    values = tensor.detach().flatten().tolist()
    text = [f"{v:.9g}" for v in values] if kind == "float" else [str(int(v)) for v in values]
    if kind == "float":
        text = [(t if "." in t or "e" in t else t + ".0") + "f" for t in text]
    print(f"static const {kind} {name}[{len(values)}] = {{")
    line = "   "
    for t in text:
        if len(line) + len(t) + 2 > 88:
            print(line)
            line = "   "
        line += f" {t},"
    print(line)
    print("};")


ref = load(sys.argv[1])
torch.manual_seed(20)
torch.set_num_threads(1)
gate, up, residual, w = (torch.randn(s) for s in ((ROWS, COLS), (ROWS, COLS), (ROWS, OUT), (OUT, COLS)))
gain = 1 + 0.2 * torch.randn(COLS)
dy = torch.randn(ROWS, OUT)
leaves = (gate, up, gain, w, residual)
for leaf in leaves:
    leaf.requires_grad_()

a = torch.nn.functional.silu(gate) * up
x = a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + 1e-5) * gain
xq, wq = ref.activation_quant(x), ref.weight_quant(w, "fp16")
y = (x + (xq - x).detach()) @ (w + (wq - w).detach()).T + residual
y.backward(dy)

scale = 127.0 / x.abs().max(dim=-1, keepdim=True).values.clamp_(min=1e-5)
gamma = w.abs().mean().clamp_(min=1e-5).half().float()
print("/* Made by make_ste.py with PyTorch", torch.__version__, "*/")
print(f"enum {{ GOLDEN_ROWS = {ROWS}, GOLDEN_COLS = {COLS}, GOLDEN_OUT = {OUT} }};")
for name, leaf in zip(("gate", "up", "gain", "w", "residual"), leaves):
    emit("golden_" + name, leaf)
emit("golden_dy", dy)
emit("golden_q", (xq * scale).round(), "int")
emit("golden_t", (wq / gamma).round(), "int")
emit("golden_gamma", gamma)
emit("golden_y", y)
for name, leaf in zip(("dgate", "dup", "dgain", "dw", "dresidual"), leaves):
    emit("golden_" + name, leaf.grad)
