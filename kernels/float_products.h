/* float_products.h - the leaf functions that multiply tiles; part of float_body.h.
 *
 * Both kinds of product hold a block of the result in registers (its size is the
 * level's: CHAIN_ROWS ... DOT_COLS) and run through the common dimension once. The
 * order inside each sum does not depend on the block, so neither do the bits.
 *
 *     chain   a, rows           b, k x n                    dots   x, rows    w, rows
 *             | a0 a1 .. |  x   p 0 | 16 | 16 | ..                 | 16 | ..  | 16 | ..
 *             | a0 a1 .. |        1 | 16 | 16 | ..                 | 16 | ..  | 16 | ..
 *
 *             a number of a, broadcast, meets              16 of x meet 16 of w: lanes
 *             registers of b: lanes are columns            are summed in the end
 */

/* c elements of w from element `at`; w is float, or fp16 bits. */
TERN_INLINE lanes load_either(const void *w, size_t at, size_t c, bool half)
{
    if (half) return lanes_load_half((const uint16_t *)w + at, c);
    return lanes_load_n((const float *)w + at, c);
}

/* Columns [j, j + 16 * vecs) of rows [i, i + rows) of a chain product; c lanes of the
 * last vector exist. rows, vecs, half and whether there is a `far` to fetch
 * are constants wherever this is inlined. */
TERN_INLINE void chain_block(const tern_chain *t, size_t i, size_t j, size_t rows,
                             size_t vecs, size_t c, bool half, tern_fetching *far)
{
    lanes acc[CHAIN_ROWS][CHAIN_VECS], b[CHAIN_VECS];
    float *y = t->c + i * t->c_row + j;
    const float *ap = t->a + i * t->a_row;
    const void *bs = half ? (const void *)t->b16 : (const void *)t->b;
    const size_t a_row = t->a_row, a_col = t->a_col, b_row = t->b_row;
    const size_t band = t->b_band ? t->b_band : 16;
    size_t at = j / 16 * band;

    UNROLLED (r, rows)
        UNROLLED (v, vecs)
            acc[r][v] =
                t->add ? lanes_load_n(y + r * t->c_row + 16 * v, c) : lanes_set(0.0f);
    for (size_t p = t->k + i * t->slope; p > 0; p--, ap += a_col, at += b_row) {
        if (far) tern_fetch_step(far);
        UNROLLED (v, vecs) b[v] = load_either(bs, at + v * band, c, half);
        UNROLLED (r, rows) {
            const lanes a = lanes_set(ap[r * a_row]);
            UNROLLED (v, vecs) acc[r][v] = lanes_fma(a, b[v], acc[r][v]);
        }
    }
    /* The triangle: term s of those beyond the first row's is for rows s + 1 .. */
    if (!far && t->slope) {
        UNROLLED (s, rows - 1) {
            UNROLLED (v, vecs) b[v] = load_either(bs, at + v * band, c, half);
            UNROLLED (r, rows) {
                if (r <= s) continue;
                const lanes a = lanes_set(ap[r * a_row]);
                UNROLLED (v, vecs) acc[r][v] = lanes_fma(a, b[v], acc[r][v]);
            }
            ap += a_col;
            at += b_row;
        }
    }
    UNROLLED (r, rows)
        UNROLLED (v, vecs) lanes_store_n(y + r * t->c_row + 16 * v, acc[r][v], c);
}

/* All rows of the columns that start at j. */
TERN_INLINE void chain_columns(const tern_chain *t, size_t j, size_t vecs, size_t c,
                               bool half, tern_fetching *far)
{
    const size_t m = t->m;
    size_t i = 0;
    /* What is fetched ahead is read by few rows: four at a time will do. */
    for (; i + CHAIN_ROWS <= m && !far; i += CHAIN_ROWS)
        chain_block(t, i, j, CHAIN_ROWS, vecs, c, half, far);
    for (; i + 4 <= m && (CHAIN_ROWS > 4 || far); i += 4)
        chain_block(t, i, j, 4, vecs, c, half, far);
    for (; i + 2 <= m && CHAIN_ROWS > 2; i += 2)
        chain_block(t, i, j, 2, vecs, c, half, far);
    for (; i < m; i++) chain_block(t, i, j, 1, vecs, c, half, far);
}

/* The only row: chains are as many as the columns, so SINGLE_VECS of them run beside
 * each other, and rows of b are read in longer pieces. Columns [j, j + 16 * vecs), of
 * which those beyond 64 are in the next panel if there are panels. */
TERN_INLINE void chain_single(const tern_chain *t, size_t j, size_t vecs, size_t c,
                              bool half, tern_fetching *far)
{
    lanes acc[SINGLE_VECS];
    float *y = t->c + j;
    const float *ap = t->a;
    const void *bs = half ? (const void *)t->b16 : (const void *)t->b;
    const size_t band = t->b_band ? t->b_band : 16;
    const size_t panel = t->b_panel ? t->b_panel : 4 * band;
    size_t at[2] = {j / 64 * panel + j % 64 / 16 * band, (j / 64 + 1) * panel};
    UNROLLED (v, vecs) acc[v] = t->add ? lanes_load_n(y + 16 * v, c) : lanes_set(0.0f);
    for (size_t p = t->k; p > 0; p--, ap += t->a_col) {
        const lanes a = lanes_set(*ap);
        if (vecs >= 4) tern_fetch_step(far);
        UNROLLED (v, vecs) {
            const lanes b = load_either(bs, at[v / 4] + v % 4 * band, c, half);
            acc[v] = lanes_fma(a, b, acc[v]);
        }
        at[0] += t->b_row;
        at[1] += t->b_row;
    }
    UNROLLED (v, vecs) lanes_store_n(y + 16 * v, acc[v], c);
}

TERN_INLINE void chain_one_row(const tern_chain *t, bool half, tern_fetching *far)
{
    const size_t n = t->n;
    size_t j = 0;
    if (SINGLE_VECS >= 8) {
        for (; j + 128 <= n; j += 128) chain_single(t, j, 8, 16, half, far);
        if (j + 96 <= n) chain_single(t, j, 6, 16, half, far), j += 96;
    }
    for (; j + 64 <= n; j += 64) chain_single(t, j, 4, 16, half, far);
    if (j + 32 <= n) chain_single(t, j, 2, 16, half, far), j += 32;
    if (j + 16 <= n) chain_single(t, j, 1, 16, half, far), j += 16;
    if (j < n) chain_single(t, j, 1, n - j, half, far);
}

/* Only the widest columns, which are nearly all, fetch: less code. */
TERN_INLINE void chain_rows(const tern_chain *t, bool half, tern_fetching *far)
{
    const size_t n = t->n;
    size_t j = 0;
    if (far)
        for (; j + 16 * CHAIN_VECS <= n; j += 16 * CHAIN_VECS)
            chain_columns(t, j, CHAIN_VECS, 16, half, far);
    for (; j + 64 <= n && CHAIN_VECS >= 4; j += 64)
        chain_columns(t, j, 4, 16, half, NULL);
    for (; j + 32 <= n && CHAIN_VECS >= 2; j += 32)
        chain_columns(t, j, 2, 16, half, NULL);
    for (; j + 16 <= n; j += 16) chain_columns(t, j, 1, 16, half, NULL);
    if (j < n) chain_columns(t, j, 1, n - j, half, NULL);
}

TERN_INLINE void chain_of(const tern_chain *t, bool half)
{
    tern_fetching far = tern_fetch_begin(t->ahead);
    if (t->m == 1)
        chain_one_row(t, half, &far);
    else
        chain_rows(t, half, t->ahead.rows && !t->slope ? &far : NULL);
}

static void chain(const tern_chain *t)
{
    if (t->b)
        chain_of(t, false);
    else
        chain_of(t, true);
}

/* One step of c elements for rows x cols sums. */
TERN_INLINE void dot_step(lanes acc[DOT_ROWS][DOT_COLS], const float *x, const void *w,
                          size_t j, size_t k, size_t p, size_t c, size_t rows,
                          size_t cols, bool half)
{
    lanes a[DOT_ROWS];
    UNROLLED (r, rows) a[r] = lanes_load_n(x + r * k + p, c);
    UNROLLED (q, cols) {
        const lanes b = load_either(w, (j + q) * k + p, c, half);
        UNROLLED (r, rows) acc[r][q] = lanes_fma(a[r], b, acc[r][q]);
    }
}

/* y[0..rows][0..cols] = rows of x times rows j.. of w. */
TERN_INLINE void dot_block(const float *x, const void *w, size_t j, size_t k, float *y,
                           size_t ldy, size_t rows, size_t cols, bool half)
{
    lanes acc[DOT_ROWS][DOT_COLS];
    UNROLLED (r, rows)
        UNROLLED (q, cols) acc[r][q] = lanes_set(0.0f);
    size_t p = 0;
    for (; p + 16 <= k; p += 16) dot_step(acc, x, w, j, k, p, 16, rows, cols, half);
    if (p < k) dot_step(acc, x, w, j, k, p, k - p, rows, cols, half);
    UNROLLED (r, rows) {
        if (cols == DOT_COLS)
            lanes_sums(acc[r], y + r * ldy);
        else
            UNROLLED (q, cols) y[r * ldy + q] = lanes_sum(acc[r][q]);
    }
}

TERN_INLINE void dot_rows(const float *x, size_t m, size_t k, const void *w, size_t j,
                          float *y, size_t ldy, size_t cols, bool half)
{
    size_t i = 0;
    for (; i + DOT_ROWS <= m; i += DOT_ROWS)
        dot_block(x + i * k, w, j, k, y + i * ldy, ldy, DOT_ROWS, cols, half);
    for (; i < m; i++) dot_block(x + i * k, w, j, k, y + i * ldy, ldy, 1, cols, half);
}

/* Rows of x in groups that stay in the first-level cache while w passes by. */
TERN_INLINE void dot_tile(const float *x, size_t m, size_t k, const void *w, size_t n,
                          float *y, size_t ldy, bool half)
{
    const size_t fit = (16 << 10) / (sizeof(float) * (k + 1)) / DOT_ROWS * DOT_ROWS;
    const size_t step = fit > DOT_ROWS ? fit : DOT_ROWS;
    for (size_t i = 0; i < m; i += step) {
        const size_t rows = m - i < step ? m - i : step;
        float *yi = y + i * ldy;
        size_t j = 0;
        for (; j + DOT_COLS <= n; j += DOT_COLS)
            dot_rows(x + i * k, rows, k, w, j, yi + j, ldy, DOT_COLS, half);
        for (; j < n; j++) dot_rows(x + i * k, rows, k, w, j, yi + j, ldy, 1, half);
    }
}

static void dots(const float *x, size_t m, size_t k, const float *w, size_t n, float *y,
                 size_t ldy)
{
    dot_tile(x, m, k, w, n, y, ldy, false);
}

static void dots_half(const float *x, size_t m, size_t k, const uint16_t *w, size_t n,
                      float *y, size_t ldy)
{
    dot_tile(x, m, k, w, n, y, ldy, true);
}

static void transpose(const float *x, size_t ldx, size_t rows, size_t cols, float *y,
                      size_t ldy)
{
    for (size_t r = 0; r < rows; r += 16)
        for (size_t c = 0; c < cols; c += 16) {
            const size_t width = cols - c < 16 ? cols - c : 16;
            lanes a[16];
            for (size_t i = 0; i < 16; i++)
                a[i] = r + i < rows ? lanes_load_n(x + (r + i) * ldx + c, width)
                                    : lanes_set(0.0f);
            lanes_transpose(a, width, y + c * ldy + r, ldy);
        }
}
