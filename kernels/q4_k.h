/* q4_k.h - the scales of a Q4_K block (formats/blocks_kquant.c draws it), which every
 * level unpacks in the same way. */
#ifndef TERN_KERNELS_Q4_K_H
#define TERN_KERNELS_Q4_K_H

#include <stdint.h>
#include <string.h>

/* The scales s and offsets o of the eight groups of 32 weights, group 0 in the lowest
 * byte. */
static inline void tern_q4_k_scales(const uint8_t *w, uint64_t *s, uint64_t *o)
{
    const uint32_t six = 0x3f3f3f3fu, four = 0x0f0f0f0fu, two = 0x30303030u;
    uint32_t p[3];
    memcpy(p, w + 4, sizeof p);
    const uint32_t high_s = (p[2] & four) | (p[0] >> 2 & two);
    const uint32_t high_o = (p[2] >> 4 & four) | (p[1] >> 2 & two);
    *s = (p[0] & six) | (uint64_t)high_s << 32;
    *o = (p[1] & six) | (uint64_t)high_o << 32;
}

#endif /* TERN_KERNELS_Q4_K_H */
