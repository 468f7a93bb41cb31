/* The choice of a kernel level, by name, by the environment, by force. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/float_kernels.h"
#include "kernels/kernels.h"

Test(cpu, unknown_name_is_an_error_that_lists_what_is_possible)
{
    setenv("TERN_CPU", "nonsense", 1);
    cr_assert(eq(int, tern_kernels_init(), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "TERN_CPU"), NULL));
    cr_expect(ne(ptr, strstr(tern_error_message(), "\"nonsense\""), NULL));
    cr_expect(ne(ptr, strstr(tern_error_message(), "scalar"), NULL));
    cr_expect(eq(int, tern_kernels_level(), TERN_LEVEL_SCALAR),
              "table must not change");
}

Test(cpu, level_above_the_cpu_is_refused)
{
    tern_level l = TERN_LEVEL_SCALAR;
    cr_assert(eq(int, tern_level_parse("avx2", TERN_LEVEL_SCALAR, &l), TERN_EARG));
    cr_expect(eq(int, l, TERN_LEVEL_SCALAR));
    cr_expect(ne(ptr, strstr(tern_error_message(), "it has scalar"), NULL));
    cr_expect(eq(ptr, strstr(tern_error_message(), "avx512"), NULL));
    cr_assert(eq(int, tern_level_parse("avx512vnni", TERN_LEVEL_AVX2, &l), TERN_EARG));
    cr_assert(eq(int, tern_level_parse("avx2", TERN_LEVEL_AVX512VNNI, &l), TERN_OK));
    cr_expect(eq(int, l, TERN_LEVEL_AVX2));
    cr_assert(eq(int, tern_kernels_force(TERN_LEVEL_COUNT), TERN_EARG));
}

/* Neither architecture is above the other: each lacks the other's levels. */
Test(cpu, level_of_another_architecture_is_refused)
{
    tern_level l = TERN_LEVEL_SCALAR;
    cr_assert(eq(int, tern_level_parse("neon", TERN_LEVEL_AVX512VNNI, &l), TERN_EARG));
    cr_expect(ne(ptr,
                 strstr(tern_error_message(), "this CPU lacks it; it has scalar, "
                                              "avx2, avx512vnni"),
                 NULL));
    cr_assert(eq(int, tern_level_parse("avx2", TERN_LEVEL_NEONDOT, &l), TERN_EARG));
    cr_expect(
        ne(ptr, strstr(tern_error_message(), "it has scalar, neon, neondot"), NULL),
        "%s", tern_error_message());
    cr_assert(eq(int, tern_level_parse("avx512vnni", TERN_LEVEL_NEON, &l), TERN_EARG));
    cr_assert(eq(int, tern_level_parse("neondot", TERN_LEVEL_NEON, &l), TERN_EARG));
    cr_expect(eq(int, l, TERN_LEVEL_SCALAR));
    cr_assert(eq(int, tern_level_parse("neon", TERN_LEVEL_NEONDOT, &l), TERN_OK));
    cr_expect(eq(int, l, TERN_LEVEL_NEON));
    cr_assert(eq(int, tern_level_parse("scalar", TERN_LEVEL_NEON, &l), TERN_OK));
}

#if defined(__x86_64__) || defined(__aarch64__)
Test(cpu, the_environment_names_another_architectures_level)
{
#if defined(__x86_64__)
    const char *theirs = "neon";
#else
    const char *theirs = "avx2";
#endif
    setenv("TERN_CPU", theirs, 1);
    cr_assert(eq(int, tern_kernels_init(), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "this CPU lacks it"), NULL));
}
#endif

Test(cpu, environment_chooses)
{
    setenv("TERN_CPU", "scalar", 1);
    cr_assert(eq(int, tern_kernels_init(), TERN_OK));
    cr_expect(eq(int, tern_kernels_level(), TERN_LEVEL_SCALAR));
    cr_expect(tern_kernels_active->matmul == tern_kernels_scalar.matmul);
    cr_expect(eq(ptr, (void *)tern_float_active, (void *)&tern_float_scalar));
    setenv("TERN_CPU", "", 1);
    cr_assert(eq(int, tern_kernels_init(), TERN_OK));
    cr_expect(eq(int, tern_kernels_level(), tern_level_best()));
}

Test(cpu, table_is_scalar_before_init)
{
    cr_expect(eq(int, tern_kernels_level(), TERN_LEVEL_SCALAR));
    cr_expect(eq(ptr, (void *)tern_kernels_active, (void *)&tern_kernels_scalar));
}

Test(cpu, every_level_has_a_name_and_upgrades_the_product)
{
    cr_expect(eq(str, (char *)tern_level_name(TERN_LEVEL_SCALAR), "scalar"));
    cr_expect(eq(str, (char *)tern_level_name(TERN_LEVEL_AVX2), "avx2"));
    cr_expect(eq(str, (char *)tern_level_name(TERN_LEVEL_AVX512VNNI), "avx512vnni"));
    cr_expect(eq(str, (char *)tern_level_name(TERN_LEVEL_NEON), "neon"));
    cr_expect(eq(str, (char *)tern_level_name(TERN_LEVEL_NEONDOT), "neondot"));
    cr_expect(eq(str, (char *)tern_level_name((tern_level)77), "unknown"));
    void (*before)(const tern_matmul_block *) = NULL;
    for (int l = 0; l <= (int)tern_level_best(); l++) {
        if (!tern_level_within((tern_level)l, tern_level_best())) continue;
        cr_assert(eq(int, tern_kernels_force((tern_level)l), TERN_OK));
        cr_expect(eq(int, tern_kernels_level(), l));
        cr_expect(tern_kernels_active->matmul != before);
        before = tern_kernels_active->matmul;
    }
}

Test(cpu, threads)
{
    const int all = tern_threads();
    cr_expect(ge(int, all, 1));
    tern_threads_set(3);
    cr_expect(eq(int, tern_threads(), 3));
    int inside = 0; /* each of a team has work of its own */
#pragma omp parallel num_threads(2) reduction(+ : inside)
    inside += tern_threads();
    cr_expect(eq(int, inside, 2));
    tern_threads_set(0);
    cr_expect(eq(int, tern_threads(), all));
}
