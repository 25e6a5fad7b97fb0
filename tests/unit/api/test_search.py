"""Words, vectors and their fusion against plain definitions."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from recall_api.identifiers import MemoryId
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.search.bm25 import K1, MAX_PARTS, PASSAGE, B, WordIndex, parts, shrinkage
from recall_api.search.directions import Directions
from recall_api.search.filters import Filter
from recall_api.search.fusion import (
    MIN_SIMILARITY,
    SENTENCE,
    TIME_WEIGHT,
    VECTORS_WEIGHT,
    WORDS_WEIGHT,
    evidence,
    fuse,
)
from recall_api.search.index import UserIndex
from recall_api.search.snapshot import Snapshot
from recall_api.search.texts import Texts
from recall_api.search.tokens import date_terms, query_terms, spans, terms
from recall_api.search.vectors import VectorIndex, from_bytes, to_bytes, unit

WORDS = st.sampled_from(["bicycle", "cellar", "peanut", "dinner", "jonas", "key", "ivy", "cat"])
TEXTS = st.builds(
    lambda words, times, last: words * times + last,
    st.lists(WORDS, min_size=1, max_size=12),
    st.sampled_from([1, 1, 20, 60]),
    st.lists(WORDS, max_size=12),
)
"""Of a word to some seven hundred: one passage and several."""
DOCUMENTS = st.dictionaries(st.integers(0, 30), st.tuples(TEXTS, st.lists(WORDS, max_size=3)), max_size=20)
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def plain_bm25(documents: dict[int, tuple[list[str], list[str]]], query: list[str], slot: int) -> float:
    """Say what BM25 by the best passage is, term by term."""
    text, labels = documents[slot]
    length = len(text) + len(labels)
    count = max(1, math.ceil(length / PASSAGE))
    bounds = [part * len(text) // count for part in range(count + 1)]
    relative = length / PASSAGE if count == 1 else math.sqrt(length * PASSAGE) / PASSAGE
    scores = []
    for start, end in itertools.pairwise(bounds):
        score, passage = 0.0, text[start:end] + labels
        for term in query:
            often = passage.count(term)
            containing = sum(term in [*one, *other] for one, other in documents.values())
            idf = math.log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
            score += idf * often * (K1 + 1) / (often + K1 * (1 - B + B * relative))
        scores.append(score)
    return max(scores)


@given(DOCUMENTS, st.lists(WORDS, max_size=5), st.sets(st.integers(0, 30)), st.booleans(), st.integers(0, 20))
def test_scores_are_those_of_best_passages_whatever_came_and_went(
    documents: dict[int, tuple[list[str], list[str]]],
    query: list[str],
    removed: set[int],
    packed: bool,
    packed_at: int,
) -> None:
    index = WordIndex()
    for number, (slot, (text, labels)) in enumerate(documents.items()):
        if number == packed_at:
            index.pack()
            index.find(query, 31)
        index.add(slot, text, labels)
    for slot in removed & documents.keys():
        index.remove(slot)
    if packed:
        index.pack()
    left = {slot: document for slot, document in documents.items() if slot not in removed}
    found = index.find(query, 31)
    scores = found.scores()
    assert len(index) == len(left)
    for slot in range(31):
        expected = plain_bm25(left, query, slot) if slot in left else 0.0
        assert float(scores[slot]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert sum(found.explain([slot])[0].values()) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(npst.arrays(np.int32, 12, elements=st.integers(-1, 40_000)))
def test_passages_are_of_the_usual_length_at_most_and_longer_documents_shrink_more(lengths: np.ndarray) -> None:
    cut = parts(lengths)
    assert ((cut >= 1) & (lengths <= cut * PASSAGE)).all()
    assert ((cut == 1) | (lengths > (cut - 1) * PASSAGE)).all()
    shrunk = shrinkage(lengths)
    assert (shrunk >= np.float32(K1 * (1 - B))).all()
    assert (shrinkage(lengths + 1)[lengths >= 0] > shrunk[lengths >= 0]).all()


def test_an_endless_text_has_as_many_passages_as_can_be_counted() -> None:
    assert parts(np.array([2_000_000_000], np.int32)).tolist() == [MAX_PARTS]


def test_words_that_stand_together_in_a_long_text_count_more_than_far_apart() -> None:
    index = WordIndex()
    for slot, (first, second) in enumerate([(10, 12), (10, 900)]):
        text = ["other"] * 1_000
        text[first], text[second] = "leaking", "tap"
        index.add(slot, text)
    together, apart = index.find(["leaking", "tap"], 2).scores()
    assert together > 1.5 * apart > 0


def test_a_note_that_says_it_comes_before_a_page_that_says_it_in_passing() -> None:
    index = WordIndex()
    index.add(0, ["other"] * 500 + ["leaking", "tap"] + ["other"] * 500)
    index.add(1, ["leaking", "tap", "mended"])
    index.add(2, ["other"])
    page, note, _ = index.find(["leaking", "tap"], 3).scores()
    assert note > page > 0


def test_a_book_beside_them_does_not_change_how_notes_compare() -> None:
    def ratio(*beside: list[str]) -> float:
        index = WordIndex()
        for slot, text in enumerate([["tap"], ["tap", *["other"] * 40], *beside]):
            index.add(slot, text)
        short, longer, *_ = index.find(["tap"], 2 + len(beside)).scores().tolist()
        return float(short / longer)

    assert ratio(["page"] * 20_000) == pytest.approx(ratio())


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    index = WordIndex()
    for slot in range(20):
        index.add(slot, ["common", "rare" if slot == 7 else "other"])
    assert int(np.argmax(index.find(["common", "rare"], 20).scores())) == 7


SCORES = npst.arrays(np.float32, 12, elements=st.floats(0, 20, width=32))
COSINES = npst.arrays(np.float32, 12, elements=st.one_of(st.floats(-1, 1, width=32), st.just(np.nan)))
LENGTHS = npst.arrays(np.int32, 12, elements=st.integers(0, 5_000))
LONG = np.full(12, 1_000, np.int32)
TIMELY = npst.arrays(np.bool_, 12)


@given(SCORES, COSINES, TIMELY)
def test_fusion_is_over_the_union(words: np.ndarray, cosines: np.ndarray, timely: np.ndarray) -> None:
    fused = fuse(words, cosines, LONG, timely)
    known = (words > 0) | (cosines > MIN_SIMILARITY) | timely
    # A score may be lost to rounding beside one that is a million times as large.
    assert not fused[~known].any()
    assert (fused[known & ((words > 1e-3) | (cosines > MIN_SIMILARITY) | timely)] > 0).all()
    assert float(fused.max()) <= WORDS_WEIGHT + VECTORS_WEIGHT + TIME_WEIGHT + 1e-6


@given(SCORES, COSINES, TIMELY)
def test_what_is_better_in_everything_is_not_worse(words: np.ndarray, cosines: np.ndarray, timely: np.ndarray) -> None:
    fused, plain = fuse(words, cosines, LONG, timely), np.nan_to_num(cosines, nan=-1)
    for one in range(12):
        for other in range(12):
            if words[one] >= words[other] and plain[one] >= plain[other] and timely[one] >= timely[other]:
                assert fused[one] >= fused[other] - 1e-6


@given(SCORES)
def test_one_ranking_alone_stays_as_it_is(scores: np.ndarray) -> None:
    nothing = np.full(12, np.nan, np.float32)
    assert np.allclose(
        fuse(scores, nothing, LONG) / WORDS_WEIGHT * max(scores.max(), 1e-30), scores, rtol=1e-4, atol=1e-6
    )


@given(LENGTHS)
def test_little_text_is_little_evidence(lengths: np.ndarray) -> None:
    shares = evidence(lengths)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (shares <= evidence(lengths + 1)).all()
    assert (shares[lengths > 0] > 0).all()
    assert (shares[lengths > 10 * SENTENCE] > 0.999).all()


def test_the_longer_of_two_equally_near_memories_comes_first() -> None:
    nothing, near = np.zeros(2, np.float32), np.array([0.5, 0.5], np.float32)
    short, sentence = fuse(nothing, near, np.array([2, 15], np.int32))
    assert 0 < short < sentence


VECTORS = npst.arrays(np.float32, 8, elements=st.floats(-10, 10, width=32))


def unit_rows(*rows: np.ndarray) -> np.ndarray:
    return np.array([unit(row) for row in rows], np.float32)


@given(st.dictionaries(st.integers(0, 200), VECTORS, max_size=12), VECTORS)
def test_similarities_are_cosines_under_the_weights_of_directions(
    vectors: dict[int, np.ndarray], query: np.ndarray
) -> None:
    index = VectorIndex(8)
    for slot, vector in vectors.items():
        index.set(slot, vector)
    found = index.similarities(query, 201)
    common = Directions.common(unit_rows(*vectors.values()) if vectors else np.empty((0, 8), np.float32))
    weights = np.eye(8) - common.axes @ np.diag(common.discounts) @ common.axes.T
    for slot in range(201):
        if slot not in vectors:
            assert np.isnan(found[slot])
            continue
        one, other = vectors[slot].astype(np.float64), query.astype(np.float64)
        lengths = math.sqrt(one @ weights @ one) * math.sqrt(other @ weights @ other)
        assert -1.001 <= float(found[slot]) <= 1.001
        if lengths > 1e-6:
            assert float(found[slot]) == pytest.approx(one @ weights @ other / lengths, abs=5e-3)


@given(st.lists(VECTORS.filter(lambda vector: bool(np.linalg.norm(vector) > 1e-3)), max_size=40))
def test_directions_are_orthogonal_and_none_is_left_out_wholly(vectors: list[np.ndarray]) -> None:
    rows = unit_rows(*vectors) if vectors else np.empty((0, 8), np.float32)
    common = Directions.common(rows)
    assert np.allclose(common.axes.T @ common.axes, np.eye(7), atol=1e-4)
    assert (common.discounts >= 0).all()
    assert (common.discounts < 1).all()
    assert (common.lengths(rows) > 0).all()


def test_what_all_memories_share_does_not_decide() -> None:
    random = np.random.default_rng(7)
    shared = unit(random.standard_normal(64))
    own = unit_rows(*random.standard_normal((400, 64)))
    rows = unit_rows(*(shared + mine for mine in own[:-1]), shared)
    query = unit(2 * shared + own[5] / 2)
    index = VectorIndex(64)
    for slot, row in enumerate(rows):
        index.set(slot, row)
    assert int(np.argmax(rows @ query)) == 399, "by plain cosines what says nothing but the common thing is nearest"
    assert int(np.nanargmax(index.similarities(query, 400))) == 5


def test_directions_follow_the_memories() -> None:
    rows = unit_rows(*np.random.default_rng(3).standard_normal((300, 16)))
    grown, whole = VectorIndex(16), VectorIndex(16)
    for slot, row in enumerate(rows):
        grown.set(slot, row)
        grown.similarities(rows[0], slot + 1)
        whole.set(slot, row)
    assert np.allclose(grown.similarities(rows[9], 300), whole.similarities(rows[9], 300), atol=0.05)
    grown.remove(9)
    assert np.isnan(grown.similarities(rows[9], 300)[9])


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


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["put", "remove"]), TEXTS), max_size=40))
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
        found = loaded.search(query, None, limit=50)
        assert {hit.memory.id: hit.score for hit in found} == pytest.approx(one, rel=1e-5)
        assert [hit.memory for hit in found] == [expected[hit.memory.version] for hit in found]
        words = {hit.memory.id: hit.words.score for hit in changed.search(query, None, limit=50) if hit.words}
        other = {hit.memory.id: hit.words.score for hit in fresh.search(query, None, limit=50) if hit.words}
        assert one.keys() == other.keys()
        assert words == pytest.approx(other, rel=1e-4)


@given(
    st.lists(
        st.builds(
            memory,
            st.integers(0, 3),
            st.text(),
            tags=st.lists(st.text(min_size=1)).map(tuple),
            occurred_at=st.none() | st.datetimes(timezones=st.just(UTC)),
            pinned=st.booleans(),
            never_send_to=st.sampled_from([(), ("*",), ("a-model",)]),
        )
    ),
    st.booleans(),
)
def test_texts_come_back_whole_whether_they_were_packed_or_not(written: list[Memory], packed: bool) -> None:
    texts, expected = Texts(), {}
    for known in written:
        slot = known.version
        if packed:
            texts = Texts(texts.pack(4))
        if slot in expected and expected[slot] == known:
            texts.remove(slot)
            del expected[slot]
        else:
            texts.put(slot, known)
            expected[slot] = known
    assert {slot: texts.get(slot, known.id) for slot, known in expected.items()} == expected
    for slot in {0, 1, 2, 3, 4} - expected.keys():
        with pytest.raises(KeyError):
            texts.get(slot, MemoryId(f"{slot:026d}"))


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


def test_every_passage_of_a_long_memory_has_its_tags_and_its_date() -> None:
    index = UserIndex(2)
    page = memory(
        1,
        f"The tap leaks.{' Something else entirely.' * 200}",
        tags=("kitchen",),
        occurred_at=datetime(2024, 3, 15, tzinfo=UTC),
    )
    index.put(page)
    index.put(memory(2, "Something else."))
    (hit,) = index.search("leaking kitchen tap in March 2024", None, limit=5)
    assert hit.words is not None
    assert hit.words.terms.keys() == {"leak", "kitchen", "tap", "march", "2024"}
    assert sum(hit.words.terms.values()) == pytest.approx(hit.words.score, rel=1e-5)


def test_what_is_not_accepted_is_not_found_by_either_ranking() -> None:
    index = UserIndex(2)
    for number in range(10):
        known = memory(number, "cat", tags=("even",) if number % 2 == 0 else ())
        index.put(known)
        index.put_vector(known.id, known.content.content_hash, np.array([1, 0], np.float32))
    hits = index.search("cat", np.array([1, 0], np.float32), limit=50, wanted=Filter(tags=frozenset({"even"})))
    assert len(hits) == 5
    assert all("even" in hit.memory.content.tags for hit in hits)
