/* tales_plots.c - seven plots. Each remembers who, what and where, and its end can be
 * told only by someone who does too; NAME.ask puts that into words. */
#include "data/tales_words.h"

#include <stddef.h>

const tern_grammar_rule tern_tales_plots[] = {
    /* Something is left behind and turns up just there. */
    {"lost", "<when>, <lost.walk>\n\"{c=oh}!\" <said> {h}<how> at "
             "[home|supper|bedtime|midnight]. "
             "\"Where is my {t}?\" ^{he h} looked {n1=corner} and found {a} {n2=look} "
             "{n3=junk}. "
             "<lost.found>\n[<lost.moral>|<close>]<lost.ask>"},
    {"lost.walk",
     "{p=place.1}, {he h} put down {his h} {ta=look} {t=thing} and {k=act}. Then {he "
     "h} <went> to "
     "{q=place} to [see|visit|tease|comfort|draw|wake] <f>.{l:=p}|"
     "{p=place.1}, {he h} {k=act}. Then {he h} <went> to {q=place} to "
     "[see|visit|tease|comfort|"
     "draw|wake] <f>, and put down {his h} {ta=look} {t=thing} there.{l:=q}"},
    {"lost.found", "{f} came {n4=adverb} with a {n5=holder}, and they looked {l.1}. "
                   "There [was|lay|stood] the {ta} "
                   "{t}[, not even wet|, guarded by {a} {n6=temper} {n7=kind}|, next "
                   "to {a} {n8=look} {n9=junk}|]."},
    {"lost.moral",
     "[things are mostly where we leave them|nobody steals as much as a bad memory|"
     "think first, run later|look twice before you shout|two heads remember more "
     "than one]."},
    {"lost.ask", "4*|\nwhere had the {t} been? {l.1}.|\nwho helped to look? {f}."},

    /* A wants B's thing, B wants food from C, C wants a favour. */
    {"bargain",
     "<when>, {he h} [needed|wanted|longed for] <thing> to {t.1}. {f=name}, "
     "{a} {fd=temper} "
     "{fk=kind} {p=place.1}, had one. \"[bring me|I want|get me] <dish>,\" "
     "<said> {f}<how>.\n"
     "{q=place.1} lived <g>, who had [some|plenty|a little left|just made "
     "some]. \"First "
     "{e=chore},\" <said> {g}<how>. So {h} [{i=adverb} |]{e.1} and got <same>. "
     "<bargain.deal>\n[<bargain.moral>|<close>]<bargain.ask>"},
    {"bargain.deal", "{he h} took it {i2=adverb} to {f} and got the {ta} {t}. Now {h} "
                     "could {t.1} [all day|every "
                     "{wd1=weekday}|until {mo1=month}|in peace]."},
    {"bargain.moral",
     "[a promise is a promise|one good turn leads to another|ask politely and "
     "bring food|the long way round can be the shortest|nothing is free, but much "
     "is cheap]."},
    {"bargain.ask",
     "4*|\nwho got the {d}? {f}.|\nwhat did {f} want for the {t}? <same>.|"
     "\nwhere did {g} live? {q.1}."},

    /* Giving away by numbers. */
    {"share", "<when>, {he h} [bought|gathered|was given|won|found] {#n=6-9} {l=look} "
              "{c=count.1}. "
              "{p=place.1} {he h} met <friend>. \"I have eaten nothing since "
              "[yesterday|{wd1=weekday}|"
              "breakfast|{mo1=month}],\" <said> {f}<how>. {h} gave {him f} {#m=1-3}, "
              "and {#r=n-m} were "
              "left. {q=place.1} sat <g>, <sad>. {he g} got {#k=1-2}, and that left "
              "{#w=r-k}.\nBut at "
              "{#ti=6-9} there came a knock, and in came {f} with {fj.2}, and {g} with "
              "<dish>. [even {a} "
              "{i=temper} {o=kind} got some|nobody went to bed hungry|they ate "
              "{i2=adverb}].\n[<share.moral>|"
              "<close>]<share.ask>"},
    {"share.moral",
     "[what you give away comes back with a friend|half a supper in company beats a "
     "whole one alone|giving is a kind of saving|an empty bag makes room for "
     "friends]."},
    {"share.ask", "4*|\nhow many {c.1} had {h} given away? {#z=m+k}.|"
                  "\nhow many {c.1} had {f} got? {#m}.|\nhow many did {g} get? {#k}."},

    /* A boast, a fall, and the truth. */
    {"boast", "<when>, {p=place.1}, {he h} [announced|declared|boasted|shouted]<how>, "
              "\"I can {e=feat}!\" "
              "\"[show us|do it|prove it] {dy=day},\" <said> <f>.\n"
              "{dy.1}, [everybody|half the village|{a} {o=temper} {oc=look} crowd|a "
              "whole school] came. {h} "
              "[bowed|grew pale|waved|coughed]<how>, then {e.1}. <g> laughed until {he "
              "g} [got the hiccups|fell "
              "over|had to be carried home|cried]. {f} only [helped {him h} up|brought "
              "{him h} <dish>|lent "
              "{him h} {a} {ta=look} {t=thing}|held {his h} hand]. \"You {j.1},\" {he "
              "f} said<how>. \"That is "
              "[better|plenty|enough|rarer].\"\n[<boast.moral>|<close>]<boast.ask>"},
    {"boast.moral",
     "[the taller the tale, the longer the fall|do what you do well, and say it "
     "quietly|true friends clap at the wrong moments too|a small truth weighs more "
     "than a big boast]."},
    {"boast.ask", "4*|\nwho laughed at {h}? {g}.|\nwho did not laugh? {f}."},

    /* Damage, a borrowed tool, thanks. */
    {"storm", "<when>, a storm [roared|howled|rumbled|danced|whistled] over {v}, where "
              "<friend>, lived next "
              "door. It {b=damage}.\n\"We need {a} {b.1},\" <said> {h}<how>. {he h} "
              "<went> to {p=place}, where "
              "<g> had one and was [asleep|at breakfast|{gb=excuse}]. \"Bring it back "
              "[before supper|by "
              "{wd1=weekday}|in one piece|if you must],\" said {g}<how>. They worked "
              "{i=adverb}, and {b.2}. "
              "{f} gave {h} {fj.2}[ and <dish>|].\n[<storm.moral>|<close>]<storm.ask>"},
    {"storm.moral",
     "[many hands make a small storm|borrow gladly and return quickly|after the wind "
     "you see who your friends are|a roof is good, but a neighbour is better]."},
    {"storm.ask",
     "4*|\nwhose {b.1} was it? {g}'s.|\nwhat did {h} get from {f}? {fj.2}."},

    /* Two things taken along, two troubles that need them. */
    {"journey", "<when>, {he h} had to [bring|take|carry] <thing> to <f>, who lived "
                "far away, {p=place.1}. "
                "\"Take {a} {x=gear} and {a} {y=gear},\" said <g>.\n"
                "[<journey.x> <journey.y>|<journey.y> <journey.x>]\n"
                "\"Now I can {t.1}!\" [cried|sang|laughed] {f}<how> when {h} came. "
                "They had <dish>, and {g} got "
                "the {x} and the {y} back[ {i=adverb}|, with "
                "thanks|].\n[<journey.moral>|<close>]<journey.ask>"},
    {"journey.x", "<journey.then>, {x.1}. {x.2}."},
    {"journey.y", "<journey.then>, {y.1}. {y.2}."},
    {"journey.then",
     "[before long|after {#mi=2-9} miles|a little later|towards evening|on "
     "{wd1=weekday}|{jp=place.1}]"},
    {"journey.moral",
     "[pack for the road, not for the map|a wise friend is the best luggage|trouble "
     "is small when you come prepared|listen to those who went before you]."},
    {"journey.ask", "4*|\nwho got the {t}? {f}.|\nwho lent {h} the {x}? {g}.|"
                    "\nwhere did {f} live? {p.1}."},

    {NULL, NULL}};
