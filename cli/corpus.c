/* corpus.c - see corpus.h. */
#include "cli/corpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"

static const char *const specials[] = {"<|endoftext|>"};

tern_status tern_choose_tokenizer(const char *choice, tern_pretok pretok,
                                  const char *const *paths, size_t count,
                                  tern_tokenizer **out)
{
    if (!strcmp(choice, "byte")) return tern_tokenizer_new_byte(out);
    tern_bar bar = {0};
    tern_tokenizer_training how = {
        .pretok = pretok, .progress = tern_bar_update, .user = &bar};
    if (!strcmp(choice, "char")) {
        how.kind = TERN_TOK_CHAR;
    } else if (!strncmp(choice, "bpe:", 4)) {
        char *end;
        errno = 0;
        how.kind = TERN_TOK_BPE;
        how.vocab = strtoll(choice + 4, &end, 10);
        how.special = specials;
        how.specials = 1;
        if (end == choice + 4 || *end || errno || how.vocab < 257 ||
            how.vocab > 1 << 24)
            return tern_fail(
                TERN_EARG,
                "tokenizer \"%s\": bpe:N takes a vocabulary size N from 257 "
                "(bytes and <|endoftext|>) to 16777216",
                choice);
    } else if (tern_file_exists(choice)) {
        return tern_tokenizer_load(choice, out);
    } else {
        return tern_fail(TERN_EARG,
                         "tokenizer \"%s\" is neither byte, char, bpe:N nor a file",
                         choice);
    }
    tern_bar_begin(&bar, "learning the tokenizer");
    const tern_status s = tern_tokenizer_train(paths, count, &how, out);
    tern_bar_end(&bar);
    return s;
}

tern_status tern_make_dataset(const char *choice, tern_pretok pretok, double val,
                              const char *const *paths, size_t count, const char *path)
{
    tern_tokenizer *t;
    TERN_TRY(tern_choose_tokenizer(choice, pretok, paths, count, &t));
    tern_bar bar;
    tern_bar_begin(&bar, "tokenising");
    const tern_dataset_recipe recipe = {.paths = paths,
                                        .count = count,
                                        .tokenizer = t,
                                        .val_fraction = val,
                                        .progress = tern_bar_update,
                                        .user = &bar};
    const tern_status s = tern_dataset_build(&recipe, path);
    tern_bar_end(&bar);
    tern_tokenizer_free(t);
    return s;
}
