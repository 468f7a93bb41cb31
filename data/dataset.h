/* dataset.h - tokens on disk: one HDF5 file with everything a run needs to know.
 *
 *     /train/tokens   uint16, or uint32 where the vocabulary is above 65536 [n]
 *     /val/tokens     the same type [m]
 *     attributes of / : format "tern-dataset", version, tokenizer (tokenizer.json),
 *                       tokenizer_name, vocab, train_bytes, val_bytes (bytes of the
 * text that these tokens came from), sources (one name per line), fingerprint, entropy
 * (nats per byte, if known)
 *
 * The file begins with a user block that holds a checksum of the rest (h5file.h), so a
 * damaged file is refused before HDF5 parses it; h5py, h5dump and MATLAB read it as it
 * is. The last val_fraction of each source file, cut at a token, is the validation
 * split. Special texts (<|endoftext|>) in the sources become their ids.
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
    double val_fraction;             /* 0 <= f < 1; 0: no validation split */
    double entropy; /* nats per byte of the sources; 0: from their notes (corpus.h), if
                       all of them have one */
    size_t piece;   /* bytes read at once; 0: TERN_CORPUS_PIECE */
    void (*progress)(double fraction, void *user); /* may be NULL */
    void *user;
} tern_dataset_recipe;

/* tern_dataset_build() - tokenise files into `path`, atomically, in bounded memory; the
 * result does not depend on `piece`. Errors name the file and the cure: TERN_EIO,
 * TERN_EFORMAT (an empty source, a character that the tokenizer does not know),
 * TERN_EARG (val_fraction outside its range, or it leaves a split without a token). */
tern_status tern_dataset_build(const tern_dataset_recipe *r, const char *path);

/* The same, in memory only: for `tern eval run --data corpus.txt` and for tests. */
tern_status tern_dataset_build_memory(const tern_dataset_recipe *r, tern_dataset **out);

/* tern_dataset_open() - verify the checksum, then read the tokens into memory; of files
 * that hold more than 2 GiB of tokens each window is read when it is asked for. Names
 * the file and the cure. tern_dataset_open_within() sets another limit, in bytes: 0 for
 * those who only want to know what is inside. */
tern_status tern_dataset_open(const char *path, tern_dataset **out);
tern_status tern_dataset_open_within(const char *path, int64_t limit,
                                     tern_dataset **out);
void tern_dataset_free(tern_dataset *d);

int64_t tern_dataset_tokens(const tern_dataset *d, tern_split s);
int64_t tern_dataset_bytes(const tern_dataset *d,
                           tern_split s); /* of the source text */
double tern_dataset_entropy(const tern_dataset *d);
const tern_tokenizer *tern_dataset_tokenizer(const tern_dataset *d); /* borrowed */

/* A fingerprint of tokens and tokenizer (XXH3-64), which checkpoints remember. */
uint64_t tern_dataset_fingerprint(const tern_dataset *d);

/* tokens [start, start + count) of a split into out; TERN_EARG if that is not inside,
 * TERN_ECORRUPT if an id is not in the vocabulary. One thread at a time. */
tern_status tern_dataset_read(const tern_dataset *d, tern_split s, int64_t start,
                              int64_t count, int32_t *out);

/* The files it was built from, one per line; "" if unknown. Borrowed. */
const char *tern_dataset_sources(const tern_dataset *d);

/* Where it came from: the file, or "memory". For messages; borrowed. */
const char *tern_dataset_name(const tern_dataset *d);

/* Is this file a tern dataset (by its user block)? For other kinds see tern_h5_peek. */
bool tern_is_dataset(const char *path);

/* Where a dataset or a text may be given: which of them it is. A damaged dataset, a
 * checkpoint, a model and other HDF5 are neither, and are refused by name. */
tern_status tern_dataset_probe(const char *path, bool *is_dataset);

#endif /* TERN_DATA_DATASET_H */
