#!/usr/bin/env python3
"""make_sentencepiece.py - write golden_sentencepiece.json.

Trains four small BPE models with the sentencepiece library on a text of our own, and
notes the ids that the library gives for texts of every sort. Needs python3 with
sentencepiece (Debian: python3-sentencepiece). Usage: make_sentencepiece.py > golden_sentencepiece.json
"""
import io
import json
import random

import sentencepiece as spm

WORDS = """the river other then there they never over again mother water weather bread
spread thread ahead instead steady ready heart earth early learn year near hear clear""".split()
rng = random.Random(7)
SENTENCES = [" ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, 9))) for _ in range(400)]
SENTENCES += ["caf\u00e9 \u00e9t\u00e9 \u043b\u0438\u0441\u0430 \u043b\u0438\u0441 1234 12", "a  b   c    d"] * 20

TEXTS = [
    "the river", " the river", "the  river   then", "never-the-less", "other\nthey\t!",
    "", " ", "    ", "\n", "a", "caf\u00e9", "\u4e2d\u6587 \U0001f98a", "\u00a0\u3000x",
    "</s>", "<s> the <unk>", "<0x41>", "x<tool>y", "<tool>", " <tool> the", "<tool><tool>",
    "aaaaaaaaaaaaaaaa", "theriverotherthen", "1234 12 123", "earthlearn yearnear clear ",
    "\u043b\u0438\u0441\u0430\u043b\u0438\u0441", "\r\n\r\n", "water<tool", "\ufb01\u00df\u0142",
    "a   b    c      d       e", "not other but one", "over the river and there then",
]
TEXTS += ["".join(rng.choice(WORDS)[rng.randrange(3):] for _ in range(30)) for _ in range(12)]
TEXTS += ["".join(rng.choice("aehrt") for _ in range(200)) for _ in range(12)]


def train(vocab, symbols, **more):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=model, model_type="bpe",
        vocab_size=vocab, normalization_rule_name="identity", character_coverage=1.0,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        user_defined_symbols=["<tool>"] + symbols, minloglevel=2, num_threads=1, **more)
    return model.getvalue()


def golden(vocab, symbols=[], **more):
    model = train(vocab, symbols, **more)
    sp = spm.SentencePieceProcessor(model_proto=model)
    return {"model": model.hex(), "ids": [sp.encode(t) for t in TEXTS]}


print(json.dumps({"texts": TEXTS, "models": {
    "llama": golden(360, byte_fallback=True),
    "no_prefix": golden(
        360, ["\u2581\u2581\u2581", "t\u2581o"], byte_fallback=True, add_dummy_prefix=False),
    "crosses": golden(420, byte_fallback=True, split_by_whitespace=False),
    "no_bytes": golden(110, byte_fallback=False),
}}, separators=(",", ":")))
