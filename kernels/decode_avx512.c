/* decode_avx512.c - the runtime's kernels with vpdpbusd. What is bound by memory or by
 * shuffles gains nothing from wider registers: those slots are AVX2's. */
#include <immintrin.h>
#include <math.h>

#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

/* avx512vnni.c unpacks few rows in registers already. */
static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

/* --- caches of int8 --- */

enum { INT8_LANES = 16, INT8_VECS = 4, INT8_TWO_WAYS = 0 };
typedef __m512i int8_words;

/* vpdpbusd wants one operand unsigned: b + 128. What that adds is taken off before. */
static inline int8_words int8_start(int32_t sum)
{
    return _mm512_set1_epi32(-128 * sum);
}

static inline int8_words int8_load(const int8_t *b)
{
    return _mm512_xor_si512(_mm512_loadu_si512((const void *)b),
                            _mm512_set1_epi8((char)0x80));
}

static inline int8_words int8_repeat(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_set1_epi32(four);
}

static inline int8_words int8_dot(int8_words s, int8_words a, int8_words b,
                                  bool positive)
{
    (void)positive;
    s = _mm512_dpbusd_epi32(s, b, a);
    TERN_OPAQUE(s); /* as in decode_avx2.c */
    return s;
}

static inline void int8_finish(int8_words s, float e, const float *d, bool add,
                               float *c)
{
    __m512 scale = _mm512_set1_ps(e);
    if (d) scale = _mm512_mul_ps(scale, _mm512_loadu_ps(d));
    const __m512 before = add ? _mm512_loadu_ps(c) : _mm512_setzero_ps();
    _mm512_storeu_ps(c, _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), scale, before));
}

#include "kernels/int8_product.h"

/* 64 codes from four registers, saturated, in their order. */
static inline __m512i narrow(const __m512i v[4])
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i low = _mm512_packs_epi32(v[0], v[1]);
    const __m512i high = _mm512_packs_epi32(v[2], v[3]);
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
}

/* All 64 stay in registers; what is done to each is what avx512vnni.c does. */
static float quantize_products(const float *w, const float *e, size_t n, int8_t *q,
                               int32_t *sum)
{
    enum { LANES = 16, N = 64, PARTS = N / LANES };
    if (n != N) return tern_decode_scalar.quantize_products(w, e, n, q, sum);
    __m512 x[PARTS], most = _mm512_setzero_ps();
    __m512i v[PARTS];
    TERN_UNROLLED (i, PARTS) {
        x[i] = _mm512_mul_ps(_mm512_loadu_ps(w + LANES * i),
                             _mm512_loadu_ps(e + LANES * i));
        most = _mm512_max_ps(_mm512_abs_ps(x[i]), most);
    }
    const float largest = _mm512_reduce_max_ps(most);
    const __m512 s = _mm512_set1_ps(largest > 1e-30f ? 127.0f / largest : 0.0f);
    TERN_UNROLLED (i, PARTS) v[i] = _mm512_cvtps_epi32(_mm512_mul_ps(x[i], s));
    const __m512i codes = narrow(v);
    const __mmask64 bad =
        _mm512_cmpeq_epi8_mask(codes, _mm512_set1_epi8((char)INT8_MIN));
    _mm512_storeu_si512((void *)q, codes);
    *sum = _mm512_reduce_add_epi32(
        _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), codes));
    return bad || isinf(largest) ? NAN : largest / 127.0f;
}

/* --- heads --- */

enum { CODES_GROUP = 8, CODES_PAIR = 5, CODES_ZERO = 128 };
typedef __m512 codes_floats;

static inline int8_words codes_load(const uint8_t *p)
{
    return _mm512_load_si512((const void *)p);
}

static inline int8_words codes_and(int8_words w, uint32_t bits)
{
    return _mm512_and_si512(w, _mm512_set1_epi32((int)bits));
}

static inline int8_words codes_or(int8_words a, int8_words b)
{
    return _mm512_or_si512(a, b);
}

static inline int8_words codes_add(int8_words a, int8_words b)
{
    return _mm512_add_epi32(a, b);
}

TERN_INLINE int8_words codes_left(int8_words w, int n)
{
    return _mm512_slli_epi32(w, (unsigned)n);
}

TERN_INLINE int8_words codes_right(int8_words w, int n)
{
    return _mm512_srli_epi32(w, (unsigned)n);
}

TERN_INLINE int8_words codes_divide(int8_words w, int n)
{
    return _mm512_srai_epi32(w, (unsigned)n);
}

static inline int8_words codes_none(void)
{
    return _mm512_setzero_si512();
}

/* Unsigned, as in int8_load(). */
static inline int8_words codes_signed(int8_words w)
{
    return _mm512_xor_si512(w, _mm512_set1_epi8((char)0x80));
}

static inline int8_words codes_dots(int8_words s, int8_words w, int8_words q,
                                    int8_words v, int8_words p, bool small)
{
    (void)small;
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(s, w, q), v, p);
}

static inline codes_floats codes_float(int8_words w)
{
    return _mm512_cvtepi32_ps(w);
}

static inline codes_floats codes_halves(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const void *)p));
}

static inline codes_floats codes_same(float x)
{
    return _mm512_set1_ps(x);
}

static inline codes_floats codes_times(codes_floats a, codes_floats b)
{
    return _mm512_mul_ps(a, b);
}

static inline codes_floats codes_fused(codes_floats a, codes_floats b, codes_floats c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline void codes_put(float *p, codes_floats v)
{
    _mm512_storeu_ps(p, v);
}

#include "kernels/codes_product.h"

/* --- the limit --- */

static size_t spin(size_t steps, int32_t *sum)
{
    enum { CHAINS = 12 };
    const __m512i u = _mm512_set1_epi8((char)(steps & 3));
    __m512i q = _mm512_set1_epi8((char)(steps & 7)), word[CHAINS];
    TERN_UNROLLED (i, CHAINS) word[i] = _mm512_setzero_si512();
    for (size_t s = 0; s < steps; s++) {
        TERN_UNROLLED (i, CHAINS) {
            TERN_OPAQUE(q); /* no product is like another */
            word[i] = _mm512_dpbusd_epi32(word[i], u, q);
            TERN_OPAQUE(word[i]); /* nor is a register moved */
        }
    }
    __m512i all = _mm512_setzero_si512();
    TERN_UNROLLED (i, CHAINS) all = _mm512_xor_si512(all, word[i]);
    *sum = _mm_cvtsi128_si32(_mm512_castsi512_si128(all));
    return steps * CHAINS * 64;
}

void tern_decode_upgrade_avx512(tern_decode_kernels *k)
{
    k->few = few;
    k->codes_product = codes_product;
    k->int8_product = int8_product;
    k->quantize_products = quantize_products;
    k->spin = spin;
}
