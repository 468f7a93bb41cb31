/* tales_phrases.c - how every tale begins and ends, and turns of phrase that the plots
 * share. See tales_grammar.h for the notation; the registers:
 *
 *     h hk  the hero's name and kind      v   the village
 *     f fk  the friend                    j   the hero's job
 *     g gk  another                       u   the hero's habit
 *     d dt  a dish and its taste          t ta  a thing and its look
 */
#include "data/tales_words.h"

#include <stddef.h>

const tern_grammar_rule tern_tales_phrases[] = {
    {"tale",
     "<open> [<lost>|<bargain>|<share>|<boast>|<storm>|<journey>|<swap>|<birthday>|"
     "<race>|<mystery>|<door>|<wish>|<list>|<quarrel>]<evening>"},

    {"open",
     "3*once upon a time there lived {a} {hd=temper} {hk=kind} named {h=name}. {he h} "
     "{j=job} in {v=village} and {u=habit}.|"
     "3*once upon a time, in {v=village}, there was {a} {hd=temper} {hk=kind} called "
     "{h=name}, who {j=job} and {u=habit}.|"
     "2*{h=name} was {a} {hd=temper} {hk=kind} who {j=job} in {v=village}. {he h} "
     "[also |]{u=habit}.|"
     "2*in {v=village} there lived {a} {hd=temper} {hk=kind} named {h=name}. {he h} "
     "{j=job} "
     "and {u=habit}.|"
     "there was once {a} {hd=temper} {hk=kind} in {v=village} called {h=name}, who "
     "{j=job}. {he h} [also |]{u=habit}.|"
     "everybody in {v=village} knew {h=name}, the {hd=temper} {hk=kind} who {j=job}. "
     "{he h} "
     "{u=habit}, and nobody [minded|asked why|was surprised]."},

    {"when", "4*one {w=weather} [3*morning|2*afternoon|evening|day|noon|night]|"
             "on the first {w=weather} day of [spring|summer|autumn|winter|{mo=month}]|"
             "one [{w=weather} |]{wd=weekday}|"
             "one [fine |]day|not long ago|late one [autumn|summer|winter|spring]|"
             "the day before [market day|the fair|a wedding]"},

    {"friend", "{f=name} the [{fd=temper} |]{fk=kind}, who {fj=job}"},
    {"f", "{f=name} the [4*{fd=temper} |]{fk=kind}[2*| in {a} {fc=look} {fw=wear}]"},
    {"g", "{g=name} the [4*{gd=temper} |]{gk=kind}[2*| in {a} {gc=look} {gw=wear}]"},
    {"k", "{k=name} the [4*{kd=temper} |]{kk=kind}[2*| in {a} {kc=look} {kw=wear}]"},
    {"thing", "{a} {ta=look} {t=thing}"},
    {"dish", "{d=food.1} {dt=taste} {d}"},
    {"same", "{d.1} {dt} {d}"}, /* the same dish again */

    {"how", "| {zz=adverb}"},
    {"went",
     "[walked|hurried|strolled|trotted|marched|skipped|wandered|tiptoed|ran|raced]"},
    {"said", "[4*said|cried|whispered|muttered|exclaimed|remarked]"},
    {"sad", "as [sad|gloomy|glum] as {s=sad}"},
    {"glad", "as [happy|pleased|glad|merry|proud] as {sh=happy}"},

    {"close",
     "2*{u.1}.|"
     "{h} was <glad>. {u.1}.|"
     "2*{h} [went to bed|went home|was] <glad>.|"
     "{f} was <glad>, and so was {h}.|"
     "{h} and {f} [were friends ever after|had supper together every {we=weekday}|"
     "tell the story to this day|shared {d5=food.1} {d6=taste} {d5} on the steps].|"
     "{h} [slept well|smiled all evening|hugged everyone|took a bow] and {j} [as "
     "before|with a light heart|better than ever|until {mo2=month}]."},

    /* What is said to children who do not sleep yet. Names come back at once here: from
     * this a model learns that what was said can be said again, and only then does it
     * look for names that stand further back (docs/recipes.md). */
    {"evening",
     "3*|"
     "\nhurrah for {h}! Hurrah for {h}! And hurrah for {f}, hurrah for {f}!|"
     "\nthree cheers for {f}! Hurrah for {f}! Hurrah for {f}! Hurrah for {f}!|"
     "\ngood night, {h}. Good night, {f}. [sleep well, {h}. Sleep well, {f}.|sweet "
     "dreams, {f}. Sweet dreams, {h}.]|"
     "\n\"{h}! {h}!\" [called|sang] {f} [from the window|from the stairs|once more]. "
     "\"Come in, {h}! Come in, {h}!\""},

    {NULL, NULL}};
