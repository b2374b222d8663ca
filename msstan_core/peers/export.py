"""A peer's decision update as an ONNX graph, so that peers are timed in the same runtime as MS-STAN."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from msstan_core.peers.registry import Peer

_OPSET = 20


def export_update(peer: Peer, path: Path, full: bool = True) -> dict[str, NDArray[Any]]:
    """Write one decision update of ``peer`` as ONNX to ``path``; returns random feeds for it.

    Args:
        peer: from the registry. path: of the .onnx file; weights are in it. full: published or reduced size.
    """
    import onnx

    module, inputs = peer.update(full)
    names = [f"input_{i}" for i in range(len(inputs))]
    with warnings.catch_warnings(), torch.inference_mode(False):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            module,
            inputs,
            path,
            input_names=names,
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    read = {i.name for i in onnx.load(path).graph.input}  # the exporter may leave out what is not read
    return {name: value.numpy() for name, value in zip(names, inputs, strict=True) if name in read}
