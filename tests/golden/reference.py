"""The usual way from an image to detections: OpenCV, ONNX Runtime and NumPy."""

import cv2
import numpy as np

from networks import STRIDES

PAD = 114


def fit(image, size, resize):
    """The image placed in an input of `size` (width, height); the scale and the left and top padding."""
    (height, width), (input_w, input_h) = image.shape[:2], size
    if resize == "stretch":
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), (input_w / width, input_h / height), (0, 0)
    scale = min(input_w / width, input_h / height)
    inner = round(width * scale), round(height * scale)
    space = input_w - inner[0], input_h - inner[1]
    left, top = (0, 0) if resize == "top-left" else (round(space[0] / 2 - 0.1), round(space[1] / 2 - 0.1))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR) if inner != (width, height) else image
    border = top, space[1] - top, left, space[0] - left
    padded = cv2.copyMakeBorder(resized, *border, cv2.BORDER_CONSTANT, value=(PAD,) * 3)
    return padded, (scale, scale), (left, top)


def tensor(padded, dtype, bgr=False, nhwc=False, bytes_in=False):
    """The input tensor of one RGB image."""
    pixels = padded[..., ::-1] if bgr else padded
    pixels = pixels[None] if nhwc else pixels.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(pixels.astype(dtype) if bytes_in else (pixels.astype(np.float32) / 255).astype(dtype))


def from_centre(box):
    return np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], 1)


def best(scores):
    return scores.max(1), scores.argmax(1)


def decode_yolo(outputs, _size):
    rows = outputs[0][0].T
    return from_centre(rows[:, :4]), *best(rows[:, 4:])


def decode_yolo_rows(outputs, _size):
    rows = outputs[0][0]
    return from_centre(rows[:, :4]), *best(rows[:, 4:])


def decode_objectness(outputs, _size):
    rows = outputs[0][0]
    return from_centre(rows[:, :4]), *best(rows[:, 4:5] * rows[:, 5:])


def decode_yolox(outputs, size):
    rows = outputs[0][0].copy()
    grids = []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(size[0] // stride), np.arange(size[1] // stride))
        grids.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], 1))
    grid = np.concatenate(grids)
    rows[:, :2] = (rows[:, :2] + grid[:, :2]) * grid[:, 2:]
    rows[:, 2:4] = np.exp(rows[:, 2:4]) * grid[:, 2:]
    return decode_objectness([rows[None]], size)


def decode_end_to_end(outputs, _size):
    rows = outputs[0][0]
    return rows[:, :4], rows[:, 4], rows[:, 5].astype(int)


def decode_rtdetr_scores(outputs, size):
    rows = outputs[0][0]
    return from_centre(rows[:, :4]) * (*size, *size), *best(rows[:, 4:])


def decode_rtdetr_rows(outputs, size):
    rows = outputs[0][0]
    return from_centre(rows[:, :4]) * (*size, *size), rows[:, 4], rows[:, 5].astype(int)


def decode_detr(outputs, _size):
    labels, boxes, scores = outputs
    return boxes[0], scores[0], labels[0]


def decode_torchvision(outputs, _size):
    boxes, labels, scores = outputs
    return boxes, scores, labels - 1


def decode_tensorflow(outputs, size):
    boxes, classes, scores, count = (output[0] for output in outputs)
    count = int(count)
    return (boxes[:, [1, 0, 3, 2]] * (*size, *size))[:count], scores[:count], classes[:count].astype(int) - 1


def decode_paddle(outputs, _size):
    rows = outputs[0][: outputs[1][0]]
    return rows[:, 2:], rows[:, 1], rows[:, 0].astype(int)


def overlaps(box, others):
    """Intersection over union of one box with others."""
    size = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = np.prod(np.maximum(size, 0), 1)
    area = lambda boxes: np.prod(boxes[..., 2:] - boxes[..., :2], -1)
    return both / (area(box) + area(others) - both)


def suppress(boxes, scores, classes, limit):
    """Indices that greedy NMS within each class keeps, surest first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        first, order = order[0], order[1:]
        kept.append(first)
        same = classes[order] == classes[first]
        order = order[~(same & (overlaps(boxes[first], boxes[order]) > limit))]
    return kept


def clearest(values, low, high):
    """Of the hundredths between, the one farthest from every value: nothing is decided by a rounding error."""
    candidates = np.arange(round(low * 100), round(high * 100) + 1) / 100
    margin = [np.abs(values - candidate).min(initial=1) for candidate in candidates]
    return float(candidates[int(np.argmax(margin))])


def to_source(boxes, source, scale, offset):
    """Boxes in input pixels as boxes in `source` (width, height) pixels, cut off at the borders."""
    boxes = (boxes - (*offset, *offset)) / (*scale, *scale)
    return np.clip(boxes, 0, (source[0], source[1], source[0], source[1]))


def detections(boxes, scores, classes, nms, source, scale, offset):
    """Detections in source pixels, with the thresholds that were chosen for them."""
    boxes, scores = boxes.astype(np.float64), scores.astype(np.float64)
    confidence = clearest(scores, 0.2, 0.5)
    sure = scores > confidence
    boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
    pairs = [
        overlaps(box, boxes[index + 1 :][classes[index + 1 :] == classes[index]]) for index, box in enumerate(boxes)
    ]
    iou = clearest(np.concatenate(pairs or [np.zeros(0)]), 0.4, 0.6)
    kept = suppress(boxes, scores, classes, iou) if nms else np.argsort(-scores, kind="stable")
    assert not nms or len(kept) < len(boxes), "nothing to suppress"
    boxes = to_source(boxes, source, scale, offset)
    inside = [index for index in kept if np.all(boxes[index, 2:] > boxes[index, :2])]
    return confidence, iou, [(int(classes[index]), float(scores[index]), boxes[index].tolist()) for index in inside]
