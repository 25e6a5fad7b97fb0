"""The labelled set for recall keeps its counts, and its labels keep the rules that README.md beside it states."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from tests.bench.recall_quality.data import Kind, Person, Question, asked, evaluation_lines, people

PEOPLE = people()
MEMORIES = [memory for person in PEOPLE for memory in person.memories]
QUESTIONS = [question for person in PEOPLE for question in person.questions]
EACH = pytest.mark.parametrize("person", PEOPLE, ids=[person.user for person in PEOPLE])

PER_PERSON = {Kind.EXACT: 6, Kind.PARAPHRASE: 8, Kind.DATE: 6, Kind.PERSON: 5, Kind.MULTI: 6, Kind.HARD: 7}
WHOLE_MONTH = re.compile(r"(?:note|write|happened|life like)\b.* in (?P<month>[A-Z][a-z]+ \d{4})\?$")


def words(text: str) -> set[str]:
    """Return the words long enough to carry a subject, without plural and verb endings."""
    return {re.sub(r"(?:ies|es|s|ed|ing)$", "", word) for word in re.findall(r"\w{4,}", text.lower())}


def shared(person: Person, question: Question) -> float:
    """Return the largest part of the question's words that one relevant memory contains."""
    texts = {memory.id: memory.text for memory in person.memories}
    asked_words = words(question.text)
    return max(len(asked_words & words(texts[identifier])) / len(asked_words) for identifier in question.relevant)


def test_the_set_is_as_large_as_promised() -> None:
    assert len(PEOPLE) >= 6
    assert len(MEMORIES) >= 1000
    assert len(QUESTIONS) >= 220


def test_ids_and_texts_are_unique() -> None:
    assert len({memory.id for memory in MEMORIES}) == len(MEMORIES)
    assert len({" ".join(memory.text.lower().split()) for memory in MEMORIES}) == len(MEMORIES)
    assert len({(each.user, each.question.text.lower()) for each in asked()}) == len(QUESTIONS)
    assert len({person.user for person in PEOPLE}) == len(PEOPLE)


@EACH
def test_memories_are_dated_ordered_and_of_readable_length(person: Person) -> None:
    dates = [memory.occurred_at for memory in person.memories]
    assert dates == sorted(dates)
    assert datetime(2017, 1, 1, tzinfo=UTC) <= dates[0]
    assert dates[-1] < datetime(2026, 1, 1, tzinfo=UTC)
    assert dates[-1].year - dates[0].year >= 5
    assert {memory.id for memory in person.memories if not 6 <= len(memory.text.split()) <= 80} == set()
    assert all(memory.id.startswith(f"{person.user}-") for memory in person.memories)


@EACH
def test_kinds_have_the_known_proportions(person: Person) -> None:
    assert Counter(question.kind for question in person.questions) == PER_PERSON


@EACH
def test_labels_name_memories_of_the_same_user_and_never_both_ways(person: Person) -> None:
    known = {memory.id for memory in person.memories}
    for question in person.questions:
        labels = question.relevant + question.near_misses
        assert set(labels) <= known, question.text
        assert len(set(labels)) == len(labels), question.text
        assert 1 <= len(question.relevant) <= 4, question.text


def test_multi_has_several_answers_and_hard_has_several_near_misses() -> None:
    assert all(2 <= len(each.question.relevant) <= 4 for each in asked(Kind.MULTI))
    assert all(len(each.question.near_misses) >= 2 for each in asked(Kind.HARD))
    assert sum(len(question.near_misses) >= 2 for question in QUESTIONS) >= len(QUESTIONS) / 2


@EACH
def test_exact_questions_share_words_with_their_answer_and_paraphrases_hardly_any(person: Person) -> None:
    for question in person.questions:
        if question.kind is Kind.EXACT:
            assert shared(person, question) >= 0.5, question.text
        if question.kind is Kind.PARAPHRASE:
            assert shared(person, question) <= 0.34, question.text


def test_questions_about_a_month_are_answered_by_all_of_it() -> None:
    checked = 0
    for person in PEOPLE:
        for question in person.questions:
            if month := WHOLE_MONTH.search(question.text):
                checked += 1
                in_month = {item.id for item in person.memories if f"{item.occurred_at:%B %Y}" == month["month"]}
                assert set(question.relevant) == in_month, question.text
    assert checked >= 10


def test_the_evaluation_format_has_its_fields_and_nothing_else() -> None:
    lines = [json.loads(line) for line in evaluation_lines()]
    assert [line["user"] for line in lines] == [person.user for person in PEOPLE]
    for line in lines:
        assert line.keys() == {"user", "memories", "questions"}
        assert all(memory.keys() == {"id", "text", "occurred_at"} for memory in line["memories"])
        assert all(question.keys() == {"text", "relevant"} for question in line["questions"])
        assert all(datetime.fromisoformat(memory["occurred_at"]).tzinfo for memory in line["memories"])
