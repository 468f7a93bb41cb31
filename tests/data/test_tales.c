/* The tales: exactly one derivation each (so that the entropy is exact), the same text
 * for the same number, and stories that keep to what they said. The checks of
 * consistency read the text as a reader would and know nothing of the grammar. */
#define _GNU_SOURCE
#include <ctype.h>
#include <math.h>

#include "data/corpus.h"
#include "data/tales.h"
#include "data/tales_words.h"
#include "tests/data/check.h"

enum { STORIES = 1000 };

TestSuite(tales, .init = setup, .fini = teardown);

static char story[TERN_TALE_BYTES + 1];

static const char *tell(uint64_t n)
{
    story[tern_tales_story(1, n, story, NULL)] = '\0';
    return story;
}

Test(tales, every_story_has_one_derivation)
{
    for (uint64_t n = 0; n < 300; n++) {
        double told, read;
        size_t reached;
        const size_t bytes = tern_tales_story(5, n, story, &told) - 2;
        const int found =
            tern_grammar_parse(&tern_tales, story, bytes, &read, &reached);
        cr_assert(eq(int, found, 1), "%.*s", (int)bytes, story);
        cr_assert(lt(dbl, fabs(told - read), 1e-9), "story %d: %g, read as %g", (int)n,
                  told, read);
        OK(tern_tales_check(story, bytes + 2, &read, &reached));
        cr_assert(lt(dbl, fabs(told - read), 1e-9));
        cr_assert(eq(sz, reached, bytes));
    }
}

Test(tales, check_finds_where_a_story_goes_wrong)
{
    char text[TERN_TALE_BYTES + 1];
    double nats;
    size_t reached;
    strcpy(text, tell(3));
    char *spot =
        strstr(text, "\n") + 1; /* the second line begins with another letter */
    *spot = '#';
    cr_expect(
        eq(int, tern_tales_check(text, strlen(text), &nats, &reached), TERN_EFORMAT));
    cr_expect(eq(sz, reached, (size_t)(spot - text)));
    cr_expect(eq(int, tern_tales_check("", 0, NULL, NULL), TERN_EFORMAT));
    strcpy(text, tell(3)); /* a story without its end is not a story yet */
    const size_t half = strlen(text) / 2;
    cr_expect(eq(int, tern_tales_check(text, half, NULL, &reached), TERN_EFORMAT));
    cr_expect(eq(sz, reached, half));
}

/* Everywhere the same: a run's report names the entropy of these very texts. */
Test(tales, texts_are_the_same_on_every_machine)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (uint64_t n = 0; n < STORIES; n++)
        for (const char *s = tell(n); *s; s++)
            hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
    cr_expect(eq(u64, hash, 0x5cb3a3452084a6f3u),
              "0x%016llx: if the grammar was changed on purpose, put this "
              "number here",
              (unsigned long long)hash);
}

Test(tales, the_same_number_tells_the_same_story)
{
    char again[TERN_TALE_BYTES];
    double a, b;
    const size_t n = tern_tales_story(9, 123456, story, &a);
    cr_assert(eq(sz, tern_tales_story(9, 123456, again, &b), n));
    cr_expect(memcmp(story, again, n) == 0 && a == b);
    cr_expect(ne(sz, tern_tales_story(10, 123456, again, NULL), n));
}

Test(tales, form_is_clean)
{
    for (uint64_t n = 0; n < STORIES; n++) {
        const char *t = tell(n);
        const size_t bytes = strlen(t);
        cr_assert(bytes >= 300 && bytes <= 1000, "story %d: %zu bytes", (int)n, bytes);
        cr_assert(strcmp(t + bytes - 2, "\n\n") == 0 && isupper((unsigned char)*t));
        cr_assert(strstr(t, "\n\n") == t + bytes - 2, "story %d has an empty line",
                  (int)n);
        int quotes = 0;
        for (const char *s = t; *s; s++) {
            const unsigned char c = (unsigned char)*s;
            cr_assert(c == '\n' || (c >= ' ' && c < 127 && !strchr("|[]{}<>*#~^=_", c)),
                      "story %d: '%c'", (int)n, c);
            cr_assert(eq(int, c == ' ' && (s[1] == ' ' || strchr(".,!?\n", s[1])), 0),
                      "%s", t);
            quotes += c == '"';
            if (c == '\n' && s[1] != '\n' && s[1]) {
                cr_assert(quotes % 2 == 0, "%s", t);
                cr_assert(eq(int, islower((unsigned char)s[1]), 0), "%s", t);
            }
            if (c == '.' && s[1] == ' ')
                cr_assert(eq(int, islower((unsigned char)s[2]), 0), "%s", t);
        }
    }
}

Test(tales, a_and_an_fit)
{
    for (uint64_t n = 0; n < STORIES; n++)
        for (const char *s = tell(n); *s; s++) {
            const bool word =
                s == story || isspace((unsigned char)s[-1]) || s[-1] == '"';
            const bool a = word && tolower((unsigned char)s[0]) == 'a' && s[1] == ' ';
            const bool an = word && tolower((unsigned char)s[0]) == 'a' &&
                            s[1] == 'n' && s[2] == ' ';
            const char *next = s + (an ? 3 : 2);
            if (!a && !an) continue;
            const bool vowel = strchr("aeiouAEIOU", *next) != NULL;
            const bool odd = strncmp(next, "honest", 6) == 0 ||
                             strncmp(next, "hour", 4) == 0 ||
                             strncmp(next, "unicycle", 8) == 0;
            cr_assert(eq(int, vowel != odd, an), "\"%.30s\"", s);
        }
}

/* The word after `before`, up to anything that is not a letter. */
static bool word_after(const char *text, const char *before, char out[64])
{
    const char *s = strstr(text, before);
    if (!s) return false;
    s += strlen(before);
    size_t n = 0;
    while (isalpha((unsigned char)s[n]) && n < 63) n++;
    memcpy(out, s, n);
    out[n] = '\0';
    return n > 0;
}

/* The rest of the last line after `before`, without its full stop. */
static bool last_answer(const char *text, const char *question, char out[128])
{
    const char *end = text + strlen(text) - 2, *line = end;
    while (line > text && line[-1] != '\n') line--;
    if (strncmp(line, question, strlen(question)) != 0) return false;
    const char *answer = strchr(line, '?');
    if (!answer) return false;
    const int n = (int)(end - answer - 3);
    snprintf(out, 128, "%.*s", n, answer + 2);
    return true;
}

static bool contains(const char *text, const char *fmt, const char *a, const char *b)
{
    char phrase[256];
    snprintf(phrase, sizeof phrase, fmt, a, b);
    return strstr(text, phrase) != NULL;
}

/* Heroes that appear alone as he or she before anybody else is named. */
Test(tales, pronouns_belong_to_their_names)
{
    char seen[2][200][64];
    size_t count[2] = {0, 0};
    for (uint64_t n = 0; n < STORIES; n++) {
        char name[64], pronoun[64];
        const char *t = tell(n);
        const bool named =
            word_after(t, " named ", name) || word_after(t, " called ", name);
        if (!named || strncmp(t, "Once upon a time there", 22) != 0) continue;
        cr_assert(word_after(t, ". ", pronoun), "%s", t);
        const bool she = strcmp(pronoun, "She") == 0;
        cr_assert(she || strcmp(pronoun, "He") == 0, "%s", t);
        for (size_t i = 0; i < count[!she]; i++)
            cr_assert(strcmp(seen[!she][i], name) != 0, "%s is both", name);
        if (count[she] < 200) strcpy(seen[she][count[she]++], name);
    }
    cr_expect(gt(sz, count[0], 50));
    cr_expect(gt(sz, count[1], 50));
}

/* "Where had the kettle been? Under the bridge.": where it was put down. */
Test(tales, what_is_lost_is_found_where_it_was_left)
{
    int found = 0;
    for (uint64_t n = 0; n < 10 * STORIES; n++) {
        char answer[128], thing[64];
        const char *t = tell(n), *left = strstr(t, "put down ");
        if (!last_answer(t, "Where had the ", answer)) continue;
        const char *end = strstr(strstr(t, "\nWhere had the ") + 15, " been?");
        const char *start = strstr(t, "\nWhere had the ") + 15;
        snprintf(thing, sizeof thing, "%.*s", (int)(end - start), start);
        answer[0] = (char)tolower((unsigned char)answer[0]);
        cr_assert(left && contains(left, " %s", thing, ""), "%s", t);
        cr_assert(contains(t, "they looked %s. There", answer, ""), "%s", t);
        found++;
        /* put down either there (the place visited) or where the day began */
        char place[128];
        snprintf(place, sizeof place, "%s", strrchr(answer, ' ') + 1);
        const char *sentence = left;
        while (sentence > t && sentence[-1] != '.' && sentence[-1] != '\n') sentence--;
        const size_t length = (size_t)(strchr(left, '.') - sentence);
        cr_assert(ne(ptr, memmem(sentence, length, place, strlen(place)), NULL), "%s",
                  t);
    }
    cr_expect(gt(int, found, 50));
}

/* "So A had the X, B had the Y": and the questions after it. */
Test(tales, who_has_it_is_who_got_it)
{
    int asked = 0;
    for (uint64_t n = 0; n < 10 * STORIES; n++) {
        char answer[128], thing[64];
        const char *t = tell(n), *start = strstr(t, "\nWho had the ");
        if (!start || !last_answer(t, "Who had the ", answer)) continue;
        start += 13;
        const char *now = strstr(start, " now?");
        if (!now) continue;
        snprintf(thing, sizeof thing, "%.*s", (int)(now - start), start);
        cr_assert(contains(t, "%s had the %s", answer, thing), "%s", t);
        asked++;
    }
    cr_expect(gt(int, asked, 50));
}

static int number_of(const char *word)
{
    static const char *const words[] = {"zero", "one", "two",   "three", "four",
                                        "five", "six", "seven", "eight", "nine"};
    for (int i = 0; i < 10; i++)
        if (strcasecmp(word, words[i]) == 0) return i;
    return -1;
}

/* Gifts: what is left is what there was less what was given, at every step. */
Test(tales, numbers_add_up)
{
    int counted = 0;
    for (uint64_t n = 0; n < 10 * STORIES; n++) {
        static const char *const got[] = {"bought ", "gathered ", "was given ", "won ",
                                          "found "};
        char word[64], answer[128];
        const char *t = tell(n), *gave = strstr(t, " gave h"), *s = NULL;
        if (!strstr(t, "and that left ")) continue;
        int have = -1;
        for (int i = 0; i < 5 && have < 0; i++)
            for (s = strstr(t, got[i]); s && have < 0; s = strstr(s + 1, got[i]))
                if (word_after(s, got[i], word)) have = number_of(word);
        cr_assert(gave && word_after(strchr(gave + 6, ' '), " ", word), "%s", t);
        const int first = number_of(word);
        cr_assert(word_after(t, " got ", word), "%s", t);
        const int second = number_of(word);
        cr_assert(word_after(t, "and that left ", word), "%s", t);
        cr_assert(eq(int, number_of(word), have - first - second), "%s", t);
        if (last_answer(t, "How many", answer) && strstr(t, "given away?"))
            cr_assert(eq(int, number_of(answer), first + second), "%s", t);
        counted++;
    }
    cr_expect(gt(int, counted, 300));
}

/* The clue in a mystery belongs to the kind of the one who is accused. */
Test(tales, clues_point_to_one_kind)
{
    char clue[64][64], kind[64][64];
    size_t known = 0;
    int solved = 0;
    for (uint64_t n = 0; n < 10 * STORIES; n++) {
        char name[64], the_clue[64], the_kind[64], suspect[160];
        const char *t = tell(n), *found = strstr(t, "\"It was you, ");
        if (!found) continue;
        cr_assert(word_after(found, "you, ", name));
        const char *s = found;
        while (strncmp(s, " found ", 7) != 0) s--;
        snprintf(the_clue, sizeof the_clue, "%.*s", (int)(found - s - 9), s + 7);
        cr_assert(word_after(strstr(found, "smelled so"), " the ", the_kind), "%s", t);
        snprintf(suspect, sizeof suspect, " %s the ",
                 name); /* "Ivy the wet owl in..." */
        const char *who = strstr(strstr(t, "passed:"), suspect);
        cr_assert(ne(ptr, (void *)who, NULL), "%s", t);
        who += strlen(suspect);
        const size_t words = strcspn(who, ",.\n");
        snprintf(suspect, sizeof suspect, "%.*s and in ", (int)words, who);
        *strstr(suspect, " and ") = '\0';
        if (strstr(suspect, " in ")) *strstr(suspect, " in ") = '\0';
        const char *last = strrchr(suspect, ' ') ? strrchr(suspect, ' ') + 1 : suspect;
        cr_assert(eq(str, (char *)last, the_kind), "%s", t);
        size_t i = 0;
        while (i < known && strcmp(clue[i], the_clue) != 0) i++;
        if (i == known && known < 64) {
            strcpy(clue[known], the_clue);
            strcpy(kind[known++], the_kind);
        }
        cr_assert(eq(str, kind[i], the_kind), "%s", t);
        solved++;
    }
    cr_expect(gt(int, solved, 300));
    cr_expect(gt(sz, known, 40));
}

Test(tales, words_are_many)
{
    enum { SLOTS = 1 << 13 };
    static char words[SLOTS][32];
    int distinct = 0;
    for (uint64_t n = 0; n < 6 * STORIES; n++)
        for (const char *s = tell(n); *s;) {
            char word[32];
            size_t len = 0;
            uint32_t hash = 5381;
            for (; isalpha((unsigned char)*s) && len < 31; s++) {
                word[len++] = (char)tolower((unsigned char)*s);
                hash = hash * 33 + (unsigned char)word[len - 1];
            }
            word[len] = '\0';
            if (len == 0) {
                s++;
                continue;
            }
            uint32_t i = hash % SLOTS;
            while (words[i][0] && strcmp(words[i], word) != 0) i = (i + 1) % SLOTS;
            if (!words[i][0]) distinct++;
            strcpy(words[i], word);
        }
    cr_expect(gt(int, distinct, 1500));
}

Test(tales, writes_stories_and_their_note)
{
    tern_tales_stats stats;
    size_t bytes;
    double nats = 0.0;
    char *path = in_dir("tales.txt");
    OK(tern_tales_write(path, 100000, 1, NULL, NULL, &stats));
    char *text = slurp(path, &bytes), *at = text;
    cr_assert(eq(i64, stats.bytes, (int64_t)bytes));
    cr_expect(bytes >= 100000 && bytes < 100000 + TERN_TALE_BYTES);
    for (int64_t n = 0; n < stats.stories; n++) {
        double one;
        const size_t length = tern_tales_story(1, (uint64_t)n, story, &one);
        cr_assert(memcmp(at, story, length) == 0);
        at += length;
        nats += one;
    }
    cr_expect(eq(ptr, at, text + bytes));
    cr_expect(lt(dbl, fabs(nats - stats.nats), 1e-6));
    cr_expect(lt(dbl, fabs(tern_corpus_entropy(path) - nats / (double)bytes), 1e-8));
    cr_expect(eq(int, files_in_dir(), 2));
    FAILS(tern_tales_write(in_dir("no/tales.txt"), 1000, 1, NULL, NULL, NULL), TERN_EIO,
          "tales.txt");
    FAILS(tern_tales_write(path, 0, 1, NULL, NULL, NULL), TERN_EARG,
          "at least one byte");
    free(text);
}
