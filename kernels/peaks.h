/* peaks.h - the two limits of a machine that a language model meets: how fast memory
 * can be read, and how fast codes can be multiplied. Measured, not looked up.
 *
 * The figures are what simple loops reach that do nothing else: the best of a few tries
 * of some milliseconds each, so both together take under a second. A machine that does
 * other things meanwhile has lower ones. */
#ifndef TERN_KERNELS_PEAKS_H
#define TERN_KERNELS_PEAKS_H

/* Bytes per second that `threads` threads read from memory (a buffer of 256 MB, larger
 * than caches usually are, on huge pages); 0 if there is no memory for it. */
double tern_peak_bandwidth(int threads);

/* Multiply-adds of 8-bit codes per second with the instructions of the level in use:
 * vpdpbusd (avx512vnni), vpmaddubsw and vpaddw (avx2), or what the compiler makes of a
 * plain loop (scalar). */
double tern_peak_integer(int threads);

#endif /* TERN_KERNELS_PEAKS_H */
