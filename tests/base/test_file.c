#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/scratch.h"

static char dir[TERN_TEST_PATH];

static void setup(void)
{
    cr_assert(tern_scratch_new(dir));
}

static void teardown(void)
{
    tern_scratch_remove(dir);
}

static int entries(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

Test(file, writes_appear_whole, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], *text;
    size_t bytes;
    cr_assert(eq(int, tern_path_join(path, dir, "a.txt"), TERN_OK));
    cr_assert(eq(int, tern_file_write(path, "first", 5), TERN_OK));
    cr_assert(eq(int, tern_file_write(path, "second", 6), TERN_OK));
    cr_assert(eq(int, tern_file_read(path, 100, &text, &bytes), TERN_OK));
    cr_expect(eq(str, text, "second"));
    cr_expect(eq(sz, bytes, 6));
    cr_expect(eq(int, entries(), 1));
    free(text);
    cr_expect(eq(int, tern_file_read(path, 5, &text, &bytes), TERN_EFORMAT));
}

Test(file, aborted_write_leaves_the_old_file, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], *text;
    tern_atomic w;
    cr_assert(eq(int, tern_path_join(path, dir, "a.txt"), TERN_OK));
    cr_assert(eq(int, tern_file_write(path, "old", 3), TERN_OK));
    cr_assert(eq(int, tern_atomic_begin(&w, path), TERN_OK));
    FILE *f = fopen(w.temp, "w");
    fputs("half of the ne", f);
    fclose(f);
    tern_atomic_abort(&w);
    cr_assert(eq(int, tern_file_read(path, 100, &text, NULL), TERN_OK));
    cr_expect(eq(str, text, "old"));
    free(text);
    cr_expect(eq(int, entries(), 1));
}

Test(file, a_name_that_is_no_file_is_refused, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], link_path[TERN_PATH_MAX];
    struct stat st;
    tern_atomic w;
    cr_assert(eq(int, tern_path_join(path, dir, "pipe"), TERN_OK));
    cr_assert(eq(int, tern_path_join(link_path, dir, "link"), TERN_OK));
    cr_assert(eq(int, mkfifo(path, 0600), 0));
    cr_assert(eq(int, symlink("pipe", link_path), 0));
    cr_expect(eq(int, tern_file_write(path, "x", 1), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), "pipe"), NULL));
    cr_expect(eq(int, tern_file_write(link_path, "x", 1), TERN_EIO));
    cr_expect(eq(int, tern_atomic_begin(&w, "/dev/null"), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), "character device"), NULL));
    cr_expect(eq(int, tern_atomic_begin(&w, dir), TERN_EIO));
    cr_expect(eq(int, stat(path, &st), 0));
    cr_expect(ne(int, S_ISFIFO(st.st_mode), 0));
    cr_expect(eq(int, entries(), 2));
}

/* A link, a link to it in another directory, and one that points to nothing yet. */
Test(file, links_stay_links, .init = setup, .fini = teardown)
{
    char sub[TERN_PATH_MAX], a[TERN_PATH_MAX], one[TERN_PATH_MAX], two[TERN_PATH_MAX];
    char loop[TERN_PATH_MAX], *text;
    struct stat st;
    cr_assert(eq(int, tern_path_join(sub, dir, "sub"), TERN_OK));
    cr_assert(eq(int, tern_make_dirs(sub), TERN_OK));
    cr_assert(eq(int, tern_path_join(a, dir, "sub/a.txt"), TERN_OK));
    cr_assert(eq(int, tern_path_join(one, dir, "sub/one"), TERN_OK));
    cr_assert(eq(int, tern_path_join(two, dir, "two"), TERN_OK));
    cr_assert(eq(int, tern_path_join(loop, dir, "loop"), TERN_OK));
    cr_assert(eq(int, symlink("a.txt", one), 0));
    cr_assert(eq(int, symlink(one, two), 0));
    cr_assert(eq(int, symlink("loop", loop), 0));
    for (int round = 0; round < 2; round++) { /* first the file is not there */
        cr_assert(eq(int, tern_file_write(two, round ? "new" : "old", 3), TERN_OK));
        cr_assert(eq(int, lstat(two, &st), 0));
        cr_expect(ne(int, S_ISLNK(st.st_mode), 0));
        cr_assert(eq(int, lstat(one, &st), 0));
        cr_expect(ne(int, S_ISLNK(st.st_mode), 0));
        cr_assert(eq(int, tern_file_read(a, 100, &text, NULL), TERN_OK));
        cr_expect(eq(str, text, round ? "new" : "old"));
        free(text);
    }
    cr_expect(tern_same_file(two, a));
    cr_expect(not(tern_same_file(two, sub)));
    cr_expect(not(tern_same_file(loop, loop)));
    cr_expect(eq(int, tern_refuse_overwrite(two, a), TERN_EARG));
    cr_expect(eq(int, tern_refuse_overwrite(two, sub), TERN_OK));
    cr_expect(eq(int, tern_file_write(loop, "x", 1), TERN_EIO));
    cr_expect(eq(int, entries(), 3));
}

Test(file, open_temporaries_can_be_abandoned, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], name[16];
    tern_atomic w[20], done; /* more than are remembered */
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%d", i);
        cr_assert(eq(int, tern_path_join(path, dir, name), TERN_OK));
        cr_assert(eq(int, tern_atomic_begin(&w[i], path), TERN_OK));
        fclose(fopen(w[i].temp, "w"));
    }
    for (int i = 8; i < 20; i++) tern_atomic_abort(&w[i]);
    cr_assert(eq(int, tern_path_join(path, dir, "done"), TERN_OK));
    cr_assert(eq(int, tern_atomic_begin(&done, path), TERN_OK));
    fclose(fopen(done.temp, "w"));
    cr_assert(eq(int, tern_atomic_commit(&done), TERN_OK));
    cr_expect(eq(int, entries(), 9));
    tern_atomic_abandon_all();
    cr_expect(eq(int, entries(), 1));
    cr_expect(tern_file_exists(path));
}

Test(file, leftovers_of_dead_writers_are_swept, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], left[TERN_PATH_MAX];
    cr_assert(eq(int, tern_path_join(path, dir, "a.txt"), TERN_OK));
    /* No process has this number: it is above the kernel's largest. */
    cr_assert(eq(int, tern_path_join(left, dir, ".a.txt.tmp-999999999"), TERN_OK));
    fclose(fopen(left, "w"));
    tern_atomic w;
    cr_assert(eq(int, tern_atomic_begin(&w, path), TERN_OK));
    cr_expect(not(tern_file_exists(left)));
}

Test(file, messages_name_the_path, .init = setup, .fini = teardown)
{
    tern_map m;
    cr_expect(eq(int, tern_map_open("/nonexistent/x", &m), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), "/nonexistent/x"), NULL));
    cr_expect(eq(int, tern_map_open(dir, &m), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), "not a regular file"), NULL));
    tern_atomic w;
    cr_expect(eq(int, tern_atomic_begin(&w, "/nonexistent/x"), TERN_EIO));
    cr_expect(eq(int, tern_atomic_begin(&w, ""), TERN_EARG));
}

Test(file, empty_file_maps_to_nothing, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX];
    tern_map m;
    cr_assert(eq(int, tern_path_join(path, dir, "empty"), TERN_OK));
    cr_assert(eq(int, tern_file_write(path, NULL, 0), TERN_OK));
    cr_assert(eq(int, tern_map_open(path, &m), TERN_OK));
    cr_expect(eq(sz, m.bytes, 0));
    tern_map_close(&m);
}

Test(file, a_map_is_read_from_its_file, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], got[4] = "----";
    tern_map m;
    cr_assert(eq(int, tern_path_join(path, dir, "read"), TERN_OK));
    cr_assert(eq(int, tern_file_write(path, "0123456789", 10), TERN_OK));
    cr_assert(eq(int, tern_map_open(path, &m), TERN_OK));
    cr_expect(eq(ptr, (void *)tern_map_read(&m, m.data + 3, 4, got, 4),
                 (void *)(m.data + 3)));
    tern_map_close(&m);
    cr_assert(eq(int, tern_map_open_to_read(path, &m), TERN_OK));
    cr_expect(eq(ptr, (void *)tern_map_read(&m, m.data + 3, 4, got, 4), got));
    cr_expect(eq(int, memcmp(got, "3456", 4), 0));
    /* more than there is, or than there is room for */
    cr_expect(eq(ptr, (void *)tern_map_read(&m, m.data + 8, 4, got, 4),
                 (void *)(m.data + 8)));
    cr_expect(eq(ptr, (void *)tern_map_read(&m, m.data, 5, got, 4), (void *)m.data));
    const int file = m.file;
    cr_expect(ge(int, fcntl(file, F_GETFD), 0));
    tern_map_close(&m);
    cr_expect(eq(int, fcntl(file, F_GETFD), -1), "its descriptor is closed");
}

Test(file, directories_are_made_with_their_parents, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX];
    cr_assert(eq(int, tern_path_join(path, dir, "x/y/z"), TERN_OK));
    cr_expect(eq(int, tern_make_dirs(path), TERN_OK));
    cr_expect(tern_is_dir(path));
    cr_expect(eq(int, tern_make_dirs(path), TERN_OK));
}

/* --- a directory that appears whole --- */

static void put_file(const char *folder, const char *name)
{
    char path[TERN_PATH_MAX];
    cr_assert(eq(int, tern_path_join(path, folder, name), TERN_OK));
    cr_assert(eq(int, tern_file_write(path, "x", 1), TERN_OK));
}

static bool holds(const char *folder, const char *name)
{
    char path[TERN_PATH_MAX];
    return tern_path_join(path, folder, name) == TERN_OK && tern_file_exists(path);
}

Test(file, a_directory_appears_whole, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX];
    tern_atomic w;
    cr_assert(eq(int, tern_path_join(path, dir, "out/"), TERN_OK));
    cr_assert(eq(int, tern_atomic_dir_begin(&w, path), TERN_OK));
    put_file(w.temp, "a");
    cr_expect(not(tern_file_exists(path)));
    cr_assert(eq(int, tern_atomic_dir_commit(&w), TERN_OK));
    cr_expect(holds(path, "a"));
    cr_expect(eq(int, entries(), 1));
    /* Full now: refused, and untouched. */
    cr_expect(eq(int, tern_atomic_dir_begin(&w, path), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "holds files already"), NULL));
    cr_assert(eq(int, tern_path_join(path, dir, "out/a"), TERN_OK));
    cr_expect(eq(int, tern_atomic_dir_begin(&w, path), TERN_EARG));
    /* Empty: taken, also when it is filled before the commit, and then refused. */
    cr_assert(eq(int, tern_path_join(path, dir, "empty"), TERN_OK));
    cr_assert(eq(int, mkdir(path, 0777), 0));
    cr_assert(eq(int, tern_atomic_dir_begin(&w, path), TERN_OK));
    put_file(w.temp, "a");
    put_file(path, "b");
    cr_expect(eq(int, tern_atomic_dir_commit(&w), TERN_EARG));
    cr_expect(holds(path, "b") && !holds(path, "a"));
    cr_expect(eq(int, entries(), 2));
}

Test(file, an_unfinished_directory_is_removed, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX], left[TERN_PATH_MAX], name[16];
    tern_atomic w;
    cr_assert(eq(int, tern_path_join(path, dir, "out"), TERN_OK));
    cr_assert(eq(int, tern_atomic_dir_begin(&w, path), TERN_OK));
    for (int i = 0; i < 200; i++) { /* more than one reading of the directory */
        snprintf(name, sizeof name, "file-%d", i);
        put_file(w.temp, name);
    }
    tern_atomic_dir_abort(&w);
    cr_expect(eq(int, entries(), 0));
    cr_assert(eq(int, tern_atomic_dir_begin(&w, path), TERN_OK));
    put_file(w.temp, "a");
    tern_atomic_abandon_all(); /* a signal */
    cr_expect(eq(int, entries(), 0));
    cr_assert(eq(int, tern_path_join(left, dir, ".out.tmp-999999999"), TERN_OK));
    cr_assert(eq(int, mkdir(left, 0777), 0)); /* of a dead process */
    put_file(left, "a");
    cr_assert(eq(int, tern_atomic_dir_begin(&w, path), TERN_OK));
    cr_expect(eq(int, entries(), 1));
    tern_atomic_dir_abort(&w);
}
