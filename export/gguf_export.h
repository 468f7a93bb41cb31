/* gguf_export.h - a trained model as a GGUF file that tern and llama.cpp run. */
#ifndef TERN_EXPORT_GGUF_EXPORT_H
#define TERN_EXPORT_GGUF_EXPORT_H

#include "formats/gguf.h"
#include "train/checkpoint.h"

typedef struct tern_export_options {
    /* TERN_EXPORT_AUTO or the type of the linear layers: TQ2_0, TQ1_0, Q2_0, F16 (F32
     * for the float twin too) */
    int type;
    tern_ggml_type embed; /* F16, Q8_0 or F32, of embedding and head */
    const char *name;     /* general.name; NULL: the output's file name */
} tern_export_options;

/* The densest type that the shape allows: TQ2_0 if 256 divides every row, Q2_0 if 64
 * does, else F16. */
enum { TERN_EXPORT_AUTO = -1 };

/* "tq2_0", "q8_0", ...; -1 if there is no such type. */
int tern_export_type(const char *name);

/* tern_export_gguf() - write `path`, whole or not at all. TERN_EARG says which
 * dimension does not fit the type and which type would. *chosen gets the type of the
 * layers. */
tern_status tern_export_gguf(tern_checkpoint *c, tern_model *model,
                             const tern_export_options *options, const char *path,
                             tern_ggml_type *chosen);

#endif /* TERN_EXPORT_GGUF_EXPORT_H */
