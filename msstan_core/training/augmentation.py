"""Random changes of training clips: other microphones and shops, other cameras, lost sensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import TELEMETRY_CHANNELS
from msstan_core.preprocessing.log_mel import FLOOR_DB
from msstan_core.preprocessing.process_quantities import QUANTITIES
from msstan_core.preprocessing.thermal_statistics import PROPORTIONAL
from msstan_core.training.configuration import AugmentationConfig
from msstan_core.training.hidden_views import add_noise, hide_parts
from msstan_core.vocabulary import MODALITIES

#: dB of power -> natural logarithm.
_NEPER = np.float32(np.log(10.0) / 10.0)
#: Probability that a clip has a run of bands hidden.
_MASKING = 0.5
#: Roughness of the shop noise: std of its steps from band to band and of its flicker, dB.
_NOISE_COLOUR_DB, _NOISE_FLICKER_DB = 1.0, 2.0


def augment(
    arrays: dict[str, NDArray[Any]],
    config: AugmentationConfig,
    rng: np.random.Generator,
    programme_columns: slice = slice(0, 0),
) -> None:
    """Change one clip in place of its arrays.

    Args:
        arrays: by the names of :class:`~msstan_core.model.ms_stan.Features`, each [T, ...].
        config: how much. rng: source of all randomness.
        programme_columns: of the telemetry, as InputSpec has them.
    """
    drop_modalities(arrays["valid"], config, rng)
    hide_parts(arrays, config, rng)
    arrays["log_mel"] = other_sound(arrays["log_mel"], config, rng)
    arrays["camera"] = other_camera(arrays["camera"], config, rng)
    if any(arrays["thermal"].strides):  # else it is one broadcast zero: no thermal camera
        scale = 1.0 + rng.uniform(-config.thermal_scale, config.thermal_scale)
        arrays["thermal"] = arrays["thermal"].astype(np.float32) * np.float32(scale)
        arrays["thermal_statistics"] = (
            np.where(PROPORTIONAL, scale, 1.0).astype(np.float32) * arrays["thermal_statistics"]
        )
    if programme_columns.start < programme_columns.stop:
        arrays["telemetry"] = other_programme(arrays["telemetry"], programme_columns, config, rng)
    add_noise(arrays, config, rng)


def drop_modalities(valid: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Hide modalities in ``valid`` [T, 4]: all but one now and then, else some of them, but never the last one.

    Cells with a single sensor exist, and a branch that always has company learns to lean on it.
    """
    present = np.flatnonzero(valid.any(axis=0))
    if len(present) > 1 and rng.random() < config.single_modality:
        kept = rng.choice(present)
        valid[:, np.arange(valid.shape[1]) != kept] = 0
        return
    for modality in rng.permutation(len(MODALITIES)):
        others = np.delete(valid, modality, axis=1).any()
        if not others or rng.random() >= config.modality_dropout:
            continue
        begin, end = 0, len(valid)
        if rng.random() < config.dropout_span:
            begin, end = sorted(rng.integers(0, len(valid) + 1, 2))
        valid[begin:end, modality] = 0


def other_programme(
    telemetry: NDArray[np.float32],
    columns: slice,
    config: AugmentationConfig,
    rng: np.random.Generator,
    *,
    jobs: int = 1,
) -> NDArray[np.float32]:
    """A job whose programme is not told, or told a little wrong. [T, InputSpec.telemetry_count].

    Args:
        telemetry: of a clip. columns: where its departure from the programme stands, see ProgrammeDeparture.
        config: how often and how much. rng: source of all randomness. jobs: T where every tick is of another job.
    """
    telemetry = telemetry.copy()
    untold = rng.random(jobs) < config.programme_dropout
    error = rng.normal(0.0, config.programme_error, (jobs, len(TELEMETRY_CHANNELS)))  # of the logarithm
    power = error[:, 0] + error[:, 1]
    errors = np.column_stack([error, power, power - error[:, 3]]).astype(np.float32)
    told = telemetry[:, columns]  # a view
    told[:, :QUANTITIES] += errors * told[:, QUANTITIES : 2 * QUANTITIES]
    told *= ~untold[:, None]
    return telemetry


def other_sound(
    log_mel: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Another microphone (level and tilt), shop noise below it, a run of bands hidden. [T, bands, frames] dB."""
    bands = log_mel.shape[1]
    tilt = rng.uniform(-config.sound_tilt_db, config.sound_tilt_db)
    gain = rng.uniform(-config.sound_gain_db, config.sound_gain_db) + np.linspace(-tilt, tilt, bands)
    sound = log_mel + gain.astype(np.float32)[None, :, None]
    level = np.quantile(sound[::8], 0.05) + rng.uniform(-config.sound_floor_db, config.sound_floor_db)
    colour = _NOISE_COLOUR_DB * np.cumsum(rng.standard_normal(bands))
    shape = (level + colour - colour.mean()).astype(np.float32)[None, :, None]
    noise = shape + _NOISE_FLICKER_DB * rng.standard_normal(sound.shape, np.float32)
    sound = _powers_added(sound * _NEPER, noise * _NEPER) / _NEPER
    width = int(rng.integers(0, config.sound_masked_bands + 1))
    if width and rng.random() < _MASKING:
        low = int(rng.integers(0, bands - width + 1))
        sound[:, low : low + width] = sound.mean()
    return np.asarray(np.maximum(sound, FLOOR_DB), np.float32)


def other_camera(features: NDArray[Any], config: AugmentationConfig, rng: np.random.Generator) -> NDArray[Any]:
    """Backbone features [T, C, h, w] with another gain and offset per channel, and fixed-pattern noise."""
    if not any(features.strides):  # one broadcast zero: no camera
        return features
    values = features.astype(np.float32)
    channels, level = values.shape[1], config.camera_noise
    spread = values.std() + 1e-6
    gain = rng.normal(1.0, level, (1, channels, 1, 1)).astype(np.float32)
    offset = rng.normal(0.0, level * spread, (1, channels, 1, 1)).astype(np.float32)
    noise = rng.standard_normal(values[:1].shape, np.float32) * np.float32(level * spread)
    return np.asarray(values * gain + offset + noise, np.float32)  # the network computes in single precision anyway


def _powers_added(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """np.logaddexp in arithmetic that numpy vectorises: a tenth of its time, equal to 2e-6."""
    return np.asarray(np.maximum(one, other) + np.log(1.0 + np.exp(-np.abs(one - other))), np.float32)
