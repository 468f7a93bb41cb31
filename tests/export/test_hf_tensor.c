/* Packed layers: bytes worked out by hand, and masters that lose neither code nor scale
 * on the way through tern's quantiser. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "export/hf_tensor.h"
#include "kernels/cpu.h"
#include "tests/formats/craft_st.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

enum { ROWS = 8, COLS = 3 };

static const int8_t trits[ROWS * COLS] = {
    -1, 0, 1,  /* row 0: bits 0-1 of packed row 0 */
    0,  0, 0,  /* row 1: bits 0-1 of packed row 1 */
    1,  1, 1,  /* row 2: bits 2-3 of packed row 0 */
    -1, 1, 0,  /* row 3 */
    0,  0, 1,  /* row 4: bits 4-5 */
    0,  0, -1, /* row 5 */
    1,  0, 0,  /* row 6: bits 6-7 */
    1,  1, 1,
};
/* u = t + 1; byte = u0 | u2 << 2 | u4 << 4 | u6 << 6, and so on. */
static const uint8_t packed[2 * COLS] = {
    0 | 2 << 2 | 1 << 4 | 2 << 6, 1 | 2 << 2 | 1 << 4 | 1 << 6,
    2 | 2 << 2 | 2 << 4 | 1 << 6, 1 | 0 << 2 | 1 << 4 | 2 << 6,
    1 | 2 << 2 | 1 << 4 | 2 << 6, 1 | 1 << 2 | 0 << 4 | 2 << 6,
};

static tern_param *matrix(int64_t rows, int64_t cols, tern_form form)
{
    OK(tern_kernels_init());
    tern_param *p = tern_param_new("layers.0.ffn.up", rows, cols, form);
    cr_assert(p != NULL);
    return p;
}

Test(hf_tensor, bytes_by_hand)
{
    tern_param *p = matrix(ROWS, COLS, TERN_FORM_TERNARY);
    int8_t row[COLS];
    uint8_t out[2 * COLS];
    tern_ternary_from_codes(trits, &p->ternary);
    tern_hf_pack(&p->ternary, row, out);
    cr_expect(memcmp(out, packed, sizeof packed) == 0);
    tern_param_free(p);
}

/* A file with one packed matrix and its scale. */
static craft_st packed_file(const uint8_t *bytes, size_t rows, size_t cols, float scale)
{
    char header[512];
    const size_t n = rows * cols;
    snprintf(
        header, sizeof header,
        "{\"model.layers.0.mlp.up_proj.weight\":{\"dtype\":\"U8\",\"shape\":[%zu,"
        "%zu],\"data_offsets\":[4,%zu]},\"model.layers.0.mlp.up_proj.weight_scale\":"
        "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        rows, cols, n + 4);
    craft_st c = craft_st_file(header, n + 4);
    memcpy(c.data + c.bytes - n, bytes, n);
    memcpy(c.data + c.bytes - n - 4, &scale, 4);
    return c;
}

static void expect_codes(const tern_param *p, float gamma)
{
    cr_expect(eq(flt, p->ternary.scale, gamma));
    for (size_t r = 0; r < ROWS; r++) {
        int8_t row[COLS];
        tern_ternary_unpack_row(&p->ternary, r, row);
        cr_expect(memcmp(row, trits + r * COLS, COLS) == 0, "row %zu", r);
    }
}

/* The scale is gamma in one class and 1 / gamma in the other. */
Test(hf_tensor, codes_and_scale_come_back)
{
    const float gamma = tern_round_to_half(0.0371f);
    for (int inverse = 0; inverse < 2; inverse++) {
        const craft_st c = packed_file(packed, 2, COLS, inverse ? 1.0f / gamma : gamma);
        const tern_hf_linear l = inverse ? TERN_HF_BITLINEAR : TERN_HF_AUTOBITLINEAR;
        tern_safetensors *f;
        tern_hf_notes notes = {0};
        OK(craft_st_parse(c.data, c.bytes, &f));
        tern_param *p = matrix(ROWS, COLS, TERN_FORM_TERNARY);
        OK(tern_hf_read_param(f, l, p, &notes));
        OK(tern_param_refresh(p));
        expect_codes(p, gamma);
        cr_expect(eq(i64, notes.packed, 1));
        cr_expect(eq(i64, notes.scales_rounded, 0));
        tern_param_free(p);
        p = matrix(ROWS, COLS, TERN_FORM_FLOAT); /* a float model: gamma * t */
        OK(tern_hf_read_param(f, l, p, &notes));
        for (int i = 0; i < ROWS * COLS; i++)
            cr_expect(eq(flt, p->val[i], gamma * (float)trits[i]));
        tern_param_free(p);
        craft_st_close(f);
    }
}

/* Every density of nonzeros, every size of scale that fp16 has. */
Test(hf_tensor, masters_keep_any_scale)
{
    enum { N = 16 };
    for (uint64_t k = 0; k < 2000; k++) {
        uint8_t bytes[N];
        const uint64_t density = 1 + tern_rand_below(9, TERN_STREAM_TEST, k, 64);
        for (uint64_t i = 0; i < N; i++) {
            bytes[i] = 0;
            for (uint64_t j = 0; j < 4; j++) {
                const uint64_t r = tern_rand_below(k, TERN_STREAM_TEST, 4 * i + j, 64);
                bytes[i] |= (uint8_t)((r >= density ? 1 : r & 2) << 2 * j);
            }
        }
        bytes[0] &= 0xfc; /* one at least */
        const uint16_t half = (uint16_t)(0x00a9 + tern_rand_below(5, TERN_STREAM_TEST,
                                                                  k, 0x7bff - 0x00a9));
        const float gamma = tern_float_from_half(half);
        const craft_st c = packed_file(bytes, 4, 4, gamma);
        tern_safetensors *f;
        tern_hf_notes notes = {0};
        OK(craft_st_parse(c.data, c.bytes, &f));
        tern_param *p = matrix(16, 4, TERN_FORM_TERNARY);
        OK(tern_hf_read_param(f, TERN_HF_AUTOBITLINEAR, p, &notes));
        OK(tern_param_refresh(p));
        int8_t row[4];
        uint8_t again[N];
        tern_hf_pack(&p->ternary, row, again);
        cr_assert(eq(flt, p->ternary.scale, gamma), "density %d", (int)density);
        cr_assert(memcmp(again, bytes, N) == 0);
        tern_param_free(p);
        craft_st_close(f);
    }
}

static void expect_refused(const craft_st *c, int64_t rows, tern_hf_linear l,
                           const char *message)
{
    tern_safetensors *f;
    tern_hf_notes notes = {0};
    OK(craft_st_parse(c->data, c->bytes, &f));
    tern_param *p = matrix(rows, COLS, TERN_FORM_TERNARY);
    cr_expect(ne(int, tern_hf_read_param(f, l, p, &notes), TERN_OK));
    cr_expect(strstr(tern_error_message(), message) != NULL, "no \"%s\": %s", message,
              tern_error_message());
    tern_param_free(p);
    craft_st_close(f);
}

Test(hf_tensor, what_cannot_be_is_named)
{
    uint8_t wrong[2 * COLS];
    memcpy(wrong, packed, sizeof wrong);
    wrong[4] = 0x7f; /* u = 3 in bits 0-1: row 1, column 1 */
    craft_st c = packed_file(wrong, 2, COLS, 1.0f);
    expect_refused(&c, ROWS, TERN_HF_AUTOBITLINEAR, "row 1, column 1: code 3");
    c = packed_file(packed, 2, COLS, 0.0f);
    expect_refused(&c, ROWS, TERN_HF_AUTOBITLINEAR, "would make gamma 0");
    c = packed_file(packed, 2, COLS, 1e6f);
    expect_refused(&c, ROWS, TERN_HF_AUTOBITLINEAR, "would make gamma 1e+06");
    expect_refused(&c, ROWS, TERN_HF_BITLINEAR, "would make gamma 1e-06");
    c = packed_file(packed, 2, COLS, (float)NAN);
    expect_refused(&c, ROWS, TERN_HF_AUTOBITLINEAR, "not finite");
    c = packed_file(packed, 2, COLS, 1.0f);
    expect_refused(&c, 9, TERN_HF_AUTOBITLINEAR, "9 rows cannot be packed by four");
    expect_refused(&c, 12, TERN_HF_AUTOBITLINEAR, "it must be (3, 3)");
    expect_refused(&c, ROWS, TERN_HF_FLOAT, "is (2, 3), but by config.json");
    memcpy(strstr((char *)c.data + 8, "_scale"), "_scalE", 6);
    expect_refused(&c, ROWS, TERN_HF_AUTOBITLINEAR, "weight_scale\" is missing");
}
