/* bpe_train.h - learn merges from counted words.
 *
 * Sennrich et al. 2016, Algorithm 1, over bytes: take the most frequent pair of
 * neighbours in all words, make it a token, put it wherever the pair stands (from left
 * to right), repeat. Among equally frequent pairs the greatest wins, comparing the left
 * parts as byte strings, then the right ones. */
#ifndef TERN_DATA_BPE_TRAIN_H
#define TERN_DATA_BPE_TRAIN_H

#include "data/tokenizer_impl.h"

/* tern_bpe_learn() - add tokens and merges to `t`, a draft that has its specials and
 * all 256 bytes, until it has `vocab` tokens. Word i of `words` occurs counts[i] times.
 * progress (may be NULL) gets from..1. TERN_EARG if the words do not give that many, or
 * if a special's text is what a merge makes. */
tern_status tern_bpe_learn(const tern_words *words, const int64_t *counts, size_t vocab,
                           tern_tokenizer *t,
                           void (*progress)(double fraction, void *user), void *user,
                           double from);

#endif /* TERN_DATA_BPE_TRAIN_H */
