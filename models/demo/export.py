"""Writes the trained detector as ONNX in the YOLOv8 layout, and checks and times it.

    python -m demo.export build/weights.pt ppe-demo.onnx
"""

import argparse
import time

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from . import CLASSES, HEIGHT, WIDTH
from .detector import Detector, cells, decode

METADATA = {
    "names": str(dict(enumerate(CLASSES))),
    "stride": "32",
    "imgsz": str([HEIGHT, WIDTH]),
    "task": "detect",
    "batch": "1",
    "author": "gst-osha",
    "license": "MIT OR Apache-2.0",
    "version": "1.0.0",
    "description": "Demonstration model of gst-osha, trained on rendered scenes only; not fit for real sites",
}


class Export(nn.Module):
    """The detector with decoding: box centre and size in input pixels, then class scores."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        centres, strides = cells(HEIGHT, WIDTH)
        self.register_buffer("centres", centres)
        self.register_buffer("strides", strides)

    def forward(self, images):
        logits, sides = self.model(images)
        boxes = decode(sides, self.centres, self.strides)
        low, high = boxes[..., :2], boxes[..., 2:]
        return torch.cat([(low + high) / 2, high - low, logits.sigmoid()], -1).transpose(1, 2)


def fold(model):
    """Merges each batch norm into the convolution before it."""
    for name, child in list(model.named_children()):
        if isinstance(child, nn.Sequential) and len(child) > 1 and isinstance(child[1], nn.BatchNorm2d):
            child[0] = nn.utils.fuse_conv_bn_eval(child[0], child[1])
            child[1] = nn.Identity()
        else:
            fold(child)
    return model


def load(path):
    """The trained detector, ready for inference."""
    model = Detector()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model.eval()


def export(model, path):
    """Writes the ONNX file with its metadata."""
    sample = torch.zeros(1, 3, HEIGHT, WIDTH)
    torch.onnx.export(model, (sample,), str(path), input_names=["images"], output_names=["output0"],
                      opset_version=17, dynamo=False)
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, METADATA)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def session(path, threads):
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def milliseconds(path, threads, runs=100):
    """Median time of one frame."""
    run, x, times = session(path, threads), np.random.rand(1, 3, HEIGHT, WIDTH).astype(np.float32), []
    for _ in range(runs):
        start = time.perf_counter()
        run.run(None, {"images": x})
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("onnx")
    options = parser.parse_args()
    model = load(options.weights)
    x = torch.rand(1, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        expected = Export(model)(x).numpy()
        export(Export(fold(model)).eval(), options.onnx)
    got = session(options.onnx, 1).run(None, {"images": x.numpy()})[0]
    print(f"output {got.shape}, largest difference {np.abs(got - expected).max():.2e}")
    for threads in (1, 2):
        print(f"{threads} thread(s): {milliseconds(options.onnx, threads):.1f} ms a frame")


if __name__ == "__main__":
    main()
