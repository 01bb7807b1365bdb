//! Bilinear interpolation with half-pixel centres.

/// One output position: two source positions and the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tap {
    pub first: usize,
    pub second: usize,
    pub weight: f32,
}

impl Tap {
    fn new(position: f64, length: usize) -> Self {
        let position = position.clamp(0.0, (length - 1) as f64);
        let first = position as usize;
        Self { first, second: (first + 1).min(length - 1), weight: (position - first as f64) as f32 }
    }
}

/// How `to` output positions read a line of `from` source positions.
#[derive(Debug)]
pub(super) struct Axis {
    pub taps: Vec<Tap>,
}

impl Axis {
    pub fn new(from: usize, to: usize) -> Self {
        let step = from as f64 / to as f64;
        Self { taps: (0..to).map(|x| Tap::new((x as f64 + 0.5) * step - 0.5, from)).collect() }
    }

    /// Whether every output position falls on a source position.
    pub fn is_exact(&self) -> bool {
        self.taps.iter().all(|tap| tap.weight == 0.0)
    }
}

/// A source row, converted to red, green and blue (0 to 255) and resized horizontally.
#[derive(Debug)]
pub(super) struct Row {
    pub source: Option<usize>,
    pub rgb: [Vec<f32>; 3],
}

impl Row {
    pub fn new(width: usize) -> Self {
        Self { source: None, rgb: std::array::from_fn(|_| vec![0.0; width]) }
    }

    pub fn holds(&self, y: usize) -> bool {
        self.source == Some(y)
    }

    pub fn forget(&mut self) {
        self.source = None;
    }
}

/// Rounds values from 0 to 255 to the nearest whole number.
pub(super) fn round(value: f32) -> f32 {
    // Adding 2^23 leaves a float no bits for a fraction.
    const WHOLE: f32 = 8_388_608.0;
    (value + WHOLE) - WHOLE
}

/// Fills a line with values.
pub(super) fn set(line: &mut [f32], values: impl Iterator<Item = f32>) {
    line.iter_mut().zip(values).for_each(|(out, value)| *out = value);
}

/// A row between two source rows, the second with `weight`, rounded.
#[derive(Debug)]
pub(super) struct Mix<'a> {
    pub rows: [&'a Row; 2],
    pub weight: f32,
}

impl Mix<'_> {
    pub fn width(&self) -> usize {
        self.rows[0].rgb[0].len()
    }

    /// Red, green or blue.
    pub fn colour(&self, channel: usize) -> impl Iterator<Item = f32> {
        let [first, second] = self.rows.map(|row| &row.rgb[channel]);
        let weight = self.weight;
        first.iter().zip(second).map(move |(&first, &second)| round(first + (second - first) * weight))
    }

    /// BT.601 luma of the colours.
    pub fn luma(&self) -> impl Iterator<Item = f32> {
        let [red, green, blue] = [0, 1, 2].map(|channel| self.colour(channel));
        red.zip(green).zip(blue).map(|((red, green), blue)| round(0.299 * red + 0.587 * green + 0.114 * blue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_fall_on_pixels_and_halves_between() {
        assert!(Axis::new(1920, 640).is_exact());
        let halves = Axis::new(4, 2);
        assert_eq!(halves.taps[1], Tap { first: 2, second: 3, weight: 0.5 });
    }

    #[test]
    fn borders_repeat() {
        let taps = Axis::new(2, 8).taps;
        assert_eq!((taps[0].first, taps[0].weight), (0, 0.0));
        assert_eq!((taps[7].first, taps[7].second, taps[7].weight), (1, 1, 0.0));
        assert_eq!(Axis::new(1, 3).taps[2], Tap { first: 0, second: 0, weight: 0.0 });
    }

    #[test]
    fn rounding() {
        assert_eq!([0.0, 0.4, 0.6, 254.6, 255.0].map(round), [0.0, 0.0, 1.0, 255.0, 255.0]);
    }
}
