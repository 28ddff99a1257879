"""sibyl.whisper.normalizers beside openai-whisper's, on sentences of random words, and in definite cases."""

import json
import random

import pytest
from conftest import peer

from sibyl.whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer
from sibyl.whisper.normalizers.english import EnglishSpellingNormalizer

UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fifteen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBERS = """hundred thousand million billion trillion quadrillion decillion o oh and point double triple minus plus negative positive dollars dollar
    cents cent pounds euro euros percent per first second third fourth fifth ninth twelfth twentieth fortieth hundredth thousandth millionth ones
    twos sixes twenties thirties nineties hundreds thousands 1 5 20 19 1,000 12,345.50 2.5 $3 £40 €5.25 ¢50 15% 1960s 32nd 7th 3s 0 007 0.05
    $0.07 $2 £0 -3 +8 half a""".split()
WORDS = """the of in b2b 5k 3pm cat's it's won't can't he'd they've i'm isn't let's y'all gonna wanna shoulda i'ma done gone been got Mr. mrs st. Dr. prof
    lt col colour organise favourite grey (two) (really) [three] <four> um uh mmm hmm é naïve straße Æon x² ½ ♪ — ... , ! o'clock 'tis rock-n-roll
    e.g. U.S. € % $ and and""".split()


def number(r, n):
    """n in words."""
    if n < 20:
        return "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()[n]
    if n < 100:
        return TENS[n // 10 - 2] + (r.choice(" -") + number(r, n % 10) if n % 10 else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            return f"{number(r, n // size)} {name}" + (r.choice([" ", " and "]) + number(r, n % size) if n % size else "")


def phrase(r):
    """A number as people say or write it."""
    n, small = r.randrange(10 ** r.randrange(1, 11)), r.randrange(1, 100)
    said = number(r, n)
    unit = r.choice(["dollars", "pounds", "euros", "cents", "percent", "per cent", "people"])
    return r.choice([
        said, f"{said} {unit}", f"{n:,}", f"${n:,}", f"{n}%", f"{said} point {number(r, small % 10)} {number(r, n % 10)}", f"{said} and a half",
        f"{said} dollars and {number(r, small)} cents", f"minus {said}", f"plus {n}", f"{small}.{n % 97} million {unit}", f"{n}th", f"{small}s",
        f"${n % 1000}.{small:02d}", f"nineteen {number(r, small)}", f"{n % 10} and a half", "twenty twenties", f"{small} thousand and {number(r, n % 100)}",
    ])  # fmt: skip


def sentences(count):
    r = random.Random(11)
    for i in range(count):
        if i % 3 == 0:
            yield r.choice(["I saw {} of them.", "He paid {}, they'd said", "It's {} o'clock", "{}", "the {} and the"]).format(phrase(r))
        else:
            words = [*UNITS, *TENS, *NUMBERS] if i % 3 == 1 else [*UNITS, *TENS, *NUMBERS, *WORDS, *WORDS]
            yield r.choice([" ", " ", " ", "-", "  "]).join(r.choice(words) for _ in range(r.randrange(1, 7)))


def test_english_as_openai_whisper():
    theirs, ours = peer("whisper.normalizers").EnglishTextNormalizer(), EnglishTextNormalizer()
    found = [(given, ours(given), theirs(given)) for given in sentences(4000)]
    wrong = [each for each in found if each[1] != each[2]]
    assert not wrong, f"{len(wrong)} differ: {wrong[:5]}"


def test_basic_as_openai_whisper():
    theirs, r = peer("whisper.normalizers"), random.Random(3)
    ranges = [(32, 127), (160, 600), (0x300, 0x370), (0x400, 0x500), (0x900, 0xA00), (0x2000, 0x2300), (0x3040, 0x30FF), (0x1F300, 0x1F600)]
    texts = ["".join(chr(r.randrange(*r.choice(ranges))) for _ in range(r.randrange(40))) for _ in range(1500)]
    for options in ({}, {"remove_diacritics": True}, {"split_letters": True}, {"remove_diacritics": True, "split_letters": True}):
        ours, other = BasicTextNormalizer(**options), theirs.BasicTextNormalizer(**options)
        for text in [*texts, "Hi (there) you () [x] <y z> straße Œuvre"]:
            assert ours(text) == other(text), text


CASES = {
    "Ten thousand dollars": "$10000",
    "nineteen sixty eight, or the nineteen sixties": "1968 or the 1960s",
    "one oh one": "101",
    "$20 million, then two and a half per cent": "$20000000 then 2.5%",
    "He's done (he) won't, Mr. Smith [noise]": "he is done will not mister smith",
    "one of the ones": "one of the ones",
}


@pytest.mark.parametrize("text", CASES)
def test_english(text):
    assert EnglishTextNormalizer({})(text) == CASES[text]


def test_long_numbers():
    """More digits than Python makes an int of stay what they are."""
    digits = "7" * 5000
    assert EnglishTextNormalizer({})(f"{digits} million, {'seven ' * 5000} thousand") == f"{digits} 100000{digits} 1000"


def test_spellings(tmp_path):
    """A table, a file, or the folder of a model of Hugging Face's."""
    (tmp_path / "normalizer.json").write_text(json.dumps({"colour": "color"}))
    for source in ({"colour": "color"}, tmp_path / "normalizer.json", str(tmp_path)):
        assert EnglishTextNormalizer(source)("Colour grey") == "color grey"
    assert EnglishSpellingNormalizer({})("colour") == "colour"
    with pytest.raises(FileNotFoundError, match="normalizer.json"):
        EnglishTextNormalizer(tmp_path / "nowhere" / "normalizer.json")
