// The network of the doubles: its inputs and outputs. The parser writes it, the builder reads it.
#pragma once

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <string>
#include <vector>

struct DoubleTensor {
    std::string name;
    nvinfer1::DataType type;
    nvinfer1::Dims dims;
};

/// The one layer: it computes in the type of the first input.
struct DoubleLayer final : nvinfer1::ILayer, nvinfer1::apiv::VLayer {
    nvinfer1::DataType type{};
    DoubleLayer() { mLayer = this; }
    int32_t getNbOutputs() const noexcept override { return 1; }
    nvinfer1::DataType getOutputType(int32_t) const noexcept override { return type; }
};

struct DoubleNetwork final : nvinfer1::INetworkDefinition, nvinfer1::apiv::VNetworkDefinition {
    std::vector<DoubleTensor> inputs;
    std::vector<DoubleTensor> outputs;
    DoubleLayer layer;
    DoubleNetwork() { mImpl = this; }
    int32_t getNbLayers() const noexcept override { return 1; }
    nvinfer1::ILayer* getLayer(int32_t) const noexcept override { return const_cast<DoubleLayer*>(&layer); }
};
