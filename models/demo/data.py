"""Rendered data sets in the detector's input format."""

import multiprocessing
import os

import cv2
import numpy as np

from . import CLASSES, HEIGHT, WIDTH
from .scene import picture

MAX_OBJECTS = 64
FIRST_SEED = {"train": 0, "val": 1_000_000, "test": 2_000_000}
PAD = 114


def letterbox(image):
    """Fit an image into the input frame: the picture, its scale and the left and top padding."""
    h, w = image.shape[:2]
    scale = min(WIDTH / w, HEIGHT / h)
    new_w, new_h = round(w * scale), round(h * scale)
    if (new_w, new_h) != (w, h):
        image = cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    left, top = (WIDTH - new_w) // 2, (HEIGHT - new_h) // 2
    frame = np.full((HEIGHT, WIDTH, 3), PAD, np.uint8)
    frame[top:top + new_h, left:left + new_w] = image
    return frame, scale, left, top


def example(seed):
    """One letterboxed picture (channels first) and its rows of class, x0, y0, x1, y1 (class -1: none)."""
    image, labels = picture(seed)
    frame, scale, left, top = letterbox(image)
    rows = np.full((MAX_OBJECTS, 5), -1, np.float32)
    for row, item in zip(rows, labels):
        x, y, w, h = (v * scale for v in item["box"])
        row[:] = CLASSES.index(item["class"]), x + left, y + top, x + w + left, y + h + top
    return np.ascontiguousarray(frame.transpose(2, 0, 1)), rows


def _start_worker():
    cv2.setNumThreads(1)


def render_split(split, count, workers=None):
    """Render `count` examples of a split on all cores: pictures and label rows."""
    first = FIRST_SEED[split]
    example(first)  # compiles once, for the cache that the workers read
    images = np.empty((count, 3, HEIGHT, WIDTH), np.uint8)
    rows = np.empty((count, MAX_OBJECTS, 5), np.float32)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # one core a worker
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers or os.cpu_count(), _start_worker) as pool:
        for i, (image, row) in enumerate(pool.imap(example, range(first, first + count), 16)):
            images[i], rows[i] = image, row
    return images, rows
