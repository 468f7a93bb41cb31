/* model_file.c - see model_file.h. */
#include "cli/model_file.h"

#include "base/file.h"
#include "data/text_check.h"
#include "formats/gguf.h"

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

tern_status tern_model_file_open(const char *path, tern_runtime **out)
{
    tern_runtime *m;
    TERN_TRY(check_is_model(path));
    TERN_TRY(tern_runtime_open(path, &m));
    const tern_status s = tern_runtime_read_tokenizer(m);
    if (s != TERN_OK) {
        tern_runtime_free(m);
        return s;
    }
    *out = m;
    return TERN_OK;
}

tern_activations tern_arg_activations(struct argp_state *state, const char *arg)
{
    const int how = tern_activations_find(arg);
    if (how < 0)
        argp_error(state,
                   "--activations is \"%s\", must be per-token, q8_k, q8_0 or none",
                   arg);
    return (tern_activations)how;
}

tern_cache_type tern_arg_cache(struct argp_state *state, const char *arg)
{
    const int type = tern_cache_find(arg);
    if (type < 0) argp_error(state, "--cache is \"%s\", must be f32, f16 or int8", arg);
    return (tern_cache_type)type;
}
