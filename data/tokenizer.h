/* tokenizer.h - text to token ids and back.
 *
 * Four kinds share one interface:
 *   byte   256 ids, id = byte value; encodes anything, needs no training
 *   char   one id per Unicode code point that the training corpus holds, in increasing
 *          order of code point; text with another character is an error
 *   bpe    byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019):
 *          a regex cuts text into pre-tokens, and inside each the adjacent pair of
 *          lowest rank is merged until none is left; encodes any bytes
 *   spm    SentencePiece's BPE (Kudo & Richardson 2018), as Llama 2 has it: characters
 *          are merged, spaces are written U+2581 and belong to the word behind them, a
 *          character without a token becomes its bytes; encodes any bytes. It is not
 *          trained here, only read. See spm.h
 *
 * Special tokens (<|endoftext|>, ...) have ids and exact text. tern_tokenizer_encode()
 * never produces them from text unless asked to, so a corpus cannot forge them.
 *
 * Any bytes: a byte that begins no valid UTF-8 character is a pre-token by itself, and
 * the text on either side is cut as if it stood alone. Only the char kind refuses it.
 *
 * A tokenizer is immutable after it is made: any number of threads may encode with one.
 *
 * On disk it is a Hugging Face tokenizer.json, which HF's library loads with the same
 * ids. The byte kind is written as a BPE of 256 tokens and no merges, the char kind as
 * a BPE of plain characters with neither merges nor pre-tokenizer (there, HF's library
 * drops the unknown characters that tern refuses); tern knows both again by that form.
 */
#ifndef TERN_DATA_TOKENIZER_H
#define TERN_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct tern_tokenizer tern_tokenizer;

typedef enum tern_token_kind {
    TERN_TOK_BYTE,
    TERN_TOK_CHAR,
    TERN_TOK_BPE,
    TERN_TOK_SPM
} tern_token_kind;

/* The two pre-tokenizers that GGUF can name ("gpt-2", "llama-bpe"). */
typedef enum tern_pretok { TERN_PRETOK_GPT2, TERN_PRETOK_LLAMA3 } tern_pretok;

/* --- making one --- */

tern_status tern_tokenizer_new_byte(tern_tokenizer **out);

/* Code points of `text` (UTF-8, `bytes` long); TERN_EFORMAT on invalid UTF-8 with its
 * offset. To learn from files in pieces see tern_tokenizer_train. */
tern_status tern_tokenizer_new_char(const char *text, size_t bytes,
                                    tern_tokenizer **out);

/* How to learn a tokenizer from a corpus. */
typedef struct tern_tokenizer_training {
    tern_token_kind kind;
    int64_t vocab;      /* bpe: ids wanted, 256 + specials at least */
    tern_pretok pretok; /* bpe */
    const char *const
        *special; /* exact texts, they come first as ids 0, 1, ... for bpe
                     (as in the cs336 reference), after the rest otherwise */
    size_t specials;
    /* progress, may be NULL: fraction done in 0..1 */
    void (*progress)(double fraction, void *user);
    void *user;
} tern_tokenizer_training;

/* tern_tokenizer_train() - learn from files, in memory bounded by the number of
 * distinct pre-tokens, not by the size of the corpus. Special texts found in the corpus
 * are cut out, as document borders. BPE ties are broken as in GPT-2's descendants: the
 * most frequent pair; among equals the lexicographically greater pair of byte strings.
 * TERN_EIO, TERN_EFORMAT, TERN_EARG (vocab too small; corpus too small for it). */
tern_status tern_tokenizer_train(const char *const *paths, size_t count,
                                 const tern_tokenizer_training *how,
                                 tern_tokenizer **out);

/* From parts (a GGUF file, vocab.json + merges.txt). tokens[i] is the text of id i in
 * the byte-to-unicode alphabet of GPT-2 (specials: raw text); is_special may be NULL;
 * merges are "left right". A pre-token that is itself in the vocabulary is taken whole
 * with TERN_PRETOK_LLAMA3 (ignore_merges), as llama.cpp does for "llama-bpe". Parts
 * that describe a byte or char tokenizer (as exported, below) give that kind back.
 * Copies everything. TERN_EFORMAT names what is wrong. */
tern_status tern_tokenizer_new_bpe(const char *const *tokens, size_t vocab,
                                   const char *const *merges, size_t merge_count,
                                   const bool *is_special, tern_pretok pretok,
                                   tern_tokenizer **out);

/* tokenizer.json, as text (from an HDF5 attribute, a GGUF key) or as a file. `where` is
 * the name that starts an error message. Accepted: what tern writes, and byte-level BPE
 * as HF writes it, pre-tokenizer ByteLevel (GPT-2) or Split + ByteLevel with one of the
 * two patterns; TERN_EFORMAT names the field that tern could not honour (a normalizer,
 * another pattern, ids with holes, ...). A post_processor is accepted and not applied:
 * encoding never adds tokens of its own (HF: add_special_tokens=False). Added tokens
 * that are not special are recognised in any text, as HF and llama.cpp do. */
tern_status tern_tokenizer_parse(const char *json, size_t bytes, const char *where,
                                 tern_tokenizer **out);
/* A file: tokenizer.json, or SentencePiece's tokenizer.model (sentencepiece.h); what is
 * in it decides, not its name. */
tern_status tern_tokenizer_load(const char *path, tern_tokenizer **out);
/* The JSON text, heap string for the caller to free(). */
tern_status tern_tokenizer_json(const tern_tokenizer *t, char **out);
tern_status tern_tokenizer_save(const tern_tokenizer *t, const char *path);

void tern_tokenizer_free(tern_tokenizer *t); /* NULL is fine */

/* --- using one --- */

typedef struct tern_ids {
    int32_t *data;
    size_t count, capacity;
} tern_ids; /* zero-initialise; free data with free() */

/* tern_tokenizer_encode() - append the ids of text[0..bytes) to `out`. Thread-safe.
 * parse_special: exact special texts become their ids. TERN_EFORMAT: char kind met a
 * character it does not know (message shows it and its offset); out is untouched. */
tern_status tern_tokenizer_encode(const tern_tokenizer *t, const char *text,
                                  size_t bytes, bool parse_special, tern_ids *out);

/* The same for a text that goes on from a place that tern_tokenizer_cut() gave. (Only
 * the spm kind, which begins a text with a space of its own, sees a difference.) */
tern_status tern_tokenizer_encode_more(const tern_tokenizer *t, const char *text,
                                       size_t bytes, bool parse_special, tern_ids *out);

/* tern_tokenizer_cut() - where a text that goes on may be cut: the ids of text[0..cut)
 * followed by those of the rest (tern_tokenizer_encode_more) are the ids of the whole,
 * whatever comes after text[bytes). The greatest such place, or one not far before it;
 * 0 if there is none (one long word so far): come again with more text. This is how a
 * file of any size is encoded in pieces. */
size_t tern_tokenizer_cut(const tern_tokenizer *t, const char *text, size_t bytes,
                          bool parse_special);

/* For readers that choose their own places (corpus.h), 0 < at: do two words of the spm
 * kind part at text + at, so far as merges go? */
bool tern_tokenizer_parts_at(const tern_tokenizer *t, const char *text, size_t at);

/* The bytes of one id (not NUL-terminated, may be part of a UTF-8 character), borrowed.
 * Ids out of range give an empty string. Special tokens give their text. */
const char *tern_tokenizer_piece(const tern_tokenizer *t, int32_t id, size_t *bytes);

/* The bytes that id adds to a text whose last id is `before`, -1 for the first of a
 * text: without the space that the spm kind put there itself. */
const char *tern_tokenizer_piece_after(const tern_tokenizer *t, int32_t before,
                                       int32_t id, size_t *bytes);

/* Concatenated pieces as a NUL-terminated heap string; skip_special drops specials. */
tern_status tern_tokenizer_decode(const tern_tokenizer *t, const int32_t *ids,
                                  size_t count, bool skip_special, char **out,
                                  size_t *bytes);

int64_t tern_tokenizer_vocab(const tern_tokenizer *t);
tern_token_kind tern_tokenizer_kind(const tern_tokenizer *t);
tern_pretok tern_tokenizer_pretok(const tern_tokenizer *t);
bool tern_tokenizer_is_special(const tern_tokenizer *t, int32_t id);
/* The id of the end of a document ("<|endoftext|>" or its relatives); -1 if none. */
int32_t tern_tokenizer_eos(const tern_tokenizer *t);
/* Does a model that gives this id say that it is done: the end of a document, of a turn
 * of a conversation ("<|im_end|>", "<|eot_id|>", ...), or the beginning of the
 * next text? */
bool tern_tokenizer_ends(const tern_tokenizer *t, int32_t id);
/* The id that a text begins with when a model of this tokenizer reads it; -1 if there
 * is none. Encoding does not add it. */
int32_t tern_tokenizer_begin(const tern_tokenizer *t);
/* Append it, if there is one. TERN_EMEM. */
tern_status tern_tokenizer_begin_ids(const tern_tokenizer *t, tern_ids *out);
/* The id of this exact special text; -1 if there is none. */
int32_t tern_tokenizer_special_id(const tern_tokenizer *t, const char *text);

/* For exporters: id's text in the GPT-2 alphabet (specials and added tokens raw), and
 * merge i as "left right"; borrowed, NUL-terminated.
 *
 * GGUF, tokenizer.ggml.model "gpt2" with these tokens, these merges, and pre "gpt-2" or
 * "llama-bpe" by tern_tokenizer_pretok(), gives the same ids in llama.cpp:
 *   bpe   with these limits: "llama-bpe" implies ignore_merges and "gpt-2" denies it
 *         (tokenizers that tern trained give the same ids either way; of others see
 *         tern_tokenizer_ignores_merges);
 *   byte  exactly, for valid UTF-8 (llama.cpp does not take other text);
 *   char  for text whose characters are all known: a character of several bytes gets
 *         merges that build it from its bytes, first to last. An unknown character is
 *         an error in tern; llama.cpp drops it silently.
 * All of them are pre-tokenizer "gpt-2" unless the kind is bpe. */
const char *tern_tokenizer_token_text(const tern_tokenizer *t, int32_t id);
bool tern_tokenizer_ignores_merges(const tern_tokenizer *t);
size_t tern_tokenizer_merge_count(const tern_tokenizer *t);
const char *tern_tokenizer_merge(const tern_tokenizer *t, size_t i);

/* "byte", "char (65)", "bpe (4096, llama-3)": for people. At most 63 bytes and NUL. */
void tern_tokenizer_describe(const tern_tokenizer *t, char out[64]);

#endif /* TERN_DATA_TOKENIZER_H */
