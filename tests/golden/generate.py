"""Writes the golden files: models/, images/, detections/, outputs/ and preprocess.{json,bin}. See README.md."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

import colour
import networks
import reference
from images import all_images
from networks import HEIGHT, NAMES, WIDTH

HERE = Path(__file__).parent
# The image whose raw outputs are kept.
RAW = "odd"


def yolo_metadata(**entries):
    """What ultralytics' exporter writes, as far as it matters."""
    arguments = "{'batch': 1, 'half': False, 'dynamic': False, 'simplify': True, 'opset': None, 'nms': False}"
    return {
        "description": "Ultralytics YOLO11n model trained on ppe.yaml",
        "stride": "32",
        "task": "detect",
        "batch": "1",
        "imgsz": f"[{HEIGHT}, {WIDTH}]",
        "names": str(dict(enumerate(NAMES))),
        "args": arguments,
        "channels": "3",
        **entries,
    }


def sidecar(**entries):
    """A sidecar file with class names."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"labels": NAMES, **entries}.items())


class Case:
    """A model to build and how its detections are computed."""

    def __init__(self, head, decode, metadata=None, sidecar=None, nms=True, resize="letterbox", feed=None, **build):
        self.head, self.decode, self.metadata, self.sidecar = head, decode, metadata, sidecar
        self.nms, self.resize, self.feed, self.build = nms, resize, feed or {}, build

    def dtype(self):
        return np.uint8 if self.build.get("shape") == "nhwc" else self.build.get("dtype", np.float32)

    def inputs(self, session, padded):
        values = {"orig_target_sizes": [[WIDTH, HEIGHT]], "im_shape": [[HEIGHT, WIDTH]], "scale_factor": [[1, 1]]}
        image, *others = session.get_inputs()
        kind = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
        return {
            image.name: reference.tensor(padded, self.dtype(), **self.feed),
            **{other.name: np.array(values[other.name], kind[other.type]) for other in others},
        }


RT_DETR = {"description": "Ultralytics rtdetr-l model trained on ppe.yaml"}
BYTES_BGR = {"bgr": True, "bytes_in": True}

CASES = {
    "yolo": Case(networks.yolo, reference.decode_yolo, yolo_metadata(end2end="False", head="Detect")),
    "yolo-fp16": Case(networks.yolo, reference.decode_yolo, yolo_metadata(), dtype=np.float16),
    "yolo-dynamic": Case(networks.yolo, reference.decode_yolo, yolo_metadata(), dynamic=True),
    "yolo-rows": Case(networks.yolo_rows, reference.decode_yolo_rows, {"names": json.dumps(NAMES)}),
    "yolov5": Case(
        networks.yolov5, reference.decode_objectness, {"stride": "32", "names": str(dict(enumerate(NAMES)))}
    ),
    "yolox": Case(
        networks.yolox, reference.decode_yolox, sidecar=sidecar(), resize="top-left", feed=BYTES_BGR
    ),
    "yolox-decoded": Case(
        networks.yolox_decoded, reference.decode_objectness, sidecar=sidecar(head="yolox-decoded"), resize="top-left",
        feed=BYTES_BGR,
    ),
    "end-to-end": Case(
        networks.end_to_end, reference.decode_end_to_end, yolo_metadata(end2end="True"), nms=False
    ),
    "end-to-end-fp16": Case(
        networks.end_to_end, reference.decode_end_to_end, yolo_metadata(end2end="True"), nms=False, dtype=np.float16
    ),
    "exported-nms": Case(
        networks.end_to_end, reference.decode_end_to_end,
        yolo_metadata(end2end="False", args="{'batch': 1, 'agnostic_nms': False, 'nms': True}"), nms=False,
    ),
    "rtdetr-scores": Case(
        networks.rtdetr_scores, reference.decode_rtdetr_scores, yolo_metadata(**RT_DETR), nms=False, resize="stretch"
    ),
    "rtdetr-rows": Case(
        networks.rtdetr_rows, reference.decode_rtdetr_rows, yolo_metadata(head="RTDETRDecoder"), nms=False,
        resize="stretch",
    ),
    "detr": Case(
        networks.detr, reference.decode_detr, sidecar=sidecar(), nms=False, resize="stretch",
        auxiliary=[("orig_target_sizes", np.int64)],
    ),
    "torchvision": Case(
        networks.torchvision, reference.decode_torchvision, sidecar=sidecar(), nms=False, resize="stretch"
    ),
    "tensorflow": Case(
        networks.tensorflow, reference.decode_tensorflow, sidecar=sidecar(), nms=False, resize="stretch",
        feed={"nhwc": True, "bytes_in": True}, image="input_tensor", shape="nhwc",
    ),
    "paddle": Case(
        networks.paddle, reference.decode_paddle, sidecar=sidecar(), nms=False, resize="stretch", image="image",
        auxiliary=[("im_shape", np.float32), ("scale_factor", np.float32)],
    ),
}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False)
    # One line for each object in a list.
    path.write_text(text.replace("[{", "[\n{").replace("}, {", "},\n{").replace("}]", "}\n]") + "\n")


def write_model(name, case):
    path = HERE / "models" / f"{name}.onnx"
    path.parent.mkdir(exist_ok=True)
    onnx.save(networks.build(case.head, metadata=case.metadata, **case.build), path)
    if case.sidecar:
        path.with_suffix(".toml").write_text(case.sidecar)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def write_detections(name, image_name, found):
    confidence, iou, kept = found
    detection = lambda entry: {
        "class": entry[0],
        "label": NAMES[entry[0]],
        "score": round(entry[1], 5),
        "box": [round(value, 3) for value in entry[2]],
    }
    assert 8 <= len(kept) <= 200, (name, image_name, len(kept))
    value = {"image": f"{image_name}.png", "model": f"{name}.onnx", "confidence": confidence, "iou": iou}
    write_json(HERE / "detections" / f"{name}.{image_name}.json", {**value, "detections": [*map(detection, kept)]})


def write_outputs(name, case, image_name, session, outputs):
    """What the model declares and what it returned for one image, as tests without an inference engine need it."""
    declared = lambda info: {
        "name": info.name,
        "type": info.type.removeprefix("tensor(").removesuffix(")"),
        "shape": [dim if isinstance(dim, int) else None for dim in info.shape],
    }
    returned = [
        {**declared(info), "returned": list(value.shape)} for info, value in zip(session.get_outputs(), outputs)
    ]
    write_json(HERE / "outputs" / f"{name}.json", {
        "image": image_name,
        "inputs": [declared(info) for info in session.get_inputs()],
        "outputs": returned,
        "metadata": case.metadata or {},
        "sidecar": case.sidecar,
        "resize": case.resize,
    })
    (HERE / "outputs" / f"{name}.bin").write_bytes(b"".join(value.tobytes() for value in outputs))


def write_case(name, case, images):
    session = write_model(name, case)
    for image_name, image in images.items():
        padded, scale, offset = reference.fit(image, (WIDTH, HEIGHT), case.resize)
        outputs = session.run(None, case.inputs(session, padded))
        wide = [value.astype(np.float32) if value.dtype == np.float16 else value for value in outputs]
        boxes, scores, classes = case.decode(wide, (WIDTH, HEIGHT))
        source = image.shape[1], image.shape[0]
        write_detections(
            name, image_name, reference.detections(boxes, scores, classes, case.nms, source, scale, offset)
        )
        if image_name == RAW:
            write_outputs(name, case, image_name, session, outputs)


def main():
    images = all_images()
    (HERE / "images").mkdir(exist_ok=True)
    for name, image in images.items():
        cv2.imwrite(str(HERE / "images" / f"{name}.png"), image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    for name, case in CASES.items():
        write_case(name, case, images)
    cases, data = colour.all_cases()
    write_json(HERE / "preprocess.json", cases)
    (HERE / "preprocess.bin").write_bytes(data)


if __name__ == "__main__":
    main()
