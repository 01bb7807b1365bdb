//! Positions of a dense output that a network is sure enough of.

use bytemuck::{Pod, Zeroable};

/// How a tensor holds `width` numbers (box, perhaps objectness, class scores) for each of N positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseLayout {
    /// The tensor's index among the model's outputs.
    pub output: usize,
    /// `[B, width, N]` instead of `[B, N, width]`.
    pub planes: bool,
    /// Whether the box is followed by a score that the class scores are multiplied by. Only rows have one.
    pub objectness: bool,
    /// Number of class scores.
    pub classes: usize,
}

/// A position whose best class scores above the threshold. Kernels write it, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Candidate {
    /// Index of the image in the batch.
    pub image: u32,
    /// Which of the N positions.
    pub position: u32,
    /// The first class of those with the highest score.
    pub class: u32,
    /// Its score, times the objectness where there is one.
    pub score: f32,
    /// The box as the network wrote it.
    pub numbers: [f32; 4],
}

/// The best class of every position, and its score; 0 where no score exceeds the threshold.
struct Best {
    scores: Vec<f32>,
    classes: Vec<u32>,
}

impl DenseLayout {
    /// Numbers for each position.
    pub fn width(&self) -> usize {
        4 + usize::from(self.objectness) + self.classes
    }

    /// How many positions an output of `shape` describes, if it has this layout.
    pub fn positions(&self, shape: &[usize]) -> Option<usize> {
        match *shape {
            [_, width, positions] if self.planes && width == self.width() => Some(positions),
            [_, positions, width] if !self.planes && width == self.width() => Some(positions),
            _ => None,
        }
    }

    /// Those of image `image` with a score above `confidence`, in the order of their positions. `values` are the image's
    /// numbers.
    pub fn candidates(&self, values: &[f32], image: usize, confidence: f32) -> Vec<Candidate> {
        let positions = values.len() / self.width();
        let best = self.best(values, positions, confidence);
        let candidate = |at: usize| Candidate {
            image: image as u32,
            position: at as u32,
            class: best.classes[at],
            score: best.scores[at],
            numbers: [0, 1, 2, 3].map(|index| values[self.at(positions, at, index)]),
        };
        (0..positions).filter(|&at| best.scores[at] > confidence).map(candidate).collect()
    }

    /// Where number `index` of a position lies.
    fn at(&self, positions: usize, position: usize, index: usize) -> usize {
        if self.planes { index * positions + position } else { position * self.width() + index }
    }

    fn best(&self, values: &[f32], positions: usize, confidence: f32) -> Best {
        let mut best = Best { scores: vec![0.0; positions], classes: vec![0; positions] };
        if self.planes {
            best_of_planes(&values[4 * positions..], positions, &mut best);
        } else {
            self.best_of_rows(values, confidence, &mut best);
        }
        best
    }

    fn best_of_rows(&self, values: &[f32], confidence: f32, best: &mut Best) {
        let slots = best.scores.iter_mut().zip(&mut best.classes);
        for (row, (score, class)) in values.chunks_exact(self.width()).zip(slots) {
            let (objectness, scores) = if self.objectness { (row[4], &row[5..]) } else { (1.0, &row[4..]) };
            // A class score is 1 at most, so what this skips cannot reach the threshold.
            if objectness > confidence {
                let (index, highest) = highest(scores);
                (*score, *class) = (objectness * highest, index);
            }
        }
    }
}

/// Works through planes of scores in blocks that fit the first-level cache.
fn best_of_planes(planes: &[f32], positions: usize, best: &mut Best) {
    const BLOCK: usize = 1024;
    let blocks = best.scores.chunks_mut(BLOCK).zip(best.classes.chunks_mut(BLOCK));
    for (block, (scores, classes)) in blocks.enumerate() {
        for (class, plane) in planes.chunks_exact(positions).enumerate() {
            raise(&plane[block * BLOCK..][..scores.len()], class as u32, scores, classes);
        }
    }
}

/// Replaces each best score that `plane` exceeds.
fn raise(plane: &[f32], class: u32, scores: &mut [f32], classes: &mut [u32]) {
    for ((&value, score), best) in plane.iter().zip(scores).zip(classes) {
        let better = value > *score;
        *score = if better { value } else { *score };
        *best = if better { class } else { *best };
    }
}

/// The first of the highest scores above 0 and its index.
fn highest(scores: &[f32]) -> (u32, f32) {
    let first = |best: (u32, f32), (index, &score): (usize, &f32)| {
        if score > best.1 { (index as u32, score) } else { best }
    };
    scores.iter().enumerate().fold((0, 0.0), first)
}
