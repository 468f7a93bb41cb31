/* number.h - numbers as the shortest text that reads back exactly. Internal to train/.
 */
#ifndef TERN_TRAIN_NUMBER_H
#define TERN_TRAIN_NUMBER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TERN_NUMBER_TEXT = 32 };

/* v must be finite. 17 digits always suffice for a double, 9 for a float. */
static inline void tern_number_text(double v, char out[TERN_NUMBER_TEXT])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, TERN_NUMBER_TEXT, "%.*g", digits, v);
        const double back = strtod(out, NULL);
        if (memcmp(&back, &v, sizeof v) == 0) return;
    }
}

static inline void tern_number_text_float(float v, char out[TERN_NUMBER_TEXT])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, TERN_NUMBER_TEXT, "%.*g", digits, (double)v);
        const float back = (float)strtod(out, NULL);
        if (memcmp(&back, &v, sizeof v) == 0) return;
    }
}

#endif /* TERN_TRAIN_NUMBER_H */
