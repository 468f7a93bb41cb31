/* clock.h - seconds that only go forward. */
#ifndef TERN_BASE_CLOCK_H
#define TERN_BASE_CLOCK_H

/* Seconds since some fixed moment. */
double tern_seconds(void);

/* Largest resident memory of this process so far, in bytes; 0 if unknown. */
long long tern_peak_rss(void);

#endif /* TERN_BASE_CLOCK_H */
