"""Writes clip.json: what OpenCV, ONNX Runtime and NumPy make of the shipped clip with the demo model.

    venv/bin/python clip.py

Every 10th frame is decoded by FFmpeg (OpenCV's VideoCapture takes every video for BT.601, and this one is BT.709), then
letterboxed, run and suppressed as reference.py does it for the images.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime

import reference

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WIDTH, HEIGHT = 1280, 720
EVERY = 10
CONFIDENCE, IOU = 0.4, 0.7


def frames(path):
    """Every EVERY-th frame as RGB, with its number."""
    convert = "scale=in_color_matrix=bt709:in_range=tv:out_range=pc:flags=accurate_rnd+full_chroma_int"
    command = ["ffmpeg", "-loglevel", "error", "-i", path, "-vf", convert, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    video = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    for number, frame in enumerate(np.frombuffer(video, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)):
        if number % EVERY == 0:
            yield number, frame


def detect(session, names, image):
    """Detections of one frame, as the golden files of the images hold them."""
    height, width = session.get_inputs()[0].shape[2:]
    padded, scale, offset = reference.fit(image, (width, height), "letterbox")
    outputs = session.run(None, {session.get_inputs()[0].name: reference.tensor(padded, np.float32)})
    boxes, scores, classes = reference.decode_yolo(outputs, (width, height))
    sure = scores > CONFIDENCE
    boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
    kept = reference.suppress(boxes, scores, classes, IOU)
    source = reference.to_source(boxes[kept], image.shape[1::-1], scale, offset)
    return [
        {"label": names[label], "score": round(float(score), 5), "box": [round(float(edge), 3) for edge in box]}
        for box, score, label in zip(source, scores[kept], classes[kept])
    ]


def main():
    session = onnxruntime.InferenceSession(ROOT / "models/ppe-demo.onnx", providers=["CPUExecutionProvider"])
    names = eval(session.get_modelmeta().custom_metadata_map["names"], {"__builtins__": {}})
    rows = [
        {"frame": number, "detections": detect(session, names, image)}
        for number, image in frames(ROOT / "tests/data/site.mp4")
    ]
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "clip.json").write_text(f'{{"confidence": {CONFIDENCE}, "iou": {IOU}, "frames": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
