/* chat_template.h - how a conversation becomes text: a Jinja template, as Hugging Face
 * and llama.cpp use it. tern does not apply it; it travels with a model.
 *
 * A run keeps it as chat_template.jinja beside its config.yaml, where it can be read,
 * changed, put and removed by hand. Import writes it, a run that starts from another's
 * weights takes it over, export writes it out. */
#ifndef TERN_TRAIN_CHAT_TEMPLATE_H
#define TERN_TRAIN_CHAT_TEMPLATE_H

#include <stddef.h>

#include "base/status.h"

/* A copy of text[0..bytes) into *out, to be given to free(); TERN_EFORMAT, beginning
 * with `where`, unless it is UTF-8 without zero bytes, not empty, of 1 MiB at most. */
tern_status tern_chat_template_take(const char *where, const char *text, size_t bytes,
                                    char **out);

/* The same from a file. */
tern_status tern_chat_template_load(const char *path, char **out);

/* Of the run that `run` is or, as one of its checkpoints, stands in; NULL if that has
 * none. */
tern_status tern_chat_template_of_run(const char *run, char **out);

/* Write it into the run at `dir`; NULL: nothing. path: out (TERN_PATH_MAX), the file,
 * "" if there is none; or NULL. */
tern_status tern_chat_template_keep(const char *dir, const char *text, char *path);

#endif /* TERN_TRAIN_CHAT_TEMPLATE_H */
