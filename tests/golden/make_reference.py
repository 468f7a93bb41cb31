#!/usr/bin/env python3
"""Golden files for the tests of layers/, optim/ and train/, computed by PyTorch.

    make_reference.py REF_BITNET.PY [--out DIR]        every golden file, into this folder
    make_reference.py REF_BITNET.PY --out DIR --only bitnet_ternary --set d_model=128 ...

REF_BITNET.PY is an independent PyTorch implementation of the same model (LLaMA-style,
BitLinear by the detach trick); it is imported from where it lies. Everything is computed
in double precision, from weights that float32 holds exactly: the files hold the truth,
and the tolerance of a test is tern's own error.

For each of the VARIANTS below, <name>.golden has
    the dimensions, x and y (B, T), the weights w/..., logits, loss, gradients g/..., and
    the weights u/... after one AdamW step (what `ref_bitnet.py dump` makes);
    run_x, run_y (steps, B, T) and run_loss (steps): the losses of a training run from the
    same weights with warm-up, cosine, clipping and AdamW, as in `ref_bitnet.py train`.
optimizers.golden has the parameters after each of eight steps of AdamW and SGD, muon.golden
those of six steps of Muon.

File format, read by golden.h: records of one line "name type count\\n" followed by the
little-endian numbers; types f32, f64, i32.

A ternary model is not smooth. Where an activation times its scale lies within float32's
rounding (1e-5) of a tie k + 1/2, single and double precision choose different codes, and
what follows differs by more than rounding. Such a seed tests the tie and not the code:
of --seeds N the one is kept whose nearest tie, in all forward passes, is farthest away.
"""
import argparse
import contextlib
import importlib.util
import io
import os
import tempfile
from types import SimpleNamespace

import numpy as np
import torch

TINY = dict(n_layer=2, d_model=12, n_head=2, n_kv=0, ffn=20, ctx=8, batch=2, vocab=11)
GQA = dict(TINY, d_model=16, n_head=4, n_kv=2, ffn=12)
VARIANTS = {
    "bitnet_float": dict(TINY, quant="none", norm="subln", tied=1),
    "bitnet_ternary": dict(TINY, quant="b158", norm="subln", tied=1),
    "bitnet_ternary_gqa_relu2": dict(GQA, quant="b158", norm="subln", tied=1, act="relu2"),
    "llama_float_gqa": dict(GQA, quant="none", norm="llama", tied=0),
    "llama_ternary": dict(TINY, quant="b158", norm="llama", tied=0),
    "llama_ternary_gqa_tied": dict(GQA, quant="b158", norm="llama", tied=1),
}
COMMON = dict(act="swiglu", rope="half", gamma="fp16", dtype="f64", theta=1e4, lr=2e-3,
              min_lr=2e-4, wd=0.1, beta2=0.99, clip=1.0, warmup=4, iters=20)
PARTS = {"wq": "attn.wq", "wk": "attn.wk", "wv": "attn.wv", "wo": "attn.wo",
         "w_gate": "ffn.gate", "w_up": "ffn.up", "w_down": "ffn.down"}
TYPES = {"f32": "<f4", "f64": "<f8", "i32": "<i4"}


def record(name, kind, values):
    a = np.ascontiguousarray(values, dtype=TYPES[kind])
    return f"{name} {kind} {a.size}\n".encode() + a.tobytes()


def load(path):
    spec = importlib.util.spec_from_file_location("ref_bitnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tern_name(name):
    """blocks.3.wq.weight -> layers.3.attn.wq: the names of layers/model.h."""
    if name in ("emb.weight", "head.weight"):
        return name.replace("emb", "embed")
    name = name[: -len(".weight")]
    if not name.startswith("blocks."):
        return name
    _, index, part = name.split(".")
    return f"layers.{index}.{PARTS.get(part, part)}"


@contextlib.contextmanager
def nearest_tie(ref):
    """Yields [distance]: how near a quantiser came to a tie, relative to the largest
    number that float32 rounds on the way (a code of 127, a ternary weight of 1)."""
    least = [1.0]
    activation, weight = ref.activation_quant, ref.weight_quant

    def watch(scaled, unit):
        distance = ((scaled - scaled.floor()) - 0.5).abs() / unit
        least[0] = min(least[0], distance.min().item())

    def watched_activation(x):
        watch(x * (127.0 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)), 127.0)
        return activation(x)

    def watched_weight(w, gamma="f32"):
        scaled = (w / w.abs().mean().clamp(min=1e-5).half().to(w.dtype)).abs()
        watch(scaled[scaled < 1.0], 1.0)
        return weight(w, gamma)

    ref.activation_quant, ref.weight_quant = watched_activation, watched_weight
    try:
        yield least
    finally:
        ref.activation_quant, ref.weight_quant = activation, weight


def dump(ref, c):
    """The arrays of `ref_bitnet.py dump`."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(c.seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        c.out = os.path.join(folder, "ref.npz")
        ref.dump(c)
        return dict(np.load(c.out))


def run(ref, c, arrays):
    """The losses of c.iters steps on sequences that can be learnt: x -> 3 x + 1."""
    torch.set_default_dtype(torch.float64 if c.dtype == "f64" else torch.float32)
    model = ref.Model(c)
    model.load_state_dict({k[2:]: torch.from_numpy(v) for k, v in arrays.items()
                           if k.startswith("w/")}, strict=False)
    optimizer = ref.optimizer(c, model)
    rng = torch.Generator().manual_seed(c.seed + 2)
    tokens = torch.randint(c.vocab, (c.iters, c.batch, 1), generator=rng)
    for _ in range(c.ctx):
        tokens = torch.cat((tokens, (3 * tokens[..., -1:] + 1) % c.vocab), dim=-1)
    losses = []
    for it in range(c.iters):
        for group in optimizer.param_groups:
            group["lr"] = ref.lr_at(c, it)
        loss = model(tokens[it, :, :-1], tokens[it, :, 1:])[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), c.clip)
        optimizer.step()
        losses.append(loss.item())
    return tokens, losses


def model_file(ref, options, seed):
    """(distance of the nearest tie, the bytes of a golden file, a line to print)"""
    c = SimpleNamespace(**dict(COMMON, **options), seed=seed)
    with nearest_tie(ref) as tie:
        a = dump(ref, c)
        tokens, losses = run(ref, c, a)
    numbers = {"bitnet": c.norm == "subln", "ternary": c.quant == "b158",
               "relu2": c.act == "relu2", "tied": c.tied, "vocab": c.vocab,
               "width": c.d_model, "layers": c.n_layer, "heads": c.n_head,
               "kv_heads": c.n_kv or c.n_head, "head_dim": c.d_model // c.n_head,
               "ffn": c.ffn, "context": c.ctx, "batch": c.batch, "theta": c.theta,
               "lr": c.lr, "min_lr": c.min_lr, "wd": c.wd, "beta2": c.beta2,
               "clip": c.clip, "warmup": c.warmup, "steps": c.iters, "loss": a["loss"]}
    out = [record(k, "f64", v) for k, v in numbers.items()]
    out += [record(k, "i32", v) for k, v in (
        ("x", a["x"]), ("y", a["y"]), ("run_x", tokens[..., :-1]), ("run_y", tokens[..., 1:]))]
    out += [record("logits", "f32", a["logits"]), record("run_loss", "f64", losses)]
    out += [record(k[:2] + tern_name(k[2:]), "f32", v) for k, v in a.items() if k[1:2] == "/"]
    line = (f"seed {seed}, loss {float(a['loss']):.6f}, run {losses[0]:.4f} -> {losses[-1]:.4f}, "
            f"nearest tie {tie[0]:.1e}")
    return tie[0], b"".join(out), line


def optimizers_file():
    """Eight steps on a matrix (5, 7) with weight decay and a gain (1, 9) without."""
    torch.set_default_dtype(torch.float64)
    steps, shapes = 8, ((5, 7), (1, 9))
    rng = torch.Generator().manual_seed(7)

    def normal(*shape):
        return torch.randn(*shape, generator=rng).float().double()

    start = [normal(*s) for s in shapes]
    grads = [[normal(*s) for s in shapes] for _ in range(steps)]
    lrs = [0.01 * (1 + i) / steps for i in range(steps)]

    def groups(params, wd):
        return [{"params": params[:1], "weight_decay": wd}, {"params": params[1:], "weight_decay": 0.0}]

    cases = {
        "adamw": lambda p: torch.optim.AdamW(groups(p, 0.1), lr=1.0, betas=(0.9, 0.99), eps=1e-8),
        "adamw_eps": lambda p: torch.optim.AdamW(groups(p, 0.3), lr=1.0, betas=(0.8, 0.999), eps=1e-2),
        "sgd": lambda p: torch.optim.SGD(groups(p, 0.1), lr=1.0),
        "momentum": lambda p: torch.optim.SGD(groups(p, 0.1), lr=1.0, momentum=0.9),
        "nesterov": lambda p: torch.optim.SGD(groups(p, 0.1), lr=1.0, momentum=0.9, nesterov=True),
    }
    out = [record("steps", "f64", steps), record("lr", "f64", lrs)]
    for i, s in enumerate(start):
        out.append(record(f"start{i}", "f32", s))
        out.append(record(f"grad{i}", "f32", torch.stack([g[i] for g in grads])))
    for name, make in cases.items():
        params = [torch.nn.Parameter(s.clone()) for s in start]
        optimizer, seen, norms = make(params), [], []
        for lr, grad in zip(lrs, grads):
            for group in optimizer.param_groups:
                group["lr"] = lr
            for p, g in zip(params, grad):
                p.grad = g.clone()
            norms.append(float(torch.nn.utils.clip_grad_norm_(params, 6.0)))
            optimizer.step()
            seen.append([p.detach().clone() for p in params])
        for i in range(len(shapes)):
            out.append(record(f"{name}{i}", "f64", torch.stack([s[i] for s in seen])))
    out.append(record("norm", "f64", norms))
    return b"".join(out)


def orthogonal(u):
    """Newton-Schulz as Keller Jordan gives it: five steps on u / |u|, the tall transposed."""
    x = u / u.norm()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


def muon_file():
    """Six steps of Muon (Jordan 2024, scaled as arXiv:2502.16982 does) on a wide, a square and
    a tall matrix, and of torch's AdamW beside it on a gain."""
    torch.set_default_dtype(torch.float64)
    steps, shapes, decay = 6, ((5, 7), (6, 6), (9, 4), (1, 9)), 0.1
    rng = torch.Generator().manual_seed(11)

    def normal(*shape):
        return torch.randn(*shape, generator=rng).float().double()

    start = [normal(*s) for s in shapes]
    grads = [[normal(*s) for s in shapes] for _ in range(steps)]
    lrs = [0.01 * (1 + i) / steps for i in range(steps)]
    out = [record("lr", "f64", lrs)]
    for i, s in enumerate(start):
        out.append(record(f"start{i}", "f32", s))
        out.append(record(f"grad{i}", "f32", torch.stack([g[i] for g in grads])))
    for name, nesterov in (("muon", True), ("muon_plain", False)):
        weights, seen = [s.clone() for s in start[:3]], []
        moments = [torch.zeros_like(w) for w in weights]
        gain = torch.nn.Parameter(start[3].clone())
        adamw = torch.optim.AdamW([gain], lr=1.0, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)
        for lr, grad in zip(lrs, grads):
            for i, w in enumerate(weights):
                moments[i] = 0.95 * moments[i] + grad[i]
                u = grad[i] + 0.95 * moments[i] if nesterov else moments[i]
                weights[i] = w * (1 - lr * decay) - lr * 0.2 * max(w.shape) ** 0.5 * orthogonal(u)
            adamw.param_groups[0]["lr"] = lr
            gain.grad = grad[3].clone()
            adamw.step()
            seen.append([w.clone() for w in weights] + [gain.detach().clone()])
        for i in range(len(shapes)):
            out.append(record(f"{name}{i}", "f64", torch.stack([s[i] for s in seen])))
    return b"".join(out)


def write(folder, name, data):
    path = os.path.join(folder, name + ".golden")
    with open(path, "wb") as f:
        f.write(data)
    return f"{path}: {len(data)} bytes"


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("ref", metavar="REF_BITNET.PY")
    a.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    a.add_argument("--only", action="append", choices=VARIANTS, help="this variant (repeatable)")
    a.add_argument("--set", action="append", default=[], metavar="KEY=NUMBER",
                   help="another dimension or rate, as ref_bitnet.py names it")
    a.add_argument("--seeds", type=int, default=40)
    c = a.parse_args()
    ref = load(c.ref)
    torch.set_num_threads(1)
    changes = {k: float(v) if "." in v or "e" in v else int(v)
               for k, v in (s.split("=") for s in c.set)}
    for name in c.only or VARIANTS:
        options = dict(VARIANTS[name], **changes)
        seeds = c.seeds if options["quant"] == "b158" else 1
        best = max((model_file(ref, options, seed) for seed in range(1, seeds + 1)),
                   key=lambda found: found[0])
        print(write(c.out, name, best[1]) + ", " + best[2], flush=True)
    if not c.only:
        print(write(c.out, "optimizers", optimizers_file()))
        print(write(c.out, "muon", muon_file()))


if __name__ == "__main__":
    main()
