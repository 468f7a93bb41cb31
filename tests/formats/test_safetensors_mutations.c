/* Thousands of damaged files: each is refused or read, none makes the reader touch a
 * byte that is not there (run under a sanitiser to see it). The mutations are a pure
 * function of their number, so that a failure can be repeated. fuzz_safetensors.c
 * searches further. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/rng.h"
#include "tests/formats/craft_st.h"
#include "tests/fuzz/walk_st.h"

enum { SEED = 20261125, MUTANTS = 20000 };

static uint64_t draw(uint64_t mutant, uint64_t i, uint64_t n)
{
    return tern_rand_below(SEED + mutant, TERN_STREAM_TEST, i, n);
}

/* A place in the file where a digit stands, so that numbers change and JSON stays. */
static size_t digit(const craft_st *c, uint64_t mutant, uint64_t i)
{
    size_t at = (size_t)draw(mutant, i, c->bytes);
    for (size_t k = 0; k < c->bytes; k++, at = (at + 1) % c->bytes)
        if (c->data[at] >= '0' && c->data[at] <= '9') return at;
    return 0;
}

/* 1 to 3 changes: a digit, any byte, a bit, the header's length. */
static size_t mutate(craft_st *c, uint64_t mutant)
{
    const uint64_t changes = 1 + draw(mutant, 0, 3);
    for (uint64_t k = 0; k < changes; k++) {
        const size_t at = (size_t)draw(mutant, 10 * k + 1, c->bytes);
        switch (draw(mutant, 10 * k + 2, 8)) {
        case 0:
            c->data[at] = (uint8_t)draw(mutant, 10 * k + 3, 256);
            break;
        case 1:
            c->data[at] ^= (uint8_t)(1u << draw(mutant, 10 * k + 3, 8));
            break;
        case 2:
            c->data[0] = (uint8_t)(c->data[0] + draw(mutant, 10 * k + 3, 9) - 4);
            break;
        case 3: /* in the data, where anything goes */
            c->data[c->bytes - 1 - at % CRAFT_ST_ALL_DATA] ^= 0x55;
            break;
        default:
            c->data[digit(c, mutant, 10 * k + 3)] =
                (uint8_t)('0' + draw(mutant, 10 * k + 4, 10));
        }
    }
    return draw(mutant, 99, 8) ? c->bytes : draw(mutant, 98, c->bytes + 1);
}

Test(safetensors_mutations, never_a_bad_access)
{
    size_t read = 0, refused = 0;
    unsigned sum = 0;
    for (uint64_t m = 0; m < MUTANTS; m++) {
        craft_st c = craft_st_file(craft_st_all, CRAFT_ST_ALL_DATA);
        const size_t bytes = mutate(&c, m);
        tern_safetensors *s;
        const tern_status status = craft_st_parse(c.data, bytes, &s);
        if (status == TERN_OK) {
            sum += walk_st(s);
            craft_st_close(s);
            read++;
            continue;
        }
        cr_assert(status == TERN_ECORRUPT || status == TERN_EFORMAT, "mutant %d: %s",
                  (int)m, tern_error_message());
        cr_assert(strncmp(tern_error_message(), "crafted: ", 9) == 0);
        refused++;
    }
    cr_expect(sum > 0);
    cr_expect(read > MUTANTS / 20, "only %zu were read: mutations too rough", read);
    cr_expect(refused > MUTANTS / 4, "only %zu refused: mutations too mild", refused);
}
