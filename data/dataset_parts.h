/* dataset_parts.h - what dataset.c and dataset_build.c share; nobody else includes it.
 */
#ifndef TERN_DATA_DATASET_PARTS_H
#define TERN_DATA_DATASET_PARTS_H

#include "data/dataset.h"
#include "data/h5file.h"

#define TERN_DATASET_KIND "dataset"
enum { TERN_DATASET_VERSION = 1 };

struct tern_dataset {
    char *name;
    tern_tokenizer *tokenizer;
    tern_h5_type type; /* of the ids: U16 or U32 */
    struct {
        int64_t tokens, bytes;
        void *ids; /* NULL if they stay in the file */
    } part[2];     /* by tern_split */
    double entropy;
    uint64_t fingerprint;
    char *sources; /* NULL if it was never in a file */
    tern_h5 *file; /* NULL if the ids are in memory */
};

static inline tern_h5_type tern_dataset_type(const tern_tokenizer *t)
{
    return tern_tokenizer_vocab(t) <= 65536 ? TERN_H5_U16 : TERN_H5_U32;
}

static inline const char *tern_split_name(tern_split s)
{
    return s == TERN_TRAIN ? "train" : "val";
}

static inline const char *tern_split_array(tern_split s)
{
    return s == TERN_TRAIN ? "train/tokens" : "val/tokens";
}

#endif /* TERN_DATA_DATASET_PARTS_H */
