/* hf_tensor.h - one parameter to its tensors in a Hugging Face checkpoint, and back. */
#ifndef TERN_EXPORT_HF_TENSOR_H
#define TERN_EXPORT_HF_TENSOR_H

#include "autograd/param.h"
#include "export/hf_config.h"
#include "export/names.h"
#include "formats/safetensors.h"

/* A packed matrix has two tensors, this name's and weight_scale (1). */
enum { TERN_HF_SCALE_NAME = TERN_HF_NAME + 8 };
void tern_hf_scale_name(const char *weight, char out[TERN_HF_SCALE_NAME]);

/* tern_hf_pack() - the codes of w, whose rows are a multiple of 4, as transformers
 * packs them: byte (r, c) holds the codes u = t + 1 of rows r, R + r, 2R + r, 3R + r of
 * column c, from the low bits up, R = rows / 4. trits: scratch for one row. out  out
 * (R, cols) */
void tern_hf_pack(const tern_ternary *w, int8_t *trits, uint8_t *out);

/* What reading a checkpoint has met, for the report. */
typedef struct tern_hf_notes {
    int64_t packed;         /* matrices that came as codes */
    int64_t scales_rounded; /* of them: whose scale fp16 cannot hold */
} tern_hf_notes;

/* The tensor that is parameter `ours`, or NULL. */
const tern_st_tensor *tern_hf_find(const tern_safetensors *f, const char *ours);

/* tern_hf_read_param() - fill the master of p (named as in layers/model.h) from the
 * files; refreshing it is up to the caller. Codes become gamma * t where p is float,
 * and where p is ternary a master from which the quantiser gets the same codes and the
 * same gamma: t * gamma / density, since the mean magnitude of gamma * t alone would be
 * too small by the share of zeros. TERN_EFORMAT names the tensor that is missing or has
 * another type, TERN_ESHAPE another shape, TERN_ECORRUPT codes or numbers that cannot
 * be. */
tern_status tern_hf_read_param(const tern_safetensors *f, tern_hf_linear linear,
                               tern_param *p, tern_hf_notes *notes);

#endif /* TERN_EXPORT_HF_TENSOR_H */
