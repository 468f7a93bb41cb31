/* heldout.c - see heldout.h. Datasets need HDF5, so the runtime-only build reads texts.
 */
#include "cli/heldout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/text_check.h"
#ifndef TERN_RUNTIME_ONLY
#include "data/corpus.h"
#include "data/dataset.h"
#endif

static tern_status read_text(const char *path, const tern_tokenizer *t,
                             tern_heldout *out)
{
    tern_map m;
    tern_ids ids = {0};
    TERN_TRY(tern_text_check(path));
    TERN_TRY(tern_map_open(path, &m));
    tern_status s = tern_tokenizer_begin_ids(t, &ids);
    if (s == TERN_OK)
        s = tern_tokenizer_encode(t, (const char *)m.data, m.bytes, true, &ids);
    tern_map_close(&m);
    if (s != TERN_OK) {
        free(ids.data);
        return tern_fail_in(s, path);
    }
    out->split = "all";
    out->ids = ids.data;
    out->count = (int64_t)ids.count;
#ifndef TERN_RUNTIME_ONLY
    out->entropy = tern_corpus_entropy(path);
#endif
    return TERN_OK;
}

tern_status tern_same_tokenizer(const char *path, const tern_tokenizer *of_data,
                                const char *model, const tern_tokenizer *of_model)
{
    char *x = NULL, *y = NULL;
    tern_status s = tern_tokenizer_json(of_data, &x);
    if (s == TERN_OK) s = tern_tokenizer_json(of_model, &y);
    if (s == TERN_OK && strcmp(x, y) != 0)
        s = tern_fail(TERN_EARG,
                      "%s was made with another tokenizer than %s (%" PRId64
                      " ids instead of %" PRId64 "): use a dataset of its own, or for "
                      "an evaluation the text itself",
                      path, model, tern_tokenizer_vocab(of_data),
                      tern_tokenizer_vocab(of_model));
    free(x);
    free(y);
    return s;
}

#ifndef TERN_RUNTIME_ONLY
static tern_status read_split(const tern_dataset *d, tern_heldout *out)
{
    out->count = tern_dataset_tokens(d, TERN_VAL);
    out->entropy = tern_dataset_entropy(d);
    out->split = "validation";
    out->ids = malloc((size_t)(out->count + 1) * sizeof *out->ids);
    if (!out->ids) return tern_fail(TERN_EMEM, "out of memory");
    return tern_dataset_read(d, TERN_VAL, 0, out->count, out->ids);
}

static tern_status read_dataset(const char *path, const char *model,
                                const tern_tokenizer *t, tern_heldout *out)
{
    tern_dataset *d;
    TERN_TRY(tern_dataset_open(path, &d));
    tern_status s = tern_same_tokenizer(path, tern_dataset_tokenizer(d), model, t);
    if (s == TERN_OK) s = read_split(d, out);
    tern_dataset_free(d);
    return s;
}
#endif

tern_status tern_heldout_open(const char *path, const char *model,
                              const tern_tokenizer *t, int64_t max_tokens,
                              tern_heldout *out)
{
    tern_heldout h = {0};
    tern_status s;
#ifndef TERN_RUNTIME_ONLY
    bool is_dataset;
    TERN_TRY(tern_dataset_probe(path, &is_dataset));
    if (is_dataset)
        s = read_dataset(path, model, t, &h);
    else
#else
    (void)model;
#endif
        s = read_text(path, t, &h);
    if (s == TERN_OK && max_tokens > 0 && h.count > max_tokens + 1)
        h.count = max_tokens + 1;
    if (s == TERN_OK && h.count < 2)
        s = tern_fail(TERN_EARG,
                      "%s: %" PRId64 " tokens to evaluate on, two are needed", path,
                      h.count);
    if (s != TERN_OK) {
        tern_heldout_free(&h);
        return s;
    }
    for (int64_t i = 1; i < h.count; i++) {
        size_t bytes;
        (void)tern_tokenizer_piece_after(t, h.ids[i - 1], h.ids[i], &bytes);
        h.bytes += (int64_t)bytes;
    }
    *out = h;
    return TERN_OK;
}

void tern_heldout_free(tern_heldout *h)
{
    free(h->ids);
    *h = (tern_heldout){0};
}
