"""What ONNX Runtime runs on, and how its sessions are tuned."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from msstan_core.errors import InputError

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = ("auto", "cpu", "cuda", "tensorrt")

_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
#: What each choice asks for, in order of preference; the CPU runs what the others cannot.
_ORDER: dict[Provider, tuple[str, ...]] = {
    "auto": (_TENSORRT, _CUDA, _CPU),
    "cpu": (_CPU,),
    "cuda": (_CUDA, _CPU),
    "tensorrt": (_TENSORRT, _CUDA, _CPU),
}


def chosen_providers(choice: Provider, available: Collection[str]) -> list[tuple[str, dict[str, str]]]:
    """ONNX Runtime's providers with their options, in order of preference.

    Args:
        choice: "auto" takes the best that is there. available: what this build of ONNX Runtime offers.

    Raises:
        InputError: when a named one is not available.
    """
    if choice not in _ORDER:
        raise InputError(f"provider {choice}", "unknown", f"one of {', '.join(PROVIDERS)}")
    if choice != "auto" and _ORDER[choice][0] not in available:
        raise InputError(
            f"provider {choice}",
            f"this onnxruntime has only {', '.join(available)}",
            "install onnxruntime-gpu (requirements/gpu.txt), or choose auto",
        )
    return [(name, _options(name)) for name in _ORDER[choice] if name in available]


def runs_on_cpu(choice: Provider) -> bool:
    """Whether ONNX Runtime would run a graph on the CPU; raises InputError as :func:`open_session`."""
    return chosen_providers(choice, _onnxruntime().get_available_providers())[0][0] == _CPU


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise InputError("backend onnx", "onnxruntime is not installed", "pip install onnxruntime") from None
    return onnxruntime


def _options(provider: str) -> dict[str, str]:
    if provider == _CUDA:
        return {"use_tf32": "0"}  # its ten bits of mantissa differ from torch by more than the export allows
    if provider == _TENSORRT:
        # Building an engine takes minutes; the next start finds it here.
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "msstan" / "tensorrt"
        return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache), "trt_fp16_enable": "0"}
    return {}


def open_session(path: Path, threads: int, provider: Provider = "auto") -> Any:
    """An ``onnxruntime.InferenceSession`` for streaming.

    Raises:
        InputError: when ONNX Runtime is not installed, has no such provider, or cannot read the graph.
    """
    onnxruntime = _onnxruntime()
    providers = chosen_providers(provider, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads steal the cores from DDS and the camera driver; measured p99 is far better without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime raises its own unrelated classes for every kind of bad file
        reason = str(error).splitlines()[0]
        raise InputError(path, f"ONNX Runtime cannot open it ({reason})", "export it again") from error


def device_of(session: Any) -> str:
    """Where the session's tensors live: "cuda" or "cpu"."""
    return "cpu" if session.get_providers()[0] == _CPU else "cuda"
