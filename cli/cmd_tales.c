/* cmd_tales.c - `tern tales`: the built-in corpus. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "data/tales.h"

typedef struct options {
    tern_common common;
    const char *out;
    int64_t bytes;
    uint64_t seed;
} options;

static const struct argp_option table[] = {
    {"output", 'o', "FILE", 0, "The text to write", 0},
    {"bytes", 'b', "SIZE", 0, "How much: 500000, 64K, 8M (default 8M)", 0},
    {"seed", 's', "N", 0, "The same seed writes the same stories (default 1)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'o':
        o->out = tern_arg_name(state, "--output", arg);
        return 0;
    case 'b':
        o->bytes = tern_arg_bytes(state, "--bytes", arg);
        return 0;
    case 's':
        o->seed = (uint64_t)tern_arg_int(state, "--seed", arg, 0, INT64_MAX);
        return 0;
    case ARGP_KEY_END:
        if (!o->out) argp_error(state, "where to? give -o FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void report(const options *o, const tern_tales_stats *t)
{
    const double entropy = t->nats / (double)t->bytes;
    if (o->common.json) {
        tern_print_json(json_pack("{s:o, s:I, s:I, s:f, s:f}", "file",
                                  tern_json_text(o->out), "bytes", (json_int_t)t->bytes,
                                  "stories", (json_int_t)t->stories,
                                  "entropy_nats_per_byte", entropy,
                                  "entropy_bits_per_byte", entropy / log(2.0)));
        return;
    }
    printf("%s: %" PRId64 " stories, %" PRId64 " bytes\n", o->out, t->stories,
           t->bytes);
    printf("exact entropy %.5f nats/byte (%.5f bits/byte): no model can do better\n",
           entropy, entropy / log(2.0));
}

int tern_cmd_tales(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .children = children,
        .doc =
            "Write a corpus of small English stories from a probabilistic grammar."
            "\vEvery choice the grammar makes can be read in the text, so the entropy "
            "is known exactly, and training on the stories can say how far a model is "
            "from perfect. A note with the entropy is written beside the text.\n\n"
            "Example: tern tales -o tales.txt --bytes 8M",
    };
    options o = {.bytes = 8 << 20, .seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_tales_stats stats;
    tern_bar bar;
    tern_bar_begin(&bar, "writing");
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK)
        s = tern_tales_write(o.out, o.bytes, o.seed, tern_bar_update, &bar, &stats);
    tern_bar_end(&bar);
    if (s != TERN_OK) return tern_report_failure();
    report(&o, &stats);
    return TERN_EXIT_DONE;
}
