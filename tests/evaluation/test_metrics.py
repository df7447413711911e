"""Against scikit-learn, and against tables done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from coral_action.errors import DataError
from coral_action.evaluation.metrics import METRICS, Settings, default_metrics
from coral_action.evaluation.metrics.classes import rank_of

RNG = np.random.default_rng(7)
SETTINGS = Settings("scores", threshold=0.5)


def value_of(name: str, outputs: list[np.ndarray], truths: list, weights=None) -> float:
    """A metric of outputs, each of shape (1, ...), and labels."""
    kind = METRICS[name]
    rows = [
        kind.row({"scores": o}, {"scores": o}, t, SETTINGS)
        for o, t in zip(outputs, truths, strict=True)
    ]
    prepared = kind.prepare(rows if kind.ragged else np.stack(rows))
    return prepared(np.ones(len(rows)) if weights is None else weights)


def test_rank_counts_classes_before() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.05, 0.05])
    assert [rank_of(scores, label) for label in range(5)] == [2, 0, 1, 3, 4]


def test_top_k_and_recall_against_sklearn() -> None:
    scores = RNG.random((300, 9))
    labels = RNG.integers(0, 7, 300)  # two classes never occur
    outputs, truths = [s[np.newaxis] for s in scores], [int(i) for i in labels]
    for name, k in (("top1", 1), ("top5", 5)):
        expected = sk.top_k_accuracy_score(labels, scores, k=k, labels=range(9))
        assert value_of(name, outputs, truths) == pytest.approx(expected)
    expected = sk.recall_score(
        labels, scores.argmax(1), average="macro", labels=np.unique(labels), zero_division=0
    )
    assert value_of("recall", outputs, truths) == pytest.approx(expected)


def test_ties_go_to_the_lower_class_as_argmax_does() -> None:
    outputs = [np.array([[3.0, 3.0, 1.0]])] * 2
    assert value_of("top1", outputs, [0, 1]) == 0.5


@pytest.mark.parametrize("digits", [1, 8])  # one digit makes many ties
def test_single_score_against_sklearn(digits: int) -> None:
    labels = RNG.integers(0, 2, 200)
    scores = np.round(np.clip(labels * 0.2 + RNG.random(200) * 0.8, 0, 1), digits)
    weights = RNG.integers(0, 4, 200).astype(float)
    outputs, truths = [np.array([[s]]) for s in scores], [int(i) for i in labels]
    assert value_of("binary_accuracy", outputs, truths) == pytest.approx(
        sk.accuracy_score(labels, scores >= 0.5)
    )
    for w in (None, weights):
        expected = sk.roc_auc_score(labels, scores, sample_weight=w)
        assert value_of("roc_auc", outputs, truths, w) == pytest.approx(expected)


def test_auc_of_two_classes_takes_the_second_score() -> None:
    outputs = [np.array([[0.9, 0.1]]), np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]])]
    assert value_of("roc_auc", outputs, [0, 1, 0]) == 1.0
    assert np.isnan(value_of("roc_auc", outputs, [0, 0, 0]))


def test_errors_against_sklearn() -> None:
    wanted = RNG.normal(size=(40, 6))
    found = wanted + RNG.normal(size=(40, 6))
    outputs = [row.reshape(1, 2, 3) for row in found]
    assert value_of("mae", outputs, list(wanted)) == pytest.approx(
        sk.mean_absolute_error(wanted, found)
    )
    assert value_of("mse", outputs, list(wanted)) == pytest.approx(
        sk.mean_squared_error(wanted, found)
    )


def test_mean_iou_by_hand() -> None:
    # Classes of 2 x 3 pixels; 255 counts nowhere.
    first = np.eye(3)[np.array([[0, 0, 1], [1, 2, 2]])][np.newaxis]
    second = np.eye(3)[np.array([[0, 1, 1], [1, 1, 0]])][np.newaxis]
    masks = [np.array([[0, 1, 1], [1, 2, 255]]), np.array([[0, 1, 1], [0, 1, 0]])]
    # Class 0: both 1 + 2 = 3, union 2 + 3 = 5. Class 1: both 2 + 3 = 5, union 3 + 4 = 7.
    # Class 2: both 1, union 1.
    expected = (3 / 5 + 5 / 7 + 1) / 3
    assert value_of("mean_iou", [first, second], masks) == pytest.approx(expected)


def test_mean_iou_against_sklearn() -> None:
    masks = [RNG.integers(0, 4, (8, 8)) for _ in range(5)]
    outputs = [RNG.random((1, 8, 8, 5)) for _ in range(5)]
    chosen = np.concatenate([o.argmax(-1).ravel() for o in outputs])
    expected = sk.jaccard_score(np.ravel(masks), chosen, average="macro", zero_division=0)
    assert value_of("mean_iou", outputs, masks) == pytest.approx(expected)


def test_mean_iou_takes_larger_masks_at_pixel_centres() -> None:
    mask = np.kron(np.array([[0, 1], [1, 0]]), np.ones((3, 3), dtype=int))
    output = np.eye(2)[np.array([[0, 1], [1, 1]])][np.newaxis]
    assert value_of("mean_iou", [output], [mask]) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_mean_iou_of_single_scores_and_of_class_numbers() -> None:
    mask = np.array([[0, 1], [1, 1]])
    single = np.array([[0.4, 0.5], [0.9, 0.1]]).reshape(1, 2, 2, 1)
    assert value_of("mean_iou", [single], [mask]) == pytest.approx((1 / 2 + 2 / 3) / 2)
    numbers = np.array([[[0, 1], [1, 0]]])
    assert value_of("mean_iou", [numbers], [mask]) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_similarity_to_the_reference() -> None:
    kind = METRICS["cosine"]
    a, b = {"scores": np.array([[3.0, 4.0]])}, {"scores": np.array([[4.0, 3.0]])}
    assert kind.row(b, a, None, SETTINGS)[0] == pytest.approx(24 / 25)
    assert kind.row(a, a, None, SETTINGS)[0] == 1.0
    assert METRICS["agreement"].row(b, a, None, SETTINGS)[0] == 0.0


@pytest.mark.parametrize(
    ("name", "output", "truth", "words"),
    [
        ("top1", np.zeros((1, 3)), 3, "of class 3, but the model has 3 classes"),
        ("top1", np.zeros((1, 3)), np.zeros(3), "the label is none"),
        ("roc_auc", np.zeros((1, 3)), 1, "has 3 values"),
        ("binary_accuracy", np.zeros((1, 1)), 2, "not 0 or 1"),
        ("mae", np.zeros((1, 3)), np.zeros(4), "the label has 4 values"),
        ("mae", np.zeros((1, 3)), None, "there is no label"),
        ("mean_iou", np.zeros((1, 2, 2, 3)), 1, "needs a mask"),
        ("mean_iou", np.zeros((1, 2, 2, 3)), np.full((2, 2), 3), "the mask has class 3"),
        ("mean_iou", np.zeros((1, 4)), np.zeros((2, 2), int), "gives no class to pixels"),
    ],
)
def test_labels_that_do_not_fit(name: str, output: np.ndarray, truth, words: str) -> None:
    with pytest.raises(DataError, match=words):
        value_of(name, [output], [truth])


def _sample(name: str, rng: np.random.Generator):
    if name in ("top1", "top5", "recall"):
        return rng.integers(0, 4, (1, 6)).astype(float), int(rng.integers(0, 6))
    if name in ("roc_auc", "binary_accuracy"):
        return rng.random((1, 1)).round(1), int(rng.integers(0, 2))
    if name == "mean_iou":
        return rng.random((1, 3, 3, 3)), rng.integers(0, 3, (3, 3))
    return rng.random((1, 4)), rng.random(4)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(set(METRICS) - {"map"})),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 3), min_size=2, max_size=12).filter(any),
)
def test_a_weight_is_a_repetition(name: str, seed: int, counts: list[int]) -> None:
    """What the bootstrap relies on, for every metric."""
    rng = np.random.default_rng(seed)
    samples = [_sample(name, rng) for _ in counts]
    weighted = value_of(name, *map(list, zip(*samples, strict=True)), np.array(counts, float))
    repeated = [s for s, count in zip(samples, counts, strict=True) for _ in range(count)]
    expected = value_of(name, *map(list, zip(*repeated, strict=True)))
    assert weighted == pytest.approx(expected, nan_ok=True)


def test_default_metrics() -> None:
    assert default_metrics("classes", 5) == ["top1"]
    assert default_metrics("classes", 6) == ["top1", "top5"]
    tasks = ("score", "values", "mask", "boxes", "any")
    chosen = {METRICS[name].task for task in tasks for name in default_metrics(task, 1)}
    assert chosen == set(tasks)
