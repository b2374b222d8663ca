"""The microphone: sound of the source's power, of gas, robot, fixture and shop.

Arc sound is that of a volume source heated by the power P: pressure follows dP/dt (and, through the jet, P itself),
so the
ruptures of short circuits are the clicks of the recording (J. Horvat et al., Measurement Science and Technology 22
(2011)
085102 review the relation of arc sound to V*I). Everything is summed at the microphone and heard through one impulse
response.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from msstan_core.simulation.energy import SAMPLE_RATE_HZ, STEP_S, STEP_SAMPLES, Waveform
from msstan_core.simulation.procedure import Step
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.state import CellState

#: A rupture changes the power by about this much within one sample, W; 50 of them a second give the nominal level.
_REFERENCE_STEP_W = 300.0
_RELAXATION_S = 0.0025
_RESPONSE_SAMPLES = 400


def _amplitude(decibel: float) -> float:
    return float(10.0 ** (decibel / 20.0))


class Microphone:
    """Turns the power waveform into sound, chunk by chunk."""

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        s = self._settings = scenario.microphone
        self._random = random
        self._gain = _amplitude(s.level_db) / _REFERENCE_STEP_W
        self._arc_level = _amplitude(s.level_db)
        self._shop = _amplitude(s.shop_noise_db)
        self._hiss = _amplitude(s.gas_hiss_db)
        self._previous_w = 0.0
        self._tail = np.zeros(1)
        self._crackle = np.zeros(1)
        self._pink = np.zeros(3)
        self._hiss_state = np.zeros(1)
        self._turbulence = np.zeros(1)
        self._hum_phase = float(random.uniform(0, 6))
        self._servo_phase = 0.0
        self._servo_hz = float(random.uniform(300, 900))
        self._fan = float(random.uniform(90, 400))
        self._mood = 1.0  # slow loudness of the shop
        self._slow = 1.0  # slow loudness of the arc at the microphone
        self._tilt = float(random.uniform(-0.55, 0.25))
        self._response = self._impulse_response()
        self._history = np.zeros(len(self._response) - 1)
        self._pending = np.zeros(0)
        self._events = np.zeros(SAMPLE_RATE_HZ)  # sounds already begun, from now on
        self._clamped = scenario.procedure.placement_s <= 0
        self._ticks = 0

    def listen(self, state: CellState, waveform: Waveform, ticks: list[float]) -> NDArray[np.float32] | None:
        """Sound of one control step; a full chunk [N] when one is complete."""
        sound = self._source(waveform) + self._surroundings(state)
        self._start_events(state, ticks)
        sound += self._events[:STEP_SAMPLES]
        self._events = np.concatenate([self._events[STEP_SAMPLES:], np.zeros(STEP_SAMPLES)])
        self._pending = np.concatenate([self._pending, sound])
        size = self._settings.chunk_samples
        if len(self._pending) < size:
            return None
        dry, self._pending = self._pending[:size], self._pending[size:]
        padded = np.concatenate([self._history, dry])
        self._history = padded[len(padded) - len(self._history) :]
        heard = np.convolve(padded, self._response, "valid")
        # 16 bit converter
        return (np.clip(np.round(heard * 32768.0), -32768, 32767) / 32768.0).astype(np.float32)

    def _source(self, waveform: Waveform) -> NDArray[np.float64]:
        random, n = self._random, STEP_SAMPLES
        power = waveform.power_w
        change = np.diff(power, prepend=self._previous_w)
        self._previous_w = float(power[-1])
        decay = math.exp(-1.0 / (_RELAXATION_S * SAMPLE_RATE_HZ))
        tail, self._tail = lfilter([0.13], [1.0, -decay], change, zi=self._tail)
        envelope, self._crackle = lfilter(
            [1.0], [1.0, -math.exp(-1.0 / (0.0009 * SAMPLE_RATE_HZ))], np.abs(change), zi=self._crackle
        )
        noise = random.standard_normal(n)
        crackle = 0.02 * np.minimum(envelope, 2.0e4) * noise
        self._slow += 0.02 * (1.0 - self._slow) + 0.05 * float(random.standard_normal())
        loud = waveform.current_a / 200.0 if waveform.hum is None else power / 4000.0
        jet, self._turbulence = lfilter([1.0], [1.0, -self._tilt], random.standard_normal(n), zi=self._turbulence)
        turbulence = 0.07 * self._arc_level * max(self._slow, 0.2) * jet * loud
        sound = self._gain * (change - tail + crackle) * max(self._slow, 0.2) + turbulence
        if waveform.hum is not None:
            sound = turbulence + self._arc_level * waveform.hum
        return np.asarray(sound)

    def _surroundings(self, state: CellState) -> NDArray[np.float64]:
        random, n, s = self._random, STEP_SAMPLES, self._settings
        white = random.standard_normal(n)
        self._mood += 0.01 * (1.0 - self._mood) + 0.02 * float(random.standard_normal())
        # three-pole approximation of pink noise (P. Kellet)
        pink, self._pink = lfilter(
            [0.049922, -0.095993, 0.050612, -0.004409], [1, -2.494956, 2.017266, -0.522190], white, zi=self._pink
        )
        t = (np.arange(n) + 1) / SAMPLE_RATE_HZ
        hum = self._hum_phase + 2 * math.pi * s.hum_hz * t
        self._hum_phase = float(hum[-1]) % (2 * math.pi)
        tones = 0.4 * np.sin(hum) + 0.5 * np.sin(2 * hum) + 0.2 * np.sin(3 * hum)
        sound = self._shop * max(self._mood, 0.3) * (7.0 * pink + tones)
        if state.gas_flow_l_min > 0.1:
            rush, self._hiss_state = lfilter([1.0, -0.7], [1.0], white[::-1], zi=self._hiss_state)
            sound += self._hiss * (state.gas_flow_l_min / 15.0) ** 1.5 * rush
        moving = (state.step is Step.APPROACH) or (
            state.step is Step.COOL and state.torch_lift_m > 0.001 and state.torch_lift_m < 0.0695
        )
        if moving:
            phase = self._servo_phase + 2 * math.pi * self._servo_hz * (1 + 0.4 * state.torch_lift_m / 0.07) * t
            self._servo_phase = float(phase[-1]) % (2 * math.pi)
            sound += 1.3 * self._shop * (np.sin(phase) + 0.5 * np.sin(2.02 * phase))
        return np.asarray(sound)

    def _start_events(self, state: CellState, ticks: list[float]) -> None:
        random = self._random
        if random.random() < self._settings.clanks_per_minute / 60.0 * STEP_S:
            self._add(self._clank(float(random.uniform(0.05, 0.4))), float(random.uniform(1.0, 12.0)) * self._shop)
        if not self._clamped and state.placement > 0.8:
            self._clamped = True
            self._add(self._clank(0.25), 25.0 * self._shop)
        if state.step is Step.PLACEMENT and random.random() < 0.06:
            self._add(self._clank(0.05), 3.0 * self._shop)  # the part scrapes along
        while self._ticks < len(ticks) and ticks[self._ticks] <= state.time_s:
            self._ticks += 1
            self._add(self._clank(0.02), 0.8 * self._arc_level + 2.0 * self._shop)

    def _clank(self, seconds: float) -> NDArray[np.float64]:
        """Struck metal: a few damped modes."""
        random = self._random
        t = np.arange(min(round(4 * seconds * SAMPLE_RATE_HZ), len(self._events))) / SAMPLE_RATE_HZ
        sound = np.zeros_like(t)
        for _ in range(5):
            frequency = float(random.uniform(500, 6500))
            sound += (
                float(random.uniform(0.2, 1))
                * np.sin(2 * math.pi * frequency * t)
                * np.exp(-t * (3 / seconds) * frequency / 2500)
            )
        return sound

    def _add(self, sound: NDArray[np.float64], amplitude: float) -> None:
        self._events[: len(sound)] += amplitude * sound

    def _impulse_response(self) -> NDArray[np.float64]:
        """Distance, echoes of the cell and the capsule's colour, [400], unit energy."""
        random = self._random
        t = np.arange(_RESPONSE_SAMPLES) / SAMPLE_RATE_HZ
        echo = random.standard_normal(_RESPONSE_SAMPLES) * np.exp(-t / float(random.uniform(0.003, 0.01)))
        response = self._settings.reverberation * 0.12 * echo
        response[0] += 1.0
        for _ in range(2):
            frequency, width = float(random.uniform(300, 7000)), float(random.uniform(300, 2500))
            response += float(random.uniform(-0.12, 0.2)) * np.cos(2 * math.pi * frequency * t) * np.exp(-t * width)
        return np.asarray(response / np.sqrt((response**2).sum()))
