"""Which of the user's own words may be worth remembering: a pure function of one message, whatever the model is.

No model takes part, so nothing that was recalled, imported or written by a model can talk its way into the store: a
proposal is always a literal piece of the message that the user has just typed. Quoted and pasted parts (lines that
begin with `>`, code, text in quotation marks) are left out, and so are questions. English and German.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_PROPOSALS: Final = 3
MAX_LENGTH: Final = 400
MIN_WORDS: Final = 3


@dataclass(frozen=True)
class Proposal:
    """A piece of a message, from `start` to `end` (code points)."""

    text: str
    start: int
    end: int


_NOT_SAID: Final = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|^[ \t]*>[^\n]*"
    r"|\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u201e[^\u201c\n]*\u201c|\u00ab[^\u00bb\n]*\u00bb",
    re.DOTALL | re.MULTILINE,
)
_SENTENCE: Final = re.compile(r"[^.!?\n]+(?:[.](?=\w)[^.!?\n]+)*[.!?]*")
_REMEMBER: Final = re.compile(
    r"^(?:please\s+)?(?:remember|note|keep in mind|don.t forget)(?:\s+that)?[\s:,]+"
    r"|^(?:bitte\s+)?(?:merk(?:e)? dir|denk daran|vergiss nicht)(?:\s*,?\s*dass)?[\s:,]+",
    re.IGNORECASE,
)
_ABOUT_ME: Final = re.compile(
    r"^(?:(?:and|but|so|also|by the way|btw|well|actually)[,\s]+)*(?:"
    r"i(?:\s+am|.m)\s+(?:allergic|vegetarian|vegan|from|born|married|working|living|learning|a|an|the|afraid|diabetic)\b"
    r"|i\s+(?:(?:always|never|really|usually|now|also)\s+)?(?:live|work|like|love|hate|prefer|dislike|drive|play|study"
    r"|own|can.t eat|don.t eat|don.t like|moved|grew up|was born|got married|take|have\s+(?:a|an|two|three|four))\b"
    r"|my\s+[\w\u2019' -]{2,40}?\s+(?:is|are|was|lives|works|has|likes|hates|turns|starts|ends)\b"
    r"|we\s+(?:live|moved|married|met|got married|have\s+(?:a|an|two|three))\b"
    r"|ich\s+(?:bin|wohne|lebe|arbeite|mag|liebe|hasse|habe\s+ein\w*|esse\s+kein\w*|hei\u00dfe|trinke|spiele)\b"
    r"|mein(?:e)?\s+[\w -]{2,40}?\s+(?:ist|sind|hei\u00dft|wohnt|arbeitet|hat|war)\b"
    r")",
    re.IGNORECASE,
)


def proposals(message: str) -> tuple[Proposal, ...]:
    """Return the parts of the user's message that may be worth remembering, in their order."""
    # Blanked, not cut: places in the message stay what they are.
    said = _NOT_SAID.sub(lambda match: re.sub(r"[^\n]", "\0", match[0]), message)
    found: list[Proposal] = []
    for match in _SENTENCE.finditer(said):
        sentence = match[0]
        start = match.start() + len(sentence) - len(sentence.lstrip())
        end = match.start() + len(sentence.rstrip())
        words = said[start:end]
        asked = _REMEMBER.match(words)
        if asked:
            start += asked.end()
        elif words.endswith("?") or not _ABOUT_ME.match(words):
            continue
        text = message[start:end]
        if "\0" not in said[start:end] and len(text) <= MAX_LENGTH and len(text.split()) >= MIN_WORDS:
            found.append(Proposal(text, start, end))
        if len(found) == MAX_PROPOSALS:
            break
    return tuple(found)
