"""Thermal properties of the base materials, as constants per material.

Handbook values change between room temperature and melting; a constant stands for both, chosen so that the heat up to
melting (density times the mean specific heat) and the mean conductivity are met. Beside each material stand the alloy
and the two ends the constants lie between.

Sources: W. F. Gale, T. C. Totemeier (eds.), *Smithells Metals Reference Book*, 8th ed. (2004), ch. 14, for carbon
steel, aluminium, copper, nickel and magnesium; K. C. Mills, *Recommended Values of Thermophysical Properties for
Selected Commercial Alloys* (2002), for stainless steel and titanium; boiling points of the main element, lower where a
volatile one is in the alloy. Emissivities: Y. S. Touloukian, D. P. DeWitt, *Thermal Radiative Properties: Metallic
Elements and Alloys* (1970), oxidised surface when solid and clean surface when liquid. Albedo, tint and sensitivity to
hot cracks are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

from msstan_core.vocabulary import Material


@dataclass(frozen=True, slots=True)
class ThermalProperties:
    """What heat conduction and the cameras need to know of a metal."""

    conductivity_w_mk: float  #: effective between room temperature and melting
    volumetric_heat_j_m3k: float  #: density times specific heat, effective
    melting_c: float  #: middle of the melting range
    latent_heat_j_m3: float  #: of fusion, per volume
    boiling_c: float  #: where evaporation stops the pool from getting hotter
    emissivity_solid: float  #: long-wave, oxidised surface
    emissivity_liquid: float  #: clean pool
    albedo: float  #: diffuse reflectance in the visible, as delivered
    tint_bgr: tuple[float, float, float]  #: colour of the bare surface relative to grey
    crack_sensitivity: float  #: 0..1, tendency to hot cracking


PROPERTIES: dict[Material, ThermalProperties] = {
    # 0.2 % C: 50..27 W/(m K), 480..750 J/(kg K), 7850..7300 kg/m^3, 1480..1520 degC, 260 kJ/kg
    Material.CARBON_STEEL: ThermalProperties(
        38.0, 4.9e6, 1500.0, 1.95e9, 2750.0, 0.85, 0.36, 0.30, (1.02, 1.00, 0.98), 0.2
    ),
    # 304: 15..31 W/(m K), 480..700 J/(kg K), 7900..7300 kg/m^3, 1400..1450 degC, 260 kJ/kg
    Material.STAINLESS_STEEL: ThermalProperties(
        23.0, 4.6e6, 1425.0, 1.9e9, 2700.0, 0.75, 0.34, 0.42, (1.0, 1.0, 1.0), 0.35
    ),
    # 6000 and 5000 series: 130..200 W/(m K), 900..1180 J/(kg K), 2700..2550 kg/m^3, 580..650 degC, 390 kJ/kg
    Material.ALUMINIUM: ThermalProperties(165.0, 2.8e6, 630.0, 1.0e9, 2400.0, 0.25, 0.12, 0.62, (1.02, 1.0, 0.99), 0.6),
    # Cu-ETP: 395..330 W/(m K), 385..480 J/(kg K), 8930..8350 kg/m^3, 1083 degC, 205 kJ/kg
    Material.COPPER: ThermalProperties(350.0, 3.7e6, 1083.0, 1.8e9, 2560.0, 0.55, 0.16, 0.45, (0.55, 0.75, 1.15), 0.4),
    # Ti-6Al-4V: 7..28 W/(m K), 550..750 J/(kg K), 4420..4200 kg/m^3, 1605..1650 degC, 290 kJ/kg
    Material.TITANIUM: ThermalProperties(16.0, 3.0e6, 1650.0, 1.3e9, 3200.0, 0.60, 0.35, 0.40, (0.98, 0.99, 1.02), 0.2),
    # commercially pure: 90..60 W/(m K), 440..620 J/(kg K), 8900..8450 kg/m^3, 1430..1455 degC, 300 kJ/kg
    Material.NICKEL: ThermalProperties(60.0, 4.7e6, 1430.0, 2.5e9, 2730.0, 0.70, 0.34, 0.42, (0.92, 0.98, 1.02), 0.5),
    # AZ31: 75..100 W/(m K), 1020..1300 J/(kg K), 1780..1680 kg/m^3, 600..630 degC, 350 kJ/kg
    Material.MAGNESIUM: ThermalProperties(80.0, 2.0e6, 620.0, 0.62e9, 1090.0, 0.30, 0.15, 0.55, (1.0, 1.0, 1.0), 0.5),
}
