/* init.h - random initial values of one parameter. Internal to layers/. */
#ifndef TERN_LAYERS_INIT_H
#define TERN_LAYERS_INIT_H

#include "autograd/param.h"

/* val from N(0, std): element i is a pure function of (seed, number, i), so the result
 * is the same for any number of threads, and for a matrix of the same number in another
 * model of the same width. */
void tern_init_normal(tern_param *p, float std, uint64_t seed, uint64_t number);

#endif /* TERN_LAYERS_INIT_H */
