/* fuzz_config.c - libFuzzer: no text whatever may make the reader of configs misbehave;
 * and a config that was read, written and read again is the same. What follows a zero
 * byte are the --set options, one a line. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "train/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Ends the process where the resolved YAML is not read as what it was written from. */
static void round_trip(const tern_config *c)
{
    char *first, *second;
    tern_config again;
    if (tern_config_yaml(c, &first) != TERN_OK ||
        tern_config_parse(first, strlen(first), "again", NULL, 0, &again) != TERN_OK ||
        tern_config_yaml(&again, &second) != TERN_OK || strcmp(first, second) != 0)
        abort();
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    enum { SETS = 8 };
    const char *sets[SETS];
    size_t count = 0;
    tern_config c;
    char *text = malloc(bytes + 1);
    if (!text) return 0;
    if (bytes) memcpy(text, data, bytes);
    text[bytes] = '\0';
    const size_t yaml = strlen(text);
    if (yaml < bytes)
        for (char *line = strtok(text + yaml + 1, "\n"); line && count < SETS;
             line = strtok(NULL, "\n"))
            sets[count++] = line;
    if (tern_config_parse(text, yaml, "fuzz", NULL, 0, &c) == TERN_OK) round_trip(&c);
    if (tern_config_parse(text, yaml, "fuzz", sets, count, &c) == TERN_OK) {
        round_trip(&c);
        if (tern_config_resolve(&c, 300, "fuzz") == TERN_OK) {
            round_trip(&c);
            (void)tern_config_override(&c, sets, count);
        }
    }
    free(text);
    return 0;
}
