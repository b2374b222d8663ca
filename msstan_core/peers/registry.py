"""Every peer by name: how it is built at its published size and at the size it is trained at on two cores."""

from __future__ import annotations

from functools import partial

from torch import nn

from msstan_core.errors import InputError
from msstan_core.peers.cnn_lstm import CnnLstm
from msstan_core.peers.hog_svm import PIXELS as HOG_PIXELS
from msstan_core.peers.i3d import InflatedResNet50
from msstan_core.peers.miniroad import MiniRoad
from msstan_core.peers.peer import CAMERA, OUTPUTS, Kind, Peer, Sampling, Variant
from msstan_core.peers.resnet3d import ResNet3d18
from msstan_core.peers.single_tick import SingleTick
from msstan_core.peers.slowfast import SlowFast50
from msstan_core.peers.tick_features import ALL
from msstan_core.peers.timesformer import TimeSformer
from msstan_core.peers.tsm import OnlineTsm
from msstan_core.peers.tsn import TemporalSegmentNetwork
from msstan_core.peers.x3d import X3d
from msstan_core.vocabulary import Modality

__all__ = ["OUTPUTS", "PEERS", "REDUCED_PIXELS", "Kind", "Peer", "Sampling", "Variant"]

#: Side of the frames that are kept for reduced peers; clip networks read half of it, because on two cores four times
#: the steps within the same budget are worth more to them than the finer picture.
REDUCED_PIXELS = 112
_TELEMETRY = frozenset({Modality.TELEMETRY})
_PX, _HALF_PX = REDUCED_PIXELS, REDUCED_PIXELS // 2
_FEATURE_SAMPLING = Sampling(160, 128, 1)


def _no_network(outputs: int) -> nn.Module:
    raise InputError("SVM+HOG", "is no network", "use msstan_core.peers.hog_svm")


def _over_features(
    name: str,
    label: str,
    network: partial[MiniRoad] | partial[SingleTick],
    reduced: Variant | None,
    reference: str,
    parameters_m: float,
) -> Peer:
    """A peer over features; its modalities are those that its network reads."""
    full = Variant(label, network, _FEATURE_SAMPLING)
    modalities = network.keywords["modalities"]
    return Peer(name, Kind.FEATURES, full, reduced or full, reference, parameters_m, OUTPUTS, modalities)


_X3D = "Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020"
_MINIROAD = "An et al., MiniROAD: Minimal RNN Framework for Online Action Detection, ICCV 2023, on EfficientNet-Lite0"
_NO_MEMORY = "EfficientNet-Lite0 (frozen, ImageNet) and a classifier on the newest tick"

PEERS: dict[str, Peer] = {
    "svm_hog": Peer(
        "SVM+HOG",
        Kind.FRAME,
        Variant("HOG + linear SVM", _no_network, Sampling(1, HOG_PIXELS, 1)),
        Variant("HOG + linear SVM", _no_network, Sampling(1, HOG_PIXELS, 1)),
        "Dalal and Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005",
        0.0,
    ),
    "cnn_lstm": Peer(
        "CNN+LSTM",
        Kind.STREAMING,
        Variant("ResNet-18 + LSTM 512", CnnLstm, Sampling(16, 224, 1)),
        Variant("ResNet-18 + LSTM (width 0.25, 112 px)", partial(CnnLstm, width=0.25), Sampling(16, _PX, 2)),
        "Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015, with ResNet-18",
        13.48,
    ),
    "timesformer": Peer(
        "TimeSformer",
        Kind.CLIP,
        Variant("TimeSformer-B 8x32", TimeSformer, Sampling(8, 224, 32)),
        Variant(
            "TimeSformer (width 0.25, depth 6, patch 14, 56 px, 8 frames)",
            partial(TimeSformer, pixels=_HALF_PX, width=0.25, depth=6, patch=14),
            Sampling(8, _HALF_PX, 4),
        ),
        "Bertasius, Wang and Torresani, Is Space-Time Attention All You Need?, ICML 2021",
        121.57,
    ),
    "r3d_18": Peer(
        "R3D-18",
        Kind.CLIP,
        Variant("R3D-18", ResNet3d18, Sampling(16, 112, 2)),
        Variant("R3D-18 (width 0.25, 56 px, 8 frames)", partial(ResNet3d18, width=0.25), Sampling(8, _HALF_PX, 4)),
        "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018",
        33.37,
    ),
    "slowfast_r50": Peer(
        "SlowFast-R50",
        Kind.CLIP,
        Variant("SlowFast-R50 4x16", SlowFast50, Sampling(32, 224, 2)),
        Variant(
            "SlowFast-R50 (width 0.25, 56 px, 2+8 frames)",
            partial(SlowFast50, alpha=4, width=0.25),
            Sampling(8, _HALF_PX, 4),
        ),
        "Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019",
        34.48,
    ),
    "i3d_r50": Peer(
        "I3D-R50",
        Kind.CLIP,
        Variant("I3D-R50 8x8", InflatedResNet50, Sampling(8, 224, 8)),
        Variant(
            "I3D-R50 (width 0.25, 56 px, 8 frames)", partial(InflatedResNet50, width=0.25), Sampling(8, _HALF_PX, 4)
        ),
        "Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017; ResNet-50 as in Wang et al., CVPR 2018",
        28.04,
    ),
    "tsn_r50": Peer(
        "TSN-R50",
        Kind.STREAMING,
        Variant("TSN-R50, 8 segments", TemporalSegmentNetwork, Sampling(8, 224, 8)),
        Variant(
            "TSN-R18 (width 0.25, 112 px, 8 segments)",
            partial(TemporalSegmentNetwork, depth=18, width=0.25),
            Sampling(16, _PX, 2),
        ),
        "Wang et al., Temporal Segment Networks, ECCV 2016, ResNet-50, RGB",
        24.33,
    ),
    "x3d_xs": Peer(
        "X3D-XS",
        Kind.CLIP,
        Variant("X3D-XS 4x12", X3d, Sampling(4, 160, 12)),
        Variant("X3D-XS (width 0.5, 56 px)", partial(X3d, width=0.5), Sampling(4, _HALF_PX, 8)),
        _X3D,
        3.79,
    ),
    "x3d_s": Peer(
        "X3D-S",
        Kind.CLIP,
        Variant("X3D-S 13x6", X3d, Sampling(13, 160, 6)),
        Variant("X3D-S (width 0.5, 56 px, 8 frames)", partial(X3d, width=0.5), Sampling(8, _HALF_PX, 4)),
        _X3D,
        3.79,
    ),
    "tsm_mobilenetv2": Peer(
        "TSM (online)",
        Kind.STREAMING,
        Variant("TSM-MobileNetV2 (online)", OnlineTsm, Sampling(8, 224, 2)),
        Variant(
            "TSM-MobileNetV2 (online, width 0.5, 56 px)",
            partial(OnlineTsm, width=0.5, pixels=_HALF_PX),
            Sampling(16, _HALF_PX, 2),
        ),
        "Lin, Gan and Han, TSM: Temporal Shift Module for Efficient Video Understanding, ICCV 2019, online",
        2.74,
    ),
    "gru": _over_features(
        "GRU over features (MiniROAD)",
        "MiniROAD, all sensors",
        partial(MiniRoad, modalities=ALL),
        Variant("MiniROAD (width 0.25), all sensors", partial(MiniRoad, modalities=ALL, width=0.25), _FEATURE_SAMPLING),
        _MINIROAD,
        10.36,
    ),
    "gru_camera": _over_features(
        "GRU over camera features (MiniROAD)",
        "MiniROAD, camera",
        partial(MiniRoad, modalities=CAMERA, context=False),
        Variant(
            "MiniROAD (width 0.25), camera",
            partial(MiniRoad, modalities=CAMERA, context=False, width=0.25),
            _FEATURE_SAMPLING,
        ),
        _MINIROAD,
        9.80,
    ),
    "frame_linear": _over_features(
        "frame only, linear",
        "linear on camera features",
        partial(SingleTick, modalities=CAMERA, hidden=0),
        None,
        _NO_MEMORY,
        0.0,
    ),
    "frame_mlp": _over_features(
        "frame only, MLP", "MLP on camera features", partial(SingleTick, modalities=CAMERA), None, _NO_MEMORY, 0.05
    ),
    "tick_mlp": _over_features(
        "one tick, MLP",
        "MLP on all sensors' features",
        partial(SingleTick, modalities=ALL, context=True),
        None,
        _NO_MEMORY,
        0.13,
    ),
    "telemetry_mlp": _over_features(
        "telemetry only",
        "MLP on rolling statistics of telemetry",
        partial(SingleTick, modalities=_TELEMETRY, context=True),
        None,
        "rolling statistics of current, voltage, wire feed, travel and gas, and a classifier",
        0.04,
    ),
}
