// A double of the CUDA driver for tests: device memory is host memory, a stream does at once what it is told.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Code;
typedef uint64_t Address;
typedef void (*HostFunction)(void* data);

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NOT_SUPPORTED = 801, INVALID = 1 };

typedef struct { HostFunction function; void* data; } Work;
typedef struct { Work work[64]; int count; } Graph;
typedef struct { Graph* recording; } Stream;

static uint64_t total_bytes = 1ull << 30;
static uint64_t live_bytes;
static uint64_t live_host_bytes;
static uint64_t launches;
static uint64_t live_objects;
static int sticky;
static int refuse_recording;

/// The double of TensorRT computes with this.
Code cuLaunchHostFunc(Stream* stream, HostFunction function, void* data) {
    if (stream->recording != NULL) stream->recording->work[stream->recording->count++] = (Work){function, data};
    else function(data);
    return sticky;
}

/// What a test may set and ask.
void double_set(char const* name, uint64_t value) {
    if (strcmp(name, "total_bytes") == 0) total_bytes = value;
    if (strcmp(name, "sticky") == 0) sticky = (int)value;
    if (strcmp(name, "refuse_recording") == 0) refuse_recording = (int)value;
}
uint64_t double_get(char const* name) {
    if (strcmp(name, "live_bytes") == 0) return live_bytes;
    if (strcmp(name, "live_host_bytes") == 0) return live_host_bytes;
    if (strcmp(name, "live_objects") == 0) return live_objects;
    if (strcmp(name, "graph_launches") == 0) return launches;
    return 0;
}

/// Every allocation carries this in front.
typedef struct Block { size_t size; struct Block *next, *previous; } Block;
enum { HEADER = 256 };
static Block all_blocks = {0, &all_blocks, &all_blocks};
static pthread_mutex_t blocks = PTHREAD_MUTEX_INITIALIZER;

static void* take(size_t size, uint64_t* account) {
    Block* block = calloc(1, size + HEADER);
    if (block == NULL) return NULL;
    pthread_mutex_lock(&blocks);
    *block = (Block){size, all_blocks.next, &all_blocks};
    block->next->previous = all_blocks.next = block;
    pthread_mutex_unlock(&blocks);
    __atomic_fetch_add(account, size, __ATOMIC_SEQ_CST);
    return (uint8_t*)block + HEADER;
}
static void give(void* memory, uint64_t* account) {
    Block* block = (Block*)((uint8_t*)memory - HEADER);
    pthread_mutex_lock(&blocks);
    block->next->previous = block->previous;
    block->previous->next = block->next;
    pthread_mutex_unlock(&blocks);
    __atomic_fetch_sub(account, block->size, __ATOMIC_SEQ_CST);
    free(block);
}
static int is_known(Address address) {
    int known = 0;
    pthread_mutex_lock(&blocks);
    for (Block* block = all_blocks.next; block != &all_blocks; block = block->next)
        known |= address - (Address)block - HEADER < block->size;
    pthread_mutex_unlock(&blocks);
    return known;
}
static void* object(size_t size) {
    __atomic_fetch_add(&live_objects, 1, __ATOMIC_SEQ_CST);
    return calloc(1, size);
}
static Code discard(void* memory) {
    __atomic_fetch_sub(&live_objects, 1, __ATOMIC_SEQ_CST);
    free(memory);
    return sticky;
}

Code cuInit(unsigned flags) { return flags == 0 ? SUCCESS : INVALID; }
Code cuDriverGetVersion(int* version) { *version = 13000; return SUCCESS; }
Code cuGetErrorName(Code code, char const** text) {
    *text = code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR";
    return SUCCESS;
}
Code cuGetErrorString(Code code, char const** text) { (void)code; *text = "said by the double"; return SUCCESS; }
Code cuDeviceGetCount(int* count) { *count = 1; return SUCCESS; }
Code cuDeviceGet(int* device, int ordinal) { *device = ordinal; return ordinal == 0 ? SUCCESS : 101; }
Code cuDeviceGetName(char* name, int length, int device) {
    (void)device;
    snprintf(name, (size_t)length, "CUDA double (no GPU)");
    return SUCCESS;
}
Code cuDeviceGetUuid_v2(uint8_t* bytes, int device) { (void)device; memset(bytes, 0, 16); return SUCCESS; }
Code cuDeviceTotalMem_v2(size_t* bytes, int device) { (void)device; *bytes = 1ull << 30; return SUCCESS; }
Code cuDeviceGetAttribute(int* value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 7 : attribute == 76 ? 5 : attribute == 16 ? 1 : attribute == 14 ? 512 : 0;
    return SUCCESS;
}

static __thread int current;
Code cuDevicePrimaryCtxRetain(void** context, int device) { (void)device; static int primary; *context = &primary; return SUCCESS; }
Code cuCtxPushCurrent_v2(void* context) { (void)context; ++current; return SUCCESS; }
Code cuCtxPopCurrent_v2(void** context) {
    if (context != NULL) *context = NULL;
    --current;
    return SUCCESS;
}
Code cuCtxGetDevice(int* device) { *device = 0; return SUCCESS; }
Code cuCtxGetCurrent(void** context) { *context = current > 0 ? &current : NULL; return SUCCESS; }

Code cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
    *free_bytes = total_bytes > live_bytes ? total_bytes - live_bytes : 0;
    *total = total_bytes;
    return sticky;
}
Code cuMemAlloc_v2(Address* address, size_t size) {
    if (sticky) return sticky;
    void* memory = size > total_bytes - live_bytes ? NULL : take(size, &live_bytes);
    *address = (Address)memory;
    return memory == NULL ? OUT_OF_MEMORY : SUCCESS;
}
Code cuMemFree_v2(Address address) { give((void*)address, &live_bytes); return sticky; }
Code cuMemAllocManaged(Address* address, size_t size, unsigned flags) { (void)flags; return cuMemAlloc_v2(address, size); }
Code cuMemHostAlloc(void** memory, size_t size, unsigned flags) {
    (void)flags;
    *memory = take(size, &live_host_bytes);
    return *memory == NULL ? OUT_OF_MEMORY : sticky;
}
Code cuMemFreeHost(void* memory) { give(memory, &live_host_bytes); return sticky; }
Code cuMemHostGetDevicePointer_v2(Address* address, void* memory, unsigned flags) {
    (void)flags;
    *address = (Address)memory;
    return SUCCESS;
}
Code cuPointerGetAttribute(void* value, int attribute, Address address) {
    if (attribute != 3 || !is_known(address)) return INVALID;
    memcpy(value, &address, sizeof address);
    return SUCCESS;
}

/// A copy, as a piece of work.
typedef struct { void* to; void const* from; size_t size; } Copy;
static void copy(void* data) { Copy const* copy = data; memmove(copy->to, copy->from, copy->size); }
static Code put_copy(Stream* stream, void* to, void const* from, size_t size) {
    Copy now = {to, from, size};
    if (stream == NULL || stream->recording == NULL) { copy(&now); return sticky; }
    Copy* later = malloc(sizeof now);
    *later = now;
    return cuLaunchHostFunc(stream, copy, later);
}
Code cuMemcpyHtoDAsync_v2(Address to, void const* from, size_t size, Stream* stream) { return put_copy(stream, (void*)to, from, size); }
Code cuMemcpyDtoHAsync_v2(void* to, Address from, size_t size, Stream* stream) { return put_copy(stream, to, (void*)from, size); }
Code cuMemcpyDtoDAsync_v2(Address to, Address from, size_t size, void* stream) { (void)stream; memmove((void*)to, (void*)from, size); return sticky; }
/// CUDA_MEMCPY2D.
typedef struct { size_t x, y; int kind; uint8_t* host; uint8_t* device; void* array; size_t pitch; } Side;
typedef struct { Side from, to; size_t width, height; } Copy2d;
static uint8_t* row(Side const* side, size_t y) {
    return (side->kind == 1 ? side->host : side->device) + (side->y + y) * side->pitch + side->x;
}
Code cuMemcpy2D_v2(Copy2d const* copy) {
    for (size_t y = 0; y < copy->height; ++y) memmove(row(&copy->to, y), row(&copy->from, y), copy->width);
    return sticky;
}
Code cuMemcpy2DAsync_v2(Copy2d const* copy, void* stream) { (void)stream; return cuMemcpy2D_v2(copy); }
Code cuMemsetD8Async(Address to, uint8_t byte, size_t size, void* stream) { (void)stream; memset((void*)to, byte, size); return sticky; }

Code cuStreamCreate(void** stream, unsigned flags) { (void)flags; *stream = object(sizeof(Stream)); return sticky; }
Code cuStreamDestroy_v2(void* stream) { return discard(stream); }
Code cuStreamSynchronize(void* stream) { (void)stream; return sticky; }
Code cuStreamWaitEvent(void* stream, void* event, unsigned flags) { (void)stream; (void)event; (void)flags; return sticky; }
Code cuEventCreate(void** event, unsigned flags) { (void)flags; *event = object(1); return sticky; }
Code cuEventDestroy_v2(void* event) { return discard(event); }
Code cuEventRecord(void* event, void* stream) { (void)event; (void)stream; return sticky; }
Code cuEventQuery(void* event) { (void)event; return sticky; }
Code cuEventSynchronize(void* event) { (void)event; return sticky; }
Code cuEventElapsedTime(float* milliseconds, void* start, void* end) { (void)start; (void)end; *milliseconds = 0; return sticky; }

Code cuStreamBeginCapture_v2(Stream* stream, int mode) {
    (void)mode;
    if (refuse_recording) return NOT_SUPPORTED;
    stream->recording = object(sizeof(Graph));
    return sticky;
}
Code cuStreamEndCapture(Stream* stream, Graph** graph) {
    *graph = stream->recording;
    stream->recording = NULL;
    return *graph == NULL ? INVALID : sticky;
}
Code cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, uint64_t flags) {
    (void)flags;
    *executable = object(sizeof(Graph));
    **executable = *graph;
    return sticky;
}
static void kernel(void* data);
/// Whether the data of a piece of work are ours to free.
static int is_own(HostFunction function) { return function == copy || function == kernel; }
Code cuGraphDestroy(Graph* graph) { return discard(graph); }
Code cuGraphExecDestroy(Graph* graph) {
    for (int index = 0; index < graph->count; ++index) if (is_own(graph->work[index].function)) free(graph->work[index].data);
    return discard(graph);
}
Code cuGraphLaunch(Graph* graph, void* stream) {
    (void)stream;
    ++launches;
    for (int index = 0; index < graph->count; ++index) graph->work[index].function(graph->work[index].data);
    return sticky;
}
/// The kernels' arithmetic, compiled for the CPU.
void host_candidates(void const* parameters);
void host_draw(void const* parameters);
void host_preprocess(void const* parameters);

Code cuModuleLoadDataEx(void** module, void const* image, unsigned count, int* options, void** values) {
    (void)count; (void)options; (void)values;
    *module = (void*)image;
    return SUCCESS;
}
Code cuModuleGetFunction(void** function, void* module, char const* name) {
    (void)module;
    *function = NULL;
    if (strcmp(name, "candidates") == 0) *function = (void*)host_candidates;
    if (strcmp(name, "draw") == 0) *function = (void*)host_draw;
    if (strcmp(name, "preprocess") == 0) *function = (void*)host_preprocess;
    return *function == NULL ? NOT_SUPPORTED : SUCCESS;
}
/// A kernel with its parameter, as a piece of work.
typedef struct { void (*function)(void const*); uint64_t parameter[40]; } Kernel;
static void kernel(void* data) { Kernel const* kernel = data; kernel->function(kernel->parameter); }
/// The bytes of a kernel's one parameter, as src/kernels of libs/gpu has them.
static size_t parameter_size(void* function) {
    return function == (void*)host_candidates ? 56 : function == (void*)host_draw ? 264 : 232;
}
Code cuLaunchKernel(void* function, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f, unsigned g, Stream* stream,
    void** arguments, void** extra) {
    (void)a; (void)b; (void)c; (void)d; (void)e; (void)f; (void)g; (void)extra;
    Kernel now = {(void (*)(void const*))function, {0}};
    memcpy(now.parameter, arguments[0], parameter_size(function));
    if (stream == NULL || stream->recording == NULL) { if (sticky == 0) kernel(&now); return sticky; }
    Kernel* later = malloc(sizeof now);
    *later = now;
    return cuLaunchHostFunc(stream, kernel, later);
}

// What GStreamer's CUDA library needs besides.
Code cuCtxCreate_v2(void** context, unsigned flags, int device) { (void)flags; (void)device; *context = calloc(1, 1); return sticky; }
Code cuCtxDestroy_v2(void* context) { free(context); return SUCCESS; }
Code cuMemAllocPitch_v2(Address* address, size_t* pitch, size_t width, size_t height, unsigned element) {
    (void)element;
    *pitch = (width + 511) / 512 * 512;
    return cuMemAlloc_v2(address, *pitch * height);
}
Code cuMemAllocHost_v2(void** memory, size_t size) { return cuMemHostAlloc(memory, size, 0); }
Code cuMemcpyHtoD_v2(Address to, void const* from, size_t size) { return put_copy(NULL, (void*)to, from, size); }
Code cuMemcpyDtoH_v2(void* to, Address from, size_t size) { return put_copy(NULL, to, (void*)from, size); }
Code cuMemcpyDtoD_v2(Address to, Address from, size_t size) { return put_copy(NULL, (void*)to, (void*)from, size); }
Code cuCtxSynchronize(void) { return sticky; }
Code cuDeviceCanAccessPeer(int* possible, int device, int peer) { (void)device; (void)peer; *possible = 0; return SUCCESS; }

/// There, and never of use.
#define REFUSED(name) Code name(void) { return NOT_SUPPORTED; }
REFUSED(cuCtxDisablePeerAccess) REFUSED(cuCtxEnablePeerAccess) REFUSED(cuCtxGetLimit) REFUSED(cuCtxSetLimit)
REFUSED(cuGLGetDevices_v2) REFUSED(cuGraphicsGLRegisterBuffer) REFUSED(cuGraphicsGLRegisterImage)
REFUSED(cuGraphicsMapResources) REFUSED(cuGraphicsResourceGetMappedPointer_v2) REFUSED(cuGraphicsResourceSetMapFlags_v2)
REFUSED(cuGraphicsSubResourceGetMappedArray) REFUSED(cuGraphicsUnmapResources) REFUSED(cuGraphicsUnregisterResource)
REFUSED(cuIpcCloseMemHandle) REFUSED(cuIpcGetEventHandle) REFUSED(cuIpcGetMemHandle) REFUSED(cuIpcOpenEventHandle)
REFUSED(cuIpcOpenMemHandle) REFUSED(cuMemsetD2D16Async) REFUSED(cuMemsetD2D16_v2) REFUSED(cuMemsetD2D32Async)
REFUSED(cuMemsetD2D32_v2) REFUSED(cuMemsetD2D8Async) REFUSED(cuMemsetD2D8_v2) REFUSED(cuModuleLoadData)
REFUSED(cuModuleUnload) REFUSED(cuTexObjectCreate) REFUSED(cuTexObjectDestroy)
