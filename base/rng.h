/* rng.h - random numbers as a pure function of (seed, stream, index).
 *
 * There is no state to save, nothing to share between threads, and the n-th number of
 * a stream can be had without the n-1 before it: a resumed run, or one with more
 * threads, sees the same numbers. Two rounds of a 64-bit finaliser (Steele et al. 2014,
 * SplitMix64, with the constants of Stafford's "Mix13") mix the three words; good for
 * simulation, not for secrets.
 */
#ifndef TERN_BASE_RNG_H
#define TERN_BASE_RNG_H

#include <math.h>
#include <stdint.h>

/* Streams in use, so that no two purposes share their numbers. */
enum {
    TERN_STREAM_INIT = 1, /* + tensor number in the upper 32 bits */
    TERN_STREAM_BATCH,
    TERN_STREAM_DROPOUT,
    TERN_STREAM_SAMPLE,
    TERN_STREAM_TALES,
    TERN_STREAM_TEST
};

static inline uint64_t tern_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* 64 uniform bits. */
static inline uint64_t tern_rand_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    const uint64_t key = tern_mix64(seed + golden) ^ tern_mix64(~stream * golden);
    return tern_mix64(tern_mix64(key + (index + 1) * golden) ^ key);
}

/* Uniform in [0, 1), 24 bits. */
static inline float tern_rand_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (float)(tern_rand_u64(seed, stream, index) >> 40) * 0x1p-24f;
}

/* Uniform in 0 .. n-1, n > 0; bias below n / 2^64. */
static inline uint64_t tern_rand_below(uint64_t seed, uint64_t stream, uint64_t index,
                                       uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)tern_rand_u64(seed, stream, index) * n) >> 64);
}

/* Standard normal (Box-Muller, in double). */
static inline float tern_rand_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    const uint64_t a = tern_rand_u64(seed, stream, 2 * index);
    const uint64_t b = tern_rand_u64(seed, stream, 2 * index + 1);
    const double u = ((double)(a >> 11) + 0.5) * 0x1p-53;
    const double v = (double)(b >> 11) * 0x1p-53;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

#endif /* TERN_BASE_RNG_H */
