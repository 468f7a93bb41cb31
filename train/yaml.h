/* yaml.h - YAML text to option texts and back, by libcyaml. Internal to train/.
 *
 * The schema is generated from the table of options: one mapping per section, every
 * value optional text. What the texts mean is options.c's business.
 */
#ifndef TERN_TRAIN_YAML_H
#define TERN_TRAIN_YAML_H

#include "train/options.h"

typedef struct tern_yaml tern_yaml;

/* Refuses what is not two levels of known keys; `where` (a file's name) starts the
 * message, which says line and key. */
tern_status tern_yaml_parse(const char *text, size_t bytes, const char *where,
                            tern_yaml **out);
void tern_yaml_free(tern_yaml *y); /* NULL is fine */

/* The text given for option i of the table; NULL where the file does not mention it. */
const char *tern_yaml_value(const tern_yaml *y, size_t i);

/* The line, from 1, of the key in that section (section "": at the top), or of the
 * first error of syntax if that comes before; 0: neither. */
size_t tern_yaml_line(const char *text, size_t bytes, const char *section,
                      const char *key);

/* values[i] for option i, NULL to leave it out. Heap string, free(). */
tern_status tern_yaml_write(const char *const *values, char **out);

#endif /* TERN_TRAIN_YAML_H */
