/* Lines that any JSON reader understands (jansson here), and a file that is cut at the
 * right place wherever a process died in it. */
#define _POSIX_C_SOURCE 200809L
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <unistd.h>

#include "base/half.h"
#include "tests/train/small_run.h"
#include "train/metrics.h"

static void init(void)
{
    cr_assert(tern_scratch_new(dir));
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(metrics, .init = init, .fini = fini);

Test(metrics, numbers_read_back_exactly)
{
    static const double numbers[] = {0.0,  -0.0,    1.0 / 3.0,    1e-300, 6.02214076e23,
                                     -1e5, DBL_MAX, DBL_TRUE_MIN, 100.0,  0.1 + 0.2};
    tern_metrics m;
    bool empty;
    OK(tern_metrics_open(&m, in_dir("m.jsonl"), 0, &empty));
    cr_expect(empty);
    tern_metrics_begin(&m, "step", 12345678901);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char key[8];
        snprintf(key, sizeof key, "x%zu", i);
        tern_metrics_real(&m, key, numbers[i]);
    }
    tern_metrics_real(&m, "nan", (double)NAN);
    tern_metrics_real(&m, "inf", (double)-INFINITY);
    tern_metrics_bool(&m, "yes", true);
    tern_metrics_text(&m, "text", "a \"b\"\n\xc3\xa4");
    tern_metrics_lists(&m, "gamma");
    tern_metrics_list(&m, "wq");
    tern_metrics_item(&m, (double)tern_round_to_half(0.0123f));
    tern_metrics_item(&m, (double)NAN);
    tern_metrics_list_end(&m);
    tern_metrics_list(&m, "none");
    tern_metrics_list_end(&m);
    tern_metrics_lists_end(&m);
    tern_metrics_int(&m, "last", -7);
    OK(tern_metrics_end(&m));
    OK(tern_metrics_flush(&m));
    tern_metrics_close(&m);

    char *text = slurp(in_dir("m.jsonl"));
    json_error_t error;
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    cr_assert(ne(ptr, o, NULL), "%s in %s", error.text, text);
    cr_expect(eq(i64, json_integer_value(json_object_get(o, "step")), 12345678901));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char key[8];
        snprintf(key, sizeof key, "x%zu", i);
        const double back = json_number_value(json_object_get(o, key));
        cr_expect(eq(dbl, back, numbers[i]), "%s: %.17g", key, numbers[i]);
    }
    cr_expect(eq(int, json_is_null(json_object_get(o, "nan")), 1));
    cr_expect(eq(int, json_is_null(json_object_get(o, "inf")), 1));
    cr_expect(eq(int, json_is_true(json_object_get(o, "yes")), 1));
    cr_expect(eq(str, (char *)json_string_value(json_object_get(o, "text")),
                 (char *)"a \"b\"\n\xc3\xa4"));
    const json_t *gamma = json_object_get(o, "gamma");
    const json_t *wq = json_object_get(gamma, "wq");
    cr_expect(eq(sz, json_array_size(wq), 2));
    const double gamma0 = json_real_value(json_array_get(wq, 0));
    cr_expect(eq(flt, tern_round_to_half((float)gamma0), tern_round_to_half(0.0123f)));
    cr_expect(eq(sz, json_array_size(json_object_get(gamma, "none")), 0));
    cr_expect(eq(i64, json_integer_value(json_object_get(o, "last")), -7));
    json_decref(o);
    free(text);
}

/* Two lines for each step 0..5; step 3 has a broken one in between, not the last. */
static char *write_lines(const char *path, size_t ends[13])
{
    static char text[2048];
    size_t at = 0, lines = 0;
    ends[lines++] = 0;
    for (int step = 0; step <= 5; step++) {
        at += (size_t)sprintf(
            text + at, "{\"event\":\"step\",\"step\":%d,\"loss\":%d.5}\n", step, step);
        ends[lines++] = at;
        if (step == 3) at += (size_t)sprintf(text + at, "{\"event\":\"st\n");
        at += (size_t)sprintf(text + at, "{\"event\":\"eval\",\"step\":%d}\n", step);
        ends[lines++] = at;
    }
    OK(tern_file_write(path, text, at));
    return text;
}

Test(metrics, cut_back_to_a_step)
{
    size_t ends[13];
    for (int step = 0; step <= 6; step++) {
        tern_metrics m;
        bool empty;
        char *text = write_lines(in_dir("m.jsonl"), ends);
        OK(tern_metrics_open(&m, in_dir("m.jsonl"), step, &empty));
        cr_expect(not(empty));
        tern_metrics_close(&m);
        char *left = slurp(in_dir("m.jsonl"));
        const size_t want = ends[step < 6 ? 2 * step + 2 : 12];
        cr_expect(eq(sz, strlen(left), want), "step %d", step);
        cr_expect(eq(int, strncmp(left, text, want), 0));
        free(left);
    }
}

/* A process dies while it writes: any number of bytes of the file may be there, and
 * behind them what a disk makes up. */
Test(metrics, cut_anywhere_keeps_the_whole_lines)
{
    static const char *const tails[] = {"", "}", "\0\0\0\n", "{\"step\":\n", "[3]\n"};
    size_t ends[13];
    char *text = write_lines(in_dir("m.jsonl"), ends);
    for (size_t at = 0; at < ends[12]; at++) {
        char cut[2100];
        size_t whole = 0;
        const size_t tail = at % 5;
        const size_t extra = tail == 2 ? 4 : strlen(tails[tail]);
        memcpy(cut, text, at);
        memcpy(cut + at, tails[tail], extra);
        OK(tern_file_write(in_dir("m.jsonl"), cut, at + extra));
        for (int i = 0; i <= 12; i++)
            if (ends[i] <= at) whole = ends[i];
        /* A tail may complete the line: '}' only if nothing else was missing. */
        tern_metrics m;
        bool empty;
        OK(tern_metrics_open(&m, in_dir("m.jsonl"), 9, &empty));
        tern_metrics_begin(&m, "step", 10);
        OK(tern_metrics_end(&m));
        tern_metrics_close(&m);
        char *left = slurp(in_dir("m.jsonl"));
        cr_expect(eq(int, strncmp(left, text, whole), 0));
        cr_expect(eq(str, left + whole, (char *)"{\"event\":\"step\",\"step\":10}\n"),
                  "cut at %zu", at);
        free(left);
    }
}
