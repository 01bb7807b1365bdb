//! Who goes with whom, so that the sum of the gains is greatest.
//!
//! The pairs that are possible at all fall into many small groups that have nothing to do with one another. Each is solved
//! alone, by shortest augmenting paths (the Hungarian method as of Jonker and Volgenant).

/// The pairs (row, column) of the matching with the greatest sum of gains, out of `pairs` of row, column and positive gain.
pub(super) fn best(rows: usize, columns: usize, pairs: &[(usize, usize, f64)]) -> Vec<(usize, usize)> {
    let mut leaders = Leaders::new(rows + columns);
    for &(row, column, _) in pairs {
        leaders.join(row, rows + column);
    }
    let mut grouped: Vec<_> = pairs.iter().map(|&pair| (leaders.of(pair.0), pair)).collect();
    grouped.sort_by_key(|(leader, _)| *leader);
    let mut found = Vec::with_capacity(rows.min(columns));
    for group in grouped.chunk_by(|a, b| a.0 == b.0) {
        match *group {
            [(_, (row, column, _))] => found.push((row, column)),
            _ => found.extend(solve(&group.iter().map(|(_, pair)| *pair).collect::<Vec<_>>())),
        }
    }
    found
}

/// Groups of nodes, each known by one of its members.
struct Leaders(Vec<usize>);

impl Leaders {
    fn new(nodes: usize) -> Self {
        Self((0..nodes).collect())
    }

    fn of(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// The best matching within one group.
fn solve(pairs: &[(usize, usize, f64)]) -> Vec<(usize, usize)> {
    let rows = distinct(pairs.iter().map(|pair| pair.0));
    let columns = distinct(pairs.iter().map(|pair| pair.1));
    let wide = rows.len() <= columns.len();
    let (short, long) = if wide { (&rows, &columns) } else { (&columns, &rows) };
    let mut costs = Costs { width: long.len(), values: vec![0.0; short.len() * long.len()] };
    for &(row, column, gain) in pairs {
        let (row, column) = if wide { (row, column) } else { (column, row) };
        costs.values[position(short, row) * costs.width + position(long, column)] = -gain;
    }
    let matched = costs.assign().into_iter().enumerate();
    let real = matched.filter_map(|(column, row)| {
        Some((row?, column)).filter(|&(row, column)| costs.at(row, column) < 0.0)
    });
    real.map(|(row, column)| if wide { (short[row], long[column]) } else { (long[column], short[row]) })
        .collect()
}

fn distinct(values: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Where a value stands in a sorted list that has it.
fn position(sorted: &[usize], value: usize) -> usize {
    sorted.partition_point(|&other| other < value)
}

/// A table with at least as many columns as rows.
struct Costs {
    width: usize,
    values: Vec<f64>,
}

/// A shortest-path search over the columns.
struct Search {
    distance: Vec<f64>,
    /// The column before on the way here; `None` at the start.
    previous: Vec<Option<usize>>,
    settled: Vec<bool>,
}

impl Costs {
    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.width + column]
    }

    /// Gives every row a column of its own at the least total cost; by column, its row.
    fn assign(&self) -> Vec<Option<usize>> {
        let rows = self.values.len() / self.width;
        let mut owners = vec![None; self.width];
        let (mut row_prices, mut column_prices) = (vec![0.0; rows], vec![0.0; self.width]);
        for row in 0..rows {
            let (search, end) = self.search(row, &owners, &row_prices, &column_prices);
            let reached = search.distance[end];
            row_prices[row] += reached;
            for column in (0..self.width).filter(|&column| search.settled[column]) {
                let slack = reached - search.distance[column];
                column_prices[column] -= slack;
                if let Some(owner) = owners[column] {
                    row_prices[owner] += slack;
                }
            }
            augment(&mut owners, &search.previous, row, end);
        }
        owners
    }

    /// The cheapest way from `start` to a column that nobody owns.
    fn search(
        &self,
        start: usize,
        owners: &[Option<usize>],
        row_prices: &[f64],
        column_prices: &[f64],
    ) -> (Search, usize) {
        let mut search = Search {
            distance: vec![f64::INFINITY; self.width],
            previous: vec![None; self.width],
            settled: vec![false; self.width],
        };
        let (mut row, mut reached, mut last) = (start, 0.0, None);
        loop {
            let mut nearest = (f64::INFINITY, 0);
            for column in (0..self.width).filter(|&column| !search.settled[column]) {
                let way = reached + self.at(row, column) - row_prices[row] - column_prices[column];
                if way < search.distance[column] {
                    search.distance[column] = way;
                    search.previous[column] = last;
                }
                if search.distance[column] < nearest.0 {
                    nearest = (search.distance[column], column);
                }
            }
            let column = nearest.1;
            search.settled[column] = true;
            match owners[column] {
                None => return (search, column),
                Some(owner) => (row, reached, last) = (owner, nearest.0, Some(column)),
            }
        }
    }
}

/// Moves each owner on the way to `end` one column further, and `row` to the first.
fn augment(owners: &mut [Option<usize>], previous: &[Option<usize>], row: usize, end: usize) {
    let mut column = end;
    while let Some(before) = previous[column] {
        owners[column] = owners[before];
        column = before;
    }
    owners[column] = Some(row);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same every time.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// The greatest sum, by trying everything.
    fn exhaustive(row: usize, rows: usize, used: u32, pairs: &[(usize, usize, f64)]) -> f64 {
        if row == rows {
            return 0.0;
        }
        let own = pairs.iter().filter(|pair| pair.0 == row && used & 1 << pair.1 == 0);
        let taken = own.map(|pair| pair.2 + exhaustive(row + 1, rows, used | 1 << pair.1, pairs));
        taken.fold(exhaustive(row + 1, rows, used, pairs), f64::max)
    }

    #[test]
    fn the_sum_is_the_greatest_there_is() {
        for seed in 0..300 {
            let mut random = noise(seed);
            let (rows, columns) = (1 + (random() * 6.0) as usize, 1 + (random() * 6.0) as usize);
            let density = random();
            let mut pairs = Vec::new();
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                if random() < density {
                    pairs.push((row, column, 0.01 + random()));
                }
            }
            let chosen = best(rows, columns, &pairs);
            let gain = |&(row, column): &(usize, usize)| {
                pairs.iter().find(|pair| (pair.0, pair.1) == (row, column)).unwrap().2
            };
            let sum: f64 = chosen.iter().map(gain).sum();
            assert!((sum - exhaustive(0, rows, 0, &pairs)).abs() < 1e-9, "seed {seed}: {pairs:?} {chosen:?}");
            assert_eq!(distinct(chosen.iter().map(|pair| pair.0)).len(), chosen.len(), "seed {seed}");
            assert_eq!(distinct(chosen.iter().map(|pair| pair.1)).len(), chosen.len(), "seed {seed}");
        }
    }

    #[test]
    fn nothing_goes_with_nothing() {
        assert_eq!(best(0, 0, &[]), []);
        assert_eq!(best(3, 2, &[]), []);
    }
}
