// What the kernels need of CUDA, for clang without an SDK, for nvcc, and for a host compiler that tests the arithmetic.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#if defined(__NVCC__)
#define LAUNCH_BOUNDS __launch_bounds__
#define FN static __host__ __device__ __forceinline__
#define DEVICE_FN __device__ __forceinline__
#elif defined(__CUDA__)
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define LAUNCH_BOUNDS(threads, blocks) __attribute__((launch_bounds(threads, blocks)))
#define FN static __device__ inline __attribute__((always_inline))
#define DEVICE_FN FN
#else
#define FN static inline
#endif

// IEEE operations: each gives the same bits on every device, so results equal those of the CPU.
#if defined(__NVCC__)
FN float square_root(float x) { return sqrtf(x); }
FN float round_even(float x) { return rintf(x); }
FN float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
#else
FN float square_root(float x) { return __builtin_sqrtf(x); }
FN float round_even(float x) { return __builtin_rintf(x); }
FN float multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#endif

// Within two units in the last place on a GPU.
FN float power_of_two(float x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return __builtin_exp2f(x);
#endif
}

FN float absolute(float x) { return x < 0 ? -x : x; }
FN float smaller(float a, float b) { return a < b ? a : b; }
FN float larger(float a, float b) { return a > b ? a : b; }
FN float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

// Bits of the nearest half-precision float, ties to even.
FN u16 half_bits(float x) {
#if defined(__CUDA_ARCH__)
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
#else
  _Float16 half = (_Float16)x;
  u16 bits;
  __builtin_memcpy(&bits, &half, sizeof bits);
  return bits;
#endif
}

FN float from_half_bits(u16 bits) {
#if defined(__CUDA_ARCH__)
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
#else
  _Float16 half;
  __builtin_memcpy(&half, &bits, sizeof half);
  return (float)half;
#endif
}

// Four numbers that are read and written at once.
#if defined(__NVCC__)
struct alignas(16) Four {
  float numbers[4];
  __host__ __device__ __forceinline__ float &operator[](u32 i) { return numbers[i]; }
};
#else
typedef float Four __attribute__((vector_size(16)));
#endif

enum ElementType : u32 { ELEMENT_F32, ELEMENT_F16, ELEMENT_U8 };

#if defined(__CUDA__) && !defined(__NVCC__)
#define THREAD_X __nvvm_read_ptx_sreg_tid_x()
#define THREAD_Y __nvvm_read_ptx_sreg_tid_y()
#define BLOCK_X __nvvm_read_ptx_sreg_ctaid_x()
#define BLOCK_Y __nvvm_read_ptx_sreg_ctaid_y()
#define BLOCK_Z __nvvm_read_ptx_sreg_ctaid_z()
DEVICE_FN u32 votes_of_warp(bool vote) { return __nvvm_vote_ballot_sync(~0u, vote); }
DEVICE_FN u32 count_bits(u32 bits) { return __builtin_popcount(bits); }
DEVICE_FN u32 lowest_bit(u32 bits) { return __builtin_ctz(bits); }
DEVICE_FN u32 count_up(u32 *counter) { return __atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED); }
DEVICE_FN void memory_fence() { __nvvm_membar_gl(); }
#elif defined(__NVCC__)
#define THREAD_X threadIdx.x
#define THREAD_Y threadIdx.y
#define BLOCK_X blockIdx.x
#define BLOCK_Y blockIdx.y
#define BLOCK_Z blockIdx.z
DEVICE_FN u32 votes_of_warp(bool vote) { return __ballot_sync(~0u, vote); }
DEVICE_FN u32 count_bits(u32 bits) { return __popc(bits); }
DEVICE_FN u32 lowest_bit(u32 bits) { return __ffs(bits) - 1; }
DEVICE_FN u32 count_up(u32 *counter) { return atomicAdd(counter, 1u); }
DEVICE_FN void memory_fence() { __threadfence(); }
#endif

// Where one colour component of an image lies: pixel (x, y) has it at byte (x >> shift) * step of row (y >> shift).
struct Component {
  u8 *base;
  u32 stride;
  u32 step;
  u32 shift;
  // 1 for 16-bit words whose upper 10 bits count, 0 for bytes.
  u32 wide;
};

FN u8 *locate(const Component &component, u32 x, u32 y) {
  return component.base + (u64)(y >> component.shift) * component.stride + (x >> component.shift) * component.step;
}

FN u32 load(const Component &component, u32 x, u32 y) {
  const u8 *at = locate(component, x, y);
  return component.wide ? *(const u16 *)at >> 6 : *at;
}

FN void store(const Component &component, u32 x, u32 y, u32 code) {
  u8 *at = locate(component, x, y);
  if (component.wide)
    *(u16 *)at = (u16)(code << 6);
  else
    *at = (u8)code;
}
