/* toy_text.h - a toy that writes: 256 bytes and an end of text, its words being noise:
 * a temperature of about 8 makes it undecided. For programs without Criterion: define
 * TOY_PLAIN. */
#ifndef TERN_TESTS_RUNTIME_TOY_TEXT_H
#define TERN_TESTS_RUNTIME_TOY_TEXT_H

#include "base/file.h"
#include "data/tokenizer_gguf.h"
#include "tests/runtime/toy.h"

static inline void toy_write_text_model_of(const char *path, int64_t width,
                                           uint32_t linear, uint32_t embed)
{
    static const char *const special[] = {"<|endoftext|>"};
    const tern_spec spec = {.arch = TERN_ARCH_LLAMA, /* with a head of its own */
                            .vocab = 257,
                            .width = width,
                            .layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = width / 4,
                            .ffn = 256,
                            .context = 64,
                            .rope_theta = 10000.0f,
                            .norm_eps = 1e-5f};
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_BYTE, .special = special, .specials = 1};
    static toy t;
    tern_tokenizer *bytes;
    toy_make(&t, &spec, linear, embed, 3);
    MUST(tern_file_write(path, "text", 4)); /* to learn bytes from; then overwritten */
    MUST(tern_tokenizer_train(&path, 1, &how, &bytes));
    tern_gguf_writer *w = toy_writer(&t);
    MUST(tern_tokenizer_to_gguf(bytes, spec.vocab, w));
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    tern_tokenizer_free(bytes);
    toy_free(&t);
}

static inline void toy_write_text_model(const char *path)
{
    toy_write_text_model_of(path, 128, TERN_GGML_Q2_0, TERN_GGML_F16);
}

#endif /* TERN_TESTS_RUNTIME_TOY_TEXT_H */
