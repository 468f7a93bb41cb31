/* llama2c.c - see llama2c.h. */
#include "formats/llama2c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"

enum { V0_HEADER = 28, V1_HEADER = 256, V1_FLAG = 36, NUMBERS = 7 };
static const uint32_t MAGIC = 0x616b3432;

typedef struct block {
    uint64_t at; /* in floats from the first */
    int64_t rows, cols;
} block;

struct tern_llama2c {
    tern_map map; /* data NULL where the bytes are borrowed */
    const uint8_t *floats;
    tern_spec spec;
    block blocks[TERN_L2C_TENSORS]; /* of the first layer */
};

static uint32_t word(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* --- the header --- */

static bool is_v1(const uint8_t *data, size_t bytes)
{
    return bytes >= 8 && word(data) == MAGIC;
}

static tern_status check_version(const uint8_t *data, size_t bytes)
{
    const size_t header = is_v1(data, bytes) ? V1_HEADER : V0_HEADER;
    if (bytes < header)
        return tern_fail(TERN_EFORMAT,
                         "has %zu bytes, the header of a llama2.c file alone has %zu",
                         bytes, header);
    if (header == V1_HEADER && word(data + 4) != 1)
        return tern_fail(TERN_EFORMAT,
                         "is a llama2.c file of version %" PRIu32
                         "; tern reads 0 and 1, whose weights are float32",
                         word(data + 4));
    return TERN_OK;
}

static tern_status read_spec(const uint8_t *data, bool v1, tern_spec *s)
{
    int64_t n[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) n[i] = (int32_t)word(data + (v1 ? 8 : 0) + 4 * i);
    if (n[3] < 1 || n[0] % n[3] != 0)
        return tern_fail(TERN_EFORMAT,
                         "is no llama2.c file: a width of %" PRId64 " and %" PRId64
                         " heads do not go together",
                         n[0], n[3]);
    *s = (tern_spec){.arch = TERN_ARCH_LLAMA,
                     .quant = TERN_QUANT_NONE,
                     .activation = TERN_SILU,
                     .embed = TERN_EMBED_F32,
                     .tied = v1 ? data[V1_FLAG] != 0 : n[5] > 0,
                     .vocab = !v1 && n[5] < 0 ? -n[5] : n[5],
                     .width = n[0],
                     .layers = n[2],
                     .heads = n[3],
                     .kv_heads = n[4],
                     .head_dim = n[0] / n[3],
                     .ffn = n[1],
                     .context = n[6],
                     .rope_theta = 10000.0f,
                     .norm_eps = 1e-5f};
    return tern_spec_check(s, "is no llama2.c file");
}

/* --- where the tensors are --- */

static void set_shapes(tern_llama2c *f)
{
    const tern_spec *s = &f->spec;
    const int64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    const block shapes[TERN_L2C_TENSORS] = {
        [TERN_L2C_EMBED] = {0, s->vocab, s->width},
        [TERN_L2C_ATTN_NORM] = {0, 1, s->width},
        [TERN_L2C_WQ] = {0, q, s->width},
        [TERN_L2C_WK] = {0, kv, s->width},
        [TERN_L2C_WV] = {0, kv, s->width},
        [TERN_L2C_WO] = {0, s->width, q},
        [TERN_L2C_FFN_NORM] = {0, 1, s->width},
        [TERN_L2C_W1] = {0, s->ffn, s->width},
        [TERN_L2C_W2] = {0, s->width, s->ffn},
        [TERN_L2C_W3] = {0, s->ffn, s->width},
        [TERN_L2C_NORM] = {0, 1, s->width},
        [TERN_L2C_HEAD] = {0, s->tied ? 0 : s->vocab, s->width},
    };
    memcpy(f->blocks, shapes, sizeof shapes);
}

static bool once(int tensor)
{
    return tensor == TERN_L2C_EMBED || tensor == TERN_L2C_NORM ||
           tensor == TERN_L2C_HEAD;
}

/* Lay the tensors out in the order of the version; returns the floats of the file. No
 * sum overflows: tern_spec_check() has bounded all parameters by 2^40. */
static uint64_t lay_out(tern_llama2c *f, bool v1)
{
    static const unsigned char order[2][TERN_L2C_TENSORS] = {
        {TERN_L2C_EMBED, TERN_L2C_ATTN_NORM, TERN_L2C_WQ, TERN_L2C_WK, TERN_L2C_WV,
         TERN_L2C_WO, TERN_L2C_FFN_NORM, TERN_L2C_W1, TERN_L2C_W2, TERN_L2C_W3,
         TERN_L2C_NORM, TERN_L2C_HEAD},
        {TERN_L2C_ATTN_NORM, TERN_L2C_FFN_NORM, TERN_L2C_NORM, TERN_L2C_EMBED,
         TERN_L2C_WQ, TERN_L2C_WK, TERN_L2C_WV, TERN_L2C_WO, TERN_L2C_W1, TERN_L2C_W2,
         TERN_L2C_W3, TERN_L2C_HEAD}};
    const tern_spec *s = &f->spec;
    uint64_t at = 0;
    for (int i = 0; i < TERN_L2C_TENSORS; i++) {
        const int tensor = order[v1][i];
        block *b = &f->blocks[tensor];
        if (tensor == TERN_L2C_HEAD && !v1) /* the rotary tables are not needed */
            at += (uint64_t)(s->context * s->head_dim);
        b->at = at;
        at += (uint64_t)((once(tensor) ? 1 : s->layers) * b->rows * b->cols);
    }
    return at;
}

static tern_status settle(const uint8_t *data, size_t bytes, tern_llama2c *f)
{
    TERN_TRY(check_version(data, bytes));
    const bool v1 = is_v1(data, bytes);
    const size_t header = v1 ? V1_HEADER : V0_HEADER;
    TERN_TRY(read_spec(data, v1, &f->spec));
    set_shapes(f);
    const uint64_t want = header + 4 * lay_out(f, v1);
    if (want != bytes)
        return tern_fail(TERN_EFORMAT,
                         "has %zu bytes; a llama2.c file of this header has %" PRIu64,
                         bytes, want);
    f->floats = data + header;
    return TERN_OK;
}

tern_status tern_llama2c_parse(const uint8_t *data, size_t bytes, const char *name,
                               tern_llama2c **out)
{
    tern_llama2c *f = calloc(1, sizeof *f);
    if (!f) return tern_fail(TERN_EMEM, "%s: out of memory", name);
    const tern_status s = settle(data, bytes, f);
    if (s != TERN_OK) {
        free(f);
        return tern_fail_in(s == TERN_EARG ? TERN_EFORMAT : s, name);
    }
    *out = f;
    return TERN_OK;
}

tern_status tern_llama2c_open(const char *path, tern_llama2c **out)
{
    tern_map map;
    TERN_TRY(tern_map_open(path, &map));
    const tern_status s = tern_llama2c_parse(map.data, map.bytes, path, out);
    if (s == TERN_OK)
        (*out)->map = map;
    else
        tern_map_close(&map);
    return s;
}

void tern_llama2c_close(tern_llama2c *f)
{
    if (!f) return;
    tern_map_close(&f->map);
    free(f);
}

const tern_spec *tern_llama2c_spec(const tern_llama2c *f)
{
    return &f->spec;
}

void tern_llama2c_row(const tern_llama2c *f, tern_llama2c_tensor tensor, int64_t layer,
                      int64_t row, float *out)
{
    const block *b = &f->blocks[tensor];
    const bool rotary = tensor == TERN_L2C_WQ || tensor == TERN_L2C_WK;
    const size_t head = rotary ? (size_t)f->spec.head_dim : 0;
    /* Theirs of ours is the inverse of what the exporter asks. */
    const size_t in_head = head ? (size_t)row % head : 0;
    const size_t theirs = (size_t)row - in_head +
                          (head ? in_head % (head / 2) * 2 + in_head / (head / 2) : 0);
    const uint64_t from = b->at + (uint64_t)(layer * b->rows * b->cols) +
                          (uint64_t)theirs * (uint64_t)b->cols;
    const uint8_t *p = f->floats + 4 * from;
    for (int64_t i = 0; i < b->cols; i++)
        out[i] = tern_float_from_bits(word(p + 4 * i));
}
