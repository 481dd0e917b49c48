"""Public code in the forms in which it is found: the truth first, then what the diagnosis says."""

import json
from importlib import import_module
from pathlib import Path

import pytest

# Of each that is wrong: entries that are named, the first sentence, what is said without an entry.
WRONG = {
    "attention": ("", "dq, dk. Right: dv.", "the root of D times the right one"),
    "batch_norm_two_mistakes": (
        "S17 S22", "dx, dgamma. Right: dbeta.", "for constants", "it gets x"),
    "conv3x3_overwritten": ("", "dw. Right: z.", "= where += belongs"),
    "conv_bias_overwritten": ("", "db. Right: z, dx, dw.", "= where += belongs"),
    "conv_cropped_at_minus_zero": ("D11", "dx. Right: z, dw, db."),
    "conv_relu_mask_of_delta": ("S12", "dx, dw, db. Right: z."),
    "depthwise_two_mistakes": (
        "", "dx, db. Right: dw.", "the stride is missing", "a mean where a sum belongs"),
    "dropout_without_scale": ("S26", "dA."),
    "embedding": ("", "dW.", "= where += belongs"),
    "head_relu_two_mistakes": (
        "S2 S3", "dw, dx. Right: p, loss, dz, db.", "dw has x before the ReLU"),
    "head_softmax_of_the_batch": ("", "p, loss, dz, dw, db, dx.", "the sum over the whole batch"),
    "horizontal_stride": ("W3", "dw. Right: z, dx, db.", "along the last axis only"),
    "im2col_two_mistakes": (
        "", "z, dw. Right: dx, db.", "The bias is missing.", "1/(oh*ow) times the right one"),
    "im2col_weights_reshaped": ("F10", "dw. Right: z, dx, db."),
    "lstm_step": ("", "dx, dprev_h, dprev_c, dWx, dWh, db.", "No known mistake"),  # an unseen c
    "pool_over_channels": ("", "dx. Right: a.", "in all channels of the window together"),
    "pool_ties_pay_twice": ("P1", "dx. Right: a."),
    "pool_two_mistakes": ("P2", "a, dx.", "The running maximum starts at 0"),
    "rnn_tanh_of_the_sum": ("S8", "dx, dprev_h, dWx, dWh, db."),
    "same_col_order": ("F10 F11", "z, dx, dw. Right: db."),
    "same_cropped_wrongly": ("D9", "dx. Right: z, dw, db.", "one of them was made"),
    "signal_without_stride": ("D4 D5", "dx. Right: z, dw, db."),
    "step_adam_clock": ("T9", "w1, b1, w2, b2."),
    "step_weights_too_early": ("D22", "w1, b1, w2, b2."),
    "strided_not_turned": ("D1 D2 D3", "dx. Right: z, dw, db."),
    "volume_overwritten": ("D19", "dx. Right: z, dw, db."),
}  # fmt: skip
# Of each that is right: the first sentence.
RIGHT = {
    "adam_class": "all 3 configurations: w1, b1, w2, b2.",
    "average_pool_distributed": "all 11 configurations: a, dx.",
    "batch_norm": "all 6 configurations: dx, dgamma, dbeta.",
    "conv3x3_in_place": "21 of 23 configurations: z, dw.",
    "conv_leaky_relu": "all 27 configurations: z, dx, dw, db.",
    "conv_loops_nchw": "all 27 configurations: z, dx, dw, db.",
    "conv_loops_nhwc": "all 27 configurations: z, dx, dw, db.",
    "gelu": "all 6 configurations: dx.",
    "global_average_pool": "all 6 configurations: dx.",
    "grouped": "all 6 configurations: dx, dw, db.",
    "head_softmax_loss": "all 5 configurations: loss, dz, dx, dw, db.",
    "im2col_class": "all 27 configurations: z, dx, dw, db.",
    "im2col_indices": "all 27 configurations: z, dx, dw, db.",
    "layer_norm": "all 6 configurations: dx, dgamma, dbeta.",
    "pool_reshaped": "all 20 configurations: a, dx.",
    "same_offsets": "all 26 configurations: z, dx, dw, db.",
    "scipy_one_sample": "all 25 configurations: z, dx, dw, db.",
    "signal_class": "all 25 configurations: z, dx, dw, db.",
    "step_momentum": "all 3 configurations: w1, b1, w2, b2.",
    "strided_tensordot": "all 26 configurations: z, dx, dw, db.",
    "torch_function": "all 27 configurations: z, dx, dw, db.",
    "transposed": "all 6 configurations: dx, dw, db.",
    "true_convolution": "all 26 configurations: z, dx, dw, db.",
    "volume_loops": "all 27 configurations: z, dx, dw, db.",
}
NAMES = [*WRONG, *RIGHT]


def found(name):
    return import_module(f"found.{name}")


def test_every_file_is_asked():
    files = {path.stem for path in Path(__file__).parent.glob("found/*.py")}
    assert files == {*NAMES, "__init__", "common", "steps"}
    assert len(NAMES) == 50


def test_the_chapter_tells_of_them():
    """The last row of the record in chapter 9 is what the tests below hold."""
    record = Path(__file__).parents[2] / "notebooks" / "results" / "diagnosis.json"
    last = json.loads(record.read_text(encoding="utf-8"))["rows"][-1]
    unexplained = [name for name, words in WRONG.items() if "No known mistake" in words]
    assert last["noticed"] == [len(WRONG), len(WRONG)]
    assert last["explained"] == [len(WRONG) - len(unexplained), len(WRONG)]
    assert last["accepted"] == [len(RIGHT), len(RIGHT)]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_its_truth(name, torch):
    """Each proves with PyTorch, or by differences, what is wrong in it and that the rest is not."""
    module = found(name)
    assert module.TRUTH["right"] is (name in RIGHT)
    module.truth()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said(name, request):
    if name == "torch_function":
        request.getfixturevalue("torch")
    report = found(name).report()
    text, ids = str(report), {one.mistake for one in report.findings} - {None}
    if name in RIGHT:
        assert report.ok is True, text
        assert text.splitlines()[0] == f"Right in {RIGHT[name]}", text
        return
    names, first, *said = WRONG[name]
    assert report.ok is False, text
    assert text.splitlines()[0] == f"Wrong: {first}", text
    assert ids == set(names.split()), text
    for words in said:
        assert words in text, text
    # What nothing explains is said of the one that nothing explains, and of no other.
    assert ("No known mistake" in text) == (name == "lstm_step"), text
