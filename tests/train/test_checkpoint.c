/* What is written is read back bit for bit, h5py finds it under plain names, and no
 * damage goes unnoticed or makes a crash. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/train/small_run.h"
#include "train/run_dir.h"

static tern_config config;
static tern_model *model;
static tern_optim *optim;
static const tern_progress_state state = {.step = 17,
                                          .tokens = 123456789012,
                                          .val = 1.0 / 3.0,
                                          .best_val = 0.25,
                                          .entropy = 0.7,
                                          .dataset_fingerprint = 0xfedcba9876543210u};

static void fill(float *x, int64_t n, uint64_t stream)
{
    for (int64_t i = 0; i < n; i++) x[i] = tern_rand_normal(3, stream, (uint64_t)i);
}

static void init(void)
{
    setup();
    config = small_config();
    OK(tern_config_resolve(&config, tern_tokenizer_vocab(tern_dataset_tokenizer(data)),
                           "test"));
    OK(tern_model_new(&config.model, &model));
    OK(tern_model_init(model, 0.02f, 1));
    tern_params *list = tern_model_params(model);
    OK(tern_optim_new(&config.optim, list->items, list->count, &optim));
    for (size_t i = 0; i < list->count; i++)
        for (size_t s = 0; s < tern_optim_slots(optim); s++)
            fill(tern_optim_slot(optim, s, i),
                 list->items[i]->rows * list->items[i]->cols, 2 * i + s);
}

static void fini(void)
{
    tern_optim_free(optim);
    tern_model_free(model);
    teardown();
}

TestSuite(checkpoint, .init = init, .fini = fini);

static void save(const char *path)
{
    OK(tern_checkpoint_save(path, &config, tern_dataset_tokenizer(data), model, optim,
                            &state));
}

static void same_tensor(const char *name, const float *a, const float *b,
                        const tern_param *p)
{
    const size_t bytes = (size_t)(p->rows * p->cols) * sizeof(float);
    cr_expect(memcmp(a, b, bytes) == 0, "%s of %s", name, p->name);
}

Test(checkpoint, round_trip)
{
    char *path = in_dir("a.h5");
    save(path);
    tern_checkpoint *c;
    OK(tern_checkpoint_open(path, &c));
    const tern_progress_state *s = tern_checkpoint_state(c);
    cr_expect(eq(i64, s->step, state.step));
    cr_expect(eq(i64, s->tokens, state.tokens));
    cr_expect(eq(dbl, s->val, state.val));
    cr_expect(eq(dbl, s->best_val, state.best_val));
    cr_expect(eq(dbl, s->entropy, state.entropy));
    cr_expect(eq(u64, s->dataset_fingerprint, state.dataset_fingerprint));
    cr_expect(eq(str, (char *)tern_checkpoint_path(c), path));
    cr_expect(gt(sz, strlen(tern_checkpoint_version(c)), 0));
    char *a, *b;
    OK(tern_config_yaml(&config, &a));
    OK(tern_config_yaml(tern_checkpoint_config(c), &b));
    cr_expect(eq(str, a, b));
    free(a);
    free(b);
    OK(tern_tokenizer_json(tern_dataset_tokenizer(data), &a));
    OK(tern_tokenizer_json(tern_checkpoint_tokenizer(c), &b));
    cr_expect(eq(str, a, b));
    free(a);
    free(b);

    tern_model *m;
    tern_optim *o;
    OK(tern_model_new(&config.model, &m));
    tern_params *have = tern_model_params(m), *want = tern_model_params(model);
    OK(tern_optim_new(&config.optim, have->items, have->count, &o));
    OK(tern_checkpoint_read(c, m, o));
    for (size_t i = 0; i < want->count; i++) {
        const tern_param *p = want->items[i], *q = have->items[i];
        same_tensor("weights", p->val, q->val, p);
        for (size_t k = 0; k < tern_optim_slots(o); k++)
            same_tensor("state", tern_optim_slot(optim, k, i), tern_optim_slot(o, k, i),
                        p);
        if (p->form == TERN_FORM_TERNARY)
            cr_expect(eq(flt, p->ternary.scale, q->ternary.scale), "not refreshed");
    }
    tern_optim_free(o);
    tern_model_free(m);
    tern_checkpoint_close(c);
}

/* A checkpoint of tern init: no optimizer, no tokenizer. */
Test(checkpoint, stripped)
{
    char *path = in_dir("a.h5");
    tern_checkpoint *c;
    tern_model *m;
    const tern_progress_state none = {.val = (double)NAN, .best_val = (double)NAN};
    OK(tern_checkpoint_save(path, &config, NULL, model, NULL, &none));
    OK(tern_checkpoint_open(path, &c));
    cr_expect(eq(ptr, (void *)tern_checkpoint_tokenizer(c), NULL));
    cr_expect(isnan(tern_checkpoint_state(c)->val) != 0);
    OK(tern_checkpoint_model(c, &m));
    same_tensor("weights", tern_model_params(model)->items[0]->val,
                tern_model_params(m)->items[0]->val, tern_model_params(m)->items[0]);
    FAILS(tern_checkpoint_read(c, m, optim), TERN_EFORMAT, "has no optimizer state");
    tern_model_free(m);
    tern_checkpoint_close(c);
}

Test(checkpoint, another_shape_is_named)
{
    char *path = in_dir("a.h5");
    tern_checkpoint *c;
    tern_model *m;
    save(path);
    OK(tern_checkpoint_open(path, &c));
    tern_spec spec = config.model;
    spec.ffn = 96;
    OK(tern_model_new(&spec, &m));
    FAILS(tern_checkpoint_read(c, m, NULL), TERN_ESHAPE, "params/layers/0/ffn/gate");
    tern_model_free(m);
    spec = config.model;
    spec.layers = 3;
    OK(tern_model_new(&spec, &m));
    FAILS(tern_checkpoint_read(c, m, NULL), TERN_EFORMAT, "params/layers/2/attn_norm");
    tern_model_free(m);
    tern_checkpoint_close(c);
}

Test(checkpoint, only_a_checkpoint_is_one)
{
    save(in_dir("a.h5"));
    OK(tern_file_write(in_dir("text"), "not HDF5", 8));
    OK(tern_file_write(in_dir("empty"), "", 0));
    tern_checkpoint *c;
    cr_expect(tern_is_checkpoint(in_dir("a.h5")));
    cr_expect(not(tern_is_checkpoint(in_dir("text"))));
    cr_expect(not(tern_is_checkpoint(in_dir("empty"))));
    cr_expect(not(tern_is_checkpoint(in_dir("absent"))));
    FAILS(tern_checkpoint_open(in_dir("text"), &c), TERN_EFORMAT, "text");
    FAILS(tern_checkpoint_open(in_dir("absent"), &c), TERN_EIO, "absent");
}

/* A config that asks for more than the file can hold takes no memory. */
Test(checkpoint, a_model_larger_than_its_file_is_damage)
{
    char *path = in_dir("a.h5");
    tern_checkpoint *c;
    config.model.ffn = 1 << 18;
    config.model.width = 1 << 16;
    config.model.heads = config.model.kv_heads = 64;
    config.model.head_dim = 1024;
    config.model.layers = 9;
    save(path);
    FAILS(tern_checkpoint_open(path, &c), TERN_ECORRUPT, "its config wants 6");
}

/* --- read by others --- */

static const char script[] =
    "import sys, h5py, numpy as np\n"
    "f = h5py.File(sys.argv[1], 'r')\n"
    "a = dict(f.attrs)\n"
    "text = lambda v: v.decode() if isinstance(v, bytes) else str(v)\n"
    "assert text(a['format']) == 'tern-checkpoint', a\n"
    "assert a['step'] == 17 and a['tokens'] == 123456789012\n"
    "assert a['val'] == 1 / 3 and a['best_val'] == 0.25\n"
    "assert text(a['dataset_fingerprint']) == 'fedcba9876543210'\n"
    "assert 'width: 32' in text(a['config'])\n"
    "assert text(a['tokenizer']).lstrip().startswith('{')\n"
    "names = []\n"
    "f['params'].visititems(lambda n, o: names.append(n) if hasattr(o, 'shape') else "
    "None)\n"
    "assert len(names) == 1 + 2 * 11 + 1, names\n"
    "w = f['params/layers/1/attn/wq']\n"
    "assert w.shape == (32, 32) and w.dtype == np.float32\n"
    "m, v = f['optim/m/layers/1/ffn/down'], f['optim/v/layers/1/ffn/down']\n"
    "assert m.shape == v.shape == (32, 64)\n"
    "assert (f['params/norm'][...] == 1).all()\n"
    "print('%.9g %.9g' % (w[3, 5], m[31, 63]))\n";

Test(checkpoint, h5py_reads_it_under_plain_names)
{
    if (system("python3 -c 'import h5py' 2>/dev/null") != 0)
        cr_skip_test("no h5py here");
    char command[3 * TERN_TEST_PATH], line[128] = "", want[128];
    save(in_dir("a.h5"));
    OK(tern_file_write(in_dir("s.py"), script, strlen(script)));
    snprintf(command, sizeof command, "python3 '%s' '%s'", in_dir("s.py"),
             in_dir("a.h5"));
    FILE *p = popen(command, "r");
    cr_assert(p != NULL);
    cr_expect(ne(ptr, fgets(line, sizeof line, p), NULL));
    cr_expect(eq(int, pclose(p), 0));
    const tern_params *list = tern_model_params(model);
    size_t down = 0;
    while (strcmp(list->items[down]->name, "layers.1.ffn.down") != 0) down++;
    snprintf(want, sizeof want, "%.9g %.9g\n",
             (double)tern_params_find(list, "layers.1.attn.wq")->val[3 * 32 + 5],
             (double)tern_optim_slot(optim, 0, down)[31 * 64 + 63]);
    cr_expect(eq(str, line, want));
}

/* --- damage --- */

/* One bit flipped anywhere, or the end cut off anywhere: refused with a message. */
Test(checkpoint, no_damage_goes_unnoticed)
{
    enum { TRIES = 300 };
    char *path = in_dir("a.h5"), *hurt = in_dir("b.h5");
    save(path);
    tern_map whole;
    OK(tern_map_open(path, &whole));
    char *copy = malloc(whole.bytes);
    for (uint64_t i = 0; i < TRIES; i++) {
        /* Every byte of the seal and of HDF5's head, then anywhere. */
        const uint64_t at =
            i < 100 ? 8 * i : tern_rand_below(5, TERN_STREAM_TEST, i, whole.bytes);
        const bool cut = i % 3 == 2;
        tern_checkpoint *c = NULL;
        memcpy(copy, whole.data, whole.bytes);
        copy[at] ^= (char)(1 << i % 8);
        OK(tern_file_write(hurt, copy, cut ? at : whole.bytes));
        const tern_status s = tern_checkpoint_open(hurt, &c);
        /* The filling of the seal's block may change without harm. */
        const bool filling = !cut && at < 512 && whole.data[at] == 0;
        cr_expect(s == TERN_ECORRUPT || s == TERN_EFORMAT || (filling && s == TERN_OK),
                  "%s at %d: %s", cut ? "cut" : "flip", (int)at, tern_status_name(s));
        if (s != TERN_OK)
            cr_expect(ne(ptr, strstr(tern_error_message(), hurt), NULL), "%s",
                      tern_error_message());
        tern_checkpoint_close(c);
    }
    free(copy);
    tern_map_close(&whole);
}

/* Sound as a file, but with a number that no training makes. */
Test(checkpoint, a_nan_in_a_tensor_is_damage)
{
    tern_checkpoint *c;
    tern_model *m;
    tern_params_find(tern_model_params(model), "layers.1.attn.wk")->val[7] = NAN;
    save(in_dir("a.h5"));
    OK(tern_checkpoint_open(in_dir("a.h5"), &c));
    FAILS(tern_checkpoint_model(c, &m), TERN_ECORRUPT, "params/layers/1/attn/wk");
    tern_checkpoint_close(c);
}

/* A full disk, played by a limit on the size of files. */
Test(checkpoint, a_full_disk_keeps_the_old_file)
{
    char *path = in_dir("a.h5");
    save(path);
    char *before = slurp(path);
    signal(SIGXFSZ, SIG_IGN);
    static const rlim_t limits[] = {0, 100, 2048, 20000, 60000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const struct rlimit small = {.rlim_cur = limits[i], .rlim_max = RLIM_INFINITY};
        const struct rlimit all = {.rlim_cur = RLIM_INFINITY,
                                   .rlim_max = RLIM_INFINITY};
        setrlimit(RLIMIT_FSIZE, &small);
        const tern_status s = tern_checkpoint_save(
            path, &config, tern_dataset_tokenizer(data), model, optim, &state);
        setrlimit(RLIMIT_FSIZE, &all);
        cr_expect(eq(int, s, TERN_EIO), "limit %d", (int)limits[i]);
        cr_expect(ne(ptr, strstr(tern_error_message(), path), NULL), "%s",
                  tern_error_message());
        tern_checkpoint *c;
        OK(tern_checkpoint_open(path, &c));
        tern_checkpoint_close(c);
    }
    free(before);
    cr_expect(not(tern_file_exists(in_dir(".a.h5.tmp"))));
    FAILS(tern_checkpoint_save(in_dir("none/a.h5"), &config, NULL, model, NULL, &state),
          TERN_EIO, "none");
}
