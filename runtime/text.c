/* text.c - the tokenizer that a model's file carries. */
#include <stdlib.h>

#include "data/tokenizer_gguf.h"
#include "runtime/model.h"

bool tern_runtime_has_tokenizer(const tern_runtime *m)
{
    return tern_gguf_has(m->gguf, "tern.tokenizer") ||
           tern_gguf_has(m->gguf, "tokenizer.ggml.model");
}

tern_status tern_runtime_read_tokenizer(tern_runtime *m)
{
    if (m->tokenizer) return TERN_OK;
    if (!tern_runtime_has_tokenizer(m))
        return tern_fail(TERN_EFORMAT,
                         "%s: the file has no tokenizer (key "
                         "tokenizer.ggml.model), so it cannot read text",
                         tern_gguf_path(m->gguf));
    return tern_tokenizer_from_gguf(m->gguf, &m->tokenizer);
}

static tern_status encode(const tern_runtime *m, const char *text, size_t bytes,
                          bool begin, bool special, int32_t **ids, size_t *count)
{
    tern_ids all = {0};
    if (!m->tokenizer)
        return tern_fail(TERN_EARG, "%s: its tokenizer has not been read",
                         tern_gguf_path(m->gguf));
    tern_status s = begin ? tern_tokenizer_begin_ids(m->tokenizer, &all) : TERN_OK;
    if (s == TERN_OK)
        s = tern_tokenizer_encode(m->tokenizer, text, bytes, special, &all);
    if (s != TERN_OK) {
        free(all.data);
        return s;
    }
    *ids = all.data;
    *count = all.count;
    return TERN_OK;
}

tern_status tern_runtime_encode(const tern_runtime *m, const char *text, size_t bytes,
                                bool special, int32_t **ids, size_t *count)
{
    return encode(m, text, bytes, false, special, ids, count);
}

tern_status tern_runtime_encode_prompt(const tern_runtime *m, const char *text,
                                       size_t bytes, int32_t **ids, size_t *count)
{
    return encode(m, text, bytes, true, false, ids, count);
}

const char *tern_runtime_piece(const tern_runtime *m, int32_t id, size_t *bytes)
{
    *bytes = 0;
    return m->tokenizer ? tern_tokenizer_piece(m->tokenizer, id, bytes) : "";
}

const char *tern_runtime_piece_after(const tern_runtime *m, int32_t before, int32_t id,
                                     size_t *bytes)
{
    *bytes = 0;
    return m->tokenizer ? tern_tokenizer_piece_after(m->tokenizer, before, id, bytes)
                        : "";
}

int32_t tern_runtime_begin_of_text(const tern_runtime *m)
{
    return m->tokenizer ? tern_tokenizer_begin(m->tokenizer) : -1;
}

bool tern_runtime_ends_text(const tern_runtime *m, int32_t id)
{
    return m->tokenizer && tern_tokenizer_ends(m->tokenizer, id);
}

int32_t tern_runtime_end_of_text(const tern_runtime *m)
{
    return m->tokenizer ? tern_tokenizer_eos(m->tokenizer) : -1;
}

const tern_tokenizer *tern_runtime_tokenizer(const tern_runtime *m)
{
    return m->tokenizer;
}
