/* runtime.h - run exported models: token ids in, logits out.
 *
 *     tern_runtime *m;
 *     tern_runtime_open("model.gguf", &m);
 *     tern_session *s;
 *     tern_session_new(m, 0, &s);
 *     tern_session_eval(s, ids, count, logits);       // prefill, then one id at a time
 *     id = tern_sample(&sampler, logits, vocab, recent, recent_count);
 *
 * A tern_runtime is immutable: any number of sessions, each used by one thread at a
 * time, may share it. A session holds the key/value cache and all scratch memory;
 * evaluating makes no heap calls. Logits have the same bits however a text is cut into
 * eval calls, at every TERN_CPU level and for any number of threads, and (for models
 * that tern trained with f16 embeddings) the same bits as the forward pass of training.
 */
#ifndef TERN_RUNTIME_RUNTIME_H
#define TERN_RUNTIME_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "base/spec.h"
#include "base/status.h"
#include "formats/gguf.h"

typedef struct tern_runtime tern_runtime;
typedef struct tern_session tern_session;

/* --- models --- */

/* tern_runtime_open() - map a GGUF file, check that it is a model this runtime can run,
 * repack its ternary matrices for the kernels. The message names file, key or tensor.
 */
tern_status tern_runtime_open(const char *path, tern_runtime **out);
void tern_runtime_free(tern_runtime *m);

const tern_spec *tern_runtime_spec(const tern_runtime *m);
const tern_gguf *tern_runtime_gguf(const tern_runtime *m); /* metadata, tokenizer */
size_t tern_runtime_bytes(const tern_runtime *m); /* memory held, with the map */
/* Bytes of weights that one token meets: all linear layers and the head, as held. */
size_t tern_runtime_token_bytes(const tern_runtime *m);

/* --- sessions --- */

/* context: longest sequence, 0 for the model's, which is also the most. TERN_EMEM,
 * TERN_EARG. Memory is reserved, and taken from the system as it is used. */
tern_status tern_session_new(const tern_runtime *m, int64_t context,
                             tern_session **out);
void tern_session_free(tern_session *s);

/* tern_session_eval() - append `count` ids and compute.
 *   logits  out  (V) of the last id, or NULL
 * TERN_EARG: an id outside the vocabulary, or no room left (says how much); the session
 * is then unchanged. */
tern_status tern_session_eval(tern_session *s, const int32_t *ids, int64_t count,
                              float *logits);
/* The same with logits of every id: (count, V). */
tern_status tern_session_eval_all(tern_session *s, const int32_t *ids, int64_t count,
                                  float *logits);

/* tern_session_eval_many() - append one id to each of `count` different sessions of one
 * model, with one pass over the weights: several texts at once cost little more than
 * one. Every session gets the bits that tern_session_eval would give it.
 *   ids     in   (count)          logits  out  (count, V) or NULL
 * TERN_EARG as tern_session_eval; all sessions are then unchanged. */
tern_status tern_session_eval_many(tern_session *const *s, const int32_t *ids,
                                   int64_t count, float *logits);

int64_t tern_session_length(const tern_session *s);  /* ids so far */
int64_t tern_session_context(const tern_session *s); /* ids at most */
/* Forget all but the first n ids (0: start anew). */
void tern_session_truncate(tern_session *s, int64_t n);

/* For verification: called with every quantised activation block as it is computed, in
 * the order of the forward pass (of each 512 ids, where a call has more). `where` is
 * the layer that reads it: blk.N.attn_q (also k and v), attn_output, ffn_gate (also
 * up), ffn_down. NULL turns it off. */
typedef void (*tern_codes_probe)(void *user, const char *where, const int8_t *codes,
                                 size_t rows, size_t cols, size_t stride,
                                 const float *scale);
void tern_session_set_probe(tern_session *s, tern_codes_probe probe, void *user);

/* --- sampling (sampler.c) --- */

typedef struct tern_sampler {
    float temperature;    /* 0: the most probable, ties to the lowest id */
    int32_t top_k;        /* 0: off */
    float top_p, min_p;   /* 1 and 0: off */
    float repeat_penalty; /* 1: off; as in CTRL: logit > 0 divided, else multiplied */
    uint64_t seed;
    uint64_t drawn; /* draws made so far: the state of the random stream */
} tern_sampler;

/* TERN_EARG names a parameter out of its range. */
tern_status tern_sampler_check(const tern_sampler *s);
/* The id of the greatest logit, the lowest among equals; NaN is below all. */
int32_t tern_most_probable(const float *logits, int64_t vocab);
/* Bytes of scratch that tern_sample needs for this vocabulary, aligned as malloc
 * does. */
size_t tern_sample_scratch(int64_t vocab);
/* One id. Filters in the order penalty, top_k, top_p, min_p, temperature; sampler.c
 * gives the formulas. logits (V) is modified; recent: ids for the penalty, of which
 * those outside the vocabulary are ignored. */
int32_t tern_sample(tern_sampler *s, float *logits, int64_t vocab,
                    const int32_t *recent, size_t recent_count, void *scratch);

#endif /* TERN_RUNTIME_RUNTIME_H */
