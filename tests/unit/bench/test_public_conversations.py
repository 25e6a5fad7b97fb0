"""Public data becomes labelled files: texts, dates and labels as their authors mean them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.bench.public_conversations import beam, locomo, realtalk

if TYPE_CHECKING:
    from pathlib import Path


def test_locomo(tmp_path: Path) -> None:
    turns = [
        {"speaker": "Ada", "dia_id": "D1:1", "text": "I adopted a hen."},
        {"speaker": "Bo", "dia_id": "D1:2", "text": "Lovely!"},
    ]
    asked = [
        {"question": "What did Ada adopt?", "evidence": ["D1:1; D9:9"], "category": 4},
        {"question": "What did Bo adopt?", "evidence": ["D1:1"], "category": 5},
        {"question": "Nobody knows?", "evidence": [], "category": 1},
    ]
    conversation = {"speaker_a": "Ada", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": turns}
    file = tmp_path / "locomo10.json"
    file.write_text(json.dumps([{"sample_id": "one", "conversation": conversation, "qa": asked}]))
    (user,) = locomo(file, speakers=True)
    assert user["memories"] == [
        {"id": "D1:1", "text": "Ada: I adopted a hen.", "occurred_at": "2023-05-08T13:56:00+00:00"},
        {"id": "D1:2", "text": "Bo: Lovely!", "occurred_at": "2023-05-08T13:56:00+00:00"},
    ]
    assert user["questions"] == [{"text": "What did Ada adopt?", "relevant": ["D1:1"]}]
    (bare,) = locomo(file, speakers=False, speaker="Bo")
    assert [memory["text"] for memory in bare["memories"]] == ["Lovely!"]
    assert bare["questions"] == []


def test_sessions_of_locomo_are_labelled_by_the_turns_in_them(tmp_path: Path) -> None:
    conversation = {
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [
            {"speaker": "Ada", "dia_id": "D1:1", "text": "I adopted a hen."},
            {"speaker": "Bo", "dia_id": "D1:2", "text": "Lovely!"},
        ],
        "session_2_date_time": "2:00 pm on 9 May, 2023",
        "session_2": [{"speaker": "Ada", "dia_id": "D2:1", "text": "She laid an egg."}],
    }
    asked = [{"question": "What did Ada's hen do?", "evidence": ["D1:1", "D1:2", "D2:1"], "category": 1}]
    file = tmp_path / "locomo10.json"
    file.write_text(json.dumps([{"sample_id": "one", "conversation": conversation, "qa": asked}]))
    (user,) = locomo(file, speakers=True, sessions=True)
    assert user["memories"] == [
        {"id": "session_1", "text": "Ada: I adopted a hen.\nBo: Lovely!", "occurred_at": "2023-05-08T13:56:00+00:00"},
        {"id": "session_2", "text": "Ada: She laid an egg.", "occurred_at": "2023-05-09T14:00:00+00:00"},
    ]
    assert user["questions"] == [{"text": "What did Ada's hen do?", "relevant": ["session_1", "session_2"]}]


def test_realtalk(tmp_path: Path) -> None:
    turns = [{"speaker": "Ada", "dia_id": "D1:1", "clean_text": "I adopted a hen."}]
    asked = [{"question": "What did Ada adopt?", "evidence": ["D1:1"], "category": 1}]
    chat = {"session_1": turns, "session_1_date_time": "29.12.2023, 22:42:04", "events_session_1": {}, "qa": asked}
    (tmp_path / "Chat_1_Ada_Bo.json").write_text(json.dumps(chat))
    (user,) = realtalk(tmp_path, speakers=False)
    assert user["memories"] == [{"id": "D1:1", "text": "I adopted a hen.", "occurred_at": "2023-12-29T22:42:04+00:00"}]
    assert user["questions"] == [{"text": "What did Ada adopt?", "relevant": ["D1:1"]}]


def test_beam(tmp_path: Path) -> None:
    said = [
        {"role": "user", "id": 0, "time_anchor": "March-15-2024", "content": "The sprint ends on Friday. ->-> 1,1"},
        {"role": "assistant", "id": 1, "content": "Noted."},
    ]
    asked = {
        "knowledge_update": [{"question": "When?", "source_chat_ids": {"first": [0], "second": [[1, 77]]}}],
        "summarization": [{"question": "All?", "source_chat_ids": [0, 1]}],
    }
    (tmp_path / "1" / "probing_questions").mkdir(parents=True)
    (tmp_path / "1" / "chat.json").write_text(json.dumps([{"turns": [said]}]))
    (tmp_path / "1" / "probing_questions" / "probing_questions.json").write_text(json.dumps(asked))
    (user,) = beam(tmp_path, speakers=False)
    assert user["memories"][0]["text"] == "The sprint ends on Friday."
    assert {memory["occurred_at"] for memory in user["memories"]} == {"2024-03-15T00:00:00+00:00"}
    assert user["questions"] == [{"text": "When?", "relevant": ["0", "1"]}]
    (own,) = beam(tmp_path, speakers=False, speaker="user")
    assert own["questions"] == [{"text": "When?", "relevant": ["0"]}]
