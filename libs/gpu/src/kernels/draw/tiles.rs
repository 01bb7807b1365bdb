//! Which tiles of a frame a display list touches: the others are left alone.

use std::ops::Range;

use vision::image::ImageInfo;

use super::ops::{Edges, Encoded};

/// Edge of a tile in pixels, as kernels/draw.h has it.
const TILE: usize = 32;

/// Columns and rows of tiles.
fn size(info: &ImageInfo) -> (usize, usize) {
    (info.width.div_ceil(TILE), info.height.div_ceil(TILE))
}

/// How many tiles there are in images of `info`.
pub(in crate::kernels) fn count(info: &ImageInfo) -> usize {
    let (columns, rows) = size(info);
    columns * rows
}

/// The tiles that `encoded` may touch, row by row, each as its column and 65,536 times its row.
pub(in crate::kernels) fn touched(encoded: &Encoded, info: &ImageInfo) -> Vec<u32> {
    let mut grid = Grid::new(size(info));
    encoded.boxes().for_each(|(bounds, hole)| grid.mark(bounds, hole));
    grid.marked()
}

/// Which tiles are marked: a bit for each, every row in words of its own.
struct Grid {
    columns: usize,
    rows: usize,
    /// Words of a row.
    stride: usize,
    words: Vec<u64>,
}

impl Grid {
    fn new((columns, rows): (usize, usize)) -> Self {
        let stride = columns.div_ceil(64);
        Self { columns, rows, stride, words: vec![0; stride * rows] }
    }

    /// Marks the tiles that `bounds` touch, but for those that lie wholly in the `hole`.
    fn mark(&mut self, [left, top, right, bottom]: Edges, hole: Option<Edges>) {
        let (columns, rows) = (touching(left, right, self.columns), touching(top, bottom, self.rows));
        let free = hole
            .map(|[left, top, right, bottom]| (within(left, right, &columns), within(top, bottom, &rows)));
        let (free_columns, free_rows) = free.unwrap_or_default();
        for word in 0..self.stride {
            let all = bits(&columns, word);
            let around = all & !bits(&free_columns, word);
            for row in rows.clone() {
                let marked = if free_rows.contains(&row) { around } else { all };
                self.words[row * self.stride + word] |= marked;
            }
        }
    }

    /// The marked tiles' columns, and 65,536 times their rows.
    fn marked(&self) -> Vec<u32> {
        let count = self.words.iter().map(|word| word.count_ones() as usize).sum();
        let mut marked = Vec::with_capacity(count);
        for (index, &word) in self.words.iter().enumerate() {
            let (row, first) = (index / self.stride, index % self.stride * 64);
            let mut bits = word;
            while bits != 0 {
                marked.push((row << 16 | first) as u32 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
        marked
    }
}

/// The bits of `columns` in word `word` of a row.
fn bits(columns: &Range<usize>, word: usize) -> u64 {
    let below = |column: usize| match column.saturating_sub(64 * word) {
        bits @ 0..64 => (1 << bits) - 1,
        _ => u64::MAX,
    };
    below(columns.end) & !below(columns.start)
}

/// The next whole number. What the standard library has is a call on processors that are not asked what they can do.
fn up(number: f32) -> usize {
    let whole = number as usize;
    whole + usize::from((whole as f32) < number)
}

/// The tiles, of so many, that hold something of what lies between `from` and `to`.
fn touching(from: f32, to: f32, count: usize) -> Range<usize> {
    let end = up(to.max(0.0) / TILE as f32).min(count);
    ((from.max(0.0) / TILE as f32) as usize).min(end)..end
}

/// Those of `tiles` that lie wholly between `from` and `to`.
fn within(from: f32, to: f32, tiles: &Range<usize>) -> Range<usize> {
    let start = up(from.max(0.0) / TILE as f32).clamp(tiles.start, tiles.end);
    start..((to.max(0.0) / TILE as f32) as usize).clamp(start, tiles.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(bounds: Edges, hole: Option<Edges>) -> Vec<usize> {
        marked_of((4, 3), bounds, hole)
    }

    /// The numbers of the marked tiles of a grid of `size`, row by row.
    fn marked_of(size: (usize, usize), bounds: Edges, hole: Option<Edges>) -> Vec<usize> {
        let mut grid = Grid::new(size);
        grid.mark(bounds, hole);
        grid.marked()
            .into_iter()
            .map(|tile| (tile >> 16) as usize * size.0 + (tile & 0xffff) as usize)
            .collect()
    }

    #[test]
    fn wide_frames_have_tiles_beyond_the_sixty_fourth() {
        let edge = |tile: usize| (32 * tile) as f32;
        let marked =
            marked_of((130, 2), [edge(63), 32.0, edge(129), 64.0], Some([edge(65), 0.0, edge(128), 96.0]));
        assert_eq!(marked, [63, 64, 128].map(|column| 130 + column));
        assert_eq!(marked_of((128, 1), [0.0, 0.0, edge(128), 1.0], None), (0..128).collect::<Vec<_>>());
    }

    #[test]
    fn tiles_are_those_that_the_box_touches() {
        assert_eq!(marked([33.0, 0.0, 63.0, 31.0], None), [1]);
        assert_eq!(marked([31.9, 31.9, 32.1, 32.1], None), [0, 1, 4, 5]);
        assert_eq!(marked([-90.0, -90.0, 900.0, 900.0], None), (0..12).collect::<Vec<_>>());
        assert!(marked([-9.0, -9.0, -1.0, -1.0], None).is_empty());
        assert!(marked([900.0, 0.0, 999.0, 10.0], None).is_empty());
    }

    #[test]
    fn what_lies_in_the_hole_stays_free() {
        let all = [0.0, 0.0, 128.0, 96.0];
        assert_eq!(marked(all, Some([32.0, 32.0, 96.0, 64.0])), [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]);
        assert_eq!(marked(all, Some([33.0, 32.0, 96.0, 64.0])), [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]);
        assert_eq!(marked(all, Some([40.0, 40.0, 50.0, 50.0])).len(), 12);
        assert_eq!(marked(all, Some([90.0, 90.0, 20.0, 20.0])).len(), 12);
        assert_eq!(marked([0.0, 0.0, 64.0, 32.0], Some([-500.0, -500.0, 500.0, 500.0])), Vec::<usize>::new());
    }
}
