/* tokenizer.c - making one from parts, looking into it, and back to text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer_impl.h"
#include "data/utf8.h"

/* --- making one --- */

tern_status tern_tokenizer_new_byte(tern_tokenizer **out)
{
    tern_tokenizer *t;
    TERN_TRY(tern_tokenizer_draft(&t));
    tern_status s = TERN_OK;
    for (int b = 0; b < 256 && s == TERN_OK; b++)
        s = tern_tokenizer_add_byte(t, (unsigned char)b);
    if (s == TERN_OK) s = tern_tokenizer_finish(t);
    if (s == TERN_OK)
        *out = t;
    else
        tern_tokenizer_free(t);
    return s;
}

static tern_status add_parts(tern_tokenizer *t, const char *const *tokens, size_t vocab,
                             const char *const *merges, size_t merge_count,
                             const bool *is_special)
{
    for (size_t id = 0; id < vocab; id++) {
        const bool special = is_special && is_special[id];
        TERN_TRY(tern_tokenizer_add(t, tokens[id], strlen(tokens[id]),
                                    special ? TERN_ROLE_SPECIAL : TERN_ROLE_NORMAL));
    }
    for (size_t i = 0; i < merge_count; i++)
        TERN_TRY(tern_tokenizer_add_merge(t, merges[i], strlen(merges[i])));
    return TERN_OK;
}

tern_status tern_tokenizer_new_bpe(const char *const *tokens, size_t vocab,
                                   const char *const *merges, size_t merge_count,
                                   const bool *is_special, tern_pretok pretok,
                                   tern_tokenizer **out)
{
    tern_tokenizer *t;
    TERN_TRY(tern_tokenizer_draft(&t));
    t->pretok = pretok;
    t->ignore_merges = pretok == TERN_PRETOK_LLAMA3;
    tern_status s = add_parts(t, tokens, vocab, merges, merge_count, is_special);
    if (s == TERN_OK) s = tern_tokenizer_finish(t);
    if (s == TERN_OK)
        *out = t;
    else
        tern_tokenizer_free(t);
    return s;
}

/* --- looking into it --- */

static bool in_range(const tern_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->texts.count;
}

const char *tern_tokenizer_piece(const tern_tokenizer *t, int32_t id, size_t *bytes)
{
    *bytes = 0;
    if (!in_range(t, id)) return "";
    *bytes = t->piece_at[id + 1] - t->piece_at[id];
    return t->pieces + t->piece_at[id];
}

const char *tern_tokenizer_piece_after(const tern_tokenizer *t, int32_t before,
                                       int32_t id, size_t *bytes)
{
    const char *piece = tern_tokenizer_piece(t, id, bytes);
    const bool first = before == -1 || (!t->spm.once && in_range(t, before) &&
                                        t->role[before] == TERN_ROLE_SPECIAL);
    if (!t->spm.prefix || !first || *bytes == 0 || *piece != ' ' ||
        t->role[id] != TERN_ROLE_NORMAL)
        return piece;
    --*bytes;
    return piece + 1;
}

int64_t tern_tokenizer_vocab(const tern_tokenizer *t)
{
    return (int64_t)t->texts.count;
}

tern_token_kind tern_tokenizer_kind(const tern_tokenizer *t)
{
    return t->kind;
}

tern_pretok tern_tokenizer_pretok(const tern_tokenizer *t)
{
    return t->pretok;
}

bool tern_tokenizer_ignores_merges(const tern_tokenizer *t)
{
    return t->ignore_merges;
}

bool tern_tokenizer_is_special(const tern_tokenizer *t, int32_t id)
{
    return in_range(t, id) && t->role[id] == TERN_ROLE_SPECIAL;
}

int32_t tern_tokenizer_special_id(const tern_tokenizer *t, const char *text)
{
    const int64_t id = tern_words_find(&t->texts, text, strlen(text));
    return id >= 0 &&
                   (t->role[id] == TERN_ROLE_ADDED || t->role[id] == TERN_ROLE_SPECIAL)
               ? (int32_t)id
               : -1;
}

/* In this order: a chat model ends its documents with the first of these that it has,
 * turns with others. */
static const char *const end_names[] = {
    "<|endoftext|>", "<|end_of_text|>", "</s>",    "<eos>",
    "<|eot_id|>",    "<|im_end|>",      "<|end|>", "<end_of_turn>",
};
enum { END_NAMES = sizeof end_names / sizeof *end_names };

int32_t tern_tokenizer_eos(const tern_tokenizer *t)
{
    if (t->eos >= 0) return t->eos;
    for (size_t i = 0; i < END_NAMES; i++) {
        const int32_t id = tern_tokenizer_special_id(t, end_names[i]);
        if (id >= 0) return id;
    }
    return -1;
}

bool tern_tokenizer_ends(const tern_tokenizer *t, int32_t id)
{
    if (!in_range(t, id) || t->role[id] == TERN_ROLE_NORMAL) return false;
    if (id == tern_tokenizer_eos(t) || id == tern_tokenizer_begin(t)) return true;
    for (size_t i = 0; i < END_NAMES; i++)
        if (tern_tokenizer_special_id(t, end_names[i]) == id) return true;
    return false;
}

int32_t tern_tokenizer_begin(const tern_tokenizer *t)
{
    return t->add_bos ? t->bos : -1;
}

const char *tern_tokenizer_token_text(const tern_tokenizer *t, int32_t id)
{
    return in_range(t, id) ? tern_words_get(&t->texts, (size_t)id, NULL) : "";
}

size_t tern_tokenizer_merge_count(const tern_tokenizer *t)
{
    return t->merge_texts.count;
}

const char *tern_tokenizer_merge(const tern_tokenizer *t, size_t i)
{
    return i < t->merge_texts.count ? tern_words_get(&t->merge_texts, i, NULL) : "";
}

void tern_tokenizer_describe(const tern_tokenizer *t, char out[64])
{
    if (t->kind == TERN_TOK_BYTE)
        snprintf(out, 64, "byte");
    else if (t->kind == TERN_TOK_CHAR)
        snprintf(out, 64, "char (%zu)", t->texts.count);
    else if (t->kind == TERN_TOK_SPM)
        snprintf(out, 64, "sentencepiece (%zu)", t->texts.count);
    else
        snprintf(out, 64, "bpe (%zu, %s)", t->texts.count,
                 t->pretok == TERN_PRETOK_GPT2 ? "gpt-2" : "llama-3");
}

/* --- back to text --- */

tern_status tern_tokenizer_decode(const tern_tokenizer *t, const int32_t *ids,
                                  size_t count, bool skip_special, char **out,
                                  size_t *bytes)
{
    size_t total = 0, n;
    for (size_t i = 0; i < count; i++) {
        (void)tern_tokenizer_piece(t, ids[i], &n);
        total += n;
    }
    char *text = malloc(total + 1);
    if (!text)
        return tern_fail(TERN_EMEM, "tokenizer: out of memory for %zu bytes", total);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (skip_special && tern_tokenizer_is_special(t, ids[i])) continue;
        const int32_t before = i > 0 ? ids[i - 1] : -1;
        const char *piece = tern_tokenizer_piece_after(t, before, ids[i], &n);
        memcpy(text + used, piece, n);
        used += n;
    }
    text[used] = '\0';
    *out = text;
    if (bytes) *bytes = used;
    return TERN_OK;
}
