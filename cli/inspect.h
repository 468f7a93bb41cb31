/* inspect.h - each kind of file described as one JSON document (inside cli/). */
#ifndef TERN_CLI_INSPECT_H
#define TERN_CLI_INSPECT_H

#include <jansson.h>

#include "base/status.h"

/* New references. Common keys: file, kind ("gguf", "checkpoint", "dataset"). Tensors:
 * name, type, shape, bytes, and for ternary ones the scale gamma and the fractions
 * minus, zero, plus. */
tern_status tern_inspect_gguf(const char *path, json_t **out);
tern_status tern_inspect_checkpoint(const char *path, json_t **out);
tern_status tern_inspect_dataset(const char *path, json_t **out);

#endif /* TERN_CLI_INSPECT_H */
