//! Exact search for the largest inner products.

/// Something that holds vectors and searches them exactly.
pub trait VectorEngine: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Takes `rows`, vectors of `dimension` numbers each, one after the other.
    ///
    /// # Errors
    /// When the engine fails, e.g. for want of memory.
    fn load(&self, dimension: usize, rows: &[f32]) -> Result<Box<dyn VectorSearch>, VectorError>;
}

/// Vectors that an engine holds.
pub trait VectorSearch: Send + Sync {
    /// The `limit` rows with the largest inner product with `query`, largest first, equal ones in their order.
    ///
    /// # Errors
    /// When the engine fails.
    fn search(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError>;

    /// All vectors, one after the other.
    fn rows(&self) -> &[f32];
}

/// Why vectors could not be searched.
#[derive(Debug, thiserror::Error)]
#[error("vector engine {engine}: {reason}")]
pub struct VectorError {
    /// Its name.
    pub engine: &'static str,
    /// What went wrong.
    pub reason: String,
}

/// A scan in plain Rust: no library, no threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan;

impl VectorEngine for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn load(&self, dimension: usize, rows: &[f32]) -> Result<Box<dyn VectorSearch>, VectorError> {
        Ok(Box::new(Scanned { dimension: dimension.max(1), rows: rows.to_vec() }))
    }
}

struct Scanned {
    dimension: usize,
    rows: Vec<f32>,
}

impl VectorSearch for Scanned {
    fn search(&self, query: &[f32], limit: usize) -> Result<Vec<(usize, f32)>, VectorError> {
        let mut best = Best::new(limit);
        for (row, vector) in self.rows.chunks_exact(self.dimension).enumerate() {
            best.offer(row, dot(vector, query));
        }
        Ok(best.rows)
    }

    fn rows(&self) -> &[f32] {
        &self.rows
    }
}

/// The largest few, in order.
struct Best {
    limit: usize,
    rows: Vec<(usize, f32)>,
}

impl Best {
    fn new(limit: usize) -> Self {
        Self { limit, rows: Vec::new() }
    }

    /// Rows have to come in their order.
    fn offer(&mut self, row: usize, score: f32) {
        if self.rows.len() == self.limit && self.rows.last().is_none_or(|(_, least)| score <= *least) {
            return;
        }
        let place = self.rows.partition_point(|(_, other)| *other >= score);
        self.rows.insert(place, (row, score));
        self.rows.truncate(self.limit);
    }
}

/// The inner product, summed in lanes so that the compiler can use vector instructions.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 32;
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(rows: &[f32], dimension: usize, query: &[f32], limit: usize) -> Vec<(usize, f32)> {
        Scan.load(dimension, rows).unwrap().search(query, limit).unwrap()
    }

    #[test]
    fn the_largest_come_first_and_equal_ones_in_order() {
        let rows = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        assert_eq!(search(&rows, 2, &[1.0, 0.0], 5), [(0, 1.0), (2, 1.0), (1, 0.0)]);
        assert_eq!(search(&rows, 2, &[1.0, 0.0], 1), [(0, 1.0)]);
        assert!(search(&rows, 2, &[1.0, 0.0], 0).is_empty());
        assert!(search(&[], 2, &[1.0, 0.0], 3).is_empty());
    }

    #[test]
    fn a_number_that_is_none_does_not_stop_the_search() {
        let found = search(&[f32::NAN, 0.0, 1.0, 0.0], 2, &[1.0, 0.0], 2);
        assert!(found.iter().any(|(row, _)| *row == 1));
    }

    proptest! {
        #[test]
        fn it_is_what_sorting_gives(rows in prop::collection::vec(-1.0f32..1.0, 0..400), limit in 0usize..20) {
            let query = [0.5, -0.25, 1.0, 0.75];
            let found = search(&rows, 4, &query, limit);
            let mut all: Vec<_> = rows.chunks_exact(4).map(|row| dot(row, &query)).enumerate().collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(limit);
            prop_assert_eq!(found, all);
        }
    }
}
