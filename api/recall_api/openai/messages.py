"""From OpenAI's list of messages to turns that alternate: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recall_api.chat.model import Turn
from recall_api.openai.errors import bad_request
from recall_api.openai.schemas import SystemMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_api.openai.schemas import AssistantMessage, TextPart, UserMessage

BETWEEN = "\n\n"
"""Stands between messages of one speaker, which Bedrock takes as one."""


def turns_of(
    messages: Sequence[SystemMessage | UserMessage | AssistantMessage],
) -> tuple[str, tuple[Turn, ...]]:
    """Return the application's instructions, and what was said; the last turn is the user's.

    Raises:
        ProblemError: 400 for an order that Bedrock has no place for: instructions in the middle, or a conversation
            that does not begin and end with the user.
    """
    instructions: list[str] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        text = _text(message.content)
        if isinstance(message, SystemMessage):
            if turns:
                raise bad_request(f"messages.{place}.role", "Instructions must come before everything that was said.")
            instructions.append(text)
        elif turns and turns[-1].role == message.role:
            turns[-1] = Turn(message.role, turns[-1].text + BETWEEN + text)
        elif not turns and message.role == "assistant":
            raise bad_request(f"messages.{place}.role", "The conversation must begin with the user.")
        else:
            turns.append(Turn(message.role, text))
    if not turns or turns[-1].role != "user":
        raise bad_request("messages", "The last message must be the user's.")
    return BETWEEN.join(instructions), tuple(turns)


def _text(content: str | list[TextPart]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)
