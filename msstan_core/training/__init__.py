"""Training MS-STAN on bags: features, splits, clips, losses, trainer. What follows is in msstan_core.calibration."""
