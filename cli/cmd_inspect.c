/* cmd_inspect.c - `tern inspect`: what a file is and what is in it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/inspect.h"
#include "formats/gguf.h"
#ifndef TERN_RUNTIME_ONLY
#include "data/dataset.h"
#include "train/checkpoint.h"
#endif

typedef struct options {
    tern_common common;
    const char *path;
} options;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case ARGP_KEY_ARG:
        if (o->path) argp_error(state, "one file only, not \"%s\" as well", arg);
        o->path = tern_arg_name(state, "FILE", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->path) argp_error(state, "which file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static tern_status describe(const char *path, json_t **out)
{
    if (!tern_file_exists(path)) return tern_fail(TERN_EIO, "%s: no such file", path);
    if (tern_is_gguf(path)) return tern_inspect_gguf(path, out);
#ifndef TERN_RUNTIME_ONLY
    char checkpoint[TERN_PATH_MAX];
    if (tern_is_dir(path)) {
        TERN_TRY(tern_run_find(path, false, checkpoint));
        return tern_inspect_checkpoint(checkpoint, out);
    }
    if (tern_is_dataset(path)) return tern_inspect_dataset(path, out);
    if (tern_is_checkpoint(path)) return tern_inspect_checkpoint(path, out);
    return tern_fail(TERN_EFORMAT,
                     "%s: neither a tern dataset or checkpoint (HDF5) nor a GGUF file",
                     path);
#else
    return tern_fail(TERN_EFORMAT, "%s: not a GGUF file", path);
#endif
}

/* The scales of all ternary tensors in three figures, before the tensors. */
static void add_gammas(json_t *document)
{
    double low = HUGE_VAL, high = 0.0, sum = 0.0;
    size_t i, count = 0;
    json_t *tensor, *tensors = json_object_get(document, "tensors");
    json_array_foreach(tensors, i, tensor)
    {
        const json_t *gamma = json_object_get(tensor, "gamma");
        if (!json_is_real(gamma)) continue;
        const double g = json_real_value(gamma);
        low = fmin(low, g);
        high = fmax(high, g);
        sum += g;
        count++;
    }
    if (count == 0) return;
    json_incref(tensors);
    json_object_del(document, "tensors"); /* to come after */
    json_object_set_new(document, "gamma",
                        json_pack("{s:f, s:f, s:f}", "min", low, "mean",
                                  sum / (double)count, "max", high));
    json_object_set_new(document, "tensors", tensors);
}

/* --- for people --- */

static void print_value(const char *key, const json_t *v)
{
    const char *text = json_string_value(v);
    if (text && strchr(text, '\n')) { /* a config: indented, as it is */
        printf("%s:\n", key);
        while (*text) {
            const size_t n = strcspn(text, "\n");
            printf("    %.*s\n", (int)n, text);
            text += n + (text[n] == '\n');
        }
    } else if (text) {
        printf("%-24s %.200s%s\n", key, text, strlen(text) > 200 ? "..." : "");
    } else if (json_is_integer(v)) {
        printf("%-24s %lld\n", key, (long long)json_integer_value(v));
    } else if (json_is_real(v)) {
        printf("%-24s %.6g\n", key, json_real_value(v));
    } else if (json_is_boolean(v)) {
        printf("%-24s %s\n", key, json_is_true(v) ? "true" : "false");
    } else {
        printf("%-24s none\n", key);
    }
}

static void print_tensor(const json_t *t)
{
    char shape[64] = "", codes[80] = "";
    size_t i, at = 0;
    json_t *dim;
    json_array_foreach(json_object_get(t, "shape"), i, dim)
    {
        at += (size_t)snprintf(shape + at, at < sizeof shape ? sizeof shape - at : 0,
                               "%s%lld", i ? " x " : "",
                               (long long)json_integer_value(dim));
        if (at >= sizeof shape) break;
    }
    const json_t *zero = json_object_get(t, "zero");
    if (zero)
        snprintf(codes, sizeof codes, "  -1 %4.1f %%  0 %4.1f %%  +1 %4.1f %%",
                 100.0 * json_real_value(json_object_get(t, "minus")),
                 100.0 * json_real_value(zero),
                 100.0 * json_real_value(json_object_get(t, "plus")));
    const json_t *gamma = json_object_get(t, "gamma");
    printf("  %-32s %-8s %-16s%s", json_string_value(json_object_get(t, "name")),
           json_string_value(json_object_get(t, "type")), shape, codes);
    if (json_is_real(gamma)) printf("  gamma %.5f", json_real_value(gamma));
    putchar('\n');
}

static void print_document(const json_t *d)
{
    const char *key;
    json_t *value, *item;
    size_t i;
    json_object_foreach((json_t *)d, key, value)
    {
        if (json_is_array(value)) {
            printf("%s:\n", key);
            json_array_foreach(value, i, item)
            {
                if (json_is_string(item))
                    printf("  %s\n", json_string_value(item));
                else
                    print_tensor(item);
            }
        } else if (strcmp(key, "gamma") == 0) {
            printf("%-24s min %.6g, mean %.6g, max %.6g\n", key,
                   json_real_value(json_object_get(value, "min")),
                   json_real_value(json_object_get(value, "mean")),
                   json_real_value(json_object_get(value, "max")));
        } else if (json_is_object(value)) {
            print_document(value);
        } else {
            print_value(key, value);
        }
    }
}

int tern_cmd_inspect(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "FILE|RUN",
        .children = children,
        .doc =
            "Show what a file is: shapes, types, sizes, the share of -1, 0 and +1 "
            "among "
            "the codes, the config that made it."
            "\vReads datasets, checkpoints and run directories of tern, and any GGUF "
            "file.\n\nExample: tern inspect model.gguf",
    };
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    json_t *document = NULL;
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = describe(o.path, &document);
    if (s != TERN_OK) return tern_report_failure();
    add_gammas(document);
    if (o.common.json) {
        tern_print_json(document);
    } else {
        print_document(document);
        json_decref(document);
    }
    return TERN_EXIT_DONE;
}
