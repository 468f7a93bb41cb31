/* h5lib.c - see h5lib.h. */
#include "data/h5lib.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

struct tern_hdf5 tern_hdf5;

/* An object pointer by dlsym(); POSIX promises that its bits are the function's. */
static bool find(void *library, const char *name, void *out)
{
    void *p = dlsym(library, name);
    memcpy(out, &p, sizeof p);
    return p != NULL;
}

/* Names in HDF5: what its macros make of them, such as H5Lget_info1. */
#define TEXT(x) #x
#define NAME(x) TEXT(x)

static bool find_calls(void *library)
{
    bool all = true;
#define FIND_CALL(name) all &= find(library, NAME(H5##name), &tern_hdf5.name);
    TERN_H5_CALLS(FIND_CALL)
#undef FIND_CALL
    return all;
}

static bool find_id(void *where, const char *variable, hid_t *out)
{
    const hid_t *id = dlsym(where, variable);
    if (id) *out = *id;
    return id && tern_hdf5.Iget_type(*id) > 0;
}

/* After H5open(), which makes these ids. */
static bool find_ids(void *where)
{
    bool all = true;
#define FIND_TYPE(name) all &= find_id(where, "H5T_" #name "_g", &tern_hdf5.name);
#define FIND_CLASS(name)                                                               \
    all &= find_id(where, "H5P_CLS_" #name "_ID_g", &tern_hdf5.name);
    TERN_H5_TYPES(FIND_TYPE)
    TERN_H5_CLASSES(FIND_CLASS)
#undef FIND_CLASS
#undef FIND_TYPE
    return all;
}

static tern_status useless(const char *path)
{
    return tern_fail(TERN_EIO, "%s: %s is not an HDF5 %d.%d that works", path,
                     TERN_HDF5_LIBRARY, H5_VERS_MAJOR, H5_VERS_MINOR);
}

/* H5dont_atexit() is to be the first call of all; it fails, and may, in a program that
 * uses HDF5 besides. */
static tern_status check_version(void *library, const char *path)
{
    __typeof__(&H5dont_atexit) begin;
    __typeof__(&H5get_libversion) ask;
    unsigned major, minor, release;
    if (!find(library, "H5dont_atexit", &begin) ||
        !find(library, "H5get_libversion", &ask))
        return useless(path);
    begin();
    if (ask(&major, &minor, &release) < 0) return useless(path);
    if (major == H5_VERS_MAJOR && minor == H5_VERS_MINOR) return TERN_OK;
    return tern_fail(
        TERN_EIO, "%s: %s is HDF5 %u.%u, tern was built for %d.%d: build it again",
        path, TERN_HDF5_LIBRARY, major, minor, H5_VERS_MAJOR, H5_VERS_MINOR);
}

/* A program that was linked with HDF5 has its variables too, and where it has copied
 * them (the psABI's copy relocations) the library's own are unused. */
static tern_status fill(void *library, const char *path)
{
    if (!find_calls(library)) return useless(path);
    tern_hdf5.Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (tern_hdf5.open() < 0) return useless(path);
    return find_ids(library) || find_ids(dlopen(NULL, RTLD_NOW)) ? TERN_OK
                                                                 : useless(path);
}

tern_status tern_hdf5_load(const char *path)
{
    static bool loaded;
    if (!loaded) {
        void *library = dlopen(TERN_HDF5_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return tern_fail(TERN_EIO, "%s: HDF5 cannot be loaded: %s", path,
                             dlerror());
        TERN_TRY(check_version(library, path));
        TERN_TRY(fill(library, path));
        loaded = true;
    }
    tern_hdf5.Eset_auto2(H5E_DEFAULT, NULL, NULL); /* a thread's own, in some builds */
    return TERN_OK;
}
