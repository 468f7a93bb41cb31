/* common.c - options, figures and messages that the commands share. */
#define _GNU_SOURCE
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/terminal.h"
#include "cli/waiting.h"
#include "data/utf8.h"
#include "kernels/cpu.h"

/* --- options --- */

enum { KEY_JSON = 0x1000, KEY_THREADS };

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    tern_common *c = state->input;
    switch (key) {
    case KEY_THREADS:
        c->threads = (int)tern_arg_int(state, "--threads", arg, 1, 1024);
        return 0;
    case KEY_JSON:
        c->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option threads_options[] = {
    {"threads", KEY_THREADS, "N", 0, "Threads to use (default: every core)", 1},
    {0},
};

static const struct argp_option json_options[] = {
    {"threads", KEY_THREADS, "N", 0, "Threads to use (default: every core)", 1},
    {"json", KEY_JSON, 0, 0, "Print the figures as JSON on standard output", 1},
    {0},
};

static const struct argp_option only_json[] = {
    {"json", KEY_JSON, 0, 0, "Print the figures as JSON on standard output", 1},
    {0},
};

const struct argp tern_argp_json = {.options = only_json, .parser = parse_common};
const struct argp tern_argp_threads = {.options = threads_options,
                                       .parser = parse_common};
const struct argp tern_argp_threads_json = {.options = json_options,
                                            .parser = parse_common};

long tern_arg_int(struct argp_state *state, const char *option, const char *text,
                  long low, long high)
{
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < low || v > high)
        argp_error(state, "%s is \"%s\", must be a whole number from %ld to %ld",
                   option, text, low, high);
    return v;
}

double tern_arg_float(struct argp_state *state, const char *option, const char *text,
                      double low, double high)
{
    char *end;
    const double v = strtod(text, &end);
    if (end == text || *end || !(v >= low && v <= high))
        argp_error(state, "%s is \"%s\", must be a number from %g to %g", option, text,
                   low, high);
    return v;
}

const char *tern_arg_name(struct argp_state *state, const char *option,
                          const char *text)
{
    if (!*text) argp_error(state, "%s is empty, must be a name", option);
    return text;
}

const char *tern_arg_set(struct argp_state *state, const char *text)
{
    const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
    if (!dot || !equals || dot == text || dot + 1 >= equals)
        argp_error(state, "--set is \"%s\", must be SECTION.KEY=VALUE", text);
    return text;
}

int64_t tern_arg_bytes(struct argp_state *state, const char *option, const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    const long long v = strtoll(text, &end, 10);
    const bool letter = (*end >= 'a' && *end <= 'z') || (*end >= 'A' && *end <= 'Z');
    const char *unit = letter ? strchr(units, *end & ~0x20) : NULL;
    const int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    const bool tail = *end && (!unit || end[1]);
    if (end == text || tail || errno || v <= 0 || v > (LLONG_MAX >> shift))
        argp_error(state, "%s is \"%s\", must be a size such as 500000, 64K or 8M",
                   option, text);
    return (int64_t)v << shift;
}

tern_status tern_common_apply(const tern_common *c)
{
    TERN_TRY(tern_kernels_init());
    tern_threads_set(c->threads);
    tern_bind_threads();
    return TERN_OK;
}

/* --- messages --- */

int tern_report_failure(void)
{
    tern_terminal_clear_line();
    fprintf(stderr, "tern: %s\n", tern_error_message());
    return TERN_EXIT_FAILED;
}

json_t *tern_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

char *tern_clean_text(const char *text, size_t bytes, size_t *clean_bytes)
{
    static const char unknown[] = "\xef\xbf\xbd";
    char *clean = malloc(3 * bytes + 1), *to = clean;
    for (const char *s = text, *end = text + bytes; clean && s < end;) {
        uint32_t cp;
        const size_t n = tern_utf8_decode(s, end, &cp);
        memcpy(to, n ? s : unknown, n ? n : 3);
        to += n ? n : 3;
        s += n ? n : 1;
    }
    if (clean) *clean_bytes = (size_t)(to - clean);
    return clean;
}

json_t *tern_json_bytes(const char *text, size_t bytes)
{
    json_t *o = json_stringn(text, bytes);
    if (o) return o;
    char *clean = tern_clean_text(text, bytes, &bytes);
    if (clean) o = json_stringn(clean, bytes);
    free(clean);
    return o ? o : json_null();
}

json_t *tern_json_text(const char *text)
{
    return tern_json_bytes(text, strlen(text));
}

/* --- standard output --- */

static bool output_failed;

void tern_print_json(json_t *document)
{
    if (!document) {
        output_failed = true;
        (void)tern_fail(TERN_EFORMAT, "the figures cannot be written as JSON");
        (void)tern_report_failure();
        return;
    }
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(document);
}

tern_status tern_flush_output(void)
{
    errno = 0;
    const int flushed = fflush(stdout), reason = errno;
    if (flushed == 0 && !ferror(stdout)) return TERN_OK;
    output_failed = true;
    return tern_fail(reason == EPIPE ? TERN_ESTOP : TERN_EIO, "standard output: %s",
                     reason ? strerror(reason) : "not everything was written");
}

static void check_output(void)
{
    const bool reported = output_failed;
    const tern_status s = tern_flush_output();
    if (s == TERN_EIO && !reported) (void)tern_report_failure();
    if (output_failed) _exit(TERN_EXIT_FAILED);
}

void tern_check_output_at_exit(void)
{
    (void)atexit(check_output);
}

static const char *human(double n, double unit, const char *const *names, char *out)
{
    int i = 0;
    while (fabs(n) >= 999.5 && i < 5) {
        n /= unit;
        i++;
    }
    snprintf(out, 16, i && n < 99.95 ? "%.1f%s" : "%.0f%s", n, names[i]);
    return out;
}

const char *tern_human_count(int64_t n, char out[16])
{
    static const char *const names[] = {"", "k", "M", "G", "T", "P"};
    return human((double)n, 1000.0, names, out);
}

const char *tern_human_bytes(int64_t n, char out[16])
{
    static const char *const names[] = {" B", " kB", " MB", " GB", " TB", " PB"};
    return human((double)n, 1000.0, names, out);
}

const char *tern_human_time(double seconds, char out[16])
{
    if (!(seconds >= 0.0 && seconds < 1e7)) {
        snprintf(out, 16, "--:--");
        return out;
    }
    const int s = (int)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 16, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 16, "%d:%02d", s / 60, s % 60);
    return out;
}

/* --- progress --- */

void tern_bar_begin(tern_bar *b, const char *what)
{
    *b = (tern_bar){.what = what, .start = tern_seconds(), .open = true};
}

void tern_bar_update(double fraction, void *bar)
{
    tern_bar *b = bar;
    char left[16];
    const double spent = tern_seconds() - b->start;
    if (!b->open || spent < 0.5) return; /* short work needs no bar */
    const double rest = fraction > 0.0 ? spent * (1.0 - fraction) / fraction : -1.0;
    tern_human_time(rest, left);
    if (tern_terminal()) {
        tern_terminal_line("%s %3.0f %%  %s left", b->what, 100.0 * fraction, left);
    } else if (fraction >= b->shown + 0.25) {
        b->shown = floor(fraction * 4.0) / 4.0;
        fprintf(stderr, "%s %.0f %%, %s left\n", b->what, 100.0 * b->shown, left);
    }
}

void tern_bar_end(tern_bar *b)
{
    if (b->open) tern_terminal_clear_line();
    b->open = false;
}

enum { LARGE_MODEL = 50 * 1000 * 1000 }; /* parameters; a phase takes some seconds */

void tern_phase(int64_t parameters, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (parameters < LARGE_MODEL) return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (tern_terminal())
        tern_terminal_line("%s ..", text);
    else
        fprintf(stderr, "%s\n", text);
}

void tern_phase_end(void)
{
    tern_terminal_clear_line();
}
