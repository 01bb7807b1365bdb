//! How a box moves: a Kalman filter of constant velocity for the centre and for the size.
//!
//! The noise of the four coordinates is taken to be independent, so that the filter falls apart into four of two states
//! each. Noise is in proportion to the box, since near objects move and jitter by more pixels than far ones.

use crate::geometry::Rect;

/// Standard deviation of a detection across and up, in box sizes.
const JITTER: [f64; 2] = [0.09, 0.135];
/// Standard deviation of the velocity of a new object, in box sizes per second.
const FIRST_VELOCITY: f64 = 3.0;
/// By how much a velocity strays in a second, in box sizes per second.
const STRAY: f64 = 1.0;
/// Paces of a centre across and up: people walk across a picture far faster than into it.
const CENTRE_PACE: [f64; 2] = [1.0, 0.15];
/// Paces of a width and a height.
const SIZE_PACE: [f64; 2] = [0.15, 0.15];
/// By how many times a detection jitters more where other boxes take all of its place.
const CROWD_JITTER: f64 = 1.5;
/// Smallest width and height that is predicted, in pixels.
const LEAST_SIZE: f64 = 1.0;

/// Position, velocity and their covariance along one axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    position: f64,
    velocity: f64,
    var_position: f64,
    covariance: f64,
    var_velocity: f64,
}

impl Axis {
    fn new(position: f64, jitter: f64, velocity: f64) -> Self {
        let (var_position, var_velocity) = (jitter * jitter, velocity * velocity);
        Self { position, velocity: 0.0, var_position, covariance: 0.0, var_velocity }
    }

    /// Moves on by `step` seconds; `stray` is the spectral density of the acceleration.
    fn predict(&mut self, step: f64, stray: f64) {
        self.position += self.velocity * step;
        self.var_position +=
            step * (2.0 * self.covariance + step * self.var_velocity) + stray * step.powi(3) / 3.0;
        self.covariance += step * self.var_velocity + stray * step.powi(2) / 2.0;
        self.var_velocity += stray * step;
    }

    /// Takes a measurement whose variance is `noise`.
    fn correct(&mut self, measured: f64, noise: f64) {
        let innovation = measured - self.position;
        let total = self.var_position + noise;
        let (gain, gain_velocity) = (self.var_position / total, self.covariance / total);
        self.position += gain * innovation;
        self.velocity += gain_velocity * innovation;
        self.var_velocity -= gain_velocity * self.covariance;
        self.covariance *= 1.0 - gain;
        self.var_position *= 1.0 - gain;
    }
}

/// A box in motion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    centre: [Axis; 2],
    size: [Axis; 2],
}

impl Motion {
    /// A box seen for the first time.
    pub(super) fn new(rect: &Rect) -> Self {
        let (centre, size) = coordinates(rect);
        let scale = scale(size);
        let axis =
            |at: f64, jitter: f64, pace: f64| Axis::new(at, jitter * scale, FIRST_VELOCITY * scale * pace);
        let axes = |at: [f64; 2], pace: [f64; 2]| [0, 1].map(|i| axis(at[i], JITTER[i], pace[i]));
        Self { centre: axes(centre, CENTRE_PACE), size: axes(size, SIZE_PACE) }
    }

    /// Moves on by `step` seconds. The size of a `lost` box is taken to stay as it is.
    pub(super) fn predict(&mut self, step: f64, lost: bool) -> Rect {
        let stray = (STRAY * self.scale()).powi(2);
        for (axis, pace) in self.centre.iter_mut().zip(CENTRE_PACE) {
            axis.predict(step, stray * pace.powi(2));
        }
        for (axis, pace) in self.size.iter_mut().zip(SIZE_PACE) {
            axis.velocity *= f64::from(!lost);
            axis.predict(step, stray * pace.powi(2));
            axis.position = axis.position.max(LEAST_SIZE);
        }
        self.rect()
    }

    /// Takes the box that was seen. The share `crowd` of the place is taken by other boxes, 0 to 1: there a box may be cut,
    /// or be one around two people.
    pub(super) fn correct(&mut self, seen: &Rect, crowd: f64) {
        let scale = self.scale() * (1.0 + CROWD_JITTER * crowd);
        let (centre, size) = coordinates(seen);
        for (index, jitter) in JITTER.into_iter().enumerate() {
            let noise = (jitter * scale).powi(2);
            let within = self.within(index, centre[index], size[index]);
            self.centre[index].correct(centre[index] + crowd * (within - centre[index]), noise);
            self.size[index].correct(size[index], noise);
        }
    }

    /// The place nearest to the expected one where a box of the expected size fits into the one seen, or around it.
    fn within(&self, index: usize, centre: f64, size: f64) -> f64 {
        let slack = (size - self.size[index].position).abs() / 2.0;
        self.centre[index].position.max(centre - slack).min(centre + slack)
    }

    fn scale(&self) -> f64 {
        scale(self.size.map(|axis| axis.position))
    }

    fn rect(&self) -> Rect {
        let [cx, cy] = self.centre.map(|axis| axis.position as f32);
        let [width, height] = self.size.map(|axis| axis.position as f32);
        Rect::from_centre(cx, cy, width, height)
    }
}

/// Side of the square of the same area.
fn scale(size: [f64; 2]) -> f64 {
    (size[0] * size[1]).max(LEAST_SIZE).sqrt()
}

fn coordinates(rect: &Rect) -> ([f64; 2], [f64; 2]) {
    let (cx, cy) = rect.centre();
    ([cx.into(), cy.into()], [rect.width.into(), rect.height.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: f64) -> Rect {
        Rect { x: 100.0 + 120.0 * time as f32, y: 50.0, width: 60.0, height: 180.0 }
    }

    /// Watches for two seconds at uneven times.
    fn watched() -> (Motion, f64) {
        let (mut motion, mut now) = (Motion::new(&at(0.0)), 0.0);
        for frame in 0..50 {
            let step = if frame % 3 == 0 { 0.08 } else { 0.02 };
            now += step;
            motion.predict(step, false);
            motion.correct(&at(now), 0.0);
        }
        (motion, now)
    }

    /// Watches somebody who stands still, and expects the next frame.
    fn at_rest() -> Motion {
        let mut motion = Motion::new(&at(0.0));
        for _ in 0..30 {
            motion.predict(0.04, false);
            motion.correct(&at(0.0), 0.0);
        }
        motion.predict(0.04, false);
        motion
    }

    #[test]
    fn constant_velocity_is_learnt_from_uneven_frames() {
        let (mut motion, now) = watched();
        let expected = at(now + 1.0);
        let predicted = motion.predict(1.0, true);
        assert!((predicted.x - expected.x).abs() < 2.0, "{predicted:?} for {expected:?}");
        assert!((predicted.width - 60.0).abs() < 0.5 && (predicted.y - 50.0).abs() < 0.5, "{predicted:?}");
    }

    #[test]
    fn a_lost_box_keeps_its_size() {
        let grown = |time: f64| Rect::from_centre(0.0, 0.0, 60.0 + 30.0 * time as f32, 180.0);
        let mut motion = Motion::new(&grown(0.0));
        for frame in 1..=50 {
            motion.predict(0.04, false);
            motion.correct(&grown(f64::from(frame) * 0.04), 0.0);
        }
        let (mut seen, before) = (motion, motion.rect().width);
        assert!(seen.predict(1.0, false).width > before + 20.0);
        assert_eq!(motion.predict(1.0, true).width, before);
    }

    #[test]
    fn two_steps_predict_what_one_does() {
        let (mut one, mut two) = (watched().0, watched().0);
        one.predict(0.5, false);
        two.predict(0.2, false);
        two.predict(0.3, false);
        let spread =
            |motion: &Motion| motion.centre.map(|axis| [axis.position, axis.var_position, axis.covariance]);
        for (a, b) in spread(&one).iter().flatten().zip(spread(&two).iter().flatten()) {
            assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn a_jump_is_followed_in_part() {
        let mut motion = at_rest();
        motion.correct(&at(0.25), 0.0);
        let x = motion.rect().x;
        assert!(x > 101.0 && x < 125.0, "{x}");
    }

    /// The centre and width after a box that is seen twice as wide, towards the right.
    fn widened(crowd: f64) -> (f64, f64) {
        let mut motion = at_rest();
        motion.correct(&Rect { width: 120.0, ..at(0.0) }, crowd);
        (motion.centre[0].position - 130.0, motion.size[0].position - 60.0)
    }

    #[test]
    fn a_box_around_two_moves_nobody() {
        let ((alone, alone_wider), (crowded, crowded_wider)) = (widened(0.0), widened(1.0));
        assert!(alone > 5.0 && crowded.abs() < 0.1, "{alone} {crowded}");
        assert!(alone_wider > 2.0 * crowded_wider && crowded_wider > 0.0, "{alone_wider} {crowded_wider}");
    }

    #[test]
    fn up_and_down_is_slower_than_across() {
        let mut motion = at_rest();
        motion.correct(&Rect { x: 120.0, y: 70.0, ..at(0.0) }, 0.0);
        let (across, up) = (motion.rect().x - 100.0, motion.rect().y - 50.0);
        assert!(across > 2.0 * up && up > 0.0, "{across} {up}");
    }

    #[test]
    fn what_cannot_be_computed_does_not_panic() {
        let mut motion = Motion::new(&Rect { x: f32::MAX, y: -f32::MAX, width: f32::MAX, height: 1e-30 });
        for crowd in [0.0, 1.0, f64::NAN] {
            motion.predict(1e9, false);
            motion.correct(&Rect { x: f32::MIN, y: f32::MAX, width: 1.0, height: f32::MAX }, crowd);
        }
    }
}
