"""Public conversations as labelled files for `python -m recall_api.search.evaluate`; none are in this repository.

    python -m tests.bench.public_conversations locomo FOLDER/data/locomo10.json [--speakers] [--half 1|2] > FILE.jsonl
    python -m tests.bench.public_conversations realtalk FOLDER/data [--speakers] [--sessions] [--half 1|2] > FILE.jsonl
    python -m tests.bench.public_conversations beam FOLDER/chats/100K [--speaker user] [--half 1|2] > FILE.jsonl

LoCoMo (github.com/snap-research/LoCoMo; Maharana et al., ACL 2024): ten conversations of two people over months, a
memory each turn or each session, labelled by the turns that the answer rests on. REALTALK
(github.com/danny911kr/REALTALK; Lee et al., 2025): the same of ten pairs of real people over three weeks. BEAM
(github.com/mohammadtavakoli78/BEAM; Tavakoli et al., 2025): one person's conversations with an assistant, a memory each
message of either.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

UNANSWERABLE: Final = 5
"""LoCoMo's category of questions that nothing answers."""
ASKED_OF_BEAM: Final = (
    "information_extraction",
    "knowledge_update",
    "multi_session_reasoning",
    "temporal_reasoning",
    "contradiction_resolution",
)
"""BEAM's kinds that are answered by what was said, not by everything (summaries) or nothing (abstention)."""
LOCOMO_MOMENT: Final = "%I:%M %p on %d %B, %Y"
REALTALK_MOMENT: Final = "%d.%m.%Y, %H:%M:%S"
_TURN: Final = re.compile(r"D\d+:\d+")
_BEAM_MARK: Final = re.compile(r"\s*->->.*$", re.DOTALL)
"""BEAM ends messages with the number of the plan's item that they were written for."""


def locomo(
    path: Path, *, speakers: bool, speaker: str | None = None, sessions: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield LoCoMo's conversations as labelled users."""
    for sample in json.loads(path.read_text(encoding="utf-8")):
        memories, homes = _of_two(sample["conversation"], speakers=speakers, speaker=speaker, sessions=sessions)
        yield {"user": sample["sample_id"], "memories": memories, "questions": _asked_of_two(sample["qa"], homes)}


def realtalk(
    folder: Path, *, speakers: bool, speaker: str | None = None, sessions: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield REALTALK's conversations as labelled users."""
    for file in sorted(folder.glob("Chat_*.json")):
        chat = json.loads(file.read_text(encoding="utf-8"))
        memories, homes = _of_two(chat, speakers=speakers, speaker=speaker, sessions=sessions)
        yield {"user": file.stem, "memories": memories, "questions": _asked_of_two(chat["qa"], homes)}


def _of_two(
    conversation: dict[str, Any], *, speakers: bool, speaker: str | None, sessions: bool
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the memories of a conversation of two people, and in which one each turn is."""
    memories: dict[str, dict[str, Any]] = {}
    homes: dict[str, str] = {}
    for name, turns in conversation.items():
        if moment := conversation.get(f"{name}_date_time"):
            for turn in (turn for turn in turns if speaker in {None, turn["speaker"]}):
                said = turn["text"] if "text" in turn else turn["clean_text"]
                text = f"{turn['speaker']}: {said}" if speakers else said
                home = homes[turn["dia_id"]] = name if sessions else turn["dia_id"]
                if home in memories:
                    text = f"{memories[home]['text']}\n{text}"
                memories[home] = {"id": home, "text": text, "occurred_at": _moment_of_two(moment).isoformat()}
    return list(memories.values()), homes


def _asked_of_two(asked: list[dict[str, Any]], homes: dict[str, str]) -> list[dict[str, Any]]:
    questions = []
    for one in asked:
        turns = homes.keys() & _TURN.findall(" ".join(one["evidence"]))
        if turns and one["category"] != UNANSWERABLE:
            questions.append({"text": one["question"], "relevant": sorted({homes[turn] for turn in turns})})
    return questions


def _moment_of_two(written: str) -> datetime:
    form = LOCOMO_MOMENT if " on " in written else REALTALK_MOMENT
    return datetime.strptime(written, form).replace(tzinfo=UTC)


def beam(folder: Path, *, speakers: bool, speaker: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield BEAM's conversations of one size as labelled users."""
    for chat in sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: int(path.name)):
        told = chat / "chat_trunecated.json"  # theirs: what is asked about, where a conversation was cut to its size
        text = (told if told.exists() else chat / "chat.json").read_text(encoding="utf-8")
        memories = list(_beam_messages(json.loads(text), speakers=speakers, speaker=speaker))
        known = {memory["id"] for memory in memories}
        questions = []
        probing = json.loads((chat / "probing_questions" / "probing_questions.json").read_text(encoding="utf-8"))
        for kind in ASKED_OF_BEAM:
            for asked in probing.get(kind, []):
                relevant = sorted(known.intersection(map(str, _numbers(asked.get("source_chat_ids")))))
                if relevant:
                    questions.append({"text": asked["question"], "relevant": relevant})
        yield {"user": f"beam-{chat.name}", "memories": memories, "questions": questions}


def _beam_messages(batches: list[dict[str, Any]], *, speakers: bool, speaker: str | None) -> Iterator[dict[str, Any]]:
    at: datetime | None = None
    for batch in batches:
        for message in (message for turn in batch["turns"] for message in turn):
            if anchor := message.get("time_anchor"):
                at = datetime.strptime(anchor, "%B-%d-%Y").replace(tzinfo=UTC)
            if speaker not in {None, message["role"]}:
                continue
            said = _BEAM_MARK.sub("", message["content"])
            text = f"{message['role']}: {said}" if speakers else said
            yield {"id": str(message["id"]), "text": text, "occurred_at": at.isoformat() if at else None}


def _numbers(value: object) -> Iterator[int]:
    """Yield the numbers of BEAM's labels: a list, or lists by what they are evidence of."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


def main() -> None:
    """Write one set's lines."""
    parser = argparse.ArgumentParser(prog="tests.bench.public_conversations", description="Convert public data.")
    parser.add_argument("set", choices=("locomo", "realtalk", "beam"))
    parser.add_argument("path", type=Path, help="locomo10.json, REALTALK's folder, or BEAM's of one size")
    parser.add_argument("--speakers", action="store_true", help="begin each memory with who said it")
    parser.add_argument(
        "--half", type=int, choices=(1, 2), help="every other conversation, from the first or second on"
    )
    parser.add_argument(
        "--sessions", action="store_true", help="two people: a memory each session instead of each turn"
    )
    parser.add_argument("--speaker", help="keep only what this one said, such as BEAM's user")
    arguments = parser.parse_args()
    chosen: dict[str, Any] = {"speakers": arguments.speakers, "speaker": arguments.speaker}
    if arguments.set == "beam":
        if arguments.sessions:
            parser.error("--sessions: BEAM's messages are one person's and an assistant's")
        users = beam(arguments.path, **chosen)
    else:
        convert = {"locomo": locomo, "realtalk": realtalk}[arguments.set]
        users = convert(arguments.path, **chosen, sessions=arguments.sessions)
    for number, user in enumerate(users):
        if arguments.half in {None, number % 2 + 1}:
            sys.stdout.write(json.dumps(user, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
