/* The files are checked against h5py, which shares nothing with us but libhdf5, and
 * against every kind of damage that a disk or a copy can do. */
#define _GNU_SOURCE
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

#include "data/h5file.h"
#include "tests/data/check.h"

static char path[TERN_TEST_PATH + 64];

static void init(void)
{
    setup();
    strcpy(path, in_dir("a.h5"));
}

TestSuite(h5file, .init = init, .fini = teardown);

static tern_h5 *create(void)
{
    tern_h5 *f = NULL;
    cr_assert(eq(int, tern_h5_create(path, "sample", 2, &f), TERN_OK), "%s",
              tern_error_message());
    return f;
}

static const float numbers[6] = {1.5f, -2.0f, 0.0f, 3.25f, 1e-30f, 7.0f};
static const tern_h5_shape matrix = {TERN_H5_F32, 2, {2, 3}};

static void write_sample(void)
{
    tern_h5 *f = create();
    const uint16_t ids[5] = {1, 2, 3, 65535, 5};
    OK(tern_h5_write(f, "params/w.a", &matrix, numbers));
    OK(tern_h5_append(f, "t/ids", TERN_H5_U16, ids, 3));
    OK(tern_h5_append(f, "t/ids", TERN_H5_U16, ids + 3, 2));
    OK(tern_h5_append(f, "t/none", TERN_H5_U32, NULL, 0));
    OK(tern_h5_set_text(f, "/", "note", "first"));
    OK(tern_h5_set_text(f, "/", "note", "na\xc3\xafve"));
    OK(tern_h5_set_text(f, "/", "nothing", ""));
    OK(tern_h5_set_int(f, "params/w.a", "step", -9007199254740993));
    OK(tern_h5_set_real(f, "extra/group", "loss", 0.1));
    OK(tern_h5_commit(f));
}

Test(h5file, gives_back_what_was_written)
{
    write_sample();
    tern_h5 *f;
    OK(tern_h5_open(path, "sample", 2, &f));
    cr_expect(eq(int, tern_h5_version(f), 2));
    cr_expect(eq(str, (char *)tern_h5_path(f), path));
    float w[6];
    OK(tern_h5_read(f, "params/w.a", &matrix, w));
    cr_expect(memcmp(w, numbers, sizeof w) == 0);
    uint16_t ids[3];
    OK(tern_h5_read_range(f, "t/ids", TERN_H5_U16, 2, 3, ids));
    cr_expect(ids[0] == 3 && ids[1] == 65535 && ids[2] == 5);
    tern_h5_shape s;
    OK(tern_h5_info(f, "t/none", &s));
    cr_expect(s.type == TERN_H5_U32 && s.rank == 1 && s.dims[0] == 0);
    char *note, *nothing;
    OK(tern_h5_get_text(f, "/", "note", &note));
    OK(tern_h5_get_text(f, "/", "nothing", &nothing));
    cr_expect(eq(str, note, "na\xc3\xafve"));
    cr_expect(eq(str, nothing, ""));
    free(note);
    free(nothing);
    int64_t step;
    double loss;
    OK(tern_h5_get_int(f, "params/w.a", "step", &step));
    OK(tern_h5_get_real(f, "extra/group", "loss", &loss));
    cr_expect(step == -9007199254740993 && loss == 0.1);
    cr_expect(tern_h5_has(f, "extra/group") && !tern_h5_has(f, "nowhere/x"));
    tern_h5_close(f);
}

Test(h5file, every_type_keeps_its_bits)
{
    unsigned char raw[8 * 4], back[8 * 4];
    char name[16];
    for (size_t i = 0; i < sizeof raw; i++) raw[i] = (unsigned char)(37 * i + 129);
    tern_h5 *f = create();
    for (int t = 0; t < TERN_H5_TYPE_COUNT; t++) {
        const tern_h5_shape s = {(tern_h5_type)t, 1, {4}};
        OK(tern_h5_write(f, tern_h5_type_name((tern_h5_type)t), &s, raw));
    }
    OK(tern_h5_commit(f));
    OK(tern_h5_open(path, "sample", 2, &f));
    for (int t = 0; t < TERN_H5_TYPE_COUNT; t++) {
        const tern_h5_shape s = {(tern_h5_type)t, 1, {4}};
        snprintf(name, sizeof name, "%s", tern_h5_type_name((tern_h5_type)t));
        OK(tern_h5_read(f, name, &s, back));
        cr_expect(memcmp(raw, back, 4 * tern_h5_type_size(s.type)) == 0, "%s", name);
    }
    tern_h5_close(f);
}

Test(h5file, a_text_of_a_megabyte_fits_an_attribute)
{
    char *big = malloc((1 << 20) + 1), *back;
    for (size_t i = 0; i < 1 << 20; i++) big[i] = (char)('a' + i % 26);
    big[1 << 20] = '\0';
    tern_h5 *f = create();
    OK(tern_h5_set_text(f, "/", "tokenizer", big));
    OK(tern_h5_commit(f));
    OK(tern_h5_open(path, "sample", 2, &f));
    OK(tern_h5_get_text(f, "/", "tokenizer", &back));
    cr_expect(strcmp(big, back) == 0);
    tern_h5_close(f);
    free(big);
    free(back);
}

struct seen {
    char names[4][32];
    int count;
};

static tern_status collect(const char *name, const tern_h5_shape *shape, void *user)
{
    struct seen *s = user;
    snprintf(s->names[s->count++], 32, "%s %d", name, shape->rank);
    return s->count == 4 ? tern_fail(TERN_ESTOP, "enough") : TERN_OK;
}

Test(h5file, each_lists_arrays_in_order)
{
    write_sample();
    tern_h5 *f;
    OK(tern_h5_open(path, "sample", 2, &f));
    struct seen all = {.count = 0}, some = {.count = 0}, stop = {.count = 1};
    OK(tern_h5_each(f, "/", collect, &all));
    cr_assert(eq(int, all.count, 3));
    cr_expect(eq(str, all.names[0], "params/w.a 2"));
    cr_expect(eq(str, all.names[1], "t/ids 1"));
    cr_expect(eq(str, all.names[2], "t/none 1"));
    OK(tern_h5_each(f, "t", collect, &some));
    cr_expect(eq(str, some.names[0], "t/ids 1"));
    cr_expect(eq(int, tern_h5_each(f, "/", collect, &stop), TERN_ESTOP));
    cr_expect(eq(int, tern_h5_each(f, "zzz", collect, &all), TERN_EFORMAT));
    tern_h5_close(f);
}

Test(h5file, names_what_is_missing_or_different)
{
    write_sample();
    tern_h5 *f;
    const tern_h5_shape other = {TERN_H5_F32, 2, {3, 2}};
    float w[6];
    char *text;
    int64_t n;
    OK(tern_h5_open(path, "sample", 3, &f));
    FAILS(tern_h5_read(f, "params/b", &matrix, w), TERN_EFORMAT,
          "a.h5: has no \"params/b\"");
    FAILS(tern_h5_read(f, "params/w.a", &other, w), TERN_EFORMAT,
          "is float32 (2, 3), expected float32 (3, 2)");
    cr_expect(eq(int, tern_h5_read(f, "params", &matrix, w), TERN_EIO));
    cr_expect(
        eq(int, tern_h5_read_range(f, "t/ids", TERN_H5_U16, 3, 3, w), TERN_EFORMAT));
    cr_expect(
        eq(int, tern_h5_read_range(f, "t/ids", TERN_H5_U16, -1, 1, w), TERN_EFORMAT));
    cr_expect(eq(int, tern_h5_get_text(f, "/", "no", &text), TERN_EFORMAT));
    FAILS(tern_h5_get_int(f, "/", "note", &n), TERN_EFORMAT, "wrong type");
    tern_h5_close(f);
}

Test(h5file, opens_only_its_kind_and_version)
{
    tern_h5 *f;
    cr_expect(eq(int, tern_h5_open(path, "sample", 2, &f), TERN_EIO));
    write_sample();
    FAILS(tern_h5_open(path, "dataset", 2, &f), TERN_EFORMAT,
          "is a sample, not a dataset");
    FAILS(tern_h5_open(path, "sample", 1, &f), TERN_EFORMAT, "version 2");
    cr_expect(eq(int, tern_h5_open(dir, "sample", 2, &f), TERN_EIO));
    OK(tern_file_write(path, "", 0));
    FAILS(tern_h5_open(path, "sample", 2, &f), TERN_EFORMAT, "empty file");
    OK(tern_file_write(path, "\211HDF\r\n\032\n and so on", 16));
    FAILS(tern_h5_open(path, "sample", 2, &f), TERN_EFORMAT, "not a tern file");
}

Test(h5file, every_truncation_is_noticed)
{
    write_sample();
    size_t n;
    char *whole = slurp(path, &n);
    tern_h5 *f;
    for (size_t keep = 0; keep < n; keep += keep < 600 ? 1 : 97) {
        spill(path, whole, keep);
        const tern_status s = tern_h5_open(path, "sample", 2, &f);
        cr_assert(eq(int, s, keep < 8 ? TERN_EFORMAT : TERN_ECORRUPT), "%zu", keep);
        cr_assert(ne(ptr, strstr(tern_error_message(), "a.h5"), NULL));
    }
    free(whole);
}

Test(h5file, every_flipped_bit_is_noticed)
{
    write_sample();
    size_t n;
    char *whole = slurp(path, &n);
    tern_h5 *f;
    FILE *out = fopen(path, "r+b");
    for (size_t bit = 0; bit < 8 * n; bit += bit < 8 * 512 ? 1 : 61) {
        const char flipped = (char)(whole[bit / 8] ^ (1 << bit % 8));
        fseek(out, (long)(bit / 8), SEEK_SET);
        fwrite(&flipped, 1, 1, out);
        fflush(out);
        const tern_status s = tern_h5_open(path, "sample", 3, &f);
        cr_assert(s == TERN_ECORRUPT || s == TERN_EFORMAT, "bit %zu: %d", bit, (int)s);
        fseek(out, (long)(bit / 8), SEEK_SET);
        fwrite(whole + bit / 8, 1, 1, out);
    }
    fclose(out);
    OK(tern_h5_open(path, "sample", 3, &f));
    tern_h5_close(f);
    free(whole);
}

/* --- wrong behind a right checksum: what no accident makes --- */

/* Opens the sample for HDF5 itself to change. */
static hid_t begin_change(void)
{
    write_sample();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert(file >= 0);
    return file;
}

static tern_h5 *end_change(hid_t file)
{
    tern_h5 *f;
    cr_assert(H5Fclose(file) >= 0);
    OK(tern_h5_seal_file(path, "sample", 2));
    OK(tern_h5_open(path, "sample", 2, &f));
    return f;
}

/* A row of n float32 called "x", stored as `how` says. */
static void put_row(hid_t file, hsize_t n, hid_t how)
{
    const hid_t space = H5Screate_simple(1, &n, NULL);
    const hid_t set =
        H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
    cr_assert(set >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(how);
}

Test(h5file, an_array_cannot_be_larger_than_its_file)
{
    static const hsize_t sizes[] = {1 << 20, (hsize_t)1 << 40, (hsize_t)1 << 60};
    for (int i = 0; i < 3; i++) {
        const hid_t file = begin_change(), how = H5Pcreate(H5P_DATASET_CREATE);
        const hsize_t chunk = 1000; /* of which none is stored: all are zeros */
        float x;
        H5Pset_chunk(how, 1, &chunk);
        put_row(file, sizes[i], how);
        tern_h5 *f = end_change(file);
        tern_h5_shape s;
        FAILS(tern_h5_info(f, "x", &s), TERN_ECORRUPT, "\"x\" claims more numbers");
        FAILS(tern_h5_read_range(f, "x", TERN_H5_F32, 0, 1, &x), TERN_ECORRUPT, "x");
        OK(tern_h5_info(f, "t/none", &s));
        size_t bytes;
        free(slurp(path, &bytes));
        cr_expect(eq(u64, tern_h5_bytes(f), (uint64_t)bytes));
        tern_h5_close(f);
    }
}

Test(h5file, arrays_elsewhere_or_packed_are_refused)
{
    spill(in_dir("secret"), (const char *)numbers, sizeof numbers);
    for (int i = 0; i < 4; i++) {
        const hid_t file = begin_change(), how = H5Pcreate(H5P_DATASET_CREATE);
        const hsize_t n = 6;
        const hid_t space = H5Screate_simple(1, &n, NULL);
        if (i == 0) H5Pset_external(how, in_dir("secret"), 0, sizeof numbers);
        if (i == 1) H5Pset_virtual(how, space, in_dir("b.h5"), "t/ids", space);
        if (i == 2) H5Pset_layout(how, H5D_COMPACT);
        if (i == 3) H5Pset_chunk(how, 1, &n), H5Pset_deflate(how, 9);
        put_row(file, n, how);
        H5Sclose(space);
        tern_h5 *f = end_change(file);
        float x[6];
        FAILS(tern_h5_read(f, "x", &(tern_h5_shape){TERN_H5_F32, 1, {6}}, x),
              TERN_EFORMAT, "\"x\" is not stored as tern stores arrays");
        tern_h5_close(f);
    }
}

static tern_status count(const char *name, const tern_h5_shape *shape, void *user)
{
    (void)name, (void)shape;
    ++*(int *)user;
    return TERN_OK;
}

Test(h5file, links_to_elsewhere_do_not_count)
{
    write_sample();
    size_t n;
    int arrays = 0;
    char *whole = slurp(path, &n);
    spill(in_dir("b.h5"), whole, n);
    free(whole);
    const hid_t file = begin_change();
    H5Lcreate_soft("/t/ids", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/round", file, "round", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external(in_dir("b.h5"), "/t", file, "outside", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/", file, "self", H5P_DEFAULT, H5P_DEFAULT);
    tern_h5 *f = end_change(file);
    uint16_t ids[5];
    static const char *const names[] = {"soft", "round", "outside", "outside/ids"};
    for (int i = 0; i < 4; i++) {
        cr_expect(not(tern_h5_has(f, names[i])), "%s", names[i]);
        cr_expect(eq(int, tern_h5_read_range(f, names[i], TERN_H5_U16, 0, 5, ids),
                     TERN_EFORMAT));
    }
    OK(tern_h5_read_range(f, "self/self/t/ids", TERN_H5_U16, 0, 5, ids));
    OK(tern_h5_each(f, "/", count, &arrays));
    cr_expect(eq(int, arrays, 3));
    tern_h5_close(f);
}

Test(h5file, an_unfinished_file_never_shows)
{
    tern_h5 *f = create();
    OK(tern_h5_write(f, "w", &matrix, numbers));
    cr_expect(eq(int, tern_file_exists(path), 0));
    tern_h5_close(f);
    cr_expect(eq(int, files_in_dir(), 0));
    char nowhere[TERN_TEST_PATH + 32];
    snprintf(nowhere, sizeof nowhere, "%s/no/a.h5", dir);
    cr_expect(eq(int, tern_h5_create(nowhere, "sample", 1, &f), TERN_EIO));
}

/* A limit on the size of files looks to HDF5 like a full disk. */
Test(h5file, a_full_disk_leaves_the_old_file)
{
    write_sample();
    size_t before, after;
    char *old = slurp(path, &before);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {1 << 20, 1 << 20};
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    float *zeros = calloc(1 << 19, sizeof *zeros);
    const tern_h5_shape big = {TERN_H5_F32, 1, {1 << 19}};
    tern_h5 *f = create();
    tern_status s = tern_h5_write(f, "w", &big, zeros);
    if (s == TERN_OK)
        s = tern_h5_commit(f);
    else
        tern_h5_close(f);
    FAILS(s, TERN_EIO, "File too large");
    f = create(); /* the same, piece by piece */
    s = TERN_OK;
    for (int64_t i = 0; i < 1 << 19 && s == TERN_OK; i += 1 << 15)
        s = tern_h5_append(f, "w", TERN_H5_F32, zeros, 1 << 15);
    if (s == TERN_OK)
        s = tern_h5_commit(f);
    else
        tern_h5_close(f);
    FAILS(s, TERN_EIO, "File too large");
    char *now = slurp(path, &after);
    cr_expect(before == after && memcmp(old, now, before) == 0);
    cr_expect(eq(int, files_in_dir(), 1));
    write_sample(); /* and the next one works */
    free(old);
    free(now);
    free(zeros);
}

Test(h5file, h5py_reads_it)
{
    static const char script[] = "import h5py, sys\n"
                                 "f = h5py.File(sys.argv[1], 'r')\n"
                                 "assert f.userblock_size == 512\n"
                                 "w = f['params/w.a']\n"
                                 "assert w.dtype == 'float32' and w.shape == (2, 3)\n"
                                 "assert w[1, 0] == 3.25 and w[0, 1] == -2\n"
                                 "assert f['t/ids'].dtype == 'uint16'\n"
                                 "assert list(f['t/ids']) == [1, 2, 3, 65535, 5]\n"
                                 "assert f['t/none'].shape == (0,)\n"
                                 "assert f.attrs['note'] == 'na\\u00efve'\n"
                                 "assert w.attrs['step'] == -9007199254740993\n"
                                 "assert f['extra/group'].attrs['loss'] == 0.1\n";
    write_sample();
    const int rc = run_h5py(script, path);
    if (rc < 0) cr_skip_test("no h5py");
    cr_expect(eq(int, rc, 0));
}
