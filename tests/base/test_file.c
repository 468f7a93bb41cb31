#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
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

Test(file, directories_are_made_with_their_parents, .init = setup, .fini = teardown)
{
    char path[TERN_PATH_MAX];
    cr_assert(eq(int, tern_path_join(path, dir, "x/y/z"), TERN_OK));
    cr_expect(eq(int, tern_make_dirs(path), TERN_OK));
    cr_expect(tern_is_dir(path));
    cr_expect(eq(int, tern_make_dirs(path), TERN_OK));
}
