/* peaks.c - see peaks.h. */
#include "kernels/peaks.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "kernels/decode_kernels.h"
#include "kernels/parts.h"

enum {
    BUFFER = 256 << 20, /* bytes */
    READS = 5,
    PIECE = 128,     /* bytes, of which the parts of threads are made */
    SPINS = 1 << 20, /* steps of the multiplying loop: a few milliseconds */
    TRIES = 5
};

static size_t part(int i, size_t threads)
{
    return tern_part_start(BUFFER, PIECE, (size_t)i, threads);
}

/* Reading takes a while to reach its pace: every thread reads its part of the buffer.
 * The buffer is written first, by the threads that will read it, because memory that
 * was never written is one page of zeros. */
double tern_peak_bandwidth(int threads)
{
    char *buffer = tern_calloc(BUFFER, 1);
    uint64_t all = 0;
    double best = 0.0;
    if (!buffer) return 0.0;
    for (int i = 0; i <= READS; i++) {
        const double began = tern_seconds();
#pragma omp parallel for num_threads(threads) schedule(static) reduction(^ : all)
        for (int t = 0; t < threads; t++) {
            const size_t n = (size_t)threads, first = part(t, n), end = part(t + 1, n);
            if (i == 0)
                memset(buffer + first, t, end - first);
            else
                all ^= tern_decode_active->read(buffer + first, end - first);
        }
        const double rate = (double)BUFFER / (tern_seconds() - began);
        if (i > 0 && rate > best) best = rate;
    }
    const volatile uint64_t used = all;
    (void)used;
    tern_free(buffer);
    return best;
}

double tern_peak_integer(int threads)
{
    double best = 0.0;
    int32_t all = 0;
    for (int i = 0; i < TRIES; i++) {
        const double began = tern_seconds();
        double products = 0.0;
#pragma omp parallel for num_threads(threads) schedule(static)                         \
    reduction(+ : products) reduction(^ : all)
        for (int t = 0; t < threads; t++) {
            int32_t sum = 0;
            products += (double)tern_decode_active->spin(SPINS, &sum);
            all ^= sum;
        }
        const double rate = products / (tern_seconds() - began);
        if (rate > best) best = rate;
    }
    const volatile int32_t used = all;
    (void)used;
    return best;
}
