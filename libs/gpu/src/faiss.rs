//! A flat index of FAISS in GPU memory, asked over pinned memory.
//!
//! Given addresses of the host, FAISS copies queries, labels and scores one by one by way of pageable memory, which takes
//! longer. Here it is given addresses on the device and the stream of our own copies: one to the device, one back.
//!
//! FAISS ends the process where CUDA fails it: ask for driver, device and free memory before.

use std::ffi::CStr;
use std::ptr::from_ref;
use std::sync::Arc;

use ::faiss::index::NativeIndex;
use ::faiss::index::flat::FlatIndex;
use ::faiss::{GpuIndexImpl, GpuResources, Index, StandardGpuResources};
use bytemuck::{cast_slice, cast_slice_mut};
use faiss_sys::{faiss_Index_search, faiss_StandardGpuResources_setDefaultStream, faiss_get_last_error};

use crate::cuda::{self, Context, DeviceBuffer, HostBuffer, Stream};

/// FAISS or the device failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A copy failed, or there is no memory for it.
    #[error(transparent)]
    Cuda(#[from] cuda::Error),
    /// FAISS could not make the index.
    #[error(transparent)]
    Index(#[from] ::faiss::error::Error),
    /// FAISS could not search. Has its reason.
    #[error("FAISS: {0}")]
    Search(String),
}

/// Vectors in GPU memory in FP32, asked for the nearest of a fixed number of queries at a time.
pub struct GpuIndex {
    // Dropped in this order: FAISS's index, what it works with, our memory, and the stream of both.
    index: GpuIndexImpl<'static, FlatIndex>,
    _resources: StandardGpuResources,
    queries: Staged,
    found: Staged,
    stream: Stream,
    count: usize,
}

impl GpuIndex {
    /// Copies `index` to device number `ordinal`, to be asked `count` queries at a time. FAISS computes in `scratch` bytes
    /// of GPU memory; where they do not suffice it takes more for each search, which is slow.
    ///
    /// # Errors
    /// When there is no device or not enough memory for queries, or FAISS refuses.
    pub fn new(index: &FlatIndex, ordinal: i32, count: usize, scratch: usize) -> Result<Self, Error> {
        let context = Context::primary(ordinal)?;
        let numbers = count.saturating_mul(index.d() as usize);
        let queries = Staged::new(&context, numbers.saturating_mul(size_of::<f32>()))?;
        let found = Staged::new(&context, 0)?;
        let stream = Stream::new(&context)?;
        let mut resources = StandardGpuResources::new()?;
        resources.set_temp_memory(scratch)?;
        resources.set_pinned_memory(0)?;
        let inner = GpuResources::inner_ptr(&resources).cast();
        // SAFETY: the resources are alive; the stream is one of the device and is destroyed after them.
        check(unsafe { faiss_StandardGpuResources_setDefaultStream(inner, ordinal, stream.raw().cast()) })?;
        // SAFETY: only the address of FAISS's own object is taken from it; that one is freed after the index.
        let lasting: &'static StandardGpuResources = unsafe { &*from_ref(&resources) };
        let index = index.to_gpu(lasting, ordinal)?;
        Ok(Self { index, _resources: resources, queries, found, stream, count })
    }

    /// The queries of the next search, to write: one vector after the other. What was written last is still there, at
    /// first zeros.
    ///
    /// # Errors
    /// When the device's last copy of them failed.
    pub fn queries(&mut self) -> Result<&mut [f32], Error> {
        Ok(cast_slice_mut(self.queries.pinned.bytes_mut()?))
    }

    /// The `each` nearest vectors of every query: their numbers, the nearest first, query after query, and the scores of
    /// all of them. Where there are no more, the number is −1.
    ///
    /// # Errors
    /// When FAISS refuses (it finds at most 2048), a copy fails, or there is no memory for what is found.
    pub fn search(&mut self, each: usize) -> Result<(&[i64], &[f32]), Error> {
        let hits = self.count.saturating_mul(each);
        let label_bytes = hits.saturating_mul(size_of::<i64>());
        let bytes = label_bytes.saturating_add(hits.saturating_mul(size_of::<f32>()));
        if self.found.pinned.len() < bytes {
            self.found = Staged::new(self.stream.context(), bytes)?;
        }
        let Staged { device, pinned } = &mut self.queries;
        let all = 0..pinned.len();
        device.upload(0, pinned, all, &self.stream, "vectors: queries")?;
        let (queries, labels) = (device.address(), self.found.device.address());
        let scores = labels + label_bytes as u64;
        // SAFETY: the queries are `count` vectors; labels and scores have room for `each` of each of them. They stay until
        // the stream is done, which FAISS works in.
        let code = unsafe {
            let (index, count) = (self.index.inner_ptr(), self.count as i64);
            faiss_Index_search(index, count, queries as _, each as i64, scores as _, labels as _)
        };
        check(code)?;
        self.found.device.download(0..bytes, &mut self.found.pinned, &self.stream, "vectors: found")?;
        // Spins, while waiting for the event of the pinned memory would sleep: this is a matter of 0.2 ms.
        self.stream.synchronize()?;
        let (labels, scores) = self.found.pinned.bytes()?[..bytes].split_at(label_bytes);
        Ok((cast_slice(labels), cast_slice(scores)))
    }
}

/// GPU memory, and as much pinned memory to copy from or to.
struct Staged {
    device: DeviceBuffer,
    pinned: HostBuffer,
}

impl Staged {
    fn new(context: &Arc<Context>, bytes: usize) -> Result<Self, cuda::Error> {
        let device = DeviceBuffer::new(context, bytes)?;
        Ok(Self { device, pinned: HostBuffer::pinned(context, bytes)? })
    }
}

/// Turns what a function of FAISS answers into a result.
fn check(code: i32) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: a terminated string of this thread's last failure, or null; it stays until the next one.
    let reason = unsafe {
        let reason = faiss_get_last_error();
        (!reason.is_null()).then(|| CStr::from_ptr(reason).to_string_lossy().into_owned())
    };
    Err(Error::Search(reason.unwrap_or_else(|| format!("error {code}"))))
}
