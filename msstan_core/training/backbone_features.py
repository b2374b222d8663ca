"""The frozen camera backbone over many images, in ONNX Runtime: several times faster than torch on a CPU."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from msstan_core.model.branches import CameraBackbone
from msstan_core.model.configuration import ModelConfig

#: Images that the backbone takes at once.
BATCH = 16
_OPSET = 18


class BackboneFeatures:
    """Images in, what :class:`CameraBackbone` makes of them out; the graph is exported once, on first use.

    Args:
        config: of the network.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._session: onnxruntime.InferenceSession | None = None

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """images: N of [H, W, 3] RGB, H = W = camera_px -> [N, channels, H/16, W/16]."""
        if self._session is None:
            self._session = self._export()
        parts = [
            self._session.run(None, {"camera": np.stack(images[begin : begin + BATCH])})[0].astype(np.float16)
            for begin in range(0, len(images), BATCH)
        ]
        return np.concatenate(parts)

    def _export(self) -> onnxruntime.InferenceSession:
        px = self._config.inputs.camera_px
        example = torch.zeros(2, px, px, 3, dtype=torch.uint8)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            path = Path(folder) / "backbone.onnx"
            torch.onnx.export(
                CameraBackbone(self._config).eval(),
                (example,),
                path,
                input_names=["camera"],
                output_names=["features"],
                opset_version=_OPSET,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            # CPU on purpose: equal features on every machine that shares a cache.
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
