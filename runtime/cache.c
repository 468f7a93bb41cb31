/* cache.c - keys and values of a session, in one of three types; session.h draws their
 * order, and kernels/attention.h and attention_int8.h read them. */
#include <inttypes.h>
#include <string.h>

#include "base/half.h"
#include "kernels/attention_int8.h"
#include "runtime/session.h"

static const struct {
    const char *name;
    size_t size; /* of what the kernels count in */
} types[] = {
    [TERN_CACHE_F32] = {"f32", sizeof(float)},
    [TERN_CACHE_F16] = {"f16", sizeof(uint16_t)},
    [TERN_CACHE_INT8] = {"int8", 1},
};
enum { TYPES = sizeof types / sizeof *types };

int tern_cache_find(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(name, types[i].name) == 0) return (int)i;
    return -1;
}

const char *tern_cache_name(tern_cache_type type)
{
    return types[type].name;
}

/* --- where things lie, in elements --- */

/* Keys, or values, of 64 positions of a head, if they are numbers. */
static size_t side(const tern_spec *m)
{
    return (size_t)(TERN_KEY_PANEL * m->head_dim);
}

/* Keys and values of 64 positions: of a head, and of all heads of all layers. */
static size_t head_of(const tern_spec *m, tern_cache_type type)
{
    return type == TERN_CACHE_INT8 ? tern_int8_panel_bytes((size_t)m->head_dim)
                                   : 2 * side(m);
}

static size_t panel_of(const tern_spec *m, tern_cache_type type)
{
    return (size_t)(m->layers * m->kv_heads) * head_of(m, type);
}

static size_t layer_at(const tern_session *s, int64_t layer)
{
    const tern_spec *m = &s->model->spec;
    return (size_t)(layer * m->kv_heads) * head_of(m, s->cache_type);
}

size_t tern_cache_bytes(const tern_spec *m, int64_t positions)
{
    const size_t panels = ((size_t)positions + TERN_KEY_PANEL - 1) / TERN_KEY_PANEL;
    size_t most = 0;
    for (size_t i = 0; i < TYPES; i++) {
        const size_t bytes = panel_of(m, (tern_cache_type)i) * types[i].size;
        if (bytes > most) most = bytes;
    }
    return panels * most;
}

static tern_attention_shape shape_of(const tern_session *s, int64_t past, int64_t rows)
{
    const tern_spec *m = &s->model->spec;
    return (tern_attention_shape){.batch = 1,
                                  .queries = (size_t)rows,
                                  .past = (size_t)past,
                                  .heads = (size_t)m->heads,
                                  .kv_heads = (size_t)m->kv_heads,
                                  .head_dim = (size_t)m->head_dim,
                                  .panel = panel_of(m, s->cache_type),
                                  .head = head_of(m, s->cache_type)};
}

/* --- into the cache --- */

/* A key becomes a column of its band. */
static void put_key(const float *k, size_t n, float *column)
{
    for (size_t d = 0; d < n; d++) column[d * TERN_KEY_BAND] = k[d];
}

static void put_half_key(const float *k, size_t n, uint16_t *column)
{
    for (size_t d = 0; d < n; d++)
        column[d * TERN_KEY_BAND] = tern_half_from_float(k[d]);
}

void tern_cache_put(const tern_session *s, int64_t layer, int64_t head,
                    int64_t position, const float *k, const float *v)
{
    const tern_spec *m = &s->model->spec;
    const size_t n = (size_t)m->head_dim;
    const size_t panel = (size_t)position / TERN_KEY_PANEL;
    const size_t j = (size_t)position % TERN_KEY_PANEL;
    const size_t at = panel * panel_of(m, s->cache_type) + layer_at(s, layer) +
                      (size_t)head * head_of(m, s->cache_type);
    const size_t values = at + side(m) + j * n;
    const size_t key = at + j / TERN_KEY_BAND * TERN_KEY_BAND * n + j % TERN_KEY_BAND;
    switch (s->cache_type) {
    case TERN_CACHE_F32:
        put_key(k, n, (float *)s->cache + key);
        memcpy((float *)s->cache + values, v, n * sizeof *v);
        break;
    case TERN_CACHE_F16:
        put_half_key(k, n, (uint16_t *)s->cache + key);
        tern_narrow_row(v, n, (uint16_t *)s->cache + values);
        break;
    case TERN_CACHE_INT8:
        tern_int8_panel_put(k, v, n, j, (uint8_t *)s->cache + at);
        break;
    }
}

/* --- attention over it --- */

tern_fetch tern_cache_keys(const tern_session *s, int64_t layer, int64_t head,
                           int64_t position)
{
    const tern_spec *m = &s->model->spec;
    const size_t D = (size_t)m->head_dim, seen = (size_t)position + 1;
    const size_t keys = seen < TERN_KEY_PANEL ? seen : TERN_KEY_PANEL;
    const size_t size = types[s->cache_type].size;
    const size_t at = layer_at(s, layer) + (size_t)head * head_of(m, s->cache_type);
    const char *p = (const char *)s->cache + at * size;
    if (s->cache_type == TERN_CACHE_INT8) return tern_int8_keys(p, D, keys);
    return tern_attention_keys(p, size, D, keys);
}

size_t tern_cache_part_scratch(const tern_session *s, int64_t past, int64_t rows)
{
    const tern_attention_shape shape = shape_of(s, past, rows);
    return s->cache_type == TERN_CACHE_INT8 ? tern_attention_int8_part_scratch(&shape)
                                            : tern_attention_part_scratch(&shape);
}

size_t tern_cache_scratch(const tern_session *s, int64_t past, int64_t rows)
{
    const tern_attention_shape shape = shape_of(s, past, rows);
    return s->cache_type == TERN_CACHE_INT8 ? tern_attention_int8_scratch(&shape)
                                            : tern_attention_scratch(&shape);
}

void tern_cache_attend(const tern_session *s, int64_t layer, int64_t rows)
{
    const tern_attention_shape shape = shape_of(s, s->length, rows);
    const size_t at = layer_at(s, layer), values = at + side(&s->model->spec);
    const float *full = s->cache;
    const uint16_t *half = s->cache;
    switch (s->cache_type) {
    case TERN_CACHE_F32:
        tern_attention(&shape, s->q, full + at, full + values, s->o, NULL,
                       s->attention);
        break;
    case TERN_CACHE_F16:
        tern_attention_half(&shape, s->q, half + at, half + values, s->o, s->attention);
        break;
    case TERN_CACHE_INT8:
        tern_attention_int8(&shape, s->q, (const uint8_t *)s->cache + at, s->o,
                            s->attention);
        break;
    }
}

void tern_cache_attend_part(const tern_session *s, int64_t layer, int64_t position,
                            tern_heads heads, const float *q, float *o, float *scratch)
{
    const tern_attention_shape shape = shape_of(s, position, 1);
    const size_t at = layer_at(s, layer), values = at + side(&s->model->spec);
    const float *full = s->cache;
    const uint16_t *half = s->cache;
    switch (s->cache_type) {
    case TERN_CACHE_F32:
        tern_attention_part(&shape, heads, q, full + at, full + values, o, scratch);
        break;
    case TERN_CACHE_F16:
        tern_attention_half_part(&shape, heads, q, half + at, half + values, o,
                                 scratch);
        break;
    case TERN_CACHE_INT8:
        tern_attention_int8_part(&shape, heads, q, (const uint8_t *)s->cache + at, o,
                                 scratch);
        break;
    }
}

/* --- the choice --- */

size_t tern_session_position_bytes(const tern_session *s)
{
    const size_t size = types[s->cache_type].size;
    return panel_of(&s->model->spec, s->cache_type) * size / TERN_KEY_PANEL;
}

tern_status tern_session_set_cache(tern_session *s, tern_cache_type type)
{
    const tern_cache_type before = s->cache_type;
    if ((unsigned)type >= TYPES)
        return tern_fail(TERN_EARG, "cache type %d: there are f32, f16 and int8",
                         (int)type);
    if (s->length > 0 && type != before)
        return tern_fail(TERN_EARG,
                         "a session of %" PRId64 " ids cannot change what its cache "
                         "holds; truncate it to 0 first",
                         s->length);
    s->cache_type = type;
    const tern_status status = tern_session_want_scratch(s);
    if (status != TERN_OK) s->cache_type = before;
    return status;
}
