/* A driver with one device, for machines without any: libcuda, libnvcuvid and libnvidia-ml in one file. What it says is
 * set by variables:
 *   FAKE_UNIFIED   the device shares its memory with the CPU
 *   FAKE_HANG      the driver never answers
 *   FAKE_CRASH     the driver takes the process with it
 * CUDA_VISIBLE_DEVICES, set to nothing, hides the device as NVIDIA's driver does. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_DEVICE 100
typedef unsigned long long u64;

static int hidden(void) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  return visible && !*visible;
}

int cuInit(unsigned flags) {
  (void)flags;
  if (getenv("FAKE_HANG")) for (;;) pause();
  if (getenv("FAKE_CRASH")) abort();
  return hidden() ? NO_DEVICE : 0;
}
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuGetErrorName(int code, const char **text) { return *text = code == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR", 0; }
int cuGetErrorString(int code, const char **text) { return (void)code, *text = "said by a fake", 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, ordinal ? 101 : 0; }
int cuDeviceGetName(char *name, int length, int device) { return (void)device, strncpy(name, "Fake GPU", length), 0; }
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) { return (void)device, memset(uuid, 0xab, 16), 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return (void)device, *bytes = 64ull << 30, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  int unified = getenv("FAKE_UNIFIED") != NULL;
  switch (attribute) {
  case 16: return *value = 48, 0;
  case 75: return *value = 12, 0;
  case 76: return *value = 1, 0;
  case 18: case 88: case 100: case 101: return *value = unified, 0;
  case 99: return 1;
  default: return *value = 1, 0;
  }
}
int cuDevicePrimaryCtxRetain(void **context, int device) { return (void)device, *context = (void *)8, 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = 256ull << 20, *total = 64ull << 30, 0; }
int cuCtxGetDevice(int *device) { return *device = 0, 0; }
int cuCtxPushCurrent_v2(void *context) { return (void)context, 0; }
int cuCtxPopCurrent_v2(void **context) { return *context = (void *)8, 0; }

/* Never called by what only asks. */
#define UNUSED(name) int name(void) { return 999; }
UNUSED(cuStreamCreate) UNUSED(cuStreamDestroy_v2) UNUSED(cuStreamSynchronize) UNUSED(cuStreamWaitEvent)
UNUSED(cuStreamBeginCapture_v2) UNUSED(cuStreamEndCapture) UNUSED(cuGraphInstantiateWithFlags) UNUSED(cuGraphLaunch)
UNUSED(cuGraphDestroy) UNUSED(cuGraphExecDestroy)
UNUSED(cuEventCreate) UNUSED(cuEventDestroy_v2) UNUSED(cuEventRecord) UNUSED(cuEventQuery) UNUSED(cuEventSynchronize)
UNUSED(cuEventElapsedTime) UNUSED(cuMemAlloc_v2) UNUSED(cuMemFree_v2) UNUSED(cuMemAllocManaged) UNUSED(cuMemHostAlloc)
UNUSED(cuMemFreeHost) UNUSED(cuMemHostGetDevicePointer_v2) UNUSED(cuPointerGetAttribute) UNUSED(cuMemcpyHtoDAsync_v2)
UNUSED(cuMemcpyDtoHAsync_v2) UNUSED(cuMemcpyDtoDAsync_v2) UNUSED(cuMemcpy2DAsync_v2) UNUSED(cuMemsetD8Async)
UNUSED(cuModuleLoadDataEx) UNUSED(cuModuleGetFunction) UNUSED(cuLaunchKernel)

/* CUVIDDECODECAPS: H.264 with 8 bits only. */
struct caps {
  unsigned codec, chroma, bits_minus_8, reserved[3];
  unsigned char supported, engines;
  unsigned short formats;
  unsigned max_width, max_height, max_macroblocks;
  unsigned short min_width, min_height;
};
int cuvidGetDecoderCaps(struct caps *caps) {
  if (caps->codec != 4 || caps->chroma != 1 || caps->bits_minus_8) return caps->supported = 0;
  caps->supported = 1, caps->engines = 3;
  caps->max_width = caps->max_height = 4096, caps->max_macroblocks = 65536;
  caps->min_width = 48, caps->min_height = 16;
  return 0;
}

int nvmlInit_v2(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { return strncpy(text, "999.1", length), 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { return *count = 1, 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
  return *device = (void *)16, strcmp(uuid, "GPU-abababab-abab-abab-abab-abababababab") ? 6 : 0;
}
/* As on machines with one memory, the management library does not know how much of it is free. */
int nvmlDeviceGetMemoryInfo(void *device, u64 *memory) {
  if (getenv("FAKE_UNIFIED")) return 3;
  return (void)device, memory[0] = 64ull << 30, memory[1] = 300ull << 20, memory[2] = memory[0] - memory[1], 0;
}
int nvmlDeviceGetEncoderCapacity(void *device, unsigned codec, unsigned *percent) {
  return (void)device, *percent = 100, codec == 2 ? 3 : 0;
}
int nvmlDeviceGetJpgUtilization(void *device, unsigned *percent, unsigned *period) {
  return (void)device, *percent = *period = 0, 0;
}
