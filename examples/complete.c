/* complete.c - a model goes on with a text: <tern/runtime.h> from end to end.
 *
 *     cc complete.c $(pkg-config --cflags --libs tern-runtime) -o complete
 *     ./complete model.gguf "Once upon a time" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/runtime.h>

static void must(tern_status s)
{
    if (s == TERN_OK) return;
    fprintf(stderr, "complete: %s\n", tern_error_message());
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3) return fprintf(stderr, "usage: complete MODEL.gguf TEXT\n"), 2;
    tern_sampler sampler = {.repeat_penalty = 1.0f,
                            .top_k = 40,
                            .top_p = 0.95f,
                            .temperature = 0.8f,
                            .seed = 1};
    tern_runtime *model;
    tern_session *session;
    tern_stream *stream; /* gives whole characters */
    int32_t *ids;
    const char *text;
    size_t count, bytes;

    must(tern_runtime_open(argv[1], &model));
    must(tern_runtime_read_tokenizer(model));
    must(tern_session_new(model, 0, &session));
    must(tern_stream_new(NULL, 0, &stream));
    must(tern_runtime_encode_prompt(model, argv[2], strlen(argv[2]), &ids, &count));
    const int64_t vocab = tern_runtime_vocab(model);
    float *logits = malloc((size_t)vocab * sizeof *logits);
    void *scratch = malloc(tern_sample_scratch(vocab));
    if (!logits || !scratch) return 1;

    must(tern_session_eval(session, ids, (int64_t)count, logits));
    while (tern_session_length(session) < tern_session_context(session)) {
        const int32_t id = tern_sample(&sampler, logits, vocab, NULL, 0, scratch);
        if (tern_runtime_ends_text(model, id)) break;
        const char *piece = tern_runtime_piece(model, id, &bytes);
        must(tern_stream_push(stream, piece, bytes, &text, &bytes));
        fwrite(text, 1, bytes, stdout);
        must(tern_session_eval(session, &id, 1, logits));
    }
    text = tern_stream_finish(stream, &bytes);
    fwrite(text, 1, bytes, stdout);
    putchar('\n');
    free(scratch), free(logits), free(ids);
    tern_stream_free(stream);
    tern_session_free(session);
    tern_runtime_free(model);
    return 0;
}
