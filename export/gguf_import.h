/* gguf_import.h - a GGUF file as a model that training can go on with. */
#ifndef TERN_EXPORT_GGUF_IMPORT_H
#define TERN_EXPORT_GGUF_IMPORT_H

#include "layers/model.h"
#include "runtime/runtime.h"
#include "train/config.h"

/* What the import has met, for the report. */
typedef struct tern_gguf_notes {
    int64_t ternary;        /* matrices that came as codes */
    int64_t scales_rounded; /* of them: whose scale fp16 cannot hold */
} tern_gguf_notes;

/* The file's own config (tern.config, of tern's files), or else the defaults, with the
 * model's dimensions and `sets` on top ("model.context=512"). */
tern_status tern_gguf_import_config(const tern_runtime *r, const char *const *sets,
                                    size_t count, tern_config *out);

/* tern_gguf_import_model() - the weights as a model of `spec`, which is the runtime's
 * but for quant, embed and context. Numbers become masters bit for bit. Codes become
 * gamma * t where spec is float, and where it is ternary masters from which the
 * quantiser gets the same codes and the same gamma: t * gamma / density, since the mean
 * magnitude of gamma * t alone would be too small by the share of zeros. TERN_ESHAPE: a
 * dimension differs; TERN_ENUMERIC: a weight is no number, or none that fp16 holds. */
tern_status tern_gguf_import_model(const tern_runtime *r, const tern_spec *spec,
                                   tern_gguf_notes *notes, tern_model **out);

#endif /* TERN_EXPORT_GGUF_IMPORT_H */
