"""Boxes from raw outputs, and average precision."""

import numpy as np

from . import CLASSES

IOU_STEPS = np.arange(0.5, 0.96, 0.05)
RECALLS = np.linspace(0, 1, 101)


def iou_matrix(a, b):
    """IoU of every box of `a` with every box of `b`."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clip(0).prod(-1)
    return inter / ((a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1) - inter + 1e-9)


def suppress(boxes, scores, kinds, iou=0.6, most=300):
    """Greedy non-maximum suppression within each class: indices kept, best first."""
    order = np.argsort(-scores, kind="stable")[:1000]
    apart = boxes[order] + kinds[order, None] * 4096.0
    overlaps, kept = iou_matrix(apart, apart), []
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            kept.append(order[i])
            alive &= overlaps[i] <= iou
    return np.array(kept[:most], int)


def detections(output, confidence=0.001, iou=0.6):
    """Rows of class, score, x0, y0, x1, y1 from one `output0` (4 + classes, N)."""
    cell, kind = np.nonzero(output[4:].T > confidence)
    scores, (cx, cy, w, h) = output[4 + kind, cell], output[:4, cell]
    boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    kept = suppress(boxes, scores, kind, iou)
    return np.column_stack([kind[kept], scores[kept], boxes[kept]])


def match(found, truth, threshold):
    """For detections of one class in one picture, best first: which hit an object not hit before."""
    hits, free = np.zeros(len(found), bool), np.ones(len(truth), bool)
    if len(truth) == 0 or len(found) == 0:
        return hits
    overlaps = iou_matrix(found, truth)
    for i in range(len(found)):
        candidates = np.where(free, overlaps[i], 0)
        j = candidates.argmax()
        if candidates[j] >= threshold:
            hits[i], free[j] = True, False
    return hits


def average_precision(scores, hits, total):
    """Area under the precision envelope at 101 recalls."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[order])
    recall, precision = found / total, found / np.arange(1, len(found) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return float(np.where(at < len(envelope), np.append(envelope, 0)[np.minimum(at, len(envelope))], 0).mean())


def evaluate(found, truths):
    """mAP50 and mAP50-95 from lists of detection rows and of label rows (class, box)."""
    table = {}
    for k, name in enumerate(CLASSES):
        pairs = [(f[f[:, 0] == k], t[t[:, 0] == k][:, 1:]) for f, t in zip(found, truths)]
        total = sum(len(t) for _, t in pairs)
        if total == 0:
            continue
        scores = np.concatenate([f[:, 1] for f, _ in pairs])
        at = [average_precision(scores, np.concatenate([match(f[:, 2:], t, s) for f, t in pairs]), total)
              for s in IOU_STEPS]
        table[name] = {"objects": total, "mAP50": round(at[0], 4), "mAP50-95": round(float(np.mean(at)), 4)}
    mean = lambda key: round(float(np.mean([row[key] for row in table.values()])), 4)
    return {"mAP50": mean("mAP50"), "mAP50-95": mean("mAP50-95"), "classes": table}
