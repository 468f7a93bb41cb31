/* tales_grammar.h - a grammar with a memory, and the exact probability of what it says.
 *
 * A rule is a text in which
 *
 *     <name>       stands for the rule of that name
 *     [x|y|2*z]    is one of its alternatives (the third twice as likely); a whole rule
 *                  may be a list of alternatives too
 *     {r=list}     draws an item of a list that this story has not used yet, remembers
 *                  it as r, and says it; {r=list.1} says the item's second field
 *     {r} {r.1}    says a remembered item again: "kettle|make tea" has two fields, and
 * a field is a text like a rule {s:=r}       remembers under a second name, and says
 * nothing {he r}       he or she: the item's second field begins with m or f; likewise
 * him, his, himself {a}          a or an, by what follows; ~ before a word makes it the
 * other one
 *     {#n=2-5}     draws a number, and says it in words; {#n} says it again; {#n=m+k}
 *                  and {#n=m-k} compute one
 *     ^            makes the next letter a capital, as sentences and speech do unasked
 *
 * Because each draw is an explicit choice of known probability, the text's information
 * is the sum of -ln p over its choices, provided that different choices never lead to
 * the same text. tern_grammar_parse() finds all derivations of a text, which proves it
 * for that text.
 */
#ifndef TERN_DATA_TALES_GRAMMAR_H
#define TERN_DATA_TALES_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERN_TELL_BYTES = 4000 }; /* no text is longer */

typedef struct tern_grammar_list {
    const char *name;
    const char *const *items; /* ends with NULL, at most 128 */
    bool even; /* all equally likely; else item i (from 0) weighs 1 / (i + 24) */
} tern_grammar_list;

typedef struct tern_grammar_rule {
    const char *name, *text;
} tern_grammar_rule;

typedef struct tern_grammar {
    const tern_grammar_rule *const *rules; /* tables that end with a NULL name; NULL */
    const tern_grammar_list *lists;        /* ends with a NULL name, at most 64 */
    const char *start;                     /* the rule to begin with */
} tern_grammar;

/* tern_grammar_tell() - text number n of a seed, a pure function of its arguments;
 * returns its length (there is no NUL), and in *nats - ln of its probability. */
size_t tern_grammar_tell(const tern_grammar *g, uint64_t seed, uint64_t n,
                         char text[TERN_TELL_BYTES], double *nats);

/* tern_grammar_parse() - how many derivations has this text: 0, 1, or 2 for more? *nats
 * is the information of one of them, 0 if there is none. *reached: how many bytes begin
 * a text of the grammar. */
int tern_grammar_parse(const tern_grammar *g, const char *text, size_t bytes,
                       double *nats, size_t *reached);

#endif /* TERN_DATA_TALES_GRAMMAR_H */
