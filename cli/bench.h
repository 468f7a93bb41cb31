/* bench.h - the two halves of `tern bench` (inside cli/). */
#ifndef TERN_CLI_BENCH_H
#define TERN_CLI_BENCH_H

int tern_bench_model(int argc, char **argv); /* MODEL.gguf: bench_model.c */
int tern_bench_train(int argc, char **argv); /* train CONFIG: bench_train.c */

#endif /* TERN_CLI_BENCH_H */
