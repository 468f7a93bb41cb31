/* h5_edit.h - a file of tern's, changed as the fuzzer says, with a right checksum.
 *
 * Bytes that are flipped in an HDF5 file never reach tern: the checksum of the user
 * block is compared first. Behind a checksum that somebody has made right, flipped
 * bytes would test libhdf5. So the fuzzer's bytes are a list of edits, which libhdf5
 * carries out on a copy of a good file: attributes and arrays removed, replaced by
 * others of any type, shape, layout and value, texts damaged, links turned elsewhere.
 * What comes out is HDF5 without a flaw, and what tern makes of it is tern's own doing.
 */
#ifndef TERN_TESTS_FUZZ_H5_EDIT_H
#define TERN_TESTS_FUZZ_H5_EDIT_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/h5file.h"

typedef struct h5_input {
    const uint8_t *at, *end;
} h5_input;

static inline uint64_t h5_take(h5_input *in, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes && in->at < in->end; i++)
        v |= (uint64_t)*in->at++ << 8 * i;
    return v;
}

/* A good file to start from. */
typedef struct h5_image {
    char path[64]; /* of the copy, written anew for every input */
    const char *kind;
    int version;
    uint8_t *data;
    size_t bytes;
    const char *const *objects; /* names to edit, NULL-terminated */
    const char *const *keys;    /* attributes of "/", likewise */
} h5_image;

/* Takes the file at `path` in, and will write its copies there. */
static inline void h5_image_load(h5_image *image, const char *path)
{
    FILE *f = fopen(path, "rb");
    snprintf(image->path, sizeof image->path, "%s", path);
    if (!f || fseek(f, 0, SEEK_END) != 0) abort();
    image->bytes = (size_t)ftell(f);
    image->data = malloc(image->bytes);
    rewind(f);
    if (!image->data || fread(image->data, 1, image->bytes, f) != image->bytes) abort();
    fclose(f);
}

static inline const char *h5_pick(h5_input *in, const char *const *names)
{
    size_t n = 0;
    while (names[n]) n++;
    return names[h5_take(in, 1) % n];
}

/* --- types and spaces --- */

/* A type of memory and file alike; H5Tclose it. */
static inline hid_t h5_draw_type(h5_input *in)
{
    const hid_t plain[] = {
        H5T_STD_U8LE,  H5T_STD_I8LE,   H5T_STD_U16LE, H5T_STD_I16LE,  H5T_STD_I32LE,
        H5T_STD_U32LE, H5T_STD_I64LE,  H5T_STD_U64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE,
        H5T_STD_U16BE, H5T_IEEE_F32BE, H5T_STD_B8LE,  H5T_UNIX_D32LE, H5T_STD_REF_OBJ};
    enum { PLAIN = sizeof plain / sizeof *plain };
    const uint64_t n = h5_take(in, 1) % (PLAIN + 6);
    if (n < PLAIN) return H5Tcopy(plain[n]);
    hid_t t = H5T_STD_I32LE;
    const hsize_t three = 3;
    switch (n - PLAIN) {
    case 0: /* text of a fixed length */
        t = H5Tcopy(H5T_C_S1);
        H5Tset_size(t, 1 + (size_t)h5_take(in, 1));
        return t;
    case 1: /* of any length, and ASCII, which tern's is not */
        t = H5Tcopy(H5T_C_S1);
        H5Tset_size(t, H5T_VARIABLE);
        return t;
    case 2:
        return H5Tvlen_create(H5T_STD_U8LE);
    case 3:
        return H5Tarray_create2(H5T_IEEE_F32LE, 1, &three);
    case 4:
        t = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(t, "a", 0, H5T_STD_I32LE);
        H5Tinsert(t, "b", 4, H5T_IEEE_F32LE);
        return t;
    default:
        return H5Tcreate(H5T_OPAQUE, 1 + (size_t)h5_take(in, 1));
    }
}

static inline hid_t h5_draw_space(h5_input *in, bool *grows)
{
    hsize_t dims[6], most[6];
    const int rank = (int)(h5_take(in, 1) % 8) - 1;
    *grows = h5_take(in, 1) & 1;
    if (rank < 0) return H5Screate(H5S_NULL);
    if (rank == 0) return H5Screate(H5S_SCALAR);
    for (int i = 0; i < rank; i++) {
        const uint64_t wide = h5_take(in, 1);
        dims[i] = wide < 240 ? wide : h5_take(in, 1 + (int)(wide % 8));
        most[i] = *grows ? H5S_UNLIMITED : dims[i];
    }
    return H5Screate_simple(rank, dims, most);
}

/* Bytes that an attribute or array of this type and space holds; 0: too many, or held
 * elsewhere. */
static inline size_t h5_room(hid_t type, hid_t space)
{
    const hssize_t n = H5Sget_simple_extent_npoints(space);
    const size_t one = H5Tget_size(type);
    const H5T_class_t c = H5Tget_class(type);
    if (n <= 0 || n > 4096 || one > 256 || c == H5T_VLEN || c == H5T_REFERENCE ||
        (c == H5T_STRING && H5Tis_variable_str(type) > 0))
        return 0;
    return (size_t)n * one;
}

/* A block of drawn bytes, repeated. */
static inline uint8_t *h5_draw_bytes(h5_input *in, size_t bytes)
{
    uint8_t *b = malloc(bytes);
    size_t n = 1 + (size_t)h5_take(in, 1) % 32;
    if (!b) abort();
    for (size_t i = 0; i < bytes; i++)
        b[i] = i < n ? (uint8_t)h5_take(in, 1) : b[i - n];
    return b;
}

/* --- attributes of "/" --- */

static inline void h5_put_attribute(hid_t file, const char *key, hid_t type,
                                    hid_t space, const void *value)
{
    if (H5Aexists(file, key) > 0) H5Adelete(file, key);
    const hid_t a = H5Acreate2(file, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (value && a >= 0) H5Awrite(a, type, value);
    if (a >= 0) H5Aclose(a);
}

static inline hid_t h5_text_type(void)
{
    const hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, H5T_VARIABLE);
    H5Tset_cset(t, H5T_CSET_UTF8);
    return t;
}

/* Whether it has one element: what is read has room for no more. */
static inline bool h5_is_single(hid_t attribute)
{
    const hid_t space = H5Aget_space(attribute);
    const hssize_t n = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    return n == 1;
}

/* The text of an attribute with a piece of it replaced; all of it, if it is none. */
static inline void h5_edit_text(hid_t file, const char *key, h5_input *in)
{
    const hid_t type = h5_text_type(), space = H5Screate(H5S_SCALAR);
    const hid_t a =
        H5Aexists(file, key) > 0 ? H5Aopen(file, key, H5P_DEFAULT) : H5I_INVALID_HID;
    char *old = NULL;
    if (a >= 0 && h5_is_single(a)) H5Aread(a, type, &old);
    if (a >= 0) H5Aclose(a);
    const size_t have = old ? strlen(old) : 0, from = h5_take(in, 2) % (have + 1);
    size_t cut = h5_take(in, 2) % (have - from + 1);
    size_t put = h5_take(in, 1) % 64;
    if (put > (size_t)(in->end - in->at)) put = (size_t)(in->end - in->at);
    char *text = malloc(have + put + 1);
    if (!text) abort();
    if (from) memcpy(text, old, from);
    if (put) memcpy(text + from, in->at, put);
    if (from + cut < have)
        memcpy(text + from + put, old + from + cut, have - from - cut);
    text[have + put - cut] = '\0';
    in->at += put;
    h5_put_attribute(file, key, type, space, &text);
    free(text);
    H5free_memory(old);
    H5Sclose(space);
    H5Tclose(type);
}

static inline void h5_edit_attribute(hid_t file, const char *key, h5_input *in)
{
    const hid_t scalar = H5Screate(H5S_SCALAR);
    int64_t n;
    double x;
    switch (h5_take(in, 1) % 5) {
    case 0:
        if (H5Aexists(file, key) > 0) H5Adelete(file, key);
        break;
    case 1:
        n = (int64_t)h5_take(in, 8);
        h5_put_attribute(file, key, H5T_STD_I64LE, scalar, &n);
        break;
    case 2:
        n = (int64_t)h5_take(in, 8);
        memcpy(&x, &n, sizeof x);
        h5_put_attribute(file, key, H5T_IEEE_F64LE, scalar, &x);
        break;
    case 3:
        h5_edit_text(file, key, in);
        break;
    default: {
        bool grows;
        const hid_t type = h5_draw_type(in), space = h5_draw_space(in, &grows);
        const size_t bytes = h5_room(type, space);
        uint8_t *value = bytes ? h5_draw_bytes(in, bytes) : NULL;
        h5_put_attribute(file, key, type, space, value);
        free(value);
        H5Sclose(space);
        H5Tclose(type);
    }
    }
    H5Sclose(scalar);
}

/* --- arrays, groups, links --- */

/* Contiguous, chunked, compact, in another file, made of other arrays; filters. */
static inline hid_t h5_draw_layout(h5_input *in, hid_t space, const char *elsewhere)
{
    const hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[H5S_MAX_RANK];
    const int rank = H5Sget_simple_extent_ndims(space);
    for (int i = 0; i < rank; i++) chunk[i] = 1 + h5_take(in, 1) % 64;
    switch (h5_take(in, 1) % 8) {
    case 0:
        H5Pset_layout(p, H5D_COMPACT);
        break;
    case 1:
        H5Pset_external(p, elsewhere, 0, H5F_UNLIMITED);
        break;
    case 2:
        H5Pset_virtual(p, space, elsewhere, "train/tokens", space);
        break;
    case 3:
    case 4:
    case 5:
        if (rank > 0) H5Pset_chunk(p, rank, chunk);
        if (h5_take(in, 1) % 4 == 0) H5Pset_shuffle(p);
        if (h5_take(in, 1) % 4 == 0) H5Pset_deflate(p, 1);
        break;
    default:
        break;
    }
    if (h5_take(in, 1) & 1) H5Pset_alloc_time(p, H5D_ALLOC_TIME_INCR);
    return p;
}

static inline void h5_edit_array(hid_t file, const char *name, h5_input *in,
                                 const char *elsewhere)
{
    bool grows;
    const hid_t type = h5_draw_type(in), space = h5_draw_space(in, &grows);
    const hid_t layout = h5_draw_layout(in, space, elsewhere);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    /* What is allocated at once must be small: the disk is not what is tested. */
    const hssize_t n = H5Sget_simple_extent_npoints(space);
    const bool late = H5Pget_layout(layout) == H5D_CHUNKED && n > 1 << 16;
    if (late) H5Pset_alloc_time(layout, H5D_ALLOC_TIME_INCR);
    hid_t set = H5I_INVALID_HID;
    if (H5Lexists(file, name, H5P_DEFAULT) > 0) H5Ldelete(file, name, H5P_DEFAULT);
    set = H5Dcreate2(file, name, type, space, links, layout, H5P_DEFAULT);
    const size_t bytes = h5_room(type, space);
    if (set >= 0 && bytes && H5Pget_external_count(layout) == 0 &&
        H5Pget_layout(layout) != H5D_VIRTUAL) {
        uint8_t *value = h5_draw_bytes(in, bytes);
        H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
        free(value);
    }
    if (set >= 0) H5Dclose(set);
    H5Pclose(links);
    H5Pclose(layout);
    H5Sclose(space);
    H5Tclose(type);
}

/* Other values in an array that is there. */
static inline void h5_edit_values(hid_t file, const char *name, h5_input *in)
{
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) return;
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const size_t bytes = h5_room(type, space);
    if (bytes) {
        uint8_t *value = h5_draw_bytes(in, bytes);
        H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
        free(value);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(set);
}

static inline void h5_edit_link(hid_t file, const char *name, h5_input *in,
                                const char *const *objects, const char *elsewhere)
{
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    const char *to = h5_pick(in, objects);
    const uint64_t how = h5_take(in, 1) % 6;
    if (H5Lexists(file, name, H5P_DEFAULT) > 0 && how != 5)
        H5Ldelete(file, name, H5P_DEFAULT);
    if (how == 1) H5Lcreate_soft(to, file, name, links, H5P_DEFAULT);
    if (how == 2) H5Lcreate_hard(file, to, file, name, links, H5P_DEFAULT);
    if (how == 3) H5Lcreate_hard(file, "/", file, name, links, H5P_DEFAULT);
    if (how == 4) H5Lcreate_external(elsewhere, to, file, name, links, H5P_DEFAULT);
    if (how == 5) {
        const hid_t g = H5Gcreate2(file, name, links, H5P_DEFAULT, H5P_DEFAULT);
        if (g >= 0) H5Gclose(g);
    }
    H5Pclose(links);
}

/* --- the whole --- */

static inline void h5_edit(hid_t file, const h5_image *image, h5_input *in)
{
    for (int i = 0; i < 12 && in->at < in->end; i++) {
        const uint64_t what = h5_take(in, 1) % 8;
        const char *key = h5_pick(in, image->keys);
        const char *name = h5_pick(in, image->objects);
        /* A path through what is not a group fails, and that is all right. */
        if (what < 4) h5_edit_attribute(file, key, in);
        if (what == 4 || what == 5) h5_edit_array(file, name, in, image->path);
        if (what == 6) h5_edit_values(file, name, in);
        if (what == 7) h5_edit_link(file, name, in, image->objects, image->path);
    }
}

/* Write the copy, changed and sealed. False: HDF5 would not have it. */
static inline bool h5_make(const h5_image *image, const uint8_t *data, size_t bytes)
{
    h5_input in = {data, data + bytes};
    FILE *f = fopen(image->path, "wb");
    if (!f || fwrite(image->data, 1, image->bytes, f) != image->bytes) abort();
    if (fclose(f) != 0) abort();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    const hid_t file = H5Fopen(image->path, H5F_ACC_RDWR, access);
    H5Pclose(access);
    if (file < 0) return false;
    h5_edit(file, image, &in);
    const bool closed = H5Fclose(file) >= 0;
    H5Eclear2(H5E_DEFAULT);
    return closed &&
           tern_h5_seal_file(image->path, image->kind, image->version) == TERN_OK;
}

#endif /* TERN_TESTS_FUZZ_H5_EDIT_H */
