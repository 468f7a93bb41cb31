/* hf_import.h - a Hugging Face checkpoint as a tern model.
 *
 * What comes in: a directory with config.json and model.safetensors (or shards), F32,
 * F16 or BF16, or packed BitNet layers. Float layers become masters bit for bit; packed
 * ones masters with the same codes and scale (hf_tensor.h).
 */
#ifndef TERN_EXPORT_HF_IMPORT_H
#define TERN_EXPORT_HF_IMPORT_H

#include "export/hf_config.h"
#include "export/hf_tensor.h"
#include "layers/model.h"

typedef struct tern_hf_import {
    tern_spec spec; /* what the checkpoint is: embed F16 where fp16 holds all of it */
    tern_hf_linear linear;
    tern_safetensors *file;
    tern_hf_notes notes; /* filled in by _model */
} tern_hf_import;

/* Read config.json and map the tensors. TERN_EFORMAT names what tern cannot represent.
 * Close after success. */
tern_status tern_hf_import_open(const char *dir, tern_hf_import *out);
void tern_hf_import_close(tern_hf_import *i);

/* tern_hf_import_model() - the weights as a model of `spec`, which is i->spec but for
 * quant (a float model becomes ternary, or the other way round), embed, and arch: norms
 * that arch bitnet has and the checkpoint has not get gains of 1. A tensor of the
 * checkpoint that has no place in the model is TERN_EFORMAT, a shape that differs
 * TERN_ESHAPE. */
tern_status tern_hf_import_model(tern_hf_import *i, const tern_spec *spec,
                                 tern_model **out);

#endif /* TERN_EXPORT_HF_IMPORT_H */
