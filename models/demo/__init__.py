"""Demonstration detector for work-site safety: scene renderer, training and export."""

CLASSES = (
    "person",
    "hard_hat",
    "no_hard_hat",
    "safety_vest",
    "no_safety_vest",
    "forklift",
    "machine",
    "cone",
)
WIDTH, HEIGHT = 640, 384
