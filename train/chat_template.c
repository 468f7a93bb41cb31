/* chat_template.c - see chat_template.h. */
#include "train/chat_template.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/utf8.h"
#include "train/checkpoint.h"

static const char FILE_NAME[] = "chat_template.jinja";
enum { MOST = 1 << 20 };

tern_status tern_chat_template_take(const char *where, const char *text, size_t bytes,
                                    char **out)
{
    if (bytes == 0 || bytes > MOST || memchr(text, '\0', bytes) ||
        tern_utf8_valid(text, text + bytes) != text + bytes)
        return tern_fail(TERN_EFORMAT,
                         "%s: a chat template is UTF-8 text, not empty, and of 1 MiB "
                         "at most",
                         where);
    char *copy = malloc(bytes + 1);
    if (!copy) return tern_fail(TERN_EMEM, "%s: out of memory", where);
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    *out = copy;
    return TERN_OK;
}

tern_status tern_chat_template_load(const char *path, char **out)
{
    char *text;
    size_t bytes;
    TERN_TRY(tern_file_read(path, MOST, &text, &bytes));
    const tern_status s = tern_chat_template_take(path, text, bytes, out);
    free(text);
    return s;
}

tern_status tern_chat_template_of_run(const char *run, char **out)
{
    char dir[TERN_PATH_MAX], path[TERN_PATH_MAX];
    tern_run_of(run, dir);
    *out = NULL;
    if (!tern_is_dir(dir)) return TERN_OK; /* a checkpoint on its own */
    TERN_TRY(tern_path_join(path, dir, FILE_NAME));
    return tern_file_exists(path) ? tern_chat_template_load(path, out) : TERN_OK;
}

tern_status tern_chat_template_keep(const char *dir, const char *text, char *path)
{
    char own[TERN_PATH_MAX];
    if (!path) path = own;
    *path = '\0';
    if (!text) return TERN_OK;
    TERN_TRY(tern_path_join(path, dir, FILE_NAME));
    return tern_file_write(path, text, strlen(text));
}
