/* text_check.h - files that are certainly not texts, by how they begin.
 *
 * Tokenizers take any bytes, so a damaged dataset would make a fine corpus of noise. */
#ifndef TERN_DATA_TEXT_CHECK_H
#define TERN_DATA_TEXT_CHECK_H

#include "base/status.h"

typedef enum tern_file_kind {
    TERN_FILE_OTHER, /* a text, for all that can be seen; also one that is not there */
    TERN_FILE_TERN,  /* a dataset or checkpoint of tern, or what damage left of one */
    TERN_FILE_HDF5,  /* HDF5 of somebody else */
    TERN_FILE_GGUF
} tern_file_kind;

/* From the first 520 bytes. A tern file is known by its magic, by the line after it, or
 * by the HDF5 signature behind its user block: one of them is left after any one piece
 * of damage. */
tern_file_kind tern_file_kind_of(const char *path);

/* TERN_EFORMAT if this is no text: names the file, what it is, and what to do. A file
 * that cannot be read is TERN_OK: whoever reads it says why. */
tern_status tern_text_check(const char *path);

#endif /* TERN_DATA_TEXT_CHECK_H */
