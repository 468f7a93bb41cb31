/* h5file.c - a narrow door to HDF5: every call is checked, and a failure becomes a
 * tern_status with HDF5's innermost reason.
 *
 * HDF5 prints its errors by itself and, after a full disk, complains once more when the
 * process ends; both are switched off. Identifiers of every sort are released by
 * drop(), which accepts the negative ones that stand for "failed to open". */
#define _POSIX_C_SOURCE 200809L
#include "data/h5file.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/h5lib.h"

static const struct tern_hdf5 *const h5 = &tern_hdf5;

enum { CHUNK = 1 << 16 }; /* elements of a growing array that are stored together */

struct tern_h5 {
    hid_t file;
    int version;
    bool writing;
    uint64_t bytes; /* of the file, when reading */
    char kind[32];
    tern_atomic atomic; /* .path also when reading */
};

static const struct {
    const char *name;
    size_t size;
} types[TERN_H5_TYPE_COUNT] = {
    [TERN_H5_U8] = {"uint8", 1},    [TERN_H5_I8] = {"int8", 1},
    [TERN_H5_U16] = {"uint16", 2},  [TERN_H5_I32] = {"int32", 4},
    [TERN_H5_U32] = {"uint32", 4},  [TERN_H5_I64] = {"int64", 8},
    [TERN_H5_U64] = {"uint64", 8},  [TERN_H5_F32] = {"float32", 4},
    [TERN_H5_F64] = {"float64", 8},
};

size_t tern_h5_type_size(tern_h5_type t)
{
    return types[t].size;
}

const char *tern_h5_type_name(tern_h5_type t)
{
    return types[t].name;
}

/* HDF5's types are variables, not constants: hence switches. */
static hid_t file_type(tern_h5_type t)
{
    switch (t) {
    case TERN_H5_U8:
        return h5->STD_U8LE;
    case TERN_H5_I8:
        return h5->STD_I8LE;
    case TERN_H5_U16:
        return h5->STD_U16LE;
    case TERN_H5_I32:
        return h5->STD_I32LE;
    case TERN_H5_U32:
        return h5->STD_U32LE;
    case TERN_H5_I64:
        return h5->STD_I64LE;
    case TERN_H5_U64:
        return h5->STD_U64LE;
    case TERN_H5_F32:
        return h5->IEEE_F32LE;
    case TERN_H5_F64:
        return h5->IEEE_F64LE;
    case TERN_H5_TYPE_COUNT:
        break;
    }
    return H5I_INVALID_HID;
}

static hid_t memory_type(tern_h5_type t)
{
    switch (t) {
    case TERN_H5_U8:
        return h5->NATIVE_UINT8;
    case TERN_H5_I8:
        return h5->NATIVE_INT8;
    case TERN_H5_U16:
        return h5->NATIVE_UINT16;
    case TERN_H5_I32:
        return h5->NATIVE_INT32;
    case TERN_H5_U32:
        return h5->NATIVE_UINT32;
    case TERN_H5_I64:
        return h5->NATIVE_INT64;
    case TERN_H5_U64:
        return h5->NATIVE_UINT64;
    case TERN_H5_F32:
        return h5->NATIVE_FLOAT;
    case TERN_H5_F64:
        return h5->NATIVE_DOUBLE;
    case TERN_H5_TYPE_COUNT:
        break;
    }
    return H5I_INVALID_HID;
}

/* HDF5 forgets why a call failed when the next one succeeds, as this one does; what
 * fail() wants to say is kept. */
static void drop(hid_t id)
{
    if (id < 0) return;
    const bool failed = h5->Eget_num(H5E_DEFAULT) > 0;
    const hid_t reasons = failed ? h5->Eget_current_stack() : H5I_INVALID_HID;
    h5->Idec_ref(id);
    if (failed) h5->Eset_current_stack(reasons);
}

/* --- errors --- */

/* Keep the innermost reason; HDF5 buries the system's words in a long sentence. */
static herr_t innermost(unsigned n, const H5E_error2_t *e, void *user)
{
    char *out = user;
    if (n > 0 || !e->desc) return 0;
    const char *system = strstr(e->desc, "error message = '");
    const char *from = system ? system + strlen("error message = '") : e->desc;
    snprintf(out, 128, "%s", from);
    if (system) out[strcspn(out, "'")] = '\0';
    return 0;
}

static tern_status fail(const tern_h5 *f, const char *name, const char *what)
{
    char reason[128] = "";
    h5->Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
    return tern_fail(TERN_EIO, "%s: cannot %s \"%s\"%s%s", f->atomic.path, what, name,
                     *reason ? ": " : "", reason);
}

static tern_status missing(const tern_h5 *f, const char *name)
{
    return tern_fail(TERN_EFORMAT, "%s: has no \"%s\"", f->atomic.path, name);
}

static tern_status no_memory(const char *path)
{
    return tern_fail(TERN_EMEM, "%s: out of memory", path);
}

/* --- opening and closing --- */

/* No locks: readers see finished files only, and some network disks refuse to lock. No
 * cache of chunks: they are not compressed, so it would save nothing, and what waits in
 * it when the disk is full is never freed. */
static hid_t access_plist(void)
{
    const hid_t p = h5->Pcreate(h5->FILE_ACCESS);
    if (p < 0) return p;
    h5->Pset_fclose_degree(p, H5F_CLOSE_STRONG);
    h5->Pset_cache(p, 0, 0, 0, 0.75);
#if H5_VERSION_GE(1, 10, 7)
    h5->Pset_file_locking(p, false, true);
#endif
    return p;
}

tern_status tern_h5_create(const char *path, const char *kind, int version,
                           tern_h5 **out)
{
    assert(strlen(kind) < sizeof(*out)->kind && version >= 1);
    TERN_TRY(tern_hdf5_load(path));
    tern_h5 *f = calloc(1, sizeof *f);
    if (!f) return no_memory(path);
    const tern_status s = tern_atomic_begin(&f->atomic, path);
    if (s != TERN_OK) {
        free(f);
        return s;
    }
    strcpy(f->kind, kind);
    f->version = version;
    f->writing = true;
    const hid_t access = access_plist(), create = h5->Pcreate(h5->FILE_CREATE);
    h5->Pset_userblock(create, TERN_H5_BLOCK);
    f->file = h5->Fcreate(f->atomic.temp, H5F_ACC_TRUNC, create, access);
    drop(create);
    drop(access);
    if (f->file < 0) {
        const tern_status failed = fail(f, "/", "create");
        tern_atomic_abort(&f->atomic);
        free(f);
        return failed;
    }
    *out = f;
    return TERN_OK;
}

tern_status tern_h5_open(const char *path, const char *kind, int newest, tern_h5 **out)
{
    tern_h5_seal seal;
    TERN_TRY(tern_h5_peek(path, &seal));
    if (strcmp(seal.kind, kind) != 0)
        return tern_fail(TERN_EFORMAT, "%s: is a %s, not a %s", path, seal.kind, kind);
    if (seal.version > newest)
        return tern_fail(TERN_EFORMAT,
                         "%s: %s of version %d; this tern reads up to %d: use a newer "
                         "tern, or make the file again",
                         path, kind, seal.version, newest);
    TERN_TRY(tern_h5_verify(path, &seal));
    if (strlen(path) >= TERN_PATH_MAX)
        return tern_fail(TERN_EARG, "%.64s...: path too long", path);
    TERN_TRY(tern_hdf5_load(path));
    tern_h5 *f = calloc(1, sizeof *f);
    if (!f) return no_memory(path);
    strcpy(f->atomic.path, path);
    strcpy(f->kind, kind);
    f->version = seal.version;
    f->bytes = seal.length;
    const hid_t access = access_plist();
    f->file = h5->Fopen(path, H5F_ACC_RDONLY, access);
    drop(access);
    if (f->file < 0) {
        const tern_status failed = fail(f, "/", "open");
        free(f);
        return failed;
    }
    *out = f;
    return TERN_OK;
}

void tern_h5_close(tern_h5 *f)
{
    if (!f) return;
    h5->Fclose(f->file);
    if (f->writing) tern_atomic_abort(&f->atomic);
    free(f);
}

tern_status tern_h5_commit(tern_h5 *f)
{
    assert(f->writing);
    tern_status s = TERN_OK;
    /* Flush first: a close that fails says less, and leaves the file half open. */
    if (h5->Fflush(f->file, H5F_SCOPE_LOCAL) < 0) s = fail(f, "/", "write");
    if (h5->Fclose(f->file) < 0 && s == TERN_OK) s = fail(f, "/", "close");
    if (s == TERN_OK) s = tern_h5_seal_file(f->atomic.temp, f->kind, f->version);
    if (s == TERN_OK)
        s = tern_atomic_commit(&f->atomic);
    else
        tern_atomic_abort(&f->atomic);
    free(f);
    return s;
}

const char *tern_h5_path(const tern_h5 *f)
{
    return f->atomic.path;
}

uint64_t tern_h5_bytes(const tern_h5 *f)
{
    return f->bytes;
}

int tern_h5_version(const tern_h5 *f)
{
    return f->version;
}

/* --- arrays --- */

/* chunk 0: contiguous. Without times: equal content makes equal files. */
static hid_t create_array(tern_h5 *f, const char *name, tern_h5_type type, hid_t space,
                          hsize_t chunk)
{
    const hid_t links = h5->Pcreate(h5->LINK_CREATE);
    const hid_t layout = h5->Pcreate(h5->DATASET_CREATE);
    h5->Pset_create_intermediate_group(links, 1);
    h5->Pset_obj_track_times(layout, false);
    if (chunk) h5->Pset_chunk(layout, 1, &chunk);
    const hid_t set =
        h5->Dcreate2(f->file, name, file_type(type), space, links, layout, H5P_DEFAULT);
    drop(layout);
    drop(links);
    return set;
}

tern_status tern_h5_write(tern_h5 *f, const char *name, const tern_h5_shape *shape,
                          const void *data)
{
    assert(shape->rank >= 1 && shape->rank <= TERN_H5_RANK_MAX);
    hsize_t dims[TERN_H5_RANK_MAX];
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        dims[i] = (hsize_t)shape->dims[i];
        empty |= shape->dims[i] == 0;
    }
    const hid_t space = h5->Screate_simple(shape->rank, dims, NULL);
    const hid_t set = create_array(f, name, shape->type, space, 0);
    const bool good =
        set >= 0 && (empty || h5->Dwrite(set, memory_type(shape->type), H5S_ALL,
                                         H5S_ALL, H5P_DEFAULT, data) >= 0);
    const tern_status s = good ? TERN_OK : fail(f, name, "write");
    drop(set);
    drop(space);
    return s;
}

static hid_t open_growing(tern_h5 *f, const char *name, tern_h5_type type)
{
    if (tern_h5_has(f, name)) return h5->Dopen2(f->file, name, H5P_DEFAULT);
    const hsize_t zero = 0, any = H5S_UNLIMITED;
    const hid_t space = h5->Screate_simple(1, &zero, &any);
    const hid_t set = create_array(f, name, type, space, CHUNK);
    drop(space);
    return set;
}

/* Read or write [start, start + count) of a 1-D array; false leaves HDF5's reason. */
static bool transfer(hid_t set, tern_h5_type type, int64_t start, int64_t count,
                     const void *in, void *out)
{
    const hsize_t from = (hsize_t)start, n = (hsize_t)count;
    const hid_t space = h5->Dget_space(set), memory = h5->Screate_simple(1, &n, NULL);
    const hid_t t = memory_type(type);
    bool good =
        space >= 0 && memory >= 0 &&
        h5->Sselect_hyperslab(space, H5S_SELECT_SET, &from, NULL, &n, NULL) >= 0;
    if (good && in) good = h5->Dwrite(set, t, memory, space, H5P_DEFAULT, in) >= 0;
    if (good && out) good = h5->Dread(set, t, memory, space, H5P_DEFAULT, out) >= 0;
    drop(memory);
    drop(space);
    return good;
}

tern_status tern_h5_append(tern_h5 *f, const char *name, tern_h5_type type,
                           const void *data, int64_t count)
{
    const hid_t set = open_growing(f, name, type);
    const hid_t space = set >= 0 ? h5->Dget_space(set) : H5I_INVALID_HID;
    const int64_t have = space >= 0 ? h5->Sget_simple_extent_npoints(space) : -1;
    drop(space);
    bool good = have >= 0;
    if (good && count > 0) {
        const hsize_t size = (hsize_t)(have + count);
        good = h5->Dset_extent(set, &size) >= 0 &&
               transfer(set, type, have, count, data, NULL);
    }
    const tern_status s = good ? TERN_OK : fail(f, name, "write");
    drop(set);
    return s;
}

/* Our name for the type of a stored array; TERN_H5_TYPE_COUNT if we have none. */
static tern_h5_type stored_type(hid_t set)
{
    const hid_t type = h5->Dget_type(set);
    int t = 0;
    while (t < TERN_H5_TYPE_COUNT && h5->Tequal(type, file_type((tern_h5_type)t)) <= 0)
        t++;
    drop(type);
    return (tern_h5_type)t;
}

static bool describe(hid_t set, tern_h5_shape *out)
{
    hsize_t dims[H5S_MAX_RANK];
    const hid_t space = h5->Dget_space(set);
    const int rank = space >= 0 ? h5->Sget_simple_extent_ndims(space) : -1;
    tern_h5_shape s = {.type = stored_type(set), .rank = rank};
    bool good = rank >= 1 && rank <= TERN_H5_RANK_MAX && s.type != TERN_H5_TYPE_COUNT &&
                h5->Sget_simple_extent_dims(space, dims, NULL) == rank;
    for (int i = 0; good && i < rank; i++) {
        good = dims[i] <= INT64_MAX;
        s.dims[i] = good ? (int64_t)dims[i] : 0;
    }
    drop(space);
    if (good) *out = s;
    return good;
}

/* Held in this file, as it is: what a checksum that somebody has made right could else
 * turn into memory without end, or into other files. */
static tern_status check_storage(const tern_h5 *f, const char *name, hid_t set,
                                 const tern_h5_shape *shape)
{
    const hid_t how = h5->Dget_create_plist(set);
    const H5D_layout_t layout = h5->Pget_layout(how);
    const bool plain = (layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED) &&
                       h5->Pget_external_count(how) == 0 && h5->Pget_nfilters(how) == 0;
    drop(how);
    if (!plain)
        return tern_fail(TERN_EFORMAT, "%s: \"%s\" is not stored as tern stores arrays",
                         f->atomic.path, name);
    uint64_t room = f->bytes / tern_h5_type_size(shape->type);
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) empty |= shape->dims[i] == 0;
    for (int i = 0; i < shape->rank && !empty; i++) room /= (uint64_t)shape->dims[i];
    if (empty || room > 0) return TERN_OK;
    return tern_fail(TERN_ECORRUPT,
                     "%s: \"%s\" claims more numbers than the file holds",
                     f->atomic.path, name);
}

static tern_status open_array(tern_h5 *f, const char *name, hid_t *set,
                              tern_h5_shape *shape)
{
    if (!tern_h5_has(f, name)) return missing(f, name);
    *set = h5->Dopen2(f->file, name, H5P_DEFAULT);
    if (*set < 0) return fail(f, name, "open");
    tern_status s = TERN_OK;
    if (!describe(*set, shape))
        s = tern_fail(TERN_EFORMAT, "%s: \"%s\" is not an array that tern writes",
                      f->atomic.path, name);
    else if (!f->writing)
        s = check_storage(f, name, *set, shape);
    if (s != TERN_OK) drop(*set);
    return s;
}

/* Is there something by this name in the file itself? Links to elsewhere do not count.
 */
static bool has_link(const tern_h5 *f, const char *name)
{
    H5L_info_t info;
    return h5->Lexists(f->file, name, H5P_DEFAULT) > 0 &&
           h5->Lget_info(f->file, name, &info, H5P_DEFAULT) >= 0 &&
           info.type == H5L_TYPE_HARD;
}

bool tern_h5_has(tern_h5 *f, const char *name)
{
    if (strcmp(name, "/") == 0) return true;
    /* HDF5 wants to be asked about every group on the way, one after the other. */
    char part[1024];
    if (strlen(name) >= sizeof part) return false;
    for (const char *p = name; p; p = strchr(p + 1, '/')) {
        const size_t n = (size_t)(p - name);
        memcpy(part, name, n);
        part[n] = '\0';
        if (n > 0 && !has_link(f, part)) return false;
    }
    return has_link(f, name);
}

tern_status tern_h5_info(tern_h5 *f, const char *name, tern_h5_shape *out)
{
    hid_t set = H5I_INVALID_HID;
    TERN_TRY(open_array(f, name, &set, out));
    drop(set);
    return TERN_OK;
}

static void show(const tern_h5_shape *s, char out[128])
{
    int n = snprintf(out, 128, "%s (", tern_h5_type_name(s->type));
    for (int i = 0; i < s->rank; i++)
        n += snprintf(out + n, 128 - (size_t)n, i ? ", %" PRId64 : "%" PRId64,
                      s->dims[i]);
    snprintf(out + n, 128 - (size_t)n, ")");
}

static bool same_shape(const tern_h5_shape *a, const tern_h5_shape *b)
{
    if (a->type != b->type || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

tern_status tern_h5_read(tern_h5 *f, const char *name, const tern_h5_shape *want,
                         void *out)
{
    hid_t set = H5I_INVALID_HID;
    tern_h5_shape have;
    tern_status s = TERN_OK;
    TERN_TRY(open_array(f, name, &set, &have));
    if (!same_shape(&have, want)) {
        char is[128], wanted[128];
        show(&have, is);
        show(want, wanted);
        s = tern_fail(TERN_EFORMAT, "%s: \"%s\" is %s, expected %s", f->atomic.path,
                      name, is, wanted);
    } else if (h5->Dread(set, memory_type(want->type), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                         out) < 0) {
        s = fail(f, name, "read");
    }
    drop(set);
    return s;
}

tern_status tern_h5_read_range(tern_h5 *f, const char *name, tern_h5_type type,
                               int64_t start, int64_t count, void *out)
{
    hid_t set = H5I_INVALID_HID;
    tern_h5_shape have;
    tern_status s = TERN_OK;
    TERN_TRY(open_array(f, name, &set, &have));
    const bool flat = have.rank == 1 && have.type == type;
    if (!flat || start < 0 || count < 0 || count > have.dims[0] - start) {
        char is[128];
        show(&have, is);
        s = tern_fail(
            TERN_EFORMAT,
            "%s: \"%s\" is %s, expected %s with elements %" PRId64 " to %" PRId64,
            f->atomic.path, name, is, tern_h5_type_name(type), start, start + count);
    } else if (count > 0 && !transfer(set, type, start, count, NULL, out)) {
        s = fail(f, name, "read");
    }
    drop(set);
    return s;
}

struct walk {
    tern_h5_visit visit;
    void *user;
    const char *group;
    tern_status status;
};

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info,
                         void *user)
{
    struct walk *w = user;
    if (info->type != H5L_TYPE_HARD) return 0;
    tern_h5_shape shape;
    char full[1024];
    const hid_t object = h5->Oopen(group, name, H5P_DEFAULT);
    const bool ours = h5->Iget_type(object) == H5I_DATASET && describe(object, &shape);
    drop(object);
    if (!ours) return 0;
    snprintf(full, sizeof full, *w->group ? "%s/%s" : "%s%s", w->group, name);
    w->status = w->visit(full, &shape, w->user);
    return w->status == TERN_OK ? 0 : 1;
}

tern_status tern_h5_each(tern_h5 *f, const char *group, tern_h5_visit visit, void *user)
{
    if (!tern_h5_has(f, group)) return missing(f, group);
    struct walk w = {
        .visit = visit, .user = user, .group = strcmp(group, "/") == 0 ? "" : group};
    if (h5->Lvisit_by_name(f->file, group, H5_INDEX_NAME, H5_ITER_INC, visit_link, &w,
                           H5P_DEFAULT) < 0)
        return fail(f, group, "list");
    return w.status;
}

/* --- attributes --- */

/* The object to hang an attribute on, made as a group if it is not there. */
static hid_t open_object(tern_h5 *f, const char *object)
{
    if (tern_h5_has(f, object)) return h5->Oopen(f->file, object, H5P_DEFAULT);
    const hid_t links = h5->Pcreate(h5->LINK_CREATE);
    h5->Pset_create_intermediate_group(links, 1);
    const hid_t group = h5->Gcreate2(f->file, object, links, H5P_DEFAULT, H5P_DEFAULT);
    drop(links);
    return group;
}

static tern_status set_attr(tern_h5 *f, const char *object, const char *key,
                            hid_t stored, hid_t memory, const void *value)
{
    const hid_t o = open_object(f, object), space = h5->Screate(H5S_SCALAR);
    if (o >= 0 && h5->Aexists(o, key) > 0) h5->Adelete(o, key);
    const hid_t a =
        o >= 0 ? h5->Acreate2(o, key, stored, space, H5P_DEFAULT, H5P_DEFAULT) : o;
    const bool good = a >= 0 && h5->Awrite(a, memory, value) >= 0;
    const tern_status s = good ? TERN_OK : fail(f, key, "write attribute");
    drop(a);
    drop(space);
    drop(o);
    return s;
}

/* Text is stored with variable length, in the file's heap: an attribute proper cannot
 * exceed 64 KiB, and a tokenizer does. */
static hid_t text_type(void)
{
    const hid_t t = h5->Tcopy(h5->C_S1);
    h5->Tset_size(t, H5T_VARIABLE);
    h5->Tset_cset(t, H5T_CSET_UTF8);
    return t;
}

tern_status tern_h5_set_text(tern_h5 *f, const char *object, const char *key,
                             const char *text)
{
    const hid_t t = text_type();
    const tern_status s = set_attr(f, object, key, t, t, &text);
    drop(t);
    return s;
}

tern_status tern_h5_set_int(tern_h5 *f, const char *object, const char *key,
                            int64_t value)
{
    return set_attr(f, object, key, h5->STD_I64LE, h5->NATIVE_INT64, &value);
}

tern_status tern_h5_set_real(tern_h5 *f, const char *object, const char *key,
                             double value)
{
    return set_attr(f, object, key, h5->IEEE_F64LE, h5->NATIVE_DOUBLE, &value);
}

bool tern_h5_has_attr(tern_h5 *f, const char *object, const char *key)
{
    return tern_h5_has(f, object) &&
           h5->Aexists_by_name(f->file, object, key, H5P_DEFAULT) > 0;
}

/* A scalar attribute of this class into *out. */
static tern_status get_attr(tern_h5 *f, const char *object, const char *key,
                            H5T_class_t class, hid_t memory, void *out)
{
    if (!tern_h5_has_attr(f, object, key))
        return tern_fail(TERN_EFORMAT, "%s: \"%s\" has no attribute \"%s\"",
                         f->atomic.path, object, key);
    const hid_t a = h5->Aopen_by_name(f->file, object, key, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t type = a >= 0 ? h5->Aget_type(a) : H5I_INVALID_HID;
    const hid_t space = a >= 0 ? h5->Aget_space(a) : H5I_INVALID_HID;
    tern_status s = TERN_OK;
    if (type < 0 || space < 0)
        s = fail(f, key, "open attribute");
    else if (h5->Tget_class(type) != class ||
             h5->Sget_simple_extent_npoints(space) != 1 ||
             (class == H5T_STRING && h5->Tis_variable_str(type) <= 0))
        s = tern_fail(TERN_EFORMAT, "%s: attribute \"%s\" of \"%s\" has a wrong type",
                      f->atomic.path, key, object);
    else if (h5->Aread(a, memory, out) < 0)
        s = fail(f, key, "read attribute");
    drop(space);
    drop(type);
    drop(a);
    return s;
}

tern_status tern_h5_get_text(tern_h5 *f, const char *object, const char *key,
                             char **out)
{
    const hid_t t = text_type();
    char *text = NULL;
    const tern_status s = get_attr(f, object, key, H5T_STRING, t, &text);
    drop(t);
    TERN_TRY(s);
    char *copy = strdup(text ? text : ""); /* HDF5 stores "" as nothing at all */
    h5->free_memory(text);
    if (!copy) return no_memory(f->atomic.path);
    *out = copy;
    return TERN_OK;
}

tern_status tern_h5_get_int(tern_h5 *f, const char *object, const char *key,
                            int64_t *out)
{
    return get_attr(f, object, key, H5T_INTEGER, h5->NATIVE_INT64, out);
}

tern_status tern_h5_get_real(tern_h5 *f, const char *object, const char *key,
                             double *out)
{
    return get_attr(f, object, key, H5T_FLOAT, h5->NATIVE_DOUBLE, out);
}
