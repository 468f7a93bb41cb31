/* activations.c - 8-bit blocks, as llama.cpp rounds what it multiplies by its quantised
 * matrices on a CPU.
 *
 *     Q8_K   256 numbers, f32 scale: the number of largest magnitude becomes -127.
 *            For TQ1_0, TQ2_0, Q4_K and Q6_K matrices
 *     Q8_0   32 numbers, fp16 scale: the largest magnitude becomes 127.
 *            For Q2_0, Q4_0 and Q8_0 matrices */
#include "runtime/activations.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/cpu.h"

static const struct {
    const char *name;
    size_t block;
} kinds[] = {
    [TERN_ACTIVATIONS_PER_TOKEN] = {"per-token", 0},
    [TERN_ACTIVATIONS_Q8_K] = {"q8_k", 256},
    [TERN_ACTIVATIONS_Q8_0] = {"q8_0", 32},
    [TERN_ACTIVATIONS_NONE] = {"none", 0},
};

int tern_activations_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0) return (int)i;
    return -1;
}

const char *tern_activations_name(tern_activations how)
{
    return kinds[how].name;
}

size_t tern_activations_block(tern_activations how)
{
    return kinds[how].block;
}

/* The number of largest magnitude, with its sign; the first among equals. */
static float extreme(const float *x, size_t n)
{
    float most = 0.0f, value = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > most) {
            most = fabsf(x[i]);
            value = x[i];
        }
    return value;
}

static void round_256(const float *x, float *y)
{
    const float value = extreme(x, 256), inverse = -127.0f / value;
    const float scale = value == 0.0f ? 0.0f : 1.0f / inverse;
    for (size_t i = 0; i < 256; i++)
        y[i] = value == 0.0f ? 0.0f : fminf(127.0f, rintf(inverse * x[i])) * scale;
}

static void round_32(const float *x, float *y)
{
    const float most = fabsf(extreme(x, 32)), inverse = 127.0f / most;
    const float scale = tern_round_to_half(most / 127.0f);
    for (size_t i = 0; i < 32; i++)
        y[i] = most == 0.0f ? 0.0f : rintf(inverse * x[i]) * scale;
}

void tern_round_activations(tern_activations how, const float *x, size_t n, size_t cols,
                            float *y)
{
    const size_t block = tern_activations_block(how), blocks = n * cols / block;
#pragma omp parallel for num_threads(tern_threads()) if (blocks > 256)
    for (size_t i = 0; i < blocks; i++) {
        if (block == 256)
            round_256(x + i * block, y + i * block);
        else
            round_32(x + i * block, y + i * block);
    }
}
