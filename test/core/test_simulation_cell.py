from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, CameraFrame, Sample, TelemetrySample, ThermalFrame, WeldContext
from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation import ParameterDeltas, Scenario, WeldCell, parse_scenario, simulate
from msstan_core.simulation.recording import record
from msstan_core.vocabulary import ARC_ON, Action

SMALL = {"camera": {"width": 96, "height": 64}, "thermal": {"width": 32, "height": 24}}
BLIND = {name: {"enabled": False} for name in ("camera", "thermal", "microphone", "telemetry")}


def scenario(**sections: Any) -> Scenario:
    """A short lap weld of about 10 s."""
    content: dict[str, Any] = {
        "seed": 5,
        "process": {"voltage_v": 20.0, "wire_feed_speed_m_s": 0.075, "travel_speed_m_s": 0.008},
        "joint": {"seam_length_m": 0.04},
        "procedure": {
            "idle_s": 0.4,
            "placement_s": 1.0,
            "approach_s": 0.6,
            "pre_flow_s": 0.3,
            "crater_fill_s": 1.0,
            "cooling_s": 1.0,
            "heat_adjustments": [{"at_s": 2.2, "duration_s": 0.8, "energy": 0.85}],
        },
    }
    for name, values in sections.items():
        content[name] = {**content.get(name, {}), **values} if isinstance(values, dict) else values
    return parse_scenario(content)


def finish(cell: WeldCell) -> WeldCell:
    while not cell.finished:
        for _ in cell.advance(cell.time_s + 0.5):
            pass
    return cell


@pytest.fixture(scope="module")
def recording() -> tuple[list[Sample], list[Annotation]]:
    return simulate(scenario(**SMALL))


def content_hash(samples: list[Sample]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(str(sample.stamp_ns).encode())
        if isinstance(sample, CameraFrame) and sample.image is not None:
            digest.update(sample.image.tobytes())
        elif isinstance(sample, ThermalFrame):
            digest.update(sample.celsius.tobytes())
        elif isinstance(sample, AudioChunk):
            digest.update(sample.samples.tobytes())
        elif isinstance(sample, TelemetrySample):
            digest.update(repr(sample.as_row()).encode())
    return digest.hexdigest()


def test_same_seed_gives_the_same_samples_and_another_seed_others() -> None:
    def start(seed: int) -> list[Sample]:
        return list(WeldCell(scenario(**SMALL, seed=seed)).advance(3.4))

    assert content_hash(start(5)) == content_hash(start(5))
    assert content_hash(start(5)) != content_hash(start(6))


def test_how_time_is_sliced_does_not_change_the_samples() -> None:
    whole = list(WeldCell(scenario(**SMALL)).advance(3.0))
    cell = WeldCell(scenario(**SMALL))
    sliced = [sample for end in np.arange(0.07, 3.2, 0.07) for sample in cell.advance(min(float(end), 3.0))]
    assert content_hash(whole) == content_hash(sliced)


def test_every_action_of_the_programme_is_labelled_once_in_order(
    recording: tuple[list[Sample], list[Annotation]],
) -> None:
    spans = [a for a in recording[1] if a.kind == "action"]
    assert [a.action for a in spans] == [
        Action.IDLE,
        Action.MATERIAL_PLACEMENT,
        Action.IDLE,
        Action.ELECTRODE_MOVEMENT,
        Action.IDLE,
        Action.ARC_INITIATION,
        Action.MATERIAL_DEPOSITION,
        Action.HEAT_INPUT_ADJUSTMENT,
        Action.MATERIAL_DEPOSITION,
        Action.CRATER_FILL,
        Action.ARC_EXTINCTION,
        Action.COOLING,
    ]
    assert all(a.end_s == pytest.approx(b.start_s, abs=1e-6) for a, b in pairwise(spans))
    initiation = next(a for a in spans if a.action is Action.ARC_INITIATION)
    extinction = next(a for a in spans if a.action is Action.ARC_EXTINCTION)
    assert initiation.end_s - initiation.start_s >= 0.5 - 1e-6
    assert extinction.end_s - extinction.start_s == pytest.approx(0.5, abs=0.02)


def test_current_flows_exactly_while_the_labels_say_arc(recording: tuple[list[Sample], list[Annotation]]) -> None:
    samples, annotations = recording
    burning = [a for a in annotations if a.kind == "action" and a.action in ARC_ON]
    begin, end = burning[0].start_s, burning[-1].end_s
    telemetry = [s for s in samples if isinstance(s, TelemetrySample)]
    before = [s.current_a for s in telemetry if s.stamp_ns / 1e9 < begin - 0.05]
    during = [s.current_a for s in telemetry if begin + 0.3 < s.stamp_ns / 1e9 < end - 0.1]
    after = [s.current_a for s in telemetry if s.stamp_ns / 1e9 > end + 0.4]
    assert max(before) < 20 and max(after) < 20
    assert np.mean(np.array(during) > 60) > 0.97


def test_all_modalities_notice_the_arc(recording: tuple[list[Sample], list[Annotation]]) -> None:
    samples, annotations = recording
    burning = [a for a in annotations if a.kind == "action" and a.action in ARC_ON]
    begin, end = burning[0].start_s + 0.3, burning[-1].end_s - 0.3

    def split(kind: type, value: Any) -> tuple[float, float]:
        found = [(s.stamp_ns / 1e9, value(s)) for s in samples if isinstance(s, kind)]
        return (
            float(np.median([v for t, v in found if t < begin - 1.0])),
            float(np.median([v for t, v in found if begin < t < end])),
        )

    dark, bright = split(CameraFrame, lambda s: s.image.max())
    assert bright > 250 > dark
    cold, hot = split(ThermalFrame, lambda s: s.celsius.max())
    assert cold < 60 and hot > 1300
    quiet, loud = split(AudioChunk, lambda s: s.samples.std())
    assert loud > 4 * quiet


def test_streams_have_their_rates_shapes_and_ascending_stamps(recording: tuple[list[Sample], list[Annotation]]) -> None:
    samples, _ = recording
    assert isinstance(samples[0], WeldContext)
    end_s = max(s.stamp_ns for s in samples) / 1e9
    for kind, rate in ((CameraFrame, 30), (ThermalFrame, 25), (TelemetrySample, 50), (AudioChunk, 16000 / 1024)):
        stamps = [s.stamp_ns for s in samples if isinstance(s, kind)]
        assert len(stamps) == pytest.approx(rate * end_s, abs=3)
        assert all(b > a for a, b in pairwise(stamps))
    chunks = [s for s in samples if isinstance(s, AudioChunk)]
    assert all(a.end_stamp_ns == b.stamp_ns for a, b in pairwise(chunks))
    available = [s.end_stamp_ns if isinstance(s, AudioChunk) else s.stamp_ns for s in samples]
    assert all(b >= a - 10_000_000 for a, b in pairwise(available))
    frame = next(s for s in samples if isinstance(s, CameraFrame))
    assert frame.image is not None and frame.image.shape == (64, 96, 3) and frame.image.dtype == np.uint8


@pytest.mark.parametrize(
    ("kind", "known"), [("gmaw", (1, 1, 1, 1, 1)), ("laser", (0, 0, 0, 1, 1)), ("fsw", (0, 0, 0, 1, 0))]
)
def test_the_weld_context_tells_the_programme_of_an_undisturbed_weld(kind: str, known: tuple[int, ...]) -> None:
    """What the display shows in the middle of a good weld is what the context says, where it says something."""
    process = {"kind": kind} if kind != "fsw" else {"kind": kind, "gas_flow_l_min": 0.0, "travel_speed_m_s": 0.004}
    cell = WeldCell(
        scenario(**{**SMALL, "process": process, "disturbances": [], "procedure": {"heat_adjustments": []}})
    )
    programmed = np.array(cell.context.programmed)
    assert tuple(np.isfinite(programmed).astype(int)) == known
    rows = [(s.stamp_ns / 1e9, s.as_row()) for s in cell.advance(14.0) if isinstance(s, TelemetrySample)]
    deposition = next(a for a in cell.annotations if a.label == "MATERIAL_DEPOSITION")
    begin, end = deposition.start_s + 1.0, min(deposition.end_s, 14.0) - 0.2
    assert end > begin + 0.5
    shown = np.median([row for t, row in rows if begin < t < end], axis=0)
    told = np.isfinite(programmed)
    assert shown[told] == pytest.approx(programmed[told], rel=0.05)


def test_a_switched_off_sensor_is_silent_and_changes_no_other() -> None:
    with_camera = [s for s in WeldCell(scenario(**SMALL)).advance(3.0) if isinstance(s, AudioChunk)]
    without = list(WeldCell(scenario(**{**SMALL, "camera": {"enabled": False}})).advance(3.0))
    assert not any(isinstance(s, CameraFrame) for s in without)
    assert content_hash(with_camera) == content_hash([s for s in without if isinstance(s, AudioChunk)])


def test_the_thermal_crop_follows_the_hottest_point() -> None:
    thermal = {"width": 60, "height": 45, "crop_px": 30}
    only = {**BLIND, "thermal": thermal}
    frames = [s for s in WeldCell(scenario(**only)).advance(6.0) if isinstance(s, ThermalFrame)]
    hot = [f for f in frames if f.celsius.max() > 1200]
    assert len(hot) > 30
    for frame in hot:
        assert frame.celsius.shape == (30, 30)
        assert frame.celsius[19, 15] == frame.celsius.max()


def test_advised_values_reach_the_setpoints_gradually_and_are_absolute() -> None:
    cell = WeldCell(scenario(**BLIND, procedure={"heat_adjustments": []}))
    for _ in cell.advance(5.0):
        pass
    before = cell.setpoints.voltage_v
    for _ in range(3):
        cell.apply(ParameterDeltas(voltage_v=2.0))
    for _ in cell.advance(5.05):
        pass
    assert before < cell.setpoints.voltage_v < before + 1.0
    for _ in cell.advance(7.0):
        pass
    assert cell.setpoints.voltage_v == pytest.approx(before + 2.0, abs=0.05)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_change_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        WeldCell(scenario(**BLIND)).apply(ParameterDeltas(voltage_v=value))


@pytest.mark.parametrize("kind", ["laser", "fsw"])
def test_other_processes_run_to_their_end(kind: str) -> None:
    speed = 0.02 if kind == "laser" else 0.008
    process = {"kind": kind, "travel_speed_m_s": speed, "wire_feed_speed_m_s": 0.0}
    joint = {"kind": "butt", "material_a": "aluminium", "material_b": "aluminium", "filler": "none"}
    cell = WeldCell(scenario(**SMALL, process=process, joint=joint))
    samples = []
    while not cell.finished:
        samples.extend(cell.advance(cell.time_s + 0.5))
    actions = {a.action for a in cell.annotations if a.kind == "action"}
    assert {Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.ARC_EXTINCTION, Action.COOLING} <= actions
    telemetry = [s for s in samples if isinstance(s, TelemetrySample)]
    assert all(np.isnan(s.voltage_v) for s in telemetry)
    assert cell.heat.peak_c.max() > 300


def test_equal_scenarios_give_equal_bags_bit_for_bit(tmp_path: Path) -> None:
    short = scenario(**SMALL, joint={"seam_length_m": 0.01}, procedure={"cooling_s": 0.5, "heat_adjustments": []})
    record(short, tmp_path / "one" / "weld")
    record(short, tmp_path / "two" / "weld")
    first = {p.name: p.read_bytes() for p in (tmp_path / "one" / "weld").iterdir()}
    second = {p.name: p.read_bytes() for p in (tmp_path / "two" / "weld").iterdir()}
    assert first == second and {"metadata.yaml", "annotations.csv"} <= set(first)


def test_an_existing_bag_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "weld").mkdir()
    with pytest.raises(InputError, match="exists"):
        record(scenario(**BLIND), tmp_path / "weld")
