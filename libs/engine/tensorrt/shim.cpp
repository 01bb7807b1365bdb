// The calls of TensorRT's C++ interface that the engine needs, as a table of C functions. `src/tensorrt/sys.rs` declares the
// same. It is compiled once for each product whose classes differ, against its headers; OSHA_SHIM is the table's name.
//
// Nothing here links TensorRT: the library's entry points are passed in, everything else goes through virtual tables.
// Nothing throws, and an object that a function returns is deleted with the function of the same family.

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

using namespace nvinfer1;

namespace {

using LogFunction = void (*)(int32_t severity, char const* message);
using CreateFunction = void* (*)(void* logger, int32_t version);
using CreateParserFunction = void* (*)(void* network, void* logger, int version);

/// TensorRT keeps the first logger that a process gives it, so there is one for all.
class Log final : public ILogger {
public:
    void log(Severity severity, AsciiChar const* message) noexcept override {
        if (auto function = function_.load()) function(static_cast<int32_t>(severity), message);
    }
    void set(LogFunction function) { function_ = function; }

private:
    std::atomic<LogFunction> function_{nullptr};
};

Log& logger() {
    // Never destroyed: the library may log while the process ends.
    static Log& log = *new Log;
    return log;
}

/// Memory of the device, from the caller.
class Allocator final : public IGpuAsyncAllocator {
public:
    using Allocate = void* (*)(void* user, uint64_t size, uint64_t alignment);
    using Release = bool (*)(void* user, void* memory);

    Allocator(void* user, Allocate allocate, Release release) : user_(user), allocate_(allocate), release_(release) {}
    void* allocateAsync(uint64_t size, uint64_t alignment, AllocatorFlags, cudaStream_t) noexcept override {
        return allocate_(user_, size, alignment);
    }
    bool deallocateAsync(void* memory, cudaStream_t) noexcept override {
        return memory == nullptr || release_(user_, memory);
    }

private:
    void* user_;
    Allocate allocate_;
    Release release_;
};

/// Tells the caller how far a build is. `step` answers whether to go on.
struct Monitor {
    void* user;
    void (*start)(void* user, char const* phase, char const* parent, int32_t steps);
    bool (*step)(void* user, char const* phase, int32_t step);
    void (*finish)(void* user, char const* phase);
};

class Progress final : public IProgressMonitor {
public:
    explicit Progress(Monitor const& monitor) : monitor_(monitor) {}
    void phaseStart(char const* phase, char const* parent, int32_t steps) noexcept override {
        monitor_.start(monitor_.user, phase, parent, steps);
    }
    bool stepComplete(char const* phase, int32_t step) noexcept override {
        return monitor_.step(monitor_.user, phase, step);
    }
    void phaseFinish(char const* phase) noexcept override { monitor_.finish(monitor_.user, phase); }

private:
    Monitor monitor_;
};

/// A tensor's shape; a negative dimension is open.
struct Shape {
    int32_t rank;
    int64_t dims[Dims::MAX_DIMS];
};

Shape shape_of(Dims const& dims) {
    Shape shape{dims.nbDims, {}};
    for (int32_t index = 0; index < dims.nbDims; ++index) shape.dims[index] = dims.d[index];
    return shape;
}

Dims dims_of(Shape const& shape) {
    Dims dims{};
    dims.nbDims = shape.rank;
    for (int32_t index = 0; index < shape.rank; ++index) dims.d[index] = shape.dims[index];
    return dims;
}

/// An input or output of an engine.
struct Tensor {
    char const* name;
    bool is_input;
    bool is_on_host;
    int32_t type;
    Shape shape;
    Shape smallest;
    Shape largest;
};

/// Shapes of one input that an engine is made for.
struct Profile {
    char const* name;
    Shape smallest;
    Shape best;
    Shape largest;
};

/// How an engine is to be built.
struct Request {
    Profile const* profiles;
    uint64_t profile_count;
    uint64_t workspace;
    int32_t optimization_level;
    bool version_compatible;
    bool hardware_compatible;
};

/// A network that was read, with all that its parts need. The order is that of their making.
struct Network {
    std::unique_ptr<IBuilder> builder;
    std::unique_ptr<INetworkDefinition> definition;
    std::unique_ptr<nvonnxparser::IParser> parser;
};

void describe(nvonnxparser::IParserError const* error, char* text, uint64_t capacity) {
    if (error == nullptr) return;
    char const* name = error->nodeName();
    std::snprintf(text, capacity, "node %d (%s%soperator %s): %s", error->node(), name, *name == 0 ? "" : ", ",
        error->nodeOperator(), error->desc());
}

bool add_profiles(IBuilder& builder, IBuilderConfig& config, Request const& request) {
    if (request.profile_count == 0) return true;
    IOptimizationProfile* profile = builder.createOptimizationProfile();
    if (profile == nullptr) return false;
    for (uint64_t index = 0; index < request.profile_count; ++index) {
        Profile const& input = request.profiles[index];
        bool const taken = profile->setDimensions(input.name, OptProfileSelector::kMIN, dims_of(input.smallest))
            && profile->setDimensions(input.name, OptProfileSelector::kOPT, dims_of(input.best))
            && profile->setDimensions(input.name, OptProfileSelector::kMAX, dims_of(input.largest));
        if (!taken) return false;
    }
    return config.addOptimizationProfile(profile) >= 0;
}

void configure(IBuilderConfig& config, Request const& request) {
    config.clearFlag(BuilderFlag::kTF32);
    if (request.workspace != 0) config.setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, request.workspace);
    if (request.optimization_level >= 0) config.setBuilderOptimizationLevel(request.optimization_level);
    if (request.version_compatible) config.setFlag(BuilderFlag::kVERSION_COMPATIBLE);
    if (request.hardware_compatible) config.setHardwareCompatibilityLevel(HardwareCompatibilityLevel::kAMPERE_PLUS);
}

void set_log(LogFunction function) { logger().set(function); }

Allocator* allocator_new(void* user, Allocator::Allocate allocate, Allocator::Release release) {
    return new (std::nothrow) Allocator(user, allocate, release);
}
void allocator_delete(Allocator* allocator) { delete allocator; }

IRuntime* runtime_new(CreateFunction create, Allocator* allocator, bool host_code) {
    auto* runtime = static_cast<IRuntime*>(create(&logger(), NV_TENSORRT_VERSION));
    if (runtime == nullptr) return nullptr;
    runtime->setGpuAllocator(allocator);
    runtime->setEngineHostCodeAllowed(host_code);
    return runtime;
}
void runtime_delete(IRuntime* runtime) { delete runtime; }

ICudaEngine* engine_new(IRuntime* runtime, void const* plan, uint64_t size) {
    return runtime->deserializeCudaEngine(plan, size);
}
void engine_delete(ICudaEngine* engine) { delete engine; }

int32_t engine_tensor_count(ICudaEngine const* engine) { return engine->getNbIOTensors(); }

bool engine_tensor(ICudaEngine const* engine, int32_t index, Tensor* tensor) {
    char const* name = engine->getIOTensorName(index);
    if (name == nullptr) return false;
    bool const is_input = engine->getTensorIOMode(name) == TensorIOMode::kINPUT;
    bool const is_on_host = engine->getTensorLocation(name) == TensorLocation::kHOST;
    *tensor = Tensor{name, is_input, is_on_host, static_cast<int32_t>(engine->getTensorDataType(name)),
        shape_of(engine->getTensorShape(name)), {}, {}};
    if (is_input) {
        tensor->smallest = shape_of(engine->getProfileShape(name, 0, OptProfileSelector::kMIN));
        tensor->largest = shape_of(engine->getProfileShape(name, 0, OptProfileSelector::kMAX));
    }
    return true;
}

/// Bytes of device memory that each context of the engine takes for what lies between layers.
int64_t engine_context_bytes(ICudaEngine const* engine) { return engine->getDeviceMemorySizeV2(); }

IExecutionContext* context_new(ICudaEngine* engine) { return engine->createExecutionContext(); }
void context_delete(IExecutionContext* context) { delete context; }

bool context_set_input(IExecutionContext* context, char const* name, Shape const* shape, void* address) {
    return context->setInputShape(name, dims_of(*shape)) && context->setTensorAddress(name, address);
}
bool context_set_output(IExecutionContext* context, char const* name, void* address) {
    return context->setTensorAddress(name, address);
}
void context_shape(IExecutionContext const* context, char const* name, Shape* shape) {
    *shape = shape_of(context->getTensorShape(name));
}
bool context_enqueue(IExecutionContext* context, void* stream) {
    return context->enqueueV3(static_cast<cudaStream_t>(stream));
}

/// Reads the model file `path`. What the parser says against it is written to `text`.
Network* network_new(CreateFunction create_builder, CreateParserFunction create_parser, Allocator* allocator,
    char const* path, char* text, uint64_t capacity) {
    auto network = std::unique_ptr<Network>(new (std::nothrow) Network);
    if (network == nullptr) return nullptr;
    network->builder.reset(static_cast<IBuilder*>(create_builder(&logger(), NV_TENSORRT_VERSION)));
    if (network->builder == nullptr) return nullptr;
    network->builder->setGpuAllocator(allocator);
    network->definition.reset(network->builder->createNetworkV2(0));
    if (network->definition == nullptr) return nullptr;
    void* parser = create_parser(network->definition.get(), &logger(), NV_ONNX_PARSER_VERSION);
    network->parser.reset(static_cast<nvonnxparser::IParser*>(parser));
    if (network->parser == nullptr) return nullptr;
    if (network->parser->parseFromFile(path, static_cast<int>(ILogger::Severity::kWARNING))) return network.release();
    if (network->parser->getNbErrors() > 0) describe(network->parser->getError(0), text, capacity);
    return nullptr;
}
void network_delete(Network* network) { delete network; }

/// The types that the network computes in: bit n for number n of `DataType`.
uint32_t network_types(Network const* network) {
    uint32_t types = 0;
    for (int32_t layer = 0; layer < network->definition->getNbLayers(); ++layer) {
        ILayer const* found = network->definition->getLayer(layer);
        for (int32_t output = 0; output < found->getNbOutputs(); ++output) {
            types |= 1U << static_cast<uint32_t>(found->getOutputType(output));
        }
    }
    return types;
}

IHostMemory* network_build(Network* network, Request const* request, Monitor const* monitor) {
    auto config = std::unique_ptr<IBuilderConfig>(network->builder->createBuilderConfig());
    if (config == nullptr || !add_profiles(*network->builder, *config, *request)) return nullptr;
    configure(*config, *request);
    Progress progress(*monitor);
    config->setProgressMonitor(&progress);
    return network->builder->buildSerializedNetwork(*network->definition, *config);
}

void const* plan_data(IHostMemory const* plan) { return plan->data(); }
uint64_t plan_size(IHostMemory const* plan) { return plan->size(); }
void plan_delete(IHostMemory* plan) { delete plan; }

/// All of the above.
struct Shim {
    /// Version of the headers: major, minor and patch as 10000, 100 and 1.
    int32_t headers_version;
    decltype(&::set_log) set_log;
    decltype(&::allocator_new) allocator_new;
    decltype(&::allocator_delete) allocator_delete;
    decltype(&::runtime_new) runtime_new;
    decltype(&::runtime_delete) runtime_delete;
    decltype(&::engine_new) engine_new;
    decltype(&::engine_delete) engine_delete;
    decltype(&::engine_tensor_count) engine_tensor_count;
    decltype(&::engine_tensor) engine_tensor;
    decltype(&::engine_context_bytes) engine_context_bytes;
    decltype(&::context_new) context_new;
    decltype(&::context_delete) context_delete;
    decltype(&::context_set_input) context_set_input;
    decltype(&::context_set_output) context_set_output;
    decltype(&::context_shape) context_shape;
    decltype(&::context_enqueue) context_enqueue;
    decltype(&::network_new) network_new;
    decltype(&::network_delete) network_delete;
    decltype(&::network_types) network_types;
    decltype(&::network_build) network_build;
    decltype(&::plan_data) plan_data;
    decltype(&::plan_size) plan_size;
    decltype(&::plan_delete) plan_delete;
};

} // namespace

extern "C" {
extern Shim const OSHA_SHIM;
Shim const OSHA_SHIM{
    NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH,
    set_log,
    allocator_new,
    allocator_delete,
    runtime_new,
    runtime_delete,
    engine_new,
    engine_delete,
    engine_tensor_count,
    engine_tensor,
    engine_context_bytes,
    context_new,
    context_delete,
    context_set_input,
    context_set_output,
    context_shape,
    context_enqueue,
    network_new,
    network_delete,
    network_types,
    network_build,
    plan_data,
    plan_size,
    plan_delete,
};
}
