/* cli.h - what the commands of `tern` share: options, messages, progress.
 *
 * cli/ is the only folder that prints to the terminal or ends the process. Exit status:
 * 0 done, 1 failed (or stopped before the end), 2 wrong usage. Figures and text go to
 * standard output, everything else to standard error; with --json standard output holds
 * one JSON document and nothing else. What cannot be written there is a failure.
 */
#ifndef TERN_CLI_CLI_H
#define TERN_CLI_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { TERN_EXIT_DONE = 0, TERN_EXIT_FAILED = 1, TERN_EXIT_USAGE = 2 };

/* --- commands --- */

typedef struct tern_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is "tern NAME"; returns exit status */
} tern_command;

int tern_cmd_bench(int argc, char **argv);
int tern_cmd_data(int argc, char **argv);
int tern_cmd_eval(int argc, char **argv);
int tern_cmd_export(int argc, char **argv);
int tern_cmd_generate(int argc, char **argv);
int tern_cmd_import(int argc, char **argv);
int tern_cmd_init(int argc, char **argv);
int tern_cmd_inspect(int argc, char **argv);
int tern_cmd_tales(int argc, char **argv);
int tern_cmd_train(int argc, char **argv);

/* --- options that every command has: --threads N, and --json where it has figures ---
 */

typedef struct tern_common {
    int threads; /* 0: all */
    bool json;
} tern_common;

/* Children for a command's struct argp; the input of each is a tern_common. */
extern const struct argp tern_argp_threads;
extern const struct argp tern_argp_threads_json;
extern const struct argp tern_argp_json; /* --json alone */

/* Parse numbers the way every command does: whole text, in range, or argp_error(). */
long tern_arg_int(struct argp_state *state, const char *option, const char *text,
                  long low, long high);
double tern_arg_float(struct argp_state *state, const char *option, const char *text,
                      double low, double high);
/* A name that is not empty. */
const char *tern_arg_name(struct argp_state *state, const char *option,
                          const char *text);
/* SECTION.KEY=VALUE, so far as its form goes. */
const char *tern_arg_set(struct argp_state *state, const char *text);
/* "8M", "64K", "1000000". */
int64_t tern_arg_bytes(struct argp_state *state, const char *option, const char *text);

/* Apply --threads and choose the kernels. TERN_EARG if TERN_CPU is wrong. */
tern_status tern_common_apply(const tern_common *c);

/* --- messages --- */

/* "tern: <message of the failure>" on standard error; returns TERN_EXIT_FAILED. */
int tern_report_failure(void);

/* A number, or null where JSON has none for it (NaN: not known yet). */
json_t *tern_json_number(double x);

/* A text with U+FFFD for every byte that is no UTF-8, to be given to free(); NULL if
 * there is no memory for it. */
char *tern_clean_text(const char *text, size_t bytes, size_t *clean_bytes);

/* A text as JSON, which is UTF-8: cleaned as above. */
json_t *tern_json_text(const char *text);
json_t *tern_json_bytes(const char *text, size_t bytes);

/* Print and release a JSON document. NULL (one that could not be built) is reported,
 * and then the process ends with TERN_EXIT_FAILED whatever the command returns. */
void tern_print_json(json_t *document);

/* Write out what waits for standard output. TERN_EIO: a full disk and the like;
 * TERN_ESTOP: nobody reads any more (a pipe was closed), which needs no message. */
tern_status tern_flush_output(void);
/* For main(): check at exit, however a command ends, that all output was written. */
void tern_check_output_at_exit(void);

/* "1.2M", "345 kB"-like figures for people, into a buffer of 16. */
const char *tern_human_count(int64_t n, char out[16]);
const char *tern_human_bytes(int64_t n, char out[16]);
const char *tern_human_time(double seconds, char out[16]);

/* --- progress of long work --- */

/* A bar that rewrites its line on a terminal, and prints one line per quarter
 * elsewhere. */
typedef struct tern_bar {
    const char *what;
    double start, shown; /* seconds; fraction at the last line */
    bool open;
} tern_bar;

void tern_bar_begin(tern_bar *b, const char *what);
void tern_bar_update(double fraction, void *bar); /* fits every progress callback */
void tern_bar_end(tern_bar *b);

/* tern_phase() - what a command is at, for steps that are not counted: "writing F".
 * Nothing unless the model has so many parameters that it takes more than a moment. The
 * line is rewritten on a terminal, where tern_phase_end() removes the last one. */
void tern_phase(int64_t parameters, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void tern_phase_end(void);

#endif /* TERN_CLI_CLI_H */
