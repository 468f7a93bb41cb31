/* tokenizer_impl.h - what a tokenizer is made of; for the files tokenizer*.c, bpe.c
 * and train_tokenizer.c only.
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
    TERN_ROLE_ADDED,  /* exact text, always recognised */
    TERN_ROLE_SPECIAL /* exact text, recognised when asked for */
} tern_role;

typedef struct tern_merge {
    int32_t left, right, result;
} tern_merge;

/* One slot of the table (left, right) -> merge; rank < 0 where free. */
typedef struct tern_merge_slot {
    int32_t left, right, rank, result;
} tern_merge_slot;

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

    tern_words merge_texts; /* rank -> "left right" */
    tern_merge *merges;     /* by rank; bpe only */
    tern_merge_slot *slots;
    size_t slot_count; /* a power of two */

    tern_pretokenizer *pre; /* bpe only */
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

/* Could an added token begin before text + at and end behind it, given that the text
 * may go on behind text[bytes)? */
bool tern_added_straddles(const tern_tokenizer *t, const char *text, size_t bytes,
                          size_t at, bool parse_special);

#endif /* TERN_DATA_TOKENIZER_IMPL_H */
