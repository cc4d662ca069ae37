"""Numbers in words, in two languages: a parallel corpus that needs no download.

German says the ones before the tens and writes most of it as one word, so that there is something
to learn: "forty-two thousand seven" is "zweiundvierzigtausendsieben".
"""

import numpy as np

MOST = 999_999  # the largest number
_ENGLISH, _GERMAN = (
    words.split()
    for words in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen",
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
        "fünfzehn sechzehn siebzehn achtzehn neunzehn",
    )
)
_ENGLISH_TENS, _GERMAN_TENS = (
    words.split()
    for words in (
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    )
)


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Return numbers in English and German, all lengths alike often.

    Example:
        >>> pairs(1, seed=3)
        [('seventy', 'siebzig')]
    """
    random = np.random.RandomState(seed)
    digits = random.randint(1, len(str(MOST)) + 1, count)
    numbers = np.floor(random.random_sample(count) * 10.0**digits).astype(int)
    return [(english(number), german(number)) for number in numbers.tolist()]


def english(number: int) -> str:
    """Return a number from 0 to 999,999 in English words.

    Example:
        >>> english(42_007)
        'forty-two thousand seven'
    """
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        return f"{english(thousands)} thousand" + (f" {english(rest)}" if rest else "")
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        return f"{_ENGLISH[hundreds]} hundred" + (f" {english(rest)}" if rest else "")
    if number >= 20:
        tens, ones = divmod(number, 10)
        return _ENGLISH_TENS[tens - 2] + (f"-{_ENGLISH[ones]}" if ones else "")
    return _ENGLISH[number]


def german(number: int) -> str:
    """Return a number from 0 to 999,999 in German words.

    Example:
        >>> german(42_007), german(21_101)
        ('zweiundvierzigtausendsieben', 'einundzwanzigtausendeinhunderteins')
    """
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        return f"{_joined(thousands)}tausend" + (german(rest) if rest else "")
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        return f"{_joined(hundreds)}hundert" + (german(rest) if rest else "")
    if number >= 20:
        tens, ones = divmod(number, 10)
        return (f"{_joined(ones)}und" if ones else "") + _GERMAN_TENS[tens - 2]
    return _GERMAN[number]


def _joined(number: int) -> str:
    """Return a number as it stands before another word: "eins" loses its s."""
    written = german(number)
    return written.removesuffix("s") if written.endswith("eins") else written
