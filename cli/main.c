/* main.c - `tern COMMAND ...`: find the command, or say what there is. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "cli/cli.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/waiting.h"
#include "kernels/cpu.h"
#ifndef TERN_RUNTIME_ONLY
#include "kernels/gemm.h"
#endif

static const tern_command commands[] = {
#ifndef TERN_RUNTIME_ONLY
    {"tales", "write a corpus of small English stories", tern_cmd_tales},
    {"data", "turn text into a dataset of tokens", tern_cmd_data},
    {"train", "train a model, or resume a run", tern_cmd_train},
    {"import", "make a run of weights trained elsewhere", tern_cmd_import},
    {"init", "make an untrained checkpoint of any shape", tern_cmd_init},
    {"export", "write a trained model as GGUF or for Hugging Face", tern_cmd_export},
#endif
    {"generate", "let a model write text", tern_cmd_generate},
    {"eval", "measure a model's loss on text", tern_cmd_eval},
    {"inspect", "show what is in a file", tern_cmd_inspect},
    {"bench", "measure speed and memory on this machine", tern_cmd_bench},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *f)
{
    fputs("Usage: tern COMMAND [OPTION...]\n"
          "Train language models with ternary weights, and run them.\n\n"
          "Commands:\n",
          f);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].summary);
#ifndef TERN_RUNTIME_ONLY
    fputs("\nFrom a text to a model that writes:\n"
          "  tern train configs/tales.yaml --data book.txt --out runs/book\n"
          "  tern export runs/book -o book.gguf\n"
          "  tern generate book.gguf -p \"Once upon\"\n",
          f);
#endif
    fputs(
        "\n`tern COMMAND --help` explains a command, `tern --version` shows what this\n"
        "build uses. TERN_CPU=scalar|avx2|avx512vnni|neon|neondot forces a kernel "
        "level.\n",
        f);
}

static int print_version(void)
{
    printf("tern %s\n", TERN_VERSION);
    if (tern_kernels_init() != TERN_OK) return tern_report_failure();
    printf("kernels: %s\n", tern_level_name(tern_kernels_level()));
    printf("threads: %d\n", tern_threads());
#ifdef TERN_RUNTIME_ONLY
    puts("BLAS: none (runtime only)");
#else
    printf("BLAS: %s\n", tern_blas_describe());
#endif
    return TERN_EXIT_DONE;
}

/* The command whose name is nearest, by shared letters at the front. */
static const char *nearest(const char *word)
{
    const char *best = commands[0].name;
    size_t most = 0;
    for (int i = 0; i < COMMANDS; i++) {
        size_t n = 0;
        while (word[n] && word[n] == commands[i].name[n]) n++;
        if (n > most) {
            most = n;
            best = commands[i].name;
        }
    }
    return most ? best : "--help";
}

static int run(const tern_command *c, int argc, char **argv)
{
    char name[64];
    snprintf(name, sizeof name, "tern %s", c->name);
    argv[0] = name;
    argp_err_exit_status = TERN_EXIT_USAGE;
    return c->run(argc, argv);
}

int main(int argc, char **argv)
{
    tern_short_waits(argv);
    tern_signals_begin();
    tern_check_output_at_exit();
    tern_terminal_attach_log();
    const char *word = argc > 1 ? argv[1] : "";
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) return print_version();
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
        if (argc <= 2 || word[0] == '-') return print_usage(stdout), TERN_EXIT_DONE;
        static char help[] = "--help"; /* tern help COMMAND */
        argv[1] = argv[2];
        argv[2] = help;
        argc = 3;
        word = argv[1];
    }
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(word, commands[i].name))
            return run(&commands[i], argc - 1, argv + 1);
    if (!*word)
        print_usage(stderr);
    else
        fprintf(stderr, "tern: no command \"%s\"; did you mean \"tern %s\"?\n", word,
                nearest(word));
    return TERN_EXIT_USAGE;
}
