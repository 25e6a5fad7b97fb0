"""The built-in model."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from recall_local.bedrock import extractive
from recall_local.bedrock.generation import Break, Citation, Finish, Item, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from recall_local.bedrock.conversation import Conversation
    from recall_local.bedrock.language import Language

_WORDS_WITH_SPACE = re.compile(r"\S+\s*|\s+")


class BuiltIn:
    """Answers with quotes, word by word."""

    name = "built-in"

    def __init__(self, language: Language, word_delay: float) -> None:
        """Remember the means.

        Args:
            language: vectors and token counts.
            word_delay: seconds between words, so that a stream looks like one.
        """
        self._language = language
        self._word_delay = word_delay

    async def generate(self, conversation: Conversation) -> AsyncIterator[Item]:
        """Quote the memories that fit the question."""
        produced: list[str] = []
        stop_reason = "end_turn"
        left = conversation.max_tokens
        stops = conversation.stop_sequences
        for item in self.answer(conversation):
            if not isinstance(item, Text):
                yield item
                continue
            for word in _WORDS_WITH_SPACE.findall(item.text):
                left -= self._language.count_tokens(word)
                if left < 0:
                    stop_reason = "max_tokens"
                    break
                await asyncio.sleep(self._word_delay)
                said = "".join(produced)
                stop = min((place for text in stops if (place := (said + word).find(text)) >= 0), default=-1)
                if stop >= 0:
                    stop_reason = "stop_sequence"
                    word = (said + word)[len(said) : stop]
                produced.append(word)
                if word:
                    yield Text(word)
                if stop >= 0:
                    break
            if stop_reason != "end_turn":
                break
        tokens = self._language.count_tokens
        yield Finish(stop_reason, input_tokens=tokens(conversation.text), output_tokens=tokens("".join(produced)))

    def answer(self, conversation: Conversation) -> list[Item]:
        """Return the whole answer, without its end."""
        given = extractive.candidates(conversation.memories)
        vectors = self._language.embed([conversation.question, *(quote.text for quote in given)], normalize=True)
        cosines = [sum(a * b for a, b in zip(vectors[0], vector, strict=True)) for vector in vectors[1:]]
        quotes = extractive.choose(conversation.question, given, cosines)
        items: list[Item] = [Text(extractive.introduction(len(conversation.memories), len(quotes)))]
        for quote in quotes:
            items += [Break(), Text(extractive.quotation(quote))]
            if quote.memory.cited:
                items.append(Citation(quote.memory, quote.block))
        return items
