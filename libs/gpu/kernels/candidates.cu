#include "candidates.h"

// One thread per position; blocks of 128 threads, a row of blocks per image. The order of what is found is arbitrary.
extern "C" __global__ void candidates(CandidateParams p) {
  u32 position = BLOCK_X * 128 + THREAD_X, image = BLOCK_Y;
  Candidate found;
  if (position < p.positions && find_candidate(p, image, position, found)) p.out[count_up(p.count)] = found;
}
