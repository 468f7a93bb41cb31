/* Matrices that wait in the file (runtime/matrix.h): the first evaluation of a model
 * makes its panels as it goes, the second makes them for good. None of that
 * may show in a bit; and what is only looked at must be judged as what is unpacked. */
#include "base/file.h"
#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"
#include "kernels/team.h"
#include "runtime/model.h"
#include "runtime/repack.h"
#include "tests/runtime/toy_file.h"

enum { V = 67, MOST = 40 };

TestSuite(packing, .init = setup, .fini = teardown);

/* Rotary rows in llama.cpp's order; keys and values of 8 rows, half a panel. */
static const tern_spec LLAMA = {.arch = TERN_ARCH_LLAMA,
                                .tied = true,
                                .vocab = V,
                                .width = 256,
                                .layers = 3,
                                .heads = 32,
                                .kv_heads = 1,
                                .head_dim = 8,
                                .ffn = 512,
                                .context = MOST,
                                .rope_theta = 10000.0f,
                                .norm_eps = 1e-5f};

/* The same with one layer of another shape. */
typedef struct shape {
    int64_t width, heads, kv_heads, head_dim, ffn;
} shape;

static tern_spec shaped(shape s)
{
    tern_spec spec = LLAMA;
    spec.layers = 1;
    spec.width = s.width;
    spec.heads = s.heads;
    spec.kv_heads = s.kv_heads;
    spec.head_dim = s.head_dim;
    spec.ffn = s.ffn;
    return spec;
}

static void write_with_head(const tern_spec *spec, uint32_t type, uint32_t head)
{
    toy t;
    toy_make(&t, spec, type, head, 8);
    toy_write(&t, path);
    toy_free(&t);
}

static void write_toy(const tern_spec *spec, uint32_t type)
{
    write_with_head(spec, type, TERN_GGML_F16);
}

static tern_runtime *opened(void)
{
    tern_runtime *m = NULL;
    MUST(tern_runtime_open(path, &m));
    return m;
}

static bool waits(const tern_runtime *m, int64_t layer)
{
    return !atomic_load(&m->layers[layer].down.packed);
}

static void evaluate(const tern_runtime *m, int64_t n, float *logits)
{
    int32_t ids[MOST];
    tern_session *s = NULL;
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(11 * i % V);
    MUST(tern_session_new(m, 0, &s));
    MUST(tern_session_eval_all(s, ids, n, logits));
    tern_session_free(s);
}

/* Rows of every kernel: one to three, some, and more than one parallel region takes. */
static void waiting_is_packed(const char *what)
{
    static const int64_t counts[] = {1, 2, 5, 16, 17, MOST};
    static float want[MOST * V], got[MOST * V];
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const size_t bytes = (size_t)(counts[i] * V) * sizeof *want;
        tern_runtime *m = opened();
        tern_runtime_pack(m);
        cr_assert(eq(int, atomic_load(&m->packing->done), 1));
        evaluate(m, counts[i], want);
        tern_runtime_free(m);
        m = opened();
        for (int turn = 0; turn < 3; turn++) {
            evaluate(m, counts[i], got);
            cr_expect(eq(int, memcmp(got, want, bytes), 0), "%s, %d rows, turn %d",
                      what, (int)counts[i], turn);
        }
        tern_runtime_free(m);
    }
}

Test(packing, the_second_evaluation_packs)
{
    float logits[V];
    write_toy(&LLAMA, TERN_GGML_TQ2_0);
    tern_runtime *m = opened();
    cr_expect(eq(int, waits(m, 0), 1));
    evaluate(m, 1, logits);
    cr_expect(eq(int, waits(m, 0), 1));
    evaluate(m, 1, logits);
    cr_expect(eq(int, waits(m, 0) || waits(m, 2), 0));
    cr_expect(eq(int, atomic_load(&m->packing->done), 1));
    tern_runtime_pack(m); /* once more does no harm */
    tern_runtime_free(m);
}

Test(packing, no_bit_shows)
{
    write_toy(&LLAMA, TERN_GGML_TQ2_0);
    const tern_level best = tern_level_best();
    for (int level = 0; level <= (int)best; level++) {
        if (!tern_level_within((tern_level)level, best)) continue;
        MUST(tern_kernels_force((tern_level)level));
        waiting_is_packed(tern_level_name((tern_level)level));
    }
    for (int threads = 1; threads <= 5; threads += 2) {
        tern_threads_set(threads);
        waiting_is_packed("threads");
    }
    tern_threads_set(0);
}

static const uint32_t head_types[] = {TERN_GGML_Q8_0, TERN_GGML_Q4_0, TERN_GGML_Q6_K};
enum { HEADS = sizeof head_types / sizeof *head_types };

/* A head in codes waits too, the embedding's or its own. */
Test(packing, no_bit_shows_of_a_head)
{
    tern_spec own = LLAMA;
    own.tied = false;
    for (int i = 0; i < HEADS; i++) {
        write_with_head(&LLAMA, TERN_GGML_TQ2_0, head_types[i]);
        waiting_is_packed("tied");
        write_with_head(&own, TERN_GGML_TQ1_0, head_types[i]);
        waiting_is_packed("its own");
    }
    for (int threads = 1; threads <= 5; threads += 2) {
        tern_threads_set(threads);
        waiting_is_packed("threads");
    }
    tern_threads_set(0);
}

/* Embeddings are read from the panels once there are any. */
Test(packing, rows_of_a_packed_head_are_those_of_the_file)
{
    static float row[2][V][256];
    for (int i = 0; i < HEADS; i++) {
        write_with_head(&LLAMA, TERN_GGML_TQ2_0, head_types[i]);
        tern_runtime *m = opened();
        for (int packed = 0; packed < 2; packed++) {
            cr_assert(eq(int, atomic_load(&m->head->packed), packed));
            for (size_t r = 0; r < V; r++)
                tern_matrix_row(&m->embed, r, row[packed][r]);
            tern_runtime_pack(m);
        }
        cr_expect(eq(int, memcmp(row[0], row[1], sizeof row[0]), 0));
        tern_runtime_free(m);
    }
}

/* Of a model of floats, too, which have nothing else to pack. */
Test(packing, the_head_of_floats_is_packed)
{
    float logits[V];
    static const uint32_t layers[] = {TERN_GGML_F16, TERN_GGML_Q8_0};
    for (int i = 0; i < 2; i++) {
        write_with_head(&LLAMA, layers[i], TERN_GGML_Q8_0);
        tern_runtime *m = opened();
        for (int turn = 0; turn < 3; turn++) {
            evaluate(m, 1, logits);
            cr_expect(eq(int, atomic_load(&m->head->packed), turn > 0));
        }
        tern_runtime_free(m);
        waiting_is_packed("floats");
    }
}

/* One whose panel is too wide to be made on the stack. */
Test(packing, a_wide_head_is_packed_at_once)
{
    tern_spec wide = LLAMA;
    wide.layers = 1;
    wide.width = 6144;
    write_with_head(&wide, TERN_GGML_TQ1_0, TERN_GGML_Q8_0);
    tern_runtime *m = opened();
    cr_expect(eq(int, atomic_load(&m->head->packed), 1));
    cr_expect(eq(int, atomic_load(&m->packing->done), 1));
    tern_runtime_free(m);
    waiting_is_packed("wide head");
    write_with_head(&wide, TERN_GGML_TQ1_0, TERN_GGML_Q4_0);
    m = opened();
    cr_expect(eq(int, atomic_load(&m->head->packed), 0));
    tern_runtime_free(m);
    waiting_is_packed("wide head of 4 bits");
}

/* Several texts together, as a first evaluation and after it. */
Test(packing, no_bit_shows_in_texts_together)
{
    enum { N = 3 };
    static float alone[N * V], together[N * V];
    write_toy(&LLAMA, TERN_GGML_TQ2_0);
    tern_runtime *m = opened();
    tern_session *s[N];
    const int32_t ids[N] = {4, 50, 7};
    for (int i = 0; i < N; i++) {
        MUST(tern_session_new(m, 0, &s[i]));
        MUST(tern_session_eval(s[i], &ids[i], 1, alone + i * V));
        tern_session_truncate(s[i], 0);
    }
    tern_runtime *again = opened();
    for (int i = 0; i < N; i++) {
        tern_session_free(s[i]);
        MUST(tern_session_new(again, 0, &s[i]));
    }
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < N; i++) tern_session_truncate(s[i], 0);
        MUST(tern_session_eval_many(s, ids, N, together));
        cr_expect(eq(int, memcmp(alone, together, sizeof alone), 0), "turn %d", turn);
        cr_expect(eq(int, atomic_load(&again->packing->done), turn > 0));
    }
    for (int i = 0; i < N; i++) tern_session_free(s[i]);
    tern_runtime_free(m);
    tern_runtime_free(again);
}

/* Only TQ2_0 waits, and only if a panel is not too wide for it. */
Test(packing, others_are_packed_at_once)
{
    tern_spec wide = LLAMA;
    wide.layers = 1;
    wide.ffn = 24576 + 256;
    write_toy(&LLAMA, TERN_GGML_TQ1_0);
    tern_runtime *m = opened();
    cr_expect(eq(int, waits(m, 0), 0));
    cr_expect(eq(int, atomic_load(&m->packing->done), 1));
    tern_runtime_free(m);
    write_toy(&wide, TERN_GGML_TQ2_0);
    m = opened();
    cr_expect(eq(int, waits(m, 0), 0), "its rows have 24832 columns");
    cr_expect(eq(int, atomic_load(&m->layers[0].up.packed), 0), "of 256");
    tern_runtime_free(m);
    waiting_is_packed("wide");
}

/* Every row of a matrix is where it belongs in its panels, and looked for in the file
 * before there are any. */
static void rows_are_those_of(const tern_matrix *w, toy *t, const char *name,
                              const char *when)
{
    char full[64];
    (void)snprintf(full, sizeof full, "blk.0.%s.weight", name);
    const float *want = toy_find(t, full)->values;
    float *row = malloc(w->cols * sizeof *row);
    for (size_t r = 0; r < w->rows; r++, want += w->cols) {
        tern_matrix_row(w, r, row);
        cr_assert(eq(int, memcmp(row, want, w->cols * sizeof *row), 0),
                  "%s row %zu, %s", name, r, when);
    }
    free(row);
}

enum { PAIR = 2, WIDEST = 8192, LONGEST = 8192 };

/* Up to three rows of random numbers; cols a multiple of 64. They last until the next.
 */
static tern_qrows some_rows(size_t rows, size_t cols)
{
    static float in[3 * WIDEST], scale[3];
    static _Alignas(64) int8_t codes[3 * WIDEST];
    static int32_t sum[3];
    tern_qrows x = {.rows = rows, .cols = cols, .stride = cols};
    x.codes = codes, x.scale = scale, x.sum = sum;
    cr_assert(rows <= 3 && cols <= WIDEST);
    for (size_t i = 0; i < rows * cols; i++) in[i] = tern_rand_normal(1, 2, i);
    tern_quantize_rows(in, &x);
    return x;
}

/* Products of a matrix with two rows: whole, and in parts of one panel, of two, ... */
static void products(const tern_matrix *w, float whole[PAIR * LONGEST],
                     float parts[PAIR * LONGEST])
{
    const tern_qrows x = some_rows(PAIR, w->cols);
    cr_assert(le(sz, w->rows, LONGEST));
    tern_matrix_matmul(w, &x, NULL, whole);
    const size_t panels = tern_ternary_panels(&w->ternary);
    for (size_t p = 0, n = 1; p < panels; p += n++) {
        const size_t end = p + n < panels ? p + n : panels;
        tern_matrix_panels(w, &x, NULL, parts, w->rows, p, end, NULL);
    }
}

static void waiting_multiplies_as_packed(tern_matrix *w)
{
    static float y[4][PAIR * LONGEST];
    const size_t bytes = PAIR * w->rows * sizeof(float);
    cr_assert(eq(int, atomic_load(&w->packed), 0));
    for (int threads = 1; threads <= 3; threads += 2) {
        tern_threads_set(threads);
        products(w, y[threads - 1], y[threads]);
    }
    tern_matrix_pack(w);
    float *want = malloc(bytes), *parts = malloc(bytes);
    products(w, want, parts);
    for (int i = 0; i < 4; i++)
        cr_expect(eq(int, memcmp(y[i], want, bytes), 0), "%zu x %zu, %d", w->rows,
                  w->cols, i);
    free(want);
    free(parts);
}

/* Matrices of more rows than are read at a time: whole heads of 8 panels; heads that
 * are read in parts of a half, or of which one panel is; heads that are no whole
 * panels; no heads. */
Test(packing, rows_that_are_read_in_parts)
{
    static const shape shapes[] = {{2560, 6, 1, 128, 512}, {4096, 2, 1, 128, 256},
                                   {8192, 1, 1, 256, 256}, {2560, 32, 1, 40, 256},
                                   {256, 32, 1, 40, 256},  {256, 1, 1, 256, 3072}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const tern_spec spec = shaped(shapes[i]);
        toy t;
        toy_make(&t, &spec, TERN_GGML_TQ2_0, TERN_GGML_Q8_0, 8);
        toy_write(&t, path);
        tern_runtime *m = opened();
        tern_layer *w = &m->layers[0];
        rows_are_those_of(&w->q, &t, "attn_q", "waiting");
        tern_matrix *all[] = {&w->q, &w->k, &w->o, &w->up, &w->down};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            waiting_multiplies_as_packed(all[j]);
        rows_are_those_of(&w->q, &t, "attn_q", "packed");
        rows_are_those_of(&w->k, &t, "attn_k", "packed");
        rows_are_those_of(&w->o, &t, "attn_output", "packed");
        rows_are_those_of(&w->up, &t, "ffn_up", "packed");
        rows_are_those_of(&w->down, &t, "ffn_down", "packed");
        tern_runtime_free(m);
        toy_free(&t);
    }
    tern_threads_set(0);
}

/* Half a panel, and the floats behind it; with what is added, and without. */
Test(packing, nothing_is_written_beyond_a_matrix)
{
    enum { M = 3, COLS = 256, ROWS = 8, GUARD = 16 };
    static float y[2][M * ROWS + GUARD];
    const tern_qrows x = some_rows(M, COLS);
    write_toy(&LLAMA, TERN_GGML_TQ2_0);
    const tern_level best = tern_level_best();
    for (int level = 0; level <= (int)best; level++) {
        if (!tern_level_within((tern_level)level, best)) continue;
        MUST(tern_kernels_force((tern_level)level));
        tern_runtime *m = opened();
        const tern_matrix *k = &m->layers[0].k;
        cr_assert(eq(sz, k->rows, ROWS));
        for (int packed = 0; packed < 2; packed++) {
            float *out = y[packed];
            for (size_t i = 0; i < M * ROWS + GUARD; i++) out[i] = 42.0f;
            tern_matrix_panels(k, &x, out, out, ROWS, 0, 1, NULL);
            cr_expect(ne(flt, out[0], 42.0f));
            tern_matrix_matmul(k, &x, NULL, out);
            for (size_t i = 0; i < GUARD; i++)
                cr_expect(eq(flt, out[M * ROWS + i], 42.0f), "%zu floats behind", i);
            tern_runtime_pack(m);
        }
        cr_expect(eq(int, memcmp(y[0], y[1], sizeof y[0]), 0));
        tern_runtime_free(m);
    }
}

/* Give the only block of zeros in the file (64 bytes of 0x55) a scale of NaN. */
static void spoil_scale_of_zeros(void)
{
    char *bytes;
    size_t count, run = 0, found = 0;
    MUST(tern_file_read(path, 1 << 24, &bytes, &count));
    for (size_t i = 0; i + 2 < count; i++) {
        run = bytes[i] == 0x55 ? run + 1 : 0;
        if (run != 64) continue;
        bytes[i + 1] = 0x00, bytes[i + 2] = 0x7e;
        found++;
    }
    cr_assert(eq(sz, found, 1));
    MUST(tern_file_write(path, bytes, count));
    free(bytes);
}

/* As floats, too, a block of zeros is zeros, whatever scale it has; packed or not. */
Test(packing, scales_of_zeros_do_not_show)
{
    static float row[2][512];
    toy t;
    toy_make(&t, &LLAMA, TERN_GGML_TQ2_0, TERN_GGML_F16, 8);
    toy_tensor *down = toy_find(&t, "blk.1.ffn_down.weight");
    for (size_t i = 0; i < 256; i++) down->values[i] = 0.0f;
    toy_write(&t, path);
    spoil_scale_of_zeros();
    tern_runtime *m = opened();
    for (int packed = 0; packed < 2; packed++) {
        tern_matrix_row(&m->layers[1].down, 0, row[packed]);
        for (size_t i = 0; i < 512; i++)
            cr_assert(eq(flt, row[packed][i], down->values[i]), "packed %d, %zu",
                      packed, i);
        tern_runtime_pack(m);
    }
    /* and in the order of heads, which the file has in another */
    toy_tensor *q = toy_find(&t, "blk.1.attn_q.weight");
    tern_runtime *again = opened();
    tern_matrix_row(&again->layers[1].q, 9, row[0]);
    tern_matrix_row(&m->layers[1].q, 9, row[1]);
    for (int i = 0; i < 256; i++) {
        cr_assert(eq(flt, row[0][i], q->values[9 * 256 + i]));
        cr_assert(eq(flt, row[1][i], q->values[9 * 256 + i]));
    }
    tern_runtime_free(again);
    tern_runtime_free(m);
    toy_free(&t);
}

/* KB of the file that are in this process's memory; -1 where the system does not say.
 */
static long resident(void)
{
    char line[512];
    long sum = -1, kb;
    bool ours = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long first, end;
        if (sscanf(line, "%lx-%lx ", &first, &end) == 2)
            ours = strstr(line, path) != NULL;
        else if (ours && sscanf(line, "Rss: %ld", &kb) == 1)
            sum = (sum < 0 ? 0 : sum) + kb;
    }
    if (f) fclose(f);
    return sum;
}

/* Checking and multiplying do not map the file; what is mapped, of its header and its
 * embedding, leaves when panels come. */
Test(packing, the_file_is_not_in_memory)
{
    static const shape shapes[] = {
        {256, 32, 1, 8, 8192}, {4096, 4, 1, 128, 256}, {2560, 32, 1, 40, 256}};
    float logits[2 * V];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const tern_spec large = shaped(shapes[i]);
        write_with_head(&large, TERN_GGML_TQ2_0, TERN_GGML_Q8_0);
        tern_runtime *m = opened();
        const long at_first = resident();
        if (at_first < 0) cr_skip_test("no /proc/self/smaps with the file in it");
        cr_expect(gt(int, (int)at_first, 0), "it has a header");
        evaluate(m, 1, logits);
        cr_expect(le(int, (int)resident(), 256), "width %d", (int)large.width);
        tern_runtime_pack(m);
        cr_expect(eq(int, (int)resident(), 0), "width %d", (int)large.width);
        tern_runtime_pack(m);
        evaluate(m, 2, logits);
        cr_expect(eq(int, (int)resident(), 0), "no embedding is read from the file");
        tern_runtime_free(m);
    }
}

/* Random blocks with random damage: looking finds what unpacking finds. */
Test(packing, looking_judges_as_unpacking_does)
{
    enum { ROWS = 20, COLS = 512, BLOCKS = ROWS * COLS / 256, BYTES = BLOCKS * 66 };
    static const uint16_t scales[] = {0, 0x3400, 0x3401, 0x7c00, 0x7e00, 0xb400, 1};
    static uint8_t blocks[BYTES];
    int good = 0, bad = 0;
    tern_ternary w = {.rows = ROWS, .cols = COLS};
    w.codes = aligned_alloc(64, tern_ternary_bytes(ROWS, COLS));
    for (uint64_t seed = 0; seed < 4000; seed++) {
        const tern_gguf_tensor t = {.name = "t",
                                    .type = TERN_GGML_TQ2_0,
                                    .dims = {COLS, ROWS, 1, 1},
                                    .data = blocks,
                                    .bytes = BYTES};
        for (size_t b = 0; b < BLOCKS; b++) {
            const bool zero = tern_rand_below(seed, 1, b, 2) == 0;
            for (size_t i = 0; i < 64; i++) {
                uint8_t *byte = &blocks[66 * b + i];
                *byte = 0;
                for (size_t j = 0; j < 4; j++)
                    *byte |= (uint8_t)((zero ? 1 : (b + i * j) % 3) << 2 * j);
            }
            memcpy(&blocks[66 * b + 64], &scales[1], 2);
        }
        for (uint64_t hit = 0; hit < seed % 4; hit++) {
            const size_t b = tern_rand_below(seed, 2, hit, BLOCKS);
            const uint16_t scale = scales[tern_rand_below(seed, 3, hit, 7)];
            if (tern_rand_below(seed, 4, hit, 4) == 0)
                blocks[66 * b + tern_rand_below(seed, 5, hit, 64)] =
                    (uint8_t)tern_rand_below(seed, 6, hit, 256);
            else
                memcpy(&blocks[66 * b + 64], &scale, 2);
        }
        tern_ternary looked = {.rows = ROWS, .cols = COLS, .scale = -1.0f};
        const bool unpacks = tern_repack_blocks(&t, 0, &w);
        const bool looks = tern_repack_check(&t, &looked);
        cr_assert(eq(int, looks, unpacks), "seed %d", (int)seed);
        if (looks) cr_assert(eq(flt, looked.scale, w.scale), "seed %d", (int)seed);
        good += looks;
        bad += !looks;
    }
    cr_expect(gt(int, good, 500));
    cr_expect(gt(int, bad, 500));
    free(w.codes);
}
