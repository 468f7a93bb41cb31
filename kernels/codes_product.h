/* codes_product.h - tern_codes_product (decode_kernels.h) for every level but the
 * scalar one. A level includes this after int8_product.h, whose int8_words and
 * int8_repeat() it uses, and after it has defined
 *
 *     CODES_GROUP             rows of x that meet a register of codes together
 *     CODES_PAIR              as many rows of x or more meet two panels together, if
 *                             blocks are of 32; 0: they never do
 *     CODES_ZERO              what codes_signed() adds to a code
 *     codes_load(p)           a register from memory, aligned to its size
 *     codes_and(w, bits)      and codes_or(a, b), codes_add(a, b): of dwords
 *     codes_left(w, n)        and codes_right(w, n), codes_divide(w, n): shifts of
 *                             dwords; the last one keeps the sign
 *     codes_signed(w)         codes of -128 .. 127 as the next one wants them
 *     codes_dots(s, w, q, v, p, small)
 *                             s += four products of w and q, and four of v and p, in
 *                             every lane; small: w and v are in 0 .. 63
 *     codes_none()            zeros
 *     codes_floats            a register of floats, as many; codes_float(w),
 *                             codes_halves(p), codes_same(x), codes_times(a, b),
 *                             codes_fused(a, b, c) = a b + c, codes_put(p, v)
 *
 * A block of 32 columns of a panel (codes.h): a register is 4 codes of its rows
 *
 *     w0 | w1 | .. | w7   x   q of up to CODES_GROUP rows, 4 codes repeated     sums
 *
 *     y = float(sum) * (step * e) + y                one fused step for each block
 *
 * Codes of less than 8 bits are unpacked in registers, unsigned; what their zero adds
 * to a sum is in it from the beginning. All rows of x meet a panel, or two, while a
 * cache has it. Panels are asked for ahead of the first rows, some blocks and not
 * panels: threads share them in small pieces, and the next one may be another's. */
#ifndef TERN_KERNELS_CODES_PRODUCT_H
#define TERN_KERNELS_CODES_PRODUCT_H

#include "kernels/codes.h"
#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

/* Registers that hold a dword of 16 rows. */
enum { CODES_VECS = TERN_PANEL_ROWS / INT8_LANES };
enum { CODES_AHEAD = 4096 }; /* bytes that are asked for before they are needed */
_Static_assert(CODES_ZERO == 0 || CODES_ZERO == 128, "see codes_begin()");

/* Up to four blocks of 32, of all rows of a panel and of the one after it: the first
 * dword of their codes, of the upper bits of codes (Q6_K), of their scales (of types
 * that have any but halves), and the first half. */
typedef struct codes_block {
    const uint8_t *codes, *high, *scales, *halves;
    bool upper;   /* the second four of a block of the file */
    size_t panel; /* bytes */
} codes_block;

/* Dword i from p on; v picks the rows of a register. */
TERN_INLINE int8_words codes_word(codes_block w, const uint8_t *p, int i, int v)
{
    return codes_load(p + (size_t)(v / CODES_VECS) * w.panel + i * TERN_CODES_WORD +
                      4 * INT8_LANES * (v % CODES_VECS));
}

TERN_INLINE codes_floats codes_half(codes_block w, int i, int v)
{
    return codes_halves(w.halves + (size_t)(v / CODES_VECS) * w.panel +
                        i * TERN_CODES_HALF + 2 * INT8_LANES * (v % CODES_VECS));
}

/* Columns 4 j .. 4 j + 3 of half h of block b < 4. */
TERN_INLINE int8_words codes_of(tern_codes_type type, codes_block w, int b, int h,
                                int j, int v)
{
    const uint32_t four = 0x0f0f0f0fu, two = 0x30303030u;
    int8_words low, high;
    switch (type) {
    case TERN_CODES_Q8_0:
        return codes_signed(codes_word(w, w.codes, 4 * h + j, v));
    case TERN_CODES_Q4_0:
        low = codes_word(w, w.codes, j, v);
        return codes_and(h ? codes_right(low, 4) : low, four);
    case TERN_CODES_Q4_K:
        low = codes_word(w, w.codes, b / 2 * 8 + 4 * h + j, v);
        return codes_and(b % 2 ? codes_right(low, 4) : low, four);
    default:
        low = codes_word(w, w.codes, b % 2 * 8 + 4 * h + j, v);
        high = codes_word(w, w.high, 4 * h + j, v);
        high = b == 0   ? codes_left(high, 4)
               : b == 1 ? codes_left(high, 2)
               : b == 2 ? high
                        : codes_right(high, 2);
        return codes_or(codes_and(b / 2 ? codes_right(low, 4) : low, four),
                        codes_and(high, two));
    }
}

/* The 6-bit scale of block b of Q4_K, or (1) its offset: dword 0 and 1 have the lower
 * four blocks', and above them the upper two bits of the others', whose lower four are
 * in dword 2. */
TERN_INLINE codes_floats codes_six(codes_block w, int b, int offset, int v)
{
    int8_words all = codes_word(w, w.scales, offset, v);
    if (w.upper) {
        const int8_words low = codes_word(w, w.scales, 2, v);
        all = codes_or(codes_and(offset ? codes_right(low, 4) : low, 0x0f0f0f0fu),
                       codes_and(codes_right(all, 2), 0x30303030u));
    }
    return codes_float(codes_and(codes_right(all, 8 * b), 0x3f));
}

/* The steps of block b, of its half h; and, without its sign, the shift of Q4_K. */
TERN_INLINE codes_floats codes_step(tern_codes_type type, codes_block w, int b, int h,
                                    int v)
{
    const codes_floats d = codes_half(w, 0, v);
    if (type == TERN_CODES_Q4_K) return codes_times(d, codes_six(w, b, 0, v));
    if (type != TERN_CODES_Q6_K) return d;
    const int at = 2 * b + h;
    const int8_words s =
        codes_left(codes_word(w, w.scales, at / 4, v), 24 - at % 4 * 8);
    return codes_times(d, codes_float(codes_divide(s, 24)));
}

TERN_INLINE codes_floats codes_shift(codes_block w, int b, int v)
{
    return codes_times(codes_half(w, 1, v), codes_six(w, b, 1, v));
}

/* What a sum over the halves [first, end) of a block begins with: minus the sum of q
 * for each that was added to the codes. */
TERN_INLINE int8_words codes_begin(tern_codes_type type, const tern_q8_block *x,
                                   int first, int end)
{
    const int zero = type == TERN_CODES_Q8_0 ? CODES_ZERO : tern_codes_zero(type);
    if (zero == 0) return codes_none();
    int8_words less = int8_repeat((const int8_t *)&x->less[first]);
    if (end - first > 1)
        less = codes_add(less, int8_repeat((const int8_t *)&x->less[1]));
    return zero == 128 ? less : codes_divide(less, zero == 8 ? 4 : 2);
}

/* Halves [first, end) of block b of all rows: one fused step. */
TERN_INLINE void codes_part(tern_codes_type type, codes_block w, int b, int first,
                            int end, const tern_q8_block *x, size_t blocks, int rows,
                            int vecs, codes_floats y[][2 * CODES_VECS])
{
    int8_words sum[CODES_GROUP][2 * CODES_VECS];
    TERN_UNROLLED (r, rows) {
        sum[r][0] = codes_begin(type, x + (size_t)r * blocks, first, end);
        TERN_UNROLLED (v, vecs) sum[r][v] = sum[r][0];
    }
    const bool small = type != TERN_CODES_Q8_0, whole = end - first > 1;
    TERN_UNROLLED (i, 2 * (end - first)) {
        int8_words code[2][2 * CODES_VECS];
        const int h[2] = {first, whole ? 1 : first};
        const int j[2] = {whole ? i : 2 * i, whole ? i : 2 * i + 1};
        TERN_UNROLLED (v, vecs)
            TERN_UNROLLED (k, 2) code[k][v] = codes_of(type, w, b, h[k], j[k], v);
        TERN_UNROLLED (r, rows) {
            const int8_t *q = x[(size_t)r * blocks].q;
            const int8_words q0 = int8_repeat(q + 16 * h[0] + 4 * j[0]);
            const int8_words q1 = int8_repeat(q + 16 * h[1] + 4 * j[1]);
            TERN_UNROLLED (v, vecs)
                sum[r][v] =
                    codes_dots(sum[r][v], code[0][v], q0, code[1][v], q1, small);
        }
    }
    TERN_UNROLLED (v, vecs) {
        const codes_floats step = codes_step(type, w, b, first, v);
        TERN_UNROLLED (r, rows) {
            const codes_floats e = codes_same(x[(size_t)r * blocks].e);
            y[r][v] =
                codes_fused(codes_float(sum[r][v]), codes_times(step, e), y[r][v]);
        }
    }
}

/* The second step of Q4_K: less is -128 times the sum of q, and the shift has no sign,
 * so both signs fall away. */
TERN_INLINE void codes_shifts(codes_block w, int b, const tern_q8_block *x,
                              size_t blocks, int rows, int vecs,
                              codes_floats y[][2 * CODES_VECS])
{
    TERN_UNROLLED (v, vecs) {
        const codes_floats shift = codes_shift(w, b, v);
        TERN_UNROLLED (r, rows) {
            const tern_q8_block *of = x + (size_t)r * blocks;
            const float sum = (float)((of->less[0] + of->less[1]) / 128);
            y[r][v] = codes_fused(codes_same(sum),
                                  codes_times(shift, codes_same(of->e)), y[r][v]);
        }
    }
}

/* All steps of block b. */
TERN_INLINE void codes_steps(tern_codes_type type, codes_block w, int b,
                             const tern_q8_block *x, size_t blocks, int rows, int vecs,
                             codes_floats y[][2 * CODES_VECS])
{
    if (type == TERN_CODES_Q6_K) {
        codes_part(type, w, b, 0, 1, x, blocks, rows, vecs, y);
        codes_part(type, w, b, 1, 2, x, blocks, rows, vecs, y);
        return;
    }
    codes_part(type, w, b, 0, 2, x, blocks, rows, vecs, y);
    if (type == TERN_CODES_Q4_K) codes_shifts(w, b, x, blocks, rows, vecs, y);
}

/* Four blocks of Q4_K or Q6_K, the second ones if `upper`; one of the other types. */
TERN_INLINE codes_block codes_four(tern_codes_type type, codes_block w, bool upper)
{
    const uint8_t *p = w.codes;
    w.upper = upper;
    if (type == TERN_CODES_Q4_K) {
        w.scales = p;
        w.codes = p + (upper ? 3 + 16 : 3) * TERN_CODES_WORD;
    } else if (type == TERN_CODES_Q6_K) {
        w.codes = p + (upper ? 16 : 0) * TERN_CODES_WORD;
        w.high = p + (upper ? 32 + 8 : 32) * TERN_CODES_WORD;
        w.scales = p + (upper ? 48 + 2 : 48) * TERN_CODES_WORD;
    }
    return w;
}

/* Ask for the dwords that are `next` bytes from here; and for the same halves of the
 * panels that come next, since theirs are needed from the beginning on. */
TERN_INLINE void codes_ahead(codes_block w, tern_codes_shape s, int panels, size_t next)
{
    TERN_UNROLLED (p, panels) {
        const uint8_t *codes = w.codes + (size_t)p * w.panel + next;
        const uint8_t *halves = w.halves + (size_t)(panels + p) * w.panel;
        TERN_UNROLLED (l, (int)s.words) __builtin_prefetch(codes + l * TERN_CODES_WORD);
        TERN_UNROLLED (l, (int)s.halves)
            __builtin_prefetch(halves + l * TERN_CODES_HALF);
    }
}

/* Rows [i, i + rows) of x with panel j, and the next one. */
TERN_INLINE void codes_rows(const tern_codes_product *p, tern_codes_type type, size_t i,
                            size_t j, int rows, int panels)
{
    const tern_codes_shape s = tern_codes_shape_of(type);
    const int vecs = panels * CODES_VECS, four = s.blocks < 4 ? 1 : 4;
    const tern_q8_block *x = p->x + i * p->blocks;
    codes_block w = {.panel = tern_codes_panel_bytes(type, p->blocks)};
    w.codes = p->panels + j * w.panel;
    w.halves = w.codes + tern_codes_halves(type, p->blocks);
    /* The first rows ask for what comes next; others for what is there. */
    const size_t next = i == 0 ? CODES_AHEAD : 0;
    codes_floats y[CODES_GROUP][2 * CODES_VECS];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (v, vecs) y[r][v] = codes_same(0.0f);
    for (size_t at = 0; at < p->blocks; at += s.blocks) {
        codes_ahead(w, s, panels, next);
        for (size_t b = 0; b < s.blocks; b += (size_t)four, x += four) {
            const codes_block part = codes_four(type, w, b > 0);
            TERN_UNROLLED (k, four)
                codes_steps(type, part, k, x + k, p->blocks, rows, vecs, y);
        }
        w.codes += s.words * TERN_CODES_WORD;
        w.halves += s.halves * TERN_CODES_HALF;
    }
    const size_t left = p->n - j * TERN_PANEL_ROWS;
    const size_t most = (size_t)panels * TERN_PANEL_ROWS, n = left < most ? left : most;
    TERN_UNROLLED (r, rows) {
        float out[2 * TERN_PANEL_ROWS];
        TERN_UNROLLED (v, vecs) codes_put(out + INT8_LANES * v, y[r][v]);
        memcpy(p->y + (i + (size_t)r) * p->ldy + j * TERN_PANEL_ROWS, out,
               n * sizeof *out);
    }
}

/* All rows of x with panel j, and the next one. Blocks of 256 have more code: for four
 * rows and for one. */
TERN_INLINE void codes_panels(const tern_codes_product *p, tern_codes_type type,
                              size_t j, int panels)
{
    const bool small = tern_codes_shape_of(type).blocks == 1;
    size_t i = 0;
    if (small)
        for (; i + CODES_GROUP <= p->m; i += CODES_GROUP)
            codes_rows(p, type, i, j, CODES_GROUP, panels);
    if (!small || CODES_GROUP > 4)
        for (; i + 4 <= p->m; i += 4) codes_rows(p, type, i, j, 4, panels);
    if (small && i + 2 <= p->m) {
        codes_rows(p, type, i, j, 2, panels);
        i += 2;
    }
    for (; i < p->m; i++) codes_rows(p, type, i, j, 1, panels);
}

TERN_INLINE void codes_all(const tern_codes_product *p, tern_codes_type type)
{
    const size_t panels = tern_codes_panels(p->n);
    size_t j = 0;
    if (CODES_PAIR > 0 && (ptrdiff_t)p->m >= CODES_PAIR &&
        tern_codes_shape_of(type).blocks == 1)
        for (; j + 2 <= panels; j += 2) codes_panels(p, type, j, 2);
    for (; j < panels; j++) codes_panels(p, type, j, 1);
}

static void codes_product(const tern_codes_product *p)
{
    switch (p->type) {
    case TERN_CODES_Q8_0:
        codes_all(p, TERN_CODES_Q8_0);
        break;
    case TERN_CODES_Q4_0:
        codes_all(p, TERN_CODES_Q4_0);
        break;
    case TERN_CODES_Q4_K:
        codes_all(p, TERN_CODES_Q4_K);
        break;
    default:
        codes_all(p, TERN_CODES_Q6_K);
        break;
    }
}

#endif /* TERN_KERNELS_CODES_PRODUCT_H */
