/* check_text.c - see check_text.h. */
#include "cli/check_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cli/run_data.h"

static tern_status read_dataset(const tern_checkpoint *c, const tern_dataset *d,
                                int64_t count, tern_check_text *out)
{
    TERN_TRY(tern_run_data_suits(c, d));
    const tern_split split =
        tern_dataset_tokens(d, TERN_VAL) > 1 ? TERN_VAL : TERN_TRAIN;
    const int64_t have = tern_dataset_tokens(d, split);
    out->source = split == TERN_VAL ? "validation" : "train";
    snprintf(out->data, sizeof out->data, "%s", tern_dataset_name(d));
    out->count = have < count ? have : count;
    return tern_dataset_read(d, split, 0, out->count, out->ids);
}

static void make_up(const tern_checkpoint *c, int64_t count, tern_check_text *out)
{
    const int64_t vocab = tern_checkpoint_config(c)->model.vocab;
    out->source = "made-up";
    out->count = count;
    for (int64_t i = 0; i < count; i++) out->ids[i] = (int32_t)(i * 7919 % vocab);
}

tern_status tern_check_text_open(const tern_checkpoint *c, const char *run,
                                 const char *data, int64_t count, tern_check_text *out)
{
    char of[TERN_PATH_MAX];
    tern_dataset *d = NULL;
    tern_check_text t = {.source = ""};
    tern_run_of(run, of);
    tern_status s = tern_run_data_open(of, data, &d);
    if (s != TERN_OK && (data || s != TERN_EIO)) return s;
    if (s != TERN_OK)
        tern_warn("%s; the export is compared on made-up tokens", tern_error_message());
    t.ids = malloc((size_t)(count + 1) * sizeof *t.ids);
    if (!t.ids)
        s = tern_fail(TERN_EMEM, "out of memory");
    else if (d)
        s = read_dataset(c, d, count, &t);
    else
        s = TERN_OK;
    if (s == TERN_OK && !d) make_up(c, count, &t);
    tern_dataset_free(d);
    if (s == TERN_OK)
        *out = t;
    else
        free(t.ids);
    return s;
}

void tern_check_text_free(tern_check_text *t)
{
    free(t->ids);
    *t = (tern_check_text){.source = ""};
}
