"""Observations become messages and bytes that every subscriber reads as the same observations."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from message_examples import encoded

from msstan_core.errors import InputError
from msstan_core.messages import MAX_TELEMETRY, sample_from_message
from msstan_core.observation import (
    POLAR_CHANNELS,
    TELEMETRY_CHANNELS,
    AudioChunk,
    CameraFrame,
    TelemetrySample,
    ThermalFrame,
    WeldContext,
)
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize
from msstan_core.vocabulary import Filler, Material, Process

stamps = st.integers(0, (2**31 - 1) * 10**9)
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
samples = st.one_of(
    st.builds(
        CameraFrame,
        stamps,
        image=hnp.arrays(
            np.uint8,
            st.one_of(
                st.tuples(st.integers(1, 9), st.integers(1, 9)),
                st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
            ),
        ),
        frame_id=text,
    ),
    st.builds(CameraFrame, stamps, encoded=st.sampled_from([encoded(".jpg"), encoded(".png")]), frame_id=text),
    st.builds(
        ThermalFrame,
        stamps,
        hnp.arrays(
            np.float32,
            st.tuples(st.integers(1, 9), st.integers(1, 9)),
            elements=st.one_of(st.floats(-273, 4000, width=32), st.just(math.nan)),
        ),
        text,
    ),
    st.builds(
        AudioChunk,
        stamps,
        st.integers(1, 192_000),
        hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(-1, 1, width=32)),
        text,
    ),
    st.builds(  # a sign of current or voltage does not come back, see test_messages_conversion.py
        TelemetrySample,
        stamps,
        *(
            st.one_of(st.just(math.nan), st.floats(0.0 if name in POLAR_CHANNELS else -most, most, width=32))
            for name, most in zip(TELEMETRY_CHANNELS, MAX_TELEMETRY, strict=True)
        ),
    ),
    st.builds(
        WeldContext,
        stamps,
        st.sampled_from(Process),
        st.sampled_from(Material),
        st.sampled_from(Material),
        st.sampled_from(Filler),
        st.one_of(st.just(math.nan), st.floats(0.0001220703125, 1, width=32)),
        st.just(math.nan),
        text,
        text,
        text,
        st.tuples(*[st.one_of(st.just(math.nan), st.floats(0.0001220703125, 1000, width=32))] * 5),
    ),
)


@settings(deadline=None)  # the first call builds the type store
@given(samples)
def test_sample_to_cdr_and_back_is_the_same_sample(sample: Any) -> None:
    topic, message = message_from_sample(sample)
    cdr = serialize(topic, message)
    decoded = message_types().deserialize_cdr(cdr, topic.type_name)
    back = sample_from_message(topic.kind, decoded)
    assert type(back) is type(sample)
    for name in sample.__dataclass_fields__:
        np.testing.assert_equal(getattr(back, name), getattr(sample, name))


@pytest.mark.parametrize(
    "frame",
    [
        CameraFrame(1),
        CameraFrame(1, image=np.zeros((0, 4), np.uint8)),
        CameraFrame(1, image=np.zeros((4, 4, 4), np.uint8)),
        CameraFrame(1, image=np.zeros((4, 4), np.float32)),  # type: ignore[arg-type]
        ThermalFrame(1, np.zeros(4, np.float32)),
    ],
)
def test_samples_that_are_no_message_are_refused(frame: Any) -> None:
    with pytest.raises(InputError):
        message_from_sample(frame)


def test_type_hashes_equal_those_of_the_compiled_package() -> None:
    """A subscriber on another machine only connects to, and plays, a type of the same hash."""
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    descriptions = [p for prefix in prefixes for p in Path(prefix, "share/msstan_msgs/msg").glob("*.json")]
    if not descriptions:
        pytest.skip("msstan_msgs is not compiled in this environment")
    for description in descriptions:
        hashes = {t["type_name"]: t["hash_string"] for t in json.loads(description.read_text())["type_hashes"]}
        name = f"msstan_msgs/msg/{description.stem}"
        assert message_types().hash_rihs01(name) == hashes[name], name
