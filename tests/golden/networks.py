"""Tiny detectors, one for each output layout, whose boxes and scores really depend on the pixels.

All share one trunk: the input is averaged over cells of 8, 16 and 32 pixels, and a 1x1 convolution turns the mean colour
of a cell into class scores (red, green and blue things) and a box around the cell.
"""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

NAMES = ["hard hat", "it's a vest", "person"]
STRIDES = (8, 16, 32)
QUERIES = 300
WIDTH, HEIGHT = 160, 128

# Rows act on (red, green, blue, 1). Offset from the cell's centre in cells; size in cells, before the logarithm.
OFFSET = [[0.5, -0.5, 0, 0], [0, 0.5, -0.5, 0]]
SIZE = [[3, 1, 1, 1.5], [1, 3, 1, 1.5]]
SCORES = [[8, -4, -4, -3], [-4, 8, -4, -3], [-4, -4, 8, -3]]
OBJECTNESS = [[3, 3, 3, -1]]


class Graph:
    """Nodes and constants under construction. Methods return the name of what they add."""

    def __init__(self, dtype=np.float32):
        self.dtype, self.nodes, self.constants = dtype, [], []

    def const(self, value, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype or self.dtype), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"n{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def rename(self, name, output):
        self.nodes.append(helper.make_node("Identity", [name], [output]))

    def mix(self, cells, rows):
        """A 1x1 convolution of mean colours; `rows` as above."""
        rows = np.asarray(rows, np.float64)
        weights = self.const(rows[:, :3].reshape(-1, 3, 1, 1))
        return self.op("Conv", cells, weights, self.const(rows[:, 3]))

    def grid(self, cells):
        """Centres of the cells, in cells: [B, 2, H, W]."""
        red = self.op("Slice", cells, self.ints(0), self.ints(1), self.ints(1))
        ones = self.op("Add", self.op("Mul", red, self.const(0)), self.const(1))
        axes = [self.op("CumSum", ones, self.const(axis, np.int64)) for axis in (3, 2)]
        return self.op("Sub", self.op("Concat", *axes, axis=1), self.const(0.5))

    def flat(self, value):
        """[B, K, H, W] to [B, K, H*W]."""
        return self.op("Reshape", value, self.ints(0, 0, -1))

    def columns(self, value, first, last):
        """Columns of the last axis of [B, N, K]."""
        return self.op("Slice", value, self.ints(first), self.ints(last), self.ints(2))


def cells(graph, image, bgr=False, nhwc=False, bytes_in=False):
    """Mean colours (red, green, blue from 0 to 1) of the cells of each stride."""
    if nhwc:
        image = graph.op("Transpose", graph.op("Cast", image, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    if bytes_in:
        image = graph.op("Mul", image, graph.const(1 / 255))
    if bgr:
        image = graph.op("Gather", image, graph.ints(2, 1, 0), axis=1)
    return [graph.op("AveragePool", image, kernel_shape=[s, s], strides=[s, s]) for s in STRIDES]


def boxes(graph, level, stride, zoom=1.0):
    """Centre and size in input pixels: [B, 4, H, W]."""
    centre = graph.op("Add", graph.grid(level), graph.mix(level, OFFSET))
    size = graph.op("Mul", graph.mix(level, SIZE), graph.const(zoom))
    return graph.op("Mul", graph.op("Concat", centre, size, axis=1), graph.const(stride))


def raw_boxes(graph, level, _stride):
    """As YOLOX leaves them: offset from the cell's corner in cells, logarithm of the size in cells."""
    centre = graph.op("Add", graph.mix(level, OFFSET), graph.const(0.5))
    return graph.op("Concat", centre, graph.op("Log", graph.mix(level, SIZE)), axis=1)


def planes(graph, levels, objectness=False, box=boxes):
    """[B, 4+C, N], or [B, 5+C, N] with objectness."""
    rows = (OBJECTNESS if objectness else []) + SCORES
    parts = []
    for level, stride in zip(levels, STRIDES):
        scores = graph.op("Sigmoid", graph.mix(level, rows))
        parts.append(graph.flat(graph.op("Concat", box(graph, level, stride), scores, axis=1)))
    return graph.op("Concat", *parts, axis=2)


def transposed(graph, value):
    return graph.op("Transpose", value, perm=[0, 2, 1])


def queries(graph, levels):
    """The surest positions: boxes [B, Q, 4] in input pixels, all scores [B, Q, C], score [B, Q, 1], class [B, Q, 1]."""
    rows = transposed(graph, planes(graph, levels))
    scores = graph.columns(rows, 4, 4 + len(NAMES))
    best = graph.op("ReduceMax", scores, axes=[2], keepdims=1)
    _, index = graph.op("TopK", best, graph.ints(QUERIES), outputs=2, axis=1)
    wide = graph.op("Tile", index, graph.ints(1, 1, 4 + len(NAMES)))
    chosen = graph.op("GatherElements", rows, wide, axis=1)
    scores = graph.columns(chosen, 4, 4 + len(NAMES))
    score = graph.op("ReduceMax", scores, axes=[2], keepdims=1)
    return graph.columns(chosen, 0, 4), scores, score, graph.op("ArgMax", scores, axis=2, keepdims=1)


def corners(graph, value):
    """Centre and size to left, top, right, bottom."""
    return graph.op("MatMul", value, graph.const([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]]))


def scaled(graph, value, factors):
    return graph.op("Mul", value, graph.const(factors))


NORMALISED = [1 / WIDTH, 1 / HEIGHT, 1 / WIDTH, 1 / HEIGHT]


def number(graph, value):
    return graph.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(graph.dtype)))


def yolo(graph, image):
    return {"output0": (planes(graph, cells(graph, image)), ["B", 4 + len(NAMES), "N"])}


def yolo_rows(graph, image):
    return {"output0": (transposed(graph, planes(graph, cells(graph, image))), ["B", "N", 4 + len(NAMES)])}


def yolov5(graph, image):
    levels = cells(graph, image)
    anchors = [
        planes(graph, levels, True, lambda g, level, stride, zoom=zoom: boxes(g, level, stride, zoom))
        for zoom in (0.75, 1.0, 1.5)
    ]
    return {"output0": (transposed(graph, graph.op("Concat", *anchors, axis=2)), ["B", "3N", 5 + len(NAMES)])}


def yolox(graph, image, box=raw_boxes):
    levels = cells(graph, image, bgr=True, bytes_in=True)
    return {"output": (transposed(graph, planes(graph, levels, True, box)), ["B", "N", 5 + len(NAMES)])}


def yolox_decoded(graph, image):
    return yolox(graph, image, boxes)


def end_to_end(graph, image):
    box, _, score, label = queries(graph, cells(graph, image))
    rows = graph.op("Concat", corners(graph, box), score, number(graph, label), axis=2)
    return {"output0": (rows, ["B", QUERIES, 6])}


def rtdetr_scores(graph, image):
    box, scores, _, _ = queries(graph, cells(graph, image))
    rows = graph.op("Concat", scaled(graph, box, NORMALISED), scores, axis=2)
    return {"output0": (rows, ["B", QUERIES, 4 + len(NAMES)])}


def rtdetr_rows(graph, image):
    box, _, score, label = queries(graph, cells(graph, image))
    rows = graph.op("Concat", scaled(graph, box, NORMALISED), score, number(graph, label), axis=2)
    return {"output0": (rows, ["B", QUERIES, 6])}


def squeezed(graph, value, axis=2):
    return graph.op("Squeeze", value, graph.ints(axis))


def detr(graph, image):
    box, _, score, label = queries(graph, cells(graph, image))
    sizes = graph.op("Cast", "orig_target_sizes", to=TensorProto.FLOAT)
    sizes = graph.op("Unsqueeze", graph.op("Concat", sizes, sizes, axis=1), graph.ints(1))
    box = graph.op("Mul", corners(graph, scaled(graph, box, NORMALISED)), sizes)
    return {
        "labels": (squeezed(graph, label), ["B", QUERIES], np.int64),
        "boxes": (box, ["B", QUERIES, 4]),
        "scores": (squeezed(graph, score), ["B", QUERIES]),
    }


def torchvision(graph, image):
    box, _, score, label = queries(graph, cells(graph, image))
    label = graph.op("Add", squeezed(graph, squeezed(graph, label), 0), graph.ints(1))
    return {
        "boxes": (squeezed(graph, corners(graph, box), 0), ["M", 4]),
        "labels": (label, ["M"], np.int64),
        "scores": (squeezed(graph, squeezed(graph, score), 0), ["M"]),
    }


def tensorflow(graph, image):
    box, _, score, label = queries(graph, cells(graph, image, nhwc=True, bytes_in=True))
    box = graph.op("Gather", scaled(graph, corners(graph, box), NORMALISED), graph.ints(1, 0, 3, 2), axis=2)
    label = graph.op("Add", squeezed(graph, number(graph, label)), graph.const(1))
    sure = graph.op("Greater", squeezed(graph, score), graph.const(0.55))
    count = graph.op("ReduceSum", number(graph, sure), graph.ints(1), keepdims=0)
    return {
        "detection_boxes": (box, ["B", QUERIES, 4]),
        "detection_classes": (label, ["B", QUERIES]),
        "detection_scores": (squeezed(graph, score), ["B", QUERIES]),
        "num_detections": (count, ["B"]),
    }


def paddle(graph, image):
    box, _, score, label = queries(graph, cells(graph, image))
    factors = graph.op("Gather", "scale_factor", graph.ints(1, 0, 1, 0), axis=1)
    box = graph.op("Div", corners(graph, box), graph.op("Unsqueeze", factors, graph.ints(1)))
    rows = graph.op("Concat", number(graph, label), score, box, axis=2)
    # The count depends on every image of the batch, as the real one does.
    count = graph.op("ReduceSum", graph.op("Cast", graph.op("Greater", squeezed(graph, score), graph.const(-1)),
                                           to=TensorProto.INT32), graph.ints(1), keepdims=0)
    return {
        "multiclass_nms3_0.tmp_0": (graph.op("Reshape", rows, graph.ints(-1, 6)), ["M", 6]),
        "multiclass_nms3_0.tmp_2": (count, ["B"], np.int32),
    }


def build(head, dtype=np.float32, dynamic=False, image="images", shape=None, auxiliary=(), metadata=None):
    """A checked model. `auxiliary` are (name, dtype) of further inputs [B, 2]."""
    graph = Graph(dtype)
    outputs = head(graph, image)
    nhwc = shape == "nhwc"
    shape = [1, HEIGHT, WIDTH, 3] if nhwc else [1, 3, HEIGHT, WIDTH]
    if dynamic:
        shape = ["batch", 3, "height", "width"]
    batch = "batch" if dynamic else 1
    positions = sum((WIDTH // s) * (HEIGHT // s) for s in STRIDES)
    fixed = {"B": batch, "N": "anchors" if dynamic else positions, "3N": 3 * positions, "M": "detections"}
    info = lambda name, kind, dims: helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), dims)
    declared = [
        info(name, kind[0] if kind else dtype, [fixed.get(dim, dim) for dim in dims])
        for name, (_, dims, *kind) in outputs.items()
    ]
    for name, (value, *_) in outputs.items():
        graph.rename(value, name)
    inputs = [info(image, np.uint8 if nhwc else dtype, shape)]
    inputs += [info(name, kind, [batch, 2]) for name, kind in auxiliary]
    body = helper.make_graph(graph.nodes, head.__name__, inputs, declared, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="golden")
    helper.set_model_props(model, metadata or {})
    checker.check_model(model, full_check=True)
    return model
