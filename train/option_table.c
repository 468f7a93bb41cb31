/* option_table.c - every option of a run, one row each.
 *
 * To add one: a field in tern_config, a row here, a line in docs/configs.md. `live`
 * rows may be changed when a run is resumed; the others would make it another run. */
#include "train/options.h"

#define AT(field) offsetof(tern_config, field)
enum { ABOVE = TERN_OPT_ABOVE, LIVE = TERN_OPT_LIVE };

/* section, key, type, where, min, max, flags, choices, default, help */
static const tern_option table[] = {
    /* --- model --- */
    {"model", "arch", TERN_OPT_CHOICE, AT(model.arch), 0, 0, 0, "bitnet llama",
     "bitnet", "bitnet adds an RMSNorm before the two output projections of a block"},
    {"model", "quant", TERN_OPT_CHOICE, AT(model.quant), 0, 0, 0, "ternary none",
     "ternary", "ternary weights and 8-bit activations, or the float twin"},
    {"model", "activation", TERN_OPT_CHOICE, AT(model.activation), 0, 0, 0,
     "silu relu2", "silu", "f of the gated MLP: f(gate) * up"},
    {"model", "embed", TERN_OPT_CHOICE, AT(model.embed), 0, 0, 0, "f16 f32", "f16",
     "precision in which the forward pass sees embedding and head; f16 exports without "
     "loss"},
    {"model", "tied", TERN_OPT_BOOL, AT(model.tied), 0, 0, 0, NULL, "true",
     "the output head is the embedding; always true for bitnet"},
    {"model", "vocab", TERN_OPT_INT, AT(model.vocab), 0, 1 << 24, 0, NULL, "0",
     "number of token ids; 0: as many as the tokenizer of the data has"},
    {"model", "width", TERN_OPT_INT, AT(model.width), 1, 1 << 16, 0, NULL, "256",
     "numbers per token in the residual stream; a multiple of 64 exports to q2_0, of "
     "256 to tq2_0 and tq1_0"},
    {"model", "layers", TERN_OPT_INT, AT(model.layers), 1, 1024, 0, NULL, "4",
     "transformer blocks"},
    {"model", "heads", TERN_OPT_INT, AT(model.heads), 1, 1024, 0, NULL, "4",
     "attention heads (queries)"},
    {"model", "kv_heads", TERN_OPT_INT, AT(model.kv_heads), 0, 1024, 0, NULL, "0",
     "key/value heads, a divisor of heads; 0: as many as heads"},
    {"model", "head_dim", TERN_OPT_INT, AT(model.head_dim), 0, 1024, 0, NULL, "0",
     "numbers per head, even; 0: width / heads"},
    {"model", "ffn", TERN_OPT_INT, AT(model.ffn), 1, 1 << 18, 0, NULL, "768",
     "width inside the MLP; about 8/3 of width is usual"},
    {"model", "context", TERN_OPT_INT, AT(model.context), 1, 1 << 20, 0, NULL, "256",
     "tokens the model sees at once"},
    {"model", "rope_theta", TERN_OPT_FLOAT, AT(model.rope_theta), 1, 1e9, ABOVE, NULL,
     "10000", "base of the rotary frequencies; larger for longer contexts"},
    {"model", "rope_scaling", TERN_OPT_CHOICE, AT(model.rope_scaling), 0, 0, 0,
     "none linear llama3", "none",
     "rotary frequencies for a longer context than a model was first trained for: all "
     "divided by rope_factor, or as in Llama 3.1"},
    {"model", "rope_factor", TERN_OPT_FLOAT, AT(model.rope_factor), 0, 1e6, 0, NULL,
     "8", "linear, llama3: what frequencies are divided by, at least 1"},
    {"model", "rope_low", TERN_OPT_FLOAT, AT(model.rope_low), 0, 1e6, 0, NULL, "1",
     "llama3: waves that fit fewer times into rope_original are divided"},
    {"model", "rope_high", TERN_OPT_FLOAT, AT(model.rope_high), 0, 1e6, 0, NULL, "4",
     "llama3: waves that fit more often are kept; in between, blended"},
    {"model", "rope_original", TERN_OPT_INT, AT(model.rope_original), 0, 1 << 24, 0,
     NULL, "8192", "llama3: the context of the first training"},
    {"model", "norm_eps", TERN_OPT_FLOAT, AT(model.norm_eps), 0, 0.1, ABOVE, NULL,
     "1e-5", "added to the mean square in every RMSNorm"},
    {"model", "dropout", TERN_OPT_FLOAT, AT(dropout), 0, 0.9, 0, NULL, "0",
     "probability of dropping an activation while training"},
    {"model", "init_std", TERN_OPT_FLOAT, AT(init_std), 0, 10, ABOVE, NULL, "0.02",
     "standard deviation of the initial weights"},
    /* --- data --- */
    {"data", "tokenizer", TERN_OPT_TEXT, AT(tokenizer), 1, TERN_TOKENIZER_MAX - 1, 0,
     NULL, "byte",
     "byte, char, bpe:N (learn N tokens) or a tokenizer.json; used when the data is "
     "text"},
    {"data", "val", TERN_OPT_REAL, AT(val), 0, 0.9, 0, NULL, "0.1",
     "part of the text held out for validation; used when the data is text"},
    {"data", "order", TERN_OPT_CHOICE, AT(order), 0, 0, 0, "epoch random", "epoch",
     "epoch: every window once per pass, shuffled; random: any start, as nanoGPT"},
    /* --- train --- */
    {"train", "steps", TERN_OPT_INT, AT(steps), 1, 1e12, LIVE, NULL, "1000",
     "optimizer steps in all"},
    {"train", "batch", TERN_OPT_INT, AT(batch), 1, 1 << 16, 0, NULL, "16",
     "sequences of a batch"},
    {"train", "accumulate", TERN_OPT_INT, AT(accumulate), 1, 1 << 16, 0, NULL, "1",
     "batches whose gradients are averaged into one step"},
    {"train", "micro_batch", TERN_OPT_INT, AT(micro_batch), 0, 1 << 16, 0, NULL, "0",
     "sequences that go through the model in one pass, by one thread, whose memory it "
     "takes; 0: as many as make 512 tokens or a few less"},
    {"train", "seed", TERN_OPT_SEED, AT(seed), 0, 9007199254740992.0, 0, NULL, "1337",
     "decides initial weights, order of the data, dropout"},
    {"train", "backward", TERN_OPT_CHOICE, AT(backward), 0, 0, 0, "float32 int16 int8",
     "int8",
     "arithmetic of the ternary layers' gradients: int16 rounds what comes in to 16 "
     "bits and takes half the time of float32; int8 rounds it to 8 for the gradients "
     "of inputs, to 16 for those of weights, and is faster again"},
    {"train", "quant_warmup", TERN_OPT_INT, AT(quant_warmup), 0, 1e12, 0, NULL, "0",
     "steps in which weights go from floats to ternary, w + lambda (gamma t - w): for "
     "the fine-tuning of a float model, not for training from scratch"},
    {"train", "recompute", TERN_OPT_BOOL, AT(recompute), 0, 0, LIVE, NULL, "false",
     "compute cheap values again for the gradients instead of keeping them: less "
     "memory, the same numbers"},
    {"train", "eval_every", TERN_OPT_INT, AT(eval_every), 0, 1e12, LIVE, NULL, "250",
     "steps between evaluations on the held-out text; 0: only at the end"},
    {"train", "eval_tokens", TERN_OPT_INT, AT(eval_tokens), 0, 1e12, LIVE, NULL, "0",
     "held-out tokens an evaluation scores, from the start; 0: all"},
    {"train", "eval_stride", TERN_OPT_INT, AT(eval_stride), 0, 1e12, LIVE, NULL, "0",
     "tokens from one window of an evaluation to the next; 0: context"},
    {"train", "checkpoint_every", TERN_OPT_INT, AT(checkpoint_every), 0, 1e12, LIVE,
     NULL, "250", "steps between checkpoints; 0: only at the end"},
    {"train", "keep", TERN_OPT_INT, AT(keep), 1, 1e6, LIVE, NULL, "2",
     "newest checkpoints kept, besides the best"},
    {"train", "log_every", TERN_OPT_INT, AT(log_every), 1, 1e12, LIVE, NULL, "10",
     "steps between lines of metrics.jsonl"},
    /* --- optim --- */
    {"optim", "kind", TERN_OPT_CHOICE, AT(optim.kind), 0, 0, 0, "adamw sgd muon",
     "adamw",
     "the optimizer; muon gives matrices between layers orthogonal updates, and "
     "the rest to adamw"},
    {"optim", "lr", TERN_OPT_REAL, AT(schedule.lr), 0, 1000, ABOVE | LIVE, NULL, "1e-3",
     "peak learning rate"},
    {"optim", "min_lr", TERN_OPT_REAL, AT(schedule.min_lr), 0, 1000, LIVE, NULL, "1e-4",
     "learning rate at the end (linear, cosine, wsd)"},
    {"optim", "lr2", TERN_OPT_REAL, AT(schedule.lr2), 0, 1000, LIVE, NULL, "0",
     "peak of the second half (two_stage); 0: two thirds of lr"},
    {"optim", "schedule", TERN_OPT_CHOICE, AT(schedule.kind), 0, 0, LIVE,
     "constant linear cosine wsd two_stage", "cosine",
     "how the learning rate falls after the warm-up"},
    {"optim", "warmup", TERN_OPT_INT, AT(schedule.warmup), 0, 1e12, LIVE, NULL, "100",
     "steps over which the learning rate rises from 0"},
    {"optim", "decay", TERN_OPT_REAL, AT(schedule.decay), 0, 1, LIVE, NULL, "0.2",
     "last part of the run, in which wsd lowers the learning rate"},
    {"optim", "weight_decay", TERN_OPT_REAL, AT(schedule.weight_decay), 0, 10, LIVE,
     NULL, "0.1",
     "pull of matrices to zero, times the learning rate; two_stage drops it at half "
     "time"},
    {"optim", "beta1", TERN_OPT_FLOAT, AT(optim.beta1), 0, 0.9999, 0, NULL, "0.9",
     "adamw and muon: memory of the mean of the gradient"},
    {"optim", "beta2", TERN_OPT_FLOAT, AT(optim.beta2), 0, 0.99999, 0, NULL, "0.95",
     "adamw and muon: memory of its mean square"},
    {"optim", "eps", TERN_OPT_FLOAT, AT(optim.eps), 0, 1, ABOVE, NULL, "1e-8",
     "adamw and muon: smallest divisor"},
    {"optim", "momentum", TERN_OPT_FLOAT, AT(optim.momentum), 0, 0.9999, 0, NULL, "0.9",
     "sgd and muon: memory of past steps"},
    {"optim", "nesterov", TERN_OPT_FLAG, AT(optim.nesterov), 0, 0, 0, NULL, "true",
     "sgd and muon: look ahead along the momentum"},
    {"optim", "clip", TERN_OPT_FLOAT, AT(clip), 0, 1e6, LIVE, NULL, "1",
     "longest gradient (global norm); a longer one is scaled down; 0: never"},
};

size_t tern_option_count(void)
{
    return sizeof table / sizeof table[0];
}

const tern_option *tern_option_at(size_t i)
{
    return &table[i];
}
