/* walk_st.h - use everything that a safetensors reader offers, as any caller might. */
#ifndef TERN_TESTS_FUZZ_WALK_ST_H
#define TERN_TESTS_FUZZ_WALK_ST_H

#include <string.h>

#include "formats/safetensors.h"

/* A sum over everything, so that no compiler leaves a read out. */
static inline unsigned walk_st(const tern_safetensors *s)
{
    unsigned sum = tern_safetensors_metadata(s, "format") != NULL;
    for (size_t i = 0; i < tern_safetensors_count(s); i++) {
        const tern_st_tensor *t = tern_safetensors_at(s, i);
        float x[64];
        sum += tern_safetensors_find(s, t->name) == t;
        sum += (unsigned)strlen(tern_safetensors_file(s, t));
        for (size_t k = 0; k < t->bytes; k++) sum += t->data[k];
        if (!tern_st_type_is_float(t->type)) continue;
        const size_t n = t->elements < 64 ? (size_t)t->elements : 64;
        tern_st_get_floats(t, (size_t)t->elements - n, n, x);
        for (size_t k = 0; k < n; k++) sum += x[k] > 0.0f;
        tern_safetensors_release(s, t);
    }
    return sum;
}

#endif /* TERN_TESTS_FUZZ_WALK_ST_H */
