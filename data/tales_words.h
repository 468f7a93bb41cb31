/* tales_words.h - the grammar of the tales; for tales.c and its test. */
#ifndef TERN_DATA_TALES_WORDS_H
#define TERN_DATA_TALES_WORDS_H

#include "data/tales_grammar.h"

extern const tern_grammar_list tern_tales_lists[];      /* tales_words.c */
extern const tern_grammar_rule tern_tales_phrases[];    /* tales_phrases.c */
extern const tern_grammar_rule tern_tales_plots[];      /* tales_plots.c */
extern const tern_grammar_rule tern_tales_more_plots[]; /* tales_more.c */

extern const tern_grammar tern_tales; /* tales.c: all of it */

#endif /* TERN_DATA_TALES_WORDS_H */
