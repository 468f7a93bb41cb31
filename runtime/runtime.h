/* runtime.h - run ternary language models: the whole interface, and its manual.
 *
 * Installed as <tern/runtime.h>; build with `pkg-config --cflags --libs tern-runtime`.
 *
 *     tern_runtime *m;                              // an exported model
 *     tern_session *s;                              // one text on its way through it
 *     tern_runtime_open("model.gguf", &m);
 *     tern_runtime_read_tokenizer(m);
 *     tern_session_new(m, 0, &s);
 *     tern_runtime_encode_prompt(m, text, strlen(text), &ids, &count);
 *     tern_session_eval(s, ids, count, logits);     // the prompt
 *     for (;;) {
 *         id = tern_sample(&sampler, logits, vocab, NULL, 0, scratch);
 *         if (tern_runtime_ends_text(m, id)) break;
 *         piece = tern_runtime_piece(m, id, &bytes);
 *         tern_session_eval(s, &id, 1, logits);
 *     }
 *     tern_session_free(s);
 *     tern_runtime_free(m);
 *
 * examples/complete.c is that program, with every error looked at.
 *
 * Errors. What can fail returns a tern_status (base/status.h): TERN_OK, or a code whose
 * sentence for people waits in tern_error_message(), one per thread. A function that
 * fails leaves its outputs, and the session, as they were. Nothing here prints, ends
 * the process, or is stopped by a damaged file. A NULL where none is allowed and a call
 * after free are mistakes of the program, and are not looked for.
 *
 * Ownership. What a function stores through an out-parameter is the caller's, to be
 * given back by the function named beside it. What a function returns is borrowed: it
 * lives as long as its model or stream. A model must outlive its sessions; the caller's
 * arrays are read, and not kept.
 *
 * Threads. An open model never changes as seen from here: any number of sessions, on as
 * many threads, may share one, and their results do not depend on each other. A
 * session, a sampler or a stream belongs to one thread at a time. Each evaluation is
 * itself spread over threads by OpenMP: as many as OMP_NUM_THREADS says, or
 * tern_threads_set() (kernels/cpu.h); it takes up to 256 KiB of the stack of each. With
 * several sessions at work, give each its share of the cores.
 *
 * The same numbers. Logits have the same bits however a text is cut into evaluations,
 * for any number of threads, on every CPU, and (for models that tern trained with f16
 * embeddings) as in training. Evaluating and sampling make no heap calls. */
#ifndef TERN_RUNTIME_RUNTIME_H
#define TERN_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct tern_runtime tern_runtime;
typedef struct tern_session tern_session;
typedef struct tern_stream tern_stream;

/* --- models (model.c) --- */

/* tern_runtime_open() - map a GGUF file, check that it is a model this runtime can run;
 * the first time in a process, choose the kernels for this CPU. TERN_EIO, TERN_EFORMAT,
 * TERN_ECORRUPT, TERN_EMEM: the message names file, key or tensor. TERN_EARG: the
 * environment variable TERN_CPU is wrong. The file must stay as it is while the model
 * is open. tern_runtime_free(). */
tern_status tern_runtime_open(const char *path, tern_runtime **out);
void tern_runtime_free(tern_runtime *m); /* NULL is fine */

int64_t tern_runtime_vocab(const tern_runtime *m);   /* V: ids are 0 to V - 1 */
int64_t tern_runtime_context(const tern_runtime *m); /* the longest it can see */
size_t tern_runtime_bytes(const tern_runtime *m);    /* held at most, with the map */
/* Bytes of weights that one token meets: all linear layers and the head, as held. */
size_t tern_runtime_token_bytes(const tern_runtime *m);

/* tern_runtime_pack() - bring all matrices into the order of the kernels. Else, for a
 * file in TQ2_0, or with a head in codes, the second evaluation begins with that: so
 * the first answer comes at once, and its successor later. For programs that would
 * rather wait here, such as servers, and those that measure. Changes no result. Other
 * threads may evaluate meanwhile. */
void tern_runtime_pack(const tern_runtime *m);

/* For programs that want to know more: base/spec.h, formats/gguf.h, data/tokenizer.h
 * (NULL until it is read). */
const struct tern_spec *tern_runtime_spec(const tern_runtime *m);
const struct tern_gguf *tern_runtime_gguf(const tern_runtime *m);
const struct tern_tokenizer *tern_runtime_tokenizer(const tern_runtime *m);

/* --- text and ids (text.c) --- */

/* tern_runtime_read_tokenizer() - read the tokenizer in the model's file, which the
 * rest of this section needs; a program that brings its own ids does not. Before the
 * model is shared between threads. TERN_EFORMAT: the file has none, or one that tern
 * does not know. Once read, another call does nothing. */
tern_status tern_runtime_read_tokenizer(tern_runtime *m);
bool tern_runtime_has_tokenizer(const tern_runtime *m); /* in its file */

/* tern_runtime_encode() - the ids of text[0..bytes), any bytes.
 *   special  whether "<|endoftext|>" and the like in the text become the ids they name:
 *            false for what a user typed
 *   ids      out  `count` of them, to be given to free(); NULL if there are none
 * TERN_EFORMAT: a model of characters met one that it does not know. TERN_EARG: the
 * tokenizer was not read. */
tern_status tern_runtime_encode(const tern_runtime *m, const char *text, size_t bytes,
                                bool special, int32_t **ids, size_t *count);

/* The same for what a model goes on from: the id that its texts begin with first, where
 * it has one, and no special ids. */
tern_status tern_runtime_encode_prompt(const tern_runtime *m, const char *text,
                                       size_t bytes, int32_t **ids, size_t *count);

/* The bytes of one id, not NUL-terminated; "" for ids that have none. Characters may be
 * cut between two ids: put the pieces together, or let a tern_stream do it. */
const char *tern_runtime_piece(const tern_runtime *m, int32_t id, size_t *bytes);
/* The same behind the id `before` (-1: at the start): without the space that some
 * tokenizers put before a text. */
const char *tern_runtime_piece_after(const tern_runtime *m, int32_t before, int32_t id,
                                     size_t *bytes);

/* The id with which a model ends its text; -1 if there is none. */
int32_t tern_runtime_end_of_text(const tern_runtime *m);
/* The id that its texts begin with; -1 if there is none. */
int32_t tern_runtime_begin_of_text(const tern_runtime *m);
/* Does the text end with this id? So it does with the end of a turn of a conversation
 * ("<|im_end|>", "<|eot_id|>", ...) and the beginning of another text. */
bool tern_runtime_ends_text(const tern_runtime *m, int32_t id);

/* --- sessions (session.c) --- */

/* context: the longest sequence, 0 for the model's, which is also the most. Memory is
 * reserved, and taken from the system as it is used. TERN_EMEM, TERN_EARG.
 * tern_session_free(). */
tern_status tern_session_new(const tern_runtime *m, int64_t context,
                             tern_session **out);
void tern_session_free(tern_session *s); /* NULL is fine */

/* tern_session_eval() - append `count` ids and compute.
 *   logits  out  (V) of the last id, or NULL
 * TERN_EARG: an id outside the vocabulary, or no room left (says how much); the session
 * is then unchanged. When it is full: truncate it, and evaluate what should follow. */
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

/* To what the inputs of quantised matrices are rounded before they are multiplied. */
typedef enum tern_activations {
    /* One 8-bit scale per token, as in training, for the ternary matrices, whose
     * products are exact; a head of integer codes (Q8_0, Q6_K, Q4_K, Q4_0) rounds its
     * input in blocks of 32; the inputs of all other matrices stay floats. The default.
     */
    TERN_ACTIVATIONS_PER_TOKEN,
    /* In blocks of 256 and of 32, as llama.cpp does (activations.c says for which types
     * it does which); for all matrices but those of type F16, BF16 and F32. */
    TERN_ACTIVATIONS_Q8_K,
    TERN_ACTIVATIONS_Q8_0,
    TERN_ACTIVATIONS_NONE /* all inputs stay floats */
} tern_activations;

/* "per-token", "q8_k", "q8_0", "none"; find gives -1 if there is no such name. */
int tern_activations_find(const char *name);
const char *tern_activations_name(tern_activations how);

/* From now on; all but the default are slow, for comparisons. TERN_EARG: blocks do not
 * divide the model's widths. */
tern_status tern_session_set_activations(tern_session *s, tern_activations how);

/* In what a session keeps keys and values: what they take, and what a long text adds to
 * the time of a token. */
typedef enum tern_cache_type {
    TERN_CACHE_F32,  /* as in training, to the bit; the default */
    TERN_CACHE_F16,  /* half of it: rounded to 11 bits */
    TERN_CACHE_INT8, /* about a quarter: 8 bits, a scale for each head's vector, and
                        attention in integers, for which queries and weights are
                        rounded too */
} tern_cache_type;

/* "f32", "f16", "int8"; find gives -1 if there is no such name. */
int tern_cache_find(const char *name);
const char *tern_cache_name(tern_cache_type type);

/* From now on. TERN_EARG unless the session is empty; TERN_EMEM. */
tern_status tern_session_set_cache(tern_session *s, tern_cache_type type);
/* What it takes for each id, in bytes (64 ids at a time). */
size_t tern_session_position_bytes(const tern_session *s);

/* For verification: called with every quantised activation block as it is computed, in
 * the order of the forward pass (of each 512 ids, where a call has more). `where` is
 * the layer that reads it: blk.N.attn_q (also k and v), attn_output, ffn_gate (also
 * up), ffn_down. NULL turns it off. */
typedef void (*tern_codes_probe)(void *user, const char *where, const int8_t *codes,
                                 size_t rows, size_t cols, size_t stride,
                                 const float *scale);
void tern_session_set_probe(tern_session *s, tern_codes_probe probe, void *user);

/* --- sampling (sampler.c) --- */

/* The fields in the order in which they act, which is llama.cpp's. */
typedef struct tern_sampler {
    float repeat_penalty; /* 1: off; as in CTRL: logit > 0 divided, else multiplied */
    int32_t top_k;        /* the k most probable; 0, or above V: off */
    float top_p;          /* the fewest that together hold p; 1: off */
    float min_p;          /* at least p times as probable as the best; 0: off */
    float temperature;    /* 0: the most probable, ties to the lowest id */
    uint64_t seed;        /* the same seed, the same ids */
    uint64_t drawn;       /* draws made so far: the state of the random stream */
} tern_sampler;

/* TERN_EARG names a parameter out of its range. */
tern_status tern_sampler_check(const tern_sampler *s);
/* The id of the greatest logit, the lowest among equals; NaN is below all. */
int32_t tern_most_probable(const float *logits, int64_t vocab);
/* Bytes of scratch that tern_sample needs for this vocabulary, aligned as malloc
 * does. */
size_t tern_sample_scratch(int64_t vocab);
/* tern_sample() - one id. logits (V) is modified; recent: ids for the penalty, of which
 * those outside the vocabulary are ignored (NULL, 0: none). -inf and NaN are never
 * drawn while anything else is there; +inf always is. sampler.c has the formulas. */
int32_t tern_sample(tern_sampler *s, float *logits, int64_t vocab,
                    const int32_t *recent, size_t recent_count, void *scratch);

/* --- text that comes in pieces (stream.c) --- */

/* tern_stream_new() - pieces in, text out that can be shown: whole characters only, and
 * nothing of a stop string. Stop strings may lie across pieces; what comes out does not
 * depend on how a text was cut. They are copied; an empty one is TERN_EARG.
 * TERN_EMEM. tern_stream_free(). */
tern_status tern_stream_new(const char *const *stops, size_t count, tern_stream **out);
void tern_stream_free(tern_stream *s); /* NULL is fine */

/* Append a piece. *ready, *ready_bytes: what can be shown now, borrowed until the next
 * call; it may be nothing. Bytes that are no UTF-8 come as they are. TERN_EMEM. */
tern_status tern_stream_push(tern_stream *s, const char *piece, size_t bytes,
                             const char **ready, size_t *ready_bytes);
/* Whether a stop string has come: the text ends before it, and further pieces are
 * ignored. */
bool tern_stream_stopped(const tern_stream *s);
/* No more pieces: what was held back, if no stop string has come. */
const char *tern_stream_finish(tern_stream *s, size_t *bytes);
/* All the text that push and finish have given so far. */
const char *tern_stream_text(const tern_stream *s, size_t *bytes);

#endif /* TERN_RUNTIME_RUNTIME_H */
