"""The step in two parts: the same answers, the backbone beside the preprocessing, and nothing left behind."""

from __future__ import annotations

import dataclasses
import gc
import threading

import numpy as np
import pytest
from engine_streams import assert_equal, counted_looks, ticks
from small_model import gated_package

from msstan_core.inference.engine import OnnxEngine, TorchEngine, load_engine
from msstan_core.inference.model_package import STEP_FILE, ModelPackage
from msstan_core.inference.split_engine import SplitEngine
from msstan_core.model.ms_stan import MsStan
from msstan_core.observation import CameraFrame, Tick
from msstan_core.preprocessing.preprocessor import Preprocessor
from msstan_core.vocabulary import MODALITIES, Modality


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return gated_package(tmp_path_factory)


@pytest.fixture(scope="module")
def model(package: ModelPackage) -> MsStan:
    return TorchEngine(package).model


def test_the_step_in_two_parts_is_the_whole_step_with_and_without_a_camera(
    package: ModelPackage, model: MsStan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the image was begun with, was not, or another one was; a tick without camera does not look at all."""
    split, whole = load_engine(package), OnnxEngine(package)
    assert isinstance(split, SplitEngine)
    runs = counted_looks(split, monkeypatch)
    stream, looks = ticks(model, 60), 0
    for index, tick in enumerate(stream):
        sees = tick.valid[Modality.CAMERA] > 0
        if index % 3 == 0 and sees:
            split.begin(tick.camera)
        elif index % 3 == 1:
            split.begin(stream[0].camera.copy())  # of a tick that never came
            looks += 1
        looks += int(sees)
        assert_equal(split.step(tick), whole.step(tick), 1e-5)
    split.begin(stream[0].camera)
    split._forget_image()
    assert len(runs) == looks + 1


def test_a_sibling_answers_as_a_fork_does_and_looks_at_nothing(
    package: ModelPackage, model: MsStan, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = load_engine(package)
    sibling, fork = split.sibling(), OnnxEngine(package)
    runs, heard = counted_looks(split, monkeypatch), frozenset({Modality.CAMERA, Modality.TELEMETRY})
    stream = ticks(model, 40)
    for tick in stream:
        split.step(tick)
        assert_equal(sibling.step(tick.only(heard)), fork.step(tick.only(heard)), 1e-5)
    assert len(runs) == sum(tick.valid[Modality.CAMERA] > 0 for tick in stream)
    sibling.reset()
    fork.reset()
    split.step(stream[0])
    assert_equal(sibling.step(stream[0].only(heard)), fork.step(stream[0].only(heard)), 1e-5)


def test_an_error_in_the_backbones_thread_is_the_ticks(
    package: ModelPackage, model: MsStan, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load_engine(package)
    assert isinstance(engine, SplitEngine)
    tick = next(t for t in ticks(model, 20) if t.valid[Modality.CAMERA])
    before = engine.state()

    def broken() -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine._look, "run", broken)
        engine.begin(tick.camera)
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.step(tick)
    for name, part in engine.state().items():
        np.testing.assert_array_equal(part, before[name])
    engine.begin(tick.camera)
    assert_equal(engine.step(tick), OnnxEngine(package).step(tick), 1e-5)


def test_the_backbones_thread_ends_with_its_engine(package: ModelPackage) -> None:
    before = set(threading.enumerate())
    engine = load_engine(package)
    fork = engine.fork()
    started = set(threading.enumerate()) - before
    assert [thread.name for thread in started] == ["backbone", "backbone"]
    del engine, fork
    gc.collect()
    for thread in started:
        thread.join(5.0)
        assert not thread.is_alive()


def test_the_monitor_looks_while_it_reads_the_other_sensors(package: ModelPackage) -> None:
    spec = package.card.config.inputs
    begun: list[np.ndarray] = []
    image = np.full((spec.camera_px, spec.camera_px, 3), 7, np.uint8)
    valid = np.array([m is Modality.CAMERA for m in MODALITIES])
    tick = Tick(index=0, stamp_ns=1, camera=CameraFrame(1, image=image), valid=valid)
    read, _ = Preprocessor(spec)(tick, begun.append)
    assert len(begun) == 1 and begun[0] is read.camera
    Preprocessor(spec)(Tick(index=0, stamp_ns=1, valid=np.zeros(4, bool)), begun.append)
    assert len(begun) == 1


def test_a_model_of_an_earlier_version_has_the_whole_step_only(package: ModelPackage) -> None:
    card = package.card.model_copy(update={"files": {STEP_FILE: package.card.files[STEP_FILE]}})
    assert isinstance(load_engine(dataclasses.replace(package, card=card)), OnnxEngine)
