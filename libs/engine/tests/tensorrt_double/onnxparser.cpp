// A double of TensorRT's ONNX parser for tests: it reads inputs, outputs and operators.
#include "network.h"

#include <cstring>
#include <fstream>
#include <iterator>

using namespace nvinfer1;

namespace {

/// A run of protobuf fields.
struct Message {
    uint8_t const* at;
    uint8_t const* end;
    bool is_good = true;
    uint32_t field = 0;
    uint64_t number = 0;
    uint8_t const* content = nullptr;

    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64 && at < end; shift += 7) {
            uint8_t const byte = *at++;
            value |= uint64_t(byte & 127) << shift;
            if (byte < 128) return value;
        }
        is_good = false;
        return 0;
    }
    /// Goes on to the next field; its value is in `number`, and its bytes, if it has some, in `content`.
    bool next() {
        if (at >= end || !is_good) return false;
        uint64_t const tag = varint();
        field = uint32_t(tag >> 3);
        content = nullptr;
        switch (tag & 7) {
        case 0: number = varint(); return is_good;
        case 1: number = 8; break;
        case 2: number = varint(); break;
        case 5: number = 4; break;
        default: is_good = false;
        }
        if (!is_good || number > uint64_t(end - at)) return is_good = false;
        content = at;
        at += number;
        return true;
    }
    Message inner() const { return Message{content, content + number}; }
    std::string text() const { return std::string(reinterpret_cast<char const*>(content), number); }
};

struct ParserError final : nvonnxparser::IParserError {
    std::string reason, op;
    nvonnxparser::ErrorCode code() const override { return nvonnxparser::ErrorCode::kUNSUPPORTED_NODE; }
    char const* desc() const override { return reason.c_str(); }
    char const* file() const override { return "onnxparser.cpp"; }
    int line() const override { return 0; }
    char const* func() const override { return ""; }
    int node() const override { return 0; }
    char const* nodeName() const override { return "a node"; }
    char const* nodeOperator() const override { return op.c_str(); }
    char const* const* localFunctionStack() const override { return nullptr; }
    int32_t localFunctionStackSize() const override { return 0; }
};

bool type_of(uint64_t number, DataType& type) {
    switch (number) {
    case 1: type = DataType::kFLOAT; return true;
    case 2: type = DataType::kUINT8; return true;
    case 6: type = DataType::kINT32; return true;
    case 7: type = DataType::kINT64; return true;
    case 10: type = DataType::kHALF; return true;
    default: return false;
    }
}

void read_shape(Message shape, Dims& dims) {
    while (shape.next()) {
        if (shape.field != 1 || dims.nbDims == Dims::MAX_DIMS) continue;
        int64_t size = -1;
        for (Message dim = shape.inner(); dim.next();) if (dim.field == 1) size = int64_t(dim.number);
        dims.d[dims.nbDims++] = size;
    }
}

/// A ValueInfoProto.
bool read_tensor(Message info, DoubleTensor& tensor) {
    bool is_known = false;
    while (info.next()) {
        if (info.field == 1) tensor.name = info.text();
        if (info.field != 2) continue;
        for (Message type = info.inner(); type.next();) {
            for (Message kind = type.inner(); kind.next();) {
                if (kind.field == 1) is_known = type_of(kind.number, tensor.type);
                if (kind.field == 2) read_shape(kind.inner(), tensor.dims);
            }
        }
    }
    return is_known;
}

class Parser final : public nvonnxparser::IParser {
public:
    explicit Parser(DoubleNetwork& network) : network_(network) {}

    bool parseFromFile(char const* path, int) noexcept override {
        std::ifstream file(path, std::ios::binary);
        std::string const bytes{std::istreambuf_iterator<char>(file), {}};
        auto const* start = reinterpret_cast<uint8_t const*>(bytes.data());
        for (Message model{start, start + bytes.size()}; model.next();) {
            if (model.field == 7 && !read_graph(model.inner())) return false;
        }
        if (network_.inputs.empty()) return refuse("no graph", "");
        network_.layer.type = network_.inputs.front().type;
        return true;
    }
    int getNbErrors() const noexcept override { return error_.reason.empty() ? 0 : 1; }
    nvonnxparser::IParserError const* getError(int) const noexcept override { return &error_; }

private:
    bool read_graph(Message graph) {
        while (graph.next()) {
            if (graph.field == 1 && !read_node(graph.inner())) return false;
            if (graph.field != 11 && graph.field != 12) continue;
            DoubleTensor tensor{};
            if (!read_tensor(graph.inner(), tensor)) return refuse("tensor " + tensor.name + " is of a type that is not supported", "");
            (graph.field == 11 ? network_.inputs : network_.outputs).push_back(tensor);
        }
        return graph.is_good || refuse("the file is damaged", "");
    }
    /// Operators of ONNX are taken, those of others are not.
    bool read_node(Message node) {
        std::string op, domain;
        while (node.next()) {
            if (node.field == 4) op = node.text();
            if (node.field == 7) domain = node.text();
        }
        return domain.empty() || domain == "ai.onnx" || refuse("the double knows no such operator", op);
    }
    bool refuse(std::string const& reason, std::string const& op) {
        error_.reason = reason;
        error_.op = op;
        return false;
    }

    DoubleNetwork& network_;
    ParserError error_;
};

} // namespace

extern "C" void* createNvOnnxParser_INTERNAL(void* network, void*, int) noexcept {
    auto* definition = static_cast<INetworkDefinition*>(network);
    return static_cast<nvonnxparser::IParser*>(new Parser(*static_cast<DoubleNetwork*>(definition)));
}
extern "C" int getNvOnnxParserVersion() noexcept { return NV_ONNX_PARSER_VERSION; }
