#include "convolution.h"

// While one half of the shared memory is worked on, the next round's values are under way to the other one.
template <class T> DEVICE_FN void convolve(const ConvolutionParams &p, float *shared) {
  typename T::Thread t;
  u32 thread = THREAD_X, rounds = T::rounds(p), half = 0;
  T::start(p, t, thread, BLOCK_X, BLOCK_Y, BLOCK_Z);
  T::fetch(p, t, thread);
  T::store(t, thread, shared);
  __syncthreads();
#pragma unroll 1
  for (u32 round = 0; round < rounds; round++) {
    bool more = round + 1 < rounds;
    if (more) T::fetch(p, t, thread);
    T::multiply(t, shared + half);
    half = T::SHARED / 2 - half;
    if (more) T::store(t, thread, shared + half);
    __syncthreads();
  }
#pragma unroll
  for (u32 first = 0; first < 8; first += T::TOGETHER) {
    T::spread(t, first, shared);
    __syncthreads();
    T::gather(p, t, thread, first, shared);
    __syncthreads();
  }
}

// A block per tile of pixels, of output channels and per image; 512 threads on a multiprocessor, so that each has 128 registers.
#define KERNEL(M, N, SLICES, DEPTH)                                                                                  \
  extern "C" __global__ void LAUNCH_BOUNDS((M * N / 64 * SLICES), (512 / (M * N / 64 * SLICES)))                     \
      convolution_##M##x##N(ConvolutionParams p) {                                                                   \
    __shared__ Four shared[Tile<M, N, SLICES, DEPTH>::SHARED / 4];                                                   \
    convolve<Tile<M, N, SLICES, DEPTH>>(p, (float *)shared);                                                         \
  }
EACH_TILE(KERNEL)
