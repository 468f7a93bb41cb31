/* run_data.c - see run_data.h. */
#define _GNU_SOURCE
#include "cli/run_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/corpus.h"

tern_status tern_run_data_begin(const char *dir, const char *data,
                                const tern_config *config, tern_dataset **out)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "config.yaml"));
    if (tern_file_exists(path))
        return tern_fail(
            TERN_EARG,
            "%s already holds a run; go on with `tern train --resume %s`, or "
            "choose another --out",
            dir, dir);
    if (!tern_file_exists(data))
        return tern_fail(TERN_EIO, "%s: %s", data, strerror(errno));
    if (tern_is_dataset(data)) return tern_dataset_open(data, out);
    TERN_TRY(tern_make_dirs(dir));
    TERN_TRY(tern_path_join(path, dir, "data.path"));
    (void)unlink(path); /* of an earlier start that came to nothing */
    TERN_TRY(tern_path_join(path, dir, "data.h5"));
    TERN_TRY(tern_make_dataset(config->tokenizer, TERN_PRETOK_LLAMA3, config->val,
                               &data, 1, path));
    return tern_dataset_open(path, out);
}

tern_status tern_run_data_remember(const char *dir, const char *data)
{
    char path[TERN_PATH_MAX];
    if (!tern_is_dataset(data)) return TERN_OK; /* data.h5 is in the run */
    TERN_TRY(tern_path_join(path, dir, "data.path"));
    char *absolute = realpath(data, NULL);
    if (!absolute) return tern_fail(TERN_EIO, "%s: %s", data, strerror(errno));
    const tern_status s = tern_file_write(path, absolute, strlen(absolute));
    free(absolute);
    return s;
}

tern_status tern_run_data_open(const char *dir, const char *data, tern_dataset **out)
{
    char path[TERN_PATH_MAX], *remembered = NULL;
    if (data) return tern_dataset_open(data, out);
    TERN_TRY(tern_path_join(path, dir, "data.path"));
    if (!tern_file_exists(path)) {
        TERN_TRY(tern_path_join(path, dir, "data.h5"));
        if (tern_file_exists(path)) return tern_dataset_open(path, out);
        return tern_fail(
            TERN_EIO,
            "%s: not a run that knows its dataset (no data.path, no data.h5); "
            "give --data FILE",
            dir);
    }
    TERN_TRY(tern_file_read(path, TERN_PATH_MAX, &remembered, NULL));
    const tern_status s = tern_dataset_open(remembered, out);
    free(remembered);
    if (s != TERN_OK)
        return tern_fail(s,
                         "%s (the run's dataset; if it has moved, give "
                         "--data FILE)",
                         tern_error_message());
    return TERN_OK;
}
