/* kernels.c - choose the tables. */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"
#include "kernels/float_kernels.h"

static tern_kernels table;
static tern_level level_in_use = TERN_LEVEL_SCALAR;
static bool chosen;

const tern_kernels *tern_kernels_active = &tern_kernels_scalar;

static void use(tern_level l)
{
    table = tern_kernels_scalar;
#if defined(__x86_64__)
    if (l >= TERN_LEVEL_AVX2) tern_kernels_upgrade_avx2(&table);
    if (l >= TERN_LEVEL_AVX512VNNI) tern_kernels_upgrade_avx512vnni(&table);
#elif defined(__aarch64__)
    if (l >= TERN_LEVEL_NEON) tern_kernels_upgrade_neon(&table);
    if (l >= TERN_LEVEL_NEONDOT) tern_kernels_upgrade_neondot(&table);
#endif
    tern_kernels_active = &table;
    tern_float_kernels_use(l);
    tern_decode_kernels_use(l);
    level_in_use = l;
    chosen = true;
}

/* "scalar, avx2": what a CPU whose best level is `best` can be asked for. */
static void list_levels(tern_level best, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int l = 0; l <= (int)best && used < bytes; l++)
        if (tern_level_within((tern_level)l, best))
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", l ? ", " : "",
                                     tern_level_name((tern_level)l));
}

tern_status tern_level_parse(const char *name, tern_level best, tern_level *level)
{
    char possible[128];
    list_levels(best, possible, sizeof possible);
    for (int l = 0; l < TERN_LEVEL_COUNT; l++) {
        if (strcmp(name, tern_level_name((tern_level)l)) != 0) continue;
        if (!tern_level_within((tern_level)l, best))
            return tern_fail(TERN_EARG, "kernel level %s: this CPU lacks it; it has %s",
                             name, possible);
        *level = (tern_level)l;
        return TERN_OK;
    }
    return tern_fail(TERN_EARG, "kernel level \"%s\": unknown; this CPU has %s", name,
                     possible);
}

tern_status tern_kernels_init(void)
{
    tern_level l = tern_level_best();
    const char *name = getenv("TERN_CPU");
    if (name && *name && tern_level_parse(name, l, &l) != TERN_OK)
        return tern_fail_in(TERN_EARG, "TERN_CPU");
    use(l);
    return TERN_OK;
}

tern_status tern_kernels_want(void)
{
    static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&choosing);
    const tern_status s = chosen ? TERN_OK : tern_kernels_init();
    pthread_mutex_unlock(&choosing);
    return s;
}

tern_status tern_kernels_force(tern_level l)
{
    TERN_TRY(tern_level_parse(tern_level_name(l), tern_level_best(), &l));
    use(l);
    return TERN_OK;
}

tern_level tern_kernels_level(void)
{
    return level_in_use;
}
