/* sentencepiece.h - SentencePiece's own file, tokenizer.model.
 *
 * A protocol buffer (sentencepiece_model.proto, by number):
 *
 *     1 pieces, repeated { 1 text, 2 score (float), 3 type: 1 normal, 2 unknown,
 *       3 control, 4 user-defined, 5 unused, 6 byte }
 *     2 trainer { 3 model_type: 1 unigram, 2 bpe, 3 word, 4 char;
 *       24 treat_whitespace_as_suffix, 35 byte_fallback,
 *       40 unk_id, 41 bos_id, 42 eos_id }
 *     3 normalizer { 2 precompiled_charsmap, 3 add_dummy_prefix,
 *       4 remove_extra_whitespaces, 5 escape_whitespaces }
 *     5 denormalizer { 2 precompiled_charsmap }
 *
 * tern takes BPE models that leave text as it is (normalizer "identity"), as Llama's
 * does; TERN_EFORMAT names the field where a model wants something else. Fields that
 * only say how it was trained are not looked at. One field is not honoured:
 * remove_extra_whitespaces, by which text would not come back; spaces stay as they are,
 * as in llama.cpp, and a warning says so.
 */
#ifndef TERN_DATA_SENTENCEPIECE_H
#define TERN_DATA_SENTENCEPIECE_H

#include "data/tokenizer.h"

/* Could these bytes be such a file, rather than a JSON text? */
bool tern_is_sentencepiece(const char *data, size_t bytes);

/* `where` is the name that starts an error message. Copies everything. */
tern_status tern_sentencepiece_parse(const char *data, size_t bytes, const char *where,
                                     tern_tokenizer **out);

#endif /* TERN_DATA_SENTENCEPIECE_H */
