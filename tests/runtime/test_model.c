/* What open refuses, and that it says which key or tensor; and that no damage to a file
 * makes it crash. */
#include "base/file.h"
#include "kernels/cpu.h"
#include "runtime/runtime.h"
#include "tests/runtime/toy.h"
#include "tests/support/scratch.h"

static char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
static toy model;

static const tern_spec LLAMA = {.arch = TERN_ARCH_LLAMA,
                                .tied = true,
                                .vocab = 20,
                                .width = 64,
                                .layers = 1,
                                .heads = 2,
                                .kv_heads = 1,
                                .head_dim = 32,
                                .ffn = 64,
                                .context = 16,
                                .rope_theta = 10000.0f,
                                .norm_eps = 1e-5f};

static void setup(void)
{
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    MUST(tern_kernels_init());
    toy_make(&model, &LLAMA, TERN_GGML_Q2_0, TERN_GGML_F16, 1);
}

static void teardown(void)
{
    toy_free(&model);
    tern_scratch_remove(dir);
}

TestSuite(model, .init = setup, .fini = teardown);

static void make(tern_arch arch, tern_quant quant, uint32_t linear)
{
    tern_spec s = LLAMA;
    s.arch = arch;
    s.quant = quant;
    toy_free(&model);
    toy_make(&model, &s, linear, TERN_GGML_F16, 1);
}

/* TERN_OK: the file is fine. */
static void refused_file(tern_status status, const char *part)
{
    tern_runtime *m = NULL;
    const tern_status s = tern_runtime_open(path, &m);
    const char *said = tern_error_message();
    cr_expect(eq(int, s, status), "wanting \"%s\": %s", part, said);
    cr_expect(eq(int, m != NULL, s == TERN_OK));
    cr_expect(s == TERN_OK || (strstr(said, path) == said && strstr(said, part)),
              "\"%s\" should begin with the file and hold \"%s\"", said, part);
    tern_runtime_free(m);
}

static void refused(tern_status status, const char *part)
{
    toy_write(&model, path);
    refused_file(status, part);
}

/* --- what is fine --- */

Test(model, says_what_it_is)
{
    tern_runtime *m = NULL;
    toy_write(&model, path);
    MUST(tern_runtime_open(path, &m));
    const tern_spec *s = tern_runtime_spec(m);
    cr_expect(s->arch == TERN_ARCH_LLAMA && s->quant == TERN_QUANT_TERNARY && s->tied);
    cr_expect(s->embed == TERN_EMBED_F16 && s->activation == TERN_SILU);
    cr_expect(s->vocab == 20 && s->width == 64 && s->layers == 1 && s->heads == 2);
    cr_expect(s->kv_heads == 1 && s->head_dim == 32 && s->ffn == 64 &&
              s->context == 16);
    cr_expect(s->rope_theta == 10000.0f && s->norm_eps == 1e-5f);
    cr_expect(eq(str, (char *)tern_gguf_path(tern_runtime_gguf(m)), path));
    /* Seven matrices of 2 bits, the norms, the map. */
    const size_t codes = (64 * 64 * 6) / 4; /* k and v have half of q's rows */
    cr_expect(ge(sz, tern_runtime_bytes(m),
                 codes + 192 * 4 + tern_gguf_bytes(tern_runtime_gguf(m))));
    tern_runtime_free(m);
    tern_runtime_free(NULL);
}

Test(model, accepts_what_changes_nothing)
{
    tern_runtime *m = NULL;
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_string(w, "llama.rope.scaling.type", "linear");
    tern_gguf_put_f32(w, "llama.rope.scaling.factor", 1.0f);
    tern_gguf_put_u32(w, "llama.rope.dimension_count", 32);
    tern_gguf_put_u32(w, "llama.expert_count", 0);
    tern_gguf_put_u32(w, "llama.vocab_size", 20);
    tern_gguf_put_string(w, "anything.else", "is for others");
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    MUST(tern_runtime_open(path, &m));
    tern_runtime_free(m);
}

Test(model, knows_the_names_of_others)
{
    static const struct {
        const char *name;
        tern_arch arch;
        tern_activation activation;
    } kinds[] = {{"bitnet", TERN_ARCH_BITNET, TERN_SILU},
                 {"bitnet-b1.58", TERN_ARCH_BITNET, TERN_RELU2},
                 {"bitnet-25", TERN_ARCH_BITNET, TERN_RELU2},
                 {"llama-relu2", TERN_ARCH_LLAMA, TERN_RELU2}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        tern_runtime *m = NULL;
        make(kinds[i].arch, TERN_QUANT_TERNARY, TERN_GGML_Q2_0);
        model.arch = kinds[i].name;
        toy_write(&model, path);
        MUST(tern_runtime_open(path, &m));
        cr_expect(eq(int, tern_runtime_spec(m)->arch, kinds[i].arch));
        cr_expect(eq(int, tern_runtime_spec(m)->activation, kinds[i].activation));
        tern_runtime_free(m);
    }
}

/* --- files that are no model --- */

Test(model, refuses_other_files)
{
    snprintf(path, sizeof path, "%s/none.gguf", dir);
    refused_file(TERN_EIO, "No such file");
    snprintf(path, sizeof path, "%s/text.gguf", dir);
    MUST(tern_file_write(path, "once upon a time", 16));
    refused_file(TERN_EFORMAT, "not a GGUF file");
    tern_gguf_writer *w = tern_gguf_writer_new();
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, "\"general.architecture\" is missing");
    w = tern_gguf_writer_new();
    tern_gguf_put_string(w, "general.architecture", "gpt2");
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT,
                 "\"general.architecture\" is \"gpt2\"; tern knows llama");
}

/* --- keys --- */

Test(model, refuses_missing_keys)
{
    static const char *const keys[] = {
        "context_length",       "embedding_length",
        "block_count",          "feed_forward_length",
        "attention.head_count", "attention.layer_norm_rms_epsilon"};
    for (size_t i = 0; i < 6; i++) {
        char part[96];
        model.without = keys[i];
        snprintf(part, sizeof part, "key \"llama.%s\" is missing", keys[i]);
        refused(TERN_EFORMAT, part);
    }
}

/* One more key, or one in the place of the toy's. */
static void with_u32(const char *name, uint32_t v, const char *part)
{
    char key[96];
    snprintf(key, sizeof key, "llama.%s", name);
    model.without = name;
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_u32(w, key, v);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, part);
}

static void with_string(const char *key, const char *v, const char *part)
{
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_string(w, key, v);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, part);
}

Test(model, refuses_wrong_dimensions)
{
    with_u32("attention.head_count", 0, "\"llama.attention.head_count\" is 0");
    with_u32("attention.head_count", UINT32_MAX, "head_count\" is 4294967295");
    with_u32("attention.head_count", 3,
             "no multiple of \"llama.attention.head_count\"");
    with_u32("attention.head_count_kv", 3, "kv_heads is 3");
    with_u32("context_length", 1u << 30, "context is 1073741824");
    with_u32("block_count", 2, "\"blk.1.attn_norm.weight\" is missing");
    with_u32("block_count", 1000, "too small for 1000 blocks");
    with_u32("feed_forward_length", 128, "\"blk.0.ffn_gate.weight\" has 64 rows of 64");
    with_u32("vocab_size", 21, "\"llama.vocab_size\" is 21, must be 20");
    with_u32("rope.dimension_count", 16, "\"llama.rope.dimension_count\" is 16");
    with_u32("attention.value_length", 16, "\"llama.attention.value_length\" is 16");
    with_u32("expert_count", 8, "\"llama.expert_count\" is 8");
}

static tern_status fill_factors(void *user, uint8_t *out, size_t bytes)
{
    memcpy(out, user, bytes);
    return TERN_OK;
}

/* A file with scaled positions: Llama 3.1's rule with other numbers, which tern's keys
 * say (original > 0) or not. */
static tern_gguf_writer *scaled_writer(float *factors, uint32_t original)
{
    tern_gguf_writer *w = toy_writer(&model);
    if (original) tern_gguf_put_u32(w, "tern.rope_original", original);
    tern_gguf_put_tensor(w, "rope_freqs.weight", TERN_GGML_F32, 16, 0, fill_factors,
                         factors);
    return w;
}

Test(model, reads_scaled_positions)
{
    tern_runtime *m = NULL;
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_f32(w, "llama.rope.scaling.factor", 4.0f);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    MUST(tern_runtime_open(path, &m));
    cr_expect(eq(int, (int)tern_runtime_spec(m)->rope_scaling, TERN_ROPE_LINEAR));
    cr_expect(eq(flt, tern_runtime_spec(m)->rope_factor, 4.0f));
    tern_runtime_free(m);

    tern_spec s = model.spec;
    float factors[16];
    s.rope_scaling = TERN_ROPE_LLAMA3;
    s.rope_factor = 4.0f;
    s.rope_low = 1.0f;
    s.rope_high = 4.0f;
    s.rope_original = 8192;
    tern_spec_rope_factors(&s, factors);
    factors[7] *= 1.000001f; /* as another program may have rounded it */
    w = scaled_writer(factors, 0);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    MUST(tern_runtime_open(path, &m));
    cr_expect(eq(int, (int)tern_runtime_spec(m)->rope_scaling, TERN_ROPE_LLAMA3));
    cr_expect(eq(flt, tern_runtime_spec(m)->rope_factor, 4.0f));
    cr_expect(eq(i64, tern_runtime_spec(m)->rope_original, 8192));
    tern_runtime_free(m);

    w = scaled_writer(factors, 64); /* these numbers give other factors */
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, "Llama 3.1's rule");
    factors[3] = NAN;
    w = scaled_writer(factors, 0);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, "element 3 is nan");
    w = scaled_writer(factors, 0);
    tern_gguf_put_f32(w, "llama.rope.scaling.factor", 4.0f);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, "scaled twice");
}

Test(model, refuses_what_it_would_compute_otherwise)
{
    with_string("llama.rope.scaling.type", "yarn", "rope.scaling.type\" is \"yarn\"");
    with_string("tern.activation", "gelu",
                "\"tern.activation\" is \"gelu\"; tern knows "
                "silu and relu2");
    with_string("tern.quant", "int4", "\"tern.quant\" is \"int4\"");
    with_string("llama.expert_count", "8", "is string, not an integer");
    static const char *const words[] = {"a", "b", "c"};
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", words, 3);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, "has 3 tokens, but token_embd.weight 20 rows");
}

/* --- tensors --- */

static void rename_tensor(const char *from, const char *to)
{
    toy_tensor *t = toy_find(&model, from);
    snprintf(t->name, sizeof t->name, "%s", to);
}

Test(model, names_every_missing_tensor)
{
    static const tern_arch archs[] = {TERN_ARCH_LLAMA, TERN_ARCH_BITNET};
    for (size_t a = 0; a < 2; a++) {
        make(archs[a], TERN_QUANT_TERNARY, TERN_GGML_Q2_0);
        for (size_t i = 0; i < model.count; i++) {
            char name[64], part[96];
            snprintf(name, sizeof name, "%s", model.tensors[i].name);
            snprintf(part, sizeof part, "tensor \"%s\" is missing", name);
            snprintf(model.tensors[i].name, sizeof name, "other.weight");
            refused(TERN_EFORMAT, part);
            snprintf(model.tensors[i].name, sizeof name, "%s", name);
        }
        refused(TERN_OK, "");
    }
}

Test(model, refuses_tensors_it_does_not_know)
{
    toy_add(&model, "rope_angles.weight", 0, 16, TERN_GGML_F32);
    memset(model.tensors[model.count++].values, 0, 64);
    refused(TERN_EFORMAT, "tensor \"rope_angles.weight\" is none that arch llama has");
    rename_tensor("rope_angles.weight", "blk.0.attn_q.bias");
    refused(TERN_EFORMAT, "tensor \"blk.0.attn_q.bias\" is none");
    make(TERN_ARCH_BITNET, TERN_QUANT_TERNARY, TERN_GGML_Q2_0);
    toy_table(&model, "output.weight");
    refused(TERN_EFORMAT, "tensor \"output.weight\" is none that arch bitnet has");
}

Test(model, refuses_wrong_shapes)
{
    toy_tensor *t = toy_find(&model, "blk.0.ffn_norm.weight");
    t->cols = 32;
    refused(TERN_EFORMAT,
            "\"blk.0.ffn_norm.weight\" has rows of 32, must be a vector of 64");
    t->cols = 64;
    t = toy_find(&model, "blk.0.attn_k.weight");
    t->rows = 16;
    t->head_dim = 0;
    refused(TERN_EFORMAT,
            "\"blk.0.attn_k.weight\" has 16 rows of 64, must have 32 of 64");
}

static tern_status fill_zeros(void *user, uint8_t *out, size_t bytes)
{
    (void)user;
    memset(out, 0, bytes);
    return TERN_OK;
}

/* The model with this matrix, of rows of 64, in a type that tern cannot encode. */
static void other_type(const char *name, int64_t rows, uint32_t type)
{
    make(TERN_ARCH_LLAMA, TERN_QUANT_TERNARY, TERN_GGML_Q2_0);
    rename_tensor(name, "blk.0.unused");
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_tensor(w, name, (tern_ggml_type)type, 64, rows, fill_zeros, NULL);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
}

Test(model, refuses_wrong_types)
{
    toy_find(&model, "output_norm.weight")->type = TERN_GGML_F16;
    refused(TERN_EFORMAT, "\"output_norm.weight\" has type F16, a norm is F32");
    toy_find(&model, "output_norm.weight")->type = TERN_GGML_F32;
    other_type("blk.0.ffn_up.weight", 64, 3); /* Q4_1 */
    refused_file(TERN_EFORMAT,
                 "\"blk.0.ffn_up.weight\" has type Q4_1; tern runs TQ1_0");
    other_type("token_embd.weight", 20, 6);
    refused_file(TERN_EFORMAT, "\"token_embd.weight\" has type Q5_0; tern runs TQ1_0");
}

/* --- values --- */

Test(model, refuses_floats_that_are_not_ternary)
{
    make(TERN_ARCH_LLAMA, TERN_QUANT_TERNARY, TERN_GGML_F32);
    refused(TERN_OK, "");
    toy_tensor *t = toy_find(&model, "blk.0.attn_v.weight");
    const float keep = t->values[70];
    t->values[70] = 0.5f * t->gamma;
    refused(TERN_ECORRUPT, "tensor \"blk.0.attn_v.weight\": row 1: weight 6 is");
    t->values[70] = NAN;
    refused(TERN_ECORRUPT, "tensor \"blk.0.attn_v.weight\": the largest weight is inf");
    t->values[70] = keep;
    for (size_t i = 0; i < 64 * 32; i++) t->values[i] *= 1.0001f;
    refused(TERN_ECORRUPT, "no scale that fp16 holds");
    memset(t->values, 0, 64 * 32 * sizeof *t->values);
    refused(TERN_OK, "");
}

Test(model, refuses_a_norm_that_is_no_number)
{
    toy_find(&model, "blk.0.attn_norm.weight")->values[7] = NAN;
    refused(TERN_ECORRUPT, "\"blk.0.attn_norm.weight\": element 7 is no number");
}

static tern_status two_scales(void *user, uint8_t *out, size_t bytes)
{
    toy_tensor *t = user;
    const float keep = t->gamma;
    MUST(toy_fill(t, out, bytes));
    t->gamma = 2.0f * keep; /* for the second half of the rows */
    uint8_t *other = malloc(bytes);
    MUST(toy_fill(t, other, bytes));
    memcpy(out + bytes / 2, other + bytes / 2, bytes / 2);
    free(other);
    t->gamma = keep;
    return TERN_OK;
}

Test(model, refuses_two_scales_in_a_matrix)
{
    toy_tensor moved = *toy_find(&model, "blk.0.ffn_up.weight");
    rename_tensor("blk.0.ffn_up.weight", "blk.0.unused");
    tern_gguf_writer *w = toy_writer(&model);
    tern_gguf_put_string(w, "tern.quant", "ternary"); /* a promise */
    tern_gguf_put_tensor(w, "blk.0.ffn_up.weight", TERN_GGML_Q2_0, 64, 64, two_scales,
                         &moved);
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    refused_file(TERN_EFORMAT, "tensor \"blk.0.ffn_up.weight\": row 32 has scale");
}

/* --- damage --- */

/* Without a flush to the disk each time. */
static void put_file(const uint8_t *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
}

Test(model, names_the_row_of_a_code_that_is_none)
{
    char *whole;
    size_t bytes;
    tern_gguf *g = NULL;
    toy_write(&model, path);
    MUST(tern_file_read(path, 1 << 24, &whole, &bytes));
    MUST(tern_gguf_parse((const uint8_t *)whole, bytes, path, &g));
    const tern_gguf_tensor *t = tern_gguf_find_tensor(g, "blk.0.ffn_up.weight");
    whole[t->data - (const uint8_t *)whole + t->bytes / 64 * 6 - 1] = (char)0xff;
    tern_gguf_close(g);
    put_file((const uint8_t *)whole, bytes);
    refused_file(TERN_ECORRUPT, "tensor \"blk.0.ffn_up.weight\": row 5: weight");
    free(whole);
}

Test(model, every_truncation_is_refused)
{
    tern_map m;
    toy_write(&model, path);
    MUST(tern_map_open(path, &m));
    uint8_t *whole = malloc(m.bytes);
    const size_t bytes = m.bytes;
    memcpy(whole, m.data, bytes);
    tern_map_close(&m);
    for (size_t n = 0; n < bytes; n += n < 1500 ? 7 : 211) {
        tern_runtime *r = NULL;
        put_file(whole, n);
        cr_expect(ne(int, tern_runtime_open(path, &r), TERN_OK), "cut to %zu", n);
        tern_runtime_free(r);
    }
    free(whole);
}

/* Whatever a damaged file says, it opens or is refused, and what opens can be run. */
Test(model, damaged_files_do_no_harm)
{
    enum { MUTANTS = 1500, HEAD = 1600 };
    tern_map map;
    size_t opened = 0;
    tern_threads_set(1); /* small matrices, many times */
    toy_write(&model, path);
    MUST(tern_map_open(path, &map));
    const size_t bytes = map.bytes;
    uint8_t *whole = malloc(bytes), *data = malloc(bytes);
    memcpy(whole, map.data, bytes);
    tern_map_close(&map);
    for (uint64_t i = 0; i < MUTANTS; i++) {
        memcpy(data, whole, bytes);
        for (uint64_t k = 0; k <= i % 3; k++) {
            const uint64_t range = tern_rand_below(i, 1, k, 4) ? HEAD : bytes;
            const uint64_t at = tern_rand_below(i, 2, k, range);
            data[at] = (uint8_t)tern_rand_below(i, 3, k, 256);
        }
        put_file(data, bytes);
        tern_runtime *m = NULL;
        tern_session *s = NULL;
        if (tern_runtime_open(path, &m) != TERN_OK) continue;
        float *logits = malloc((size_t)tern_runtime_spec(m)->vocab * sizeof *logits);
        const int32_t ids[3] = {1, 0, 1};
        if (tern_session_new(m, 0, &s) == TERN_OK) {
            (void)tern_session_eval(s, ids, 3, logits); /* context may be 1 now */
            opened++;
        }
        tern_session_free(s);
        tern_runtime_free(m);
        free(logits);
    }
    cr_expect(opened > MUTANTS / 20, "only %zu opened: mutations too rough", opened);
    free(whole), free(data);
}
