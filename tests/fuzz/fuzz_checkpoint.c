/* fuzz_checkpoint.c - libFuzzer: no HDF5 file with a right checksum may make the reader
 * of checkpoints misbehave. */
#include "kernels/cpu.h"
#include "tests/fuzz/h5_edit.h"
#include "train/checkpoint.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const objects[] = {"params/embed/weight",
                                      "params/layers/0/attn/wq",
                                      "params/layers/0/ffn/down",
                                      "params/layers/0/attn_norm",
                                      "params/norm",
                                      "params/layers/0",
                                      "params",
                                      "optim/m/embed/weight",
                                      "optim/v/layers/0/attn/wq",
                                      "optim/m",
                                      "optim",
                                      NULL};
static const char *const keys[] = {"config",
                                   "tokenizer",
                                   "step",
                                   "tokens",
                                   "val",
                                   "best_val",
                                   "entropy",
                                   "dataset_fingerprint",
                                   "tern_version",
                                   "seed",
                                   "format",
                                   "version",
                                   "tokenizer_name",
                                   NULL};
static h5_image image = {
    .kind = "checkpoint", .version = 1, .objects = objects, .keys = keys};

static void remove_file(void)
{
    unlink(image.path);
}

/* A run of one layer, at its start. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[64];
    tern_config c;
    tern_tokenizer *t;
    tern_model *m;
    tern_optim *o;
    (void)argc, (void)argv;
    snprintf(path, sizeof path, "/tmp/tern-fuzz-%d.h5", (int)getpid());
    if (tern_kernels_init() != TERN_OK) abort();
    tern_threads_set(1);
    tern_config_defaults(&c);
    c.model.width = 8;
    c.model.layers = 1;
    c.model.heads = 2;
    c.model.ffn = 8;
    c.model.context = 8;
    if (tern_tokenizer_new_char("the sea\n", 8, &t) != TERN_OK ||
        tern_config_resolve(&c, tern_tokenizer_vocab(t), "fuzz") != TERN_OK ||
        tern_model_new(&c.model, &m) != TERN_OK ||
        tern_model_init(m, 0.1f, 1) != TERN_OK)
        abort();
    const tern_params *list = tern_model_params(m);
    const tern_progress_state state = {.step = 3, .tokens = 96};
    if (tern_optim_new(&c.optim, list->items, list->count, &o) != TERN_OK ||
        tern_checkpoint_save(path, &c, t, m, o, &state) != TERN_OK)
        abort();
    tern_optim_free(o);
    tern_model_free(m);
    tern_tokenizer_free(t);
    h5_image_load(&image, path);
    atexit(remove_file);
    return 0;
}

/* The optimizer's state too, as a run that goes on would read it. */
static void resume(tern_checkpoint *c)
{
    const tern_config *config = tern_checkpoint_config(c);
    tern_model *m;
    tern_optim *o;
    if (tern_model_new(&config->model, &m) != TERN_OK) return;
    const tern_params *list = tern_model_params(m);
    if (tern_optim_new(&config->optim, list->items, list->count, &o) == TERN_OK) {
        (void)tern_checkpoint_read(c, m, o);
        tern_optim_free(o);
    }
    tern_model_free(m);
}

static tern_status count_array(const char *name, const tern_h5_shape *shape, void *user)
{
    *(size_t *)user += strlen(name) + (size_t)shape->rank;
    return TERN_OK;
}

static void list_arrays(void)
{
    static volatile size_t sink;
    size_t sum = 0;
    tern_h5 *f;
    if (tern_h5_open(image.path, image.kind, image.version, &f) != TERN_OK) return;
    (void)tern_h5_each(f, "/", count_array, &sum);
    sink = sink + sum;
    tern_h5_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    tern_checkpoint *c;
    tern_model *m;
    if (!h5_make(&image, data, bytes)) return 0;
    list_arrays();
    if (tern_checkpoint_open(image.path, &c) != TERN_OK) return 0;
    /* The tables of positions are as long as the config says, whatever the file's size.
     */
    const tern_spec *spec = &tern_checkpoint_config(c)->model;
    if (spec->context * spec->head_dim <= 1 << 20) {
        if (tern_checkpoint_model(c, &m) == TERN_OK) tern_model_free(m);
        resume(c);
    }
    tern_checkpoint_close(c);
    return 0;
}
