"""The matrix of checks and mistakes, and the trainings, against cells that are known otherwise."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from cnnlib.diagnosis import mistakes
from cnnlib.diagnosis.mistakes import matrix, trainings, ways

RECORD = json.loads(
    (Path(__file__).parents[2] / "notebooks" / "results" / "clinic.json").read_text("utf-8")
)
WAYS = list(ways.ways())
CHECKS = [check.name for check in matrix.CHECKS]
# Which mistakes an ease hides, read from the catalogue's own sentences: an independent source.
SENTENCES = {
    "stride 1": r"A stride of 1",
    "no pad": r"^No padding",
    "C=K=1": r"^(One|A single) channel\.$|^One filter\.$|^One filter on one channel",
    "N=1": r"^A batch of one",
    "symmetric": r"^A kernel that looks the same after half a turn",
    "square": r"^Square images",
}


def hidden(name):
    return {id for id, row in matrix.matrix().items() if row[name] is False}


def test_every_mistake_has_a_row_or_a_reason():
    assert list(matrix.matrix()) == [
        one.id for one in mistakes.every() if one.id not in ways.OUTSIDE
    ]
    assert {way.id for way in WAYS} == set(matrix.matrix())
    for row in matrix.matrix().values():
        assert list(row) == CHECKS and set(row.values()) <= {True, False, None}


def test_all_ways_of_a_mistake_are_made_once():
    keys = [(way.id, way.part, way.quantity, way.words) for way in WAYS]
    assert len(set(keys)) == len(keys)
    assert {way.part for way in WAYS} == {
        "layer", "max", "avg", "relu", "head", "step", "start"
    }  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_an_ease_hides_what_the_catalogue_says(name):
    said = {
        one.id for one in mistakes.every() if re.search(SENTENCES[name], one.hidden_by)
    } - ways.OUTSIDE.keys()
    assert len(said) >= 1
    assert said <= hidden(name)
    assert all(matrix.matrix()[id]["awkward"] for id in said)


def test_the_awkward_configuration_sees_all_but_two():
    assert hidden("awkward") == {"D11", "T2"}
    assert matrix.matrix()["D11"]["no pad"] and matrix.matrix()["D11"]["classroom"]


def test_the_classroom_sees_half():
    seen = [id for id, row in matrix.matrix().items() if row["classroom"]]
    assert len(seen) < 0.6 * len(matrix.matrix())
    assert {"F3", "F8", "D4", "D6", "D13", "W3", "W8", "W9", "B1", "P2"} <= hidden("classroom")


def test_a_mean_without_padding_is_blind_to_what_the_catalogue_says_of_t1():
    named = set(re.findall(r"\b[DW]\d+\b", mistakes.get("T1").signature))
    assert named and named <= hidden("mean, no pad")


def test_deltas_of_one_hide_a_turned_delta_and_random_ones_do_not():
    assert {"W1", "S1"} <= hidden("ones") and "W1" in hidden("gradient, sum")
    assert matrix.matrix()["W1"]["gradient, random"]


def test_a_tie_and_a_memory_need_checks_of_their_own():
    assert hidden("gradient, random") - hidden("awkward") == {"P1", "W13"}
    assert hidden("one call") - hidden("awkward") == {"W13"}


def test_what_no_image_has_is_no_question_for_checks_of_images():
    for id in ("D22", "S4"):
        for name in ("stride 1", "no pad", "C=K=1", "symmetric", "square"):
            assert matrix.matrix()[id][name] is None
    assert matrix.matrix()["P1"]["symmetric"] is None and matrix.matrix()["P1"]["stride 1"] is True


def test_right_code_passes_every_check(monkeypatch):
    """Without its change, no way is noticed: what the checks see is the mistake alone."""
    monkeypatch.setattr(matrix, "wrong", lambda q, s, *given, **a: plain(q, (), *given, **a))
    plain = trainings.wrong
    matrix._numerical.cache_clear()
    try:
        for way in WAYS:
            if way.part == "layer":
                assert not any(matrix.notices(check, way) for check in matrix.CHECKS), way
    finally:
        matrix._numerical.cache_clear()


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [(True, True, True), (True, False, False), (None, False, False), (True, None, True),
     (None, None, None)],
)  # fmt: skip
def test_a_mistake_is_noticed_if_each_way_is(one, other, together):
    assert matrix.both(one, other) is together and matrix.both(other, one) is together


# ---- Trainings


def way(id, words=""):
    return next(one for one in WAYS if one.id == id and words in one.words)


def test_without_a_mistake_it_learns():
    trained = trainings.train()
    assert trained.outcome == "falls" and trained.accuracy > 0.9 and not trained.error
    assert len(trained.losses) == 180 and abs(trained.losses[0] - np.log(10)) < 0.3


@pytest.mark.parametrize("id", ["D1", "D18", "D19", "D23", "W2", "B1", "P1", "F12"])
def test_the_loss_falls_all_the_same(id):
    trained = trainings.train(way(id))
    assert trained.outcome == "falls" and trained.accuracy > 0.65
    assert trained.losses != trainings.train().losses, "the mistake was not made"


@pytest.mark.parametrize(
    ("id", "words"),
    [("S1", ""), ("S2", ""), ("S6", ""), ("W13", ""), ("T2", "zero"), ("T2", "nothing"),
     ("S5", "not taken")],
)  # fmt: skip
def test_the_loss_does_not_fall(id, words):
    assert trainings.train(way(id, words)).outcome == "stays"


@pytest.mark.parametrize("id", ["F8", "D6", "D10", "D24", "D25", "B4"])
def test_shapes_that_do_not_fit_stop_it(id):
    trained = trainings.train(way(id))
    assert trained.error and trained.outcome == "stops" and trained.accuracy == 0


def test_a_step_too_early_is_as_wrong_as_the_rate_is_large(monkeypatch):
    early = way("D22")
    assert not np.isfinite(trainings.train(early).losses).all()
    monkeypatch.setattr(trainings, "RATE", 0.001)
    slow, right = trainings.train(early), trainings.train()
    assert slow.losses != right.losses and np.allclose(slow.losses, right.losses, atol=0.02)


def test_the_row_takes_all_ways_and_seeds_together():
    record = [
        {"id": "D1", "outcome": ["stays", "stays"]},
        {"id": "D1", "outcome": ["explodes", "falls"]},
        {"id": "D2", "outcome": ["stays", "stops"]},
        {"id": "D3", "outcome": ["falls", "falls"]},
    ]
    assert trainings.noticed(record) == {"D1": False, "D2": True, "D3": False}


@pytest.mark.parametrize(
    ("losses", "error", "outcome"),
    [([2.0, *[1.0] * 20], "", "falls"), ([2.0, *[1.01] * 20], "", "stays"),
     ([2.0, *[0.1] * 20], "stopped", "stops"), ([2.0, *[0.1] * 20, float("nan")], "", "explodes"),
     ([], "stopped", "stops")],
)  # fmt: skip
def test_what_became_of_a_loss(losses, error, outcome):
    assert trainings.Trained(losses, 0.5, error).outcome == outcome


def test_ways_with_one_result_are_trained_once_from_each_seed(monkeypatch):
    asked = []

    def train(way, seed):
        asked.append((way.part, way.quantity, way.words, seed))
        return trainings.Trained([2.0], error=str(asked[-1]))

    monkeypatch.setattr(trainings, "train", train)
    tried = list(trainings.trainings(range(2)))
    assert [way for way, _ in tried] == WAYS
    for way, runs in tried:
        same = way.part, way.quantity, way.words
        assert [one.error for one in runs] == [str((*same, seed)) for seed in range(2)]
    assert len(set(asked)) == len(asked)


# ---- The record that the clinic reads


def test_the_record_is_of_these_mistakes_and_settings():
    """If not: `python benchmarks/results.py --only clinic`."""
    named = [(run["id"], run["part"], run["quantity"], run["words"]) for run in RECORD["trainings"]]
    assert named == [(one.id, one.part, one.quantity, one.words) for one in WAYS]
    settings = RECORD["settings"]
    here = trainings.RATE, trainings.BATCH, trainings.EPOCHS
    assert (settings["rate"], settings["batch"], settings["epochs"]) == here
    goal = f"to {trainings.GOAL} of the first, as a mean over {trainings.LAST} steps"
    assert settings["falls"] == goal
    for run in [*RECORD["without a mistake"].values(), *RECORD["trainings"]]:
        assert len(run["outcome"]) == len(run["accuracy"]) == len(settings["seeds"]) == 10
        for outcome, accuracy in zip(run["outcome"], run["accuracy"], strict=True):
            assert (outcome in ("stops", "explodes")) == (accuracy == 0)


@pytest.mark.parametrize("id", ["B1", "D6", "D22", "D23", "S2", "W6"])
def test_the_record_says_what_a_training_says(id):
    """To rounding: another processor's trainings part from it after some steps."""
    run = next(one for one in RECORD["trainings"] if one["id"] == id)
    trained = trainings.train(way(id), seed=4)
    assert trained.outcome == run["outcome"][4]
    assert abs(trained.accuracy - run["accuracy"][4]) < 0.08
