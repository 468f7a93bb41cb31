/* run_init.c - see run_init.h. */
#include "cli/run_init.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static tern_status own_config(const char *run, const tern_config *c,
                              const char *const *sets, size_t count, tern_config *out)
{
    char *yaml;
    TERN_TRY(tern_config_yaml(c, &yaml));
    const tern_status s = tern_config_parse(yaml, strlen(yaml), run, sets, count, out);
    free(yaml);
    return s;
}

static tern_status check_shapes(const char *where, const tern_spec *m, const char *run,
                                const tern_spec *have)
{
    const struct {
        const char *key;
        int64_t ours, theirs;
    } rows[] = {
        {"arch", m->arch, have->arch},
        {"tied", m->tied, have->tied},
        {"vocab", m->vocab, have->vocab},
        {"width", m->width, have->width},
        {"layers", m->layers, have->layers},
        {"heads", m->heads, have->heads},
        {"kv_heads", m->kv_heads, have->kv_heads},
        {"head_dim", m->head_dim, have->head_dim},
        {"ffn", m->ffn, have->ffn},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].ours == rows[i].theirs) continue;
        if (i < 2)
            return tern_fail(TERN_EARG,
                             "%s: model.%s is not what %s was made with (%s)", where,
                             rows[i].key, run,
                             i == 0       ? tern_arch_name(have->arch)
                             : have->tied ? "true"
                                          : "false");
        return tern_fail(TERN_EARG,
                         "%s: model.%s is %" PRId64 ", but the weights of %s have "
                         "%" PRId64,
                         where, rows[i].key, rows[i].ours, run, rows[i].theirs);
    }
    return TERN_OK;
}

static tern_status make_config(const char *run, const char *config,
                               const char *const *sets, size_t count,
                               const tern_checkpoint *c, tern_config *out)
{
    const tern_config *have = tern_checkpoint_config(c);
    const char *where = config ? config : run;
    if (config)
        TERN_TRY(tern_config_load(config, sets, count, out));
    else
        TERN_TRY(own_config(run, have, sets, count, out));
    if (!out->model.vocab) out->model.vocab = have->model.vocab;
    tern_config resolved = *out;
    TERN_TRY(tern_config_resolve(&resolved, 0, where));
    return check_shapes(where, &resolved.model, run, &have->model);
}

tern_status tern_run_init_open(const char *run, const char *config,
                               const char *const *sets, size_t count, tern_config *out,
                               tern_checkpoint **checkpoint)
{
    char path[TERN_PATH_MAX];
    tern_checkpoint *c = NULL;
    TERN_TRY(tern_run_find(run, false, path));
    TERN_TRY(tern_checkpoint_open(path, &c));
    const tern_status s = make_config(run, config, sets, count, c, out);
    if (s == TERN_OK)
        *checkpoint = c;
    else
        tern_checkpoint_close(c);
    return s;
}
