/* oracle.h - the forward pass in double precision, written from the equations of the
 * papers, every position computed anew: no cache, no blocks, no kernels. */
#ifndef TERN_TESTS_RUNTIME_ORACLE_H
#define TERN_TESTS_RUNTIME_ORACLE_H

#include "tests/runtime/toy.h"

/* Quantised activations in the order of the forward pass of one position. */
typedef struct oracle_codes {
    int *codes;
    size_t count, capacity;
} oracle_codes;

static inline const float *oracle_weights(toy *t, int layer, const char *name)
{
    char full[64];
    toy_name(full, layer, name);
    return toy_find(t, full)->values;
}

static inline void oracle_norm(const double *x, const float *gain, int64_t n,
                               double eps, double *y)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    const double r = 1.0 / sqrt(sum / (double)n + eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * r * (gain ? (double)gain[i] : 1.0);
}

/* x becomes what 8 bits leave of it. */
static inline void oracle_quantize(double *x, int64_t n, oracle_codes *out)
{
    double most = 1e-5;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    for (int64_t i = 0; i < n; i++) {
        const double q = fmin(127.0, fmax(-128.0, rint(x[i] * 127.0 / most)));
        x[i] = q * most / 127.0;
        if (out && out->count < out->capacity) out->codes[out->count++] = (int)q;
    }
}

/* x becomes what 8 bits in blocks leave of it, the scale s of a block times integers:
 * s = largest / -127 (with its sign) of 256, or largest / 127 in fp16 of 32. */
static inline void oracle_blocks(double *x, int64_t n, tern_activations how)
{
    const int64_t block = how == TERN_ACTIVATIONS_Q8_K ? 256 : 32;
    for (int64_t i = 0; i < n; i += block) {
        double most = 0.0;
        for (int64_t j = i; j < i + block; j++)
            if (fabs(x[j]) > fabs(most)) most = x[j];
        if (most == 0.0) continue;
        const double s = block == 256 ? most / -127.0 : fabs(most) / 127.0;
        const double held = block == 256 ? s : (double)tern_round_to_half((float)s);
        for (int64_t j = i; j < i + block; j++) x[j] = rint(x[j] / s) * held;
    }
}

static inline void oracle_multiply(const float *w, const double *x, int64_t rows,
                                   int64_t cols, double *y)
{
    for (int64_t r = 0; r < rows; r++) {
        y[r] = 0.0;
        for (int64_t k = 0; k < cols; k++) y[r] += (double)w[r * cols + k] * x[k];
    }
}

/* y = W x, the input rounded as the matrix and the toy's mode want it. */
static inline void oracle_linear(toy *t, int layer, const char *name, const double *x,
                                 int64_t rows, int64_t cols, double *y,
                                 oracle_codes *codes)
{
    char full[64];
    toy_name(full, layer, name);
    const toy_tensor *w = toy_find(t, full);
    const bool plain = w->type == TERN_GGML_F32 || w->type == TERN_GGML_F16 ||
                       w->type == TERN_GGML_BF16;
    double *in = malloc((size_t)cols * sizeof *in);
    memcpy(in, x, (size_t)cols * sizeof *in);
    if (t->activations == TERN_ACTIVATIONS_PER_TOKEN && w->ternary && !w->many)
        oracle_quantize(in, cols, codes);
    else if ((t->activations == TERN_ACTIVATIONS_Q8_K ||
              t->activations == TERN_ACTIVATIONS_Q8_0) &&
             (w->ternary || !plain))
        oracle_blocks(in, cols, t->activations);
    oracle_multiply(w->values, in, rows, cols, y);
    free(in);
}

static inline void oracle_rotate(double *x, int64_t heads, int64_t d, int64_t at,
                                 double theta)
{
    for (int64_t h = 0; h < heads; h++, x += d)
        for (int64_t i = 0; i < d / 2; i++) {
            const double a = (double)at * pow(theta, -2.0 * (double)i / (double)d);
            const double re = x[i], im = x[i + d / 2];
            x[i] = re * cos(a) - im * sin(a);
            x[i + d / 2] = re * sin(a) + im * cos(a);
        }
}

/* o = softmax(q . k / sqrt(D)) v over positions 0..at, for one head. */
static inline void oracle_attend(const double *q, const double *k, const double *v,
                                 int64_t at, int64_t d, int64_t stride, double *o)
{
    double *p = malloc((size_t)(at + 1) * sizeof *p), sum = 0.0;
    for (int64_t j = 0; j <= at; j++) {
        p[j] = 0.0;
        for (int64_t i = 0; i < d; i++) p[j] += q[i] * k[j * stride + i];
        p[j] = exp(p[j] / sqrt((double)d)); /* toys have small scores */
        sum += p[j];
    }
    for (int64_t i = 0; i < d; i++) {
        o[i] = 0.0;
        for (int64_t j = 0; j <= at; j++) o[i] += p[j] / sum * v[j * stride + i];
    }
    free(p);
}

static inline double oracle_act(tern_activation f, double x)
{
    return f == TERN_SILU ? x / (1.0 + exp(-x)) : x > 0.0 ? x * x : 0.0;
}

/* Keys and values of one layer, (T, KV * D). */
typedef struct oracle_cache {
    double *k, *v;
} oracle_cache;

static inline void oracle_layer(toy *t, int l, int64_t at, oracle_cache *c, double *h,
                                oracle_codes *codes)
{
    const tern_spec *s = &t->spec;
    const bool sub = s->arch == TERN_ARCH_BITNET;
    const int64_t C = s->width, D = s->head_dim, Q = s->heads * D, KV = s->kv_heads * D;
    const int64_t F = s->ffn, most = C + Q + F;
    double *x = malloc((size_t)(5 * most) * sizeof *x);
    double *q = x + most, *o = q + most, *up = o + most, *y = up + most;
    double *k = c->k + at * KV, *v = c->v + at * KV;

    oracle_norm(h, oracle_weights(t, l, "attn_norm"), C, (double)s->norm_eps, x);
    oracle_linear(t, l, "attn_q", x, Q, C, q, codes);
    oracle_linear(t, l, "attn_k", x, KV, C, k, NULL);
    oracle_linear(t, l, "attn_v", x, KV, C, v, NULL);
    oracle_rotate(q, s->heads, D, at, (double)s->rope_theta);
    oracle_rotate(k, s->kv_heads, D, at, (double)s->rope_theta);
    for (int64_t i = 0; i < s->heads; i++) {
        const int64_t g = i / (s->heads / s->kv_heads) * D;
        oracle_attend(q + i * D, c->k + g, c->v + g, at, D, KV, o + i * D);
    }
    if (sub)
        oracle_norm(o, oracle_weights(t, l, "attn_sub_norm"), Q, (double)s->norm_eps,
                    o);
    oracle_linear(t, l, "attn_output", o, C, Q, y, codes);
    for (int64_t i = 0; i < C; i++) h[i] += y[i];

    oracle_norm(h, oracle_weights(t, l, "ffn_norm"), C, (double)s->norm_eps, x);
    oracle_linear(t, l, "ffn_gate", x, F, C, q, codes);
    oracle_linear(t, l, "ffn_up", x, F, C, up, NULL);
    for (int64_t i = 0; i < F; i++) up[i] *= oracle_act(s->activation, q[i]);
    if (sub)
        oracle_norm(up, oracle_weights(t, l, "ffn_sub_norm"), F, (double)s->norm_eps,
                    up);
    oracle_linear(t, l, "ffn_down", up, C, F, y, codes);
    for (int64_t i = 0; i < C; i++) h[i] += y[i];
    free(x);
}

/* logits (n, V); codes may be NULL. */
static inline void oracle_logits(toy *t, const int32_t *ids, int64_t n, double *logits,
                                 oracle_codes *codes)
{
    const tern_spec *s = &t->spec;
    const int64_t C = s->width, KV = s->kv_heads * s->head_dim;
    oracle_cache *cache = calloc((size_t)s->layers, sizeof *cache);
    double *h = malloc((size_t)C * sizeof *h);
    for (int64_t l = 0; l < s->layers; l++) {
        cache[l].k = malloc((size_t)(n * KV) * sizeof(double));
        cache[l].v = malloc((size_t)(n * KV) * sizeof(double));
    }
    for (int64_t at = 0; at < n; at++) {
        const float *e = oracle_weights(t, -1, "token_embd") + ids[at] * C;
        for (int64_t i = 0; i < C; i++) h[i] = (double)e[i];
        for (int l = 0; l < s->layers; l++) oracle_layer(t, l, at, &cache[l], h, codes);
        oracle_norm(h, oracle_weights(t, -1, "output_norm"), C, (double)s->norm_eps, h);
        oracle_linear(t, -1, s->tied ? "token_embd" : "output", h, s->vocab, C,
                      logits + at * s->vocab, NULL);
    }
    for (int64_t l = 0; l < s->layers; l++) free(cache[l].k), free(cache[l].v);
    free(cache);
    free(h);
}

#endif /* TERN_TESTS_RUNTIME_ORACLE_H */
