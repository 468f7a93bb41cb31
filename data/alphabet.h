/* alphabet.h - GPT-2's way to write bytes as visible characters.
 *
 * Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for the code point of the same number;
 * the other 68, in increasing order, for U+0100, U+0101, ... (a space is U+0120). Every
 * byte becomes one character of one or two bytes of UTF-8, none of them a blank, so
 * vocabularies fit in JSON and merges in "left right". */
#ifndef TERN_DATA_ALPHABET_H
#define TERN_DATA_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point that stands for a byte. */
uint32_t tern_alphabet_char(unsigned char byte);

/* The byte that a code point stands for; -1 if it stands for none. */
int tern_alphabet_byte(uint32_t cp);

/* bytes -> text: writes at most 2 * bytes (no NUL), returns how many. */
size_t tern_alphabet_write(const char *s, size_t bytes, char *text);

/* text -> bytes: writes at most `bytes`, returns how many; false (and *n undefined) if
 * a character stands for no byte. */
bool tern_alphabet_read(const char *text, size_t bytes, char *out, size_t *n);

/* Byte number `rank` (0..255) in the order of its code point: '!' first. */
unsigned char tern_alphabet_order(int rank);

#endif /* TERN_DATA_ALPHABET_H */
