/* machine.h - what a measurement was made on: processor, and its two limits. */
#ifndef TERN_CLI_MACHINE_H
#define TERN_CLI_MACHINE_H

#include <stdio.h>

typedef struct tern_machine {
    char cpu[128];    /* "Intel(R) Xeon(R) ...", as Linux tells it; else "unknown" */
    int threads;      /* the limits are of this many */
    double bandwidth; /* bytes read from memory per second */
    double multiply_adds; /* of 8-bit codes per second; kernels/peaks.h */
} tern_machine;

void tern_machine_cpu(char out[128]);

/* The limits with `threads` threads, measured in about half a second. */
void tern_machine_measure(int threads, tern_machine *out);

/* 100 times part of whole; 0 where the whole is not known. */
double tern_percent(double part, double whole);

#endif /* TERN_CLI_MACHINE_H */
