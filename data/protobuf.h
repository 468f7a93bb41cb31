/* protobuf.h - the fields of one protocol buffer message, one after the other.
 *
 * The wire format: a field is a key, number << 3 | type, and a value: 0 a varint, 1
 * eight bytes, 2 a length (varint) and that many bytes, 5 four bytes, little-endian.
 * Groups (3, 4) are refused. A varint has seven bits to a byte, lowest first, and at
 * most ten bytes. Every length is compared with what is left before it is used.
 *
 * What a field means is up to the caller; strings, nested messages and packed lists are
 * all of type 2.
 */
#ifndef TERN_DATA_PROTOBUF_H
#define TERN_DATA_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct tern_protobuf {
    const uint8_t *at, *end; /* what is left of the message */
} tern_protobuf;

enum { TERN_PB_VARINT = 0, TERN_PB_EIGHT = 1, TERN_PB_BYTES = 2, TERN_PB_FOUR = 5 };

typedef struct tern_pb_field {
    uint32_t number;
    int type;
    uint64_t value;      /* of VARINT, EIGHT, FOUR */
    const uint8_t *data; /* of BYTES, borrowed; not NULL */
    size_t bytes;
} tern_pb_field;

/* tern_protobuf_next() - the next field; *more is false at the end of the message, and
 * *field then untouched. TERN_EFORMAT says what is wrong with the bytes. */
tern_status tern_protobuf_next(tern_protobuf *p, tern_pb_field *field, bool *more);

/* FOUR as the float that it is. */
float tern_pb_float(const tern_pb_field *field);

#endif /* TERN_DATA_PROTOBUF_H */
