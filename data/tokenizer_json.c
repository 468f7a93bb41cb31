/* tokenizer_json.c - Hugging Face's tokenizer.json, in and out.
 *
 * Every field that could change ids is looked at, and refused by name if tern would not
 * do what it says. Three forms are understood:
 *
 *   byte-level BPE   pre_tokenizer ByteLevel (GPT-2's pattern inside), or a Sequence of
 *                    Split (one of the two patterns) and ByteLevel without pattern;
 *                    decoder ByteLevel. The byte kind is this without any pattern.
 *   characters       model BPE without merges, pre_tokenizer null, decoder Fuse: every
 *                    token is one character.
 *   SentencePiece    model BPE of characters with spaces written U+2581: spm_json.c.
 *
 * The JSON text is hostile until proven otherwise: jansson checks UTF-8, depth (2048)
 * and doubled keys; ids must be exactly 0 .. N-1, so a vocabulary is never larger than
 * the file that holds it. */
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/sentencepiece.h"
#include "data/spm_json.h"
#include "data/tokenizer_impl.h"
#include "data/utf8.h"

enum { MAX_FILE = 1 << 29 };

/* --- in: fields --- */

static tern_status check_root(const json_t *root)
{
    static const char *const known[] = {"version",        "truncation", "padding",
                                        "added_tokens",   "normalizer", "pre_tokenizer",
                                        "post_processor", "decoder",    "model"};
    if (!json_is_object(root))
        return tern_fail(TERN_EFORMAT, "not a JSON object, so no tokenizer.json");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            return tern_fail(TERN_EFORMAT, "field \"%.64s\" is not known to tern", key);
    }
    if (!tern_json_none(json_object_get(root, "truncation")))
        return tern_json_refuse("truncation",
                                "tern does not cut what it encodes; make it null");
    if (!tern_json_none(json_object_get(root, "padding")))
        return tern_json_refuse("padding", "tern does not pad; make it null");
    return TERN_OK;
}

static tern_status check_normalizer(const json_t *root)
{
    const json_t *normalizer = json_object_get(root, "normalizer");
    const json_t *steps = json_object_get(normalizer, "normalizers");
    const bool empty =
        tern_json_is(normalizer, "Sequence") && json_array_size(steps) == 0;
    if (tern_json_none(normalizer) || empty) return TERN_OK;
    return tern_json_refuse("normalizer",
                            "tern encodes text as it is; possible are null and what "
                            "SentencePiece's models need (a space before the text, "
                            "U+2581 for spaces)");
}

/* A ByteLevel step; *pattern: does it cut by GPT-2's pattern itself? */
static tern_status check_byte_level(const json_t *o, bool *pattern)
{
    if (!tern_json_none(json_object_get(o, "add_prefix_space")))
        return tern_json_refuse("pre_tokenizer.add_prefix_space",
                                "only false is possible");
    const json_t *use = json_object_get(o, "use_regex");
    *pattern = !use || json_is_true(use);
    return TERN_OK;
}

static tern_status check_split(const json_t *o, tern_pretok *pretok)
{
    const json_t *regex = json_object_get(json_object_get(o, "pattern"), "Regex");
    const char *text = json_string_value(regex);
    const char *behavior = json_string_value(json_object_get(o, "behavior"));
    const bool invert = json_is_true(json_object_get(o, "invert"));
    /* Both patterns match everywhere, so these two mean the same. */
    const bool whole = behavior && ((strcmp(behavior, "Isolated") == 0 && !invert) ||
                                    (strcmp(behavior, "Removed") == 0 && invert));
    if (!whole)
        return tern_json_refuse("pre_tokenizer.behavior",
                                "only \"Isolated\" is possible");
    for (int which = TERN_PRETOK_GPT2; which <= TERN_PRETOK_LLAMA3; which++) {
        if (!text || strcmp(text, tern_pretok_pattern((tern_pretok)which)) != 0)
            continue;
        *pretok = (tern_pretok)which;
        return TERN_OK;
    }
    return tern_json_refuse("pre_tokenizer.pattern",
                            "neither GPT-2's nor Llama 3's, the two that tern knows");
}

/* *pattern is false if nothing cuts the text (only a vocabulary without merges can go
 * without). */
static tern_status check_pre_tokenizer(const json_t *o, tern_pretok *pretok,
                                       bool *pattern)
{
    *pretok = TERN_PRETOK_GPT2;
    *pattern = false;
    const json_t *steps = json_object_get(o, "pretokenizers");
    const bool sequence = tern_json_is(o, "Sequence") && json_is_array(steps);
    const size_t n = sequence ? json_array_size(steps) : 1;
    bool split = false;
    for (size_t i = 0; i < n; i++) {
        const json_t *step = sequence ? json_array_get(steps, i) : o;
        if (i + 1 < n && !split && tern_json_is(step, "Split")) {
            TERN_TRY(check_split(step, pretok));
            split = true;
            continue;
        }
        if (i + 1 < n || !tern_json_is(step, "ByteLevel"))
            return tern_json_refuse("pre_tokenizer",
                                    "neither ByteLevel nor Split and ByteLevel, "
                                    "so this is no byte-level BPE");
        TERN_TRY(check_byte_level(step, pattern));
        if (split && *pattern)
            return tern_json_refuse("pre_tokenizer.use_regex",
                                    "must be false behind a Split");
    }
    if (n == 0) return tern_json_refuse("pre_tokenizer", "the sequence is empty");
    *pattern = *pattern || split;
    return TERN_OK;
}

static tern_status check_decoder(const json_t *o, const char *type)
{
    const json_t *steps = json_object_get(o, "decoders");
    if (tern_json_is(o, "Sequence") && json_array_size(steps) == 1)
        o = json_array_get(steps, 0);
    return tern_json_is(o, type)
               ? TERN_OK
               : tern_fail(TERN_EFORMAT, "field \"decoder\": must be of type %s", type);
}

static tern_status check_model(const json_t *model)
{
    static const char *const none[] = {"dropout", "continuing_subword_prefix",
                                       "end_of_word_suffix"};
    if (!json_is_object(model)) return tern_json_refuse("model", "missing");
    const json_t *type = json_object_get(model, "type");
    if (type && !tern_json_is(model, "BPE"))
        return tern_json_refuse("model.type", "must be \"BPE\"");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (!tern_json_none(json_object_get(model, none[i])))
            return tern_fail(TERN_EFORMAT,
                             "field \"model.%s\": tern cannot do that; only null or "
                             "false is possible",
                             none[i]);
    if (!json_is_object(json_object_get(model, "vocab")))
        return tern_json_refuse("model.vocab",
                                "must be an object of tokens and their ids");
    if (!json_is_array(json_object_get(model, "merges")))
        return tern_json_refuse("model.merges", "must be an array");
    return TERN_OK;
}

/* --- in: tokens and merges --- */

static tern_status place(tern_token_list *l, const char *text, const json_t *id,
                         tern_role role)
{
    const json_int_t n = json_is_integer(id) ? json_integer_value(id) : -1;
    if (n < 0 || (uint64_t)n >= l->count)
        return tern_fail(TERN_EFORMAT,
                         "token \"%.64s\": its id must be one of 0..%zu, one for each "
                         "of the %zu tokens",
                         text, l->count - 1, l->count);
    if (l->text[n] && strcmp(l->text[n], text) != 0)
        return tern_fail(TERN_EFORMAT, "id %d stands for \"%.64s\" and \"%.64s\"",
                         (int)n, l->text[n], text);
    l->text[n] = text;
    l->role[n] = (unsigned char)role;
    return TERN_OK;
}

static tern_status check_added(const json_t *o, size_t i)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    if (!json_string_length(json_object_get(o, "content")))
        return tern_fail(TERN_EFORMAT, "field \"added_tokens[%zu].content\": missing",
                         i);
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
        if (!tern_json_none(json_object_get(o, flags[k])))
            return tern_fail(TERN_EFORMAT,
                             "field \"added_tokens[%zu].%s\": only false is possible",
                             i, flags[k]);
    return TERN_OK;
}

static tern_status list_tokens(const json_t *root, tern_token_list *l)
{
    json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    const json_t *added = json_object_get(root, "added_tokens");
    l->count = json_object_size(vocab);
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *o = json_array_get(added, i);
        TERN_TRY(check_added(o, i));
        const char *text = json_string_value(json_object_get(o, "content"));
        l->count += !json_object_get(vocab, text);
    }
    if (l->count == 0) return tern_json_refuse("model.vocab", "is empty");
    l->text = calloc(l->count, sizeof *l->text);
    l->role = calloc(l->count, sizeof *l->role);
    if (!l->text || !l->role) return tern_fail(TERN_EMEM, "out of memory");
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id) TERN_TRY(place(l, text, id, TERN_ROLE_NORMAL));
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *o = json_array_get(added, i);
        const bool special = json_is_true(json_object_get(o, "special"));
        TERN_TRY(place(l, json_string_value(json_object_get(o, "content")),
                       json_object_get(o, "id"),
                       special ? TERN_ROLE_SPECIAL : TERN_ROLE_ADDED));
    }
    return TERN_OK;
}

/* A doubled added token leaves a hole: refused here. */
static tern_status check_holes(const tern_token_list *l)
{
    for (size_t id = 0; id < l->count; id++)
        if (!l->text[id]) return tern_fail(TERN_EFORMAT, "no token has the id %zu", id);
    return TERN_OK;
}

/* "a b" or ["a", "b"]. */
static tern_status add_json_merge(tern_tokenizer *t, const json_t *m, size_t i)
{
    if (json_is_string(m))
        return tern_tokenizer_add_merge(t, json_string_value(m), json_string_length(m));
    const json_t *left = json_array_get(m, 0), *right = json_array_get(m, 1);
    if (json_array_size(m) != 2 || !json_is_string(left) || !json_is_string(right))
        return tern_fail(TERN_EFORMAT,
                         "field \"model.merges[%zu]\": neither \"a b\" nor [\"a\", "
                         "\"b\"]",
                         i);
    const size_t a = json_string_length(left), b = json_string_length(right);
    char *text = malloc(a + b + 1);
    if (!text) return tern_fail(TERN_EMEM, "out of memory");
    memcpy(text, json_string_value(left), a);
    text[a] = ' ';
    memcpy(text + a + 1, json_string_value(right), b);
    const tern_status s = tern_tokenizer_add_merge(t, text, a + b + 1);
    free(text);
    return s;
}

static tern_status add_bpe(const json_t *root, const tern_token_list *l,
                           tern_tokenizer *t)
{
    const json_t *model = json_object_get(root, "model");
    const json_t *merges = json_object_get(model, "merges");
    bool pattern;
    TERN_TRY(check_pre_tokenizer(json_object_get(root, "pre_tokenizer"), &t->pretok,
                                 &pattern));
    TERN_TRY(check_decoder(json_object_get(root, "decoder"), "ByteLevel"));
    t->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    if (!pattern && (json_array_size(merges) > 0 || t->ignore_merges))
        return tern_json_refuse("pre_tokenizer",
                                "has no pattern, so that merges would cross words");
    for (size_t id = 0; id < l->count; id++)
        TERN_TRY(tern_tokenizer_add(t, l->text[id], strlen(l->text[id]),
                                    (tern_role)l->role[id]));
    for (size_t i = 0; i < json_array_size(merges); i++)
        TERN_TRY(add_json_merge(t, json_array_get(merges, i), i));
    return TERN_OK;
}

static tern_status add_characters(const json_t *root, const tern_token_list *l,
                                  tern_tokenizer *t)
{
    if (json_array_size(json_object_get(json_object_get(root, "model"), "merges")) > 0)
        return tern_json_refuse("pre_tokenizer",
                                "missing, and only a vocabulary of single "
                                "characters (no merges) can go without");
    TERN_TRY(check_decoder(json_object_get(root, "decoder"), "Fuse"));
    for (size_t id = 0; id < l->count; id++) {
        const char *text = l->text[id], *end = text + strlen(text);
        uint32_t cp;
        if (l->role[id] != TERN_ROLE_NORMAL)
            TERN_TRY(tern_tokenizer_add(t, text, strlen(text), (tern_role)l->role[id]));
        else if (text < end && text + tern_utf8_decode(text, end, &cp) == end)
            TERN_TRY(tern_tokenizer_add_char(t, cp));
        else
            return tern_fail(TERN_EFORMAT,
                             "token \"%.64s\" is not one character: without a "
                             "pre_tokenizer tern takes only single characters",
                             text);
    }
    return TERN_OK;
}

/* The token that a TemplateProcessing puts before a text, if it puts one there. */
static void read_begin(const json_t *o, tern_tokenizer *t)
{
    const json_t *steps = json_object_get(o, "processors");
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (tern_json_is(json_array_get(steps, i), "TemplateProcessing"))
            o = json_array_get(steps, i);
    if (!tern_json_is(o, "TemplateProcessing")) return;
    const json_t *first = json_array_get(json_object_get(o, "single"), 0);
    const char *name = json_string_value(
        json_object_get(json_object_get(first, "SpecialToken"), "id"));
    t->bos = name ? tern_tokenizer_special_id(t, name) : -1;
    t->add_bos = t->bos >= 0;
}

static tern_status add_tokens(const json_t *root, const tern_token_list *l,
                              tern_tokenizer *t)
{
    if (t->kind == TERN_TOK_SPM) return tern_spm_json_add(root, l, t);
    if (json_is_true(json_object_get(json_object_get(root, "model"), "byte_fallback")))
        return tern_json_refuse("model.byte_fallback",
                                "only false is possible with bytes as symbols");
    return tern_json_none(json_object_get(root, "pre_tokenizer"))
               ? add_characters(root, l, t)
               : add_bpe(root, l, t);
}

static tern_status build(const json_t *root, tern_tokenizer *t)
{
    tern_token_list l = {0};
    const bool characters = t->kind != TERN_TOK_SPM &&
                            tern_json_none(json_object_get(root, "pre_tokenizer"));
    tern_status s = check_root(root);
    if (s == TERN_OK && t->kind != TERN_TOK_SPM) s = check_normalizer(root);
    if (s == TERN_OK) s = check_model(json_object_get(root, "model"));
    if (s == TERN_OK) s = list_tokens(root, &l);
    if (s == TERN_OK) s = check_holes(&l);
    if (s == TERN_OK) s = add_tokens(root, &l, t);
    free(l.text);
    free(l.role);
    if (s == TERN_OK) s = tern_tokenizer_finish(t);
    if (s == TERN_OK) read_begin(json_object_get(root, "post_processor"), t);
    if (s == TERN_OK && characters && t->kind != TERN_TOK_CHAR)
        return tern_fail(TERN_EFORMAT,
                         "field \"model.vocab\": characters must have ids "
                         "in increasing order, special tokens behind them");
    return s;
}

tern_status tern_tokenizer_parse(const char *json, size_t bytes, const char *where,
                                 tern_tokenizer **out)
{
    json_error_t e;
    json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &e);
    if (!root)
        return tern_fail(TERN_EFORMAT, "%s: line %d, column %d: %s", where, e.line,
                         e.column, e.text);
    tern_tokenizer *t = NULL;
    tern_status s =
        tern_spm_json_is(root) ? tern_spm_draft(&t) : tern_tokenizer_draft(&t);
    if (s == TERN_OK) s = build(root, t);
    json_decref(root);
    if (s != TERN_OK) {
        tern_tokenizer_free(t);
        return tern_fail_in(s, where);
    }
    *out = t;
    return TERN_OK;
}

tern_status tern_tokenizer_load(const char *path, tern_tokenizer **out)
{
    char *text;
    size_t bytes;
    TERN_TRY(tern_file_read(path, MAX_FILE, &text, &bytes));
    const tern_status s = tern_is_sentencepiece(text, bytes)
                              ? tern_sentencepiece_parse(text, bytes, path, out)
                              : tern_tokenizer_parse(text, bytes, path, out);
    free(text);
    return s;
}

/* --- out --- */

/* jansson's own way: a failed step returns NULL or -1, and NULL given on fails too. */

static json_t *pack_added(const tern_tokenizer *t)
{
    json_t *list = json_array();
    for (size_t id = 0; id < t->texts.count; id++) {
        if (t->role[id] != TERN_ROLE_ADDED && t->role[id] != TERN_ROLE_SPECIAL)
            continue;
        json_t *o = json_pack(
            "{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content",
            tern_words_get(&t->texts, id, NULL), "single_word", 0, "lstrip", 0,
            "rstrip", 0, "normalized", 0, "special", t->role[id] == TERN_ROLE_SPECIAL);
        if (json_array_append_new(list, o) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *pack_byte_level(bool prefix, bool trim, bool pattern)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                     prefix, "trim_offsets", trim, "use_regex", pattern);
}

static json_t *pack_pre_tokenizer(const tern_tokenizer *t)
{
    if (t->kind == TERN_TOK_CHAR) return json_null();
    if (t->kind == TERN_TOK_BYTE) return pack_byte_level(false, true, false);
    if (t->pretok == TERN_PRETOK_GPT2) return pack_byte_level(false, true, true);
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
                     "pretokenizers", "type", "Split", "pattern", "Regex",
                     tern_pretok_pattern(t->pretok), "behavior", "Isolated", "invert",
                     0, pack_byte_level(false, true, false));
}

static json_t *pack_vocab(const tern_tokenizer *t)
{
    json_t *vocab = json_object();
    for (size_t id = 0; id < t->texts.count; id++) {
        const char *text = tern_words_get(&t->texts, id, NULL);
        char raw[5];
        if (t->kind == TERN_TOK_CHAR && t->role[id] == TERN_ROLE_NORMAL) {
            raw[tern_utf8_encode(t->chars[id], raw)] = '\0';
            text = raw;
        }
        if (json_object_set_new(vocab, text, json_integer((json_int_t)id)) != 0) {
            json_decref(vocab);
            return NULL;
        }
    }
    return vocab;
}

static json_t *pack_merges(const tern_tokenizer *t)
{
    json_t *list = json_array();
    const size_t n = t->kind == TERN_TOK_BPE ? t->merge_texts.count : 0;
    for (size_t i = 0; i < n; i++) {
        json_t *m = json_string(tern_words_get(&t->merge_texts, i, NULL));
        if (json_array_append_new(list, m) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* {"SpecialToken": {"id": "<s>", "type_id": 0}} and the like. */
static json_t *pack_step(const char *kind, const char *id, int type)
{
    return json_pack("{s:{s:s, s:i}}", kind, "id", id, "type_id", type);
}

/* What puts the first token before a text, and before each of a pair. */
static json_t *pack_template(const tern_tokenizer *t)
{
    const char *bos = tern_words_get(&t->texts, (size_t)t->bos, NULL);
    return json_pack("{s:s, s:[o, o], s:[o, o, o, o], s:{s:{s:s, s:[i], s:[s]}}}",
                     "type", "TemplateProcessing", "single",
                     pack_step("SpecialToken", bos, 0), pack_step("Sequence", "A", 0),
                     "pair", pack_step("SpecialToken", bos, 0),
                     pack_step("Sequence", "A", 0), pack_step("SpecialToken", bos, 1),
                     pack_step("Sequence", "B", 1), "special_tokens", bos, "id", bos,
                     "ids", (int)t->bos, "tokens", bos);
}

static json_t *pack_post_processor(const tern_tokenizer *t)
{
    const bool plain = t->kind == TERN_TOK_CHAR || t->kind == TERN_TOK_SPM;
    if (plain) return t->add_bos ? pack_template(t) : json_null();
    json_t *bytes = pack_byte_level(true, false, true);
    if (!t->add_bos) return bytes;
    return json_pack("{s:s, s:[o, o]}", "type", "Sequence", "processors", bytes,
                     pack_template(t));
}

static json_t *pack_tokenizer(const tern_tokenizer *t)
{
    if (t->kind == TERN_TOK_SPM)
        return tern_spm_json_pack(t, pack_added(t), pack_vocab(t),
                                  pack_post_processor(t));
    const bool chars = t->kind == TERN_TOK_CHAR;
    json_t *model = json_pack(
        "{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout",
        "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
        "byte_fallback", 0, "ignore_merges", t->ignore_merges, "vocab", pack_vocab(t),
        "merges", pack_merges(t));
    return json_pack(
        "{s:s, s:n, s:n, s:o, s:n, s:o, s:o, s:o, s:o}", "version", "1.0", "truncation",
        "padding", "added_tokens", pack_added(t), "normalizer", "pre_tokenizer",
        pack_pre_tokenizer(t), "post_processor", pack_post_processor(t), "decoder",
        chars ? json_pack("{s:s}", "type", "Fuse") : pack_byte_level(true, true, true),
        "model", model);
}

static tern_status dump(const tern_tokenizer *t, size_t flags, char **out)
{
    json_t *root = pack_tokenizer(t);
    char *text = root ? json_dumps(root, flags) : NULL;
    json_decref(root);
    if (!text) return tern_fail(TERN_EMEM, "tokenizer.json: out of memory");
    *out = text;
    return TERN_OK;
}

tern_status tern_tokenizer_json(const tern_tokenizer *t, char **out)
{
    return dump(t, JSON_COMPACT, out);
}

tern_status tern_tokenizer_save(const tern_tokenizer *t, const char *path)
{
    char *text = NULL;
    TERN_TRY(dump(t, JSON_INDENT(2), &text));
    const tern_status s = tern_file_write(path, text, strlen(text));
    free(text);
    return s;
}
