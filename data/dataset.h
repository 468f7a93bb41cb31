/* dataset.h - tokens on disk: one HDF5 file with everything a run needs to know.
 *
 *     /train/tokens   uint16 or uint32 [n]   chunked, deflate+shuffle optional
 *     /val/tokens     the same type    [m]
 *     attributes of / : format "tern-dataset", version, tokenizer (tokenizer.json),
 *                       tokenizer_name, train_bytes, val_bytes (UTF-8 bytes that these
 *                       tokens came from), sources, entropy (nats per byte, if known)
 *
 * The file begins with a 512-byte HDF5 user block that holds a checksum (XXH3-128) of
 * everything after it, so a damaged file is refused before HDF5 parses it. h5py, h5dump
 * and MATLAB read such files as they are. The last val_fraction of each source file,
 * cut at a token, is the validation split.
 */
#ifndef TERN_DATA_DATASET_H
#define TERN_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tokenizer.h"

typedef enum tern_split { TERN_TRAIN, TERN_VAL } tern_split;

typedef struct tern_dataset tern_dataset;

/* What to build a dataset from. */
typedef struct tern_dataset_recipe {
    const char *const *paths; /* text files, any size */
    size_t count;
    const tern_tokenizer *tokenizer; /* borrowed */
    double val_fraction;             /* 0 <= f < 1 */
    double entropy; /* nats per byte of the source, if it is known (tales); else 0 */
    void (*progress)(double fraction, void *user); /* may be NULL */
    void *user;
} tern_dataset_recipe;

/* tern_dataset_build() - tokenise files into `path`, atomically, in bounded memory.
 * An empty source, or a val fraction that leaves a split without a token, is an error.
 */
tern_status tern_dataset_build(const tern_dataset_recipe *r, const char *path);

/* The same, in memory only: for `tern train --data corpus.txt` and for tests. */
tern_status tern_dataset_build_memory(const tern_dataset_recipe *r, tern_dataset **out);

/* tern_dataset_open() - verify the checksum, then map the tokens into memory (datasets
 * above 2 GiB of tokens are read window by window). Names the file and the cure. */
tern_status tern_dataset_open(const char *path, tern_dataset **out);
void tern_dataset_free(tern_dataset *d);

int64_t tern_dataset_tokens(const tern_dataset *d, tern_split s);
int64_t tern_dataset_bytes(const tern_dataset *d,
                           tern_split s); /* of the source text */
double tern_dataset_entropy(const tern_dataset *d);
const tern_tokenizer *tern_dataset_tokenizer(const tern_dataset *d); /* borrowed */

/* A fingerprint of tokens and tokenizer (XXH3-64), which checkpoints remember. */
uint64_t tern_dataset_fingerprint(const tern_dataset *d);

/* tokens [start, start + count) of a split into out; the range must be inside. */
tern_status tern_dataset_read(const tern_dataset *d, tern_split s, int64_t start,
                              int64_t count, int32_t *out);

/* Is this file a tern dataset / checkpoint (by its user block)? For `tern inspect`. */
bool tern_is_dataset(const char *path);

#endif /* TERN_DATA_DATASET_H */
