/* toy.h - small models with random weights, in memory and as GGUF files.
 *
 * A toy keeps every tensor as floats in tern's row order (rotary pairs i, i + d/2);
 * writing it permutes the rows of q and k for arch llama and encodes. An oracle that
 * reads the floats thus shares nothing with the code that reads the file. */
#ifndef TERN_TESTS_RUNTIME_TOY_H
#define TERN_TESTS_RUNTIME_TOY_H

#ifndef TOY_PLAIN /* for a program without Criterion */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#endif
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "base/spec.h"
#include "formats/blocks.h"
#include "formats/gguf.h"
#include "runtime/runtime.h"

#ifdef TOY_PLAIN
#define TOY_CHECK(cond, ...)                                                           \
    do {                                                                               \
        if (cond) break;                                                               \
        fprintf(stderr, __VA_ARGS__);                                                  \
        exit(1);                                                                       \
    } while (0)
#else
#define TOY_CHECK(cond, ...) cr_assert(eq(int, !!(cond), 1), __VA_ARGS__)
#endif
#define MUST(expr) TOY_CHECK((expr) == TERN_OK, "%s", tern_error_message())

enum { TOY_TENSORS = 64 };

typedef struct toy_tensor {
    char name[64];
    int64_t rows, cols; /* rows 0: a vector */
    uint32_t type;
    bool ternary, many; /* many: odd rows have twice the scale */
    int64_t head_dim;   /* > 0: the file has these rows in llama.cpp's order */
    float gamma;
    float *values;
} toy_tensor;

typedef struct toy {
    tern_spec spec;
    uint32_t linear, embed; /* tensor types */
    uint64_t seed;
    const char *without; /* a key that is not written */
    const char *arch;    /* general.architecture; NULL: the name that tern gives it */
    tern_activations activations;
    toy_tensor tensors[TOY_TENSORS];
    size_t count;
} toy;

static inline toy_tensor *toy_find(toy *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->tensors[i].name, name) == 0) return &t->tensors[i];
    TOY_CHECK(false, "no tensor %s", name);
    return NULL;
}

static inline float toy_normal(const toy *t, size_t i)
{
    return tern_rand_normal(t->seed, 1000 + t->count, i);
}

static inline toy_tensor *toy_add(toy *t, const char *name, int64_t rows, int64_t cols,
                                  uint32_t type)
{
    TOY_CHECK(t->count < TOY_TENSORS, "too many tensors");
    toy_tensor *x = &t->tensors[t->count];
    snprintf(x->name, sizeof x->name, "%s", name);
    x->rows = rows;
    x->cols = cols;
    x->type = type;
    x->values = malloc((size_t)(cols * (rows ? rows : 1)) * sizeof *x->values);
    TOY_CHECK(x->values != NULL, "out of memory");
    return x;
}

/* "blk.2.attn_q.weight", or "output_norm.weight" for layer -1. */
static inline void toy_name(char out[64], int layer, const char *name)
{
    if (layer < 0)
        snprintf(out, 64, "%s.weight", name);
    else
        snprintf(out, 64, "blk.%d.%s.weight", layer, name);
}

static inline void toy_gain(toy *t, int layer, const char *name, int64_t n)
{
    char full[64];
    toy_name(full, layer, name);
    toy_tensor *x = toy_add(t, full, 0, n, TERN_GGML_F32);
    for (int64_t i = 0; i < n; i++)
        x->values[i] = 1.0f + 0.2f * toy_normal(t, (size_t)i);
    t->count++;
}

/* Random floats as the type holds them. */
static inline void toy_float(toy *t, toy_tensor *x, float std)
{
    const size_t n = (size_t)(x->rows * x->cols);
    uint8_t *bytes = malloc(tern_ggml_bytes(x->type, n));
    for (size_t i = 0; i < n; i++) x->values[i] = std * toy_normal(t, i);
    tern_encode_floats(x->type, x->values, n, bytes);
    tern_decode_floats(x->type, bytes, n, x->values);
    free(bytes);
}

static inline void toy_linear(toy *t, int layer, const char *name, int64_t rows,
                              int64_t cols)
{
    char full[64];
    toy_name(full, layer, name);
    toy_tensor *x = toy_add(t, full, rows, cols, t->linear);
    const float std = 1.0f / sqrtf((float)cols);
    x->ternary = t->spec.quant == TERN_QUANT_TERNARY;
    if (t->spec.arch == TERN_ARCH_LLAMA &&
        (strcmp(name, "attn_q") == 0 || strcmp(name, "attn_k") == 0))
        x->head_dim = t->spec.head_dim;
    x->gamma = tern_round_to_half(std * (1.0f + 0.1f * toy_normal(t, 1u << 20)));
    if (x->type == TERN_GGML_BF16) /* 8 bits: exact in both kinds of half */
        x->gamma = tern_float_from_bf16(tern_bf16_from_float(x->gamma));
    if (x->ternary)
        for (int64_t i = 0; i < rows * cols; i++)
            x->values[i] = x->gamma * ((float)tern_rand_below(t->seed, 1000 + t->count,
                                                              (uint64_t)i, 3) -
                                       1.0f);
    else
        toy_float(t, x, std);
    t->count++;
}

/* A matrix of a ternary type whose rows have two scales, as llama-quantize makes them
 * of floats. */
static inline void toy_many(toy *t, const char *name, uint32_t type)
{
    toy_tensor *x = toy_find(t, name);
    x->type = type;
    x->ternary = x->many = true;
    x->gamma = tern_round_to_half(1.0f / sqrtf((float)x->cols));
    for (int64_t i = 0; i < x->rows * x->cols; i++)
        x->values[i] = x->gamma * (i / x->cols % 2 ? 2.0f : 1.0f) *
                       ((float)tern_rand_below(t->seed, 77, (uint64_t)i, 3) - 1.0f);
}

static inline void toy_table(toy *t, const char *name)
{
    toy_tensor *x = toy_add(t, name, t->spec.vocab, t->spec.width, t->embed);
    toy_float(t, x, 1.0f);
    t->count++;
}

static inline void toy_make(toy *t, const tern_spec *spec, uint32_t linear,
                            uint32_t embed, uint64_t seed)
{
    *t = (toy){.spec = *spec, .linear = linear, .embed = embed, .seed = seed};
    const int64_t C = spec->width, F = spec->ffn;
    const int64_t Q = spec->heads * spec->head_dim,
                  KV = spec->kv_heads * spec->head_dim;
    toy_table(t, "token_embd.weight");
    for (int i = 0; i < spec->layers; i++) {
        toy_gain(t, i, "attn_norm", C);
        toy_linear(t, i, "attn_q", Q, C);
        toy_linear(t, i, "attn_k", KV, C);
        toy_linear(t, i, "attn_v", KV, C);
        toy_linear(t, i, "attn_output", C, Q);
        toy_gain(t, i, "ffn_norm", C);
        toy_linear(t, i, "ffn_gate", F, C);
        toy_linear(t, i, "ffn_up", F, C);
        toy_linear(t, i, "ffn_down", C, F);
        if (spec->arch == TERN_ARCH_BITNET) {
            toy_gain(t, i, "attn_sub_norm", Q);
            toy_gain(t, i, "ffn_sub_norm", F);
        }
    }
    toy_gain(t, -1, "output_norm", C);
    if (!spec->tied) toy_table(t, "output.weight");
}

static inline void toy_free(toy *t)
{
    for (size_t i = 0; i < t->count; i++) free(t->tensors[i].values);
    t->count = 0;
}

/* --- the file --- */

/* Row r of the file: 2i + p of a head is p * d / 2 + i of the toy's. */
static inline int64_t toy_row(const toy_tensor *x, int64_t r)
{
    const int64_t d = x->head_dim, in = d ? r % d : 0;
    return d ? r - in + in % 2 * (d / 2) + in / 2 : r;
}

/* Four weights, 32 apart, in a byte, the first in its top bits; the scale behind all.
 */
static inline void toy_fill_i2s(const toy_tensor *x, uint8_t *out, size_t bytes)
{
    memset(out, 0, bytes);
    memcpy(out + bytes - 32, &x->gamma, sizeof x->gamma);
    for (int64_t i = 0; i < x->rows * x->cols; i++) {
        const float v = x->values[toy_row(x, i / x->cols) * x->cols + i % x->cols];
        const int u = 1 + (v > 0.0f) - (v < 0.0f);
        out[i / 128 * 32 + i % 32] |= (uint8_t)(u << (6 - i % 128 / 32 * 2));
    }
}

static inline tern_status toy_fill(void *user, uint8_t *out, size_t bytes)
{
    const toy_tensor *x = user;
    const int64_t rows = x->rows ? x->rows : 1;
    const size_t each = bytes / (size_t)rows;
    if (x->type == TERN_GGML_I2_S) {
        toy_fill_i2s(x, out, bytes);
        return TERN_OK;
    }
    int8_t *t = malloc((size_t)x->cols);
    for (int64_t r = 0; r < rows; r++, out += each) {
        const int64_t from = toy_row(x, r);
        const float *v = x->values + from * x->cols;
        if (tern_ggml_is_ternary(x->type)) {
            for (int64_t k = 0; k < x->cols; k++)
                t[k] = (int8_t)((v[k] > 0.0f) - (v[k] < 0.0f));
            tern_encode_trits(x->type, t, (size_t)x->cols,
                              x->gamma * (x->many && from % 2 ? 2.0f : 1.0f), out);
        } else {
            tern_encode_floats(x->type, v, (size_t)x->cols, out);
        }
    }
    free(t);
    return TERN_OK;
}

static inline const char *toy_arch(const toy *t)
{
    return t->arch ? t->arch : tern_arch_name(t->spec.arch);
}

static inline void toy_u32(const toy *t, tern_gguf_writer *w, const char *name,
                           int64_t v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", toy_arch(t), name);
    if (!t->without || strcmp(t->without, name) != 0)
        tern_gguf_put_u32(w, key, (uint32_t)v);
}

static inline void toy_f32(const toy *t, tern_gguf_writer *w, const char *name, float v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", toy_arch(t), name);
    if (!t->without || strcmp(t->without, name) != 0) tern_gguf_put_f32(w, key, v);
}

/* Keys and tensors; the caller may add more before it writes. */
static inline tern_gguf_writer *toy_writer(toy *t)
{
    const tern_spec *s = &t->spec;
    tern_gguf_writer *w = tern_gguf_writer_new();
    tern_gguf_put_string(w, "general.architecture", toy_arch(t));
    toy_u32(t, w, "context_length", s->context);
    toy_u32(t, w, "embedding_length", s->width);
    toy_u32(t, w, "block_count", s->layers);
    toy_u32(t, w, "feed_forward_length", s->ffn);
    toy_u32(t, w, "attention.head_count", s->heads);
    if (s->kv_heads != s->heads) toy_u32(t, w, "attention.head_count_kv", s->kv_heads);
    if (s->head_dim * s->heads != s->width)
        toy_u32(t, w, "attention.key_length", s->head_dim);
    toy_f32(t, w, "attention.layer_norm_rms_epsilon", s->norm_eps);
    if (s->rope_theta != 10000.0f) toy_f32(t, w, "rope.freq_base", s->rope_theta);
    if (s->activation == TERN_RELU2 && !t->arch)
        tern_gguf_put_string(w, "tern.activation", "relu2");
    if (s->quant == TERN_QUANT_TERNARY && !tern_ggml_is_ternary(t->linear))
        tern_gguf_put_string(w, "tern.quant", "ternary");
    for (size_t i = 0; i < t->count; i++)
        tern_gguf_put_tensor(w, t->tensors[i].name, (tern_ggml_type)t->tensors[i].type,
                             t->tensors[i].cols, t->tensors[i].rows, toy_fill,
                             &t->tensors[i]);
    return w;
}

static inline void toy_write(toy *t, const char *path)
{
    tern_gguf_writer *w = toy_writer(t);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
}

#endif /* TERN_TESTS_RUNTIME_TOY_H */
