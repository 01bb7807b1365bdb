// A double of the decoder's library for tests: it decodes nothing. Where it is missing, GStreamer has no CUDA elements at all.
#define REFUSED(name) int name(void) { return 801; }
REFUSED(cuvidCreateDecoder) REFUSED(cuvidCreateVideoParser) REFUSED(cuvidCtxLock) REFUSED(cuvidCtxLockCreate)
REFUSED(cuvidCtxLockDestroy) REFUSED(cuvidCtxUnlock) REFUSED(cuvidDecodePicture) REFUSED(cuvidDestroyDecoder)
REFUSED(cuvidDestroyVideoParser) REFUSED(cuvidGetDecoderCaps) REFUSED(cuvidMapVideoFrame64) REFUSED(cuvidParseVideoData)
REFUSED(cuvidReconfigureDecoder) REFUSED(cuvidUnmapVideoFrame64)
