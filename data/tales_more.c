/* tales_more.c - seven more plots; see tales_plots.c. */
#include "data/tales_words.h"

#include <stddef.h>

const tern_grammar_rule tern_tales_more_plots[] = {
    /* A chain of swaps: who has what? */
    {"swap", "<when>, {he h} <went> out with <thing>. {p=place.1} {he h} met <f>, who "
             "[carried|owned|was "
             "tired of|had inherited|was painting] {a} {sa=look} {s=thing} and "
             "[wanted|longed|hoped] to {t.1}. "
             "So they swapped. {q=place.1} stood <g> with {a} {ra=look} {r=thing}. {he "
             "g} [wanted|longed|"
             "hoped] to {s.1}, and got the {s} for it.\n"
             "so {f} had the {t}, {g} had the {s}, and {h} put the {ra} {r} "
             "{n1=corner} and used it to {r.1}.\n"
             "[<swap.moral>|<close>]<swap.ask>"},
    {"swap.moral",
     "[a good swap makes two people smile|what one is tired of, another has dreamed "
     "of|nothing is too [odd|plain|old|silly] for somebody]."},
    {"swap.ask", "4*|\nwho had the {t} now? {f}.|\nwho had the {s} now? {g}.|"
                 "\nwhat did {f} give away? {a} {sa} {s}."},

    /* Friends who are too busy, and why. */
    {"birthday", "<when>, it was {his h} birthday, but <friend>, was busy {e=excuse}, "
                 "and <g>, who {gj=job}, was "
                 "busy {i=excuse}. {h} [walked|crept|trudged|crawled] home, <sad>.\n"
                 "in the evening {a} {n1=temper} {n3=kind} brought a note: \"Come to "
                 "{p=place} [at once|with a "
                 "spoon|{n2=adverb}].\" {p.1}, [paper lanterns glowed|flags "
                 "fluttered|candles flickered|a band "
                 "played|a choir sang]. {f} gave {him h} {fj.2}, {g} gave {him h} "
                 "{gj.2}, and there was <dish> "
                 "with {#n=3-9} candles.\n[<birthday.moral>|<close>]<birthday.ask>"},
    {"birthday.moral",
     "[friends are never as busy as they look|a secret is a present with the "
     "string still on|nobody forgets a good neighbour|wait until evening before "
     "you are sad]."},
    {"birthday.ask",
     "4*|\nwho had been {i}? {g}.|\nwhat did {f} give {h}? {fj.2}.|"
     "\nwho gave {h} {gj.2}? {g}.|\nhow many candles were there? {#n}."},

    /* Three runners, three ends. */
    {"race", "every [year|{mo1=month}|summer|autumn], {he h} ran the race from "
             "{p=place} to {q=place}. The "
             "prize was <thing>, and <f> and <g> wanted it too.\n<race.run>\n"
             "so {x} came first, {y} second and {z} last. {x} used the {ta} {t} to "
             "{t.1}, and {z} got <dish>. "
             "[<race.moral>|<close>]<race.ask>"},
    {"race.run",
     "[{x:=h}{y:=f}{z:=g}|{x:=h}{y:=g}{z:=f}|{x:=f}{y:=h}{z:=g}|{x:=f}{y:=g}{z:=h}|"
     "{x:=g}{y:=h}{z:=f}|{x:=g}{y:=f}{z:=h}]"
     "{y} was the fastest, but {l=place.1} {he y} {k=act}. {z} [knew a short cut|read "
     "the map upside "
     "down|ran with closed eyes|followed {a} {n1=temper} {n2=kind}] and ended up "
     "{i=blunder}. {x} "
     "[just kept going|went on step by step|never once stopped|walked on "
     "{n3=adverb}]."},
    {"race.moral",
     "[slow feet and a clear head win the day|it is not the legs that win, but the "
     "nose in front|whoever stops to look around sees more, but later]."},
    {"race.ask",
     "4*|\nwho came second? {y}.|\nwho came last? {z}.|\nwho won the {t}? {x}."},

    /* Three suspects, one clue. */
    {"mystery",
     "<when>, {he h} made <dish> and put it {p=place.1} to cool. "
     "\"{c=oh}!\" {he h} <said><how>. "
     "\"[it is gone!|somebody has eaten it!|where is it?]\" Three had passed: "
     "<f>, <g> and <k>.\n"
     "[{x:=f}{xk:=fk}|{x:=g}{xk:=gk}|{x:=k}{xk:=kk}]"
     "{h} searched {n3=adverb}. [at last|after {#mi=2-9} hours|near {a} "
     "{n1=look} {n4=junk}] {he h} found "
     "{xk.1}. \"It was you, {x}!\" {x} [blushed|looked at the "
     "floor|coughed|turned {n2=paint}]. \"It "
     "smelled so [good|round|lonely|important|blue],\" [said|whispered|mumbled] the "
     "{xk}<how>. On {n6=weekday} {he x} "
     "brought more {d}, and all four ate it "
     "{p.1}.\n[<mystery.moral>|<close>]<mystery.ask>"},
    {"mystery.moral",
     "[look first and accuse later|a crumb can tell a story|a good sorry can be "
     "eaten|the nose is quicker than the conscience]."},
    {"mystery.ask", "4*|\nwho had eaten the {d}? {x}.|\nwhat gave {x} away? {xk.1}."},

    /* Which door is home? */
    {"door", "<when>, {he h} [found|met|came across] a very [small|young|little|lost] "
             "{fk=kind} [crying|"
             "sobbing|sniffing|sitting] {p=place.1}. \"I am {f=name}, and my house has "
             "{a} {c=paint} door,\" "
             "<said> the {fk}<how>. {h} [dried {his f} tears|gave {him f} <dish>|took "
             "{him f} by the hand], "
             "and they <went> off.\n"
             "the house {q=place.1} had {a} {i=paint} door and {a} {od=temper} "
             "{o=kind} in it. {f} [yawned|"
             "sat down|sobbed|felt cold], so {h} [sang|talked|told a joke|recited a "
             "poem] about {n1=food}. The "
             "house {r=place.1} had {a} {n=paint} door[ and {a} {oe=temper} "
             "{op=kind}|, but it was a shop|]. "
             "then, {l=place.1}, they saw {a} {c} door, and {f}'s {m=relative} "
             "[rushed|ran|tumbled|danced] "
             "out.\n[<door.moral>|<close>]<door.ask>"},
    {"door.moral",
     "[every door is somebody's|it is easier to be lost in company|small steps lead "
     "home too|knock often enough and one door opens]."},
    {"door.ask", "4*|\nwhich door was the right one? the {c} one.|"
                 "\nwhere did {f} live? {l.1}.|\nwhere was the {i} door? {q.1}."},

    /* Three wishes and a friend. */
    {"wish", "<when>, {he h} caught {a} {fa=look} fish [in the duck pond|below the "
             "waterfall|off the pier|in "
             "the river|in a bucket]. \"Let me go for three wishes,\" it said<how>. "
             "First {h} wished for "
             "<thing> to {t.1}, then for <dish>.\n\"How "
             "[silly|sensible|modest|greedy],\" [laughed|said|"
             "teased] <f>. \"I wish you were {a} {z=shape}!\" <said> {h}<how>. There "
             "was a [bang|puff of "
             "smoke|pop], and {f} was {a} {z}. {h} <went> back and "
             "[begged|cried|pleaded]<how>. The fish took "
             "the {t} and the {d}, and {f} was {a} {fk} again[, only a little "
             "[damp|dizzy|wrinkled|salty]|, and forgave "
             "{him h} {n1=adverb}|].\n[<wish.moral>|<close>]<wish.ask>"},
    {"wish.moral",
     "[wish slowly|a friend is worth more than two wishes|angry words grow legs|be "
     "careful what you say near a fish]."},
    {"wish.ask",
     "4*|\nwhat had {f} been for a while? {a} {z}.|\nwho had the {t} in the end? the "
     "fish.|\nwhat was the second wish? <same>."},

    /* A list to remember. */
    {"list",
     "<when>, <friend>, was [ill in bed|expecting guests|up to both elbows in "
     "dough|{n1=excuse}]. "
     "\"Please bring me {#n=2-9} {x=count.1}, {#m=2-9} {y=count.1} and <thing>,\" {he "
     "f} said<how>.\n"
     "{p=place.1} <g> [asked the way|told a joke|talked about {n2=food}|wanted to know "
     "the time], and "
     "the list was gone. \"{c=oh},\" said {h}<how>. {he h} {k=act}, and it came back: "
     "{#n} {x.1}, "
     "{#m} {y.1} and {a} {ta} {t}. So {f} made <dish> from the {x.1}, ate the {y.1} "
     "[raw|one by one|"
     "{n3=adverb}], and used the {t} to {t.1}.\n[<list.moral>|<close>]<list.ask>"},
    {"list.moral",
     "[what you say three times, you know|a list is lighter than a basket|memory is a "
     "pocket with a hole in it]."},
    {"list.ask", "4*|\nhow many {x.1} were on the list? {#n}.|"
                 "\nhow many {y.1} were on the list? {#m}.|\nwho had sent {h}? {f}."},

    /* Two owners and one thing. */
    {"quarrel",
     "<when>, <f> and <g> found <thing> {p=place.1}. They quarrelled<how> until [the "
     "milk turned "
     "sour|the sun went down|{a} {n1=temper} {n2=kind} complained|{mo1=month}].\n"
     "{h} was {k2=excuse}, but {he h} [listened|nodded|thought]<how>. \"{f} shall have "
     "it every "
     "{x=weekday}, and {g} every {y=weekday},\" {he h} said. \"On Sunday it shall stay "
     "{q=place.1}.\" "
     "so on {x} {f} had the {ta} {t}, on {y} {g} had it, and on Sunday {a} {n3=temper} "
     "{n4=kind} came "
     "to {q} to {t.1}. {f} gave {h} <dish>, and {g} gave {him h} {#n=2-9} "
     "{c=count.1}.\n"
     "[<quarrel.moral>|<close>]<quarrel.ask>"},
    {"quarrel.moral",
     "[half a {t} is more than none|a week is long enough for everyone|it takes two "
     "to quarrel and three to stop]."},
    {"quarrel.ask",
     "4*|\nwho had the {t} on {x}? {f}.|\nwho had the {t} on {y}? {g}.|"
     "\nwhere was it on Sunday? {q.1}.|\nhow many {c.1} did {g} give? {#n}."},

    {NULL, NULL}};
