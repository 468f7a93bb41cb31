/* hf_parity.h - is the directory the model? (inside export/) */
#ifndef TERN_EXPORT_HF_PARITY_H
#define TERN_EXPORT_HF_PARITY_H

#include "export/hf_config.h"
#include "export/hf_export.h"

/* Read the tensors of `dir` again, one after the other, and quantise as transformers
 * does, in double. TERN_ECORRUPT if packed codes or scales are not the model's. */
tern_status tern_hf_compare(tern_model *model, tern_hf_linear linear, const char *dir,
                            tern_hf_parity *out);

#endif /* TERN_EXPORT_HF_PARITY_H */
