/* threads.c - `threads FILE.gguf`: several sessions of one model at the same time write
 * what each of them writes alone.
 *
 * A plain main, because Criterion does not start under ThreadSanitizer, under which
 * scripts/test.sh runs it too (with OMP_NUM_THREADS=1: it does not see how OpenMP's own
 * threads wait for each other). Half of the threads share a model, the others open the
 * file for themselves; failures happen meanwhile, each with its own message. */
#define TOY_PLAIN
#include "runtime/runtime.h"
#include "tests/runtime/toy_text.h"

#include <pthread.h>

enum { WRITERS = 4, ROUNDS = 3, TOKENS = 50, FAILURES = 200, V = 257 };

typedef struct job {
    const char *path;
    const tern_runtime *model; /* NULL: open the file */
    int number;
    int32_t ids[ROUNDS * TOKENS];
    char text[ROUNDS * TOKENS * 16];
} job;

/* What a failure on another thread must not overwrite. */
static void fail_on_purpose(tern_session *s, int number)
{
    char want[64];
    const int32_t wrong = 1000 + number;
    snprintf(want, sizeof want, "id %d is outside", (int)wrong);
    TOY_CHECK(tern_session_eval(s, &wrong, 1, NULL) == TERN_EARG,
              "a wrong id is taken");
    TOY_CHECK(strstr(tern_error_message(), want), "message of another thread: %s",
              tern_error_message());
}

static void write_text(const tern_runtime *m, tern_session *s, job *j, int round)
{
    tern_sampler sampler = {.repeat_penalty = 1.1f,
                            .top_k = 40,
                            .top_p = 0.9f,
                            .temperature = 8.0f,
                            .seed = (uint64_t)(10 * j->number + round)};
    static const char *const prompts[WRITERS] = {"One", "Two two", "Three", "Four 4"};
    float logits[V];
    int32_t *prompt;
    size_t count;
    void *scratch = malloc(tern_sample_scratch(V));
    MUST(tern_runtime_encode(m, prompts[j->number], strlen(prompts[j->number]), false,
                             &prompt, &count));
    MUST(tern_session_eval(s, prompt, (int64_t)count, logits));
    for (int i = 0; i < TOKENS; i++) {
        size_t bytes;
        int32_t *id = &j->ids[round * TOKENS + i];
        *id = tern_sample(&sampler, logits, V, j->ids, (size_t)(round * TOKENS + i),
                          scratch);
        const char *piece = tern_runtime_piece(m, *id, &bytes);
        strncat(j->text, piece, bytes);
        if (i % 16 == 0)
            for (int k = 0; k < FAILURES; k++) fail_on_purpose(s, j->number);
        MUST(tern_session_eval(s, id, 1, logits));
    }
    free(prompt);
    free(scratch);
}

static void *run(void *user)
{
    job *j = user;
    tern_runtime *own = NULL;
    tern_session *s;
    if (!j->model) {
        MUST(tern_runtime_open(j->path, &own));
        MUST(tern_runtime_read_tokenizer(own));
    }
    const tern_runtime *m = own ? own : j->model;
    MUST(tern_session_new(m, 0, &s));
    for (int round = 0; round < ROUNDS; round++) {
        tern_session_truncate(s, 0);
        write_text(m, s, j, round);
    }
    tern_session_free(s);
    tern_runtime_free(own);
    return NULL;
}

static void start(job *jobs, const char *path, const tern_runtime *m)
{
    for (int i = 0; i < WRITERS; i++)
        jobs[i] = (job){.path = path, .model = i % 2 ? m : NULL, .number = i};
}

static void as_if_alone(const char *path)
{
    static job together[WRITERS], alone[WRITERS];
    pthread_t thread[WRITERS];
    tern_runtime *m;
    MUST(tern_runtime_open(path, &m));
    MUST(tern_runtime_read_tokenizer(m));

    start(together, path, m);
    for (int i = 0; i < WRITERS; i++)
        TOY_CHECK(pthread_create(&thread[i], NULL, run, &together[i]) == 0,
                  "no thread");
    for (int i = 0; i < WRITERS; i++) pthread_join(thread[i], NULL);
    start(alone, path, m);
    for (int i = 0; i < WRITERS; i++) run(&alone[i]);

    for (int i = 0; i < WRITERS; i++)
        TOY_CHECK(memcmp(together[i].ids, alone[i].ids, sizeof alone[i].ids) == 0 &&
                      strcmp(together[i].text, alone[i].text) == 0,
                  "writer %d wrote another text beside the others\n", i);
    for (int i = 1; i < WRITERS; i++)
        TOY_CHECK(memcmp(alone[i].ids, alone[0].ids, sizeof alone[i].ids) != 0,
                  "writers 0 and %d write the same: this proves nothing\n", i);
    tern_runtime_free(m);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    toy_write_text_model(argv[1]);
    as_if_alone(argv[1]);
    /* Whose matrices are packed while all of them write (runtime/matrix.h). */
    toy_write_text_model_of(argv[1], 256, TERN_GGML_TQ2_0, TERN_GGML_Q8_0);
    as_if_alone(argv[1]);
    puts("threads: as if alone");
    return 0;
}
