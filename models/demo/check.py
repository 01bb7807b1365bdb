"""Runs the ONNX model over the decoded demo clip and compares it with the ground truth.

    python -m demo.check ppe-demo.onnx ../tests/data
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np

from . import CLASSES
from .clip import SIZE
from .data import letterbox
from .export import session
from .metrics import detections, evaluate, match

CONFIDENCE = 0.4


def decoded(path):
    """RGB frames of a BT.709 limited-range video file, decoded by FFmpeg."""
    convert = "scale=in_color_matrix=bt709:in_range=tv:out_range=pc:flags=accurate_rnd+full_chroma_int"
    width, height = SIZE
    command = ["ffmpeg", "-loglevel", "error", "-i", str(path), "-vf", convert, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as video:
        while len(data := video.stdout.read(width * height * 3)) == width * height * 3:
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def detect(run, image):
    """Detections of one picture, boxes in its own pixels."""
    frame, scale, left, top = letterbox(image)
    x = frame.transpose(2, 0, 1)[None].astype(np.float32) / 255
    rows = detections(run.run(None, {"images": x})[0][0])
    rows[:, 2:] = (rows[:, 2:] - [left, top, left, top]) / scale
    return rows


def truth_rows(line):
    """Label rows (class, x0, y0, x1, y1) of one line of the ground truth."""
    rows = [(CLASSES.index(o["class"]), *o["box"]) for o in line["objects"]]
    rows = np.array(rows, float).reshape(-1, 5)
    rows[:, 3:] += rows[:, 1:3]
    return rows


def counts(found, truths, kind):
    """Precision and recall of a class at CONFIDENCE and IoU 0.5."""
    hits = total = objects = 0
    for rows, truth in zip(found, truths):
        rows = rows[(rows[:, 0] == kind) & (rows[:, 1] >= CONFIDENCE)]
        truth = truth[truth[:, 0] == kind][:, 1:]
        hits += match(rows[:, 2:], truth, 0.5).sum()
        total, objects = total + len(rows), objects + len(truth)
    return {"precision": round(float(hits / max(total, 1)), 3), "recall": round(float(hits / max(objects, 1)), 3)}


def interval(found, lines, violation):
    """Share of a violation's labelled frames in which the model sees it at its place."""
    seen = labelled = 0
    kind = CLASSES.index(violation["class"])
    for rows, line in zip(found, lines):
        own = [o for o in line["objects"] if o["track"] == violation["track"] and o["class"] == violation["class"]]
        if not own or not violation["start_ms"] <= line["pts_ms"] < violation["end_ms"]:
            continue
        rows = rows[(rows[:, 0] == kind) & (rows[:, 1] >= CONFIDENCE)]
        labelled += 1
        seen += match(rows[:, 2:], truth_rows({"objects": own})[:, 1:], 0.5).any()
    return {**violation, "recovered": round(float(seen / labelled), 3)}


def false_frames(found, lines, kind):
    """Frames in which a class is reported although no object of it is labelled."""
    name = CLASSES[kind]
    return sum(bool(((rows[:, 0] == kind) & (rows[:, 1] >= CONFIDENCE)).any())
               and all(o["class"] != name for o in line["objects"]) for rows, line in zip(found, lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx")
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    run = session(options.onnx, 2)
    found = [detect(run, image) for image in decoded(options.folder / "site.mp4")]
    lines = [json.loads(line) for line in (options.folder / "site.truth.jsonl").read_text().splitlines()]
    truths = [truth_rows(line) for line in lines]
    report = evaluate(found, truths)
    for kind, name in enumerate(CLASSES):
        report["classes"][name].update(counts(found, truths, kind))
        print(name, report["classes"][name])
    print("mAP50", report["mAP50"], "mAP50-95", report["mAP50-95"])
    for violation in json.loads((options.folder / "site.violations.json").read_text()):
        print(interval(found, lines, violation))
    for name in ("no_hard_hat", "no_safety_vest"):
        print(name, "in frames without any:", false_frames(found, lines, CLASSES.index(name)))


if __name__ == "__main__":
    main()
