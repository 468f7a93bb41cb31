/* corpus.c - see corpus.h. */
#include "cli/corpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"

/* Put the file in front of a message that does not name it. */
static tern_status name_file(tern_status s, const char *path)
{
    return strstr(tern_error_message(), path) ? s : tern_fail_in(s, path);
}

static const char *const specials[] = {"<|endoftext|>"};

/* What to learn for this choice; kind TERN_TOK_BYTE where there is nothing to. */
static tern_status read_choice(const char *choice, tern_tokenizer_training *how)
{
    how->kind = TERN_TOK_BYTE;
    if (!strcmp(choice, "char")) {
        how->kind = TERN_TOK_CHAR;
    } else if (!strncmp(choice, "bpe:", 4)) {
        char *end;
        errno = 0;
        how->kind = TERN_TOK_BPE;
        how->vocab = strtoll(choice + 4, &end, 10);
        how->special = specials;
        how->specials = 1;
        if (end == choice + 4 || *end || errno || how->vocab < 257 ||
            how->vocab > 1 << 24)
            return tern_fail(
                TERN_EARG,
                "tokenizer \"%s\": bpe:N takes a vocabulary size N from 257 "
                "(bytes and <|endoftext|>) to 16777216",
                choice);
    } else if (strcmp(choice, "byte") != 0 && !tern_file_exists(choice)) {
        return tern_fail(TERN_EARG,
                         "tokenizer \"%s\" is neither byte, char, bpe:N nor a file",
                         choice);
    }
    return TERN_OK;
}

tern_status tern_check_tokenizer(const char *choice)
{
    tern_tokenizer_training how = {0};
    return read_choice(choice, &how);
}

tern_status tern_choose_tokenizer(const char *choice, tern_pretok pretok,
                                  const char *const *paths, size_t count,
                                  tern_tokenizer **out)
{
    tern_bar bar = {0};
    tern_tokenizer_training how = {
        .pretok = pretok, .progress = tern_bar_update, .user = &bar};
    TERN_TRY(read_choice(choice, &how));
    if (!strcmp(choice, "byte")) return tern_tokenizer_new_byte(out);
    if (how.kind == TERN_TOK_BYTE) return tern_tokenizer_load(choice, out);
    tern_bar_begin(&bar, "learning the tokenizer");
    const tern_status s = tern_tokenizer_train(paths, count, &how, out);
    tern_bar_end(&bar);
    return s == TERN_OK || count > 1 ? s : name_file(s, paths[0]);
}

static tern_status check_is_text(const char *path)
{
    bool is_dataset;
    TERN_TRY(tern_dataset_probe(path, &is_dataset));
    if (!is_dataset) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "%s: is a dataset already, not a text; give it to `tern train "
                     "--data` as it is",
                     path);
}

/* Is the text there and not empty, and can the output be written? Better known before
 * the work than after it. */
static tern_status check_files(const char *const *paths, size_t count, const char *out)
{
    tern_atomic writable;
    for (size_t i = 0; i < count; i++) {
        tern_map m;
        TERN_TRY(tern_map_open(paths[i], &m));
        const bool empty = m.bytes == 0;
        tern_map_close(&m);
        if (empty) return tern_fail(TERN_EFORMAT, "%s: the file is empty", paths[i]);
        TERN_TRY(check_is_text(paths[i]));
        TERN_TRY(tern_refuse_overwrite(paths[i], out));
    }
    TERN_TRY(tern_atomic_begin(&writable, out));
    tern_atomic_abort(&writable);
    return TERN_OK;
}

tern_status tern_encode_dataset(const tern_tokenizer *t, double val,
                                const char *const *paths, size_t count,
                                const char *path)
{
    tern_bar bar;
    TERN_TRY(check_files(paths, count, path));
    tern_bar_begin(&bar, "tokenising");
    const tern_dataset_recipe recipe = {.paths = paths,
                                        .count = count,
                                        .tokenizer = t,
                                        .val_fraction = val,
                                        .progress = tern_bar_update,
                                        .user = &bar};
    const tern_status s = tern_dataset_build(&recipe, path);
    tern_bar_end(&bar);
    return s;
}

tern_status tern_make_dataset(const char *choice, tern_pretok pretok, double val,
                              const char *const *paths, size_t count, const char *path)
{
    tern_tokenizer *t;
    TERN_TRY(check_files(paths, count, path));
    TERN_TRY(tern_choose_tokenizer(choice, pretok, paths, count, &t));
    const tern_status s = tern_encode_dataset(t, val, paths, count, path);
    tern_tokenizer_free(t);
    return s;
}
