"""A bag becomes arrays: one row a tick, exactly what the live monitor would feed its network, plus labels.

The frozen camera backbone is run once per recording; its features are cached beside the other inputs, because that is
what makes training on two cores possible.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from msstan_core.alignment import ticks_of
from msstan_core.errors import InputError
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.thumbnail import SHRINK, grey_thumbnail
from msstan_core.output_files import written_whole
from msstan_core.preprocessing.preprocessor import Preprocessor
from msstan_core.recordings.annotations import action_track, imperfection_track, imperfections_complete
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.bag_folders import DescribedBag
from msstan_core.recordings.rejections import unused_imperfections
from msstan_core.sensor_settings import DEFAULT_SENSORS, SensorSettings
from msstan_core.training.array_file import mapped_arrays
from msstan_core.training.backbone_features import BATCH, BackboneFeatures
from msstan_core.vocabulary import MODALITIES, Modality

#: Raise when the arrays' meaning changes: caches of older meaning are then not read.
CACHE_FORMAT = 4
#: Beside cached arrays: what of the bag was not used.
_REJECTED = ".rejected.txt"


@dataclass(frozen=True, slots=True)
class RecordingFeatures:
    """One recording as the network sees it. N ticks."""

    time_s: NDArray[np.float64]  #: [N] from the bag's first stamp
    camera: NDArray[np.float16]  #: [M, channels, h, w] backbone features of the M ticks with a camera frame
    camera_row: NDArray[np.int64]  #: [N] row of ``camera`` for each tick, -1 where there is none
    thermal: NDArray[np.float16]  #: [K, px, px] degC of the K ticks with a thermal frame
    thermal_row: NDArray[np.int64]  #: [N] row of ``thermal``, -1 where there is none
    log_mel: NDArray[np.float16]  #: [N, bands, frames] dB
    telemetry: NDArray[np.float32]  #: [N, InputSpec.telemetry_count]
    context: NDArray[np.int64]  #: [N, 4]
    valid: NDArray[np.float32]  #: [N, 4]
    age_s: NDArray[np.float32]  #: [N, 4]
    thermal_statistics: NDArray[np.float32]  #: [N, STATISTICS_COUNT]
    action: NDArray[np.int64]  #: [N] index into ACTIONS, UNLABELLED where there is no label
    imperfection: NDArray[np.float32]  #: [N, 13] 0 or 1; NaN where the labels do not claim to be complete
    thumbnail: NDArray[np.float16] | None = None  #: [M, px/4, px/4] grey levels; if the model reads it


@dataclass(frozen=True, slots=True)
class Recording(DescribedBag):
    """Features with what is known about the recording."""

    features: RecordingFeatures
    source: str = ""  #: hash of what they were made of: the bag's files, and how they were read; "" unknown

    @property
    def labels_sha256(self) -> str:
        """Beginning of a hash of its labels, by the rules that are in force."""
        labels = self.features.action.tobytes() + self.features.imperfection.tobytes()
        return hashlib.sha256(labels).hexdigest()[:12]


class FeatureExtractor:
    """Turns bags into :class:`Recording`, with a cache on disk.

    Args:
        config: of the network, for input sizes and backbone.
        cache: folder for the arrays; None: no cache.
        sensors: how the bags' samples are read.

    Raises:
        InputError: when these give less sound a tick than the network reads.
    """

    def __init__(
        self, config: ModelConfig, cache: Path | None = None, sensors: SensorSettings = DEFAULT_SENSORS
    ) -> None:
        config.inputs.log_mel.refuse_short_sound(sensors.alignment.audio_window_s, "features")
        self._config = config
        self._cache = cache
        self._sensors = sensors
        self._backbone = BackboneFeatures(config)
        self.rejections: list[str] = []  #: what of the bags was not used, in lines

    def __call__(self, bag: Path, withheld: frozenset[Modality] = frozenset()) -> Recording:
        """Features of one bag without the withheld modalities.

        Raises:
            InputError: when the bag cannot be read or gives no tick.
        """
        with BagReader(bag, namespace=self._sensors.namespace, scaling=self._sensors.scaling) as reader:
            attributes = reader.attributes
            modalities = frozenset(MODALITIES) - withheld
            source = self._source(bag, modalities, reader.namespace)
            cached = self._cache / f"{source}.npz" if self._cache else None
            if cached is not None and cached.is_file():
                self.rejections += _lines(cached.with_suffix(_REJECTED))
                # What labels mean is read anew: a cache of an earlier rule would teach that.
                return Recording(bag, attributes, _labelled(_load(cached), reader), source)
            features = self._extract(reader, modalities)
            unused = unused_imperfections(reader.annotations, imperfections_complete(attributes))
            rejected = [f"{bag}: {line}" for line in (*reader.rejections, *unused)]
        self.rejections += rejected
        if cached is not None:
            arrays = {f.name: getattr(features, f.name) for f in fields(features)}
            with written_whole(cached) as file:
                if rejected:
                    cached.with_suffix(_REJECTED).write_text("\n".join(rejected), encoding="utf-8")
                np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
        return Recording(bag, attributes, features, source)

    def _source(self, bag: Path, modalities: frozenset[Modality], namespace: str | None) -> str:
        content = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(bag.iterdir()) if p.is_file()]
        described = {
            "format": CACHE_FORMAT,
            "bag": str(bag.resolve()),
            "content": content,
            "inputs": self._config.inputs.model_dump(),
            "blocks": self._config.backbone_blocks,
            "pretrained": self._config.pretrained,
            "modalities": sorted(m.label for m in modalities),
        }
        if self._config.uses_thumbnail:
            described["thumbnail"] = SHRINK
        if self._sensors.changed:
            described["sensors"] = self._sensors.changed
        if namespace is not None:
            described["namespace"] = namespace
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:24]

    def _extract(self, reader: BagReader, modalities: frozenset[Modality]) -> RecordingFeatures:
        preprocess = Preprocessor(self._config.inputs, modalities)
        images = _Images(self._backbone, thumbnails=self._config.uses_thumbnail)
        # In half precision as they come, and images as features: an hour of ticks as they are would not fit in memory.
        thermal: list[NDArray[np.float16]] = []
        log_mel: list[NDArray[np.float16]] = []
        others: dict[str, list[NDArray[Any]]] = {name: [] for name in _AS_THEY_ARE}
        stamps: list[int] = []
        for tick in ticks_of(reader.samples(modalities), self._sensors.alignment):
            found, _ = preprocess(tick)
            stamps.append(tick.stamp_ns)
            images.add(found.camera, valid=found.valid[Modality.CAMERA] > 0)
            if found.valid[Modality.THERMAL] > 0:
                thermal.append(found.thermal.astype(np.float16))
            log_mel.append(found.log_mel.astype(np.float16))
            for name, parts in others.items():
                parts.append(getattr(found, name))
        if not stamps:
            remedy = self._sensors.no_tick_remedy("check what was recorded: msstan replay")
            raise InputError(reader.path, "gives no tick with these modalities", remedy)
        time_s = np.array([reader.seconds(stamp) for stamp in stamps])
        arrays = {name: np.stack(parts) for name, parts in others.items()}
        px = self._config.inputs.thermal_px
        camera, thumbnail = images.reduced()
        action, imperfection = _tracks(reader, time_s)
        return RecordingFeatures(
            time_s=time_s,
            camera=camera,
            camera_row=_rows(arrays["valid"][:, Modality.CAMERA] > 0),
            thermal=np.stack(thermal or [np.zeros((px, px), np.float16)]),
            thermal_row=_rows(arrays["valid"][:, Modality.THERMAL] > 0),
            log_mel=np.stack(log_mel),
            action=action,
            imperfection=imperfection,
            thumbnail=thumbnail,
            **arrays,
        )


#: Of a tick's inputs, what is kept as it is.
_AS_THEY_ARE = ("telemetry", "context", "valid", "age_s", "thermal_statistics")


class _Images:
    """Images of a recording, reduced batch by batch to what training reads of them.

    Args:
        backbone: makes features of a batch. thumbnails: whether grey thumbnails are read, too.
    """

    def __init__(self, backbone: BackboneFeatures, *, thumbnails: bool) -> None:
        self._backbone, self._thumbnails = backbone, thumbnails
        self._waiting: list[NDArray[np.uint8]] = []
        self._blank: NDArray[np.uint8] | None = None  #: of a tick without a camera: a recording has one image at least
        self._features: list[NDArray[np.float16]] = []
        self._grey: list[NDArray[np.float16]] = []

    def add(self, image: NDArray[np.uint8], *, valid: bool) -> None:
        """The image of one tick; ``valid``: it is one."""
        if not valid:
            self._blank = image if self._blank is None else self._blank
            return
        self._waiting.append(image)
        if len(self._waiting) == BATCH:
            self._reduce()

    def reduced(self) -> tuple[NDArray[np.float16], NDArray[np.float16] | None]:
        """(features [M, channels, h, w], thumbnails [M, px/4, px/4] where they are read) of all of them."""
        if not self._features and not self._waiting and self._blank is not None:
            self._waiting.append(self._blank)
        if self._waiting:
            self._reduce()
        return np.concatenate(self._features), np.concatenate(self._grey) if self._thumbnails else None

    def _reduce(self) -> None:
        self._features.append(self._backbone(self._waiting))
        if self._thumbnails:
            # Whole grey levels, which half precision holds exactly.
            parts = [grey_thumbnail(torch.from_numpy(image[None])) for image in self._waiting]
            self._grey += [part.numpy().astype(np.float16) for part in parts]
        self._waiting.clear()


def _tracks(reader: BagReader, time_s: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(action, imperfection) at each tick, by the labels beside the bag."""
    # Absence of an imperfection is only known where the labels claim to be complete.
    complete = imperfections_complete(reader.attributes)
    annotations = reader.annotations
    return action_track(annotations, time_s), imperfection_track(annotations, time_s, complete=complete)


def _labelled(features: RecordingFeatures, reader: BagReader) -> RecordingFeatures:
    action, imperfection = _tracks(reader, features.time_s)
    return replace(features, action=action, imperfection=imperfection)


def _rows(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(present, np.cumsum(present) - 1, -1).astype(np.int64)


#: Read from disk when they are asked for: what is large, and of which a clip takes a few rows.
_ON_DISK = ("camera", "thermal", "log_mel", "thumbnail")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _load(path: Path) -> RecordingFeatures:
    names = [f.name for f in fields(RecordingFeatures)]
    try:
        mapped = mapped_arrays(path, _ON_DISK)
        with np.load(path) as data:
            return RecordingFeatures(**mapped, **{n: data[n] for n in names if n in data and n not in mapped})
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, struct.error) as error:
        raise InputError(path, f"is damaged ({error})", "delete it: the features are extracted anew") from None
