//! How rows lie in GPU memory, and what is found there.
//!
//! FAISS picks the largest scores of a query with one block of threads, which takes longer than the inner products. So
//! that several blocks share that, `width` rows one after the other are one long row, and a query is asked `width` times:
//! in each place of a long row, with zeros in the others. Zeros add nothing, not even a rounding error.

use crate::faiss::largest_first;

/// Rows in long rows; the last one is filled up with zeros.
#[derive(Clone, Copy, Debug)]
pub struct Fold {
    /// Rows in a long row.
    pub width: usize,
    /// Numbers in a row.
    pub dimension: usize,
    /// Rows.
    pub rows: usize,
}

impl Fold {
    /// Long rows.
    pub fn long_rows(&self) -> usize {
        self.rows.div_ceil(self.width)
    }

    /// Numbers in a long row.
    pub fn long_dimension(&self) -> usize {
        self.width * self.dimension
    }

    /// `query` once for each place in a long row.
    pub fn queries(&self, query: &[f32]) -> Vec<f32> {
        let mut queries = vec![0.0; self.width * self.long_dimension()];
        for (place, long) in queries.chunks_exact_mut(self.long_dimension()).enumerate() {
            long[place * self.dimension..][..self.dimension].copy_from_slice(query);
        }
        queries
    }

    /// What was found for each place, as numbers of rows: `found` has `each` long rows for each place, or none where
    /// there were no more.
    pub fn unfold(
        &self,
        found: impl Iterator<Item = (Option<u64>, f32)>,
        each: usize,
    ) -> Vec<Vec<(usize, f32)>> {
        let mut lists = vec![Vec::with_capacity(each); self.width];
        for (number, (long, score)) in found.enumerate() {
            let place = number / each;
            let row = long.and_then(|long| usize::try_from(long).ok()).map(|long| long * self.width + place);
            lists[place].extend(row.filter(|row| *row < self.rows).map(|row| (row, score)));
        }
        lists
    }
}

/// The rows that may be among the `limit` best if scores that differ by up to `slack` may be in any order. `None` if such
/// a row may be missing from `lists`, each of which is in order and, unless they are `complete`, was cut off at its end;
/// also if numbers are too large for there to be an order.
pub fn contenders(
    lists: &[Vec<(usize, f32)>],
    complete: bool,
    limit: usize,
    slack: f32,
) -> Option<Vec<usize>> {
    let mut all = lists.concat();
    largest_first(&mut all);
    let least = all.get(limit.checked_sub(1)?)?.1 - slack;
    let reaches_far = |list: &Vec<(usize, f32)>| list.last().is_some_and(|(_, score)| *score < least);
    if least.is_nan() || !complete && !lists.iter().all(reaches_far) {
        return None;
    }
    Some(all.into_iter().take_while(|(_, score)| *score >= least).map(|(row, _)| row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use osha::retrieval::vectors::dot;
    use osha::retrieval::{Scan, VectorEngine};

    const FOLD: Fold = Fold { width: 2, dimension: 3, rows: 5 };

    #[test]
    fn a_query_is_asked_once_in_each_place() {
        assert_eq!((FOLD.long_rows(), FOLD.long_dimension()), (3, 6));
        assert_eq!(FOLD.queries(&[1., 2., 3.]), [1., 2., 3., 0., 0., 0., 0., 0., 0., 1., 2., 3.]);
    }

    #[test]
    fn what_is_found_is_rows_again_without_those_that_filled_up() {
        let found =
            [(Some(2), 0.5), (Some(0), 0.25), (None, 0.0), (Some(1), 0.75), (Some(2), 0.0), (None, 0.0)];
        assert_eq!(FOLD.unfold(found.into_iter(), 3), [vec![(4, 0.5), (0, 0.25)], vec![(3, 0.75)]]);
    }

    #[test]
    fn whoever_may_be_among_the_best_contends() {
        let lists = [vec![(0, 9.0), (2, 7.0), (4, 1.0)], vec![(1, 7.5), (3, 6.75), (5, 2.0)]];
        assert_eq!(contenders(&lists, false, 2, 0.0), Some(vec![0, 1]));
        assert_eq!(contenders(&lists, false, 2, 0.5), Some(vec![0, 1, 2]));
        assert_eq!(contenders(&lists, false, 3, 0.5), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_list_that_ends_too_early_is_not_enough() {
        let lists = [vec![(0, 9.0), (2, 7.0)], vec![(1, 7.5), (3, 7.5)]];
        assert_eq!(contenders(&lists, false, 2, 0.0), None);
        assert_eq!(contenders(&lists, true, 2, 0.0), Some(vec![0, 1, 3]));
        assert_eq!(contenders(&lists, true, 5, 0.0), None, "there are not as many");
        assert_eq!(contenders(&[vec![], vec![(1, 1.0)]], false, 1, 0.0), None);
        assert_eq!(contenders(&lists, true, 0, 0.0), None);
        assert_eq!(contenders(&[vec![(0, f32::INFINITY)]], true, 1, f32::INFINITY), None);
    }

    /// What the device finds, found by the scan in long rows.
    fn found(fold: Fold, rows: &[f32], query: &[f32], each: usize) -> Vec<Vec<(usize, f32)>> {
        let mut long = rows.to_vec();
        long.resize(fold.long_rows() * fold.long_dimension(), 0.0);
        let long = Scan.load(fold.long_dimension(), &long).unwrap();
        let queries = fold.queries(query);
        let best = |query: &[f32]| {
            let hits = long.search(query, each).unwrap().into_iter();
            hits.map(|(row, score)| (Some(row as u64), score))
                .chain(std::iter::repeat((None, 0.0)))
                .take(each)
        };
        fold.unfold(queries.chunks_exact(fold.long_dimension()).flat_map(best), each)
    }

    #[test]
    fn folded_rows_give_what_rows_give() {
        let (mut enough, mut too_few) = (0, 0);
        for (width, count, kinds) in
            [(1, 50, 50), (2, 333, 333), (8, 333, 40), (8, 5, 5), (3, 100, 2), (7, 1000, 997)]
        {
            let fold = Fold { width, dimension: 3, rows: count };
            let number = |seed: usize| ((seed * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
            let rows: Vec<f32> =
                (0..count).flat_map(|row| [0, 1, 2].map(|i| number(row % kinds * 3 + i))).collect();
            let scan = Scan.load(3, &rows).unwrap();
            for query in (0..20).map(|seed| [0, 1, 2].map(|i| number(seed * 31 + i * 5))) {
                let lists = found(fold, &rows, &query, 8);
                let Some(rows_found) = contenders(&lists, fold.long_rows() <= 8, 4.min(count), 1e-5) else {
                    too_few += 1;
                    continue;
                };
                enough += 1;
                let score = |row: usize| (row, dot(&rows[row * 3..][..3], &query));
                let mut hits: Vec<_> = rows_found.into_iter().map(score).collect();
                largest_first(&mut hits);
                hits.truncate(4);
                assert_eq!(hits, scan.search(&query, 4).unwrap(), "{fold:?}");
            }
        }
        assert!(enough >= 80 && too_few >= 20, "{enough} and {too_few}");
    }
}
