// A double of TensorRT for tests. Its one network is y = 2 x + 1 for each element; its plans are its own.
// DOUBLE_VERSION is the version that it reports; with DOUBLE_LEAN it has no builder.
#include "network.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace nvinfer1;

// Functions of the driver, be it NVIDIA's or the double.
extern "C" {
int cuCtxGetCurrent(void** context);
int cuMemHostAlloc(void** memory, size_t size, unsigned flags);
int cuMemFreeHost(void* memory);
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t size, void* stream);
int cuMemcpyHtoDAsync_v2(uint64_t to, void const* from, size_t size, void* stream);
int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data);
}

namespace {

uint64_t build_steps = 3, build_step_ms = 0, fail_build = 0, builds = 0, fail_enqueue = 0, plan_version = 0;
ILogger* log_to = nullptr;

void error(std::string const& text) {
    if (log_to != nullptr) log_to->log(ILogger::Severity::kERROR, text.c_str());
}

constexpr char MAGIC[8] = {'O', 'S', 'H', 'A', 'D', 'B', 'L', '1'};

uint64_t checksum(std::string const& bytes) {
    uint64_t hash = 14695981039346656037ULL;
    for (char byte : bytes) hash = (hash ^ uint8_t(byte)) * 1099511628211ULL;
    return hash;
}

template <typename T> [[maybe_unused]] void put(std::string& bytes, T const& value) {
    bytes.append(reinterpret_cast<char const*>(&value), sizeof value);
}
template <typename T> bool get(std::string const& bytes, size_t& at, T& value) {
    if (bytes.size() - at < sizeof value) return false;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    at += sizeof value;
    return true;
}

/// An input or output of a plan.
struct Io {
    std::string name;
    bool is_input;
    DataType type;
    Dims dims, smallest, largest;
};

#ifndef DOUBLE_LEAN
void put_io(std::string& plan, Io const& io) {
    put(plan, uint32_t(io.name.size()));
    plan += io.name;
    put(plan, io.is_input);
    put(plan, io.type);
    put(plan, io.dims);
    put(plan, io.smallest);
    put(plan, io.largest);
}
#endif
bool get_io(std::string const& plan, size_t& at, Io& io) {
    uint32_t length = 0;
    if (!get(plan, at, length) || plan.size() - at < length) return false;
    io.name = plan.substr(at, length);
    at += length;
    return get(plan, at, io.is_input) && get(plan, at, io.type) && get(plan, at, io.dims)
        && get(plan, at, io.smallest) && get(plan, at, io.largest);
}

int64_t volume(Dims const& dims) {
    int64_t count = 1;
    for (int32_t index = 0; index < dims.nbDims; ++index) count *= dims.d[index];
    return count;
}

size_t size_of(DataType type) {
    switch (type) {
    case DataType::kUINT8: return 1;
    case DataType::kHALF: return 2;
    case DataType::kINT64: return 8;
    default: return 4;
    }
}

/// `dims`, the open ones of which are those of `like`.
Dims filled(Dims dims, Dims const& like) {
    for (int32_t axis = 0; axis < dims.nbDims; ++axis) {
        if (dims.d[axis] < 0 && axis < like.nbDims) dims.d[axis] = like.d[axis];
    }
    return dims;
}

/// What one run does for one output, in host memory.
struct Work {
    DataType from_type, to_type;
    void const* from;
    void* to;
    int64_t from_count, to_count;
};

/// A half-precision number; there are no infinities here.
double of_half(uint16_t bits) {
    int const exponent = bits >> 10 & 31, fraction = bits & 1023;
    double const value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 == 0 ? value : -value;
}
/// The nearest half-precision number, which must be a normal one or zero.
uint16_t to_half(double value) {
    int exponent = 0;
    auto const fraction = uint32_t(std::nearbyint(std::ldexp(std::frexp(std::fabs(value), &exponent), 11)));
    uint32_t const bits = fraction == 0 ? 0 : (uint32_t(exponent + 14) << 10) + fraction - 1024;
    return uint16_t(bits | (value < 0 ? 0x8000U : 0U));
}

double load(DataType type, void const* memory, int64_t index) {
    switch (type) {
    case DataType::kHALF: return of_half(static_cast<uint16_t const*>(memory)[index]);
    case DataType::kFLOAT: return static_cast<float const*>(memory)[index];
    case DataType::kINT32: return static_cast<int32_t const*>(memory)[index];
    case DataType::kINT64: return double(static_cast<int64_t const*>(memory)[index]);
    case DataType::kUINT8: return static_cast<uint8_t const*>(memory)[index];
    default: return 0;
    }
}
void store(DataType type, void* memory, int64_t index, double value) {
    switch (type) {
    case DataType::kHALF: static_cast<uint16_t*>(memory)[index] = to_half(value); break;
    case DataType::kFLOAT: static_cast<float*>(memory)[index] = float(value); break;
    case DataType::kINT32: static_cast<int32_t*>(memory)[index] = int32_t(value); break;
    case DataType::kINT64: static_cast<int64_t*>(memory)[index] = int64_t(value); break;
    case DataType::kUINT8: static_cast<uint8_t*>(memory)[index] = uint8_t(value); break;
    default: break;
    }
}
void run(void* data) {
    auto const& work = *static_cast<Work*>(data);
    for (int64_t index = 0; index < work.to_count; ++index) {
        store(work.to_type, work.to, index, 2 * load(work.from_type, work.from, index % work.from_count) + 1);
    }
}

struct Engine;

struct Execution final : IExecutionContext, apiv::VExecutionContext {
    Engine& engine;
    std::vector<Dims> shapes;
    std::vector<void*> addresses;
    void* scratch = nullptr;
    /// The host's copies of the inputs and outputs, as large as they can be.
    std::vector<void*> staged;
    /// As long as shapes and addresses stay.
    std::vector<Work> works;
    explicit Execution(Engine& engine);
    ~Execution() noexcept override;
    int find(char const* name) const;
    bool is_whole() const;
    void prepare();
    size_t bytes(size_t index) const { return size_t(volume(filled(shapes[index], shapes[0]))) * size_of_io(index); }
    size_t size_of_io(size_t index) const;
    bool setInputShape(char const* name, Dims const& dims) noexcept override;
    bool setTensorAddress(char const* name, void* data) noexcept override;
    Dims getTensorShape(char const* name) const noexcept override;
    bool enqueueV3(cudaStream_t stream) noexcept override;
};

struct Engine final : ICudaEngine, apiv::VCudaEngine {
    std::vector<Io> ios;
    IGpuAllocator* allocator = nullptr;
    void* weights = nullptr;
    Engine() { mImpl = this; }
    ~Engine() noexcept override { if (weights != nullptr) allocator->deallocateAsync(weights, nullptr); }
    Io const* find(char const* name) const {
        for (auto const& io : ios) if (io.name == name) return &io;
        return nullptr;
    }
    int32_t getNbIOTensors() const noexcept override { return int32_t(ios.size()); }
    char const* getIOTensorName(int32_t index) const noexcept override { return ios[size_t(index)].name.c_str(); }
    TensorIOMode getTensorIOMode(char const* name) const noexcept override {
        return find(name)->is_input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
    }
    TensorLocation getTensorLocation(char const*) const noexcept override { return TensorLocation::kDEVICE; }
    DataType getTensorDataType(char const* name) const noexcept override { return find(name)->type; }
    Dims getTensorShape(char const* name) const noexcept override { return find(name)->dims; }
    Dims getProfileShape(char const* name, int32_t, OptProfileSelector select) const noexcept override {
        return select == OptProfileSelector::kMIN ? find(name)->smallest : find(name)->largest;
    }
    int64_t getDeviceMemorySizeV2() const noexcept override { return 4096; }
    IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy) noexcept override {
        auto* execution = new Execution(*this);
        if (execution->is_whole()) return execution;
        error("OutOfMemory (no scratch memory for an execution context)");
        delete execution;
        return nullptr;
    }
};

Execution::Execution(Engine& engine) : engine(engine), addresses(engine.ios.size()), staged(engine.ios.size()) {
    mImpl = this;
    for (auto const& io : engine.ios) shapes.push_back(io.dims);
    scratch = engine.allocator->allocateAsync(4096, 256, 0, nullptr);
    for (size_t index = 0; index < staged.size(); ++index) {
        Io const& io = engine.ios[index];
        int64_t const count = volume(filled(io.largest, engine.ios[0].largest));
        size_t const size = size_t(count > 0 ? count : 1) * size_of(io.type);
        if (cuMemHostAlloc(&staged[index], size, 0) != 0) staged[index] = nullptr;
        else std::memset(staged[index], 0, size);
    }
}
Execution::~Execution() noexcept {
    if (scratch != nullptr) engine.allocator->deallocateAsync(scratch, nullptr);
    for (void* memory : staged) if (memory != nullptr) cuMemFreeHost(memory);
}
bool Execution::is_whole() const {
    for (void* memory : staged) if (memory == nullptr) return false;
    return scratch != nullptr;
}
size_t Execution::size_of_io(size_t index) const { return size_of(engine.ios[index].type); }
int Execution::find(char const* name) const {
    for (size_t index = 0; index < engine.ios.size(); ++index) if (engine.ios[index].name == name) return int(index);
    return -1;
}
bool Execution::setInputShape(char const* name, Dims const& dims) noexcept {
    int const index = find(name);
    if (index < 0) return false;
    Io const& io = engine.ios[size_t(index)];
    bool fits = io.dims.nbDims == dims.nbDims;
    for (int32_t axis = 0; fits && axis < dims.nbDims; ++axis) {
        fits = dims.d[axis] >= io.smallest.d[axis] && dims.d[axis] <= io.largest.d[axis];
    }
    works.clear();
    if (fits) shapes[size_t(index)] = dims;
    else error("IExecutionContext::setInputShape: the shape of " + io.name + " is outside of the profile");
    return fits;
}
bool Execution::setTensorAddress(char const* name, void* data) noexcept {
    int const index = find(name);
    works.clear();
    if (index >= 0) addresses[size_t(index)] = data;
    return index >= 0;
}
/// An output's open dimensions are those of the first input.
Dims Execution::getTensorShape(char const* name) const noexcept { return filled(shapes[size_t(find(name))], shapes[0]); }
void Execution::prepare() {
    for (size_t index = 0; index < engine.ios.size(); ++index) {
        Io const& io = engine.ios[index];
        if (io.is_input) continue;
        works.push_back({engine.ios[0].type, io.type, staged[0], staged[index], int64_t(bytes(0) / size_of_io(0)),
            int64_t(bytes(index) / size_of_io(index))});
    }
}
/// All of it is done in the order of the stream, and can be recorded: the first input comes to the host, the host computes,
/// the outputs go to the device.
bool Execution::enqueueV3(cudaStream_t stream) noexcept {
    void* context = nullptr;
    bool const is_current = cuCtxGetCurrent(&context) == 0 && context != nullptr;
    if (fail_enqueue != 0 || !is_current) {
        error(fail_enqueue != 0 ? "enqueue failed, as the test wants" : "no CUDA context is current");
        return false;
    }
    if (works.empty()) prepare();
    bool is_done = cuMemcpyDtoHAsync_v2(staged[0], uint64_t(addresses[0]), bytes(0), stream) == 0;
    for (auto& work : works) is_done = is_done && cuLaunchHostFunc(stream, run, &work) == 0;
    for (size_t index = 0; index < staged.size(); ++index) {
        if (engine.ios[index].is_input) continue;
        is_done = is_done && cuMemcpyHtoDAsync_v2(uint64_t(addresses[index]), staged[index], bytes(index), stream) == 0;
    }
    return is_done;
}

struct Runtime final : IRuntime, apiv::VRuntime {
    IGpuAllocator* allocator = nullptr;
    bool host_code = false;
    Runtime() { mImpl = this; }
    void setGpuAllocator(IGpuAllocator* given) noexcept override { allocator = given; }
    void setEngineHostCodeAllowed(bool allowed) noexcept override { host_code = allowed; }
    ICudaEngine* deserializeCudaEngine(void const* blob, size_t size) noexcept override {
        std::string const plan(static_cast<char const*>(blob), size);
        std::string const reason = check(plan);
        if (!reason.empty()) {
            error("IRuntime::deserializeCudaEngine: " + reason);
            return nullptr;
        }
        return load(plan);
    }

private:
    std::string check(std::string const& plan) const {
        if (plan.empty()) return "the memory buffer is empty";
        if (plan.size() < sizeof MAGIC || std::memcmp(plan.data(), MAGIC, sizeof MAGIC) != 0) return "magic tag does not match";
        size_t at = sizeof MAGIC;
        int32_t version = 0;
        uint8_t compatible = 0;
        uint64_t sum = 0;
        if (!get(plan, at, version) || !get(plan, at, compatible) || plan.size() - at < 8) return "the plan is truncated";
        if (!compatible && version != DOUBLE_VERSION) return "version tag " + std::to_string(version) + " does not match";
#ifdef DOUBLE_LEAN
        if (!compatible) return "the lean runtime runs version-compatible plans only";
#endif
        if (compatible && !host_code) return "host code is not allowed";
        size_t end = plan.size() - 8;
        get(plan, end, sum);
        return sum == checksum(plan.substr(0, plan.size() - 8)) ? "" : "the plan is truncated or damaged";
    }
    ICudaEngine* load(std::string const& plan) const {
        size_t at = sizeof MAGIC + 5;
        uint32_t count = 0;
        auto* engine = new Engine;
        engine->allocator = allocator;
        get(plan, at, count);
        for (uint32_t index = 0; index < count; ++index) {
            Io io;
            get_io(plan, at, io);
            engine->ios.push_back(io);
        }
        engine->weights = allocator->allocateAsync(1 << 20, 256, 0, nullptr);
        if (engine->weights != nullptr) return engine;
        error("OutOfMemory (no memory for the weights)");
        delete engine;
        return nullptr;
    }
};

#ifndef DOUBLE_LEAN

struct HostMemory final : IHostMemory, apiv::VHostMemory {
    std::string bytes;
    HostMemory() { mImpl = this; }
    void* data() const noexcept override { return const_cast<char*>(bytes.data()); }
    size_t size() const noexcept override { return bytes.size(); }
};

struct Profile final : IOptimizationProfile, apiv::VOptimizationProfile {
    struct Entry { std::string name; Dims dims[3]; };
    std::vector<Entry> entries;
    Profile() { mImpl = this; }
    ~Profile() noexcept override {}
    bool setDimensions(char const* name, OptProfileSelector select, Dims const& dims) noexcept override {
        for (auto& entry : entries) {
            if (entry.name == name) {
                entry.dims[int(select)] = dims;
                return true;
            }
        }
        entries.push_back({name, {dims, dims, dims}});
        return true;
    }
};

struct Config final : IBuilderConfig, apiv::VBuilderConfig {
    IProgressMonitor* monitor = nullptr;
    Profile const* profile = nullptr;
    uint64_t workspace = 1 << 20;
    bool compatible = false, tf32 = true;
    Config() { mImpl = this; }
    void setAvgTimingIterations(int32_t) noexcept override {}
    void clearFlag(BuilderFlag flag) noexcept override { if (flag == BuilderFlag::kTF32) tf32 = false; }
    void setFlag(BuilderFlag flag) noexcept override { compatible |= flag == BuilderFlag::kVERSION_COMPATIBLE; }
    void setMemoryPoolLimit(MemoryPoolType, size_t size) noexcept override { workspace = size; }
    void setBuilderOptimizationLevel(int32_t) noexcept override {}
    void setHardwareCompatibilityLevel(HardwareCompatibilityLevel) noexcept override {}
    void setProgressMonitor(IProgressMonitor* given) noexcept override { monitor = given; }
    int32_t addOptimizationProfile(IOptimizationProfile const* given) noexcept override {
        profile = static_cast<Profile const*>(given);
        return 0;
    }
};

struct Builder final : IBuilder, apiv::VBuilder {
    IGpuAllocator* allocator = nullptr;
    std::vector<Profile*> profiles;
    Builder() { mImpl = this; }
    ~Builder() noexcept override { for (auto* profile : profiles) delete profile; }
    void setGpuAllocator(IGpuAllocator* given) noexcept override { allocator = given; }
    IBuilderConfig* createBuilderConfig() noexcept override { return new Config; }
    INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags) noexcept override { return new DoubleNetwork; }
    IOptimizationProfile* createOptimizationProfile() noexcept override {
        profiles.push_back(new Profile);
        return profiles.back();
    }
    IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept override {
        auto const& given = static_cast<Config const&>(config);
        __atomic_fetch_add(&builds, 1, __ATOMIC_SEQ_CST);
        void* workspace = allocator->allocateAsync(given.workspace, 256, 0, nullptr);
        if (workspace == nullptr) error("OutOfMemory (no workspace)");
        bool const is_built = workspace != nullptr && work(*given.monitor);
        if (workspace != nullptr) allocator->deallocateAsync(workspace, nullptr);
        if (!is_built || given.tf32) return nullptr;
        return serialize(static_cast<DoubleNetwork&>(network), given);
    }

private:
    /// Takes as long as it was told, and stops when the monitor says so.
    bool work(IProgressMonitor& monitor) const {
        monitor.phaseStart("Building", nullptr, 2);
        monitor.phaseStart("Tuning", "Building", int32_t(build_steps));
        for (uint64_t step = 0; step < build_steps; ++step) {
            std::this_thread::sleep_for(std::chrono::milliseconds(build_step_ms));
            if (!monitor.stepComplete("Tuning", int32_t(step))) return false;
        }
        monitor.phaseFinish("Tuning");
        monitor.stepComplete("Building", 1);
        monitor.phaseFinish("Building");
        if (fail_build != 0) error("no implementation was found, as the test wants");
        return fail_build == 0;
    }
    static Io io_of(DoubleTensor const& tensor, bool is_input, Profile const* profile) {
        Io io{tensor.name, is_input, tensor.type, tensor.dims, tensor.dims, tensor.dims};
        if (profile == nullptr) return io;
        for (auto const& entry : profile->entries) {
            if (entry.name != tensor.name) continue;
            io.smallest = entry.dims[int(OptProfileSelector::kMIN)];
            io.largest = entry.dims[int(OptProfileSelector::kMAX)];
        }
        return io;
    }
    static IHostMemory* serialize(DoubleNetwork const& network, Config const& config) {
        std::string plan(MAGIC, sizeof MAGIC);
        put(plan, plan_version != 0 ? int32_t(plan_version) : int32_t(DOUBLE_VERSION));
        put(plan, uint8_t(config.compatible));
        put(plan, uint32_t(network.inputs.size() + network.outputs.size()));
        for (auto const& tensor : network.inputs) {
            Io const io = io_of(tensor, true, config.profile);
            for (int32_t axis = 0; axis < io.smallest.nbDims; ++axis) {
                if (io.smallest.d[axis] >= 0) continue;
                error("input " + tensor.name + " has open dimensions and no profile");
                return nullptr;
            }
            put_io(plan, io);
        }
        for (auto const& tensor : network.outputs) put_io(plan, io_of(tensor, false, nullptr));
        put(plan, checksum(plan));
        auto* memory = new HostMemory;
        memory->bytes = plan;
        return memory;
    }
};

#endif // DOUBLE_LEAN

} // namespace

extern "C" {

/// What a test may set and ask.
void double_set(char const* name, uint64_t value) {
    if (std::strcmp(name, "build_steps") == 0) build_steps = value;
    if (std::strcmp(name, "build_step_ms") == 0) build_step_ms = value;
    if (std::strcmp(name, "fail_build") == 0) fail_build = value;
    if (std::strcmp(name, "fail_enqueue") == 0) fail_enqueue = value;
    if (std::strcmp(name, "plan_version") == 0) plan_version = value;
}
uint64_t double_get(char const* name) { return std::strcmp(name, "builds") == 0 ? builds : 0; }

int32_t getInferLibVersion() noexcept { return DOUBLE_VERSION; }

void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
    log_to = static_cast<ILogger*>(logger);
    log_to->log(ILogger::Severity::kWARNING, "this is a double of TensorRT for tests: it computes y = 2 x + 1 and nothing else");
    if (version / 10000 == DOUBLE_VERSION / 10000) return static_cast<IRuntime*>(new Runtime);
    error("the version asked for is not the library's");
    return nullptr;
}

#ifndef DOUBLE_LEAN
void* createInferBuilder_INTERNAL(void* logger, int32_t) noexcept {
    log_to = static_cast<ILogger*>(logger);
    return static_cast<IBuilder*>(new Builder);
}
#endif

} // extern "C"
