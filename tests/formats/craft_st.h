/* craft_st.h - safetensors files made byte by byte, right or wrong, sharing nothing
 * with the writer under test. */
#ifndef TERN_TESTS_FORMATS_CRAFT_ST_H
#define TERN_TESTS_FORMATS_CRAFT_ST_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"

typedef struct craft_st {
    uint8_t data[1 << 14];
    size_t bytes;
} craft_st;

/* The length of `header`, the header, and n bytes 0, 1, 2, ... of data. */
static inline craft_st craft_st_file(const char *header, size_t n)
{
    craft_st c = {.bytes = 8};
    const size_t length = strlen(header);
    cr_assert(8 + length + n <= sizeof c.data);
    for (size_t i = 0; i < 8; i++) c.data[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(c.data + 8, header, length);
    c.bytes += length;
    for (size_t i = 0; i < n; i++) c.data[c.bytes++] = (uint8_t)i;
    return c;
}

/* A file that has a little of everything: 8 types, a scalar, an empty tensor. */
static const char craft_st_all[] =
    "{\"__metadata__\":{\"format\":\"pt\",\"by\":\"hand\"},"
    "\"f32\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[24,32]},"
    "\"none\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[32,32]},"
    "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[32,38]},"
    "\"f16\":{\"dtype\":\"F16\",\"shape\":[1,1,2],\"data_offsets\":[38,42]},"
    "\"u8\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[42,47]},"
    "\"bool\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[47,48]}}   ";
enum { CRAFT_ST_ALL_DATA = 48 };

/* Parse a copy that ends where the heap block ends, so that a sanitiser sees a read
 * behind the end. Close with craft_st_close, which also frees the copy. */
static uint8_t *craft_st_copy;

static inline void craft_st_close(tern_safetensors *s)
{
    tern_safetensors_close(s);
    free(craft_st_copy);
    craft_st_copy = NULL;
}

static inline tern_status craft_st_parse(const uint8_t *data, size_t bytes,
                                         tern_safetensors **out)
{
    craft_st_copy = malloc(bytes ? bytes : 1);
    cr_assert(craft_st_copy != NULL);
    memcpy(craft_st_copy, data, bytes);
    const tern_status s = tern_safetensors_parse(craft_st_copy, bytes, "crafted", out);
    if (s != TERN_OK) craft_st_close(NULL);
    return s;
}

#endif /* TERN_TESTS_FORMATS_CRAFT_ST_H */
