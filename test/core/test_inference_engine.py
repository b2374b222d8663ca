"""Engines: torch and ONNX agree over long streams, streams do not mix, and what is skipped is not computed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_streams import assert_equal, counted_looks, run, ticks
from small_model import gated_package

from msstan_core.cli import main
from msstan_core.errors import InputError
from msstan_core.inference.bound_graph import Places
from msstan_core.inference.engine import Backend, OnnxEngine, load_engine
from msstan_core.inference.frame_sampling import FIXED, FrameSampling
from msstan_core.inference.model_package import (
    CARD_FILE,
    GATE_FILE,
    HELD_STEP_FILE,
    STEP_FILE,
    WEIGHTS_FILE,
    ModelPackage,
    load_package,
)
from msstan_core.inference.providers import chosen_providers
from msstan_core.inference.sampling_engine import SamplingEngine
from msstan_core.model.ms_stan import Features, MsStan
from msstan_core.model.switches import SamplingConfig
from msstan_core.preprocessing.preprocessor import NetworkInput
from msstan_core.vocabulary import Modality

AGREE = 1e-4


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """With a gate and a guided attention."""
    return gated_package(tmp_path_factory)


@pytest.fixture(scope="module")
def model(package: ModelPackage) -> MsStan:
    engine = load_engine(package, "torch")
    return engine.model  # type: ignore[attr-defined,no-any-return]


#: What the model was trained with.
MODELS = FrameSampling(share=FIXED)


@pytest.mark.parametrize(
    "sampling",
    [None, MODELS, FrameSampling(0.49, FIXED), FrameSampling(share=0.4)],
    ids=["every frame", "model's", "own", "share"],
)
def test_torch_and_onnx_give_the_same_answers(
    package: ModelPackage, model: MsStan, sampling: FrameSampling | None
) -> None:
    stream = ticks(model, 60)
    onnx = run(load_engine(package, "onnx", sampling=sampling), stream)
    reference = run(load_engine(package, "torch", sampling=sampling), stream)
    for ours, theirs in zip(onnx, reference, strict=True):
        assert ours.looked == theirs.looked
        assert_equal(ours, theirs)


def test_streaming_through_the_engine_equals_unrolled_over_thousands_of_ticks(
    package: ModelPackage, model: MsStan
) -> None:
    """In clips that overlap by all that a tick can see of the past."""
    distinct = ticks(model, 250, seed=3)
    arrays = {name: np.stack([getattr(t, name) for t in distinct]) for name in distinct[0].arrays()}
    with torch.inference_mode():
        camera, thumbnail = model.look(torch.from_numpy(arrays["camera"]))
    features = Features(
        **{**{n: torch.from_numpy(a) for n, a in arrays.items()}, "camera": camera}, thumbnail=thumbnail
    )
    order = np.random.default_rng(0).integers(0, len(distinct), 3000)
    engine = load_engine(package)
    streamed = np.array([engine.step(distinct[index]).action_logits for index in order])
    reach = model.config.ring_ticks + model.config.temporal_kernel - 2
    for begin in range(0, len(order), 500):
        first = max(0, begin - reach)
        clip = features.map(lambda part, first=first, begin=begin: part[order[first : begin + 500]][None])
        with torch.inference_mode():
            unrolled = model.unroll(clip).action_logits[0, begin - first :].numpy()
        np.testing.assert_allclose(streamed[begin : begin + 500], unrolled, atol=1e-5)


def test_a_skipped_frame_does_not_run_the_backbone(
    package: ModelPackage, model: MsStan, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load_engine(package, sampling=MODELS)
    assert isinstance(engine, SamplingEngine)
    runs = counted_looks(engine, monkeypatch)
    answers = run(engine, ticks(model, 60))
    assert 0 < len(runs) < 60
    assert len(runs) == sum(answer.looked for answer in answers)


def test_looking_at_every_frame_in_parts_is_the_whole_step(package: ModelPackage, model: MsStan) -> None:
    stream = [t for t in ticks(model, 60) if t.valid[Modality.CAMERA]]
    parts = run(load_engine(package, sampling=FrameSampling(1e-9, FIXED)), stream)
    whole = run(load_engine(package), stream)
    for ours, theirs in zip(parts, whole, strict=True):
        assert ours.looked and 0 < ours.importance < 1
        assert_equal(ours, theirs, 1e-5)


def test_a_held_frame_stands_in_exactly(package: ModelPackage, model: MsStan) -> None:
    """What the sampling engine says is what the whole step says of a stream in which held frames are repeated."""
    stream = [t for t in ticks(model, 60) if t.valid[Modality.CAMERA]]
    sampled = run(load_engine(package, sampling=MODELS), stream)
    held, last = [], stream[0]
    for tick, answer in zip(stream, sampled, strict=True):
        last = tick if answer.looked else last
        held.append(NetworkInput(**{**{n: getattr(tick, n) for n in tick.arrays()}, "camera": last.camera}))
    for ours, theirs in zip(sampled, run(load_engine(package), held), strict=True):
        assert_equal(ours, theirs, 1e-5)


@pytest.mark.parametrize("sampling", [None, MODELS, FrameSampling(share=0.4)], ids=["every frame", "sampled", "share"])
@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_streams_of_one_model_do_not_mix(
    package: ModelPackage, model: MsStan, backend: Backend, sampling: FrameSampling | None
) -> None:
    one, other = ticks(model, 12), ticks(model, 12, seed=9)
    engine = load_engine(package, backend, sampling=sampling)
    alone = run(engine, one)
    engine.reset()
    fork = engine.fork()
    for index, tick in enumerate(one):
        fork.step(other[index])
        assert_equal(engine.step(tick), alone[index], 1e-6)


def test_a_reset_forgets_everything(package: ModelPackage, model: MsStan) -> None:
    for sampling in (None, MODELS, FrameSampling(share=0.4)):
        engine = load_engine(package, sampling=sampling)
        for length in (7, 8):  # states lie in two places in turn: both parities
            first = run(engine, ticks(model, length))
            engine.reset()
            for ours, theirs in zip(run(engine, ticks(model, length)), first, strict=True):
                assert_equal(ours, theirs, 0.0)
            engine.reset()


def test_an_answer_is_not_overwritten_by_the_next_tick(package: ModelPackage, model: MsStan) -> None:
    engine, stream = load_engine(package), ticks(model, 6)
    first = engine.step(stream[0])
    kept = first.action_logits.copy(), first.attention.copy()
    engine.step(stream[5])
    np.testing.assert_array_equal(first.action_logits, kept[0])
    np.testing.assert_array_equal(first.attention, kept[1])


def test_a_model_without_gate_cannot_skip(package: ModelPackage) -> None:
    config = package.card.config.model_copy(update={"sampling": SamplingConfig()})
    card = package.card.model_copy(update={"config": config})
    without = dataclasses.replace(package, card=card)
    assert not isinstance(load_engine(without), SamplingEngine)
    with pytest.raises(InputError, match="no importance gate"):
        load_engine(without, sampling=MODELS)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_outside_its_range_is_refused(package: ModelPackage, threshold: float) -> None:
    with pytest.raises(InputError, match="sampling threshold"):
        load_engine(package, sampling=FrameSampling(threshold))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(package: ModelPackage, share: float) -> None:
    with pytest.raises(InputError, match="sampling share"):
        load_engine(package, sampling=FrameSampling(share=share))


def test_an_input_of_another_size_is_refused(package: ModelPackage) -> None:
    engine = OnnxEngine(package)
    assert isinstance(engine._places, Places)
    with pytest.raises(ValueError, match="valid has shape"):
        engine._places.write("valid", np.zeros((1, 5), np.float32))


CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


@pytest.mark.parametrize(
    ("choice", "available", "expected"),
    [
        ("auto", [CPU], [CPU]),
        ("auto", [CUDA, CPU], [CUDA, CPU]),
        ("auto", [CPU, CUDA, TENSORRT], [TENSORRT, CUDA, CPU]),
        ("cuda", [TENSORRT, CUDA, CPU], [CUDA, CPU]),
        ("cpu", [TENSORRT, CUDA, CPU], [CPU]),
    ],
)
def test_the_best_provider_that_is_there_is_taken(choice: str, available: list[str], expected: list[str]) -> None:
    assert [name for name, _ in chosen_providers(choice, available)] == expected  # type: ignore[arg-type]


def test_a_provider_that_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match="has only CPUExecutionProvider"):
        chosen_providers("tensorrt", [CPU])
    with pytest.raises(InputError, match="one of auto"):
        chosen_providers("npu", [CPU])  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_model_leaves_the_arithmetic_of_the_process_alone(package: ModelPackage, backend: str) -> None:
    """Flushing subnormal numbers to zero is a state of the thread: all else that runs in it would compute otherwise.

    In a process of its own, because only the first session of a process decides.
    """
    script = (
        "import sys; from pathlib import Path; from msstan_core.inference.engine import Backend, load_engine; "
        "from msstan_core.inference.model_package import load_package; "
        f"load_engine(load_package(Path({str(package.directory)!r})), {backend!r}); "
        "sys.exit(0 if sys.float_info.min * sys.float_info.epsilon > 0.0 else 'subnormal numbers are flushed')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_model_is_exported_anew(package: ModelPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever has become of its graphs; of the rest nothing may be missing or corrupt."""
    folder = tmp_path / "model"
    shutil.copytree(package.directory, folder)
    (folder / STEP_FILE).write_bytes(b"an older graph")
    with pytest.raises(InputError, match=r"step\.onnx: does not match .*; write it anew: msstan export"):
        load_package(folder)
    (folder / HELD_STEP_FILE).unlink()
    with (folder / WEIGHTS_FILE).open("ab") as stream:
        stream.write(b"more")
    assert main(["export", str(folder)]) == 1
    assert "weights.pt: does not match the card's sha256" in capsys.readouterr().err
    shutil.copy(package.directory / WEIGHTS_FILE, folder)
    (folder / GATE_FILE).write_bytes(b"cut")
    card = load_package(package.directory).card
    changed = card.model_copy(update={"metrics": {"onnx_difference": 1.0, "other": 2.0}})
    (folder / CARD_FILE).write_text(json.dumps(changed.model_dump(mode="json")), encoding="utf-8")
    assert main(["export", str(folder)]) == 0
    exported = load_package(folder)  # compares the hashes
    assert exported.card.metrics["other"] == 2.0
    assert exported.card.metrics["onnx_difference"] < AGREE
    assert load_engine(exported).provider == "CPUExecutionProvider"
