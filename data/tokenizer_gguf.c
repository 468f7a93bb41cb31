/* tokenizer_gguf.c - see tokenizer_gguf.h. */
#include "data/tokenizer_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/spm.h"

/* llama.cpp's token types. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

static const char MODEL[] = "tokenizer.ggml.model", PRE[] = "tokenizer.ggml.pre",
                  TOKENS[] = "tokenizer.ggml.tokens",
                  TYPES[] = "tokenizer.ggml.token_type",
                  MERGES[] = "tokenizer.ggml.merges",
                  SCORES[] = "tokenizer.ggml.scores",
                  BEGIN[] = "tokenizer.ggml.bos_token_id",
                  END[] = "tokenizer.ggml.eos_token_id",
                  UNKNOWN[] = "tokenizer.ggml.unknown_token_id",
                  ADD_BEGIN[] = "tokenizer.ggml.add_bos_token",
                  ADD_END[] = "tokenizer.ggml.add_eos_token",
                  PREFIX[] = "tokenizer.ggml.add_space_prefix",
                  JSON[] = "tern.tokenizer";

/* --- reading --- */

static bool is(tern_gguf_string s, const char *text)
{
    return s.bytes == strlen(text) && memcmp(s.data, text, s.bytes) == 0;
}

static tern_status get_kind(const tern_gguf *g, bool *spm)
{
    tern_gguf_string model;
    TERN_TRY(tern_gguf_get_string(g, MODEL, &model));
    *spm = is(model, "llama");
    if (*spm || is(model, "gpt2")) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "%s: key \"%s\" is neither \"gpt2\" nor \"llama\": tern reads "
                     "byte-level BPE and SentencePiece's BPE only",
                     tern_gguf_path(g), MODEL);
}

static tern_status get_pretok(const tern_gguf *g, tern_pretok *pretok)
{
    tern_gguf_string pre;
    TERN_TRY(tern_gguf_get_string(g, PRE, &pre));
    if (is(pre, "gpt-2"))
        *pretok = TERN_PRETOK_GPT2;
    else if (is(pre, "llama-bpe"))
        *pretok = TERN_PRETOK_LLAMA3;
    else
        return tern_fail(TERN_EFORMAT,
                         "%s: key \"%s\" is neither \"gpt-2\" nor \"llama-bpe\": tern "
                         "does not know how this tokenizer cuts text",
                         tern_gguf_path(g), PRE);
    return TERN_OK;
}

static tern_status get_strings(const tern_gguf *g, const char *key, size_t *count)
{
    tern_gguf_type type;
    TERN_TRY(tern_gguf_get_array(g, key, &type, count));
    if (type != TERN_GGUF_STRING)
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is no array of strings",
                         tern_gguf_path(g), key);
    return TERN_OK;
}

/* Whether there are token types; if so, one for each token. */
static tern_status check_types(const tern_gguf *g, size_t tokens, bool *given)
{
    tern_gguf_type type;
    size_t count;
    *given = tern_gguf_has(g, TYPES);
    if (!*given) return TERN_OK;
    TERN_TRY(tern_gguf_get_array(g, TYPES, &type, &count));
    if (type != TERN_GGUF_I32 || count != tokens)
        return tern_fail(TERN_EFORMAT,
                         "%s: key \"%s\" is no array of %zu i32, one for each token",
                         tern_gguf_path(g), TYPES, tokens);
    return TERN_OK;
}

/* Of byte-level BPE: unknown, unused and byte tokens never come out of text, as special
 * ones. */
static tern_role role_of(int64_t type)
{
    return type == TYPE_NORMAL ? TERN_ROLE_NORMAL
           : type == TYPE_USER ? TERN_ROLE_ADDED
                               : TERN_ROLE_SPECIAL;
}

static tern_role spm_role_of(int64_t type)
{
    return type == TYPE_BYTE     ? TERN_ROLE_BYTE
           : type == TYPE_UNUSED ? TERN_ROLE_UNUSED
                                 : role_of(type);
}

static tern_status check_count(const tern_gguf *g, size_t count)
{
    if (count <= INT32_MAX) return TERN_OK;
    return tern_fail(TERN_EFORMAT, "%s: key \"%s\" has more than 2^31 tokens",
                     tern_gguf_path(g), TOKENS);
}

static tern_status add_tokens(const tern_gguf *g, tern_tokenizer *t)
{
    size_t count;
    bool typed;
    TERN_TRY(get_strings(g, TOKENS, &count));
    TERN_TRY(check_count(g, count));
    TERN_TRY(check_types(g, count, &typed));
    for (size_t i = 0; i < count; i++) {
        const tern_gguf_string s = tern_gguf_array_string(g, TOKENS, i);
        const tern_role role =
            typed ? role_of(tern_gguf_array_int(g, TYPES, i)) : TERN_ROLE_NORMAL;
        TERN_TRY(tern_tokenizer_add(t, s.data, s.bytes, role));
    }
    return TERN_OK;
}

/* --- reading: SentencePiece --- */

static tern_status check_scores(const tern_gguf *g, size_t tokens)
{
    tern_gguf_type type;
    size_t count;
    bool typed;
    TERN_TRY(check_types(g, tokens, &typed));
    if (!typed)
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is missing", tern_gguf_path(g),
                         TYPES);
    TERN_TRY(tern_gguf_get_array(g, SCORES, &type, &count));
    if (type == TERN_GGUF_F32 && count == tokens) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "%s: key \"%s\" is no array of %zu f32, one for each token",
                     tern_gguf_path(g), SCORES, tokens);
}

static tern_status add_scored_tokens(const tern_gguf *g, tern_tokenizer *t)
{
    size_t count;
    TERN_TRY(get_strings(g, TOKENS, &count));
    TERN_TRY(check_count(g, count));
    TERN_TRY(check_scores(g, count));
    for (size_t i = 0; i < count; i++) {
        const tern_gguf_string s = tern_gguf_array_string(g, TOKENS, i);
        const int64_t type = tern_gguf_array_int(g, TYPES, i);
        if (type == TYPE_UNKNOWN && t->spm.unknown < 0) t->spm.unknown = (int32_t)i;
        TERN_TRY(tern_spm_add(t, s.data, s.bytes, spm_role_of(type),
                              (double)tern_gguf_array_f32(g, SCORES, i)));
    }
    return TERN_OK;
}

static tern_status get_bool_if(const tern_gguf *g, const char *key, bool *out)
{
    return tern_gguf_has(g, key) ? tern_gguf_get_bool(g, key, out) : TERN_OK;
}

/* The special token that a key names; *out stays where there is no key. */
static tern_status get_special_if(const tern_gguf *g, const char *key,
                                  const tern_tokenizer *t, int32_t *out)
{
    int64_t id;
    if (!tern_gguf_has(g, key)) return TERN_OK;
    TERN_TRY(tern_gguf_get_int(g, key, &id));
    if (id < 0 || (uint64_t)id >= t->texts.count)
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" names no token",
                         tern_gguf_path(g), key);
    /* Other ids are there because a file must name some. */
    if (t->role[id] == TERN_ROLE_SPECIAL) *out = (int32_t)id;
    return TERN_OK;
}

/* Where texts begin and end. `add` is what llama.cpp does if the file does not say. */
static tern_status get_ends(const tern_gguf *g, tern_tokenizer *t, bool add)
{
    TERN_TRY(get_special_if(g, BEGIN, t, &t->bos));
    TERN_TRY(get_special_if(g, END, t, &t->eos));
    TERN_TRY(get_bool_if(g, ADD_BEGIN, &add));
    t->add_bos = add && t->bos >= 0;
    return TERN_OK;
}

static tern_status read_spm(const tern_gguf *g, tern_tokenizer *t)
{
    TERN_TRY(add_scored_tokens(g, t));
    TERN_TRY(get_bool_if(g, PREFIX, &t->spm.prefix));
    TERN_TRY(get_special_if(g, UNKNOWN, t, &t->spm.unknown));
    return get_ends(g, t, true);
}

/* --- reading: the whole --- */

static tern_status add_merges(const tern_gguf *g, tern_tokenizer *t)
{
    size_t count;
    TERN_TRY(get_strings(g, MERGES, &count));
    for (size_t i = 0; i < count; i++) {
        const tern_gguf_string s = tern_gguf_array_string(g, MERGES, i);
        TERN_TRY(tern_tokenizer_add_merge(t, s.data, s.bytes));
    }
    return TERN_OK;
}

/* What tokenizer_build.c refuses does not know the file yet. */
static tern_status in_file(const tern_gguf *g, tern_status s)
{
    return s == TERN_OK || strstr(tern_error_message(), tern_gguf_path(g))
               ? s
               : tern_fail_in(s, tern_gguf_path(g));
}

static tern_status read_bpe(const tern_gguf *g, tern_tokenizer *t)
{
    TERN_TRY(get_pretok(g, &t->pretok));
    t->ignore_merges = t->pretok == TERN_PRETOK_LLAMA3; /* as llama.cpp has it */
    TERN_TRY(add_tokens(g, t));
    TERN_TRY(add_merges(g, t));
    return get_ends(g, t, t->pretok == TERN_PRETOK_LLAMA3);
}

tern_status tern_tokenizer_from_gguf(const tern_gguf *g, tern_tokenizer **out)
{
    if (tern_gguf_has(g, JSON)) {
        tern_gguf_string json;
        TERN_TRY(tern_gguf_get_string(g, JSON, &json));
        return tern_tokenizer_parse(json.data, json.bytes, tern_gguf_path(g), out);
    }
    tern_tokenizer *t;
    bool spm = false;
    TERN_TRY(get_kind(g, &spm));
    TERN_TRY(spm ? tern_spm_draft(&t) : tern_tokenizer_draft(&t));
    tern_status s = spm ? read_spm(g, t) : read_bpe(g, t);
    if (s == TERN_OK) s = tern_tokenizer_finish(t);
    if (s == TERN_OK)
        *out = t;
    else
        tern_tokenizer_free(t);
    return in_file(g, s);
}

/* --- writing --- */

/* Everything that has to be said of each id. */
typedef struct listing {
    const char **texts;
    int32_t *types;
    const char **merges;
    float *scores;    /* spm only */
    char (*pads)[32]; /* texts of the ids that the tokenizer lacks */
    size_t vocab, rows, merge_count;
} listing;

static void listing_free(listing *l)
{
    free(l->texts);
    free(l->types);
    free(l->merges);
    free(l->scores);
    free(l->pads);
}

static bool listing_allocate(listing *l)
{
    l->texts = calloc(l->rows + 1, sizeof *l->texts);
    l->types = calloc(l->rows + 1, sizeof *l->types);
    l->merges = calloc(l->merge_count + 1, sizeof *l->merges);
    l->scores = calloc(l->rows + 1, sizeof *l->scores);
    l->pads = calloc(l->rows - l->vocab + 1, sizeof *l->pads);
    return l->texts && l->types && l->merges && l->scores && l->pads;
}

static void list_tokens(const tern_tokenizer *t, listing *l)
{
    static const int32_t types[] = {[TERN_ROLE_NORMAL] = TYPE_NORMAL,
                                    [TERN_ROLE_ADDED] = TYPE_USER,
                                    [TERN_ROLE_SPECIAL] = TYPE_CONTROL,
                                    [TERN_ROLE_BYTE] = TYPE_BYTE,
                                    [TERN_ROLE_UNUSED] = TYPE_UNUSED};
    for (size_t i = 0; i < l->vocab; i++) {
        l->texts[i] = tern_tokenizer_token_text(t, (int32_t)i);
        l->types[i] = types[t->role[i]];
    }
    for (size_t i = l->vocab; i < l->rows; i++) {
        char *pad = l->pads[i - l->vocab];
        (void)snprintf(pad, sizeof l->pads[0], "[PAD%zu]", i);
        l->texts[i] = pad;
        l->types[i] = TYPE_UNUSED;
    }
    for (size_t i = 0; i < l->merge_count; i++)
        l->merges[i] = tern_tokenizer_merge(t, i);
}

/* The scores; where merges were listed, the nearest there is: what is made earlier has
 * the higher one. */
static void list_scores(const tern_tokenizer *t, listing *l)
{
    for (size_t i = 0; i < l->vocab && t->spm.score; i++)
        l->scores[i] = t->spm.score[i];
    for (size_t i = t->merge_count; i-- > 0 && !t->spm.score;)
        l->scores[t->merges[i].result] = -(float)(i + 1);
    if (t->spm.unknown >= 0) l->types[t->spm.unknown] = TYPE_UNKNOWN;
}

static tern_status put_json(const tern_tokenizer *t, tern_gguf_writer *w)
{
    char *json;
    TERN_TRY(tern_tokenizer_json(t, &json));
    tern_gguf_put_string(w, JSON, json);
    free(json);
    return TERN_OK;
}

/* Where there is no end of text the last id, because llama.cpp would take id 11. */
static void put_ends(const tern_tokenizer *t, const listing *l, tern_gguf_writer *w)
{
    const int32_t eos = tern_tokenizer_eos(t);
    const uint32_t end = eos >= 0 ? (uint32_t)eos : (uint32_t)(l->rows - 1);
    tern_gguf_put_u32(w, BEGIN, t->bos >= 0 ? (uint32_t)t->bos : end);
    tern_gguf_put_u32(w, END, end);
    tern_gguf_put_bool(w, ADD_BEGIN, t->add_bos);
    tern_gguf_put_bool(w, ADD_END, false);
}

static void put_listing(const tern_tokenizer *t, const listing *l, tern_gguf_writer *w)
{
    const bool llama = tern_tokenizer_pretok(t) == TERN_PRETOK_LLAMA3;
    tern_gguf_put_string(w, MODEL, "gpt2");
    tern_gguf_put_string(w, PRE, llama ? "llama-bpe" : "gpt-2");
    tern_gguf_put_strings(w, TOKENS, l->texts, l->rows);
    tern_gguf_put_i32s(w, TYPES, l->types, l->rows);
    tern_gguf_put_strings(w, MERGES, l->merges, l->merge_count);
    put_ends(t, l, w);
}

static void put_spm(const tern_tokenizer *t, const listing *l, tern_gguf_writer *w)
{
    tern_gguf_put_string(w, MODEL, "llama");
    tern_gguf_put_string(w, PRE, "default");
    tern_gguf_put_strings(w, TOKENS, l->texts, l->rows);
    tern_gguf_put_f32s(w, SCORES, l->scores, l->rows);
    tern_gguf_put_i32s(w, TYPES, l->types, l->rows);
    if (t->spm.unknown >= 0) tern_gguf_put_u32(w, UNKNOWN, (uint32_t)t->spm.unknown);
    tern_gguf_put_bool(w, PREFIX, t->spm.prefix);
    put_ends(t, l, w);
}

/* Do the keys say everything? */
static bool is_exact(const tern_tokenizer *t, const listing *l)
{
    const bool llama = tern_tokenizer_pretok(t) == TERN_PRETOK_LLAMA3;
    if (l->rows != l->vocab) return false;
    if (t->kind == TERN_TOK_SPM) return t->spm.score && !t->spm.once;
    return tern_tokenizer_ignores_merges(t) == llama;
}

tern_status tern_tokenizer_to_gguf(const tern_tokenizer *t, int64_t rows,
                                   tern_gguf_writer *w)
{
    const bool spm = t->kind == TERN_TOK_SPM;
    listing l = {.vocab = (size_t)tern_tokenizer_vocab(t),
                 .rows = rows > 0 ? (size_t)rows : 0,
                 .merge_count = tern_tokenizer_merge_count(t)};
    if (l.rows < l.vocab)
        return tern_fail(TERN_ESHAPE,
                         "the tokenizer has %zu ids, the model's embedding %zu rows",
                         l.vocab, l.rows);
    tern_status s = TERN_OK;
    if (listing_allocate(&l)) {
        list_tokens(t, &l);
        if (spm) list_scores(t, &l);
        (spm ? put_spm : put_listing)(t, &l, w);
    } else {
        s = tern_fail(TERN_EMEM, "tokenizer: out of memory");
    }
    const bool exact = is_exact(t, &l);
    listing_free(&l);
    return s == TERN_OK && !exact ? put_json(t, w) : s;
}
