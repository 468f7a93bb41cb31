/* A grammar small enough to write down all its texts and their probabilities by hand:
 * what it tells must have these frequencies, and what it says of their information must
 * be - ln of these probabilities. */
#include <math.h>

#include "base/rng.h"
#include "data/tales_grammar.h"
#include "tests/data/check.h"

static const char *const names[] = {"Ann|f", "Bob|m", NULL};
static const char *const fruits[] = {"apple|apples", "~unit|units", NULL};
static const tern_grammar_list lists[] = {
    {"name", names, true}, {"fruit", fruits, false}, {NULL, NULL, false}};
static const tern_grammar_rule first[] = {
    {"start", "<who> had {#n=1-2} {x=fruit.1}. <end>"},
    {"who", "{h=name}"},
    {NULL, NULL}};
static const tern_grammar_rule second[] = {
    {"end", "3*{he h} ate {#n}|{f=name} took {a} {x}, {#m=2-3} left: {#k=m+n}"},
    {NULL, NULL}};
static const tern_grammar_rule *const tables[] = {first, second, NULL};
static const tern_grammar small = {tables, lists, "start"};

/* Items weigh 1 / (i + 24), in integers. */
static const double APPLE = 4166.0 / (4166 + 4000), UNIT = 4000.0 / (4166 + 4000);

struct expected {
    const char *text;
    double p;
};

/* All 24 texts, in no particular order. */
static size_t write_down(struct expected out[64], char text[64][80])
{
    static const char *const number[] = {"", "one", "two", "three", "four", "five"};
    size_t k = 0;
    for (int ann = 0; ann < 2; ann++)
        for (int n = 1; n <= 2; n++)
            for (int unit = 0; unit < 2; unit++) {
                const char *who = ann ? "Ann" : "Bob", *other = ann ? "Bob" : "Ann";
                const char *many = unit ? "units" : "apples";
                const char *one = unit ? "unit" : "apple";
                const double p = 0.5 * 0.5 * (unit ? UNIT : APPLE);
                snprintf(text[k], 80, "%s had %s %s. %s ate %s", who, number[n], many,
                         ann ? "She" : "He", number[n]);
                out[k] = (struct expected){text[k], p * 0.75};
                k++;
                for (int m = 2; m <= 3; m++, k++) {
                    snprintf(text[k], 80, "%s had %s %s. %s took %s %s, %s left: %s",
                             who, number[n], many, other, unit ? "a" : "an", one,
                             number[m], number[m + n]);
                    out[k] = (struct expected){text[k], p * 0.25 * 0.5};
                }
            }
    return k;
}

Test(tales_grammar, information_is_that_of_the_list_by_hand)
{
    struct expected all[64];
    char text[64][80];
    const size_t count = write_down(all, text);
    double total = 0.0;
    cr_assert(eq(sz, count, 24));
    for (size_t i = 0; i < count; i++) {
        double nats;
        size_t reached;
        const size_t n = strlen(all[i].text);
        cr_expect(
            eq(int, tern_grammar_parse(&small, all[i].text, n, &nats, &reached), 1),
            "%s", all[i].text);
        cr_expect(lt(dbl, fabs(nats + log(all[i].p)), 1e-12), "%s: %g", all[i].text,
                  nats);
        total += exp(-nats);
    }
    cr_expect(lt(dbl, fabs(total - 1.0), 1e-12));
}

Test(tales_grammar, tells_each_text_as_often_as_it_should)
{
    enum { TELLINGS = 60000 };
    struct expected all[64];
    char text[64][80], told[TERN_TELL_BYTES];
    int seen[64] = {0};
    const size_t count = write_down(all, text);
    for (uint64_t i = 0; i < TELLINGS; i++) {
        double nats;
        size_t k = 0;
        const size_t n = tern_grammar_tell(&small, 11, i, told, &nats);
        while (k < count &&
               (strlen(all[k].text) != n || memcmp(told, all[k].text, n) != 0))
            k++;
        cr_assert(lt(sz, k, count), "%.*s", (int)n, told);
        cr_assert(lt(dbl, fabs(nats + log(all[k].p)), 1e-12));
        seen[k]++;
    }
    double chi2 = 0.0; /* 23 degrees of freedom: above 60 once in 40,000 */
    for (size_t k = 0; k < count; k++) {
        const double mean = all[k].p * TELLINGS;
        chi2 += (seen[k] - mean) * (seen[k] - mean) / mean;
    }
    cr_expect(lt(dbl, chi2, 60.0));
}

/* A grammar that can reach one text in two ways must be found out. */
Test(tales_grammar, parsing_notices_ambiguity)
{
    static const tern_grammar_rule rules[] = {
        {"start", "[a|a b]< rest>"}, {" rest", "[ b c| c]"}, {NULL, NULL}};
    static const tern_grammar_rule *const both[] = {rules, NULL};
    const tern_grammar g = {both, lists, "start"};
    double nats;
    size_t reached;
    cr_expect(eq(int, tern_grammar_parse(&g, "A b c", 5, &nats, &reached), 2));
    cr_expect(eq(int, tern_grammar_parse(&g, "A c", 3, &nats, &reached), 1));
    cr_expect(lt(dbl, fabs(nats - log(4.0)), 1e-12));
    cr_expect(eq(int, tern_grammar_parse(&g, "A b d", 5, &nats, &reached), 0));
    cr_expect(eq(sz, reached, 4));
    cr_expect(eq(int, tern_grammar_parse(&g, "A c c", 5, &nats, &reached), 0));
    cr_expect(eq(int, tern_grammar_parse(&g, "", 0, &nats, &reached), 0));
}

Test(tales_grammar, sentences_and_speech_begin_with_capitals)
{
    static const tern_grammar_rule rules[] = {
        {"start",
         "it is so. is it? it is!\nyes. \"well,\" said he. \"no?\" she asked. he "
         "said, \"go.\" they went. {a} egg, {a} ~hour."},
        {NULL, NULL}};
    static const tern_grammar_rule *const table[] = {rules, NULL};
    const tern_grammar g = {table, lists, "start"};
    const char *want =
        "It is so. Is it? It is!\nYes. \"Well,\" said he. \"No?\" she asked. "
        "He said, \"Go.\" They went. An egg, an hour.";
    char text[TERN_TELL_BYTES + 1];
    double nats;
    text[tern_grammar_tell(&g, 1, 1, text, &nats)] = '\0';
    cr_expect(eq(str, text, (char *)want));
    cr_expect(eq(dbl, nats, 0.0));
}
