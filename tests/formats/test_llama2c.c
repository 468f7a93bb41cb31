/* Files of llama2.c written here by hand, number by number; and files that lie. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "formats/llama2c.h"

enum { C = 8, F = 12, N = 2, H = 2, KV = 1, V = 5, T = 3, D = C / H };

typedef struct file {
    uint8_t bytes[1 << 15];
    size_t count;
    float next; /* every weight is a number of its own */
} file;

static void put_int(file *f, int32_t v)
{
    for (int i = 0; i < 4; i++) f->bytes[f->count++] = (uint8_t)((uint32_t)v >> 8 * i);
}

static void put_floats(file *f, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &f->next, 4);
        put_int(f, (int32_t)bits);
        f->next += 1.0f;
    }
}

static void put_numbers(file *f, int vocab)
{
    const int32_t n[7] = {C, F, N, H, KV, vocab, T};
    for (int i = 0; i < 7; i++) put_int(f, n[i]);
}

enum { MATRICES = N * (2 * C * C + 2 * KV * D * C + 3 * F * C), GAINS = 2 * N * C + C };

static file version0(bool tied)
{
    file f = {0};
    put_numbers(&f, tied ? V : -V);
    put_floats(&f, V * C + MATRICES + GAINS + T * D + (tied ? 0 : V * C));
    return f;
}

static file version1(void)
{
    file f = {0};
    put_int(&f, 0x616b3432);
    put_int(&f, 1);
    put_numbers(&f, V);
    f.bytes[f.count++] = 1;
    f.count = 256;
    put_floats(&f, GAINS + V * C + MATRICES);
    return f;
}

static float first(const tern_llama2c *f, tern_llama2c_tensor which, int layer, int row)
{
    float out[F > C ? F : C];
    tern_llama2c_row(f, which, layer, row, out);
    return out[0];
}

static tern_llama2c *parse(const file *f)
{
    tern_llama2c *out = NULL;
    cr_assert(eq(int, tern_llama2c_parse(f->bytes, f->count, "m.bin", &out), TERN_OK),
              "%s", tern_error_message());
    return out;
}

Test(llama2c, version_0)
{
    const file f = version0(false);
    tern_llama2c *l = parse(&f);
    const tern_spec *s = tern_llama2c_spec(l);
    cr_expect(s->width == C && s->ffn == F && s->layers == N && s->heads == H &&
              s->kv_heads == KV && s->vocab == V && s->context == T && !s->tied);
    float at = 0; /* the order of the format, once more */
    cr_expect(eq(flt, first(l, TERN_L2C_EMBED, 0, 2), at + 2 * C));
    at += V * C;
    cr_expect(eq(flt, first(l, TERN_L2C_ATTN_NORM, 1, 0), at + C));
    at += N * C;
    /* head of width 4: ours 0 1 2 3 are their rows 0 2 1 3 */
    static const int theirs[] = {0, 2, 1, 3, 4, 6, 5, 7};
    for (int r = 0; r < C; r++)
        cr_expect(eq(flt, first(l, TERN_L2C_WQ, 1, r), at + C * C + theirs[r] * C));
    at += N * C * C;
    for (int r = 0; r < KV * D; r++)
        cr_expect(eq(flt, first(l, TERN_L2C_WK, 0, r), at + theirs[r] * C));
    at += N * KV * D * C;
    cr_expect(eq(flt, first(l, TERN_L2C_WV, 0, 1), at + C), "v is not rotary");
    at += N * KV * D * C;
    cr_expect(eq(flt, first(l, TERN_L2C_WO, 0, 1), at + C));
    at += N * C * C;
    cr_expect(eq(flt, first(l, TERN_L2C_FFN_NORM, 0, 0), at));
    at += N * C;
    cr_expect(eq(flt, first(l, TERN_L2C_W1, 0, 3), at + 3 * C));
    at += N * F * C;
    cr_expect(eq(flt, first(l, TERN_L2C_W2, 0, 3), at + 3 * F));
    at += N * F * C;
    cr_expect(eq(flt, first(l, TERN_L2C_W3, 0, 3), at + 3 * C));
    at += N * F * C;
    cr_expect(eq(flt, first(l, TERN_L2C_NORM, 0, 0), at));
    cr_expect(eq(flt, first(l, TERN_L2C_HEAD, 0, 0), at + C + T * D));
    tern_llama2c_close(l);
}

Test(llama2c, version_1)
{
    const file f = version1();
    tern_llama2c *l = parse(&f);
    cr_expect(tern_llama2c_spec(l)->tied);
    cr_expect(eq(flt, first(l, TERN_L2C_ATTN_NORM, 0, 0), 0.0f));
    cr_expect(eq(flt, first(l, TERN_L2C_FFN_NORM, 0, 0), (float)(N * C)));
    cr_expect(eq(flt, first(l, TERN_L2C_NORM, 0, 0), (float)(2 * N * C)));
    cr_expect(eq(flt, first(l, TERN_L2C_EMBED, 0, 0), (float)GAINS));
    cr_expect(eq(flt, first(l, TERN_L2C_WQ, 0, 0), (float)(GAINS + V * C)));
    tern_llama2c_close(l);
}

static void refused(const file *f, size_t bytes, const char *says)
{
    tern_llama2c *out = NULL;
    cr_expect(
        eq(int, tern_llama2c_parse(f->bytes, bytes, "m.bin", &out), TERN_EFORMAT));
    const char *said = tern_error_message();
    cr_expect(strstr(said, "m.bin: ") == said && strstr(said, says),
              "\"%s\" lacks \"%s\"", said, says);
}

Test(llama2c, files_that_lie_are_refused)
{
    file f = version0(true);
    refused(&f, 27, "the header");
    refused(&f, f.count - 1, "a llama2.c file of this header has");
    refused(&f, f.count + 1, "a llama2.c file of this header has");
    for (int i = 0; i < 7; i++) { /* each number, impossible and enormous */
        static const int32_t lies[] = {0, -1, INT32_MAX, INT32_MIN, 1 << 20};
        for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
            file g = f;
            g.count = (size_t)(4 * i);
            put_int(&g, lies[k]);
            refused(&g, f.count, "llama2.c file");
        }
    }
    f = version1();
    f.bytes[4] = 2;
    refused(&f, f.count, "version 2");
    refused(&f, 200, "the header");
}
