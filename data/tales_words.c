/* tales_words.c - the words that the tales draw from.
 *
 * Fields after a bar belong to the item and come back later in its story, which is what
 * makes one hang together: whoever keeps bees will give honey. See tales_grammar.h for
 * the notation. {h} is always the hero. */
#include "data/tales_words.h"

#include <stddef.h>

#define ITEMS(name, ...) static const char *const name[] = {__VA_ARGS__, NULL}

/* name | m or f */
ITEMS(names, "Pim|m", "Mia|f", "Otto|m", "Nora|f", "Bram|m", "Tilly|f", "Felix|m",
      "Hazel|f", "Hugo|m", "Ivy|f", "Milo|m", "Juno|f", "Oscar|m", "Lottie|f",
      "Tobin|m", "Mabel|f", "Wilf|m", "Poppy|f", "Jasper|m", "Rosa|f", "Alfie|m",
      "Stella|f", "Barnaby|m", "Tessa|f", "Cedric|m", "Una|f", "Edgar|m", "Vera|f",
      "Gilbert|m", "Willa|f", "Henry|m", "Zelda|f", "Ivo|m", "Ada|f", "Jonah|m",
      "Bea|f", "Kasper|m", "Clara|f", "Leo|m", "Dora|f", "Mortimer|m", "Elsie|f",
      "Ned|m", "Flora|f", "Percy|m", "Greta|f", "Quentin|m", "Hattie|f", "Simon|m",
      "Ida|f", "Theo|m", "Josie|f", "Ulric|m", "Kitty|f", "Victor|m", "Luna|f",
      "Walter|m", "Martha|f", "Zeno|m", "Nell|f", "Arlo|m", "Opal|f", "Basil|m",
      "Pearl|f", "Dexter|m", "Ruby|f", "Ernest|m", "Sally|f", "Fabian|m", "Trudy|f",
      "Gordon|m", "Wanda|f");

/* kind | what it leaves behind */
ITEMS(kinds, "hedgehog|three small spikes", "badger|a tuft of grey fur",
      "otter|a row of wet footprints", "mouse|tiny tooth marks",
      "squirrel|an empty nutshell", "toad|a puddle of pond water",
      "hare|a very long whisker", "fox|a bright red hair", "heron|a long grey feather",
      "mole|a heap of fresh earth", "goose|a large white feather",
      "owl|a soft brown feather", "tortoise|a line of slow, round footprints",
      "beaver|a pile of wood chips", "rabbit|half of a carrot",
      "bear|one enormous paw print", "cat|a tangle of yarn", "dog|a buried bone",
      "frog|two webbed footprints", "duck|a damp green feather", "goat|a chewed napkin",
      "hen|a speckled feather", "sheep|a curl of wool", "pig|a muddy snout print",
      "snail|a thin silver trail", "magpie|a black and white feather",
      "raven|a glossy black feather", "donkey|a wisp of hay",
      "robin|a small red feather", "pony|a lucky horseshoe",
      "penguin|a melting snowball", "crab|a line of sideways footprints",
      "lizard|the tip of a green tail", "seal|a strong smell of herring",
      "beetle|six tiny footprints", "spider|a neat little cobweb",
      "bat|an upside down footprint", "parrot|a bright blue feather",
      "moose|a scratch from an antler", "camel|a handful of warm sand",
      "elephant|a deep dent in the ground", "ant|a single crumb, neatly labelled",
      "weasel|a very narrow footprint", "swan|a long white feather",
      "stork|the print of one leg", "lynx|a tuft from a pointed ear",
      "newt|a small wet handprint", "wasp|a tiny yellow scarf",
      "walrus|a broken toothpick", "llama|a puddle of spit",
      "kangaroo|two deep prints, far apart", "ostrich|a hole for a head",
      "hamster|a spilled cheekful of seeds", "pigeon|a crumpled train ticket",
      "yak|a knot of shaggy hair", "worm|a small round hole");

ITEMS(tempers, "small", "cheerful", "young", "curious", "clever", "shy", "careful",
      "patient", "stubborn", "quiet", "forgetful", "friendly", "round", "polite",
      "busy", "brave", "sleepy", "tidy", "dreamy", "thoughtful", "stout", "elderly",
      "hopeful", "nervous", "serious", "untidy", "gentle", "talkative", "lanky",
      "bashful", "freckled", "absent-minded", "modest", "cautious", "ambitious",
      "musical", "well-dressed", "plump", "retired", "grumpy", "adventurous",
      "old-fashioned", "lonely", "energetic", "wise", "~honest", "dignified", "tall");

ITEMS(villages, "Lower Puddle", "Thimble Hill", "Mossy Bottom", "Turnip Green",
      "Kettle Bay", "Nether Wobble", "Buttonford", "Great Mumbling", "Owlbridge",
      "Crumbly Cove", "Little Snoozing", "Bumble Heath", "Dandelion Dale",
      "Gooseberry Corner", "Hiccup Hollow", "Lantern Cross", "Marmalade Mill",
      "Nettle End", "Quiet Harbour", "Rumbling Rock", "Saucepan Valley", "Upper Crust",
      "Wet Sock", "Tumbledown");

/* worked (past) | work | the gift that comes of it */
ITEMS(jobs, "baked bread|bake bread|a warm loaf of bread",
      "mended clocks|mend clocks|a clock that was almost right",
      "kept bees|keep bees|a jar of golden honey",
      "knitted socks|knit socks|a pair of striped socks",
      "grew pumpkins|grow pumpkins|a pumpkin the size of a chair",
      "caught fish|catch fish|a fine smoked herring",
      "made candles|make candles|a candle that smelled of pine",
      "painted signs|paint signs|a sign that said hello",
      "built birdhouses|build birdhouses|a birdhouse with two doors",
      "wrote poems|write poems|a short poem about soup",
      "carved puppets|carve puppets|a puppet with a serious face",
      "delivered letters|deliver letters|a letter with three stamps",
      "repaired shoes|repair shoes|a pair of red boots",
      "made cheese|make cheese|a wheel of yellow cheese",
      "drew maps|draw maps|a map of all the best puddles",
      "wove baskets|weave baskets|a round basket with a lid",
      "tuned pianos|tune pianos|a tune that nobody could forget",
      "swept chimneys|sweep chimneys|a very clean brush",
      "stirred jam|stir jam|a pot of plum jam",
      "gathered herbs|gather herbs|a bundle of fresh mint",
      "taught dancing|teach dancing|a free dancing lesson",
      "sold buttons|sell buttons|a bag of odd buttons",
      "invented hats|invent hats|a hat with a window in it",
      "rang the church bells|ring the church bells|a bell for the front door",
      "stuffed pillows|stuff pillows|a pillow as soft as fog",
      "told fortunes|tell fortunes|a promise of good luck",
      "ran the ferry|run the ferry|a ticket for the ferry",
      "blew glass|blow glass|a green glass marble",
      "studied clouds|study clouds|a drawing of a cloud",
      "trained fleas|train fleas|a seat at the flea circus",
      "polished apples|polish apples|an apple that shone like a lamp",
      "folded paper boats|fold paper boats|a boat made of newspaper",
      "printed the newspaper|print the newspaper|a newspaper with only good news in it",
      "tended the roses|tend the roses|a rose without thorns",
      "brewed tea|brew tea|a tin of smoky tea",
      "dug wells|dig wells|a bucket of cold water",
      "counted votes|count votes|an opinion",
      "washed windows|wash windows|a very clean window",
      "walked dogs|walk dogs|a walk around the park",
      "cut hedges|cut hedges|a hedge shaped like a swan",
      "sharpened knives|sharpen knives|a knife for the butter",
      "bound books|bind books|a book with empty pages",
      "sewed flags|sew flags|a flag for windy days",
      "grew mushrooms|grow mushrooms|a mushroom with a lid",
      "played the organ|play the organ|a tune for four feet",
      "whistled for money|whistle for money|a whistle made of willow");

/* habit (past) | how the day ends with it */
ITEMS(
    habits, "collected odd spoons|that night {he h} polished every spoon twice",
    "hummed while walking|{h} hummed all the way home",
    "liked to talk to the moon|that night {he h} told the moon all about it, and the "
    "moon did not interrupt",
    "wrote everything down in a notebook|{h} wrote it all down in the notebook and "
    "underlined the best part",
    "could not pass a puddle without jumping in it|on the way to bed {he h} jumped in "
    "one last puddle",
    "never wore matching socks|{h} slept in one green sock and one yellow sock, as "
    "usual",
    "counted everything twice|{h} counted the stars that night, twice, and got two "
    "different answers",
    "ate two breakfasts a day|{h} went to bed early, to be in time for both breakfasts",
    "told the same joke every day|then {he h} told the joke again, and this time "
    "somebody laughed",
    "feared thunder|that night there was a little thunder, and {he h} only hid "
    "under one blanket",
    "spoke very slowly to trees|an old tree heard the whole story that evening, very "
    "slowly",
    "had a pet worm called General|General the worm was told everything and seemed "
    "impressed",
    "always carried a spare button|the spare button was not needed, but it was good to "
    "know it was there",
    "dreamed of seeing the sea|that night {he h} dreamed of the sea again, and it "
    "waved",
    "slept with the window open|the wind came in through the open window and turned a "
    "page",
    "waved at every train|when the evening train went by, {h} waved with both arms",
    "wore a hat even in the bath|{h} took a long hot bath, hat and all",
    "yawned at noon exactly|{h} yawned, although it was nowhere near noon",
    "gave names to clouds|the last cloud of the day was named after the whole affair",
    "practised the violin badly|{h} played the violin until the neighbours closed "
    "their "
    "windows",
    "saved string|{h} added a new piece to the ball of string",
    "believed in luck|{h} called it luck and knocked on the table, just in case",
    "hated getting up early|{h} slept until noon, and nobody minded",
    "kept a list of good smells|{h} added this day to the list of good smells",
    "greeted every snowdrop by name|the snowdrops heard about it first thing in the "
    "morning",
    "knew one magic trick|{h} did the magic trick for everyone, and the coin was found "
    "a "
    "week later");

/* thing | what it is good for */
ITEMS(things, "kettle|make tea", "lamp|read at night", "basket|carry mushrooms",
      "telescope|look at the stars", "teapot|water the ferns",
      "trumpet|wake the neighbours", "wheelbarrow|move the firewood",
      "fiddle|play waltzes", "blanket|keep warm", "mirror|practise smiling",
      "bell|call everyone to supper", "sled|slide down the hill",
      "cushion|sit on cold steps", "bucket|fetch water", "scarf|keep out the wind",
      "kite|greet the birds", "broom|sweep the path", "flute|charm the worms",
      "drum|scare away the rain", "pan|fry onions", "compass|find north",
      "umbrella|stay dry", "book|press flowers", "rake|tidy the lawn",
      "watering can|water the beans", "hourglass|boil eggs", "net|catch falling leaves",
      "chair|think about things", "cup|drink cocoa", "pencil|draw long lines",
      "suitcase|carry sandwiches", "magnet|find lost needles", "whisk|beat eggs",
      "accordion|cheer up the cows", "clock|know when it was teatime",
      "hammock|read newspapers", "globe|plan long journeys",
      "candlestick|see in the cellar", "tablecloth|hide the old table",
      "music box|fall asleep");

ITEMS(looks, "red", "blue", "green", "old", "yellow", "silver", "tiny", "striped",
      "golden", "shiny", "spotted", "purple", "enormous", "orange", "fine", "odd",
      "dusty", "plain", "second-hand", "elegant", "lopsided", "beautiful", "ancient",
      "mysterious", "pink", "splendid", "lucky", "perfectly ordinary", "grey", "famous",
      "ugly", "half-price", "handmade", "cream-coloured");

/* the place | where something is */
ITEMS(places, "the stone bridge|under the stone bridge",
      "the old mill|behind the old mill", "the duck pond|beside the duck pond",
      "the market square|in the market square", "the hollow oak|inside the hollow oak",
      "the village well|next to the village well", "the bakery|in front of the bakery",
      "the windy hill|on top of the windy hill", "the rose garden|in the rose garden",
      "the haystack|on top of the haystack",
      "the chestnut tree|under the chestnut tree",
      "the railway station|at the railway station", "the empty barn|in the empty barn",
      "the crossroads|near the crossroads", "the apple orchard|in the apple orchard",
      "the post office|opposite the post office", "the boathouse|in the boathouse",
      "the library|on the steps of the library",
      "the pine forest|at the edge of the pine forest",
      "the waterfall|behind the waterfall", "the toll gate|by the toll gate",
      "the blackberry hedge|behind the blackberry hedge",
      "the sand dunes|among the sand dunes",
      "the cabbage field|in the middle of the cabbage field",
      "the schoolhouse|outside the schoolhouse", "the greenhouse|in the greenhouse",
      "the fountain|by the fountain", "the wooden pier|at the end of the wooden pier",
      "the scarecrow|at the feet of the scarecrow", "the quarry|down in the quarry",
      "the beehives|between the beehives", "the ruined castle|in the ruined castle",
      "the statue of the mayor|behind the statue of the mayor",
      "the broken cart|beneath the broken cart", "the stable|above the stable",
      "the mushroom ring|inside the mushroom ring", "the tea room|outside the tea room",
      "the ferry landing|at the ferry landing", "the tall clock|below the tall clock",
      "the lily pond|on an island in the lily pond");

/* food | what stands before it and its taste */
ITEMS(foods, "onion soup|a pot of", "plum cake|{a}", "potato pie|{a}",
      "ginger tea|a pot of", "pear jam|a jar of", "mushroom stew|a bowl of",
      "walnut bread|a loaf of", "lemon tart|{a}", "rice pudding|a bowl of",
      "cherry pie|{a}", "cheese toast|a plate of", "barley porridge|a bowl of",
      "apple cider|a jug of", "carrot pudding|{a}", "chocolate cake|{a}",
      "nettle soup|a pot of", "blackberry juice|a bottle of", "custard|a bowl of",
      "cinnamon milk|a mug of", "turnip mash|a bowl of", "pepper sauce|a spoonful of",
      "raisin toast|a plate of", "pumpkin soup|a pot of", "almond cake|{a}",
      "seaweed salad|a bowl of", "fig jelly|a dish of", "corn bread|a loaf of",
      "beetroot stew|a bowl of", "cucumber salad|a bowl of", "peppermint ice|a cup of",
      "lentil soup|a pot of", "apple strudel|{a}", "bean salad|a bowl of",
      "gooseberry jam|a jar of", "rhubarb pie|{a}", "vanilla pudding|a bowl of",
      "poppy seed cake|{a}", "elderflower tea|a pot of", "garlic bread|a loaf of",
      "spinach tart|{a}");

ITEMS(tastes, "warm", "sweet", "fresh", "sticky", "homemade", "burnt", "creamy",
      "lumpy", "leftover", "steaming", "peppery", "delicious", "smoky", "salty",
      "buttery", "wobbly", "festive", "suspicious", "perfect", "extra large", "sour",
      "spicy", "heavenly", "cold", "slightly green", "nourishing", "very small",
      "experimental");

ITEMS(adverbs, "quietly", "cheerfully", "crossly", "slowly", "sleepily", "politely",
      "proudly", "nervously", "kindly", "gruffly", "brightly", "gravely", "eagerly",
      "shyly", "firmly", "softly", "hoarsely", "dreamily", "wisely", "grandly",
      "briskly", "mildly", "warmly", "solemnly", "hopefully", "thoughtfully", "sternly",
      "hastily", "calmly", "merrily", "anxiously", "earnestly", "drily", "sweetly",
      "loudly", "patiently", "mysteriously", "helpfully", "bravely");

/* one | many */
ITEMS(counts, "apple|apples", "plum|plums", "bun|buns", "pancake|pancakes",
      "pear|pears", "egg|eggs", "turnip|turnips", "biscuit|biscuits", "walnut|walnuts",
      "carrot|carrots", "muffin|muffins", "dumpling|dumplings", "cherry|cherries",
      "potato|potatoes", "pie|pies", "mushroom|mushrooms", "radish|radishes",
      "fig|figs", "tart|tarts", "peach|peaches", "waffle|waffles", "acorn|acorns");

ITEMS(weather, "windy", "sunny", "rainy", "foggy", "warm", "misty", "frosty", "grey",
      "mild", "stormy", "bright", "chilly", "drizzly", "sleepy", "clear", "golden",
      "snowy", "muddy", "breezy", "silent");

ITEMS(happy, "a duck in the rain", "a bee in clover", "a cat on a warm stove",
      "a frog in a bucket", "a spoon in pudding", "a king without meetings",
      "a sailor on dry land", "butter on toast", "a child on the last day of school",
      "an uncle at a wedding", "two birthdays at once", "a pea in a pod",
      "a kite in March", "a mouse in a cheese", "a baker at sunrise",
      "a dog with two tails", "a whale in deep water", "a postman on Sunday");

ITEMS(sad, "a wet sock", "an empty biscuit tin", "a Monday in November",
      "a piano without keys", "a snowman in April", "a lost glove", "a cold potato",
      "a boat without water", "an umbrella in the desert", "the last leaf on the tree",
      "a cake without a birthday", "yesterday's porridge", "a key without a door",
      "a clown with toothache", "a scarecrow in winter", "a letter without an address");

ITEMS(cries, "oh, crumbs", "goodness", "bother", "well, I never", "dear me",
      "great turnips", "heavens", "fiddlesticks", "bless my boots", "jumping jellyfish",
      "good grief", "what a pickle", "upon my word", "thunder and custard",
      "oh, bananas", "my stars", "suffering sausages", "holy mackerel");

/* what one does on the way (past) */
ITEMS(acts, "ate a sandwich", "took a short nap", "sat down to rest",
      "watched the clouds", "waited for the rain to stop", "picked some daisies",
      "stopped to tie a shoe", "practised whistling", "chased a butterfly",
      "looked for four-leaf clovers", "listened to a cricket", "sneezed eleven times",
      "read a chapter about pirates", "tried to stand on one leg", "skipped stones",
      "counted the passing carts", "thought about supper", "made a daisy chain",
      "shook a pebble out of a boot", "drew a face in the sand");

/* please do (base) | done */
ITEMS(chores, "sweep my chimney|swept the chimney",
      "peel these potatoes|peeled the potatoes",
      "sing me to sleep|sang until {g} snored", "chop my firewood|chopped the firewood",
      "find my glasses|found the glasses on {g}'s own nose",
      "wash my windows|washed the windows",
      "catch my hat|chased the hat across three fields",
      "scratch my back|scratched {g}'s back", "untangle this yarn|untangled the yarn",
      "dance with me|danced with {g} around the kitchen",
      "guess my age|guessed, and guessed politely",
      "count my beans|counted the beans, all nine hundred of them",
      "paint my fence|painted the fence and one elbow",
      "rock the baby|rocked the baby until the baby yawned",
      "listen to my poem|listened to the poem, which had sixty verses",
      "warm up my slippers|sat on the slippers until they were warm",
      "feed my goldfish|fed the goldfish, which said nothing",
      "beat my carpet|beat the carpet until it was half as heavy");

/* boast (base) | what came of it */
ITEMS(feats, "jump over the duck pond|landed in the very middle of it",
      "eat forty dumplings|ate eleven and had to lie down",
      "sing louder than thunder|sang one note and lost {his h} voice",
      "juggle nine eggs|dropped all nine and slipped on the last",
      "outrun the train|was overtaken by the train, a bicycle and a rolling cheese",
      "swim across the bay|turned back at the first wave",
      "walk on a rope|took one step and hung there like washing",
      "climb the church tower|got dizzy on the third stair",
      "lift a cow|could not even lift the tail",
      "hold my breath until Sunday|turned purple before the clock struck",
      "count to a million|forgot what comes after ninety",
      "draw a perfect circle|drew something like a potato",
      "catch the wind in a sack|caught one leaf and a cold",
      "sleep standing up|fell flat on {his h} nose",
      "balance a piano on my head|could not balance a teaspoon",
      "talk to fish|talked for an hour, but the fish had nothing to say",
      "spin straw into gold|spun straw into slightly shorter straw",
      "ride a wild bull|rode it for as long as it takes to say oops",
      "make a stone laugh|told it nine jokes, and the stone stayed a stone");

/* what the storm did | the tool | and how it helped */
ITEMS(
    damages,
    "blew the roof off {f}'s house|ladder|by noon the roof was back, only a little "
    "crooked",
    "filled {f}'s cellar with water|pump|by noon the cellar was dry, and one surprised "
    "fish was carried home",
    "broke {f}'s garden fence|hammer|by noon the fence stood straighter than before",
    "tore {f}'s best curtains|needle|by noon the curtains hung again, with a star on "
    "every patch",
    "buried {f}'s door in sand|shovel|by noon the door could be opened, and {f} could "
    "come in by it",
    "knocked over {f}'s chimney|trowel|by noon the chimney smoked as if nothing had "
    "happened",
    "pushed {f}'s boat into a tree|saw|by noon the boat was down, and the tree was "
    "shorter",
    "carried {f}'s bed into the road|cart|by noon the bed was home again, pillow and "
    "all",
    "tangled {f}'s washing in the weathercock|fishing rod|by noon every shirt was "
    "down, even the one with the hole",
    "cracked all of {f}'s windows|glue pot|by noon the windows were whole, and rather "
    "sparkly",
    "blocked {f}'s path with a fallen tree|axe|by noon the path was clear, and there "
    "was "
    "firewood until May",
    "swept {f}'s bridge away|plank|by noon there was a bridge again, just wide enough");

/* gear | trouble that calls for it | the way out; all of it can be given back */
ITEMS(
    gears,
    "lantern|the road went through a tunnel as dark as a boot|{h} lit the lantern and "
    "walked on",
    "rope|a deep ditch had swallowed the road|{h} swung across on the rope",
    "whistle|fog came down until nobody could see a thing|{h} blew the whistle until a "
    "shepherd answered",
    "spade|a snowdrift lay across the path|{h} dug right through it with the spade",
    "comb|a giant with a tangled beard sat in the way|{h} combed the beard with the "
    "comb, and the giant stood up to look in a mirror",
    "oar|there was a boat at the river, but nothing to row it with|{h} rowed across "
    "with the oar",
    "handkerchief|the gatekeeper was crying too hard to see the lock|{h} lent out the "
    "handkerchief, and the gate was opened",
    "ball|a large dog guarded the bridge|{h} threw the ball, and the dog was a friend "
    "for life",
    "riddle book|a sphinx asked what has teeth but cannot bite|{h} looked it up in the "
    "riddle book",
    "needle|the bag tore open at the bottom|{h} closed the hole with the needle and a "
    "hair",
    "mattress|the only inn had beds made of stone|{h} unrolled the mattress and slept "
    "well",
    "fan|it grew hot enough to fry an egg|{h} waved the fan and kept cool",
    "pair of stilts|the meadow was deep under water|{h} crossed it on the pair of "
    "stilts",
    "pepper mill|a troll would not move off the steps|{h} turned the pepper mill, and "
    "the troll sneezed itself away",
    "season ticket|the old bridge had a new toll|{h} showed the season ticket and was "
    "waved through",
    "stick of chalk|the forest was a maze of paths|{h} marked every tree with the "
    "stick of chalk");

/* busy with */
ITEMS(excuses, "counting turnips", "ironing the curtains", "teaching a worm to read",
      "washing the stairs", "looking for a left shoe", "writing to the mayor",
      "waiting for an egg to boil", "feeding the stove", "untangling string",
      "peeling onions", "dusting the piano", "sharpening pencils", "airing the cellar",
      "moving a wardrobe", "watching paint dry", "learning to yodel");

ITEMS(blunders, "in a haystack", "knee-deep in mud", "in somebody's kitchen",
      "back at the start", "on a boat to nowhere", "in a tree", "in the wrong village",
      "inside a barrel of pickles", "at a wedding", "under a sleeping cow",
      "on the roof of the inn", "in a very deep discussion with a gatepost");

ITEMS(paints, "red", "blue", "green", "yellow", "white", "purple", "orange", "brown",
      "black", "pink", "silver", "striped");

ITEMS(shapes, "turnip", "teacup", "lamp post", "doorknob", "pickle", "footstool",
      "garden gnome", "left boot", "coat hanger", "snow globe", "rolling pin",
      "cauliflower", "~unicycle", "bar of soap", "weathercock", "inkwell");

ITEMS(holders, "basket", "sack", "bag", "hat", "bucket", "box", "wheelbarrow",
      "pillowcase");

ITEMS(corners, "under the bed", "behind the stove", "in the bread bin",
      "up the chimney", "inside the piano", "in the bath", "behind the curtains",
      "in both boots", "beneath the carpet", "on the shelf", "in the biscuit tin",
      "under the hat");

ITEMS(months, "January", "February", "March", "April", "May", "June", "July", "August",
      "September", "October", "November", "December");

ITEMS(wears, "hat", "coat", "scarf", "apron", "waistcoat", "cap", "shawl", "raincoat",
      "cape", "bonnet", "bow tie", "jumper", "dressing gown", "top hat", "cardigan",
      "helmet", "collar", "poncho", "wig", "kilt", "bathrobe", "straw hat", "tie",
      "vest");

ITEMS(weekdays, "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday");

ITEMS(relatives, "mother", "father", "grandmother", "grandfather", "aunt", "uncle",
      "big sister", "big brother");

ITEMS(junk, "boot", "bent nail", "earthworm", "walnut", "hinge", "mitten", "leaf",
      "plate", "snail shell", "piece of string", "cork", "fork", "button", "parsnip",
      "thimble", "newspaper", "doorknob", "ticket", "spring", "toothbrush",
      "candle end", "hairpin", "peppermint", "postcard", "marble", "clothes peg",
      "teaspoon", "bottle");

/* soon | when it came */
ITEMS(days, "tomorrow|the next day", "on Saturday|on Saturday",
      "after lunch|after lunch", "at sunset|at sunset", "on Sunday|on Sunday",
      "before breakfast|before breakfast", "at the summer fair|at the summer fair",
      "when the clock strikes four|when the clock "
      "struck four");

#define LIST(name, items)                                                              \
    {                                                                                  \
        name, items, false                                                             \
    }
const tern_grammar_list tern_tales_lists[] = {
    {"name", names, true},     LIST("kind", kinds),      LIST("temper", tempers),
    LIST("village", villages), LIST("job", jobs),        LIST("habit", habits),
    LIST("thing", things),     LIST("look", looks),      LIST("place", places),
    LIST("food", foods),       LIST("taste", tastes),    LIST("adverb", adverbs),
    LIST("count", counts),     LIST("weather", weather), LIST("happy", happy),
    LIST("sad", sad),          LIST("oh", cries),        LIST("act", acts),
    LIST("chore", chores),     LIST("feat", feats),      LIST("damage", damages),
    LIST("gear", gears),       LIST("excuse", excuses),  LIST("blunder", blunders),
    LIST("paint", paints),     LIST("shape", shapes),    LIST("relative", relatives),
    LIST("holder", holders),   LIST("corner", corners),  LIST("weekday", weekdays),
    LIST("month", months),     LIST("wear", wears),      LIST("junk", junk),
    LIST("day", days),         {NULL, NULL, false}};
