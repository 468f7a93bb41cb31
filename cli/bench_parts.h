/* bench_parts.h - where the time of a training step goes, beside what the machine could
 * do. */
#ifndef TERN_CLI_BENCH_PARTS_H
#define TERN_CLI_BENCH_PARTS_H

#include <jansson.h>

#include "autograd/tape.h"
#include "train/config.h"

/* Multiply-adds per second that this machine reaches. */
typedef struct tern_bench_peaks {
    double int8,
        int16;      /* kernels/peaks.h; 16 bits are half of 8 on every CPU we know */
    double float32; /* a large product of OpenBLAS */
} tern_bench_peaks;

tern_bench_peaks tern_bench_measure_peaks(void);

/* A line for each kind of op: milliseconds of a step, and percent of its limit where an
 * op is limited by its multiply-adds. `clock` holds `steps` steps of config c. */
void tern_bench_print_parts(const tern_config *c, const tern_tape_clock *clock,
                            size_t steps, const tern_bench_peaks *peaks);
json_t *tern_bench_json_parts(const tern_config *c, const tern_tape_clock *clock,
                              size_t steps, const tern_bench_peaks *peaks);
json_t *tern_bench_json_peaks(const tern_bench_peaks *peaks);

#endif /* TERN_CLI_BENCH_PARTS_H */
