/* inspect_gguf.c - what is in a GGUF file. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inspect.h"
#include "formats/blocks.h"
#include "formats/gguf.h"

/* Longer texts (a tokenizer.json) are shown by their beginning. */
enum { WHOLE_TEXT = 16 << 10 };

/* Codes -1, 0, +1 of a ternary tensor, and its scale (NaN if rows have different ones,
 * as no file of tern has). false if it does not decode. */
static bool read_codes(const tern_gguf_tensor *t, int64_t counts[3], float *scale)
{
    const size_t cols = (size_t)t->dims[0];
    const size_t rows = t->bytes / tern_ggml_bytes(t->type, cols);
    const size_t row_bytes = t->bytes / rows;
    int8_t *codes = malloc(cols);
    bool good = codes != NULL;
    counts[0] = counts[1] = counts[2] = 0;
    *scale = 0.0f;
    for (size_t r = 0; good && r < rows; r++) {
        float row = 0.0f;
        good = tern_decode_trits(t->type, t->data + r * row_bytes, cols, codes, &row) ==
               TERN_OK;
        for (size_t k = 0; good && k < cols; k++) counts[codes[k] + 1]++;
        if (row == 0.0f) continue; /* all of the row is zero */
        *scale = *scale == 0.0f || *scale == row ? row : (float)NAN;
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
    float scale;
    if (tern_ggml_is_ternary(t->type) && t->bytes && read_codes(t, counts, &scale)) {
        const double n = (double)(counts[0] + counts[1] + counts[2]);
        json_object_set_new(o, "gamma", tern_json_number((double)scale));
        json_object_set_new(o, "minus", json_real((double)counts[0] / n));
        json_object_set_new(o, "zero", json_real((double)counts[1] / n));
        json_object_set_new(o, "plus", json_real((double)counts[2] / n));
    }
    return o;
}

/* A float32 as people wrote it: 1e-05, not 9.99999974738e-06. */
static double shortest(double v)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if ((float)strtod(text, NULL) == (float)v) break;
    }
    return strtod(text, NULL);
}

static json_t *describe_text(const tern_gguf *g, size_t i, const char *key)
{
    char text[128];
    tern_gguf_string s;
    if (tern_gguf_get_string(g, key, &s) == TERN_OK && s.bytes <= WHOLE_TEXT)
        return tern_json_bytes(s.data, s.bytes);
    tern_gguf_key_print(g, i, text, sizeof text);
    return tern_json_text(text);
}

static json_t *describe_value(const tern_gguf *g, size_t i, const char *key)
{
    char text[4096];
    int64_t whole;
    double real;
    bool yes;
    switch (tern_gguf_key_type(g, i)) {
    case TERN_GGUF_STRING:
        return describe_text(g, i, key);
    case TERN_GGUF_BOOL:
        if (tern_gguf_get_bool(g, key, &yes) == TERN_OK) return json_boolean(yes);
        break;
    case TERN_GGUF_F32:
        if (tern_gguf_get_float(g, key, &real) == TERN_OK && isfinite(real))
            return json_real(shortest(real));
        break;
    case TERN_GGUF_F64:
        if (tern_gguf_get_float(g, key, &real) == TERN_OK && isfinite(real))
            return json_real(real);
        break;
    case TERN_GGUF_ARRAY:
        break;
    default: /* an integer; one above 2^63 is shown as text */
        if (tern_gguf_get_int(g, key, &whole) == TERN_OK)
            return json_integer((json_int_t)whole);
    }
    tern_gguf_key_print(g, i, text, sizeof text);
    return tern_json_text(text);
}

static json_t *describe_keys(const tern_gguf *g)
{
    json_t *keys = json_object();
    for (size_t i = 0; i < tern_gguf_key_count(g); i++) {
        const tern_gguf_string s = tern_gguf_key_name(g, i);
        char *name = strndup(s.data, s.bytes);
        json_t *shown = tern_json_text(name ? name : "");
        if (name && json_is_string(shown))
            json_object_set_new(keys, json_string_value(shown),
                                describe_value(g, i, name));
        json_decref(shown);
        free(name);
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
        parameters += t->elements;
        bytes += (int64_t)t->bytes;
    }
    *out =
        json_pack("{s:o, s:s, s:I, s:I, s:o, s:o}", "file", tern_json_text(path),
                  "kind", "gguf", "parameters", (json_int_t)parameters, "tensor_bytes",
                  (json_int_t)bytes, "keys", describe_keys(g), "tensors", tensors);
    tern_gguf_close(g);
    return *out ? TERN_OK : tern_fail(TERN_EMEM, "out of memory");
}
