#include "candidates.h"

// One thread per position; blocks of 128 threads, a row of blocks per image. The order of what is found is arbitrary.
extern "C" __global__ void candidates(CandidateParams p) {
  u32 position = BLOCK_X * 128 + THREAD_X, image = BLOCK_Y;
  Candidate found;
  if (position < p.positions && find_candidate(p, image, position, found)) p.out[count_up(&p.counter->next)] = found;
  __syncthreads();
  if (THREAD_X != 0) return;
  memory_fence();
  if (count_up(&p.counter->blocks) + 1 < (p.positions + 127) / 128 * p.images) return;
  // The last block leaves everything as the next search wants it.
  memory_fence();
  p.counter->found = *(volatile u32 *)&p.counter->next;
  p.counter->next = 0;
  p.counter->blocks = 0;
}
