#!/usr/bin/env python3
"""Writes tests/data/faults/*.onnx: models that trtinfer must refuse, or survive. Needs `pip install onnx`; the same bytes
come out each time."""

from pathlib import Path

from onnx import TensorProto, checker, helper, save

FOLDER = Path(__file__).parent.parent / "data" / "faults"
IMAGE = [1, 3, 128, 160]
YOLO = [1, 7, 420]


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, kind, values):
    return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, kind, [len(values)], values))


def filled(name, shape, value):
    """Nodes that make tensor `name` of `shape`, every element `value`."""
    fill = helper.make_tensor("fill", TensorProto.FLOAT, [1], [value])
    return [
        constant(f"{name}_shape", TensorProto.INT64, shape),
        helper.make_node("ConstantOfShape", [f"{name}_shape"], [name], value=fill),
    ]


def write(name, nodes, inputs, outputs, metadata=None):
    graph = helper.make_graph(nodes, name, inputs, outputs)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="gst-osha tests"
    )
    helper.set_model_props(model, metadata or {})
    checker.check_model(model)
    save(model, FOLDER / f"{name}.onnx")


def same_everywhere(name, kind=TensorProto.FLOAT, image=IMAGE, outputs=(YOLO,), value=0.0, metadata=None):
    """A network that looks at nothing and returns `value` everywhere."""
    names = [f"output{index}" for index in range(len(outputs))]
    nodes = [node for output, shape in zip(names, outputs) for node in filled(output, shape, value)]
    outputs = [tensor(output, TensorProto.FLOAT, shape) for output, shape in zip(names, outputs)]
    write(name, nodes, [tensor("images", kind, image)], outputs, metadata)


# Inputs that are no image.
same_everywhere("rank-3", image=[3, 128, 160])
same_everywhere("channels-4", image=[1, 4, 128, 160])
same_everywhere("int64", TensorProto.INT64)
same_everywhere("double", TensorProto.DOUBLE)
same_everywhere("bool", TensorProto.BOOL)
same_everywhere("string", TensorProto.STRING)

# Outputs that are no detections.
same_everywhere("classifier", outputs=[[1, 1000]])
same_everywhere("segmentation", outputs=[[1, 21, 128, 160]])
same_everywhere("two-vectors", outputs=[[1, 10], [1, 5]])
same_everywhere("task-segment", outputs=[YOLO, [1, 32, 32, 40]], metadata={"task": "segment"})
same_everywhere("names-broken", metadata={"names": "{0: 'person', 2: 'vest'}"})

# A batch that is prescribed.
same_everywhere("batch-4", image=[4, *IMAGE[1:]], outputs=[[4, *YOLO[1:]]])

# Detectors whose numbers are none that a box can have.
for name, value in [("nan", float("nan")), ("infinite", float("inf")), ("huge", 3e38), ("negative", -3e38)]:
    same_everywhere(name, value=value)

# Returns a YOLO's output with one row less than it declares: nobody sees it before the network has run.
write(
    "lies",
    [
        constant("rows", TensorProto.INT64, [YOLO[1] - 1]),
        constant("one", TensorProto.INT64, [1]),
        constant("positions", TensorProto.INT64, [YOLO[2]]),
        helper.make_node("Shape", ["images"], ["image_shape"]),
        helper.make_node("Gather", ["image_shape", "one"], ["channels"]),
        helper.make_node("Sub", ["channels", "channels"], ["zero"]),
        helper.make_node("Add", ["rows", "zero"], ["some_rows"]),
        helper.make_node("Concat", ["one", "some_rows", "positions"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["output0"]),
    ],
    [tensor("images", TensorProto.FLOAT, ["batch", *IMAGE[1:]])],
    [tensor("output0", TensorProto.FLOAT, YOLO)],
)

# Fails when it is run: reads element 99 of an image's 3 channels, which depends on the pixels.
write(
    "fails",
    [
        helper.make_node("ReduceMin", ["images"], ["darkest"], keepdims=0),
        constant("far", TensorProto.FLOAT, [99.0]),
        helper.make_node("Add", ["darkest", "far"], ["index"]),
        helper.make_node("Cast", ["index"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Gather", ["images", "whole"], ["channel"], axis=1),
        helper.make_node("ReduceMean", ["channel"], ["mean"], keepdims=0),
        *filled("boxes", YOLO, 0.0),
        helper.make_node("Add", ["boxes", "mean"], ["output0"]),
    ],
    [tensor("images", TensorProto.FLOAT, IMAGE)],
    [tensor("output0", TensorProto.FLOAT, YOLO)],
)
