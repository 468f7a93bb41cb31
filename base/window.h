/* window.h - which tokens an evaluation reads at a time, and which of them it scores.
 *
 * Training scores checkpoints and the runtime scores exported files; both ask here, so
 * that they score the same windows (train/eval.h has the drawing).
 */
#ifndef TERN_BASE_WINDOW_H
#define TERN_BASE_WINDOW_H

#include <stdint.h>

/* `time` inputs from token `start` on; what the first `skip` predict is not scored. */
typedef struct tern_window {
    int64_t start, time, skip;
} tern_window;

/* The next window when `done` of `tokens` predictions are scored. The first has nothing
 * before it and is scored whole; the others score `stride` (1 to context) new tokens
 * each, the last what is left. */
static inline tern_window tern_window_next(int64_t done, int64_t tokens,
                                           int64_t context, int64_t stride)
{
    const int64_t fresh = done ? stride : context, left = tokens - done;
    const int64_t skip = context - fresh;
    return (tern_window){.start = done - skip,
                         .time = skip + (left < fresh ? left : fresh),
                         .skip = skip};
}

#endif /* TERN_BASE_WINDOW_H */
