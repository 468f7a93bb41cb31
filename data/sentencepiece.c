/* sentencepiece.c - see sentencepiece.h. */
#include "data/sentencepiece.h"

#include <string.h>

#include "base/log.h"
#include "data/protobuf.h"
#include "data/spm.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };
enum { UNIGRAM = 1, BPE, WORD, CHAR };

bool tern_is_sentencepiece(const char *data, size_t bytes)
{
    /* A model begins with its first piece: field 1, type 2, which is a newline. So may
     * a JSON text, but its first and last visible characters are braces. */
    if (bytes < 4 || data[0] != '\n') return false;
    size_t first = 0, last = bytes - 1;
    while (first < last && strchr(" \t\r\n", data[first]) && data[first]) first++;
    while (last > first && strchr(" \t\r\n", data[last]) && data[last]) last--;
    return data[first] != '{' || data[last] != '}';
}

/* --- trainer and normalizer --- */

typedef struct options {
    uint64_t model_type;
    bool suffix, byte_fallback;
    int64_t bos, eos;
    bool prefix, squeeze, escape;
    size_t charsmap, back; /* bytes */
} options;

static tern_status refuse(const char *field, const char *cure)
{
    return tern_fail(TERN_EFORMAT, "field \"%s\": %s", field, cure);
}

static tern_status wrong_type(const char *message, const tern_pb_field *f)
{
    return tern_fail(TERN_EFORMAT, "field %u of \"%s\" is of the wrong type",
                     (unsigned)f->number, message);
}

static tern_status read_trainer(const tern_pb_field *whole, options *o)
{
    tern_protobuf p = {whole->data, whole->data + whole->bytes};
    for (;;) {
        tern_pb_field f;
        bool more;
        TERN_TRY(tern_protobuf_next(&p, &f, &more));
        if (!more) return TERN_OK;
        if (f.number != 3 && f.number != 24 && f.number != 35 && f.number != 41 &&
            f.number != 42)
            continue;
        if (f.type != TERN_PB_VARINT) return wrong_type("trainer_spec", &f);
        if (f.number == 3) o->model_type = f.value;
        if (f.number == 24) o->suffix = f.value != 0;
        if (f.number == 35) o->byte_fallback = f.value != 0;
        if (f.number == 41) o->bos = (int64_t)f.value;
        if (f.number == 42) o->eos = (int64_t)f.value;
    }
}

static tern_status read_normalizer(const tern_pb_field *whole, options *o)
{
    tern_protobuf p = {whole->data, whole->data + whole->bytes};
    for (;;) {
        tern_pb_field f;
        bool more;
        TERN_TRY(tern_protobuf_next(&p, &f, &more));
        if (!more) return TERN_OK;
        if (f.number < 2 || f.number > 5) continue;
        if (f.type != (f.number == 2 ? TERN_PB_BYTES : TERN_PB_VARINT))
            return wrong_type("normalizer_spec", &f);
        if (f.number == 2) o->charsmap = f.bytes;
        if (f.number == 3) o->prefix = f.value != 0;
        if (f.number == 4) o->squeeze = f.value != 0;
        if (f.number == 5) o->escape = f.value != 0;
    }
}

static tern_status read_denormalizer(const tern_pb_field *whole, options *o)
{
    options of = {0};
    TERN_TRY(read_normalizer(whole, &of));
    o->back = of.charsmap;
    return TERN_OK;
}

static tern_status check_options(const options *o)
{
    if (o->model_type != BPE)
        return tern_fail(TERN_EFORMAT,
                         "field \"trainer_spec.model_type\" is %s, and tern knows only "
                         "BPE",
                         o->model_type == UNIGRAM ? "UNIGRAM"
                         : o->model_type == WORD  ? "WORD"
                         : o->model_type == CHAR  ? "CHAR"
                                                  : "none that there is");
    if (o->suffix)
        return refuse("trainer_spec.treat_whitespace_as_suffix",
                      "tern's spaces belong to the word behind them; only false is "
                      "possible");
    if (o->charsmap > 0 || o->back > 0)
        return refuse(o->charsmap > 0 ? "normalizer_spec.precompiled_charsmap"
                                      : "denormalizer_spec.precompiled_charsmap",
                      "tern encodes text as it is; only a model with the normalizer "
                      "\"identity\" is possible");
    if (!o->escape)
        return refuse("normalizer_spec.escape_whitespaces", "only true is possible");
    return TERN_OK;
}

/* --- pieces --- */

static tern_role role_of(uint64_t type)
{
    switch (type) {
    case NORMAL:
        return TERN_ROLE_NORMAL;
    case USER_DEFINED:
        return TERN_ROLE_ADDED;
    case BYTE:
        return TERN_ROLE_BYTE;
    case UNUSED:
        return TERN_ROLE_UNUSED;
    default: /* UNKNOWN, CONTROL */
        return TERN_ROLE_SPECIAL;
    }
}

static tern_status read_piece(const tern_pb_field *whole, tern_tokenizer *t)
{
    tern_protobuf p = {whole->data, whole->data + whole->bytes};
    tern_pb_field f, text = {0};
    uint64_t type = NORMAL;
    float score = 0.0f;
    for (bool more;;) {
        TERN_TRY(tern_protobuf_next(&p, &f, &more));
        if (!more) break;
        if (f.number > 3) continue;
        if (f.type != (f.number == 1   ? TERN_PB_BYTES
                       : f.number == 2 ? TERN_PB_FOUR
                                       : TERN_PB_VARINT))
            return wrong_type("pieces", &f);
        if (f.number == 1) text = f;
        if (f.number == 2) score = tern_pb_float(&f);
        if (f.number == 3) type = f.value;
    }
    const size_t id = t->texts.count;
    if (type < NORMAL || type > BYTE)
        return tern_fail(TERN_EFORMAT, "piece %zu is of a type that is none", id);
    if (type == UNKNOWN && t->spm.unknown >= 0)
        return tern_fail(TERN_EFORMAT, "pieces %d and %zu are both of type UNKNOWN",
                         (int)t->spm.unknown, id);
    if (type == UNKNOWN) t->spm.unknown = (int32_t)id;
    return tern_spm_add(t, (const char *)text.data, text.bytes, role_of(type),
                        (double)score);
}

/* The id, if it is one of the control tokens; -1. */
static int32_t control(const tern_tokenizer *t, int64_t id)
{
    const bool good = id >= 0 && (uint64_t)id < t->texts.count && id <= INT32_MAX &&
                      t->role[id] == TERN_ROLE_SPECIAL;
    return good ? (int32_t)id : -1;
}

/* Without byte_fallback the byte pieces, if there are any, come out of no text. */
static void drop_bytes(tern_tokenizer *t)
{
    for (size_t id = 0; id < t->texts.count; id++)
        if (t->role[id] == TERN_ROLE_BYTE) t->role[id] = TERN_ROLE_UNUSED;
}

static tern_status read_model(const char *data, size_t bytes, const char *where,
                              tern_tokenizer *t)
{
    tern_protobuf p = {(const uint8_t *)data, (const uint8_t *)data + bytes};
    /* What a file that does not say means. */
    options o = {.model_type = UNIGRAM,
                 .bos = 1,
                 .eos = 2,
                 .prefix = true,
                 .squeeze = true,
                 .escape = true};
    for (;;) {
        tern_pb_field f;
        bool more;
        TERN_TRY(tern_protobuf_next(&p, &f, &more));
        if (!more) break;
        if (f.number > 5 || f.number == 4) continue;
        if (f.type != TERN_PB_BYTES) return wrong_type("ModelProto", &f);
        if (f.number == 1) TERN_TRY(read_piece(&f, t));
        if (f.number == 2) TERN_TRY(read_trainer(&f, &o));
        if (f.number == 3) TERN_TRY(read_normalizer(&f, &o));
        if (f.number == 5) TERN_TRY(read_denormalizer(&f, &o));
    }
    TERN_TRY(check_options(&o));
    if (o.squeeze)
        tern_warn("%s: normalizer_spec.remove_extra_whitespaces is true: SentencePiece "
                  "would drop spaces that tern keeps, as llama.cpp does",
                  where);
    if (!o.byte_fallback) drop_bytes(t);
    t->spm.prefix = o.prefix;
    t->bos = control(t, o.bos);
    t->eos = control(t, o.eos);
    t->add_bos = t->bos >= 0;
    return tern_tokenizer_finish(t);
}

tern_status tern_sentencepiece_parse(const char *data, size_t bytes, const char *where,
                                     tern_tokenizer **out)
{
    tern_tokenizer *t;
    TERN_TRY(tern_spm_draft(&t));
    const tern_status s = read_model(data, bytes, where, t);
    if (s != TERN_OK) {
        tern_tokenizer_free(t);
        return tern_fail_in(s, where);
    }
    *out = t;
    return TERN_OK;
}
