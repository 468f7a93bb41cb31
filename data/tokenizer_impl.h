/* tokenizer_impl.h - what a tokenizer is made of; for the files tokenizer*.c, spm*.c,
 * bpe.c and sentencepiece.c only.
 *
 * It is made in three steps: tern_tokenizer_draft(), tokens and merges added one by one
 * in the order of their numbers, tern_tokenizer_finish(). After that it is never
 * written again. */
#ifndef TERN_DATA_TOKENIZER_IMPL_H
#define TERN_DATA_TOKENIZER_IMPL_H

#include "data/pretokenize.h"
#include "data/tokenizer.h"
#include "data/words.h"

typedef enum tern_role {
    TERN_ROLE_NORMAL,
    TERN_ROLE_ADDED,   /* exact text, always recognised */
    TERN_ROLE_SPECIAL, /* exact text, recognised when asked for */
    TERN_ROLE_BYTE,    /* spm: one byte, for characters without a token of their own */
    TERN_ROLE_UNUSED   /* spm: comes out of no text */
} tern_role;

typedef struct tern_merge {
    int32_t left, right, result, rank; /* rank: the lowest merges first */
} tern_merge;

/* One slot of the table (left, right) -> merge; rank < 0 where free. */
typedef struct tern_merge_slot {
    int32_t left, right, rank, result;
} tern_merge_slot;

/* What SentencePiece needs beyond a list of merges; see spm.h. */
typedef struct tern_spm {
    float *score; /* of each id; NULL if the merges were listed (tokenizer.json) */
    size_t score_cap;
    bool prefix;        /* a text begins with one space more than it has */
    bool once;          /* only a whole text, not what follows a special token */
    bool words;         /* no token has a space behind another character */
    int32_t unknown;    /* for characters without tokens; -1 */
    int32_t ascii[128]; /* the token of each character, -1 */
} tern_spm;

struct tern_tokenizer {
    tern_token_kind kind; /* found by finish from tokens and merges */
    tern_pretok pretok;
    bool ignore_merges;

    tern_words texts;    /* id -> text in the alphabet, or raw for the others */
    unsigned char *role; /* tern_role of each id */
    size_t role_cap;
    char *pieces;     /* the bytes of all ids, one after the other */
    size_t *piece_at; /* id i: pieces[piece_at[i] .. piece_at[i + 1]) */

    int32_t byte_id[256]; /* -1 where the vocabulary lacks the byte */
    bool all_bytes;
    uint32_t *chars; /* char kind: code point of each id, increasing */
    size_t char_count;

    int32_t *added; /* ids of ADDED and SPECIAL, longest text first */
    size_t added_count;
    bool added_first[256]; /* bytes that begin one of them */
    bool always_added;     /* is one of them ADDED? */

    tern_words merge_texts; /* rank -> "left right"; not for spm */
    tern_merge *merges;     /* by rank; bpe and spm */
    size_t merge_count;
    tern_merge_slot *slots;
    size_t slot_count; /* a power of two */

    tern_pretokenizer *pre; /* bpe only */

    /* what the file says of documents; -1: nothing */
    int32_t bos, eos;
    bool add_bos; /* texts begin with bos when a model reads them */

    tern_spm spm; /* spm only; byte_id is filled in for it too */
};

tern_status tern_tokenizer_draft(tern_tokenizer **out);
/* Token of the next id / merge of the next rank ("left right"). TERN_EFORMAT if it is
 * there already. */
tern_status tern_tokenizer_add(tern_tokenizer *t, const char *text, size_t bytes,
                               tern_role role);
tern_status tern_tokenizer_add_merge(tern_tokenizer *t, const char *text, size_t bytes);
/* The byte's token, the character's token with the merges that build it. */
tern_status tern_tokenizer_add_byte(tern_tokenizer *t, unsigned char byte);
tern_status tern_tokenizer_add_char(tern_tokenizer *t, uint32_t cp);
tern_status tern_tokenizer_finish(tern_tokenizer *t);
/* The table of t->merges. TERN_EFORMAT if a pair is there twice. */
tern_status tern_tokenizer_index_merges(tern_tokenizer *t);

static inline const tern_merge_slot *tern_merge_find(const tern_tokenizer *t,
                                                     int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    const size_t mask = t->slot_count - 1;
    size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & mask;
    for (; t->slots[i].rank >= 0; i = (i + 1) & mask)
        if (t->slots[i].left == left && t->slots[i].right == right) break;
    return &t->slots[i];
}

/* The first added or special token in s..end: its start, id and length; `end` (and id
 * -1) if there is none. Specials count only if parse_special. */
const char *tern_added_find(const tern_tokenizer *t, const char *s, const char *end,
                            bool parse_special, int32_t *id, size_t *bytes);

/* Does a special token end at text + at? */
bool tern_special_ends(const tern_tokenizer *t, const char *text, size_t at);

/* Could an added token begin before text + at and end behind it, given that the text
 * may go on behind text[bytes)? */
bool tern_added_straddles(const tern_tokenizer *t, const char *text, size_t bytes,
                          size_t at, bool parse_special);

#endif /* TERN_DATA_TOKENIZER_IMPL_H */
