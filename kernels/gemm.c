/* gemm.c - open OpenBLAS, make it choose the right core, cut products into blocks.
 *
 * The wrong core. OpenBLAS knows the CPUs that existed when it was released and runs
 * an unknown one on its most careful kernels: 0.3.21 (2022) takes several later Xeons
 * for a "Prescott" of 2004 and computes at a fifth of their speed. What its kernels
 * need is instructions, not model numbers, so tern asks for the core by instruction
 * set. OPENBLAS_CORETYPE must be set before the library is loaded, hence dlopen().
 *
 * Some virtual machines hide the size of the second level cache; OpenBLAS divides by
 * it. OPENBLAS_L2_SIZE (in KiB) stands in for it.
 *
 * The functions' types are written out here instead of taken from cblas.h: tern builds
 * where only the library, or nothing at all, is installed. */
#define _GNU_SOURCE /* RTLD_NOLOAD */
#include "kernels/gemm.h"

#include <assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "kernels/cpu.h"

/* Of the CBLAS standard. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112, UPPER = 121 };

typedef void sgemm_function(int order, int trans_a, int trans_b, int m, int n, int k,
                            float alpha, const float *a, int lda, const float *b,
                            int ldb, float beta, float *c, int ldc);

typedef void ssyrk_function(int order, int uplo, int trans, int n, int k, float alpha,
                            const float *a, int lda, float beta, float *c, int ldc);

static struct {
    sgemm_function *sgemm;
    ssyrk_function *ssyrk;
    tern_status status;
    char message[256];  /* why status is not TERN_OK */
    char describe[256]; /* for people */
} blas;

/* --- loading --- */

/* The core whose kernels need no more than this CPU has; NULL: leave it to OpenBLAS. */
static const char *wanted_core(const tern_cpu_features *f)
{
    if (f->avx512) return "SkylakeX";
    if (f->avx2) return f->amd ? "Zen" : "Haswell";
    return NULL;
}

/* Cores of OpenBLAS that use AVX2 or better. */
static bool is_fast_core(const char *name)
{
    static const char *const fast[] = {"Haswell",  "Zen",        "Excavator",
                                       "SkylakeX", "Cooperlake", "SapphireRapids"};
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
        if (strcasecmp(name, fast[i]) == 0) return true;
    return false;
}

static const char *const library_names[] = {
    "libopenblas.so.0",
    "libopenblas.so",
#ifdef TERN_OPENBLAS_PATH
    TERN_OPENBLAS_PATH,
#endif
};

static void *open_library(int flags)
{
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof library_names / sizeof *library_names;
         i++)
        library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL | flags);
    return library;
}

/* Set an environment variable unless the user has; true if it was set. */
static bool set_unless_set(const char *name, const char *value)
{
    return value && !getenv(name) && setenv(name, value, 0) == 0;
}

/* Load OpenBLAS with the environment it needs; the environment is then as before. */
static void *load_library(const tern_cpu_features *f, bool *chosen)
{
    *chosen = set_unless_set("OPENBLAS_CORETYPE", wanted_core(f));
    const bool l2 =
        f->avx2 && !f->l2_size && set_unless_set("OPENBLAS_L2_SIZE", "1024");
    void *library = open_library(0);
    if (*chosen) unsetenv("OPENBLAS_CORETYPE");
    if (l2) unsetenv("OPENBLAS_L2_SIZE");
    return library;
}

/* dlsym gives an object pointer; POSIX promises that its bits are the function's. */
static void symbol(void *library, const char *name, void *function)
{
    void *p = dlsym(library, name);
    memcpy(function, &p, sizeof p);
}

static void describe(const char *config, const char *core, const char *chosen_by)
{
    /* "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": name and version are the first two words. */
    const char *space = strchr(config, ' ');
    const size_t words = space ? (size_t)(space - config) + 1 : 0;
    const int version = (int)(words + strcspn(config + words, " "));
    snprintf(blas.describe, sizeof blas.describe, "%.*s, core %s (chosen by %s)",
             version, config, core, chosen_by);
}

enum { M = 19, N = 23, K = 37 }; /* a small product */

/* C = A A^T of A (M, K): its upper triangle. */
static bool computes_gram_right(const float *a)
{
    float c[M * M];
    blas.ssyrk(ROW_MAJOR, UPPER, NO_TRANS, M, K, 1.0f, a, K, 0.0f, c, M);
    for (int i = 0; i < M; i++)
        for (int j = i; j < M; j++) {
            float sum = 0.0f;
            for (int p = 0; p < K; p++) sum += a[i * K + p] * a[j * K + p];
            if (c[i * M + j] != sum) return false;
        }
    return true;
}

/* One small product of each kind against plain C. */
static bool computes_right(void)
{
    float a[M * K], b[N * K], c[M * N];
    for (int kind = 0; kind < 4; kind++) {
        const bool ta = kind & 1, tb = kind & 2;
        for (int i = 0; i < M * K; i++) a[i] = (float)(i * 7 % 13 - 6);
        for (int i = 0; i < N * K; i++) b[i] = (float)(i * 5 % 11 - 5);
        blas.sgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, M, N, K,
                   1.0f, a, ta ? M : K, b, tb ? K : N, 0.0f, c, N);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                float sum = 0.0f; /* exact: small integers */
                for (int p = 0; p < K; p++)
                    sum +=
                        a[ta ? p * M + i : i * K + p] * b[tb ? j * K + p : p * N + j];
                if (c[i * N + j] != sum) return false;
            }
    }
    return computes_gram_right(a);
}

static tern_status load(void)
{
    const tern_cpu_features f = tern_cpu_query();
    const bool by_user = getenv("OPENBLAS_CORETYPE") != NULL;
    const bool before = open_library(RTLD_NOLOAD) != NULL;
    bool by_tern;
    void *library = load_library(&f, &by_tern);
    if (!library)
        return tern_fail(TERN_EIO, "OpenBLAS: libopenblas.so.0 not found; install it "
                                   "(Debian, Ubuntu: apt install libopenblas0-openmp)");

    const char *(*get_config)(void), *(*get_corename)(void);
    void (*set_num_threads)(int);
    symbol(library, "cblas_sgemm", &blas.sgemm);
    symbol(library, "cblas_ssyrk", &blas.ssyrk);
    symbol(library, "openblas_get_config", &get_config);
    symbol(library, "openblas_get_corename", &get_corename);
    symbol(library, "openblas_set_num_threads", &set_num_threads);
    if (!blas.sgemm || !blas.ssyrk || !get_config || !get_corename || !set_num_threads)
        return tern_fail(TERN_EIO,
                         "OpenBLAS: the library found lacks cblas_sgemm, cblas_ssyrk "
                         "or openblas_get_config; install libopenblas0-openmp");
    const char *config = get_config(), *core = get_corename();
    if (strstr(config, "USE64BITINT"))
        return tern_fail(TERN_EIO, "OpenBLAS: the library found takes 64-bit integers; "
                                   "install libopenblas0-openmp");

    /* tern cuts the work itself. The OpenMP build passes this on to OpenMP. */
    const int threads = omp_get_max_threads();
    set_num_threads(1);
    omp_set_num_threads(threads);

    describe(config, core,
             by_user              ? "OPENBLAS_CORETYPE"
             : by_tern && !before ? "tern"
                                  : "OpenBLAS");
    if (f.avx2 && !by_user && !is_fast_core(core))
        tern_warn("OpenBLAS runs on its slow core %s%s; start with "
                  "OPENBLAS_CORETYPE=%s in the environment",
                  core, before ? ", because it was loaded before tern" : "",
                  wanted_core(&f));
    if (!computes_right())
        return tern_fail(TERN_ENUMERIC,
                         "%s computes wrong products; try OPENBLAS_CORETYPE=Haswell or "
                         "another version of the library",
                         blas.describe);
    return TERN_OK;
}

static void load_once(void)
{
    blas.status = load();
    if (blas.status == TERN_OK) return;
    snprintf(blas.message, sizeof blas.message, "%s", tern_error_message());
    snprintf(blas.describe, sizeof blas.describe, "%s", blas.message);
}

tern_status tern_blas_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_once);
    return blas.status == TERN_OK ? TERN_OK
                                  : tern_fail(blas.status, "%s", blas.message);
}

const char *tern_blas_describe(void)
{
    (void)tern_blas_init();
    return blas.describe;
}

/* --- the product --- */

/* Edges of the blocks, a function of the shape alone. OpenBLAS packs its operands in
 * every call, so large blocks are fast; threads need several. Against one call for the
 * whole, on one thread, the training shapes lose 5 to 15 % in these blocks, 25 % in
 * 256 x 256 and 40 % in 128 x 128. */
enum {
    BLOCK_ROWS = 512,
    BLOCK_COLS = 1024,
    BLOCK_UNIT = 16,  /* edges are multiples of this */
    BLOCK_FINE = 128, /* blocks are cut until there are FINE_COUNT, down to this */
    FINE_COUNT = 4,
    BLOCK_LEAST = 64,       /* ... and until there are two, down to this */
    SERIAL_BELOW = 1 << 20, /* multiply-adds not worth a parallel region */
};

static size_t parts_of(size_t n, size_t most)
{
    return (n + most - 1) / most;
}

static size_t block_edge(size_t n, size_t parts)
{
    return parts_of(parts_of(n, parts), BLOCK_UNIT) * BLOCK_UNIT;
}

static void choose_blocks(size_t m, size_t n, size_t *rows, size_t *cols)
{
    size_t down = parts_of(m, BLOCK_ROWS), across = parts_of(n, BLOCK_COLS);
    for (;;) {
        *rows = block_edge(m, down);
        *cols = block_edge(n, across);
        const size_t count = down * across, edge = *rows > *cols ? *rows : *cols;
        if (count >= FINE_COUNT || edge <= BLOCK_LEAST) return;
        if (count >= 2 && edge <= BLOCK_FINE) return;
        if (*rows >= *cols)
            down *= 2;
        else
            across *= 2;
    }
}

static void assert_ready(void)
{
    const tern_status ready = tern_blas_init();
    assert(ready == TERN_OK);
    (void)ready;
}

static int transposed(bool yes)
{
    return yes ? TRANS : NO_TRANS;
}

/* Where no other thread is at work, the OpenMP build cuts a product among as many
 * threads as OpenMP would take, whatever openblas_set_num_threads() said, and may round
 * differently then. This holds it to one; call omp_set_num_threads() with the result
 * afterwards. */
static int hold_to_one_thread(void)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

void tern_sgemm_here(bool trans_a, bool trans_b, size_t m, size_t n, size_t k,
                     float alpha, const float *a, size_t lda, const float *b,
                     size_t ldb, float beta, float *c, size_t ldc)
{
    assert_ready();
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    assert(lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
    if (m == 0 || n == 0) return;
    const int threads = hold_to_one_thread();
    blas.sgemm(ROW_MAJOR, transposed(trans_a), transposed(trans_b), (int)m, (int)n,
               (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
    omp_set_num_threads(threads);
}

void tern_sgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha,
                const float *a, size_t lda, const float *b, size_t ldb, float beta,
                float *c, size_t ldc)
{
    assert_ready();
    if (m == 0 || n == 0) return;

    size_t rows, cols;
    choose_blocks(m, n, &rows, &cols);
    const size_t down = parts_of(m, rows), across = parts_of(n, cols);
    const int threads = m * n * k < SERIAL_BELOW ? 1 : tern_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t block = 0; block < down * across; block++) {
        /* A thread's blocks follow each other down C and share their part of op(B). */
        const size_t i = block % down * rows, j = block / down * cols;
        tern_sgemm_here(trans_a, trans_b, m - i < rows ? m - i : rows,
                        n - j < cols ? n - j : cols, k, alpha,
                        trans_a ? a + i : a + i * lda, lda,
                        trans_b ? b + j * ldb : b + j, ldb, beta, c + i * ldc + j, ldc);
    }
}

/* Rows [i, i + rows) of a symmetric C, from the diagonal to the right end, and below
 * the diagonal what mirrors them. */
static void gram_rows(bool trans, size_t n, size_t k, float alpha, const float *a,
                      size_t lda, float beta, float *c, size_t ldc, size_t i,
                      size_t rows)
{
    const size_t right = i + rows;
    const float *const ai = trans ? a + i : a + i * lda;
    const int threads = hold_to_one_thread();
    blas.ssyrk(ROW_MAJOR, UPPER, transposed(trans), (int)rows, (int)k, alpha, ai,
               (int)lda, beta, c + i * ldc + i, (int)ldc);
    omp_set_num_threads(threads);
    tern_sgemm_here(trans, !trans, rows, n - right, k, alpha, ai, lda,
                    trans ? a + right : a + right * lda, lda, beta, c + i * ldc + right,
                    ldc);
    for (size_t r = i; r < right; r++)
        for (size_t q = r + 1; q < n; q++) c[q * ldc + r] = c[r * ldc + q];
}

void tern_sgemm_gram(bool trans, size_t n, size_t k, float alpha, const float *a,
                     size_t lda, float beta, float *c, size_t ldc)
{
    enum { EDGE = 256 };
    assert_ready();
    assert(n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldc <= INT_MAX);
    const size_t blocks = parts_of(n, EDGE);
    const int threads = blocks == 1 ? 1 : tern_threads();
    /* The first rows are the longest: whoever is done takes the next. */
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t b = 0; b < blocks; b++)
        gram_rows(trans, n, k, alpha, a, lda, beta, c, ldc, b * EDGE,
                  n - b * EDGE < EDGE ? n - b * EDGE : EDGE);
}
