/* model_file.h - an exported model with its tokenizer, and text as ids (inside cli/).
 */
#ifndef TERN_CLI_MODEL_FILE_H
#define TERN_CLI_MODEL_FILE_H

#include "data/tokenizer.h"
#include "runtime/runtime.h"

typedef struct tern_model_file {
    tern_runtime *runtime;
    tern_tokenizer *tokenizer; /* NULL if the file has none */
} tern_model_file;

/* Open a GGUF file. A run directory or checkpoint gets a message that says to export.
 */
tern_status tern_model_file_open(const char *path, bool need_tokenizer,
                                 tern_model_file *out);
void tern_model_file_close(tern_model_file *m);

/* A session that generates, however long the text grows: when its context is full it
 * goes on from the last half. */
typedef struct tern_writer {
    tern_session *session;
    int32_t *ids; /* everything so far, prompt included */
    int64_t count, capacity;
    int64_t start; /* the session holds ids[start ..] */
    float *logits; /* (V) after the last id */
    int64_t slides;
} tern_writer;

/* context 0: the model's. */
tern_status tern_writer_new(const tern_runtime *m, int64_t context, tern_writer *out);
void tern_writer_free(tern_writer *w);
/* Append ids and compute the logits after them. */
tern_status tern_writer_append(tern_writer *w, const int32_t *ids, int64_t count);

#endif /* TERN_CLI_MODEL_FILE_H */
