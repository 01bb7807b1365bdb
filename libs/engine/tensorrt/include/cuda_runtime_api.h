// The two CUDA types that TensorRT's headers name, so that no CUDA SDK is needed to build.
#pragma once

typedef struct CUevent_st* cudaEvent_t;
typedef struct CUstream_st* cudaStream_t;
