"""Temperature of the parts: transient heat conduction with melting, on the unfolded surface of the joint.

Layers of square cells, enthalpy form, so that a solidification plateau, the run-in, weaving, changes of power, a pool
that breaks through and unlike materials on both sides come out by themselves. Far from the source and in steady motion
it agrees with the moving sources of D. Rosenthal, Trans. ASME 68 (1946) 849-866, which tests check:

- thin plate T - T0 = q / (2 pi k h) exp(-v x / 2 a) K0(v r / 2 a)
- thick plate T - T0 = q / (2 pi k r) exp(-v (x + r) / 2 a), mirrored at the underside

The source is a Gaussian (T. W. Eagar, N.-S. Tsai, Welding Journal 62 (1983) 346s-355s) that decays exponentially into
the depth; a point source would be singular.

Coordinates: x along the seam from its start, y across (y > 0: near part a, y < 0: far part b), m. Arrays are [ny, nx].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.materials import PROPERTIES, ThermalProperties
from msstan_core.vocabulary import Material

STEFAN_BOLTZMANN = 5.670e-8
KELVIN = 273.15
#: Thickness of the upper layers, m; at most equal shares of the part. The lowest layer has the rest, of very thick
#: parts only the depth that heat reaches in a pass.
UPPER_LAYERS_M = (0.0015, 0.0025)
LOWEST_LAYER_M = 0.008
#: Thinner parts need no middle layer, m.
THIN_M = 0.005
#: Flow in a molten pool carries heat this many times faster than conduction, down and sideways.
POOL_STIRRING, POOL_SPREADING = 4.0, 2.5
#: Parts are larger than the field: what leaves it flows to ambient over this distance, m.
SURROUNDINGS_M = 0.03
#: convection and clamping, W/(m^2 K)
SURFACE_LOSS = 30.0


class HeatField:
    """Enthalpy of layers of cells and what melting left behind."""

    def __init__(
        self,
        materials: tuple[Material, Material],
        thickness_m: tuple[float, float],
        seam_length_m: float,
        ambient_c: float,
        preheat_c: float,
        cell_m: float = 0.001,
        margin_m: float = 0.015,
        half_width_m: float = 0.025,
    ) -> None:
        self.ambient_c = ambient_c
        near, far = PROPERTIES[materials[0]], PROPERTIES[materials[1]]
        if (
            max(near.conductivity_w_mk / near.volumetric_heat_j_m3k, far.conductivity_w_mk / far.volumetric_heat_j_m3k)
            > 4e-5
        ):
            cell_m *= 1.5  # conductive metals: larger cells keep the explicit step long, and their fields are smooth
        self.cell_m = cell_m
        self.nx = max(round((seam_length_m + 2 * margin_m) / cell_m), 8)
        self.ny = max(2 * round(half_width_m / cell_m), 8)
        self.x_m = np.asarray(-margin_m + (np.arange(self.nx) + 0.5) * cell_m, np.float64)
        self.y_m = np.asarray((np.arange(self.ny) - self.ny / 2 + 0.5) * cell_m, np.float64)
        near_rows = self.y_m > 0
        self.near_rows = near_rows

        def per_row(value_near: float, value_far: float) -> NDArray[np.float32]:
            return np.where(near_rows, value_near, value_far).astype(np.float32)[:, None]

        def of(name: str) -> NDArray[np.float32]:
            return per_row(getattr(near, name), getattr(far, name))

        self.near: ThermalProperties = near
        self.far: ThermalProperties = far
        self._k = of("conductivity_w_mk")
        self._c = of("volumetric_heat_j_m3k")
        self.melting_c = of("melting_c")
        self._latent = of("latent_heat_j_m3")
        self._boil = of("boiling_c")
        self._emissive_solid = of("emissivity_solid")
        self._emissive_liquid = of("emissivity_liquid")
        self.thickness_m = per_row(*thickness_m)
        self._layer = _layers(self.thickness_m)
        self._depth = np.concatenate([np.zeros_like(self._layer[:1]), np.cumsum(self._layer, 0)])  # [n + 1, ny, 1]
        self._inverse_c = 1.0 / self._c
        self._melt_h = self._c * self.melting_c
        self._boil_h = self._c * self._boil + self._latent
        shape = (len(self._layer), self.ny, self.nx)
        self._enthalpy = np.broadcast_to(self._c * np.float32(preheat_c), shape).astype(np.float32)
        self._celsius = self._temperatures()
        conductance = self._k * self._layer  # W/K per square
        across = 2 * conductance[:, 1:] * conductance[:, :-1] / (conductance[:, 1:] + conductance[:, :-1])
        self._along = (conductance / cell_m**2).astype(np.float32)
        self._across = (across / cell_m**2).astype(np.float32)
        self._through = (2 * self._k / (self._layer[1:] + self._layer[:-1])).astype(np.float32)  # W/(m^2 K)
        self._escape = np.broadcast_to(conductance / (cell_m * SURROUNDINGS_M), shape).astype(np.float32)
        neighbours = np.concatenate([self._through, 0 * self._through[:1]])
        neighbours[1:] += self._through
        sideways = 4 * POOL_SPREADING * self._k / cell_m**2
        fastest = float(np.max((sideways + POOL_STIRRING * neighbours / self._layer) / self._c))
        self._limit_s = 0.95 / fastest
        self._heated = preheat_c > ambient_c + 0.5
        self.surface_c = np.full((self.ny, self.nx), preheat_c, np.float32)
        self.bottom_c = self.surface_c.copy()
        self.peak_c = self.surface_c.copy()  #: hottest ever, of the surface
        self.bead_m = np.zeros((self.ny, self.nx), np.float32)  #: height of deposited metal
        self.pool = np.zeros((self.ny, self.nx), bool)  #: molten surface
        self.joined = self.pool.copy()  #: surface that was once molten or stirred: weld metal

    def index(self, x_m: float, y_m: float) -> tuple[int, int]:
        """Row and column of a point, clipped to the field."""
        column = int((x_m - self.x_m[0]) / self.cell_m + 0.5)
        row = int((y_m - self.y_m[0]) / self.cell_m + 0.5)
        return min(max(row, 0), self.ny - 1), min(max(column, 0), self.nx - 1)

    def advance(
        self, seconds: float, x_m: float, y_m: float, power_w: float, radius_m: float, depth_m: float = 0.001
    ) -> None:
        """Heat ``power_w`` flows in at (x, y): a Gaussian of standard deviation ``radius_m`` on the surface, fallen to
        1/e at ``depth_m``.
        """
        self._heated = self._heated or power_w > 0.0
        if not self._heated:  # everything stands at ambient temperature
            return
        substeps = max(math.ceil(seconds / self._limit_s), 1)
        dt = seconds / substeps
        patch = None
        if power_w > 0.0:
            rows, columns, weight = self._gaussian(x_m, y_m, radius_m)
            reaches = np.exp(-self._depth[:, rows] / max(depth_m, 1e-5))
            reaches[-1] = 0.0  # nothing leaves below
            into = (reaches[:-1] - reaches[1:]).astype(np.float32)
            patch = (rows, columns, into * (weight * np.float32(power_w / self.cell_m**2)))
        for _ in range(substeps):
            self._substep(np.float32(dt), patch)
        np.maximum(self.peak_c, self.surface_c, out=self.peak_c)
        self.pool = self.surface_c >= self.melting_c + 1.0
        self.joined |= self.pool

    def stir(self, x_m: float, y_m: float, radius_m: float) -> None:
        """A tool has stirred the metal around (x, y)."""
        distance = (self.x_m[None, :] - x_m) ** 2 + (self.y_m[:, None] - y_m) ** 2
        self.joined |= distance < radius_m**2

    def deposit(self, volume_m3: float, x_m: float, y_m: float, radius_m: float) -> None:
        """Spread filler metal over the pool and a little beyond."""
        if volume_m3 > 0.0:
            rows, columns, weight = self._gaussian(x_m, y_m, radius_m)
            # the pool holds the metal, part of it wets beyond
            wetted = weight * (0.4 + self.pool[rows, columns])
            wetted *= volume_m3 / self.cell_m**2 / max(float(wetted.sum()), 1e-9)
            self.bead_m[rows, columns] += wetted.astype(np.float32)

    def pool_extent(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Length and width of the molten surface in m, 0 without one."""
        if not self.pool.any():
            return 0.0, 0.0
        return float(self.pool.any(0).sum() * self.cell_m), float(self.pool.any(1).sum() * self.cell_m)

    def emissivity(self) -> NDArray[np.float32]:
        """Of the surface, [ny, nx]: oxidised when solid, clean when molten."""
        # falls within 60 degC around melting
        molten = np.clip((self.surface_c - self.melting_c + 10.0) / 60.0, 0.0, 1.0)
        return np.asarray(self._emissive_solid + (self._emissive_liquid - self._emissive_solid) * molten, np.float32)

    def hottest_c(self) -> float:
        """Highest surface temperature."""
        return float(self.surface_c.max())

    def _gaussian(self, x_m: float, y_m: float, radius_m: float) -> tuple[slice, slice, NDArray[np.float32]]:
        row, column = self.index(x_m, y_m)
        reach = max(math.ceil(2.5 * radius_m / self.cell_m), 1)
        rows = slice(max(row - reach, 0), min(row + reach + 1, self.ny))
        columns = slice(max(column - reach, 0), min(column + reach + 1, self.nx))
        wide = max(radius_m, 0.5 * self.cell_m)
        gy = np.exp(-0.5 * ((self.y_m[rows] - y_m) / wide) ** 2)
        gx = np.exp(-0.5 * ((self.x_m[columns] - x_m) / wide) ** 2)
        weight = gy[:, None] * gx[None, :]
        total = float(weight.sum())
        return rows, columns, (weight / total if total > 0 else weight).astype(np.float32)

    def _temperatures(self) -> NDArray[np.float32]:
        enthalpy = self._enthalpy
        sensible = np.minimum(enthalpy, self._melt_h)
        return np.asarray(np.maximum(sensible, enthalpy - self._latent) * self._inverse_c)

    def _substep(self, dt: np.float32, patch: tuple[slice, slice, NDArray[np.float32]] | None) -> None:
        celsius = self._celsius
        gain = np.zeros_like(celsius)  # W/m^2
        liquid = celsius > self.melting_c
        stirred = bool(liquid.any())
        flux = (celsius[:, :, 1:] - celsius[:, :, :-1]) * self._along
        if stirred:
            flux[liquid[:, :, 1:] & liquid[:, :, :-1]] *= np.float32(POOL_SPREADING)
        gain[:, :, :-1] += flux
        gain[:, :, 1:] -= flux
        flux = (celsius[:, 1:] - celsius[:, :-1]) * self._across
        if stirred:
            flux[liquid[:, 1:] & liquid[:, :-1]] *= np.float32(POOL_SPREADING)
        gain[:, :-1] += flux
        gain[:, 1:] -= flux
        for edge in (np.s_[:, :, 0], np.s_[:, :, -1], np.s_[:, 0], np.s_[:, -1]):
            gain[edge] -= (celsius[edge] - np.float32(self.ambient_c)) * self._escape[edge]
        down = (celsius[:-1] - celsius[1:]) * self._through
        if stirred:
            down[liquid[:-1]] *= np.float32(POOL_STIRRING)
        gain[:-1] -= down
        gain[1:] += down
        surface = celsius[0]
        loss = (surface - np.float32(self.ambient_c)) * np.float32(SURFACE_LOSS)
        kelvin = surface + np.float32(KELVIN)
        squared = kelvin * kelvin
        loss += squared * squared * np.float32(0.7 * STEFAN_BOLTZMANN)
        loss -= np.float32(0.7 * STEFAN_BOLTZMANN * (self.ambient_c + KELVIN) ** 4)
        gain[0] -= loss
        gain[-1] -= (celsius[-1] - np.float32(self.ambient_c)) * np.float32(2 * SURFACE_LOSS)
        if patch is not None:
            rows, columns, heating = patch
            gain[:, rows, columns] += heating
        gain *= dt
        gain /= self._layer
        self._enthalpy += gain
        # evaporation carries off what would overheat the pool (Langmuir), within some milliseconds
        over = self._enthalpy - self._boil_h
        if float(over.max()) > 0.0:
            self._enthalpy -= np.maximum(over, 0) * np.float32(min(float(dt) / 0.004, 1.0))
        self._celsius = self._temperatures()
        self.surface_c, self.bottom_c = self._celsius[0], self._celsius[-1]


def _layers(thickness_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thickness [n, ny, 1] of each layer of parts [ny, 1], from above; both parts have as many."""
    upper_m = UPPER_LAYERS_M if float(thickness_m.max()) > THIN_M else UPPER_LAYERS_M[:1]
    share = thickness_m / np.float32(len(upper_m) + 1)
    upper = [np.minimum(share, np.float32(limit)) for limit in upper_m]
    lowest = np.minimum(thickness_m - np.sum(upper, 0), np.float32(LOWEST_LAYER_M))
    return np.asarray(np.stack([*upper, lowest]), np.float32)
