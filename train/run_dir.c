/* run_dir.c - which checkpoints a run has, which one to use, which ones to remove. */
#define _GNU_SOURCE
#include "train/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "data/h5file.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

static const char FOLDER[] = "checkpoints";

tern_status tern_run_step_path(const char *dir, int64_t step, char out[TERN_PATH_MAX])
{
    char name[64];
    snprintf(name, sizeof name, "%s/step-%08" PRId64 ".h5", FOLDER, step);
    return tern_path_join(out, dir, name);
}

tern_status tern_run_best_path(const char *dir, char out[TERN_PATH_MAX])
{
    char name[64];
    snprintf(name, sizeof name, "%s/best.h5", FOLDER);
    return tern_path_join(out, dir, name);
}

tern_status tern_run_stopped_path(const char *dir, char out[TERN_PATH_MAX])
{
    char name[64];
    snprintf(name, sizeof name, "%s/stopped.h5", FOLDER);
    return tern_path_join(out, dir, name);
}

/* The step of "step-00001000.h5", -1 for any other name. */
static int64_t step_of(const char *name)
{
    static const char start[] = "step-";
    if (strncmp(name, start, sizeof start - 1) != 0) return -1;
    const char *digits = name + sizeof start - 1;
    const size_t n = strspn(digits, "0123456789");
    if (n < 8 || n > 18 || strcmp(digits + n, ".h5") != 0) return -1;
    return strtoll(digits, NULL, 10);
}

static int newest_first(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

tern_status tern_run_steps(const char *dir, int64_t **steps, size_t *count)
{
    char folder[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(folder, dir, FOLDER));
    int64_t *list = NULL;
    size_t used = 0, capacity = 0;
    DIR *d = opendir(folder);
    if (!d && errno != ENOENT)
        return tern_fail(TERN_EIO, "%s: %s", folder, strerror(errno));
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const int64_t step = step_of(e->d_name);
        if (step < 0) continue;
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            int64_t *more = realloc(list, capacity * sizeof *list);
            if (!more) {
                free(list);
                closedir(d);
                return tern_fail(TERN_EMEM, "%s: out of memory", folder);
            }
            list = more;
        }
        list[used++] = step;
    }
    if (d) closedir(d);
    if (list) qsort(list, used, sizeof *list, newest_first);
    *steps = list;
    *count = used;
    return TERN_OK;
}

/* --- which one --- */

static tern_status sound(const char *path)
{
    if (!tern_is_checkpoint(path)) {
        TERN_TRY(tern_h5_verify(path, NULL));
        return tern_fail(TERN_EFORMAT, "%s: not a tern checkpoint", path);
    }
    return tern_h5_verify(path, NULL);
}

/* The newest sound checkpoint of a step. Damaged ones are reported. */
static tern_status newest_step(const char *dir, int64_t *step)
{
    int64_t *steps;
    size_t count;
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_run_steps(dir, &steps, &count));
    tern_status s = TERN_EIO;
    for (size_t i = 0; i < count && s != TERN_OK; i++) {
        s = tern_run_step_path(dir, steps[i], path);
        if (s == TERN_OK) s = sound(path);
        if (s == TERN_OK)
            *step = steps[i];
        else if (i + 1 < count)
            tern_warn("%s; taking the checkpoint before it", tern_error_message());
    }
    free(steps);
    if (count == 0)
        return tern_fail(TERN_EIO, "%s: no checkpoint of tern in it (%s/step-*.h5)",
                         dir, FOLDER);
    return s == TERN_OK ? s
                        : tern_fail(s, "%s, and no older checkpoint is sound",
                                    tern_error_message());
}

/* Of best.h5, which holds the whole state too; -1 if there is no sound one. */
static int64_t best_step(const char *path)
{
    tern_checkpoint *c;
    if (!tern_file_exists(path) || tern_checkpoint_open(path, &c) != TERN_OK) return -1;
    const int64_t step = tern_checkpoint_state(c)->step;
    tern_checkpoint_close(c);
    return step;
}

/* best.h5 counts too: where steps are saved rarely, or damaged, it may be the newest.
 */
static tern_status find_newest(const char *dir, char *out)
{
    char why[1024], best[TERN_PATH_MAX];
    int64_t step = -1;
    const tern_status s = newest_step(dir, &step);
    snprintf(why, sizeof why, "%s", tern_error_message());
    TERN_TRY(tern_run_best_path(dir, best));
    const int64_t other = best_step(best);
    if (s != TERN_OK && other < 0) return tern_fail(s, "%s", why);
    if (other <= step) return tern_run_step_path(dir, step, out);
    if (s != TERN_OK)
        tern_warn("%s; taking %s, which is of step %" PRId64, why, best, other);
    memcpy(out, best, TERN_PATH_MAX);
    return TERN_OK;
}

tern_status tern_run_find(const char *path, bool best, char *out)
{
    if (!tern_is_dir(path)) {
        if (strlen(path) >= TERN_PATH_MAX)
            return tern_fail(TERN_EARG, "%.64s...: path too long", path);
        if (!tern_file_exists(path))
            return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
        TERN_TRY(sound(path));
        memcpy(out, path, strlen(path) + 1);
        return TERN_OK;
    }
    if (best) {
        char file[TERN_PATH_MAX];
        TERN_TRY(tern_run_best_path(path, file));
        if (tern_file_exists(file) && sound(file) == TERN_OK) {
            memcpy(out, file, TERN_PATH_MAX);
            return TERN_OK;
        }
        if (tern_file_exists(file))
            tern_warn("%s; taking the newest checkpoint", tern_error_message());
    }
    return find_newest(path, out);
}

void tern_run_of(const char *path, char *out)
{
    char file[TERN_PATH_MAX + 16];
    snprintf(out, TERN_PATH_MAX, "%s", path);
    char *whole = tern_is_dir(path) ? NULL : realpath(path, NULL);
    for (int up = 0; whole && up < 2; up++) { /* run/checkpoints/best.h5 */
        char *slash = strrchr(whole, '/');
        if (slash && slash != whole) *slash = '\0';
    }
    if (whole) {
        snprintf(file, sizeof file, "%s/config.yaml", whole);
        if (tern_file_exists(file)) snprintf(out, TERN_PATH_MAX, "%s", whole);
    }
    free(whole);
}

/* --- tidying up --- */

tern_status tern_run_prune(const char *dir, int64_t keep)
{
    int64_t *steps;
    size_t count;
    TERN_TRY(tern_run_steps(dir, &steps, &count));
    tern_status s = TERN_OK;
    for (size_t i = (size_t)keep; i < count && s == TERN_OK; i++) {
        char path[TERN_PATH_MAX];
        s = tern_run_step_path(dir, steps[i], path);
        if (s == TERN_OK && unlink(path) != 0 && errno != ENOENT)
            s = tern_fail(TERN_EIO, "%s: cannot remove: %s", path, strerror(errno));
    }
    free(steps);
    return s;
}

static tern_status set_aside(const char *dir, int64_t step)
{
    char path[TERN_PATH_MAX], aside[TERN_PATH_MAX + 16];
    TERN_TRY(tern_run_step_path(dir, step, path));
    snprintf(aside, sizeof aside, "%s.damaged", path);
    if (rename(path, aside) != 0)
        return tern_fail(TERN_EIO, "%s: cannot rename: %s", path, strerror(errno));
    tern_warn("%s: renamed to %s", path, aside);
    return TERN_OK;
}

tern_status tern_run_set_aside(const char *dir, int64_t step)
{
    int64_t *steps;
    size_t count;
    TERN_TRY(tern_run_steps(dir, &steps, &count));
    tern_status s = TERN_OK;
    for (size_t i = 0; i < count && steps[i] > step && s == TERN_OK; i++)
        s = set_aside(dir, steps[i]);
    free(steps);
    return s;
}

tern_status tern_run_lock(const char *dir, int *fd)
{
    const int opened = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return tern_fail(TERN_EIO, "%s: %s", dir, strerror(errno));
    if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
        const int reason = errno;
        close(opened);
        if (reason == EWOULDBLOCK)
            return tern_fail(TERN_EARG,
                             "%s: another process is training in it; wait for it or "
                             "stop it first",
                             dir);
        return tern_fail(TERN_EIO, "%s: cannot lock: %s", dir, strerror(reason));
    }
    *fd = opened;
    return TERN_OK;
}
