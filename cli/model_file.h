/* model_file.h - an exported model that reads and writes text (inside cli/). */
#ifndef TERN_CLI_MODEL_FILE_H
#define TERN_CLI_MODEL_FILE_H

#include "runtime/runtime.h"

/* Open a GGUF file, and the tokenizer in it. A run directory or checkpoint gets a
 * message that says to export. tern_runtime_free(). */
tern_status tern_model_file_open(const char *path, tern_runtime **out);

#endif /* TERN_CLI_MODEL_FILE_H */
