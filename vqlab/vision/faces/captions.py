"""A true sentence for each face, from a closed vocabulary whose parts of speech are known."""

from __future__ import annotations

from .attributes import Index, attributes, numbers, uniform

Words = dict[str, tuple[str, ...]]

# Level -> words that say it. The words of one attribute's level are synonyms: any may be taken.
MOOD: Words = {
    "neutral": ("serious", "calm"),
    "smile": ("smiling", "cheerful", "friendly"),
    "laugh": ("laughing", "happy", "joyful"),
    "sad": ("sad", "unhappy", "gloomy"),
    "surprised": ("surprised", "astonished"),
}
AGE: Words = {"young": ("young", "youthful"), "middle-aged": ("middle-aged", "mature")}
AGE |= {"old": ("old", "elderly", "aged")}
KIND: Words = {"woman": ("woman", "lady"), "man": ("man", "gentleman")}
SKIN: Words = {
    "pale": ("pale",),
    "fair": ("fair",),
    "olive": ("olive",),
    "tanned": ("tanned", "bronze"),
    "brown": ("brown",),
    "dark": ("dark",),
}
FACE: Words = {"oval": ("oval",), "round": ("round",), "narrow": ("narrow", "slim")}
FACE |= {"square": ("square", "angular")}
HAIR: Words = {
    "black": ("black",),
    "brown": ("brown",),
    "red": ("red", "ginger"),
    "blond": ("blond", "golden"),
    "grey": ("grey",),
    "white": ("white", "snowy"),
}
LENGTH: Words = {"short": ("short", "cropped"), "medium": ("chin-length",)}
LENGTH |= {"long": ("long", "flowing")}
TEXTURE: Words = {
    "straight": ("straight", "smooth"),
    "wavy": ("wavy",),
    "curly": ("curly", "frizzy"),
}
BROWS: Words = {"thin": ("thin", "fine"), "thick": ("thick", "bushy")}
NOSE: Words = {"small": ("small", "little"), "big": ("big", "large", "broad")}
LIPS: Words = {"thin": ("thin",), "full": ("full",), "painted": ("red", "painted")}
GLASSES: Words = {"round": ("round",), "square": ("square", "angular"), "dark": ("dark", "black")}
GROUND: Words = {"plain": ("plain",), "graded": ("graded",), "blurred": ("blurred",)}
GROUND |= {"striped": ("striped",)}
TONE: Words = {"dark": ("dark", "dim"), "bright": ("bright",)}

_WORDS = [MOOD, AGE, SKIN, FACE, HAIR, LENGTH, TEXTURE, BROWS, NOSE, LIPS, GLASSES, GROUND, TONE]
ADJECTIVES = frozenset(
    word for words in _WORDS for synonyms in words.values() for word in synonyms
) | frozenset(
    "bald rosy freckled wrinkled deep open white wide toothy neat soft warm cool left right tilted "
    "high blue green pink orange yellow purple turquoise knitted silver rough downturned".split()
)
NOUNS = frozenset(
    "woman lady man gentleman face portrait skin complexion hair locks curls waves fringe bun head "
    "eyes eyebrows brows nose lips mouth smile teeth cheeks wrinkles freckles glasses spectacles "
    "sunglasses beard stubble moustache goatee cap hat earrings shirt sweater jacket background "
    "backdrop wall light side".split()
)
OTHERS = frozenset("a an and the of with wearing in front against from lit".split())


def captions(index: Index, seed: int = 0) -> list[str]:
    """A sentence for each face; every word in it is true of the picture.

    A word is in ADJECTIVES, in NOUNS or in OTHERS and has that part of speech wherever it stands,
    so that nothing needs to be tagged. The phrases, their number, order and synonyms are drawn
    from a hash of seed and index: `captions(7)` is the same sentence alone and in a batch.

    Args:
        index: the number of a face, a slice, or a row of numbers, from 0.
        seed: that of `synthetic_faces`, whose picture is described.
    Returns:
        one sentence per face, in lower case, without a full stop.
    Raises:
        TypeError: an index that is not whole.
        ValueError: a negative index, or a slice without an end.

    Source: ours.
    """
    row, table = numbers(index), attributes(index, seed)
    draws = uniform(row, [f"caption {k}" for k in range(64)], seed).T
    names = list(table)
    faces = zip(*(table[name].tolist() for name in names), strict=True)
    return [
        _sentence(dict(zip(names, face, strict=True)), _Chooser(line))
        for face, line in zip(faces, draws.tolist(), strict=True)
    ]


class _Chooser:
    """Takes one draw after the other."""

    def __init__(self, draws: list[float]) -> None:
        self.draws = iter(draws)

    def of(self, words: tuple[str, ...]) -> str:
        return words[int(next(self.draws) * len(words))]

    def chance(self, share: float) -> bool:
        return next(self.draws) < share

    def some(self, phrases: list[str], least: int, most: int) -> list[str]:
        count = min(least + int(next(self.draws) * (most - least + 1)), len(phrases))
        keyed = sorted((next(self.draws), k) for k in range(len(phrases)))[:count]
        return [phrases[k] for _, k in keyed]


def _sentence(face: dict[str, str], choose: _Chooser) -> str:
    who = _joined(
        choose.of(MOOD[face["expression"]]) if choose.chance(0.45) else "",
        choose.of(AGE[face["age"]]) if choose.chance(0.6) else "",
        choose.of(KIND[face["kind"]]),
    )
    who = article(who)
    if choose.chance(0.2):
        who = choose.of(("a portrait of ", "the face of ")) + who
    parts = [who]
    own = choose.some(_own(face, choose), 1, 4)
    parts.append("with " + _listed(own))
    worn = choose.some(_worn(face, choose), 0, 2)
    if worn:
        parts.append("wearing " + _listed(worn))
    if choose.chance(0.5):
        place = choose.of(("in front of ", "against "))
        ground = choose.of(
            (face["colour"], face["colour"], choose.of(GROUND[face["background"]]))
            + TONE.get(face["tone"], ())
        )
        both = choose.of(GROUND[face["background"]]) if choose.chance(0.25) else ""
        both = "" if both == ground else both
        noun = choose.of(("background", "backdrop", "wall"))
        parts.append(place + article(_joined(both, ground, noun)))
    elif choose.chance(0.3):
        warmth = face["warmth"] if face["warmth"] != "neutral" else "soft"
        parts.append(f"in {warmth} light")
    elif face["light"] != "front" and choose.chance(0.4):
        parts.append(f"lit from the {face['light']} side")
    return " ".join(parts)


def _own(face: dict[str, str], choose: _Chooser) -> list[str]:
    """What belongs to the face, as phrases to choose from; draws the same number for every face."""
    hair = choose.of(HAIR[face["hair"]])
    skin = choose.of(SKIN[face["skin"]])
    skin = choose.of((skin + " skin", skin + " skin", article(skin + " complexion")))
    shape = article(choose.of(FACE[face["face"]]) + " face")
    brow = choose.of(("eyebrows", "brows"))
    phrases = [skin, shape]
    if face["length"] != "bald":
        phrases += [_hair(face, hair, choose)] * 2
    elif face["hat"] == "none":
        phrases += ["a bald head"]
    if face["bun"] == "yes":
        phrases.append(choose.of((article(hair + " bun"), "a high bun")))
    if face["front"] == "fringe":
        phrases.append(article(choose.of((hair, face["texture"])) + " fringe"))
    if face["glasses"] != "dark":
        phrases.append(face["eyes"] + " eyes")
    if face["brows"] in BROWS:
        phrases.append(choose.of(BROWS[face["brows"]]) + " " + brow)
    if face["nose"] in NOSE:
        phrases.append(article(choose.of(NOSE[face["nose"]]) + " nose"))
    if face["lips"] in LIPS:
        phrases.append(choose.of(LIPS[face["lips"]]) + " lips")
    if face["expression"] in _MOUTH:
        phrases.append(choose.of(_MOUTH[face["expression"]]))
    if face["cheeks"] in _CHEEKS:
        phrases.append(choose.of(_CHEEKS[face["cheeks"]]))
    if face["age"] == "old":
        phrases.append(choose.of(("a wrinkled face", "deep wrinkles", "wrinkled skin")))
    if face["beard"] == "stubble":
        phrases.append(choose.of(("rough stubble", "short stubble")))
    elif face["beard"] != "none":
        noun = "beard" if face["beard"] == "full" else face["beard"]
        how = ("full", hair, "thick") if noun == "beard" else (hair, "neat")
        phrases += [article(choose.of(how) + " " + noun)] * 2
    if face["tilt"] != "upright":
        phrases.append("a tilted head")
    return list(dict.fromkeys(phrases))


_MOUTH = {
    "smile": ("a soft smile", "a warm smile"),
    "laugh": ("white teeth", "a wide smile", "a toothy smile"),
    "surprised": ("an open mouth",),
    "sad": ("a downturned mouth",),
}
_CHEEKS = {
    "rosy": ("rosy cheeks",),
    "freckled": ("freckled cheeks", "freckled skin", "small freckles"),
}


def _hair(face: dict[str, str], colour: str, choose: _Chooser) -> str:
    said = [
        choose.of(LENGTH[face["length"]]) if face["bun"] == "no" and choose.chance(0.5) else "",
        choose.of(TEXTURE[face["texture"]]) if choose.chance(0.45) else "",
        colour if choose.chance(0.6) else "",
    ]
    nouns = {"curly": ("hair", "curls"), "wavy": ("hair", "hair", "waves")}
    noun = choose.of(nouns.get(face["texture"], ("hair", "hair", "locks")))
    if noun == "curls" or noun == "waves":
        said[1] = ""
    return _joined(*(said if any(said) else [colour]), noun)


def _worn(face: dict[str, str], choose: _Chooser) -> list[str]:
    phrases = [article(choose.of((face["clothes_colour"],)) + " " + face["clothes"])]
    if face["glasses"] != "none":
        dark = ("sunglasses",) if face["glasses"] == "dark" else ("glasses", "spectacles")
        phrases = [choose.of(GLASSES[face["glasses"]]) + " " + choose.of(dark)] * 2 + phrases
    if face["hat"] != "none":
        how = (
            (face["hat_colour"], "knitted")
            if face["hat"] == "cap"
            else (face["hat_colour"], "wide")
        )
        phrases.append(article(choose.of(how) + (" cap" if face["hat"] == "cap" else " hat")))
    if face["earrings"] != "none":
        phrases.append(face["earrings"] + " earrings")
    return list(dict.fromkeys(phrases))


def article(phrase: str) -> str:
    """The phrase with a or an before it."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _listed(phrases: list[str]) -> str:
    """Phrases as one reads them out: with commas, the last after `and`."""
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
