"""Training MS-STAN on bags: features, clips, trainer, finishing (calibration, smoothing, novelty), evaluation."""
