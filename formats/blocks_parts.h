/* blocks_parts.h - the encodings that blocks.c hands on (inside formats/). */
#ifndef TERN_FORMATS_BLOCKS_PARTS_H
#define TERN_FORMATS_BLOCKS_PARTS_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t tern_read_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline void tern_write_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* blocks_kquant.c: n numbers, n a multiple of the block. */
void tern_q4_0_encode(const float *x, size_t n, uint8_t *out);
void tern_q4_0_decode(const uint8_t *in, size_t n, float *x);
void tern_q4_k_decode(const uint8_t *in, size_t n, float *x);
void tern_q6_k_encode(const float *x, size_t n, uint8_t *out);
void tern_q6_k_decode(const uint8_t *in, size_t n, float *x);

#endif /* TERN_FORMATS_BLOCKS_PARTS_H */
