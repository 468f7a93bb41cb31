/* config.c - from texts to a checked tern_config, and back. */
#include "train/config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/options.h"
#include "train/yaml.h"

enum { MAX_YAML_BYTES = 1 << 20 };

void tern_config_defaults(tern_config *c)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        const tern_status s = tern_option_parse(o, o->value, "default", c);
        assert(s == TERN_OK);
        (void)s;
    }
}

/* --- reading --- */

/* One "section.key=value". */
static tern_status apply_set(const char *set, bool live_only, tern_config *c)
{
    char name[TERN_OPTION_NAME], where[TERN_OPTION_VALUE];
    const size_t length = strcspn(set, "=");
    snprintf(where, sizeof where, "--set %.80s", set);
    if (!set[length] || length == 0 || length >= sizeof name)
        return tern_fail(TERN_EARG, "%s: expected section.key=value", where);
    memcpy(name, set, length);
    name[length] = '\0';
    const tern_option *o = tern_option_find(name);
    if (!o) {
        char like[TERN_OPTION_NAME];
        const tern_option *near = tern_option_nearest(name);
        if (!near)
            return tern_fail(TERN_EARG,
                             "%s: unknown key %s; `tern train --help-config` lists "
                             "them",
                             where, name);
        tern_option_name(near, like);
        return tern_fail(TERN_EARG, "%s: unknown key %s; did you mean %s?", where, name,
                         like);
    }
    if (live_only && !(o->flags & TERN_OPT_LIVE)) {
        char list[TERN_OPTION_VALUE] = "", live[TERN_OPTION_NAME];
        for (size_t i = 0; i < tern_option_count(); i++) {
            if (!(tern_option_at(i)->flags & TERN_OPT_LIVE)) continue;
            tern_option_name(tern_option_at(i), live);
            tern_option_list(list, ", ", live);
        }
        return tern_fail(TERN_EARG,
                         "%s: %s is fixed when a run starts; a resumed run may change: "
                         "%s",
                         where, name, list);
    }
    return tern_option_parse(o, set + length + 1, where, c);
}

static tern_status apply_sets(const char *const *sets, size_t count, bool live_only,
                              tern_config *c)
{
    for (size_t i = 0; i < count; i++) TERN_TRY(apply_set(sets[i], live_only, c));
    return TERN_OK;
}

static tern_status apply_yaml(const tern_yaml *y, const char *yaml, size_t bytes,
                              const char *where, tern_config *c)
{
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        const char *text = tern_yaml_value(y, i);
        if (!text) continue;
        tern_config trial = *c;
        if (tern_option_parse(o, text, where, &trial) == TERN_OK) {
            *c = trial;
            continue;
        }
        /* Only now is it worth asking where the value stands. */
        char spot[TERN_OPTION_VALUE];
        snprintf(spot, sizeof spot, "%s:%zu", where,
                 tern_yaml_line(yaml, bytes, o->section, o->key));
        return tern_option_parse(o, text, spot, &trial);
    }
    return TERN_OK;
}

tern_status tern_config_parse(const char *yaml, size_t bytes, const char *where,
                              const char *const *sets, size_t count, tern_config *out)
{
    tern_yaml *y = NULL;
    tern_config c;
    TERN_TRY(tern_yaml_parse(yaml, bytes, where, &y));
    tern_config_defaults(&c);
    tern_status s = apply_yaml(y, yaml, bytes, where, &c);
    tern_yaml_free(y);
    if (s == TERN_OK) s = apply_sets(sets, count, false, &c);
    if (s == TERN_OK) *out = c;
    return s;
}

tern_status tern_config_load(const char *path, const char *const *sets, size_t count,
                             tern_config *out)
{
    char *text;
    size_t bytes;
    TERN_TRY(tern_file_read(path, MAX_YAML_BYTES, &text, &bytes));
    const tern_status s = tern_config_parse(text, bytes, path, sets, count, out);
    free(text);
    return s;
}

tern_status tern_config_override(tern_config *c, const char *const *sets, size_t count)
{
    tern_config trial = *c;
    TERN_TRY(apply_sets(sets, count, true, &trial));
    *c = trial;
    return TERN_OK;
}

tern_status tern_config_continues(const tern_config *old, const tern_config *c,
                                  const char *where)
{
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        char before[TERN_OPTION_VALUE], now[TERN_OPTION_VALUE];
        if (o->flags & TERN_OPT_LIVE) continue;
        tern_option_text(o, old, before);
        tern_option_text(o, c, now);
        if (strcmp(before, now) != 0)
            return tern_fail(TERN_EARG,
                             "%s: %s.%s is %s, but the run began with %s, and that "
                             "cannot change",
                             where, o->section, o->key, now, before);
    }
    return TERN_OK;
}

/* --- what follows from other values --- */

static tern_status resolve_model(tern_spec *m, int64_t vocab, const char *where)
{
    if (!m->vocab) m->vocab = vocab;
    if (!m->vocab)
        return tern_fail(TERN_EARG,
                         "%s: model.vocab must be given where there is no dataset to "
                         "take it from",
                         where);
    if (m->vocab < vocab)
        return tern_fail(
            TERN_EARG,
            "%s: model.vocab is %" PRId64 ", but the tokenizer of the data "
            "has %" PRId64 " ids; set model.vocab to that or more (rows that no "
            "id uses are allowed), or to 0 to take it from the data",
            where, m->vocab, vocab);
    if (!m->kv_heads) m->kv_heads = m->heads;
    if (!m->head_dim) {
        if (m->width % m->heads)
            return tern_fail(TERN_EARG,
                             "%s: model.heads (%" PRId64 ") must divide model.width "
                             "(%" PRId64 "), or model.head_dim be given",
                             where, m->heads, m->width);
        m->head_dim = m->width / m->heads;
    }
    return tern_spec_check(m, where);
}

static tern_status check_schedule(const tern_schedule *s, const char *where)
{
    const bool ends_at_min = s->kind == TERN_SCHEDULE_LINEAR ||
                             s->kind == TERN_SCHEDULE_COSINE ||
                             s->kind == TERN_SCHEDULE_WSD;
    if (ends_at_min && s->min_lr > s->lr)
        return tern_fail(TERN_EARG,
                         "%s: optim.min_lr (%g) is above optim.lr (%g); lower it too",
                         where, s->min_lr, s->lr);
    return TERN_OK;
}

tern_status tern_config_resolve(tern_config *c, int64_t vocab, const char *where)
{
    tern_config r = *c;
    r.schedule.steps = r.steps;
    TERN_TRY(resolve_model(&r.model, vocab, where));
    if (r.eval_stride > r.model.context)
        return tern_fail(TERN_EARG,
                         "%s: train.eval_stride (%" PRId64
                         ") is above model.context (%" PRId64
                         "), which would leave tokens unscored",
                         where, r.eval_stride, r.model.context);
    if (r.quant_warmup >= r.steps)
        return tern_fail(TERN_EARG,
                         "%s: train.quant_warmup (%" PRId64
                         ") must be below train.steps "
                         "(%" PRId64 "), or no step sees the ternary model",
                         where, r.quant_warmup, r.steps);
    if (r.quant_warmup && r.model.quant != TERN_QUANT_TERNARY)
        return tern_fail(TERN_EARG,
                         "%s: train.quant_warmup leads to ternary weights; set "
                         "model.quant: ternary, or leave it 0",
                         where);
    TERN_TRY(check_schedule(&r.schedule, where));
    *c = r;
    return TERN_OK;
}

/* --- writing --- */

tern_status tern_config_yaml(const tern_config *c, char **out)
{
    const size_t count = tern_option_count();
    char(*texts)[TERN_OPTION_VALUE] = calloc(count, sizeof *texts);
    const char **values = calloc(count, sizeof *values);
    tern_status s = TERN_EMEM;
    if (texts && values) {
        for (size_t i = 0; i < count; i++) {
            tern_option_text(tern_option_at(i), c, texts[i]);
            values[i] = texts[i];
        }
        s = tern_yaml_write(values, out);
    } else {
        (void)tern_fail(s, "config: out of memory");
    }
    free(values);
    free(texts);
    return s;
}

void tern_config_print_help(FILE *f)
{
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        char name[TERN_OPTION_NAME], range[TERN_OPTION_VALUE];
        tern_option_name(o, name);
        tern_option_range(o, range);
        fprintf(f, "  %-24s %s\n", name, o->help);
        fprintf(f, "  %-24s   %s; default %s%s\n", "", range, o->value,
                o->flags & TERN_OPT_LIVE ? "; may change on --resume" : "");
    }
}
