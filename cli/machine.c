/* machine.c - see machine.h. */
#include "cli/machine.h"

#include <string.h>

#include "kernels/peaks.h"

void tern_machine_cpu(char out[128])
{
    char line[256];
    snprintf(out, 128, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value += 1 + (value[1] == ' ');
        snprintf(out, 128, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (f) fclose(f);
}

void tern_machine_measure(int threads, tern_machine *out)
{
    tern_machine_cpu(out->cpu);
    out->threads = threads;
    out->bandwidth = tern_peak_bandwidth(threads);
    out->multiply_adds = tern_peak_integer(threads);
}

double tern_percent(double part, double whole)
{
    return whole > 0.0 ? 100.0 * part / whole : 0.0;
}
