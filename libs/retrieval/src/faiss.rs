//! Vectors in FAISS: `IndexFlatIP`, which is exact.

use std::cmp::Ordering;

use ::faiss::index::flat::FlatIndex;
use ::faiss::{ConcurrentIndex, Index};
use osha::retrieval::{VectorEngine, VectorError, VectorSearch};

/// FAISS on the CPU. It searches one query on one thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faiss;

const NAME: &str = "faiss";

impl VectorEngine for Faiss {
    fn name(&self) -> &'static str {
        NAME
    }

    fn load(&self, dimension: usize, rows: &[f32]) -> Result<Box<dyn VectorSearch>, VectorError> {
        Ok(Box::new(Loaded::new(dimension, rows)?))
    }
}

/// Vectors in host memory.
pub(crate) struct Loaded {
    index: FlatIndex,
    dimension: usize,
}

impl Loaded {
    pub(crate) fn new(dimension: usize, rows: &[f32]) -> Result<Self, VectorError> {
        let width = u32::try_from(dimension).ok().filter(|width| *width > 0);
        let width = width.filter(|_| rows.len().is_multiple_of(dimension));
        let width =
            width.ok_or_else(|| error(format!("{} numbers are no vectors of {dimension}", rows.len())))?;
        let mut index = FlatIndex::new_ip(width).map_err(error)?;
        if !rows.is_empty() {
            index.add(rows).map_err(error)?;
        }
        Ok(Self { index, dimension })
    }

    /// How many hits there can be: none if none are asked for, and no more than rows.
    ///
    /// # Errors
    /// When `query` is not as long as a row.
    pub(crate) fn most_hits(&self, query: &[f32], limit: usize) -> Result<usize, VectorError> {
        let limit = limit.min(self.rows().len() / self.dimension);
        if limit > 0 && query.len() != self.dimension {
            return Err(error(format!("the query has {} numbers, not {}", query.len(), self.dimension)));
        }
        Ok(limit)
    }
}

impl VectorSearch for Loaded {
    fn search(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError> {
        let limit = self.most_hits(query, limit)?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = ConcurrentIndex::search(&self.index, query, limit).map_err(error)?;
        let hits = found.labels.iter().zip(&found.distances);
        let mut hits: Vec<_> =
            hits.filter_map(|(row, score)| Some((usize::try_from(row.get()?).ok()?, *score))).collect();
        largest_first(&mut hits);
        Ok(hits)
    }

    fn rows(&self) -> &[f32] {
        if self.index.ntotal() == 0 { &[] } else { self.index.xb() }
    }
}

/// Sorts rows by their scores, equal ones by their numbers.
pub(crate) fn largest_first(hits: &mut [(usize, f32)]) {
    hits.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0)));
}

fn error(reason: impl ToString) -> VectorError {
    VectorError { engine: NAME, reason: reason.to_string() }
}
