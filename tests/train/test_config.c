/* Every way to get a config wrong must name the file, the line and the key, and say
 * what would be right. The messages are spelt out here: they are the interface. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/scratch.h"
#include "tests/support/seed.h"
#include "train/config.h"
#include "train/options.h"

static tern_status parse(const char *yaml, tern_config *c)
{
    tern_test_seed("config", yaml, strlen(yaml));
    return tern_config_parse(yaml, strlen(yaml), "a.yaml", NULL, 0, c);
}

/* --- mistakes in the file --- */

typedef struct mistake {
    const char *yaml, *message;
    tern_status status;
} mistake;

static const mistake mistakes[] = {
    {"optim:\n  clip: 1\n\n  lrr: 3\n",
     "a.yaml:4: unknown key optim.lrr; did you mean optim.lr?", TERN_EARG},
    {"model:\n  wdith: 4\n",
     "a.yaml:2: unknown key model.wdith; did you mean "
     "model.width?",
     TERN_EARG},
    {"model:\n  width: 64\noptim:\n  steps: 3\n",
     "a.yaml:4: unknown key optim.steps; did you mean train.steps?", TERN_EARG},
    {"lr: 3\n", "a.yaml:1: unknown key lr; did you mean optim.lr?", TERN_EARG},
    {"# text\nmodle:\n  width: 3\n",
     "a.yaml:2: unknown section modle; did you mean model?", TERN_EARG},
    {"other:\n  width: 3\n",
     "a.yaml:1: unknown section other; there are: model, data, train, optim",
     TERN_EARG},
    {"data:\n  zzzzzz: 1\n",
     "a.yaml:2: unknown key data.zzzzzz; data has: tokenizer, val, order", TERN_EARG},
    {"optim:\n  lr: 1\n  lr: 2\n", "a.yaml:2: optim.lr is given more than once",
     TERN_EARG},
    {"optim:\n  lr: 1\noptim:\n  clip: 2\n", "a.yaml:1: optim is given more than once",
     TERN_EARG},
    {"optim:\n  lr:\n    - 3\n",
     "a.yaml:2: optim.lr must be a single value, not a list or mapping", TERN_EARG},
    {"train:\n  batch: {a: 1}\n",
     "a.yaml:2: train.batch must be a single value, not a list or mapping", TERN_EARG},
    {"optim: 3\n",
     "a.yaml:1: section optim must have its keys (key: value) on indented lines below",
     TERN_EARG},
    {"model:\n  layers: 4\n  width: 1e3\n",
     "a.yaml:3: model.width is \"1e3\", must be a whole number, 1 to 65536", TERN_EARG},
    {"train:\n  batch: 0\n",
     "a.yaml:2: train.batch is \"0\", must be a whole number, 1 to 65536", TERN_EARG},
    {"train:\n  batch: 0x10\n", "a.yaml:2: train.batch is \"0x10\", must be",
     TERN_EARG},
    {"train:\n  batch: 1_0\n", "a.yaml:2: train.batch is \"1_0\", must be", TERN_EARG},
    {"train:\n  batch: 3.5\n", "a.yaml:2: train.batch is \"3.5\", must be", TERN_EARG},
    {"train:\n  steps: 99999999999999999999\n", "a.yaml:2: train.steps is \"9999",
     TERN_EARG},
    {"train:\n  seed: -1\n", "a.yaml:2: train.seed is \"-1\", must be a whole number",
     TERN_EARG},
    {"optim:\n  lr: 1e-3x\n",
     "a.yaml:2: optim.lr is \"1e-3x\", must be a number above 0 to 1000", TERN_EARG},
    {"optim:\n  lr: 0\n", "a.yaml:2: optim.lr is \"0\", must be a number above 0",
     TERN_EARG},
    {"optim:\n  lr: nan\n", "a.yaml:2: optim.lr is \"nan\", must be", TERN_EARG},
    {"optim:\n  lr: .inf\n", "a.yaml:2: optim.lr is \".inf\", must be", TERN_EARG},
    {"optim:\n  lr: 1e999\n", "a.yaml:2: optim.lr is \"1e999\", must be", TERN_EARG},
    {"optim:\n  eps: 1e-60\n", "a.yaml:2: optim.eps is \"1e-60\", must be", TERN_EARG},
    {"optim:\n  lr:\n", "a.yaml:2: optim.lr has no value: must be a number", TERN_EARG},
    {"optim:\n  lr: ~\n", "a.yaml:2: optim.lr is \"~\", must be", TERN_EARG},
    {"model:\n  quant: ternery\n",
     "a.yaml:2: model.quant is \"ternery\", must be ternary or none", TERN_EARG},
    {"optim:\n  schedule: step\n", "must be constant, linear, cosine, wsd or two_stage",
     TERN_EARG},
    {"model:\n  tied: yes\n", "a.yaml:2: model.tied is \"yes\", must be true or false",
     TERN_EARG},
    {"data:\n  tokenizer: ''\n", "a.yaml:2: data.tokenizer has no value", TERN_EARG},
    {"optim: {clip: 1,\n  lr: -1}\n", "a.yaml:2: optim.lr is \"-1\", must be",
     TERN_EARG},
    {"optim:\n  clip: 1\n\tlr: 1\n", "a.yaml:3: not valid YAML: ", TERN_EFORMAT},
    {"optim:\n  lr: \"1\n", "not valid YAML: ", TERN_EFORMAT},
    {"optim:\n  lr: \xff\n", "not valid YAML: ", TERN_EFORMAT},
    {"optim:\n  lr: 1\n---\noptim:\n  lr: 2\n", "more than one YAML document",
     TERN_EARG},
    {"", "a.yaml: holds no settings", TERN_EARG},
    {"# nothing\n", "a.yaml: holds no settings", TERN_EARG},
    {"just text\n",
     "a.yaml: not a config: expected sections (model, data, train, optim)", TERN_EARG},
    {"- a\n- b\n", "a.yaml: not a config", TERN_EARG},
};

Test(config, mistakes_name_line_and_key)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const mistake *m = &mistakes[i];
        tern_config c, before;
        memset(&c, 0x5a, sizeof c);
        before = c;
        cr_expect(eq(int, parse(m->yaml, &c), m->status), "%s", m->yaml);
        cr_expect(ne(ptr, strstr(tern_error_message(), m->message), NULL),
                  "%s\ngives    %s\nexpected %s", m->yaml, tern_error_message(),
                  m->message);
        cr_expect(memcmp(&c, &before, sizeof c) == 0, "the output was touched");
    }
}

Test(config, names_the_file)
{
    char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
    tern_config c;
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/b.yaml", dir);
    cr_expect(eq(int, tern_config_load(path, NULL, 0, &c), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), path), NULL));
    FILE *f = fopen(path, "w");
    fputs("train:\n  steps: none\n", f);
    fclose(f);
    cr_expect(eq(int, tern_config_load(path, NULL, 0, &c), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "b.yaml:2: train.steps"), NULL),
              "%s", tern_error_message());
    cr_expect(eq(int, tern_config_load(dir, NULL, 0, &c), TERN_EIO));
    tern_scratch_remove(dir);
}

/* --- --set --- */

Test(config, sets_go_on_top)
{
    static const char yaml[] = "optim:\n  lr: 0.5\n";
    const char *const sets[] = {"optim.lr=3e-4", "model.quant=none",
                                "train.seed=9007199254740992",
                                "data.tokenizer=dir/a=b #c.json", "optim.lr=4e-4"};
    tern_config c;
    cr_assert(eq(int, tern_config_parse(yaml, strlen(yaml), "a", sets, 5, &c), TERN_OK),
              "%s", tern_error_message());
    cr_expect(eq(dbl, c.schedule.lr, 4e-4));
    cr_expect(eq(int, c.model.quant, TERN_QUANT_NONE));
    cr_expect(eq(u64, c.seed, 9007199254740992u));
    cr_expect(eq(str, c.tokenizer, (char *)"dir/a=b #c.json"));
}

Test(config, wrong_sets_are_named)
{
    static const struct {
        const char *set, *message;
    } wrong[] = {
        {"optim.lr", "--set optim.lr: expected section.key=value"},
        {"=3", "--set =3: expected section.key=value"},
        {"lr=3", "unknown key lr; did you mean optim.lr?"},
        {"optim.rl=3", "unknown key optim.rl; did you mean optim.lr?"},
        {"optim.lr=", "--set optim.lr=: optim.lr has no value"},
        {"optim.lr=fast",
         "--set optim.lr=fast: optim.lr is \"fast\", must be a number"},
        {"optim.lr= 1", "must be a number"},
        {"model.heads=1025", "must be a whole number, 1 to 1024"},
    };
    static const char yaml[] = "train:\n  steps: 1\n";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tern_config c;
        cr_expect(eq(
            int, tern_config_parse(yaml, strlen(yaml), "a.yaml", &wrong[i].set, 1, &c),
            TERN_EARG));
        cr_expect(ne(ptr, strstr(tern_error_message(), wrong[i].message), NULL),
                  "%s: %s", wrong[i].set, tern_error_message());
    }
}

Test(config, override_takes_only_what_may_change)
{
    tern_config c, before;
    tern_config_defaults(&c);
    const char *good[] = {"train.steps=4000", "optim.lr=1e-4", "optim.min_lr=0"};
    const char *bad[] = {"train.steps=5000", "model.width=64"};
    cr_expect(eq(int, tern_config_override(&c, good, 3), TERN_OK));
    cr_expect(eq(i64, c.steps, 4000));
    before = c;
    cr_expect(eq(int, tern_config_override(&c, bad, 2), TERN_EARG));
    cr_expect(
        ne(ptr, strstr(tern_error_message(), "model.width is fixed when a run"), NULL));
    cr_expect(ne(ptr,
                 strstr(tern_error_message(),
                        "train.steps, train.recompute, train.eval_every"),
                 NULL),
              "%s", tern_error_message());
    cr_expect(memcmp(&c, &before, sizeof c) == 0);
}

Test(config, a_run_continues_as_itself_only)
{
    tern_config a, b;
    tern_config_defaults(&a);
    b = a;
    b.steps = 9;
    b.schedule.lr = 0.5;
    cr_expect(eq(int, tern_config_continues(&a, &b, "runs/a"), TERN_OK));
    b.batch = 3;
    cr_expect(eq(int, tern_config_continues(&a, &b, "runs/a"), TERN_EARG));
    cr_expect(
        eq(str, (char *)tern_error_message(),
           (char *)"runs/a: train.batch is 3, but the run began with 16, and that "
                   "cannot change"));
}

Test(config, an_unknown_key_names_the_command_that_lists_them)
{
    const char *set = "zebra.crossing=1";
    tern_config c;
    cr_expect(eq(int,
                 tern_config_parse("train:\n  steps: 1\n", 18, "a.yaml", &set, 1, &c),
                 TERN_EARG));
    cr_expect(eq(str, (char *)tern_error_message(),
                 (char *)"--set zebra.crossing=1: unknown key zebra.crossing; `tern "
                         "train --help-config` lists them"));
}

/* Four hundred words of eight letters are three times what a list holds. */
Test(config, a_list_ends_where_its_room_does)
{
    struct {
        char list[TERN_OPTION_VALUE];
        char guard[64];
    } room = {"", ""};
    memset(room.guard, 'g', sizeof room.guard);
    for (int i = 0; i < 400; i++) tern_option_list(room.list, ", ", "optim.lr");
    cr_expect(eq(sz, strlen(room.list), TERN_OPTION_VALUE - 1));
    cr_expect(eq(int, strncmp(room.list, "optim.lr, optim.lr, ", 20), 0));
    for (size_t i = 0; i < sizeof room.guard; i++)
        cr_assert(eq(chr, room.guard[i], 'g'));
}

/* --- round trip --- */

static void same(const tern_config *a, const tern_config *b)
{
    char *x, *y;
    cr_assert(eq(int, tern_config_yaml(a, &x), TERN_OK));
    cr_assert(eq(int, tern_config_yaml(b, &y), TERN_OK));
    cr_expect(eq(str, x, y));
    free(x);
    free(y);
}

/* Numbers that need all their digits, strings that YAML would like to misread. */
Test(config, yaml_gives_back_every_value)
{
    static const char *const names[] = {"bpe:4096", "a: b # c", "it's \"so\"", "true",
                                        "~",        "- x",      "na\xc3\xafve"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tern_config c, back;
        tern_config_defaults(&c);
        strcpy(c.tokenizer, names[i]);
        c.schedule.lr = 1.0 / 3.0;
        c.val = nextafter(0.1, 1.0);
        c.optim.beta2 = nextafterf(0.95f, 1.0f);
        c.model.norm_eps = 1e-5f / 3.0f;
        c.seed = (1ull << 53) - 1;
        c.model.arch = TERN_ARCH_LLAMA;
        c.model.tied = false;
        c.order = TERN_ORDER_RANDOM;
        c.schedule.kind = TERN_SCHEDULE_TWO_STAGE;
        c.optim.nesterov = 0;
        char *yaml;
        cr_assert(eq(int, tern_config_yaml(&c, &yaml), TERN_OK));
        cr_assert(eq(int, parse(yaml, &back), TERN_OK), "%s\n%s", tern_error_message(),
                  yaml);
        same(&c, &back);
        cr_expect(eq(str, back.tokenizer, c.tokenizer));
        cr_expect(eq(dbl, back.schedule.lr, c.schedule.lr));
        cr_expect(eq(dbl, back.val, c.val));
        cr_expect(eq(flt, back.optim.beta2, c.optim.beta2));
        cr_expect(eq(flt, back.model.norm_eps, c.model.norm_eps));
        cr_expect(eq(u64, back.seed, c.seed));
        cr_expect(eq(int, back.model.tied, false));
        cr_expect(eq(int, back.optim.nesterov, 0));
        free(yaml);
    }
}

Test(config, what_a_file_leaves_out_is_the_default)
{
    tern_config c, defaults;
    tern_config_defaults(&defaults);
    cr_assert(eq(int, parse("train:\n  steps: 1000\n", &c), TERN_OK));
    same(&c, &defaults);
}

Test(config, help_lists_every_key)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    tern_config_print_help(f);
    fclose(f);
    char *yaml;
    tern_config c;
    tern_config_defaults(&c);
    cr_assert(eq(int, tern_config_yaml(&c, &yaml), TERN_OK));
    char section[64] = "";
    for (char *line = strtok(yaml, "\n"); line; line = strtok(NULL, "\n")) {
        char key[64], name[160];
        if (line[0] != ' ') {
            snprintf(section, sizeof section, "%.*s", (int)strcspn(line, ":"), line);
            continue;
        }
        snprintf(key, sizeof key, "%.*s", (int)strcspn(line + 2, ":"), line + 2);
        snprintf(name, sizeof name, "  %s.%s ", section, key);
        cr_expect(ne(ptr, strstr(text, name), NULL), "%s", name);
    }
    free(yaml);
    free(text);
}

/* The table in docs/configs.md has the keys and defaults of the table in the code. */
Test(config, docs_list_every_key_with_its_default)
{
    char *docs;
    size_t bytes;
    cr_assert(eq(
        int, tern_file_read(TERN_SOURCE_DIR "/docs/configs.md", 1 << 20, &docs, &bytes),
        TERN_OK));
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        char name[TERN_OPTION_NAME], range[TERN_OPTION_VALUE], row[2048];
        tern_option_name(o, name);
        tern_option_range(o, range);
        snprintf(row, sizeof row, "| `%s`%s | %s | %s | %s |\n", name,
                 o->flags & TERN_OPT_LIVE ? " *" : "", o->value, range, o->help);
        cr_expect(ne(ptr, strstr(docs, row), NULL), "%s", row);
    }
    free(docs);
}

/* --- what follows from the data --- */

typedef struct case_resolve {
    const char *yaml;
    int64_t vocab;
    const char *message; /* NULL: fine */
} case_resolve;

static const case_resolve resolves[] = {
    {"model:\n  width: 64\n", 65, NULL},
    {"model:\n  vocab: 65\n", 65, NULL},
    {"train:\n  steps: 10\n  quant_warmup: 9\n", 65, NULL},
    {"train:\n  steps: 10\n  quant_warmup: 10\n", 65,
     "train.quant_warmup (10) must be below train.steps (10)"},
    {"train:\n  quant_warmup: 9\nmodel:\n  quant: none\n", 65,
     "train.quant_warmup leads to ternary weights"},
    {"model:\n  vocab: 65\n", 0, NULL},
    {"model:\n  vocab: 64\n", 65,
     "model.vocab is 64, but the tokenizer of the data has "
     "65 ids"},
    {"model:\n  width: 64\n", 0, "model.vocab must be given"},
    {"model:\n  width: 66\n", 65, "model.heads (4) must divide model.width (66)"},
    {"model:\n  kv_heads: 3\n", 65, "model.kv_heads (3) must divide model.heads (4)"},
    {"model:\n  width: 12\n", 65, "the head width is 3, must be even"},
    {"model:\n  tied: false\n", 65, "bitnet ties head and embedding"},
    {"model:\n  tied: false\n  arch: llama\n", 65, NULL},
    {"optim:\n  lr: 1e-5\n", 65, "optim.min_lr (0.0001) is above optim.lr (1e-05)"},
    {"optim:\n  lr: 1e-5\n  schedule: constant\n", 65, NULL},
};

Test(config, resolve_checks_the_whole)
{
    for (size_t i = 0; i < sizeof resolves / sizeof *resolves; i++) {
        const case_resolve *r = &resolves[i];
        tern_config c;
        cr_assert(eq(int, parse(r->yaml, &c), TERN_OK), "%s", tern_error_message());
        const tern_status s = tern_config_resolve(&c, r->vocab, "a.yaml");
        cr_expect(eq(int, s, r->message ? TERN_EARG : TERN_OK), "%s", r->yaml);
        if (r->message) {
            cr_expect(ne(ptr, strstr(tern_error_message(), r->message), NULL), "%s",
                      tern_error_message());
            continue;
        }
        cr_expect(eq(i64, c.model.vocab, 65));
        cr_expect(eq(i64, c.model.kv_heads, c.model.heads));
        cr_expect(eq(i64, c.model.head_dim, c.model.width / c.model.heads));
        cr_expect(eq(i64, c.schedule.steps, c.steps));
    }
}

/* --- the configs that come with tern --- */

static char shipped[7][TERN_TEST_PATH];

ParameterizedTestParameters(config, shipped_configs_are_good)
{
    static const char *const names[] = {
        "shakespeare-char", "nano",       "small",     "tales",
        "wikitext2",        "shape-0.7b", "shape-2b4t"};
    for (int i = 0; i < 7; i++)
        snprintf(shipped[i], sizeof shipped[i], "%s/configs/%s.yaml", TERN_SOURCE_DIR,
                 names[i]);
    return cr_make_param_array(char[TERN_TEST_PATH], shipped, 7);
}

/* They load, resolve, and explain every line. */
ParameterizedTest(char (*path)[TERN_TEST_PATH], config, shipped_configs_are_good)
{
    tern_config c;
    cr_assert(eq(int, tern_config_load(*path, NULL, 0, &c), TERN_OK), "%s",
              tern_error_message());
    const int64_t vocab = c.model.vocab ? c.model.vocab : 65;
    cr_expect(eq(int, tern_config_resolve(&c, vocab, *path), TERN_OK), "%s",
              tern_error_message());
    FILE *f = fopen(*path, "r");
    char line[512];
    while (fgets(line, sizeof line, f)) {
        const bool setting = line[0] == ' ' && line[2] != ' ' && line[2] != '#';
        if (setting) cr_expect(ne(ptr, strchr(line, '#'), NULL), "%s: %s", *path, line);
    }
    fclose(f);
}
