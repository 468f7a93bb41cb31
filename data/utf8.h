/* utf8.h - one character at a time, by the strict rules (Unicode 15, table 3-7: no
 * overlong forms, no surrogates, nothing above U+10FFFF). */
#ifndef TERN_DATA_UTF8_H
#define TERN_DATA_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* tern_utf8_decode() - the character that begins at s (s < end). Returns its length in
 * bytes, 1..4, and stores it in *cp; 0 if no valid character begins here. */
size_t tern_utf8_decode(const char *s, const char *end, uint32_t *cp);

/* Write cp (a valid code point) to out; returns its length, 1..4. */
size_t tern_utf8_encode(uint32_t cp, char out[4]);

/* The first byte of s..end that begins no valid character; end if there is none. */
const char *tern_utf8_valid(const char *s, const char *end);

/* Bytes at the end of s..end that are the beginning of a character whose rest may
 * follow: 0..3. */
size_t tern_utf8_partial(const char *s, const char *end);

#endif /* TERN_DATA_UTF8_H */
