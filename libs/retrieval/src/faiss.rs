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
        let width = u32::try_from(dimension).ok().filter(|width| *width > 0);
        let width = width.filter(|_| rows.len().is_multiple_of(dimension));
        let width =
            width.ok_or_else(|| error(format!("{} numbers are no vectors of {dimension}", rows.len())))?;
        let mut index = FlatIndex::new_ip(width).map_err(error)?;
        if !rows.is_empty() {
            index.add(rows).map_err(error)?;
        }
        Ok(Box::new(Loaded { index, dimension }))
    }
}

struct Loaded {
    index: FlatIndex,
    dimension: usize,
}

impl VectorSearch for Loaded {
    fn search(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError> {
        let limit = limit.min(self.rows().len() / self.dimension);
        if limit == 0 {
            return Ok(Vec::new());
        }
        if query.len() != self.dimension {
            return Err(error(format!("the query has {} numbers, not {}", query.len(), self.dimension)));
        }
        let found = ConcurrentIndex::search(&self.index, query, limit).map_err(error)?;
        let hits = found.labels.iter().zip(&found.distances);
        let mut hits: Vec<_> =
            hits.filter_map(|(row, score)| Some((usize::try_from(row.get()?).ok()?, *score))).collect();
        hits.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0)));
        Ok(hits)
    }

    fn rows(&self) -> &[f32] {
        if self.index.ntotal() == 0 { &[] } else { self.index.xb() }
    }
}

fn error(reason: impl ToString) -> VectorError {
    VectorError { engine: NAME, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osha::corpus::Corpus;
    use osha::retrieval::{BuiltIn, Index as Standards, Query, Scan};

    /// Numbers in −0.5 to 0.5 that are the same every time.
    fn numbers(count: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn it_finds_what_the_scan_finds() {
        let rows = numbers(20_000 * 96);
        let (faiss, scan) = (Faiss.load(96, &rows).unwrap(), Scan.load(96, &rows).unwrap());
        for query in numbers(50 * 96).chunks_exact(96) {
            let (a, b) = (faiss.search(query, 10).unwrap(), scan.search(query, 10).unwrap());
            let rows = |hits: &[(usize, f32)]| hits.iter().map(|hit| hit.0).collect::<Vec<_>>();
            assert_eq!(rows(&a), rows(&b));
            assert!(a.iter().zip(&b).all(|(a, b)| (a.1 - b.1).abs() < 1e-4));
        }
        assert_eq!(faiss.rows(), rows);
    }

    #[test]
    fn empty_short_and_wrong_are_no_crash() {
        let empty = Faiss.load(4, &[]).unwrap();
        assert!(empty.search(&[0.0; 4], 5).unwrap().is_empty() && empty.rows().is_empty());
        let one = Faiss.load(2, &[1.0, 0.0]).unwrap();
        assert_eq!(one.search(&[1.0, 0.0], 9).unwrap(), [(0, 1.0)]);
        assert!(one.search(&[1.0, 0.0], 0).unwrap().is_empty());
        assert!(one.search(&[1.0], 1).is_err());
        assert!(Faiss.load(0, &[1.0]).is_err());
        assert!(Faiss.load(2, &[1.0]).is_err());
    }

    #[test]
    fn standards_are_the_same_with_either() {
        let index = |engine: &dyn VectorEngine| {
            Standards::build(Corpus::built_in().clone(), BuiltIn::get(), engine).unwrap()
        };
        let (faiss, scan) = (index(&Faiss), index(&Scan));
        for text in ["worker on a roof edge without harness", "ladder too short", "forklift with a passenger"]
        {
            let query = Query { text: text.into(), limit: 10, ..Query::default() };
            let citations = |index: &Standards| {
                index.query(&query).unwrap().hits.iter().map(|hit| hit.citation.clone()).collect::<Vec<_>>()
            };
            assert_eq!(citations(&faiss), citations(&scan));
        }
    }
}
