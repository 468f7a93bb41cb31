/* llama2c_import.h - a weight file of llama2.c as a tern model. */
#ifndef TERN_EXPORT_LLAMA2C_IMPORT_H
#define TERN_EXPORT_LLAMA2C_IMPORT_H

#include "formats/llama2c.h"
#include "layers/model.h"

/* The weights as a model of `spec`, which is the file's but for quant and embed; with
 * the file's own it computes what llama2.c does. TERN_ESHAPE: another arch.
 * TERN_ENUMERIC names a parameter that is not finite. */
tern_status tern_llama2c_model(const tern_llama2c *f, const tern_spec *spec,
                               tern_model **out);

#endif /* TERN_EXPORT_LLAMA2C_IMPORT_H */
