/* cpu.c - CPUID, the registers that the operating system saves, threads. On AArch64 the
 * Linux kernel says what there is (its documentation, "ARM64 ELF hwcaps").
 *
 * A CPU that has AVX-512 is of no use under a system that does not save its registers:
 * XGETBV tells which it does (Intel SDM volume 1, 13.3 and 15.2). */
#include "kernels/cpu.h"

#include <omp.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

enum {
    XCR0_AVX = 0x06,    /* SSE and the upper halves of ymm */
    XCR0_AVX512 = 0xe6, /* and mask registers, upper halves of zmm, zmm16-31 */
};

static uint32_t saved_registers(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(uint32_t word, uint32_t bits)
{
    return (word & bits) == bits;
}

tern_cpu_features tern_cpu_query(void)
{
    tern_cpu_features f = {0};
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d)) return f;
    f.amd = b == signature_AMD_ebx || b == 0x6f677948u /* "Hygo" */;
    if (__get_cpuid(0x80000006u, &a, &b, &c, &d)) f.l2_size = c >> 16 != 0;

    if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
    if (!has_all(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C)) return f;
    const uint32_t saved = saved_registers();
    if (!has_all(saved, XCR0_AVX)) return f;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
    f.avx2 = has_all(b, bit_AVX2);
    f.avx512 = f.avx2 && has_all(saved, XCR0_AVX512) &&
               has_all(b, bit_AVX512F | bit_AVX512CD | bit_AVX512BW | bit_AVX512DQ |
                              bit_AVX512VL);
    f.vnni = f.avx512 && has_all(c, bit_AVX512VNNI);
    return f;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

tern_cpu_features tern_cpu_query(void)
{
    const unsigned long asimd = 1ul << 1, asimddp = 1ul << 20; /* HWCAP_... */
    const unsigned long has = getauxval(AT_HWCAP);
    tern_cpu_features f = {.neon = (has & asimd) != 0};
    f.dotprod = f.neon && (has & asimddp) != 0;
    return f;
}
#else
tern_cpu_features tern_cpu_query(void)
{
    return (tern_cpu_features){0};
}
#endif

tern_level tern_level_best(void)
{
    const tern_cpu_features f = tern_cpu_query();
    return f.vnni      ? TERN_LEVEL_AVX512VNNI
           : f.avx2    ? TERN_LEVEL_AVX2
           : f.dotprod ? TERN_LEVEL_NEONDOT
           : f.neon    ? TERN_LEVEL_NEON
                       : TERN_LEVEL_SCALAR;
}

bool tern_level_within(tern_level l, tern_level best)
{
    const bool arm = best >= TERN_LEVEL_NEON;
    return l == TERN_LEVEL_SCALAR || (l <= best && (l >= TERN_LEVEL_NEON) == arm);
}

const char *tern_level_name(tern_level l)
{
    static const char *const names[TERN_LEVEL_COUNT] = {
        [TERN_LEVEL_SCALAR] = "scalar",         [TERN_LEVEL_AVX2] = "avx2",
        [TERN_LEVEL_AVX512VNNI] = "avx512vnni", [TERN_LEVEL_NEON] = "neon",
        [TERN_LEVEL_NEONDOT] = "neondot",
    };
    const int known = (int)l >= 0 && l < TERN_LEVEL_COUNT;
    return known ? names[l] : "unknown";
}

static int threads_wanted; /* 0: as many as OpenMP would take */

void tern_threads_set(int n)
{
    static int at_start; /* what OMP_NUM_THREADS or the machine gave */
    if (!at_start) at_start = omp_get_max_threads();
    threads_wanted = n > 0 ? n : at_start;
    omp_set_num_threads(threads_wanted); /* for regions without num_threads() */
}

int tern_threads(void)
{
    if (omp_in_parallel()) return 1;
    return threads_wanted ? threads_wanted : omp_get_max_threads();
}
