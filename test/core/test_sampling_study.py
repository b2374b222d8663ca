"""Time saved against macro-F1 lost: each threshold sees the same ticks, and the curve is told as it is."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_model import gated_package

from msstan_core.cli import main
from msstan_core.inference.frame_sampling import FIXED, FrameSampling
from msstan_core.inference.model_package import ModelPackage
from msstan_core.inference.split_engine import SplitEngine
from msstan_core.observation import CameraFrame, TelemetrySample
from msstan_core.recordings.annotations import Annotation, write_annotations
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.studies.sampling_study import SampledWeld, curves, recommended, watch
from msstan_core.vocabulary import MODALITIES, Modality

START_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return gated_package(tmp_path_factory)


def fixed(*thresholds: float) -> tuple[FrameSampling, ...]:
    return tuple(FrameSampling(threshold, FIXED) for threshold in thresholds)


def burn(ms: float) -> None:
    until = time.thread_time() + 1e-3 * ms
    while time.thread_time() < until:
        pass


def weld(folder: Path, camera: bool = True, seconds: float = 2.0, source: str = "") -> Path:
    """A bag with pictures that change every half second, and labels."""
    rng = np.random.default_rng(0)
    with BagWriter(folder, {"simulated": "true"}) as writer:
        for index in range(int(seconds * 25)):
            stamp = START_NS + index * 40_000_000
            if index % 12 == 0:
                image = rng.integers(0, 255, (48, 64), dtype=np.uint8)
            if camera:
                writer.write(CameraFrame(stamp, image=image))
            writer.write(TelemetrySample(stamp, 100.0, 20.0))
    half = seconds / 2
    labels = [
        Annotation(0, half, "action", "IDLE", source=source),
        Annotation(half, seconds, "action", "MATERIAL_DEPOSITION", source=source),
    ]
    write_annotations(folder / "annotations.csv", labels)
    return folder


def test_higher_thresholds_skip_more_and_the_same_ticks_are_seen(package: ModelPackage, tmp_path: Path) -> None:
    watched = watch(package, weld(tmp_path / "weld"), fixed(1e-6, 0.5, 0.999))
    assert watched is not None and watched.simulated
    assert watched.ticks == 50
    assert watched.skipped[0] == 0 and watched.skipped[1] == 0
    assert watched.skipped[3] == pytest.approx(0.8, abs=0.05)  # longest_hold is 4
    assert watched.skipped[1] <= watched.skipped[2] <= watched.skipped[3]
    assert watched.f1_loss[0] == pytest.approx(0.0), "looking at every frame in parts loses nothing"
    assert watched.changed[0] == watched.changed[1] == 0
    assert (watched.ms > 0).all()
    assert watched.rarest == 25


def test_a_share_is_looked_at(package: ModelPackage, tmp_path: Path) -> None:
    watched = watch(package, weld(tmp_path / "weld", seconds=8.0), (FrameSampling(share=0.5), FrameSampling(share=0.3)))
    assert watched is not None
    assert watched.skipped[1:] == pytest.approx([0.5, 0.7], abs=0.08)


def test_work_in_the_thread_of_the_backbone_counts(
    package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without skipping the backbone runs there: time of the calling thread would leave out what skipping saves."""
    begin, ms = SplitEngine.begin, 6.0

    def slow(engine: SplitEngine, camera: NDArray[np.uint8]) -> None:
        begin(engine, camera)
        engine._beside.start(lambda: burn(ms)).result()

    monkeypatch.setattr(SplitEngine, "begin", slow)
    watched = watch(package, weld(tmp_path / "weld"), fixed(0.999))
    assert watched is not None
    assert watched.ms[0] > ms * watched.ticks
    assert watched.ms[1] < ms * watched.ticks


def test_a_sensor_that_the_labels_come_from_is_not_heard(
    package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[frozenset[Modality]] = []
    samples = BagReader.samples

    def noted(reader: BagReader, modalities: frozenset[Modality]) -> Any:
        heard.append(modalities)
        return samples(reader, modalities)

    monkeypatch.setattr(BagReader, "samples", noted)
    watch(package, weld(tmp_path / "own", seconds=0.4), ())
    watch(package, weld(tmp_path / "from telemetry", seconds=0.4, source="telemetry"), ())
    assert heard == [frozenset(MODALITIES), frozenset(MODALITIES) - {Modality.TELEMETRY}]


def test_a_bag_without_camera_is_left_out(package: ModelPackage, tmp_path: Path) -> None:
    assert watch(package, weld(tmp_path / "weld", camera=False), fixed(0.5)) is None


def made(simulated: bool, saved: list[float], lost: list[float]) -> SampledWeld:
    ms = np.array([100.0, *(100.0 * (1 - s) for s in saved)])
    f1 = np.array([0.9, *(0.9 - x for x in lost)])
    return SampledWeld("w", simulated, 10, f1, ms, np.array([0.0, *saved]), np.array([0, 0, 1]), rarest=3)


def test_curves_are_means_over_welds_of_a_kind() -> None:
    welds = [made(True, [0.2, 0.4], [0.0, 0.02]), made(True, [0.4, 0.6], [0.0, 0.04]), made(False, [0.1, 0.2], [0, 0])]
    shares, found = curves(welds, fixed(0.1, 0.5))
    assert shares == {"real": {}, "simulated": {}}
    assert found["simulated"]["0.5"]["changed"] == {"mean": 1.0, "std": 0.0}
    assert found["simulated"]["0.1"]["time_saved"] == {"mean": 0.3, "std": 0.1}
    assert found["simulated"]["0.5"]["f1_loss"]["mean"] == pytest.approx(0.03)
    assert found["real"]["0.5"]["welds"] == 1
    assert recommended(found["simulated"]) == "0.1"
    assert recommended(found["real"]) == "0.5"
    assert recommended({"0.5": found["simulated"]["0.5"]}) is None


def test_the_command_writes_the_trade_off(package: ModelPackage, tmp_path: Path) -> None:
    weld(tmp_path / "bags" / "weld", seconds=1.2)
    file = tmp_path / "sampling.json"
    status = main(["study", "sampling", str(package.directory), "--data", str(tmp_path / "bags"), "--json", str(file)])
    found = json.loads(file.read_text(encoding="utf-8"))
    assert status == 0
    assert found["details"]["own_threshold"] == 0.5
    assert found["details"]["own_share"] == FrameSampling().share
    assert set(found["details"]["share_curves"]["simulated"]) == {"0.12", "0.15", "0.2", "0.25", "0.3", "0.5"}
    assert found["metrics"]["simulated"]["time_saved"] == found["metrics"]["time_saved"]
    assert set(found["details"]["curves"]) == {"simulated"}
