/* spm_json.h - SentencePiece's BPE as Hugging Face writes it; for tokenizer_json.c.
 *
 *     normalizer     Sequence of Prepend (U+2581) and Replace (" " by U+2581), or
 *                    Replace alone: then no space goes before a text
 *     pre_tokenizer  null; or instead of the normalizer Metaspace with split: false and
 *                    prepend_scheme "always", "first" (only a whole text gets a space)
 *                    or "never"
 *     model          BPE with byte_fallback, unk_token, fuse_unk
 *     decoder        whatever turns U+2581 and bytes back: it changes no ids
 *
 * There are merges and no scores. Where the merges are all those of a vocabulary, made
 * in the order of what they make, they came from scores (of SentencePiece), and scores
 * of that order are put back; otherwise the merges are taken as they stand.
 */
#ifndef TERN_DATA_SPM_JSON_H
#define TERN_DATA_SPM_JSON_H

#include <jansson.h>

#include "data/spm.h"

/* Tokens by id, borrowed from the JSON. */
typedef struct tern_token_list {
    const char **text;
    unsigned char *role; /* NORMAL, ADDED, SPECIAL */
    size_t count;
} tern_token_list;

/* Is this SentencePiece's BPE (so far as one can see before anything is checked)? */
bool tern_spm_json_is(const json_t *root);

/* Check every field that could change ids; tokens and merges into the draft. */
tern_status tern_spm_json_add(const json_t *root, const tern_token_list *l,
                              tern_tokenizer *t);

/* The whole document. Takes the three parts; NULL if one of them is, or out of memory.
 */
json_t *tern_spm_json_pack(const tern_tokenizer *t, json_t *added, json_t *vocab,
                           json_t *post_processor);

/* --- what both files say in the same words --- */

static inline bool tern_json_is(const json_t *o, const char *type)
{
    const char *s = json_string_value(json_object_get(o, "type"));
    return s && strcmp(s, type) == 0;
}

/* null, absent, or what null would mean */
static inline bool tern_json_none(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_number(v) && !(json_number_value(v) != 0.0));
}

static inline tern_status tern_json_refuse(const char *field, const char *cure)
{
    return tern_fail(TERN_EFORMAT, "field \"%s\": %s", field, cure);
}

#endif /* TERN_DATA_SPM_JSON_H */
