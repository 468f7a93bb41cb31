/* spm_json.c - see spm_json.h. */
#include <string.h>

#include "data/spm_json.h"

#include <stdlib.h>

static const char MARK[] = "\xe2\x96\x81"; /* U+2581 */

static bool is_text(const json_t *o, const char *field, const char *text)
{
    const char *s = json_string_value(json_object_get(o, field));
    return s && strcmp(s, text) == 0;
}

/* --- in: where spaces go --- */

static bool is_replace(const json_t *step)
{
    return tern_json_is(step, "Replace") && is_text(step, "content", MARK) &&
           is_text(json_object_get(step, "pattern"), "String", " ");
}

static bool is_prepend(const json_t *step)
{
    return tern_json_is(step, "Prepend") && is_text(step, "prepend", MARK);
}

bool tern_spm_json_is(const json_t *root)
{
    const json_t *normalizer = json_object_get(root, "normalizer");
    const json_t *steps = json_object_get(normalizer, "normalizers");
    bool marks = is_replace(normalizer) ||
                 tern_json_is(json_object_get(root, "pre_tokenizer"), "Metaspace");
    for (size_t i = 0; i < json_array_size(steps); i++)
        marks = marks || is_replace(json_array_get(steps, i));
    return marks;
}

/* Prepend and Replace, in any order; *prefix: is there a Prepend? */
static tern_status check_normalizer(const json_t *o, bool *prefix)
{
    const json_t *steps = json_object_get(o, "normalizers");
    const size_t n = json_is_array(steps) ? json_array_size(steps) : 1;
    size_t replace = 0, prepend = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *step = json_is_array(steps) ? json_array_get(steps, i) : o;
        if (is_replace(step))
            replace++;
        else if (is_prepend(step))
            prepend++;
        else
            return tern_json_refuse("normalizer",
                                    "tern encodes text as it is; only Prepend of "
                                    "U+2581 and Replace of \" \" by it are possible");
    }
    if (replace != 1 || prepend > 1)
        return tern_json_refuse("normalizer", "one Replace, and at most one Prepend");
    *prefix = prepend == 1;
    return TERN_OK;
}

static tern_status check_metaspace(const json_t *o, tern_spm *spm)
{
    const json_t *scheme = json_object_get(o, "prepend_scheme");
    const json_t *add = json_object_get(o, "add_prefix_space");
    const json_t *str = json_object_get(o, "str_rep");
    if (!is_text(o, "replacement", MARK) ||
        (str && strcmp(json_is_string(str) ? json_string_value(str) : "", MARK) != 0))
        return tern_json_refuse("pre_tokenizer.replacement", "only U+2581 is possible");
    if (!json_is_false(json_object_get(o, "split")))
        return tern_json_refuse("pre_tokenizer.split",
                                "only false is possible: SentencePiece merges runs of "
                                "spaces");
    if (scheme && !is_text(o, "prepend_scheme", "always") &&
        !is_text(o, "prepend_scheme", "first") &&
        !is_text(o, "prepend_scheme", "never"))
        return tern_json_refuse("pre_tokenizer.prepend_scheme",
                                "is none of \"always\", \"first\" and \"never\"");
    spm->once = is_text(o, "prepend_scheme", "first");
    spm->prefix = !is_text(o, "prepend_scheme", "never") && !json_is_false(add);
    return TERN_OK;
}

static tern_status check_spaces(const json_t *root, tern_spm *spm)
{
    const json_t *normalizer = json_object_get(root, "normalizer");
    const json_t *pre = json_object_get(root, "pre_tokenizer");
    if (tern_json_is(pre, "Metaspace")) {
        if (!tern_json_none(normalizer))
            return tern_json_refuse("normalizer", "must be null beside a Metaspace");
        return check_metaspace(pre, spm);
    }
    if (!tern_json_none(pre))
        return tern_json_refuse("pre_tokenizer",
                                "must be null beside a normalizer that writes U+2581");
    return check_normalizer(normalizer, &spm->prefix);
}

/* --- in: tokens --- */

static bool looks_like_byte(const char *text)
{
    return strlen(text) == 6 && strncmp(text, "<0x", 3) == 0 && text[5] == '>' &&
           strspn(text + 3, "0123456789ABCDEF") == 2;
}

static tern_status check_added(const json_t *root)
{
    const json_t *added = json_object_get(root, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *o = json_array_get(added, i);
        if (json_is_true(json_object_get(o, "normalized")) &&
            !json_is_true(json_object_get(o, "special")))
            return tern_fail(TERN_EFORMAT,
                             "field \"added_tokens[%zu].normalized\": only false is "
                             "possible beside spaces written U+2581",
                             i);
    }
    return TERN_OK;
}

static tern_status add_tokens(const json_t *model, const tern_token_list *l,
                              tern_tokenizer *t)
{
    const char *unknown = json_string_value(json_object_get(model, "unk_token"));
    const bool bytes = json_is_true(json_object_get(model, "byte_fallback"));
    for (size_t id = 0; id < l->count; id++) {
        tern_role role = (tern_role)l->role[id];
        if (unknown && strcmp(l->text[id], unknown) == 0) {
            t->spm.unknown = (int32_t)id;
            role = TERN_ROLE_SPECIAL;
        } else if (role == TERN_ROLE_NORMAL && looks_like_byte(l->text[id])) {
            role = bytes ? TERN_ROLE_BYTE : TERN_ROLE_UNUSED;
        }
        TERN_TRY(tern_spm_add(t, l->text[id], strlen(l->text[id]), role, 0.0));
    }
    if (unknown && t->spm.unknown < 0)
        return tern_json_refuse("model.unk_token", "is not a token");
    return TERN_OK;
}

/* --- in: merges --- */

static int32_t normal(const tern_tokenizer *t, const char *text, size_t bytes)
{
    const int64_t id = tern_words_find(&t->texts, text, bytes);
    return id >= 0 && t->role[id] == TERN_ROLE_NORMAL ? (int32_t)id : -1;
}

/* "a b" or ["a", "b"] as two texts inside the JSON; false if it is neither. */
static bool halves(const json_t *m, const char *text[2], size_t bytes[2])
{
    if (json_is_string(m)) {
        text[0] = json_string_value(m);
        const char *blank = strchr(text[0], ' ');
        if (!blank || strchr(blank + 1, ' ')) return false;
        text[1] = blank + 1;
        bytes[0] = (size_t)(blank - text[0]);
        bytes[1] = json_string_length(m) - bytes[0] - 1;
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *half = json_array_get(m, i);
        text[i] = json_string_value(half);
        bytes[i] = json_string_length(half);
    }
    return json_array_size(m) == 2 && text[0] && text[1];
}

static tern_status resolve(const tern_tokenizer *t, const json_t *json, size_t i,
                           tern_merge *m)
{
    const char *text[2];
    size_t bytes[2];
    if (!halves(json, text, bytes))
        return tern_fail(TERN_EFORMAT,
                         "field \"model.merges[%zu]\": neither \"a b\" nor [\"a\", "
                         "\"b\"]",
                         i);
    char *joined = malloc(bytes[0] + bytes[1] + 1);
    if (!joined) return tern_fail(TERN_EMEM, "out of memory");
    memcpy(joined, text[0], bytes[0]);
    memcpy(joined + bytes[0], text[1], bytes[1]);
    *m = (tern_merge){normal(t, text[0], bytes[0]), normal(t, text[1], bytes[1]),
                      normal(t, joined, bytes[0] + bytes[1]), (int32_t)i};
    free(joined);
    if (m->left >= 0 && m->right >= 0 && m->result >= 0) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "field \"model.merges[%zu]\": %s is not a normal token", i,
                     m->left < 0    ? "the left part"
                     : m->right < 0 ? "the right part"
                                    : "the result");
}

/* Scores in the order in which the merges first make their results. */
static void score_results(tern_tokenizer *t, const tern_merge *listed, size_t count)
{
    size_t made = 0;
    float *score = t->spm.score;
    for (size_t i = 0; i < count; i++)
        if (score[listed[i].result] >= 0.0f) score[listed[i].result] = -(float)++made;
    /* The others, characters mostly, behind them; no merge makes those. */
    for (size_t id = 0; id < t->texts.count; id++)
        if (t->role[id] == TERN_ROLE_NORMAL && score[id] >= 0.0f)
            score[id] = -(float)++made;
}

/* Are the listed merges those that the scores imply, in an order of their ranks? */
static bool same_merges(const tern_tokenizer *t, const tern_merge *listed, size_t count)
{
    int32_t rank = 0;
    if (count != t->merge_count) return false;
    for (size_t i = 0; i < count; i++) {
        const tern_merge_slot *m = tern_merge_find(t, listed[i].left, listed[i].right);
        if (m->rank < rank) return false;
        rank = m->rank;
    }
    return true;
}

static void forget_merges(tern_tokenizer *t)
{
    free(t->merges);
    free(t->slots);
    t->merges = NULL;
    t->slots = NULL;
}

/* Takes `listed`. */
static tern_status settle_merges(tern_tokenizer *t, tern_merge *listed, size_t count)
{
    score_results(t, listed, count);
    tern_status s = tern_spm_merges(t);
    if (s == TERN_OK) s = tern_tokenizer_index_merges(t);
    if (s != TERN_OK || same_merges(t, listed, count)) {
        free(listed);
        return s;
    }
    forget_merges(t);
    free(t->spm.score);
    t->spm.score = NULL;
    t->merges = listed;
    t->merge_count = count;
    return tern_tokenizer_index_merges(t);
}

static tern_status add_merges(const json_t *list, tern_tokenizer *t)
{
    const size_t count = json_array_size(list);
    tern_merge *listed = malloc((count + 1) * sizeof *listed);
    if (!listed) return tern_fail(TERN_EMEM, "out of memory");
    tern_status s = TERN_OK;
    for (size_t i = 0; i < count && s == TERN_OK; i++)
        s = resolve(t, json_array_get(list, i), i, &listed[i]);
    if (s == TERN_OK) return settle_merges(t, listed, count);
    free(listed);
    return s;
}

/* --- in: the whole --- */

static tern_status check_model(const json_t *root)
{
    static const char *const known[] = {"Replace", "ByteFallback", "Fuse",
                                        "Strip",   "Metaspace",    "Sequence"};
    const json_t *model = json_object_get(root, "model");
    const char *decoder =
        json_string_value(json_object_get(json_object_get(root, "decoder"), "type"));
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        found = found || (decoder && strcmp(decoder, known[i]) == 0);
    if (!found)
        return tern_json_refuse("decoder", "does not turn U+2581 back into spaces");
    if (!tern_json_none(json_object_get(model, "ignore_merges")))
        return tern_json_refuse("model.ignore_merges", "only false is possible");
    if (!json_is_true(json_object_get(model, "byte_fallback")) &&
        !json_is_true(json_object_get(model, "fuse_unk")))
        return tern_json_refuse("model.fuse_unk",
                                "only true is possible without byte_fallback");
    return check_added(root);
}

tern_status tern_spm_json_add(const json_t *root, const tern_token_list *l,
                              tern_tokenizer *t)
{
    const json_t *model = json_object_get(root, "model");
    TERN_TRY(check_spaces(root, &t->spm));
    TERN_TRY(check_model(root));
    TERN_TRY(add_tokens(model, l, t));
    return add_merges(json_object_get(model, "merges"), t);
}

/* --- out --- */

static json_t *pack_normalizer(const tern_tokenizer *t)
{
    if (t->spm.once) return json_null();
    json_t *replace = json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern",
                                "String", " ", "content", MARK);
    if (!t->spm.prefix) return replace;
    return json_pack("{s:s, s:[{s:s, s:s}, o]}", "type", "Sequence", "normalizers",
                     "type", "Prepend", "prepend", MARK, replace);
}

static json_t *pack_pre_tokenizer(const tern_tokenizer *t)
{
    if (!t->spm.once) return json_null();
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", MARK,
                     "prepend_scheme", "first", "split", 0);
}

static json_t *pack_decoder(const tern_tokenizer *t)
{
    json_t *steps = json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]", "type", "Replace",
                              "pattern", "String", MARK, "content", " ", "type",
                              "ByteFallback", "type", "Fuse");
    if (t->spm.prefix && steps)
        (void)json_array_append_new(steps,
                                    json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip",
                                              "content", " ", "start", 1, "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", steps);
}

/* "a b", or where a token holds a blank ["a", "b"]. */
static json_t *pack_merge(const tern_tokenizer *t, const tern_merge *m)
{
    size_t a, b;
    const char *left = tern_words_get(&t->texts, (size_t)m->left, &a);
    const char *right = tern_words_get(&t->texts, (size_t)m->right, &b);
    if (strchr(left, ' ') || strchr(right, ' '))
        return json_pack("[s, s]", left, right);
    char *text = malloc(a + b + 2);
    if (!text) return NULL;
    memcpy(text, left, a);
    text[a] = ' ';
    memcpy(text + a + 1, right, b + 1);
    json_t *out = json_stringn(text, a + b + 1);
    free(text);
    return out;
}

static json_t *pack_merges(const tern_tokenizer *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->merge_count; i++)
        if (json_array_append_new(list, pack_merge(t, &t->merges[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *tern_spm_json_pack(const tern_tokenizer *t, json_t *added, json_t *vocab,
                           json_t *post_processor)
{
    bool bytes = false;
    for (int b = 0; b < 256; b++) bytes = bytes || t->byte_id[b] >= 0;
    const char *unknown = t->spm.unknown >= 0
                              ? tern_words_get(&t->texts, (size_t)t->spm.unknown, NULL)
                              : NULL;
    json_t *model =
        json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE",
                  "dropout", "unk_token", unknown, "continuing_subword_prefix",
                  "end_of_word_suffix", "fuse_unk", 1, "byte_fallback", bytes,
                  "ignore_merges", 0, "vocab", vocab, "merges", pack_merges(t));
    return json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:o}", "version", "1.0",
                     "truncation", "padding", "added_tokens", added, "normalizer",
                     pack_normalizer(t), "pre_tokenizer", pack_pre_tokenizer(t),
                     "post_processor", post_processor, "decoder", pack_decoder(t),
                     "model", model);
}
