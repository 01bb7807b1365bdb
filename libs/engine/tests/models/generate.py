#!/usr/bin/env python3
"""Writes the models of the engine's tests beside this file. Needs `pip install onnx`; the same bytes come out each time."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

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

# An output as dense heads have it: box and one score of each of four positions.
affine("dense", TensorProto.FLOAT, [1, 5, 4])

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


def convolutions():
    """Convolutions of every kind, each with something else after it; the branches' ends are the outputs."""
    noise = np.random.default_rng(1)
    nodes, constants = [], []

    def constant(name, *shape):
        numbers = noise.uniform(-0.3, 0.3, shape).astype(np.float32)
        constants.append(numpy_helper.from_array(numbers, name))
        return name

    def convolution(name, source, shape, bias=True, **attributes):
        inputs = [source, constant(f"{name}_weights", *shape)]
        inputs += [bias if isinstance(bias, str) else constant(f"{name}_bias", shape[0])] if bias else []
        nodes.append(helper.make_node("Conv", inputs, [name], **attributes))
        return name

    def silu(value, swapped=False):
        nodes.append(helper.make_node("Sigmoid", [value], [f"{value}_sigmoid"]))
        factors = [value, f"{value}_sigmoid"]
        nodes.append(helper.make_node("Mul", factors[::-1] if swapped else factors, [f"{value}_silu"]))
        return f"{value}_silu"

    def relu(value):
        nodes.append(helper.make_node("Relu", [value], [f"{value}_relu"]))
        return f"{value}_relu"

    stem = silu(convolution("stem", "x", (16, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]))
    down = silu(convolution("down", stem, (32, 16, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]), swapped=True)
    plain = convolution("plain", down, (20, 32, 1, 1), bias=False)
    odd = relu(convolution("odd", down, (12, 32, 2, 3), strides=[1, 2], pads=[0, 2, 1, 1]))
    grouped = relu(convolution("grouped", down, (32, 16, 1, 1), group=2))
    dilated = convolution("dilated", down, (8, 32, 3, 3), dilations=[2, 2], pads=[2, 2, 2, 2])
    narrow = convolution("narrow", down, (6, 32, 1, 1))
    # Its result is read by somebody else, too, and its bias is another one's.
    nodes.append(helper.make_node("Identity", ["stem_bias"], ["same_bias"]))
    shared = convolution("shared", down, (16, 32, 1, 1), bias="same_bias")
    ends = {plain: 20, odd: 12, grouped: 32, dilated: 8, narrow: 6, shared: 16, silu(shared): 16}
    size = {odd: [7, 4]}
    outputs = [tensor(end, TensorProto.FLOAT, ["batch", ends[end], *size.get(end, [7, 6])]) for end in ends]
    write("convolutions", nodes, [tensor("x", TensorProto.FLOAT, ["batch", 3, 26, 22])], outputs, constants)


convolutions()
