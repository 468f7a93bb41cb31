#!/usr/bin/env python3
"""What transformers computes from a directory, in plain PyTorch; and directories to import.

    hf_reference.py run IDS DIR...     logits of the ids (text, one a line) -> DIR.logits (f32)
    hf_reference.py make DIR KIND...   small random checkpoints DIR/KIND, written without tern

Written from the names and rules of Hugging Face's LLaMA, BitNet and their quantised linear
layers, and of the safetensors format; shares nothing with tern. Everything is float32, as
with torch_dtype=float32 there.

`run` also prints, for each directory, how near an activation came to the middle between two
8-bit codes: where that is within float32's rounding, two programs may choose differently.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

DTYPES = {"F32": (torch.float32, np.dtype("<f4")), "F16": (torch.float16, np.dtype("<f2")),
          "U8": (torch.uint8, np.dtype("u1")), "BF16": (torch.bfloat16, np.dtype("<i2"))}


# --- safetensors ---

def read_file(path):
    with open(path, "rb") as f:
        data = f.read()
    length = struct.unpack("<Q", data[:8])[0]
    header, out = json.loads(data[8:8 + length]), {}
    for name, t in header.items():
        if name == "__metadata__":
            assert t["format"] == "pt"
            continue
        dtype, raw = DTYPES[t["dtype"]]
        begin, end = (8 + length + x for x in t["data_offsets"])
        assert begin % raw.itemsize == 0, name
        flat = torch.from_numpy(np.frombuffer(data[begin:end], raw).copy())
        out[name] = (flat.view(dtype) if dtype == torch.bfloat16 else flat).reshape(t["shape"])
    return out


def read_dir(path):
    index = os.path.join(path, "model.safetensors.index.json")
    if not os.path.exists(index):
        return read_file(os.path.join(path, "model.safetensors"))
    with open(index) as f:
        where = json.load(f)["weight_map"]
    files = {name: read_file(os.path.join(path, name)) for name in set(where.values())}
    return {tensor: files[name][tensor] for tensor, name in where.items()}


def write_file(path, tensors):
    header, blobs, at = {}, [], 0
    for name, t in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        kind = {v[0]: k for k, v in DTYPES.items()}[t.dtype]
        t = t.contiguous()
        raw = (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


# --- linear layers ---

nearest = [0.5]


def quantize_activations(x):
    s = 127 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
    scaled = x * s
    nearest[0] = min(nearest[0], ((scaled - scaled.floor()) - 0.5).abs().min().item())
    return scaled.round().clamp(-128, 127), s


def unpack(packed):
    """Four codes a byte: rows r, R + r, 2R + r, 3R + r, from the low bits up."""
    return torch.cat([(packed >> 2 * i & 3) for i in range(4)]).float() - 1


class Weights:
    def __init__(self, path):
        with open(os.path.join(path, "config.json")) as f:
            self.config = json.load(f)
        self.tensors = read_dir(path)
        q = self.config.get("quantization_config")
        self.kind = None
        if q:
            assert q["quant_method"] == "bitnet" and not q.get("use_rms_norm")
            online = q.get("quantization_mode", "offline") == "online"
            self.kind = "online" if online else q.get("linear_class", "bitlinear")

    def __call__(self, name):
        return self.tensors[name + ".weight"].float()

    def linear(self, name, x):
        raw = self.tensors[name + ".weight"]
        if self.kind is None:
            return x @ raw.float().T
        codes, s = quantize_activations(x)
        if self.kind == "bitlinear":  # the scale divides
            return (codes @ unpack(raw).T) / (s * self.tensors[name + ".weight_scale"].float())
        if self.kind == "autobitlinear":  # the scale multiplies
            return ((codes / s) @ unpack(raw).T) * self.tensors[name + ".weight_scale"].float()
        w = raw.float()
        scale = 1.0 / w.abs().mean().clamp(min=1e-5)
        return (codes / s) @ ((w * scale).round().clamp(-1, 1) / scale).T


# --- the model ---

def rms_norm(x, gain, eps):
    return gain * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


def rotary(config, x):
    """x (heads, time, d)"""
    time, d = x.shape[1:]
    inverse = 1.0 / config["rope_theta"] ** (torch.arange(0, d, 2).float() / d)
    scaling = config.get("rope_scaling") or {"rope_type": "default"}
    if scaling["rope_type"] == "linear":
        inverse = inverse / scaling["factor"]
    elif scaling["rope_type"] == "llama3":
        old, factor = scaling["original_max_position_embeddings"], scaling["factor"]
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        wave = 2 * torch.pi / inverse
        smooth = (old / wave - low) / (high - low)
        blended = (1 - smooth) * inverse / factor + smooth * inverse
        inverse = torch.where(wave > old / low, inverse / factor,
                              torch.where(wave < old / high, inverse, blended))
    else:
        assert scaling["rope_type"] == "default"
    angles = torch.outer(torch.arange(time).float(), inverse)
    angles = torch.cat((angles, angles), dim=-1)
    return x * angles.cos() + rotate_half(x) * angles.sin()


def attention(w, at, x):
    c = w.config
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    time = x.shape[0]

    def split(name, n):
        return w.linear(f"{at}.{name}", x).view(time, n, -1).transpose(0, 1)

    q, k, v = rotary(c, split("q_proj", heads)), rotary(c, split("k_proj", kv)), split("v_proj", kv)
    k, v = (t.repeat_interleave(heads // kv, dim=0) for t in (k, v))
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    hidden = torch.triu(torch.ones(time, time, dtype=torch.bool), 1)
    out = F.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1) @ v
    out = out.transpose(0, 1).reshape(time, -1)
    if c["model_type"] == "bitnet":
        out = rms_norm(out, w(f"{at}.attn_sub_norm"), c["rms_norm_eps"])
    return w.linear(f"{at}.o_proj", out)


def mlp(w, at, x):
    c = w.config
    gate = w.linear(f"{at}.gate_proj", x)
    act = {"silu": F.silu, "relu2": lambda t: F.relu(t) ** 2}[c["hidden_act"]]
    hidden = act(gate) * w.linear(f"{at}.up_proj", x)
    if c["model_type"] == "bitnet":
        hidden = rms_norm(hidden, w(f"{at}.ffn_sub_norm"), c["rms_norm_eps"])
    return w.linear(f"{at}.down_proj", hidden)


def logits(w, ids):
    c, eps = w.config, w.config["rms_norm_eps"]
    assert c["architectures"] == [{"bitnet": "BitNetForCausalLM", "llama": "LlamaForCausalLM"}
                                  [c["model_type"]]]
    assert not c["attention_bias"] and c["vocab_size"] == w("model.embed_tokens").shape[0]
    x = w("model.embed_tokens")[ids]
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}"
        x = x + attention(w, f"{at}.self_attn", rms_norm(x, w(f"{at}.input_layernorm"), eps))
        x = x + mlp(w, f"{at}.mlp", rms_norm(x, w(f"{at}.post_attention_layernorm"), eps))
    x = rms_norm(x, w("model.norm"), eps)
    tied = c["tie_word_embeddings"]
    assert tied != ("lm_head.weight" in w.tensors)
    return x @ w("model.embed_tokens" if tied else "lm_head").T


# --- checkpoints to import ---

KINDS = {  # model_type, dtype, tied, linear class
    "llama-f32": ("llama", torch.float32, False, None),
    "llama-f16-tied": ("llama", torch.float16, True, None),
    "llama-bf16": ("llama", torch.bfloat16, False, None),
    "bitnet-auto-bf16": ("bitnet", torch.bfloat16, True, "autobitlinear"),
    "llama-bitlinear": ("llama", torch.float32, False, "bitlinear"),
}


def pack(trits):
    quarter = trits.shape[0] // 4
    codes = (trits + 1).to(torch.uint8)
    return sum(codes[i * quarter:(i + 1) * quarter] << 2 * i for i in range(4)).to(torch.uint8)


def make(kind, path, vocab=40, width=32, ffn=48, layers=2, heads=4, kv=2, d=8):
    model, dtype, tied, linear = KINDS[kind]
    torch.manual_seed(len(kind))
    out = {}

    def normal(*shape):
        return torch.randn(*shape) * 0.2

    def gain(name, n):
        out[name + ".weight"] = (0.5 + torch.rand(n)).to(dtype)

    def matrix(name, rows, cols):
        if linear is None:
            out[name + ".weight"] = normal(rows, cols).to(dtype)
            return
        gamma = torch.tensor([0.05 + 0.1 * torch.rand(1).item()]).half().float()
        out[name + ".weight"] = pack(torch.randint(-1, 2, (rows, cols)))
        out[name + ".weight_scale"] = (1 / gamma if linear == "bitlinear" else gamma).to(dtype)

    out["model.embed_tokens.weight"] = normal(vocab, width).to(dtype)
    for i in range(layers):
        at = f"model.layers.{i}"
        gain(f"{at}.input_layernorm", width)
        for name, rows, cols in (("q", heads * d, width), ("k", kv * d, width),
                                 ("v", kv * d, width), ("o", width, heads * d)):
            matrix(f"{at}.self_attn.{name}_proj", rows, cols)
        gain(f"{at}.post_attention_layernorm", width)
        for name, rows, cols in (("gate", ffn, width), ("up", ffn, width), ("down", width, ffn)):
            matrix(f"{at}.mlp.{name}_proj", rows, cols)
        if model == "bitnet":
            gain(f"{at}.self_attn.attn_sub_norm", heads * d)
            gain(f"{at}.mlp.ffn_sub_norm", ffn)
    gain("model.norm", width)
    if not tied:
        out["lm_head.weight"] = normal(vocab, width).to(dtype)
    config = {"architectures": ["BitNetForCausalLM" if model == "bitnet" else "LlamaForCausalLM"],
              "model_type": model, "vocab_size": vocab, "hidden_size": width,
              "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": kv, "hidden_act": "relu2" if model == "bitnet" else "silu",
              "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 50000.0,
              "rope_scaling": None, "attention_bias": False, "tie_word_embeddings": tied}
    if linear:
        config["quantization_config"] = {"quant_method": "bitnet", "linear_class": linear,
                                         "quantization_mode": "offline"}
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(config, f)
    write_file(os.path.join(path, "model.safetensors"), out)


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if sys.argv[1] == "make":
        for kind in sys.argv[3:]:
            make(kind, os.path.join(sys.argv[2], kind))
        return
    with open(sys.argv[2]) as f:
        ids = [int(line) for line in f]
    for path in sys.argv[3:]:
        nearest[0] = 0.5
        out = logits(Weights(path), torch.tensor(ids))
        out.numpy().astype("<f4").tofile(path + ".logits")
        print(f"{path}: nearest tie {nearest[0]:.1e}")


if __name__ == "__main__":
    main()
