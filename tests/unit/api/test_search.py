"""Words, vectors and their fusion against plain definitions."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from recall_api.identifiers import MemoryId
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.search.bm25 import K1, B, WordIndex
from recall_api.search.filters import Filter
from recall_api.search.fusion import MIN_SIMILARITY, TIME_WEIGHT, VECTORS_WEIGHT, WORDS_WEIGHT, fuse
from recall_api.search.index import UserIndex
from recall_api.search.snapshot import Snapshot
from recall_api.search.tokens import date_terms, query_terms, spans, terms
from recall_api.search.vectors import VectorIndex, from_bytes, to_bytes

WORDS = st.sampled_from(["bicycle", "cellar", "peanut", "dinner", "jonas", "key", "ivy", "cat"])
DOCUMENTS = st.dictionaries(st.integers(0, 30), st.lists(WORDS, min_size=1, max_size=12), max_size=20)
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def plain_bm25(documents: dict[int, list[str]], query: list[str], slot: int) -> float:
    """Say what BM25 is, term by term."""
    average = sum(map(len, documents.values())) / len(documents)
    score = 0.0
    for term in query:
        count = documents[slot].count(term)
        containing = sum(term in document for document in documents.values())
        idf = math.log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
        score += idf * count * (K1 + 1) / (count + K1 * (1 - B + B * len(documents[slot]) / average))
    return score


@given(DOCUMENTS, st.lists(WORDS, max_size=5), st.sets(st.integers(0, 30)), st.booleans(), st.integers(0, 20))
def test_scores_are_bm25_whatever_came_and_went(
    documents: dict[int, list[str]], query: list[str], removed: set[int], packed: bool, packed_at: int
) -> None:
    index = WordIndex()
    for number, (slot, document) in enumerate(documents.items()):
        if number == packed_at:
            index.pack()
        index.add(slot, document)
    for slot in removed & documents.keys():
        index.remove(slot)
    if packed:
        index.pack()
    left = {slot: document for slot, document in documents.items() if slot not in removed}
    scores = index.scores(query, 31)
    assert len(index) == len(left)
    for slot in range(31):
        expected = plain_bm25(left, query, slot) if slot in left else 0.0
        assert float(scores[slot]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
        if slot in left:
            assert sum(index.explain(query, [slot])[0].values()) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    index = WordIndex()
    for slot in range(20):
        index.add(slot, ["common", "rare" if slot == 7 else "other"])
    scores = index.scores(["common", "rare"], 20)
    assert int(np.argmax(scores)) == 7


SCORES = npst.arrays(np.float32, 12, elements=st.floats(0, 20, width=32))
COSINES = npst.arrays(np.float32, 12, elements=st.one_of(st.floats(-1, 1, width=32), st.just(np.nan)))
TIMELY = npst.arrays(np.bool_, 12)


@given(SCORES, COSINES, TIMELY)
def test_fusion_is_over_the_union(words: np.ndarray, cosines: np.ndarray, timely: np.ndarray) -> None:
    fused = fuse(words, cosines, timely)
    known = (words > 0) | (cosines > MIN_SIMILARITY) | timely
    # A score may be lost to rounding beside one that is a million times as large.
    assert not fused[~known].any()
    assert (fused[known & ((words > 1e-3) | (cosines > MIN_SIMILARITY) | timely)] > 0).all()
    assert float(fused.max()) <= WORDS_WEIGHT + VECTORS_WEIGHT + TIME_WEIGHT + 1e-6


@given(SCORES, COSINES, TIMELY)
def test_what_is_better_in_everything_is_not_worse(words: np.ndarray, cosines: np.ndarray, timely: np.ndarray) -> None:
    fused, plain = fuse(words, cosines, timely), np.nan_to_num(cosines, nan=-1)
    for one in range(12):
        for other in range(12):
            if words[one] >= words[other] and plain[one] >= plain[other] and timely[one] >= timely[other]:
                assert fused[one] >= fused[other] - 1e-6


@given(SCORES)
def test_one_ranking_alone_stays_as_it_is(scores: np.ndarray) -> None:
    nothing = np.full(12, np.nan, np.float32)
    assert np.allclose(fuse(scores, nothing) / WORDS_WEIGHT * max(scores.max(), 1e-30), scores, rtol=1e-4, atol=1e-6)


VECTORS = npst.arrays(np.float32, 8, elements=st.floats(-10, 10, width=32))


@given(st.dictionaries(st.integers(0, 200), VECTORS, max_size=12), VECTORS)
def test_similarities_are_cosines(vectors: dict[int, np.ndarray], query: np.ndarray) -> None:
    index = VectorIndex(8)
    for slot, vector in vectors.items():
        index.set(slot, vector)
    found = index.similarities(query, 201)
    for slot in range(201):
        if slot not in vectors:
            assert np.isnan(found[slot])
            continue
        lengths = float(np.linalg.norm(vectors[slot]) * np.linalg.norm(query))
        expected = (
            float(vectors[slot].astype(np.float64) @ query.astype(np.float64)) / lengths if lengths > 1e-12 else 0
        )
        if lengths > 1e-6:
            assert float(found[slot]) == pytest.approx(expected, abs=1e-3)


@given(VECTORS)
def test_vectors_are_stored_without_loss(vector: np.ndarray) -> None:
    stored = to_bytes(vector)
    assert len(stored) == 32
    assert np.array_equal(from_bytes(stored), vector)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bicycles, bicycle's BICYCLE!", ["bicycl", "bicycl", "bicycl"]),
        ("Anna's don\u2019t", ["anna", "dont"]),
        ("Grüße aus Köln", ["grüsse", "aus", "köln"]),
        ("ﬁle \uff21\uff22", ["file", "ab"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("愛 and 2026-03-01", ["愛", "and", "2026", "03", "01"]),
        ("snake_case", ["snake", "case"]),
        ("🥜 … !!", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text())
def test_any_text_has_terms_that_its_copy_has_too(text: str) -> None:
    assert terms(text) == terms(text)
    assert terms(f"{text} {text}") == terms(text) * 2
    assert all(terms(text))


def test_queries_lose_words_that_say_nothing_unless_there_are_no_others() -> None:
    assert query_terms("What did I say about the bicycles?") == ["say", "bicycl"]
    assert query_terms("What was that?") == terms("What was that?")


@given(st.text(), st.text(min_size=1))
def test_spans_are_words_with_the_wanted_terms(before: str, word: str) -> None:
    text = f"{before} {word}"
    wanted = set(terms(word))
    for start, end in spans(text, wanted):
        assert 0 <= start < end <= len(text)
        assert wanted & set(terms(text[start:end]))


def test_spans_are_of_whole_words() -> None:
    text = "Anna\u2019s bicycles; my Bicycle. 東京タワー"
    assert [text[start:end] for start, end in spans(text, {"bicycl", "anna", "東京"})] == [
        "Anna\u2019s",
        "bicycles",
        "Bicycle",
        "東京",
    ]


def test_dates_are_words() -> None:
    moment = datetime(2024, 3, 15, tzinfo=UTC)
    assert date_terms(moment) == terms("Friday 15 March 2024")


def memory(number: int, text: str, **fields: object) -> Memory:
    content = MemoryContent(text=text, **fields)  # type: ignore[arg-type]
    return Memory(MemoryId(f"{number:026d}"), content, number, MOMENT, MOMENT, Source.TYPED)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["put", "remove"]), st.lists(WORDS, min_size=1)), max_size=40)
)
def test_an_index_that_was_changed_finds_what_a_fresh_one_finds(
    steps: list[tuple[int, str, list[str]]],
) -> None:
    changed, expected = UserIndex(8), {}
    for number, step, words in steps:
        if step == "put":
            expected[number] = memory(number, " ".join(words))
            changed.put(expected[number])
        else:
            expected.pop(number, None)
            changed.remove(MemoryId(f"{number:026d}"))
    fresh = UserIndex(8)
    for known in expected.values():
        fresh.put(known)
    for query in ("bicycle cellar", "peanut", "jonas dinner key ivy"):
        one = {hit.memory.id: hit.score for hit in changed.search(query, None, limit=50)}
        loaded = UserIndex(8, Snapshot.from_bytes(changed.snapshot().to_bytes(), 8))
        by_snapshot = {hit.memory_id: hit.score for hit in loaded.rank(query, None, limit=50)}
        assert by_snapshot == pytest.approx(one, rel=1e-5)
        words = {hit.memory.id: hit.words.score for hit in changed.search(query, None, limit=50) if hit.words}
        other = {hit.memory.id: hit.words.score for hit in fresh.search(query, None, limit=50) if hit.words}
        assert one.keys() == other.keys()
        assert words == pytest.approx(other, rel=1e-4)


def test_a_changed_text_loses_its_vector_and_a_changed_tag_does_not() -> None:
    index = UserIndex(2)
    first = memory(1, "cat")
    index.put(first)
    vector = np.array([1, 0], np.float32)
    assert index.put_vector(first.id, first.content.content_hash, vector)
    index.put(memory(1, "cat", tags=("pet",)))
    assert list(index.without_vector()) == []
    index.put(memory(1, "dog"))
    assert list(index.without_vector()) == [first.id]
    assert not index.put_vector(first.id, first.content.content_hash, vector)
    assert index.search("", vector, limit=5) == []


def test_a_hit_by_words_alone_surfaces_among_many_by_meaning() -> None:
    index = UserIndex(2)
    for number in range(300):
        known = memory(number, f"note {number}")
        index.put(known)
        index.put_vector(known.id, known.content.content_hash, np.array([1, 0.001 * number], np.float32))
    odd = memory(999, "passport 4711")
    index.put(odd)
    hits = index.search("passport", np.array([1, 0], np.float32), limit=10)
    assert odd.id in {hit.memory.id for hit in hits}
    assert hits[0].memory.id == odd.id


def test_what_is_not_accepted_is_not_found_by_either_ranking() -> None:
    index = UserIndex(2)
    for number in range(10):
        known = memory(number, "cat", tags=("even",) if number % 2 == 0 else ())
        index.put(known)
        index.put_vector(known.id, known.content.content_hash, np.array([1, 0], np.float32))
    hits = index.search("cat", np.array([1, 0], np.float32), limit=50, wanted=Filter(tags=frozenset({"even"})))
    assert len(hits) == 5
    assert all("even" in hit.memory.content.tags for hit in hits)
