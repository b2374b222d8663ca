"""Offsets between the streams of one recording that do not share a clock, found from the weld itself.

The arc is the event every sensor notices at once: current flows, it is loud, it is bright. Each stream gives an
:class:`ArcSignal`, the likelihood that the arc burns over the stream's own time, and any two signals are brought
together in the same way: correlation finds the rough offset, and the edges of the arc that pair up under it the exact
one. A weld whose arc breaks many times gives many edges; noise after the weld gives edges without a partner, and those
do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from msstan_core.observation import ARC_CURRENT_A

Floats = NDArray[np.float64]

#: Grid of the correlation.
_GRID_S = 0.02
#: Edges pair up when they lie this close after the rough alignment; the arc durations of real streams agree to 0.5 s.
_PAIRING_S = 0.8
#: An arc (or a break) shorter than this is a pop, a short circuit or the pause of a pulsed arc, no edge.
_SHORTEST_STATE_S = 0.15
#: An arc may strike and fail before it burns. Both microphone and current show the first strike, so it is the edge.
_LONGEST_STRIKE_S = 0.3
_LONGEST_STRIKE_PAUSE_S = 0.5
#: Arc noise stands out most here; below are machines, above is also the hiss of shielding gas before and after.
ARC_SOUND_BAND_HZ = (500.0, 5000.0)
_SOUND_FRAME_S = 0.02
#: Where between quiet and loud (in dB) the arc is taken to begin. Gas hiss and wire feeding lie in the lower half.
_SOUND_THRESHOLD = 0.6
#: A nominal frame rate may be this wrong; more means that the wrong edges were paired.
_LARGEST_RATE_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class ArcEdge:
    """The arc lights (``rises``) or goes out."""

    time_s: float
    rises: bool


@dataclass(frozen=True, slots=True)
class ArcSignal:
    """Likelihood that the arc burns, over one stream's own time."""

    stamps_s: Floats  #: [N], ascending
    likelihood: Floats  #: [N], 0..1

    @property
    def period_s(self) -> float:
        """Typical time between samples."""
        return float(np.median(np.diff(self.stamps_s))) if len(self.stamps_s) > 1 else 0.0

    def edges(self) -> list[ArcEdge]:
        """Crossings of 0.5 between states that last, in time order."""
        burning = self.likelihood > 0.5
        turns = np.flatnonzero(np.diff(burning))
        if not len(turns):
            return []
        before, after = self.likelihood[turns], self.likelihood[turns + 1]
        share = (0.5 - before) / (after - before)
        times = self.stamps_s[turns] + share * (self.stamps_s[turns + 1] - self.stamps_s[turns])
        edges = [ArcEdge(float(t), bool(r)) for t, r in zip(times, burning[turns + 1], strict=True)]
        return _without_short_states(_join_strikes(edges))


def _join_strikes(edges: list[ArcEdge]) -> list[ArcEdge]:
    """Let the arc begin at its first strike: drop the pause between a strike and the arc that follows soon."""
    kept = list(edges)
    for k in reversed(range(len(kept))):  # the last strike first: several may precede the arc
        if k + 2 >= len(kept):
            continue
        struck_s, pause_s = kept[k + 1].time_s - kept[k].time_s, kept[k + 2].time_s - kept[k + 1].time_s
        if kept[k].rises and struck_s <= _LONGEST_STRIKE_S and pause_s <= _LONGEST_STRIKE_PAUSE_S:
            del kept[k + 1 : k + 3]
    return kept


def _without_short_states(edges: list[ArcEdge]) -> list[ArcEdge]:
    """Drop pairs of edges that enclose too short a state, the shortest first."""
    kept = list(edges)
    while len(kept) > 1:
        spans = [b.time_s - a.time_s for a, b in pairwise(kept)]
        shortest = int(np.argmin(spans))
        if spans[shortest] >= _SHORTEST_STATE_S:
            break
        del kept[shortest : shortest + 2]
    return kept


@dataclass(frozen=True, slots=True)
class OffsetEstimate:
    """How to read one stream's stamps on another's clock: ``reference time = offset_s + rate * own time``."""

    offset_s: float
    uncertainty_s: float  #: about one standard deviation, never below the sampling of the two streams
    method: str  #: in words: "2 edges", "correlation"
    rate: float = 1.0  #: seconds of the reference per nominal second

    def to_reference(self, stamps_s: ArrayLike) -> Floats:
        """Own stamps on the reference's clock."""
        return self.offset_s + self.rate * np.asarray(stamps_s, np.float64)


def estimate_offset(
    reference: ArcSignal, other: ArcSignal, *, max_offset_s: float = 60.0, fit_rate: bool = False
) -> OffsetEstimate | None:
    """Offset of ``other`` to ``reference``; None when one of them shows no edge of an arc.

    Args:
        reference: gives the clock.
        other: the stream whose stamps are to be corrected.
        max_offset_s: largest offset considered.
        fit_rate: also fit the rate of the other's clock, for frame numbers at a nominal frame rate. Applied only where
            edges far apart disagree by more than the edges are uncertain.
    """
    if not reference.edges() or not other.edges():
        return None
    rough_s, width_s = _correlate(reference, other, max_offset_s)
    ours_s = [e.time_s for e in reference.edges()]
    drift_s = _LARGEST_RATE_ERROR * (ours_s[-1] - ours_s[0]) / 2 if fit_rate else 0.0
    pairs = _paired_edges(reference, other, rough_s, _PAIRING_S + drift_s)
    sampling_s = float(np.hypot(reference.period_s, other.period_s) / np.sqrt(12))
    if not pairs:
        return OffsetEstimate(rough_s, max(width_s, sampling_s), "correlation")
    theirs, ours = np.array(pairs).T
    rate = _rate(theirs, ours, sampling_s) if fit_rate else 1.0
    shifts = ours - rate * theirs
    offset_s = float(np.median(shifts))
    if len(pairs) == 1:
        spread_s = width_s
    elif rate != 1.0 and len(pairs) == 2:  # two edges fit offset and rate exactly: their disagreement is spent
        spread_s = sampling_s * np.sqrt(12)
    else:
        spread_s = float(1.4826 * np.median(np.abs(shifts - offset_s)))
    edges = f"{len(pairs)} edge{'s' if len(pairs) > 1 else ''}"
    return OffsetEstimate(offset_s, float(np.hypot(spread_s, sampling_s)), edges, rate)


def _correlate(reference: ArcSignal, other: ArcSignal, max_offset_s: float) -> tuple[float, float]:
    """Lag of the best correlation and half the width of its peak at 95 % of its height, s."""
    grids = []
    for arc in (reference, other):
        start, end = arc.stamps_s[0], arc.stamps_s[-1]
        times = np.arange(start, end + _GRID_S, _GRID_S)
        values = np.interp(times, arc.stamps_s, arc.likelihood)
        grids.append((start, values - values.mean()))  # zero mean: beyond a stream's ends nothing is claimed
    (start_r, r), (start_o, o) = grids
    scores = signal.correlate(r, o, mode="full", method="fft")
    lags_s = (np.arange(len(scores)) - (len(o) - 1)) * _GRID_S + (start_r - start_o)
    near = np.abs(lags_s) <= max_offset_s
    if not near.any():
        return 0.0, max_offset_s
    scores, lags_s = scores[near], lags_s[near]
    best = int(np.argmax(scores))
    wide = np.flatnonzero(scores >= 0.95 * scores[best])
    return float(lags_s[best]), float(lags_s[wide[-1]] - lags_s[wide[0]]) / 2


def _paired_edges(
    reference: ArcSignal, other: ArcSignal, rough_s: float, tolerance_s: float
) -> list[tuple[float, float]]:
    """Times (other, reference) of edges of the same direction that are each other's nearest after the rough shift."""
    pairs = []
    for rises in (True, False):
        ours = np.array([e.time_s for e in reference.edges() if e.rises is rises])
        theirs = np.array([e.time_s for e in other.edges() if e.rises is rises])
        if not len(ours) or not len(theirs):
            continue
        distance = np.abs(ours[:, None] - (theirs[None, :] + rough_s))
        for i, j in enumerate(distance.argmin(1)):
            if distance[i, j] <= tolerance_s and distance[:, j].argmin() == i:
                pairs.append((float(theirs[j]), float(ours[i])))
    return sorted(pairs)


def _rate(theirs: Floats, ours: Floats, sampling_s: float) -> float:
    """Clock rate from the outermost edges, or 1 where they do not call for another."""
    span_s = theirs[-1] - theirs[0]
    if span_s < 5.0:
        return 1.0
    drift_s = (ours[-1] - ours[0]) - span_s
    error = drift_s / span_s
    return float(1.0 + error) if abs(drift_s) > 5 * sampling_s and abs(error) <= _LARGEST_RATE_ERROR else 1.0


def arc_from_current(stamps_s: ArrayLike, current_a: ArrayLike) -> ArcSignal:
    """Arc signal of welding current: 1 above 20 A, else 0. NaN counts as no current.

    A step, so that an edge lies midway between two samples: interpolating the current itself would always find it
    right beside the sample without.
    """
    burning = np.nan_to_num(np.asarray(current_a, np.float64)) > ARC_CURRENT_A
    return ArcSignal(np.asarray(stamps_s, np.float64), burning.astype(np.float64))


def arc_from_sound(samples: ArrayLike, sample_rate_hz: float, start_s: float = 0.0) -> ArcSignal:
    """Arc signal of a microphone: level in :data:`ARC_SOUND_BAND_HZ` between the recording's quiet and loud.

    Args:
        samples: [N] at ``sample_rate_hz``.
        sample_rate_hz: below 1250 Hz the band is out of reach: an empty signal.
        start_s: time of the first sample.
    """
    sound = np.asarray(samples, np.float64)
    low, high = ARC_SOUND_BAND_HZ
    if sample_rate_hz < 2.5 * low:
        return ArcSignal(np.zeros(0), np.zeros(0))
    band = signal.butter(4, (low, min(high, 0.45 * sample_rate_hz)), "bandpass", fs=sample_rate_hz, output="sos")
    frame = max(1, round(_SOUND_FRAME_S * sample_rate_hz))
    count = len(sound) // frame
    if count < 3:
        return ArcSignal(np.zeros(0), np.zeros(0))
    filtered = signal.sosfiltfilt(band, sound)[: count * frame]
    power = (filtered.reshape(count, frame) ** 2).mean(1)
    level_db = 10 * np.log10(power + 1e-12)
    stamps_s: Floats = start_s + (np.arange(count, dtype=np.float64) + 0.5) * (frame / sample_rate_hz)
    return ArcSignal(stamps_s, _two_level_likelihood(level_db, _SOUND_THRESHOLD, least_contrast=6.0))


def arc_from_brightness(stamps_s: ArrayLike, brightness: ArrayLike) -> ArcSignal:
    """Arc signal of a camera from the mean brightness of its frames (8-bit counts).

    Glowing metal after the arc lies well below half the arc's own light in a weld camera's exposure.
    """
    stamps = np.asarray(stamps_s, np.float64)
    if len(stamps) < 3:
        return ArcSignal(np.zeros(0), np.zeros(0))
    level = np.asarray(brightness, np.float64)
    return ArcSignal(stamps, _two_level_likelihood(level, 0.5, least_contrast=4.0))


def _two_level_likelihood(level: Floats, threshold: float, least_contrast: float) -> Floats:
    """0 at the lower of two typical levels, 1 at the upper, 0.5 at ``threshold`` of the way; all 0 without contrast."""
    split = _otsu(level)
    if not np.isfinite(split):
        return np.zeros_like(level)
    off, on = float(np.median(level[level <= split])), float(np.median(level[level > split]))
    if on - off < least_contrast:
        return np.zeros_like(level)
    middle = off + threshold * (on - off)
    scaled = np.where(level < middle, (level - off) / (middle - off), 1 + (level - middle) / (on - middle))
    return np.clip(scaled / 2, 0.0, 1.0)


def _otsu(level: Floats) -> float:
    """Threshold that separates two levels best (Otsu 1979), NaN when all values are equal."""
    low, high = np.percentile(level, (0.5, 99.5))
    if not high > low:
        return float("nan")
    counts, edges = np.histogram(np.clip(level, low, high), bins=128)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    moment = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (moment[:-1] / below - (moment[-1] - moment[:-1]) / above) ** 2
    return float(edges[1:-1][np.nanargmax(between)])
