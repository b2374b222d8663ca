import array
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import decision_for, model_card

from msstan_core.decision.result import AnomalyEvent, EventPhase, Evidence, ImageRegion
from msstan_core.inference.model_info import ModelInfo
from msstan_core.messages import TopicKind, sample_from_message
from msstan_core.observation import Tick
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action
from msstan_msgs.msg import WeldAnomaly
from msstan_ros.conversions import (
    action_message,
    anomaly_message,
    image_message,
    image_region,
    model_info_message,
    stamp_message,
    stamp_nanoseconds,
)

TICK = Tick(
    index=3,
    stamp_ns=1_700_000_000_123_456_789,
    age_s=np.array([0, np.nan, 0.1, 0.2], np.float32),
    valid=np.array([True, False, True, True]),
    frame_id="weld_camera",
)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_the_way_to_a_message_and_back(nanoseconds: int) -> None:
    assert stamp_nanoseconds(stamp_message(nanoseconds)) == nanoseconds


def test_action_message_says_what_was_decided() -> None:
    decision = decision_for(TICK, Action.COOLING, degraded=("thermal is stale",), model_revision=4)
    message = action_message(decision, "session", 7, 0.0125)
    assert stamp_nanoseconds(message.header.stamp) == TICK.stamp_ns
    assert message.header.frame_id == "weld_camera"
    assert (message.session_id, message.sequence_id, message.model_revision) == ("session", 7, 4)
    assert message.action == message.COOLING
    assert message.probabilities[ACTIONS.index(Action.COOLING)] == pytest.approx(message.probability)
    assert np.array_equal(message.raw_probabilities, message.probabilities[::-1])
    assert message.modality_valid == [True, False, True, True]
    assert math.isnan(message.modality_age_s[1])
    assert message.inference_latency_s == pytest.approx(0.003)
    assert message.pipeline_latency_s == pytest.approx(0.0125)
    assert message.degraded == ["thermal is stale"]


def test_an_unknown_action_stays_unknown_with_nan_probability() -> None:
    nothing = np.full(9, np.nan, np.float32)
    decision = decision_for(
        TICK,
        action=Action.IDLE,
        action_probability=math.nan,
        action_probabilities=nothing,
        raw_action_probabilities=nothing,
    )
    message = action_message(decision, "s", 0, math.nan)
    assert math.isnan(message.probability)
    assert all(math.isnan(p) for p in message.probabilities)
    assert math.isnan(message.pipeline_latency_s)


def test_anomaly_message_keeps_the_onset_apart_from_its_own_stamp() -> None:
    event = AnomalyEvent(9, EventPhase.ONGOING, 2011, "gas pore", 0.8, 0.5, math.nan, 1_000_000_000, 3_000_000_000)
    message = anomaly_message(event, decision_for(TICK), "s", 2)
    assert message.phase == WeldAnomaly.ONGOING
    assert message.iso_6520_1_code == WeldAnomaly.GAS_PORE
    assert stamp_nanoseconds(message.onset) == 1_000_000_000
    assert stamp_nanoseconds(message.header.stamp) == 3_000_000_000
    assert not message.alarm and math.isnan(message.alarm_threshold)
    alarmed = anomaly_message(replace(event, alarm=True, alarm_threshold=0.75), decision_for(TICK), "s", 3)
    assert alarmed.alarm and alarmed.alarm_threshold == 0.75
    assert math.isnan(message.severity)
    assert math.isnan(message.seam_position_m)
    assert all(map(math.isnan, message.image_region)) and image_region(message) is None


def test_anomaly_message_says_where_in_the_image_the_network_looked() -> None:
    region = ImageRegion(0.25, 0.5, 0.5, 0.75)
    evidence = Evidence((1.0, 0.0, 0.0, 0.0), region)
    event = AnomalyEvent(9, EventPhase.ONSET, 602, "spatter", 0.8, 0.5, math.nan, 1, 2, evidence=evidence)
    message = anomaly_message(event, decision_for(TICK), "s", 2)
    assert list(message.image_region) == [0.25, 0.5, 0.5, 0.75]
    assert image_region(message) == region


def test_model_info_says_which_outputs_are_trained() -> None:
    info = ModelInfo(model_card(), "c" * 64, "w" * 64, "onnx", "CPU", frozenset(MODALITIES))
    message = model_info_message(info, 5, "s", 2, math.nan)
    trained = {
        label for label, is_trained in zip(message.action_labels, message.action_trained, strict=True) if is_trained
    }
    assert trained == {"IDLE", "MATERIAL_DEPOSITION"}
    assert list(message.iso_codes)[message.imperfection_trained.index(True)] == 2011
    assert math.isnan(message.false_alarms_per_hour)
    assert model_info_message(info, 5, "s", 2, 0.5).false_alarms_per_hour == 0.5
    assert message.modality_labels == ["camera", "thermal", "acoustic", "telemetry"]


@pytest.mark.parametrize(
    ("shape", "dtype", "encoding", "kind"),
    [
        ((7, 5, 3), np.uint8, "bgr8", TopicKind.CAMERA),
        ((7, 5), np.uint8, "mono8", TopicKind.CAMERA),
        ((6, 4), np.float32, "32FC1", TopicKind.THERMAL),
    ],
)
def test_images_come_back_as_they_went(shape: tuple[int, ...], dtype: type, encoding: str, kind: TopicKind) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    strided = np.asfortranarray(pixels)  # not contiguous: must be copied, not misread
    message = image_message(strided, encoding, 10**9 + 5, "camera")
    assert isinstance(message.data, array.array)
    sample = sample_from_message(kind, message)
    assert sample.stamp_ns == 10**9 + 5
    assert np.array_equal(sample.celsius if kind is TopicKind.THERMAL else sample.image, pixels)  # type: ignore[union-attr]
