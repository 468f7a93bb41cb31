/* file.c - mapping, reading, and writing by rename.
 *
 * The temporary of out/a.h5 is out/.a.h5.tmp-PID: in the same directory, so that the
 * rename is atomic, and hidden, so that a listing shows finished files only.
 *
 * A rename replaces whatever has the name, be it a device or a link. So links are
 * followed first, and what is not a regular file is refused. */
#define _GNU_SOURCE
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

static void close_file(tern_map *m)
{
    if (m->file >= 0) close(m->file);
    m->file = -1;
}

tern_status tern_map_open_to_read(const char *path, tern_map *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return tern_fail(TERN_EIO, "%s: not a regular file", path);
    }
    tern_map m = {.data = NULL, .bytes = (size_t)st.st_size, .file = fd};
    if (m.bytes) {
        void *p = mmap(NULL, m.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            const int reason = errno;
            close(fd);
            return tern_fail(TERN_EIO, "%s: cannot map: %s", path, strerror(reason));
        }
        m.data = p;
    } else {
        close_file(&m);
    }
    *out = m;
    return TERN_OK;
}

tern_status tern_map_open(const char *path, tern_map *out)
{
    TERN_TRY(tern_map_open_to_read(path, out));
    close_file(out);
    return TERN_OK;
}

void tern_map_close(tern_map *m)
{
    if (m->data) {
        munmap((void *)(uintptr_t)m->data, m->bytes);
        close_file(m);
    }
    *m = (tern_map){.file = -1};
}

const void *tern_map_read(const tern_map *m, const void *at, size_t bytes, void *buffer,
                          size_t room)
{
    if (m->file < 0 || bytes > room) return at;
    const off_t from = (const uint8_t *)at - m->data;
    const ssize_t n = pread(m->file, buffer, bytes, from);
    return n == (ssize_t)bytes ? buffer : at;
}

/* Split path into directory and name, both TERN_PATH_MAX bytes. */
static tern_status split(const char *path, char *dir, char *name)
{
    if (!*path || path[strlen(path) - 1] == '/')
        return tern_fail(TERN_EARG, "\"%s\" does not name a file", path);
    if (strlen(path) >= TERN_PATH_MAX - 32)
        return tern_fail(TERN_EARG, "%.64s...: path too long", path);
    char copy[TERN_PATH_MAX];
    strcpy(copy, path);
    strcpy(name, basename(copy));
    strcpy(copy, path);
    strcpy(dir, dirname(copy));
    return TERN_OK;
}

/* A temporary: a file, or a directory that holds nothing but files. Async-signal-safe,
 * which readdir() is not; elsewhere than on Linux the files of a directory stay. */
static void remove_temporary(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0) return;
#ifdef __linux__
    struct linux_dirent64 { /* as the system call gives it */
        uint64_t ino, off;
        unsigned short bytes;
        unsigned char type;
        char name[];
    };
    alignas(8) char buffer[2048];
    const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (bool removed = true; fd >= 0 && removed;) {
        long n;
        removed = false;
        (void)lseek(fd, 0, SEEK_SET);
        while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
            for (long at = 0; at < n;) {
                const struct linux_dirent64 *e = (void *)(buffer + at);
                removed |= unlinkat(fd, e->name, 0) == 0; /* not . and .. */
                at += e->bytes;
            }
    }
    if (fd >= 0) close(fd);
#endif
    (void)unlinkat(dir, name, AT_REMOVEDIR);
}

/* Remove temporaries of `name` whose process is gone. */
static void sweep(const char *dir, const char *name)
{
    DIR *d = opendir(dir);
    if (!d) return;
    const size_t len = strlen(name);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.' || strncmp(e->d_name + 1, name, len) != 0) continue;
        if (strncmp(e->d_name + 1 + len, ".tmp-", 5) != 0) continue;
        char *end;
        const char *digits = e->d_name + 1 + len + 5;
        const long pid = strtol(digits, &end, 10);
        if (end == digits || *end || pid <= 0) continue;
        if (pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH))
            continue;
        remove_temporary(dirfd(d), e->d_name);
    }
    closedir(d);
}

/* --- temporaries that a signal handler can remove --- */

enum { OPEN_TEMPS = 16 };
enum { FREE, BUSY, OPEN };

static struct {
    atomic_int state;
    char path[TERN_PATH_MAX];
} temps[OPEN_TEMPS];

/* When all places are taken, a signal leaves this one to the next begin's sweep. */
static void remember(const char *temp)
{
    for (int i = 0; i < OPEN_TEMPS; i++) {
        int unused = FREE;
        if (!atomic_compare_exchange_strong(&temps[i].state, &unused, BUSY)) continue;
        strcpy(temps[i].path, temp);
        atomic_store(&temps[i].state, OPEN);
        return;
    }
}

static void forget(const char *temp)
{
    for (int i = 0; i < OPEN_TEMPS; i++)
        if (atomic_load(&temps[i].state) == OPEN && !strcmp(temps[i].path, temp))
            atomic_store(&temps[i].state, FREE);
}

void tern_atomic_abandon_all(void)
{
    for (int i = 0; i < OPEN_TEMPS; i++)
        if (atomic_load(&temps[i].state) == OPEN)
            remove_temporary(AT_FDCWD, temps[i].path);
}

/* --- writing --- */

/* What is at the end of a chain of symbolic links, whether it exists or not. */
static tern_status follow_links(const char *path, char out[TERN_PATH_MAX])
{
    char dir[TERN_PATH_MAX], name[TERN_PATH_MAX], link[TERN_PATH_MAX];
    TERN_TRY(split(path, dir, name));
    strcpy(out, path);
    for (int links = 0; links < 40; links++) {
        const ssize_t n = readlink(out, link, sizeof link - 1);
        if (n < 0) return TERN_OK; /* not a link, or not there */
        link[n] = '\0';
        TERN_TRY(split(out, dir, name));
        if (*link == '/')
            strcpy(out, link);
        else
            TERN_TRY(tern_path_join(out, dir, link));
    }
    return tern_fail(TERN_EIO, "%s: %s", path, strerror(ELOOP));
}

/* TERN_OK if nothing is there, or a file that may be replaced. */
static tern_status check_replaceable(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) return TERN_OK;
    if (S_ISDIR(st.st_mode)) return tern_fail(TERN_EIO, "%s: is a directory", path);
    return tern_fail(TERN_EIO,
                     "%s: is a %s, which a finished file cannot replace; give the name "
                     "of a file",
                     path,
                     S_ISCHR(st.st_mode)    ? "character device"
                     : S_ISBLK(st.st_mode)  ? "block device"
                     : S_ISFIFO(st.st_mode) ? "pipe"
                                            : "socket");
}

/* Fill in target, temp and path, and remove what dead processes left. */
static tern_status choose_names(tern_atomic *w, const char *path)
{
    char dir[TERN_PATH_MAX], name[TERN_PATH_MAX];
    TERN_TRY(follow_links(path, w->target));
    TERN_TRY(split(w->target, dir, name));
    if (access(dir, W_OK | X_OK) != 0)
        return tern_fail(TERN_EIO, "%s: cannot write in directory %s: %s", path, dir,
                         strerror(errno));
    sweep(dir, name);
    strcpy(w->path, path);
    const int n =
        snprintf(w->temp, sizeof w->temp, "%s/.%s.tmp-%ld", dir, name, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof w->temp)
        return tern_fail(TERN_EARG, "%.64s...: path too long", path);
    return TERN_OK;
}

tern_status tern_atomic_begin(tern_atomic *w, const char *path)
{
    TERN_TRY(check_replaceable(path));
    TERN_TRY(choose_names(w, path));
    remember(w->temp);
    return TERN_OK;
}

static tern_status flush_path(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    const int rc = fsync(fd), reason = errno;
    close(fd);
    /* Some file systems cannot fsync a directory; the rename stands all the same. */
    if (rc != 0 && !(flags & O_DIRECTORY))
        return tern_fail(TERN_EIO, "%s: cannot flush: %s", path, strerror(reason));
    return TERN_OK;
}

tern_status tern_atomic_commit(tern_atomic *w)
{
    char dir[TERN_PATH_MAX], name[TERN_PATH_MAX];
    TERN_TRY(split(w->target, dir, name));
    const tern_status s = flush_path(w->temp, O_RDONLY);
    if (s != TERN_OK) {
        tern_atomic_abort(w);
        return tern_fail_in(s, w->path);
    }
    if (rename(w->temp, w->target) != 0) {
        const int reason = errno;
        tern_atomic_abort(w);
        return tern_fail(TERN_EIO, "%s: cannot rename: %s", w->path, strerror(reason));
    }
    forget(w->temp);
    return flush_path(dir, O_RDONLY | O_DIRECTORY);
}

void tern_atomic_abort(tern_atomic *w)
{
    (void)unlink(w->temp);
    forget(w->temp);
}

/* --- a directory --- */

static bool is_empty_dir(const char *path)
{
    DIR *d = opendir(path);
    if (!d) return false;
    int entries = 0;
    while (readdir(d)) entries++;
    closedir(d);
    return entries <= 2; /* . and .. */
}

static tern_status refuse_full_dir(const char *path)
{
    if (!tern_file_exists(path) || is_empty_dir(path)) return TERN_OK;
    if (!tern_is_dir(path))
        return tern_fail(TERN_EARG, "%s: is a file; give the name of a directory",
                         path);
    return tern_fail(TERN_EARG,
                     "%s: holds files already; choose another directory, or remove it",
                     path);
}

tern_status tern_atomic_dir_begin(tern_atomic *w, const char *path)
{
    char copy[TERN_PATH_MAX];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    if (n >= sizeof copy) return tern_fail(TERN_EARG, "%.64s...: path too long", path);
    memcpy(copy, path, n);
    copy[n] = '\0';
    TERN_TRY(refuse_full_dir(copy));
    TERN_TRY(choose_names(w, copy));
    if (mkdir(w->temp, 0777) != 0)
        return tern_fail(TERN_EIO, "%s: cannot create: %s", path, strerror(errno));
    remember(w->temp);
    return TERN_OK;
}

tern_status tern_atomic_dir_commit(tern_atomic *w)
{
    char dir[TERN_PATH_MAX], name[TERN_PATH_MAX];
    tern_status s = split(w->target, dir, name);
    if (s == TERN_OK) s = flush_path(w->temp, O_RDONLY | O_DIRECTORY);
    if (s == TERN_OK) s = refuse_full_dir(w->target); /* since we looked */
    if (s == TERN_OK && rename(w->temp, w->target) != 0)
        s = tern_fail(TERN_EIO, "%s: cannot rename: %s", w->path, strerror(errno));
    if (s != TERN_OK) {
        tern_atomic_dir_abort(w);
        return s;
    }
    forget(w->temp);
    return flush_path(dir, O_RDONLY | O_DIRECTORY);
}

void tern_atomic_dir_abort(tern_atomic *w)
{
    remove_temporary(AT_FDCWD, w->temp);
    forget(w->temp);
}

tern_status tern_file_write(const char *path, const void *data, size_t bytes)
{
    tern_atomic w;
    TERN_TRY(tern_atomic_begin(&w, path));
    FILE *f = fopen(w.temp, "wb");
    if (!f) {
        const int cause = errno;
        tern_atomic_abort(&w);
        return tern_fail(TERN_EIO, "%s: %s", path, strerror(cause));
    }
    bool good = bytes == 0 || fwrite(data, 1, bytes, f) == bytes;
    int reason = errno;
    if (fclose(f) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (!good) {
        tern_atomic_abort(&w);
        return tern_fail(TERN_EIO, "%s: cannot write: %s", path, strerror(reason));
    }
    return tern_atomic_commit(&w);
}

tern_status tern_file_read(const char *path, size_t max_bytes, char **text,
                           size_t *bytes)
{
    tern_map m;
    TERN_TRY(tern_map_open(path, &m));
    if (m.bytes > max_bytes) {
        const size_t have = m.bytes;
        tern_map_close(&m);
        return tern_fail(TERN_EFORMAT, "%s: %zu bytes, at most %zu expected here", path,
                         have, max_bytes);
    }
    char *copy = malloc(m.bytes + 1);
    if (copy) {
        if (m.bytes) memcpy(copy, m.data, m.bytes);
        copy[m.bytes] = '\0';
        *text = copy;
        if (bytes) *bytes = m.bytes;
    }
    tern_map_close(&m);
    return copy ? TERN_OK : tern_fail(TERN_EMEM, "%s: out of memory", path);
}

tern_status tern_make_dirs(const char *path)
{
    char copy[TERN_PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return tern_fail(TERN_EARG, "%.64s...: path too long", path);
    strcpy(copy, path);
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/') continue;
        const char keep = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return tern_fail(TERN_EIO, "%s: cannot create directory: %s", copy,
                             strerror(errno));
        *p = keep;
        if (!keep) break;
    }
    if (!tern_is_dir(path)) return tern_fail(TERN_EIO, "%s: not a directory", path);
    return TERN_OK;
}

bool tern_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool tern_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool tern_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

tern_status tern_refuse_overwrite(const char *input, const char *output)
{
    if (!tern_same_file(input, output)) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s: is read by this command, so it cannot be written by it too; "
                     "choose another output",
                     output);
}

tern_status tern_path_join(char *out, const char *dir, const char *name)
{
    const int n = snprintf(out, TERN_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= TERN_PATH_MAX)
        return tern_fail(TERN_EARG, "%.64s...: path too long", dir);
    return TERN_OK;
}
