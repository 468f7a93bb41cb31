/* toy_model.c - `toy_model FILE.gguf`: the model of toy_text.h, for tests that are
 * scripts; also where nothing that trains is built. */
#define TOY_PLAIN
#include "tests/runtime/toy_text.h"

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    toy_write_text_model(argv[1]);
    return 0;
}
