/* llama2c_import.h - from a weight file of llama2.c to a run that tern can go on with.
 */
#ifndef TERN_EXPORT_LLAMA2C_IMPORT_H
#define TERN_EXPORT_LLAMA2C_IMPORT_H

#include "base/file.h"
#include "data/tokenizer.h"
#include "formats/llama2c.h"
#include "layers/model.h"

/* The weights as a model of `spec`, which is the file's but for quant and embed. */
tern_status tern_llama2c_model(const tern_llama2c *f, const tern_spec *spec,
                               tern_model **out);

/* tern_import_llama2c() - the weights of `file` as an untrained run's checkpoint of
 * step 0 in the directory `dir` (created), whose name goes to `checkpoint`; the run's
 * model is arch llama, quant none, embed f32, and computes what llama2.c does. The
 * tokenizer (may be NULL) must fit the vocabulary. TERN_EARG: `dir` already holds a
 * run. */
tern_status tern_import_llama2c(const char *file, const tern_tokenizer *tokenizer,
                                const char *dir, char checkpoint[TERN_PATH_MAX]);

#endif /* TERN_EXPORT_LLAMA2C_IMPORT_H */
