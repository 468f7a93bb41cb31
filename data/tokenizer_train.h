/* tokenizer_train.h - tern_tokenizer_train() with its piece size, for tests. */
#ifndef TERN_DATA_TOKENIZER_TRAIN_H
#define TERN_DATA_TOKENIZER_TRAIN_H

#include "data/tokenizer.h"

/* Files are read in pieces of about `piece` bytes, > 0; the result does not depend on
 * it. */
tern_status tern_tokenizer_train_pieces(const char *const *paths, size_t count,
                                        const tern_tokenizer_training *how,
                                        size_t piece, tern_tokenizer **out);

#endif /* TERN_DATA_TOKENIZER_TRAIN_H */
