/* tales.c - telling, writing and checking. */
#include "data/tales.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "data/corpus.h"
#include "data/tales_words.h"

static const tern_grammar_rule *const tables[] = {tern_tales_phrases, tern_tales_plots,
                                                  tern_tales_more_plots, NULL};

const tern_grammar tern_tales = {
    .rules = tables, .lists = tern_tales_lists, .start = "tale"};

size_t tern_tales_story(uint64_t seed, uint64_t number, char out[TERN_TALE_BYTES],
                        double *nats)
{
    double information;
    const size_t n = tern_grammar_tell(&tern_tales, seed, number, out, &information);
    memcpy(out + n, "\n\n", 2);
    if (nats) *nats = information;
    return n + 2;
}

static tern_status write_stories(FILE *f, const char *path, int64_t bytes,
                                 uint64_t seed, void (*progress)(double, void *),
                                 void *user, tern_tales_stats *stats)
{
    char story[TERN_TALE_BYTES];
    while (stats->bytes < bytes) {
        double nats;
        const size_t n = tern_tales_story(seed, (uint64_t)stats->stories, story, &nats);
        if (fwrite(story, 1, n, f) != n)
            return tern_fail(TERN_EIO, "%s: cannot write: %s", path, strerror(errno));
        stats->bytes += (int64_t)n;
        stats->nats += nats;
        stats->stories++;
        if (progress && stats->stories % 256 == 0)
            progress((double)stats->bytes / (double)bytes, user);
    }
    return TERN_OK;
}

tern_status tern_tales_write(const char *path, int64_t bytes, uint64_t seed,
                             void (*progress)(double fraction, void *user), void *user,
                             tern_tales_stats *stats)
{
    tern_atomic w;
    tern_tales_stats all = {0};
    if (bytes < 1) return tern_fail(TERN_EARG, "tales: at least one byte, please");
    TERN_TRY(tern_atomic_begin(&w, path));
    FILE *f = fopen(w.temp, "wb");
    if (!f) {
        const int reason = errno;
        tern_atomic_abort(&w);
        return tern_fail(TERN_EIO, "%s: %s", path, strerror(reason));
    }
    tern_status s = write_stories(f, path, bytes, seed, progress, user, &all);
    if (fclose(f) != 0 && s == TERN_OK)
        s = tern_fail(TERN_EIO, "%s: cannot write: %s", path, strerror(errno));
    if (s != TERN_OK) {
        tern_atomic_abort(&w);
        return s;
    }
    const tern_corpus_note note = {.bytes = all.bytes,
                                   .stories = all.stories,
                                   .entropy = all.nats / (double)all.bytes};
    TERN_TRY(tern_atomic_commit(&w));
    TERN_TRY(tern_corpus_note_write(path, &note));
    if (stats) *stats = all;
    return TERN_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

tern_status tern_tales_check(const char *text, size_t bytes, double *nats,
                             size_t *reached)
{
    double information;
    size_t start = 0, sense;
    while (start < bytes && is_blank(text[start])) start++;
    while (bytes > start && is_blank(text[bytes - 1])) bytes--;
    const int found = tern_grammar_parse(&tern_tales, text + start, bytes - start,
                                         &information, &sense);
    if (reached) *reached = start + sense;
    if (found == 0)
        return tern_fail(TERN_EFORMAT,
                         "not a tale: it makes sense for %zu of %zu bytes", sense,
                         bytes - start);
    if (nats) *nats = information;
    return TERN_OK;
}
