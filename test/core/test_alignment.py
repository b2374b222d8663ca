"""Ticks: what they take, what they refuse, what they count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.alignment import TickAligner
from msstan_core.alignment_config import AlignmentConfig
from msstan_core.audio_ring import AudioRing
from msstan_core.observation import AudioChunk, CameraFrame, TelemetrySample, ThermalFrame, Tick, WeldContext
from msstan_core.sample_buffers import MAX_PENDING_FRAMES
from msstan_core.vocabulary import Modality, Process

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND


def camera(ms: float) -> CameraFrame:
    return CameraFrame(START + round(ms * MS), np.zeros((4, 4), np.uint8), frame_id="weld_camera")


def thermal(ms: float) -> ThermalFrame:
    return ThermalFrame(START + round(ms * MS), np.full((4, 4), 20.0, np.float32))


def audio(ms: float, length_ms: float = 64, rate_hz: int = 16_000, value: float = 0.0) -> AudioChunk:
    return AudioChunk(START + round(ms * MS), rate_hz, np.full(round(length_ms * rate_hz / 1000), value, np.float32))


def telemetry(ms: float, current_a: float = 100.0) -> TelemetrySample:
    return TelemetrySample(START + round(ms * MS), current_a=current_a)


def ticks_of(aligner: TickAligner, *samples: object) -> list[Tick]:
    out: list[Tick] = []
    for sample in samples:
        aligner.push(sample)  # type: ignore[arg-type]
        out.extend(aligner.drain())
    return out


def test_every_camera_frame_makes_a_tick_with_its_own_stamp() -> None:
    ticks = ticks_of(TickAligner(), *(camera(33 * i) for i in range(10)))
    assert [t.stamp_ns - START for t in ticks] == [33 * MS * i for i in range(10)]
    assert [t.index for t in ticks] == list(range(10))
    assert {t.frame_id for t in ticks} == {"weld_camera"}


def test_tick_never_uses_a_sample_from_its_future() -> None:
    aligner = TickAligner()
    aligner.push(thermal(0))
    aligner.push(thermal(40))
    aligner.push(telemetry(50))
    aligner.push(camera(33))
    tick = aligner.poll()
    assert tick is not None and tick.thermal is not None
    assert tick.thermal.stamp_ns == START
    assert tick.telemetry is None and not tick.has(Modality.TELEMETRY)


def test_age_is_tick_stamp_minus_sample_stamp() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, thermal(0), telemetry(10), camera(33))
    ages = ticks[-1].age_s
    assert ages[Modality.CAMERA] == 0
    assert ages[Modality.THERMAL] == pytest.approx(0.033)
    assert ages[Modality.TELEMETRY] == pytest.approx(0.023)
    assert np.isnan(ages[Modality.ACOUSTIC])


def test_stale_thermal_is_masked_and_its_age_is_said() -> None:
    ticks = ticks_of(TickAligner(), thermal(0), *(camera(33 * i) for i in range(1, 20)))
    valid = [t.has(Modality.THERMAL) for t in ticks]
    assert valid[0] and not valid[-1]
    assert ticks[-1].age_s[Modality.THERMAL] == pytest.approx(0.033 * 19, abs=1e-3)


def test_thermal_is_the_clock_where_there_is_no_camera() -> None:
    ticks = ticks_of(TickAligner(), *(thermal(40 * i) for i in range(5)))
    assert [t.stamp_ns - START for t in ticks] == [40 * MS * i for i in range(5)]


def test_timer_runs_on_the_stamps_of_sound_alone() -> None:
    ticks = ticks_of(TickAligner(), *(audio(64 * i) for i in range(32)))
    steps = np.diff([t.stamp_ns for t in ticks])
    assert set(steps) == {40 * MS}
    assert 2.048 - 0.064 - 0.04 < len(ticks) * 0.04 <= 2.048
    assert all(t.has(Modality.ACOUSTIC) for t in ticks)


def test_camera_that_falls_silent_hands_the_clock_to_the_timer_and_takes_it_back() -> None:
    aligner = TickAligner()
    with_camera = ticks_of(aligner, *(s for i in range(30) for s in (camera(33 * i), audio(33 * i, 33))))
    without = ticks_of(aligner, *(audio(990 + 33 * i, 33) for i in range(60)))
    assert with_camera[-1].has(Modality.CAMERA)
    assert without and not without[-1].has(Modality.CAMERA) and without[-1].has(Modality.ACOUSTIC)
    back = ticks_of(aligner, *(s for i in range(10) for s in (audio(2970 + 33 * i, 33), camera(3000 + 33 * i))))
    assert back[-1].has(Modality.CAMERA)
    stamps = [t.stamp_ns for t in (*with_camera, *without, *back)]
    assert stamps == sorted(set(stamps))


def test_latest_only_skips_to_the_newest_frame_and_counts_the_rest() -> None:
    aligner = TickAligner()
    for i in range(5):
        aligner.push(camera(33 * i))
    tick = aligner.poll(latest_only=True)
    assert tick is not None and tick.stamp_ns == START + 4 * 33 * MS
    assert aligner.poll(latest_only=True) is None
    assert aligner.statistics.modality[Modality.CAMERA].dropped == 4


def test_frames_that_nobody_polls_are_dropped_and_counted_not_kept() -> None:
    aligner = TickAligner()
    for i in range(1000):
        aligner.push(camera(33 * i))
    assert len(list(aligner.drain())) == MAX_PENDING_FRAMES
    assert aligner.statistics.modality[Modality.CAMERA].dropped == 1000 - MAX_PENDING_FRAMES


def test_fast_camera_is_limited_to_the_largest_tick_rate() -> None:
    aligner = TickAligner(AlignmentConfig(max_tick_rate_hz=32))
    ticks = ticks_of(aligner, *(camera(10 * i) for i in range(100)))
    assert len(ticks) <= 40
    assert aligner.statistics.rate_limited == 100 - len(ticks)


def test_time_jump_back_restarts_and_says_so() -> None:
    aligner = TickAligner()
    first = ticks_of(aligner, camera(5000), camera(5033))
    again = ticks_of(aligner, camera(0), camera(33))
    assert not any(t.restarted for t in first)
    assert [t.restarted for t in again] == [True, False]
    assert [t.index for t in again] == [0, 1]
    assert aligner.statistics.time_jumps == 1


def test_sample_slightly_out_of_order_is_counted_and_not_used() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, camera(0), camera(66), camera(33), camera(99))
    assert [t.stamp_ns - START for t in ticks] == [0, 66 * MS, 99 * MS]
    assert aligner.statistics.modality[Modality.CAMERA].out_of_order == 1


def test_window_of_sound_never_spans_a_gap() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, audio(0, 500, value=1.0), audio(900, 100, value=2.0))
    newest = ticks[-1].audio
    assert newest is not None
    assert set(newest.samples) == {2.0}
    assert aligner.statistics.modality[Modality.ACOUSTIC].gaps == 1


@pytest.mark.parametrize("lost", [1, 2, 4])
def test_short_chunks_that_are_lost_are_a_gap_too(lost: int) -> None:
    aligner = TickAligner()
    chunks = [audio(10 * i, 10, value=float(i)) for i in range(250)]
    ticks = ticks_of(aligner, *chunks[:100], *chunks[100 + lost :])
    assert aligner.statistics.modality[Modality.ACOUSTIC].gaps == 1
    newest = ticks[-1].audio
    assert newest is not None and set(np.diff(np.unique(newest.samples))) == {1.0}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([10, 21, 64]), st.floats(-5e-4, 5e-4), st.integers(0, 2**31))
def test_jitter_and_drift_of_a_sound_card_are_no_gaps(length_ms: int, drift: float, seed: int) -> None:
    """Stamps as a driver gives them: by its clock, late by up to 20 ms now and then."""
    ring, rng, stamp_ms, gaps = AudioRing(keep_s=2.0), np.random.default_rng(seed), 0.0, 0
    for i in range(3000):
        late_ms = rng.uniform(0, 20) if rng.random() < 0.5 else 0.0
        stamp_ms = max(stamp_ms + 0.1, length_ms * i * (1 + drift) + late_ms)
        gaps += ring.append(START + round(stamp_ms * MS), audio(0, length_ms, rate_hz=8_000))
    assert gaps == 0


def test_window_of_sound_ends_at_the_tick() -> None:
    aligner = TickAligner()
    aligner.push(audio(0, 1000))
    aligner.push(camera(500))
    tick = aligner.poll()
    assert tick is not None and tick.audio is not None
    assert abs(tick.audio.end_stamp_ns - tick.stamp_ns) <= SECOND / 16_000
    assert len(tick.audio.samples) == round(0.4 * 16_000)


def test_offset_moves_a_modality_onto_the_common_clock() -> None:
    aligner = TickAligner(AlignmentConfig.model_validate({"offset_s": {"telemetry": -1.9}}))
    ticks = ticks_of(aligner, telemetry(1900), camera(0))
    assert ticks[-1].age_s[Modality.TELEMETRY] == pytest.approx(0.0, abs=1e-6)


def test_context_holds_until_replaced() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, camera(0), WeldContext(START, process=Process.GMAW), camera(33), camera(66))
    assert [t.context.process for t in ticks] == [Process.UNKNOWN, Process.GMAW, Process.GMAW]


def test_hole_in_the_stream_is_not_filled_with_ticks() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, audio(0), audio(3_600_000), audio(3_600_064))
    assert len(ticks) < 5
    assert aligner.statistics.hole_ticks > 0 and not aligner.statistics.skipped


def everything(begin_ms: float, seconds: float, **ahead_ms: float) -> list[object]:
    """What four sensors send in the order of their true times, ``ahead_ms`` added to the stamps of the named ones."""
    kinds = {"camera": (camera, 33), "thermal": (thermal, 40), "acoustic": (audio, 64), "telemetry": (telemetry, 20)}
    sent = [
        (at + (64 if name == "acoustic" else 0), make(begin_ms + at + ahead_ms.get(name, 0.0)))
        for name, (make, period) in kinds.items()
        for at in range(0, round(seconds * 1000), period)
    ]
    return [sample for _, sample in sorted(sent, key=lambda timed: timed[0])]


def valid_share(ticks: list[Tick]) -> np.ndarray:
    return np.mean([t.valid for t in ticks], axis=0)


@pytest.mark.parametrize("name", ["camera", "thermal", "acoustic", "telemetry"])
@pytest.mark.parametrize("ahead_ms", [3_600_000.0, 900.0, -900.0, -3_600_000.0])
def test_a_sensor_with_a_clock_of_its_own_is_masked_and_costs_no_other(name: str, ahead_ms: float) -> None:
    ticks = ticks_of(TickAligner(), *everything(0, 4, **{name: ahead_ms}))
    late = [t for t in ticks if t.stamp_ns < START + 10 * SECOND][20:]
    assert len(late) > 70
    share = valid_share(late)
    wrong = Modality[name.upper()]
    assert np.delete(share, wrong).min() > 0.9
    if ahead_ms != 900.0:  # of that its stamps know nothing: what is kept of it reaches back to the others' time
        assert share[wrong] < 0.1
    assert sum(t.restarted for t in ticks) <= 1


def test_one_stamp_from_the_future_does_not_stop_the_monitor_even_if_its_sensor_dies() -> None:
    aligner, rest = TickAligner(), everything(1000, 5)
    rest = [s for s in rest if not isinstance(s, AudioChunk)]
    ticks = ticks_of(aligner, *everything(0, 1), audio(3_600_000), *rest)
    after = [t for t in ticks if t.stamp_ns >= START + SECOND]
    assert len(after) > 140 and max(t.stamp_ns for t in ticks) < START + 6 * SECOND
    assert not any(t.restarted for t in ticks)


@pytest.mark.parametrize("clock", ["auto", "camera", "timer"])
@pytest.mark.parametrize("wrong", ["camera", "telemetry"])
def test_one_stamp_from_the_future_is_no_hour_that_has_passed_with_two_sensors(clock: Any, wrong: str) -> None:
    aligner = TickAligner(AlignmentConfig(clock=clock))
    kinds = {"camera": camera, "telemetry": telemetry}
    sent = sorted((at, name) for name in kinds for at in range(0, 4000, 40))
    samples: list[object] = [kinds[name](at) for at, name in sent]
    samples.insert(101, kinds[wrong](3_600_000))
    ticks = ticks_of(aligner, *samples)
    assert not any(t.restarted for t in ticks) and aligner.statistics.time_jumps == 0
    assert max(t.stamp_ns for t in ticks) < START + 4 * SECOND and len(ticks) > 90
    assert aligner.statistics.modality[Modality[wrong.upper()]].out_of_order == 1


def test_after_a_hole_a_stream_goes_on_with_all_its_samples() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, *(camera(33 * i) for i in range(10)), *(camera(60_000 + 33 * i) for i in range(10)))
    assert len(ticks) == 20 and aligner.statistics.modality[Modality.CAMERA].out_of_order == 0
    assert ticks[10].stamp_ns == START + 60 * SECOND and not any(t.restarted for t in ticks)


def test_a_slow_stream_does_not_leap() -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, *(camera(2000 * i) for i in range(10)))
    assert len(ticks) == 10
    assert [t.stamp_ns - START for t in ticks[-3:]] == [2 * SECOND * i for i in (7, 8, 9)]


def test_what_the_rate_limit_leaves_out_is_not_skipped() -> None:
    aligner, ticks = TickAligner(), 0
    for at_ms in range(0, 4000, 5):  # 200 Hz, looked at every 35 ms: nearly as often as the limit of 32 Hz allows
        aligner.push(camera(at_ms))
        if at_ms % 35 == 0:
            ticks += aligner.poll(latest_only=True) is not None
    assert ticks > 100 and aligner.statistics.skipped == 0
    assert aligner.statistics.rate_limited + ticks > 780
    for at_ms in range(4000, 8000, 5):  # looked at four times a second
        aligner.push(camera(at_ms))
        if at_ms % 150 == 0:
            aligner.poll(latest_only=True)
    assert 100 < aligner.statistics.skipped < 140, "25 ms apart, five of six are missed"


@pytest.mark.parametrize(("rate_hz", "window_s"), [(100, 20.0), (2000, 1.0)])
def test_a_window_of_telemetry_is_as_long_as_it_is_configured(rate_hz: int, window_s: float) -> None:
    aligner = TickAligner(AlignmentConfig(telemetry_window_s=window_s))
    for index in range(round(rate_hz * (window_s + 2.0))):
        aligner.push(telemetry(1000 * index / rate_hz))
    *_, tick = aligner.drain()
    assert tick.telemetry is not None
    assert len(tick.telemetry.stamps_ns) == pytest.approx(rate_hz * window_s, abs=2)


@pytest.mark.parametrize("make", [camera, thermal, audio, telemetry])
def test_one_stamp_from_the_past_is_a_straggler(make: Callable[[float], object]) -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, *everything(10_000, 1), make(0.0), *everything(11_000, 1))
    assert not any(t.restarted for t in ticks) and aligner.statistics.time_jumps == 0
    assert sum(s.out_of_order for s in aligner.statistics.modality.values()) == 1
    assert valid_share(ticks[10:]).min() > 0.9


def test_two_drivers_on_one_topic_do_not_reset_the_monitor_time_and_again() -> None:
    aligner, sent = TickAligner(), []
    for sample in everything(10_000, 3):
        sent.append(sample)
        if isinstance(sample, AudioChunk):
            sent.append(audio((sample.stamp_ns - START) / MS - 700))
    ticks = ticks_of(aligner, *sent)
    assert not any(t.restarted for t in ticks)
    assert valid_share(ticks[20:]).min() > 0.9
    assert aligner.statistics.modality[Modality.ACOUSTIC].out_of_order > 40


def test_recording_that_begins_again_begins_the_ticks_again_once() -> None:
    aligner = TickAligner()
    first = ticks_of(aligner, *everything(0, 3))
    again = ticks_of(aligner, *everything(0, 3))
    assert [t.restarted for t in (*first, *again)].count(True) == 1 == aligner.statistics.time_jumps
    assert again[0].restarted and again[0].stamp_ns <= START + 200 * MS and len(again) > 85
    assert valid_share(again[5:]).min() > 0.9


def test_camera_that_comes_back_with_what_it_had_queued_does_not_turn_time_back() -> None:
    aligner = TickAligner(AlignmentConfig(clock_timeout_s=1.0))
    ticks = ticks_of(aligner, *everything(0, 2))
    sound = [s for s in everything(2000, 2) if not isinstance(s, CameraFrame)]
    ticks += ticks_of(aligner, *sound, *(camera(3100 + 33 * i) for i in range(10)), *everything(4000, 1))
    assert not any(t.restarted for t in ticks) and aligner.statistics.time_jumps == 0
    stamps = [t.stamp_ns for t in ticks]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize("late", [CameraFrame, AudioChunk, TelemetrySample])
@pytest.mark.parametrize("without", [CameraFrame, AudioChunk, ThermalFrame])
@pytest.mark.parametrize(("held_ms", "latest_only"), [(1500, True), (3000, False)])
def test_a_sensor_that_delivers_its_backlog_at_once_turns_no_time_back(
    late: type, without: type, held_ms: int, latest_only: bool
) -> None:
    aligner, ticks = TickAligner(), []
    sent = [s for s in everything(0, 8) if not isinstance(s, without)]
    held = [s for s in sent if isinstance(s, late) and 3000 * MS <= s.stamp_ns - START < (3000 + held_ms) * MS]
    rest = [s for s in sent if s not in held]
    begin = next(n for n, s in enumerate(rest) if s.stamp_ns - START >= (3000 + held_ms) * MS)
    for sample in [*rest[:begin], *held, *rest[begin:]]:
        aligner.push(sample)
        while (tick := aligner.poll(latest_only)) is not None:
            ticks.append(tick)
    stamps = [t.stamp_ns for t in ticks]
    assert stamps == sorted(set(stamps)) and not any(t.restarted for t in ticks)
    assert stamps[-1] > START + 7.8 * SECOND


@pytest.mark.parametrize("chunk_ms", [400, 500, 512])
def test_long_chunks_of_gapless_sound_have_no_holes(chunk_ms: int) -> None:
    aligner = TickAligner()
    ticks = ticks_of(aligner, *(audio(chunk_ms * i, chunk_ms) for i in range(20)))
    assert aligner.statistics.hole_ticks == 0 and set(np.diff([t.stamp_ns for t in ticks])) == {40 * MS}


def test_named_clock_ticks_on_whatever_the_others_say() -> None:
    aligner = TickAligner(AlignmentConfig(clock="camera"))
    ticks = ticks_of(aligner, *everything(0, 3, camera=3_600_000.0))
    assert len(ticks) > 85 and sum(t.restarted for t in ticks) == 0
    assert len({t.stamp_ns for t in ticks}) == len(ticks)


def test_fast_thermal_camera_waits_for_a_late_visual_one() -> None:
    sent = [(i * 1000 / 60, thermal(i * 1000 / 60)) for i in range(180)]
    sent += [(i * 33 + 200, camera(i * 33)) for i in range(90)]
    aligner = TickAligner()
    ticks = ticks_of(aligner, *(sample for _, sample in sorted(sent, key=lambda timed: timed[0])))
    assert valid_share([t for t in ticks if t.camera is not None and t.valid[0]])[Modality.THERMAL] > 0.95
    assert aligner.statistics.skipped == 0


def test_stamps_before_zero_are_stamps() -> None:
    aligner = TickAligner(AlignmentConfig.model_validate({"offset_s": {"acoustic": -1.0, "camera": -1.0}}))
    chunks = [AudioChunk(i * 64 * MS, 16_000, np.zeros(1024, np.float32)) for i in range(10)]
    timer = ticks_of(aligner, *chunks)
    frames = ticks_of(aligner, *(CameraFrame((800 + 33 * i) * MS, np.zeros((4, 4), np.uint8)) for i in range(5)))
    stamps = [t.stamp_ns for t in (*timer, *frames)]
    assert stamps == sorted(set(stamps)) and stamps[0] < 0 and len(timer) > 10 and len(frames) == 5


samples = st.one_of(
    st.builds(camera, st.floats(0, 20_000)),
    st.builds(thermal, st.floats(0, 20_000)),
    st.builds(audio, st.floats(0, 20_000), st.floats(1, 200), st.sampled_from([8_000, 16_000, 44_100, 48_000])),
    st.builds(telemetry, st.floats(0, 20_000)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(samples, max_size=60), st.booleans())
def test_any_sequence_of_samples_gives_lawful_ticks(sequence: list[object], latest_only: bool) -> None:
    aligner = TickAligner()
    last_stamp = -1
    for sample in sequence:
        aligner.push(sample)  # type: ignore[arg-type]
        while (tick := aligner.poll(latest_only)) is not None:
            if tick.restarted:
                last_stamp = -1
            assert tick.stamp_ns > last_stamp
            last_stamp = tick.stamp_ns
            known = ~np.isnan(tick.age_s)
            # Sound is cut to whole samples, so its end may lie within one sample of the tick.
            assert (tick.age_s[known] >= -1e-4).all()
            assert (tick.valid <= known).all()
            assert tick.audio is None or 0 < len(tick.audio.samples) <= 0.4 * tick.audio.sample_rate_hz + 1
            assert tick.telemetry is None or (np.diff(tick.telemetry.stamps_ns) > 0).all()
    received = sum(s.received for s in aligner.statistics.modality.values())
    assert received == len(sequence)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=40), st.floats(0, 3))
def test_sound_comes_out_as_it_went_in(lengths_s: list[float], tick_s: float) -> None:
    """However a signal is cut into chunks, a window holds the same samples."""
    rate = 8_000
    counts = [max(1, round(length * rate)) for length in lengths_s]
    signal = np.arange(sum(counts), dtype=np.float32)
    aligner = TickAligner(AlignmentConfig(clock="camera"))
    begin = 0
    for count in counts:
        stamp_ns = START + round(begin / rate * SECOND)
        aligner.push(AudioChunk(stamp_ns, rate, signal[begin : begin + count]))
        begin += count
    aligner.push(camera(tick_s * 1000))
    tick = aligner.poll()
    assert tick is not None
    if tick.audio is None:
        return
    samples_ = tick.audio.samples
    assert (np.diff(samples_) == 1).all()
    last = min(int(np.floor(tick_s * rate)), len(signal))
    assert abs(samples_[-1] - (last - 1)) <= 1
