#include "preprocess.h"

// One thread per pixel of the input; blocks of 32x8 threads.
extern "C" __global__ void preprocess(PreprocessParams p) {
  u32 x = BLOCK_X * 32 + THREAD_X, y = BLOCK_Y * 8 + THREAD_Y;
  if (x < p.input_width && y < p.input_height) preprocess_pixel(p, x, y);
}
