/* gguf_export.h - a trained model as a GGUF file that tern and llama.cpp run. */
#ifndef TERN_EXPORT_GGUF_EXPORT_H
#define TERN_EXPORT_GGUF_EXPORT_H

#include "formats/gguf.h"
#include "train/checkpoint.h"

typedef struct tern_export_options {
    /* TERN_EXPORT_AUTO or the type of the linear layers: TQ2_0, TQ1_0, Q2_0, F16; of
     * the float twin F32, F16 and, rounded, Q8_0, Q6_K, Q4_0 */
    int type;
    int embed; /* TERN_EXPORT_AUTO or that of embedding and head: F16, Q8_0, Q6_K, Q4_0,
                * F32 */
    const char *name; /* general.name; NULL: the output's file name */
    const char *chat; /* tokenizer.chat_template, UTF-8; NULL: none */
    /* May be NULL: sees the finished file before it gets its name; unless it returns
     * TERN_OK, what stood there before stays. */
    tern_gguf_check check;
    void *user;
} tern_export_options;

/* The smallest type that loses nothing. Ternary layers: TQ2_0 if 256 divides every row,
 * Q2_0 if 64 does, else F16; float layers F32. Embedding and head: as the model was
 * trained (model.embed), F16 or F32. */
enum { TERN_EXPORT_AUTO = -1 };

typedef struct tern_export_types {
    tern_ggml_type linear, embed;
} tern_export_types;

/* "tq2_0", "q8_0", ...; -1 if there is no such type. */
int tern_export_type(const char *name);

/* What AUTO means for this model; a type that cannot hold it is TERN_EARG. */
tern_status tern_export_choose(const tern_spec *s, const tern_export_options *options,
                               tern_export_types *out);

/* tern_export_gguf() - write `path`, whole or not at all. TERN_EARG says which
 * dimension does not fit the type and which type would. */
tern_status tern_export_gguf(tern_checkpoint *c, tern_model *model,
                             const tern_export_options *options, const char *path);

#endif /* TERN_EXPORT_GGUF_EXPORT_H */
