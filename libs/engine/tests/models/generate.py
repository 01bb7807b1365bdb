#!/usr/bin/env python3
"""Writes the models of the engine's tests beside this file. Needs `pip install onnx`; the same bytes come out each time."""

from pathlib import Path

from onnx import TensorProto, checker, helper, save

HERE = Path(__file__).parent
OPSET = [helper.make_opsetid("", 17)]


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def scalar(name, kind, value):
    return helper.make_tensor(name, kind, [], [value])


def write(name, nodes, inputs, outputs, initializers=(), metadata=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=initializers)
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=8, producer_name="gst-osha tests")
    helper.set_model_props(model, metadata or {})
    checker.check_model(model)
    save(model, HERE / f"{name}.onnx")


def affine(name, kind, shape, metadata=None):
    """y = 2 x + 1"""
    write(
        name,
        [helper.make_node("Mul", ["x", "two"], ["double"]), helper.make_node("Add", ["double", "one"], ["y"])],
        [tensor("x", kind, shape)],
        [tensor("y", kind, shape)],
        [scalar("two", kind, 2), scalar("one", kind, 1)],
        metadata,
    )


affine("affine_f32", TensorProto.FLOAT, ["batch", 3, "height", "width"])
affine("affine_f16", TensorProto.FLOAT16, [1, 4])
affine("affine_i32", TensorProto.INT32, [4])
affine("affine_f64", TensorProto.DOUBLE, [4])
affine(
    "metadata",
    TensorProto.FLOAT,
    [1, 3, 8, 8],
    {"names": "{0: 'person', 1: 'hard hat'}", "stride": "32", "imgsz": "[8, 8]", "task": "detect", "args": ""},
)

# As exporters write it with everything open: the batch, and a size that the metadata tells.
affine("affine_open", TensorProto.FLOAT, ["batch", 3, "height", "width"], {"imgsz": "[8, 8]"})

# RT-DETR's signature: an image and the sizes to which its boxes are scaled. Bytes in, two types out.
write(
    "two_inputs",
    [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["values"], ["sum"], keepdims=0),
        helper.make_node("Add", ["orig_target_sizes", "one"], ["sizes"]),
    ],
    [tensor("images", TensorProto.UINT8, [1, 3, 2, 2]), tensor("orig_target_sizes", TensorProto.INT64, [1, 2])],
    [tensor("sum", TensorProto.FLOAT, []), tensor("sizes", TensorProto.INT64, [1, 2])],
    [scalar("one", TensorProto.INT64, 1)],
)

# Shapes that only the network's arithmetic can refuse: the model declares both dimensions open.
write(
    "matmul",
    [helper.make_node("MatMul", ["a", "b"], ["c"])],
    [tensor("a", TensorProto.FLOAT, ["m", "k"]), tensor("b", TensorProto.FLOAT, ["l", "n"])],
    [tensor("c", TensorProto.FLOAT, ["m", "n"])],
)

# An output that is an input handed through would share its memory.
write(
    "handed_through",
    [helper.make_node("Relu", ["x"], ["y"])],
    [tensor("x", TensorProto.FLOAT, [4])],
    [tensor("x", TensorProto.FLOAT, [4]), tensor("y", TensorProto.FLOAT, [4])],
)

# An operator that no runtime knows.
unknown = helper.make_model(
    helper.make_graph(
        [helper.make_node("Frobnicate", ["x"], ["y"], domain="example.invalid")],
        "unknown_operator",
        [tensor("x", TensorProto.FLOAT, [4])],
        [tensor("y", TensorProto.FLOAT, [4])],
    ),
    opset_imports=[*OPSET, helper.make_opsetid("example.invalid", 1)],
    ir_version=8,
)
save(unknown, HERE / "unknown_operator.onnx")
