//! How rows lie in GPU memory, and what is found there.
//!
//! FAISS picks the largest scores of a query with one block of threads, which takes longer than the inner products. So
//! that several blocks share that, `width` rows one after the other are one long row, and a query is asked `width` times:
//! in each place of a long row, with zeros in the others. Zeros add nothing, not even a rounding error.

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

    /// Writes `query` once for each place in a long row. The numbers between stay as they are, and have to be zeros.
    pub fn queries(&self, query: &[f32], to: &mut [f32]) {
        for (place, long) in to.chunks_exact_mut(self.long_dimension()).enumerate() {
            long[place * self.dimension..][..self.dimension].copy_from_slice(query);
        }
    }

    /// What was found for each place, as numbers of rows: as many `labels` for each, which are numbers of long rows, the
    /// best first, or −1 where there were no more.
    pub fn unfold(&self, labels: &[i64], scores: &[f32]) -> Found {
        let each = labels.len() / self.width;
        let mut rows = Vec::with_capacity(labels.len());
        let mut unseen = f32::NEG_INFINITY;
        for (place, (labels, scores)) in labels.chunks(each).zip(scores.chunks(each)).enumerate() {
            let row = |long: &i64| Some(usize::try_from(*long).ok()? * self.width + place);
            let hit =
                |(long, score): (&i64, &f32)| row(long).filter(|row| *row < self.rows).zip(Some(*score));
            let before = rows.len();
            rows.extend(labels.iter().zip(scores).filter_map(hit));
            unseen = unseen.max(rows[before..].last().map_or(f32::INFINITY, |(_, score)| *score));
        }
        Found { rows, unseen: (each < self.long_rows()).then_some(unseen) }
    }
}

/// Rows and their scores, in no order.
#[derive(Debug, PartialEq)]
pub struct Found {
    rows: Vec<(usize, f32)>,
    /// The most that a row can score that is not among them; `None` if all are.
    unseen: Option<f32>,
}

impl Found {
    /// The rows that may be among the `limit` best if scores that differ by up to `slack` may be in any order. `None` if
    /// such a row may not have been found, also if numbers are too large for there to be an order.
    pub fn contenders(mut self, limit: usize, slack: f32) -> Option<Vec<usize>> {
        if self.rows.len() < limit || self.rows.iter().any(|(_, score)| score.is_nan()) {
            return None;
        }
        let best_first = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1);
        let (_, last, _) = self.rows.select_nth_unstable_by(limit.checked_sub(1)?, best_first);
        let least = last.1 - slack;
        if least.is_nan() || self.unseen.is_some_and(|unseen| unseen >= least) {
            return None;
        }
        Some(self.rows.into_iter().filter(|(_, score)| *score >= least).map(|(row, _)| row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faiss::largest_first;
    use osha::retrieval::vectors::dot;
    use osha::retrieval::{Scan, VectorEngine};

    const FOLD: Fold = Fold { width: 2, dimension: 3, rows: 5 };

    #[test]
    fn a_query_is_asked_once_in_each_place() {
        assert_eq!((FOLD.long_rows(), FOLD.long_dimension()), (3, 6));
        let mut queries = [0.0; 12];
        for query in [[4., 5., 6.], [1., 2., 3.]] {
            FOLD.queries(&query, &mut queries);
        }
        assert_eq!(queries, [1., 2., 3., 0., 0., 0., 0., 0., 0., 1., 2., 3.]);
    }

    #[test]
    fn what_is_found_is_rows_again_without_those_that_filled_up() {
        let rows = vec![(4, 0.5), (0, 0.25), (3, 0.75)];
        let all = FOLD.unfold(&[2, 0, -1, 1, 2, -1], &[0.5, 0.25, 0.0, 0.75, 0.0, 0.0]);
        assert_eq!(all, Found { rows: rows.clone(), unseen: None });
        let best = FOLD.unfold(&[2, 0, 1, 2], &[0.5, 0.25, 0.75, 0.0]);
        assert_eq!(best, Found { rows, unseen: Some(0.75) }, "the lists end with 0.25 and 0.75");
        assert_eq!(
            FOLD.unfold(&[2, -1], &[0.5, 0.0]).unseen,
            Some(f32::INFINITY),
            "nothing is known of a place"
        );
    }

    fn contenders(scores: &[f32], unseen: Option<f32>, limit: usize, slack: f32) -> Option<Vec<usize>> {
        let found = Found { rows: scores.iter().copied().enumerate().collect(), unseen };
        let mut rows = found.contenders(limit, slack)?;
        rows.sort_unstable();
        Some(rows)
    }

    #[test]
    fn whoever_may_be_among_the_best_contends() {
        let scores = [9.0, 7.5, 7.0, 6.75, 1.0, 2.0];
        assert_eq!(contenders(&scores, Some(2.0), 2, 0.0), Some(vec![0, 1]));
        assert_eq!(contenders(&scores, Some(2.0), 2, 0.5), Some(vec![0, 1, 2]));
        assert_eq!(contenders(&scores, Some(2.0), 3, 0.5), Some(vec![0, 1, 2, 3]));
        assert_eq!(contenders(&scores, Some(2.0), 3, 5.0), None, "one that was not found contends, too");
    }

    #[test]
    fn what_was_not_found_may_be_missing() {
        let scores = [9.0, 7.5, 7.0, 7.5];
        assert_eq!(contenders(&scores, Some(7.5), 2, 0.0), None);
        assert_eq!(contenders(&scores, Some(f32::INFINITY), 1, 0.0), None);
        assert_eq!(contenders(&scores, None, 2, 0.0), Some(vec![0, 1, 3]));
        assert_eq!(contenders(&scores, None, 5, 0.0), None, "there are not as many");
        assert_eq!(contenders(&scores, None, 0, 0.0), None);
    }

    #[test]
    fn numbers_without_an_order_have_no_contenders() {
        assert_eq!(contenders(&[f32::INFINITY], None, 1, f32::INFINITY), None);
        assert_eq!(contenders(&[1.0, f32::NAN], None, 1, 0.0), None);
        assert_eq!(contenders(&[1.0, 2.0], None, 1, f32::NAN), None);
        assert_eq!(contenders(&[1.0, 2.0], Some(f32::NEG_INFINITY), 1, f32::INFINITY), None);
    }

    /// What the device finds, found by the scan in long rows.
    fn found(fold: Fold, rows: &[f32], query: &[f32], each: usize) -> Found {
        let mut long = rows.to_vec();
        long.resize(fold.long_rows() * fold.long_dimension(), 0.0);
        let long = Scan.load(fold.long_dimension(), &long).unwrap();
        let mut queries = vec![0.0; fold.width * fold.long_dimension()];
        fold.queries(query, &mut queries);
        let best = |query: &[f32]| {
            let hits = long.search(query, each).unwrap().into_iter();
            hits.map(|(row, score)| (row as i64, score)).chain(std::iter::repeat((-1, 0.0))).take(each)
        };
        let hits = queries.chunks_exact(fold.long_dimension()).flat_map(best);
        let (labels, scores): (Vec<_>, Vec<_>) = hits.unzip();
        fold.unfold(&labels, &scores)
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
                let found = found(fold, &rows, &query, 8);
                let Some(rows_found) = found.contenders(4.min(count), 1e-5) else {
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
