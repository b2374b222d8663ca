"""Training MS-STAN on bags: features, augmentation, trainer, finishing (calibration, smoothing, novelty), evaluation."""
