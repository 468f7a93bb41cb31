/* Generating makes no heap calls. malloc and its family are replaced here by ones that
 * count and pass on (not free: nothing is freed that was not allocated); a sanitiser
 * has its own, so under one the test is skipped. */
#if defined(__SANITIZE_ADDRESS__)
#define COUNTED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTED 0
#endif
#endif
#ifndef COUNTED
#define COUNTED 1
#endif

#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>

#include "kernels/cpu.h"
#include "runtime/runtime.h"
#include "tests/runtime/toy.h"
#include "tests/support/scratch.h"

static long calls;

#if COUNTED && defined(__GLIBC__)
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t to, size_t n);

/* Not the OpenMP library's own: it allocates when a team of another size begins. */
static void count_call(const void *caller)
{
    Dl_info library;
    if (dladdr(caller, &library) && strstr(library.dli_fname, "omp")) return;
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t n)
{
    count_call(__builtin_return_address(0));
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count_call(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count_call(__builtin_return_address(0));
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t to, size_t n)
{
    count_call(__builtin_return_address(0));
    return __libc_memalign(to, n);
}

int posix_memalign(void **out, size_t to, size_t n)
{
    count_call(__builtin_return_address(0));
    *out = __libc_memalign(to, n);
    return *out ? 0 : 12; /* ENOMEM */
}

#endif

static long heap_calls(void)
{
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

static const tern_spec SPEC = {.arch = TERN_ARCH_BITNET,
                               .tied = true,
                               .vocab = 400,
                               .width = 256,
                               .layers = 2,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 64,
                               .ffn = 512,
                               .context = 900,
                               .rope_theta = 10000.0f,
                               .norm_eps = 1e-5f};

static void expect_silent(const tern_spec *spec, uint32_t linear, uint32_t embed)
{
    char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
    static int32_t ids[700];
    static float logits[400], two_logits[800];
    static max_align_t scratch[400];
    toy t;
    tern_runtime *m = NULL;
    tern_session *s = NULL, *other = NULL;
    tern_sampler sampler = {.temperature = 0.8f,
                            .top_k = 40,
                            .top_p = 0.9f,
                            .min_p = 0.01f,
                            .repeat_penalty = 1.1f};
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    toy_make(&t, spec, linear, embed, 1);
    toy_write(&t, path);
    MUST(tern_runtime_open(path, &m));
    MUST(tern_session_new(m, 0, &s));
    cr_assert(sizeof scratch >= tern_sample_scratch(400));

    MUST(tern_session_new(m, 0, &other));
    tern_session *both[] = {s, other};
    MUST(tern_session_eval(s, ids, 2, logits)); /* OpenMP starts its threads */
    const long before = heap_calls();
    for (int i = 0; i < 70; i++) { /* over the first table of angles, too */
        MUST(tern_session_eval(s, ids, 1, logits));
        ids[0] = tern_sample(&sampler, logits, 400, ids, 64, scratch);
    }
    MUST(tern_session_eval_many(both, ids, 2, two_logits));
    const long decode = heap_calls();
    MUST(tern_session_eval(s, ids, 700, logits));
    cr_expect(eq(long, decode - before, 0), "decode");
    cr_expect(eq(long, heap_calls() - decode, 0), "prefill");
    tern_session_free(s);
    tern_session_free(other);
    tern_runtime_free(m);
    toy_free(&t);
    tern_scratch_remove(dir);
}

Test(session_heap, no_heap_calls)
{
    if (!COUNTED) cr_skip_test("a sanitiser owns the heap");
    MUST(tern_kernels_init());
    tern_spec twin = SPEC;
    twin.quant = TERN_QUANT_NONE;
    expect_silent(&SPEC, TERN_GGML_TQ2_0, TERN_GGML_F16);
#ifndef TERN_TEST_EMULATED /* where each of these takes a minute */
    expect_silent(&SPEC, TERN_GGML_TQ1_0, TERN_GGML_Q8_0);
#endif
    expect_silent(&twin, TERN_GGML_Q8_0, TERN_GGML_Q8_0);
    cr_expect(gt(long, heap_calls(), 100), "calls are counted at all");
}
