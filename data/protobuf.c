/* protobuf.c - see protobuf.h. */
#include "data/protobuf.h"

#include "base/half.h"

static tern_status ends(void)
{
    return tern_fail(TERN_EFORMAT, "the message ends in the middle of a field");
}

static tern_status varint(tern_protobuf *p, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (p->at == p->end) return ends();
        const uint64_t byte = *p->at++;
        if (shift == 63 && byte > 1) break;
        v |= (byte & 0x7f) << shift;
        if (byte & 0x80) continue;
        *out = v;
        return TERN_OK;
    }
    return tern_fail(TERN_EFORMAT, "a number is longer than 64 bits");
}

static tern_status fixed(tern_protobuf *p, size_t bytes, uint64_t *out)
{
    if ((size_t)(p->end - p->at) < bytes) return ends();
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++) v |= (uint64_t)*p->at++ << 8 * i;
    *out = v;
    return TERN_OK;
}

static tern_status block(tern_protobuf *p, tern_pb_field *f)
{
    uint64_t bytes = 0;
    TERN_TRY(varint(p, &bytes));
    if (bytes > (uint64_t)(p->end - p->at)) return ends();
    f->data = p->at;
    f->bytes = (size_t)bytes;
    p->at += bytes;
    return TERN_OK;
}

tern_status tern_protobuf_next(tern_protobuf *p, tern_pb_field *field, bool *more)
{
    *more = p->at < p->end;
    if (!*more) return TERN_OK;
    uint64_t key = 0;
    TERN_TRY(varint(p, &key));
    if (key >> 3 == 0 || key >> 3 >= 1 << 29)
        return tern_fail(TERN_EFORMAT, "a field has a number that is none");
    tern_pb_field f = {.number = (uint32_t)(key >> 3), .type = (int)(key & 7)};
    switch (f.type) {
    case TERN_PB_VARINT:
        TERN_TRY(varint(p, &f.value));
        break;
    case TERN_PB_EIGHT:
        TERN_TRY(fixed(p, 8, &f.value));
        break;
    case TERN_PB_BYTES:
        TERN_TRY(block(p, &f));
        break;
    case TERN_PB_FOUR:
        TERN_TRY(fixed(p, 4, &f.value));
        break;
    default:
        return tern_fail(TERN_EFORMAT, "field %u is of type %d, which is none",
                         (unsigned)f.number, f.type);
    }
    *field = f;
    return TERN_OK;
}

float tern_pb_float(const tern_pb_field *field)
{
    return tern_float_from_bits((uint32_t)field->value);
}
