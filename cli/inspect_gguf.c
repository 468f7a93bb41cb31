/* inspect_gguf.c - what is in a GGUF file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inspect.h"
#include "formats/blocks.h"
#include "formats/gguf.h"

enum { SHOWN_VALUE = 72 };

/* Codes -1, 0, +1 of a ternary tensor. false if it does not decode. */
static bool count_codes(const tern_gguf_tensor *t, int64_t counts[3])
{
    const size_t cols = (size_t)t->dims[0];
    const size_t rows = t->bytes / tern_ggml_bytes(t->type, cols);
    const size_t row_bytes = t->bytes / rows;
    int8_t *codes = malloc(cols);
    bool good = codes != NULL;
    counts[0] = counts[1] = counts[2] = 0;
    for (size_t r = 0; good && r < rows; r++) {
        float scale;
        good = tern_decode_trits(t->type, t->data + r * row_bytes, cols, codes,
                                 &scale) == TERN_OK;
        for (size_t k = 0; good && k < cols; k++) counts[codes[k] + 1]++;
    }
    free(codes);
    return good;
}

static json_t *describe_tensor(const tern_gguf_tensor *t)
{
    json_t *shape = json_array();
    for (uint32_t d = t->dims_count; d-- > 0;)
        json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
    json_t *o = json_pack("{s:o, s:s, s:o, s:I}", "name", tern_json_text(t->name),
                          "type", tern_ggml_name(t->type), "shape", shape, "bytes",
                          (json_int_t)t->bytes);
    int64_t counts[3];
    if (tern_ggml_is_ternary(t->type) && t->bytes && count_codes(t, counts)) {
        const double n = (double)(counts[0] + counts[1] + counts[2]);
        json_object_set_new(o, "minus", json_real((double)counts[0] / n));
        json_object_set_new(o, "zero", json_real((double)counts[1] / n));
        json_object_set_new(o, "plus", json_real((double)counts[2] / n));
    }
    return o;
}

static json_t *describe_keys(const tern_gguf *g)
{
    json_t *keys = json_object();
    for (size_t i = 0; i < tern_gguf_key_count(g); i++) {
        char text[4096], name[256];
        const tern_gguf_string key = tern_gguf_key_name(g, i);
        snprintf(name, sizeof name, "%.*s", (int)key.bytes, key.data);
        tern_gguf_key_print(g, i, text, sizeof text);
        json_t *value = json_string(text);
        json_object_set_new(keys, name, value ? value : json_null());
    }
    return keys;
}

tern_status tern_inspect_gguf(const char *path, json_t **out)
{
    tern_gguf *g;
    TERN_TRY(tern_gguf_open(path, &g));
    json_t *tensors = json_array();
    int64_t parameters = 0, bytes = 0;
    for (size_t i = 0; i < tern_gguf_tensor_count(g); i++) {
        const tern_gguf_tensor *t = tern_gguf_tensor_at(g, i);
        json_array_append_new(tensors, describe_tensor(t));
        parameters += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        bytes += (int64_t)t->bytes;
    }
    *out =
        json_pack("{s:o, s:s, s:I, s:I, s:o, s:o}", "file", tern_json_text(path),
                  "kind", "gguf", "parameters", (json_int_t)parameters, "tensor_bytes",
                  (json_int_t)bytes, "keys", describe_keys(g), "tensors", tensors);
    tern_gguf_close(g);
    return *out ? TERN_OK : tern_fail(TERN_EMEM, "out of memory");
}
