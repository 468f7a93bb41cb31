/* cmd_bench.c - `tern bench`: which of the two benches is meant. */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/cli.h"

#ifndef TERN_RUNTIME_ONLY
static int run_train(int argc, char **argv)
{
    return tern_bench_train(argc, argv);
}
#else
static int run_train(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "%s: this build only runs models: it has no `bench train`\n",
            argv[0]);
    return TERN_EXIT_USAGE;
}
#endif

int tern_cmd_bench(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "train") == 0) return run_train(argc, argv);
    return tern_bench_model(argc, argv);
}
