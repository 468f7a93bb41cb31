/* model_file.c - see model_file.h. */
#include "cli/model_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/text_check.h"
#include "data/tokenizer_gguf.h"

static tern_status check_is_model(const char *path)
{
    const char *kind = tern_is_dir(path) ? "a directory" : NULL;
    if (!tern_file_exists(path) || tern_is_gguf(path)) return TERN_OK;
    if (tern_file_kind_of(path) == TERN_FILE_TERN)
        kind = "a checkpoint or a dataset of tern";
    if (kind)
        return tern_fail(TERN_EFORMAT,
                         "%s: is %s, not a GGUF file; a run or a checkpoint is "
                         "exported with `tern export %s -o model.gguf`",
                         path, kind, path);
    return tern_fail(TERN_EFORMAT, "%s: is not a GGUF file", path);
}

tern_status tern_model_file_open(const char *path, bool need_tokenizer,
                                 tern_model_file *out)
{
    tern_model_file m = {0};
    TERN_TRY(check_is_model(path));
    TERN_TRY(tern_runtime_open(path, &m.runtime));
    const tern_gguf *g = tern_runtime_gguf(m.runtime);
    tern_status s = TERN_OK;
    if (tern_gguf_has(g, "tern.tokenizer") || tern_gguf_has(g, "tokenizer.ggml.model"))
        s = tern_tokenizer_from_gguf(g, &m.tokenizer);
    else if (need_tokenizer)
        s = tern_fail(TERN_EFORMAT,
                      "%s: the file has no tokenizer (key "
                      "tokenizer.ggml.model), so it cannot read text",
                      path);
    if (s != TERN_OK) {
        tern_runtime_free(m.runtime);
        return s;
    }
    *out = m;
    return TERN_OK;
}

void tern_model_file_close(tern_model_file *m)
{
    tern_tokenizer_free(m->tokenizer);
    tern_runtime_free(m->runtime);
    *m = (tern_model_file){0};
}

tern_status tern_writer_new(const tern_runtime *m, int64_t context, tern_writer *out)
{
    tern_writer w = {0};
    TERN_TRY(tern_session_new(m, context, &w.session));
    w.logits = malloc((size_t)tern_runtime_spec(m)->vocab * sizeof *w.logits);
    if (!w.logits) {
        tern_writer_free(&w);
        return tern_fail(TERN_EMEM, "out of memory");
    }
    *out = w;
    return TERN_OK;
}

void tern_writer_free(tern_writer *w)
{
    tern_session_free(w->session);
    free(w->ids);
    free(w->logits);
    *w = (tern_writer){0};
}

static tern_status remember(tern_writer *w, const int32_t *ids, int64_t count)
{
    if (w->count + count > w->capacity) {
        const int64_t capacity = 2 * (w->count + count) + 64;
        int32_t *more = realloc(w->ids, (size_t)capacity * sizeof *more);
        if (!more) return tern_fail(TERN_EMEM, "out of memory");
        w->ids = more;
        w->capacity = capacity;
    }
    memcpy(w->ids + w->count, ids, (size_t)count * sizeof *ids);
    w->count += count;
    return TERN_OK;
}

tern_status tern_writer_append(tern_writer *w, const int32_t *ids, int64_t count)
{
    const int64_t context = tern_session_context(w->session);
    TERN_TRY(remember(w, ids, count));
    if (w->count - w->start > context) {
        w->start = w->count - (context > 1 ? context / 2 : 1);
        w->slides++;
        tern_session_truncate(w->session, 0);
    }
    const int64_t seen = w->start + tern_session_length(w->session);
    return tern_session_eval(w->session, w->ids + seen, w->count - seen, w->logits);
}
