/* yaml.c - libcyaml with a schema made from the table of options.
 *
 * libcyaml checks the structure (two levels, known keys, none twice, no lists) and
 * copies each value's text; it does not convert, because its own conversions accept
 * octal, drop range errors of floats and cannot tell an absent number from 0.
 *
 * What it has to say about a mistake comes as log lines, which capture_log() collects:
 * a reason, and the keys around it. Its line numbers are those of values, and it has
 * none for bad syntax or for a value that only we find wrong; tern_yaml_line() walks
 * libyaml's events for the line of a key. */
#include "train/yaml.h"

#include <assert.h>
#include <cyaml/cyaml.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_SECTIONS = 8, MAX_OPTIONS = 96, MAX_REASON = 256 };

/* --- the schema --- */

typedef struct schema {
    cyaml_schema_field_t fields[MAX_OPTIONS + MAX_SECTIONS]; /* an end per section */
    cyaml_schema_field_t sections[MAX_SECTIONS + 1];
    cyaml_schema_value_t top;
} schema;

struct tern_yaml {
    schema schema;
    char **values; /* one per option, as the schema laid them out */
};

static cyaml_schema_field_t text_field(const char *key, size_t index)
{
    return (cyaml_schema_field_t){
        .key = key,
        .data_offset = (uint32_t)(index * sizeof(char *)),
        .value = {.type = CYAML_STRING,
                  .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                  .data_size = sizeof(char),
                  .string = {.max = CYAML_UNLIMITED}}};
}

static cyaml_schema_value_t mapping(const cyaml_schema_field_t *fields, int flags)
{
    const size_t bytes = tern_option_count() * sizeof(char *);
    return (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                  .flags = (enum cyaml_flag)flags,
                                  .data_size = (uint32_t)bytes,
                                  .mapping = {.fields = fields}};
}

/* All sections share one array of texts, so each starts at offset 0 of it. */
static void make_schema(schema *s)
{
    const size_t count = tern_option_count();
    size_t used = 0, sections = 0;
    assert(count <= MAX_OPTIONS);
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < count; i++) {
        const tern_option *o = tern_option_at(i);
        if (i == 0 || strcmp(o->section, tern_option_at(i - 1)->section) != 0) {
            if (i) used++; /* the zeroed field that ends the section before */
            assert(sections < MAX_SECTIONS);
            s->sections[sections++] = (cyaml_schema_field_t){
                .key = o->section,
                .value = mapping(&s->fields[used], CYAML_FLAG_OPTIONAL)};
        }
        s->fields[used++] = text_field(o->key, i);
    }
    s->top = mapping(s->sections, CYAML_FLAG_POINTER);
}

/* --- libcyaml's log --- */

typedef struct capture {
    char reason[MAX_REASON]; /* first complaint, without "Load: " */
    char inner[TERN_OPTION_NAME], outer[TERN_OPTION_NAME]; /* keys around it */
} capture;

static void capture_keys(capture *c, const char *text)
{
    static const char field[] = "in mapping field '";
    const char *at = strstr(text, field);
    if (!at) return;
    at += sizeof field - 1;
    snprintf(c->outer, sizeof c->outer, "%.*s", (int)strcspn(at, "'"), at);
    if (!*c->inner) memcpy(c->inner, c->outer, sizeof c->inner);
}

static void capture_log(cyaml_log_t level, void *user, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static void capture_log(cyaml_log_t level, void *user, const char *fmt, va_list args)
{
    static const char load[] = "Load: ";
    capture *c = user;
    char text[MAX_REASON];
    (void)level;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    capture_keys(c, text);
    if (*c->reason) return;
    const bool prefixed = strncmp(text, load, sizeof load - 1) == 0;
    snprintf(c->reason, sizeof c->reason, "%s",
             text + (prefixed ? sizeof load - 1 : 0));
}

static cyaml_config_t reader(capture *c)
{
    memset(c, 0, sizeof *c);
    return (cyaml_config_t){.log_fn = capture_log,
                            .log_ctx = c,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_WARNING};
}

/* --- complaints in our words --- */

typedef struct walk {
    const char *section, *key;     /* looked for */
    int depth;                     /* of mappings and lists */
    bool is_mapping[3], is_key[3]; /* at depth 1 and 2: the next event is a key */
    bool inside;                   /* the section */
} walk;

/* Something at depth 1 or 2 has ended: a key's turn is followed by a value's. */
static void take_turns(walk *w)
{
    if (w->depth >= 1 && w->depth <= 2) w->is_key[w->depth] = !w->is_key[w->depth];
}

/* Is this event the key? */
static bool walk_event(walk *w, const yaml_event_t *e)
{
    bool found = false;
    switch (e->type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        w->depth++;
        if (w->depth > 2) break;
        w->is_mapping[w->depth] = e->type == YAML_MAPPING_START_EVENT;
        w->is_key[w->depth] = true;
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        w->depth--;
        take_turns(w);
        break;
    case YAML_SCALAR_EVENT:
        if (w->depth >= 1 && w->depth <= 2 && w->is_mapping[w->depth] &&
            w->is_key[w->depth]) {
            const char *name = (const char *)e->data.scalar.value;
            if (w->depth == 1) w->inside = *w->section && strcmp(name, w->section) == 0;
            found =
                strcmp(name, w->key) == 0 && (w->depth == 1 ? !*w->section : w->inside);
        }
        take_turns(w);
        break;
    case YAML_ALIAS_EVENT:
        take_turns(w);
        break;
    default:
        break;
    }
    return found;
}

size_t tern_yaml_line(const char *text, size_t bytes, const char *section,
                      const char *key)
{
    yaml_parser_t parser;
    walk w = {.section = section, .key = key};
    size_t line = 0;
    if (!yaml_parser_initialize(&parser)) return 0;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    for (bool more = true; more && !line;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            line = parser.problem_mark.line + 1;
            break;
        }
        if (walk_event(&w, &event)) line = event.start_mark.line + 1;
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return line;
}

/* "a.yaml:12" */
static const char *place(char out[TERN_OPTION_VALUE], const char *where, size_t line)
{
    if (line)
        snprintf(out, TERN_OPTION_VALUE, "%s:%zu", where, line);
    else
        snprintf(out, TERN_OPTION_VALUE, "%s", where);
    return out;
}

static void list_sections(char out[TERN_OPTION_VALUE])
{
    *out = '\0';
    for (size_t i = 0; i < tern_option_count(); i++) {
        const char *section = tern_option_at(i)->section;
        if (i && strcmp(section, tern_option_at(i - 1)->section) == 0) continue;
        tern_option_list(out, ", ", section);
    }
}

static void list_keys(const char *section, char out[TERN_OPTION_VALUE])
{
    *out = '\0';
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        if (strcmp(o->section, section) == 0) tern_option_list(out, ", ", o->key);
    }
}

static const char *nearest_section(const char *name)
{
    for (size_t i = 0; i < tern_option_count(); i++)
        if (tern_option_distance(name, tern_option_at(i)->section) <= 2)
            return tern_option_at(i)->section;
    return NULL;
}

static tern_status unknown_section(const char *where, const char *name)
{
    char known[TERN_OPTION_VALUE], like[TERN_OPTION_NAME];
    const tern_option *o = tern_option_nearest(name);
    if (o && strcmp(o->key, name) == 0) {
        tern_option_name(o, like);
        return tern_fail(TERN_EARG, "%s: unknown key %s; did you mean %s?", where, name,
                         like);
    }
    const char *near = nearest_section(name);
    if (near)
        return tern_fail(TERN_EARG, "%s: unknown section %s; did you mean %s?", where,
                         name, near);
    list_sections(known);
    return tern_fail(TERN_EARG, "%s: unknown section %s; there are: %s", where, name,
                     known);
}

static tern_status unknown_key(const char *where, const char *section, const char *key)
{
    char name[TERN_OPTION_NAME], known[TERN_OPTION_VALUE], like[TERN_OPTION_NAME];
    snprintf(name, sizeof name, "%.20s.%.40s", section, key);
    const tern_option *o = tern_option_nearest(name);
    if (o) {
        tern_option_name(o, like);
        return tern_fail(TERN_EARG, "%s: unknown key %s; did you mean %s?", where, name,
                         like);
    }
    list_keys(section, known);
    return tern_fail(TERN_EARG, "%s: unknown key %s; %s has: %s", where, name, section,
                     known);
}

static tern_status wrong_shape(const char *where, const capture *c)
{
    char sections[TERN_OPTION_VALUE];
    list_sections(sections);
    if (!*c->outer)
        return tern_fail(TERN_EARG,
                         "%s: not a config: expected sections (%s), each with its keys "
                         "on indented lines below it",
                         where, sections);
    if (strcmp(c->inner, c->outer) == 0)
        return tern_fail(TERN_EARG,
                         "%s: section %s must have its keys (key: value) on indented "
                         "lines below it",
                         where, c->outer);
    return tern_fail(TERN_EARG,
                     "%s: %s.%s must be a single value, not a list or mapping", where,
                     c->outer, c->inner);
}

/* What follows `start` in the reason, or NULL if it begins otherwise. */
static const char *after(const capture *c, const char *start)
{
    const size_t n = strlen(start);
    return strncmp(c->reason, start, n) == 0 ? c->reason + n : NULL;
}

static tern_status explain(const char *text, size_t bytes, const char *where,
                           const capture *c, cyaml_err_t error)
{
    char spot[TERN_OPTION_VALUE];
    const char *key = after(c, "libyaml: ");
    if (key || error == CYAML_ERR_LIBYAML_PARSER) {
        place(spot, where, tern_yaml_line(text, bytes, "", ""));
        return tern_fail(TERN_EFORMAT, "%s: not valid YAML: %s", spot,
                         key ? key : c->reason);
    }
    key = after(c, "Unexpected key: ");
    if (key) {
        place(spot, where, tern_yaml_line(text, bytes, c->outer, key));
        return *c->outer ? unknown_key(spot, c->outer, key)
                         : unknown_section(spot, key);
    }
    const bool top = strcmp(c->inner, c->outer) == 0;
    place(spot, where,
          *c->outer ? tern_yaml_line(text, bytes, top ? "" : c->outer, c->inner) : 0);
    if (after(c, "Mapping field already seen: "))
        return tern_fail(TERN_EARG, "%s: %s%s%s is given more than once", spot,
                         top ? "" : c->outer, top ? "" : ".", c->inner);
    if (after(c, "Expecting ")) return wrong_shape(spot, c);
    if (after(c, "Ignoring documents"))
        return tern_fail(TERN_EARG, "%s: more than one YAML document (---)", where);
    return tern_fail(TERN_EARG, "%s: %s", spot,
                     *c->reason ? c->reason : cyaml_strerror(error));
}

/* --- the interface --- */

tern_status tern_yaml_parse(const char *text, size_t bytes, const char *where,
                            tern_yaml **out)
{
    tern_yaml *y = calloc(1, sizeof *y);
    if (!y) return tern_fail(TERN_EMEM, "%s: out of memory", where);
    make_schema(&y->schema);
    capture log;
    const cyaml_config_t config = reader(&log);
    const cyaml_err_t error =
        cyaml_load_data((const uint8_t *)text, bytes, &config, &y->schema.top,
                        (void **)&y->values, NULL);
    tern_status s = TERN_OK;
    if (error != CYAML_OK || *log.reason)
        s = explain(text, bytes, where, &log, error);
    else if (!y->values)
        s = tern_fail(TERN_EARG, "%s: holds no settings", where);
    if (s != TERN_OK) {
        tern_yaml_free(y);
        return s;
    }
    *out = y;
    return TERN_OK;
}

void tern_yaml_free(tern_yaml *y)
{
    if (!y) return;
    capture log;
    const cyaml_config_t config = reader(&log);
    if (y->values) (void)cyaml_free(&config, &y->schema.top, y->values, 0);
    free(y);
}

const char *tern_yaml_value(const tern_yaml *y, size_t i)
{
    return y->values[i];
}

tern_status tern_yaml_write(const char *const *values, char **out)
{
    schema s;
    make_schema(&s);
    capture log;
    cyaml_config_t config = reader(&log);
    config.flags = CYAML_CFG_STYLE_BLOCK;
    char *text = NULL;
    size_t bytes = 0;
    const cyaml_err_t error =
        cyaml_save_data(&text, &bytes, &config, &s.top, values, 0);
    char *copy = error == CYAML_OK ? malloc(bytes + 1) : NULL;
    if (copy) {
        memcpy(copy, text, bytes);
        copy[bytes] = '\0';
    }
    (void)cyaml_mem(NULL, text, 0);
    if (!copy) return tern_fail(TERN_EMEM, "config: %s", cyaml_strerror(error));
    *out = copy;
    return TERN_OK;
}
