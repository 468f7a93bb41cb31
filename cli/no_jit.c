/* no_jit.c - PCRE2 without its compiler, in the static program.
 *
 * PCRE2 compiles patterns to machine code where it can, and its library has the
 * compiler built in: a ninth of the whole program, for the patterns of one prompt.
 * These are the functions that a PCRE2 configured without it has in their place. They
 * are defined before the linker comes to the library, so it does not take that part of
 * it; a PCRE2 that divides itself in another way is an error of the linker (defined
 * twice), not of the program. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* What the rest of the library calls, by the names that it uses within. */
void _pcre2_jit_free_8(void *jit, void *memory);
void _pcre2_jit_free_rodata_8(void *current, void *allocator);
size_t _pcre2_jit_get_size_8(void *jit);
const char *_pcre2_jit_get_target_8(void);
int _pcre2_jit_check_exec_8(void); /* Debian's */

int pcre2_jit_compile(pcre2_code *code, uint32_t options)
{
    (void)code;
    (void)options;
    return PCRE2_ERROR_JIT_BADOPTION;
}

int pcre2_jit_match(const pcre2_code *code, PCRE2_SPTR subject, PCRE2_SIZE length,
                    PCRE2_SIZE start, uint32_t options, pcre2_match_data *data,
                    pcre2_match_context *context)
{
    (void)code, (void)subject, (void)length, (void)start;
    (void)options, (void)data, (void)context;
    return PCRE2_ERROR_JIT_BADOPTION;
}

void _pcre2_jit_free_8(void *jit, void *memory)
{
    (void)jit;
    (void)memory;
}

void _pcre2_jit_free_rodata_8(void *current, void *allocator)
{
    (void)current;
    (void)allocator;
}

size_t _pcre2_jit_get_size_8(void *jit)
{
    (void)jit;
    return 0;
}

const char *_pcre2_jit_get_target_8(void)
{
    return "none";
}

int _pcre2_jit_check_exec_8(void)
{
    return 0;
}
