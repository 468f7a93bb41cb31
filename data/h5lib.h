/* h5lib.h - HDF5's functions and types, loaded when the first file is opened.
 *
 * The library brings others along, 34 of them on Debian (curl, TLS, Kerberos, ..),
 * which takes 12 ms of every start; a command that opens no dataset and no checkpoint,
 * such as one that runs an exported model, should not wait for them, nor have them in
 * its process. Hence dlopen(), as for OpenBLAS (kernels/gemm.h), and a table:
 *
 *     H5Dopen2(..)     is    tern_hdf5.Dopen2(..)
 *     H5T_STD_U8LE           tern_hdf5.STD_U8LE
 *     H5P_FILE_CREATE        tern_hdf5.FILE_CREATE
 *
 * For h5file.c only.
 */
#ifndef TERN_DATA_H5LIB_H
#define TERN_DATA_H5LIB_H

#include <hdf5.h>

#include "base/status.h"

/* Older versions ask an environment variable. */
#if H5_VERSION_GE(1, 10, 7)
#define TERN_H5_LOCKING(X) X(Pset_file_locking)
#else
#define TERN_H5_LOCKING(X)
#endif

/* clang-format off */
#define TERN_H5_CALLS(X)                                                               \
    X(Acreate2) X(Adelete) X(Aexists) X(Aexists_by_name) X(Aget_space) X(Aget_type)    \
    X(Aopen_by_name) X(Aread) X(Awrite)                                                \
    X(Dcreate2) X(Dget_create_plist) X(Dget_space) X(Dget_type) X(Dopen2) X(Dread)     \
    X(Dset_extent) X(Dwrite)                                                           \
    X(Eget_current_stack) X(Eget_num) X(Eset_auto2) X(Eset_current_stack) X(Ewalk2)    \
    X(Fclose) X(Fcreate) X(Fflush) X(Fopen)                                            \
    X(Gcreate2)                                                                        \
    X(Idec_ref) X(Iget_type)                                                           \
    X(Lexists) X(Lget_info) X(Lvisit_by_name)                                          \
    X(Oopen)                                                                           \
    X(Pcreate) X(Pget_external_count) X(Pget_layout) X(Pget_nfilters) X(Pset_cache)    \
    X(Pset_chunk) X(Pset_create_intermediate_group) X(Pset_fclose_degree)              \
    TERN_H5_LOCKING(X) X(Pset_obj_track_times) X(Pset_userblock)                       \
    X(Screate) X(Screate_simple) X(Sget_simple_extent_dims)                            \
    X(Sget_simple_extent_ndims) X(Sget_simple_extent_npoints) X(Sselect_hyperslab)     \
    X(Tcopy) X(Tequal) X(Tget_class) X(Tis_variable_str) X(Tset_cset) X(Tset_size)     \
    X(free_memory) X(open)

#define TERN_H5_TYPES(X)                                                               \
    X(STD_U8LE) X(STD_I8LE) X(STD_U16LE) X(STD_I32LE) X(STD_U32LE) X(STD_I64LE)        \
    X(STD_U64LE) X(IEEE_F32LE) X(IEEE_F64LE)                                           \
    X(NATIVE_UINT8) X(NATIVE_INT8) X(NATIVE_UINT16) X(NATIVE_INT32) X(NATIVE_UINT32)   \
    X(NATIVE_INT64) X(NATIVE_UINT64) X(NATIVE_FLOAT) X(NATIVE_DOUBLE) X(C_S1)

#define TERN_H5_CLASSES(X)                                                             \
    X(FILE_ACCESS) X(FILE_CREATE) X(LINK_CREATE) X(DATASET_CREATE)
/* clang-format on */

/* Headers of HDF5 1.10 and later: ids are valid once H5open() has been called, which
 * the loader does, not every mention of one. */
#undef H5CHECK
#define H5CHECK
#undef H5OPEN
#define H5OPEN

#define TERN_H5_CALL(name) __typeof__(&H5##name) name;
#define TERN_H5_ID(name) hid_t name;
struct tern_hdf5 {
    TERN_H5_CALLS(TERN_H5_CALL)
    TERN_H5_TYPES(TERN_H5_ID)
    TERN_H5_CLASSES(TERN_H5_ID)
};
#undef TERN_H5_CALL
#undef TERN_H5_ID

/* Filled by the first call that succeeds; not for several threads at once, as HDF5 is
 * not. */
extern struct tern_hdf5 tern_hdf5;

/* tern_hdf5_load() - the table, and an HDF5 that prints nothing of its own and does not
 * clean up when the process ends. Before every opening of a file: `path`, for messages.
 * TERN_EIO: no such library, or another version. */
tern_status tern_hdf5_load(const char *path);

#endif /* TERN_DATA_H5LIB_H */
