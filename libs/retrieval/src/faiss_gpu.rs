//! Vectors in FAISS in GPU memory: the same `IndexFlatIP`, in FP32.
//!
//! FAISS finds candidates there; the host takes their inner products again and puts them in order. So hits, scores and
//! the order of equal ones are those of the scan in plain Rust, in whatever order the GPU sums.

mod device;
mod fold;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ::faiss::Index;
use ::faiss::index::flat::FlatIndex;
use gpu::faiss::GpuIndex;
use osha::retrieval::vectors::dot;
use osha::retrieval::{VectorEngine, VectorError, VectorSearch};

use crate::faiss::{Loaded as InHost, largest_first};
pub use device::unusable;
use fold::{Fold, Found};

/// Rows from which on GPU memory pays. A query there takes about as long for few rows as for many, and the CPU answers
/// sooner if there are few; the driver also needs some tenths of a second to start.
pub const LEAST_ROWS: usize = 10_000;

/// Rows that FAISS picks in one go at little cost: up to 32 a warp keeps them in registers.
const CHEAP: usize = 32;
/// Rows that FAISS picks at most; it has no kernel for more than 2048, and those are slow.
const MOST: usize = 1024;
/// Long rows that FAISS multiplies at a time.
const TILE: usize = 1 << 18;
const NAME: &str = "faiss-gpu";

/// FAISS on the first CUDA device. A loaded index answers one query at a time, from any thread.
#[derive(Clone, Copy, Debug)]
pub struct FaissGpu {
    /// Rows that lie one after the other as one long row, so that as many blocks of threads pick the largest scores. Hits
    /// do not depend on it, only the time does: on an H100 twelve and sixteen are the fastest, for 100,000 rows of 384 numbers.
    pub fold: usize,
}

impl Default for FaissGpu {
    fn default() -> Self {
        Self { fold: 16 }
    }
}

impl VectorEngine for FaissGpu {
    fn name(&self) -> &'static str {
        NAME
    }

    fn load(&self, dimension: usize, rows: &[f32]) -> Result<Box<dyn VectorSearch>, VectorError> {
        Ok(Box::new(self.open(dimension, rows)?))
    }
}

impl FaissGpu {
    fn open(&self, dimension: usize, rows: &[f32]) -> Result<InGpu, VectorError> {
        let host = InHost::new(dimension, rows)?;
        if rows.iter().any(|number| !number.is_finite()) {
            return Err(error("a vector has a number that is not finite"));
        }
        let fold = Fold { width: self.fold.max(1), dimension, rows: rows.len() / dimension };
        let device = Mutex::new(on_device(fold, rows)?);
        let longest = rows.chunks_exact(dimension).map(length).fold(0.0, f32::max);
        let loaded = InGpu { host, fold, longest, device };
        // The kernels are loaded and cuBLAS takes its memory when they are first used.
        if let Some(first) = rows.get(..dimension) {
            loaded.found(first, 1)?;
        }
        Ok(loaded)
    }
}

/// Copies rows into GPU memory.
fn on_device(fold: Fold, rows: &[f32]) -> Result<GpuIndex, VectorError> {
    // Two matrices of scores, and a little for what is found in each tile.
    let scratch = 2 * size_of::<f32>() * fold.width * fold.long_rows().min(TILE) + (4 << 20);
    device::ready(size_of_val(rows) + scratch).map_err(error)?;
    let width = u32::try_from(fold.long_dimension()).map_err(error)?;
    let mut long = FlatIndex::new_ip(width).map_err(error)?;
    let (whole, rest) = rows.split_at(rows.len() - rows.len() % fold.long_dimension());
    if !whole.is_empty() {
        long.add(whole).map_err(error)?;
    }
    if !rest.is_empty() {
        let mut last = rest.to_vec();
        last.resize(fold.long_dimension(), 0.0);
        long.add(&last).map_err(error)?;
    }
    GpuIndex::new(&long, device::ORDINAL, fold.width, scratch).map_err(error)
}

/// Vectors in GPU memory, and in host memory for what is left to the host.
struct InGpu {
    host: InHost,
    fold: Fold,
    /// Length of the longest row.
    longest: f32,
    device: Mutex<GpuIndex>,
}

impl InGpu {
    /// The best rows, best first. If too many are alike for FAISS to pick them, the host goes through all.
    fn found(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError> {
        let slack = self.slack(query);
        let mut each = (limit + 1).next_multiple_of(CHEAP);
        while each <= MOST {
            let found = self.best(query, each.min(self.fold.long_rows()))?;
            if let Some(rows) = found.contenders(limit, slack) {
                return Ok(self.ranked(query, rows.into_iter(), limit));
            }
            each *= 4;
        }
        Ok(self.ranked(query, 0..self.fold.rows, limit))
    }

    /// The best `each` rows of each place in a long row.
    fn best(&self, query: &[f32], each: usize) -> Result<Found, VectorError> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        self.fold.queries(query, device.queries().map_err(error)?);
        let (labels, scores) = device.search(each).map_err(error)?;
        Ok(self.fold.unfold(labels, scores))
    }

    /// By how much the scores of two rows may differ for their order to be a matter of rounding. A sum of n products is
    /// off by at most n/2 epsilon of the product of the lengths, here and on the device, for either row.
    fn slack(&self, query: &[f32]) -> f32 {
        2.0 * self.fold.dimension as f32 * f32::EPSILON * length(query) * self.longest
    }

    /// The best of `rows`, without those whose score is no number.
    fn ranked(&self, query: &[f32], rows: impl Iterator<Item = usize>, limit: usize) -> Vec<(usize, f32)> {
        let (dimension, all) = (self.fold.dimension, self.rows());
        let scored = rows.map(|row| (row, dot(&all[row * dimension..][..dimension], query)));
        let mut hits: Vec<_> = scored.filter(|(_, score)| !score.is_nan()).collect();
        largest_first(&mut hits);
        hits.truncate(limit);
        hits
    }
}

impl VectorSearch for InGpu {
    fn search(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError> {
        let limit = self.host.most_hits(query, limit)?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.found(query, limit)
    }

    fn rows(&self) -> &[f32] {
        self.host.rows()
    }
}

/// GPU memory for many rows, where it can be used; otherwise another engine.
pub struct GpuFirst {
    otherwise: Box<dyn VectorEngine>,
    report: fn(&str),
    reported: AtomicBool,
}

impl GpuFirst {
    /// The engine for a corpus of `rows`. `report` is told once why `otherwise` is used, if it is.
    pub fn choose(rows: usize, otherwise: Box<dyn VectorEngine>, report: fn(&str)) -> Box<dyn VectorEngine> {
        let this = Self { otherwise, report, reported: AtomicBool::new(false) };
        if rows >= LEAST_ROWS {
            return Box::new(this);
        }
        this.report(&format!("{rows} rows are few, GPU memory pays from {LEAST_ROWS} on"));
        this.otherwise
    }

    fn report(&self, reason: &str) {
        if !self.reported.swap(true, Ordering::Relaxed) {
            (self.report)(&format!("vectors are searched by the engine {}: {reason}", self.otherwise.name()));
        }
    }
}

impl VectorEngine for GpuFirst {
    fn name(&self) -> &'static str {
        NAME
    }

    fn load(&self, dimension: usize, rows: &[f32]) -> Result<Box<dyn VectorSearch>, VectorError> {
        if rows.len() / dimension.max(1) < LEAST_ROWS {
            return self.otherwise.load(dimension, rows);
        }
        match FaissGpu::default().open(dimension, rows) {
            Ok(gpu) => Ok(Box::new(Watched { gpu, report: self.report, failed: AtomicBool::new(false) })),
            Err(error) => {
                self.report(&error.to_string());
                self.otherwise.load(dimension, rows)
            }
        }
    }
}

/// Vectors in GPU memory, searched on the host once that has failed.
struct Watched {
    gpu: InGpu,
    report: fn(&str),
    failed: AtomicBool,
}

impl VectorSearch for Watched {
    fn search(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError> {
        self.gpu.host.most_hits(query, limit)?;
        if !self.failed.load(Ordering::Relaxed) {
            match self.gpu.search(query, limit) {
                Ok(hits) => return Ok(hits),
                Err(error) if !self.failed.swap(true, Ordering::Relaxed) => {
                    (self.report)(&format!("vectors are searched on the CPU from now on: {error}"));
                }
                Err(_) => {}
            }
        }
        self.gpu.host.search(query, limit)
    }

    fn rows(&self) -> &[f32] {
        self.gpu.rows()
    }
}

fn length(vector: &[f32]) -> f32 {
    dot(vector, vector).sqrt()
}

fn error(reason: impl ToString) -> VectorError {
    VectorError { engine: NAME, reason: reason.to_string() }
}
