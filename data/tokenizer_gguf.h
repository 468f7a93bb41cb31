/* tokenizer_gguf.h - a tokenizer in the metadata of a GGUF file.
 *
 * The keys are llama.cpp's, tokenizer.ggml.*: model "gpt2" (see tokenizer.h for what it
 * makes of it) has tokens, types, merges and a pre-tokenizer; model "llama", the spm
 * kind, has tokens, types and scores, and add_space_prefix. Beside them stand
 * bos_token_id, eos_token_id, unknown_token_id and add_bos_token. That is all there is
 * to a tokenizer; only where the keys do not hold everything is a tokenizer.json put
 * beside them, as the string tern.tokenizer: when the model has more rows than the
 * tokenizer has ids, when pre-tokenizer and ignore_merges do not go together as they do
 * in llama.cpp, and when merges of the spm kind follow from no scores.
 */
#ifndef TERN_DATA_TOKENIZER_GGUF_H
#define TERN_DATA_TOKENIZER_GGUF_H

#include "data/tokenizer.h"
#include "formats/gguf.h"

/* From tern.tokenizer if the file has it, else from tokenizer.ggml.*. TERN_EFORMAT
 * names file and key (missing, or what tern does not read: another model than "gpt2"
 * and "llama", another pre-tokenizer than "gpt-2" and "llama-bpe"). */
tern_status tern_tokenizer_from_gguf(const tern_gguf *g, tern_tokenizer **out);

/* Put the keys. rows: of the model's embedding; ids that the tokenizer lacks become
 * unused tokens [PADn]. TERN_ESHAPE if there are fewer rows than ids. begin and end of
 * text are the eos token; without one, the last id, because llama.cpp would take id 11.
 * The writer remembers its own errors. */
tern_status tern_tokenizer_to_gguf(const tern_tokenizer *t, int64_t rows,
                                   tern_gguf_writer *w);

#endif /* TERN_DATA_TOKENIZER_GGUF_H */
