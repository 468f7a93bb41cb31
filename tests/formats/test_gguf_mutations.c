/* Thousands of damaged files: each is refused or read, none makes the reader touch a
 * byte that is not there (run under a sanitiser to see it). The mutations are a pure
 * function of their number, so that a failure can be repeated. fuzz_gguf.c searches
 * further. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tests/formats/ggml_vectors.h"
#include "tests/fuzz/walk_gguf.h"

enum { SEED = 20261122, MUTANTS = 20000 };

static uint64_t draw(uint64_t mutant, uint64_t i, uint64_t n)
{
    return tern_rand_below(SEED + mutant, TERN_STREAM_TEST, i, n);
}

/* 1 to 4 changes: a byte, a length-like number, a cut, a piece copied elsewhere. */
static size_t mutate(uint8_t *data, size_t bytes, uint64_t mutant)
{
    static const uint64_t edges[] = {0,          1,         0x7fffffff,
                                     0xffffffff, INT64_MAX, UINT64_MAX};
    const uint64_t changes = 1 + draw(mutant, 0, 4);
    for (uint64_t c = 0; c < changes; c++) {
        const uint64_t at = draw(mutant, 10 * c + 1, bytes - 8);
        const uint64_t small = draw(mutant, 10 * c + 2, 600);
        switch (draw(mutant, 10 * c + 3, 5)) {
        case 0:
            data[at] = (uint8_t)draw(mutant, 10 * c + 4, 256);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << draw(mutant, 10 * c + 4, 8));
            break;
        case 2:
            memcpy(data + at, &edges[draw(mutant, 10 * c + 4, 6)], 8);
            break;
        case 3:
            memcpy(data + at, &small, 8);
            break;
        default:
            memmove(data + at, data + draw(mutant, 10 * c + 4, bytes - 8), 8);
        }
    }
    return draw(mutant, 99, 4) ? bytes : draw(mutant, 98, bytes + 1);
}

Test(gguf_mutations, never_a_bad_access)
{
    size_t read = 0, refused = 0;
    unsigned sum = 0;
    for (uint64_t m = 0; m < MUTANTS; m++) {
        uint8_t work[sizeof ggml_file];
        memcpy(work, ggml_file, sizeof work);
        const size_t bytes = mutate(work, sizeof work, m);
        uint8_t *data = malloc(bytes ? bytes : 1); /* ends where the heap block ends */
        cr_assert(data != NULL);
        memcpy(data, work, bytes);
        tern_gguf *g;
        const tern_status s = tern_gguf_parse(data, bytes, "mutant", &g);
        if (s == TERN_OK) {
            sum += walk_gguf(g);
            tern_gguf_close(g);
            read++;
        } else {
            cr_assert(s == TERN_ECORRUPT || s == TERN_EFORMAT, "mutant %d: %s", (int)m,
                      tern_error_message());
            cr_assert(strncmp(tern_error_message(), "mutant: ", 8) == 0);
            refused++;
        }
        free(data);
    }
    cr_expect(sum > 0);
    cr_expect(read > MUTANTS / 20, "only %zu were read: mutations too rough", read);
    cr_expect(refused > MUTANTS / 4, "only %zu refused: mutations too mild", refused);
}
