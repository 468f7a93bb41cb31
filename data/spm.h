/* spm.h - SentencePiece's BPE: what it makes of a vocabulary, and the symbols of a
 * word.
 *
 * Kudo & Richardson, "SentencePiece", arXiv:1808.06226, with the options of Llama 2:
 * text is taken as it is but for its spaces, which are written U+2581, and (prefix) one
 * space is put before it. A word starts as its characters; of the adjacent pairs that
 * together are a token the one with the highest score is merged, the leftmost of equal
 * ones. What is then no token becomes its bytes, tokens <0x00> to <0xFF>, or where
 * there are none the unknown token, one for each run.
 *
 * A pair is ranked by what it makes, so the merges follow from tokens and scores; they
 * are written out once, and bpe.c does the rest. Only normal tokens are merged or made:
 * control tokens come from text only when asked for, user-defined ones are found before
 * anything is merged, as tern_added_find() does it. A space that the text did not have
 * is put at its beginning and behind every control token, where another text begins
 * (there not, if a tokenizer.json says so: `once`).
 *
 * Bytes that are not UTF-8 become byte tokens. (SentencePiece writes U+FFFD for them.)
 */
#ifndef TERN_DATA_SPM_H
#define TERN_DATA_SPM_H

#include "data/bpe.h"
#include "data/tokenizer_impl.h"

/* A draft of the kind (tokenizer_impl.h), with prefix, without scores. */
tern_status tern_spm_draft(tern_tokenizer **out);

/* Token of the next id with its score. TERN_EFORMAT as tern_tokenizer_add, and for a
 * score that is not finite. */
tern_status tern_spm_add(tern_tokenizer *t, const char *text, size_t bytes,
                         tern_role role, double score);

/* The merges that scores imply, into t->merges in the order of their ranks; among equal
 * ones shorter left parts first. */
tern_status tern_spm_merges(tern_tokenizer *t);

/* What tern_tokenizer_finish() does for this kind: pieces, bytes, characters, merges
 * (those in t->merges, if the draft has no scores). */
tern_status tern_spm_finish(tern_tokenizer *t);

/* U+2581 for every space of text[0..bytes); writes at most 3 * bytes, returns how many
 * bytes. */
size_t tern_spm_escape(const char *text, size_t bytes, char *out);

/* The end of the word that begins at s: spaces and what follows them up to the next
 * space. No merge crosses it; `end` if the vocabulary has tokens that would. */
const char *tern_spm_word_end(const tern_tokenizer *t, const char *s, const char *end);

/* The characters of word[0..bytes) as ids, into scratch->ids; *count of them.
 * TERN_EFORMAT names a character that this vocabulary cannot express. */
tern_status tern_spm_symbols(const tern_tokenizer *t, const char *word, size_t bytes,
                             tern_bpe_scratch *scratch, size_t *count);

#endif /* TERN_DATA_SPM_H */
