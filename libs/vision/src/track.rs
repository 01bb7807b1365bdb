//! Which detection is which object of the frames before.
//!
//! Follows ByteTrack: a Kalman filter predicts every track's box, sure detections are matched first, unsure ones then keep
//! tracks alive that would otherwise be lost, and only sure ones begin new tracks. From Hybrid-SORT come two cues that tell
//! people apart who cross: their height, and the score, which stays low for one who is half hidden. Where two are expected
//! in one place and one is seen, it is the one nearer to the camera. Who comes back elsewhere than expected, but within
//! reach, keeps the name. All memory is measured in stream time, so that dropped frames and variable frame rates change
//! nothing.

mod assignment;
mod kalman;
mod occlusion;

use crate::detection::Detection;
use crate::geometry::Rect;
use kalman::Motion;
use occlusion::Company;
use std::time::Duration;

/// The name of an object, the same from frame to frame. Never given to two objects by one tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// How a [`Tracker`] decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackerConfig {
    /// Score from which a detection is sure, 0 to 1.
    pub high_score: f32,
    /// Score below which a detection is ignored, 0 to 1.
    pub low_score: f32,
    /// Score from which a sure detection may begin a track, 0 to 1.
    pub new_score: f32,
    /// What is added to `new_score` for a detection on top of a followed one, times their intersection over union: it may
    /// be a second box of the same object.
    pub crowded_score: f32,
    /// Overlap that a sure detection needs with a track: intersection over union, times the cube of that of the heights.
    pub high_overlap: f32,
    /// Overlap that an unsure detection needs.
    pub low_overlap: f32,
    /// Overlap that a track needs to be confirmed.
    pub new_overlap: f32,
    /// Frames in a row that an object has to be seen in before it gets a name.
    pub confirm_frames: u32,
    /// What a detection with the score that the track had last is worth more than one with the opposite score, in overlap.
    pub same_score: f32,
    /// What a track in full view is worth more than one that is expected behind another, in overlap.
    pub in_view: f32,
    /// How far from the expected place a lost object may come back rather than a new one begin, in heights: across, and
    /// across for every second out of sight.
    pub reach: [f32; 2],
    /// How far up or down, in heights.
    pub reach_up: f32,
    /// How long an object may be out of sight and keep its name.
    pub memory: Duration,
    /// Whether an object may change its class.
    pub class_agnostic: bool,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            high_score: 0.25,
            low_score: 0.1,
            new_score: 0.5,
            crowded_score: 0.7,
            high_overlap: 0.05,
            low_overlap: 0.5,
            new_overlap: 0.3,
            confirm_frames: 2,
            same_score: 0.2,
            in_view: 0.3,
            reach: [0.5, 1.0],
            reach_up: 0.25,
            memory: Duration::from_secs(3),
            class_agnostic: false,
        }
    }
}

impl TrackerConfig {
    /// What speaks for a pair besides its overlap.
    fn bonus(&self, track: &Track, detection: &Detection) -> f32 {
        let same_score = 1.0 - (track.score - detection.score).abs().min(1.0);
        self.same_score * same_score + self.in_view * (1.0 - track.company.before)
    }

    /// How far a detection is from where a track unseen for the time `unseen` is expected: 1 is out of reach. Of top and
    /// bottom the closer counts, since half of the object may be hidden.
    fn distance(&self, track: &Track, detection: &Detection, unseen: Duration) -> f32 {
        let (expected, found) = (&track.expected, &detection.rect);
        let height = expected.height.max(found.height);
        let across = (expected.centre().0 - found.centre().0).abs();
        let up = (expected.y - found.y).abs().min((expected.bottom() - found.bottom()).abs());
        let reach = self.reach[0] + self.reach[1] * unseen.as_secs_f32();
        (across / (height * reach)).hypot(up / (height * self.reach_up))
    }
}

/// Follows any number of objects through one stream. The same detections give the same names, in whatever order they come.
#[derive(Clone, Debug)]
pub struct Tracker {
    config: TrackerConfig,
    tracks: Vec<Track>,
    named: u64,
    now: Duration,
}

#[derive(Clone, Debug)]
struct Track {
    /// None while it is not confirmed.
    id: Option<TrackId>,
    class: usize,
    motion: Motion,
    /// Of the last detection.
    score: f32,
    seen: Duration,
    /// It was not seen in the frame before.
    lost: bool,
    frames: u32,
    /// The box expected in the current frame.
    expected: Rect,
    /// Who else is expected there.
    company: Company,
    /// The detection of the current frame.
    detection: Option<usize>,
}

impl Tracker {
    /// A tracker that has seen nothing yet.
    pub fn new(config: TrackerConfig) -> Self {
        Self { config, tracks: Vec::new(), named: 0, now: Duration::ZERO }
    }

    /// Takes the detections of the frame at `pts` and names them: one entry for each, `None` for those that are ignored,
    /// or not confirmed yet. Where time goes back a new stream begins.
    pub fn update(&mut self, pts: Duration, detections: &[Detection]) -> Vec<Option<TrackId>> {
        self.advance(pts);
        let usable = in_order(detections, self.config.low_score);
        let (high, low): (Vec<_>, Vec<_>) =
            usable.into_iter().partition(|&index| detections[index].score >= self.config.high_score);
        let TrackerConfig { high_overlap, low_overlap, new_overlap, .. } = self.config;
        let before = self.now;
        self.now = pts;
        let rest = self.match_near(detections, high, high_overlap, |track| track.id.is_some());
        self.match_near(detections, low, low_overlap, |track| track.id.is_some() && track.seen == before);
        let rest = self.match_near(detections, rest, new_overlap, |track| track.id.is_none());
        let rest = self.bring_back(detections, rest);
        self.tracks.retain(|track| track.id.is_some() || track.detection.is_some());
        self.begin(detections, &rest);
        self.names(detections.len())
    }

    /// Forgets every object. Names go on where they were, so that none is given twice.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.now = Duration::ZERO;
    }

    /// Moves every track to the time of a frame, and drops those that have been out of sight for too long.
    fn advance(&mut self, pts: Duration) {
        if pts < self.now {
            self.reset();
        }
        let memory = self.config.memory;
        self.tracks.retain(|track| pts.saturating_sub(track.seen) <= memory);
        let step = (pts - self.now).as_secs_f64();
        for track in &mut self.tracks {
            track.lost = track.seen < self.now;
            track.expected = track.motion.predict(step, track.lost);
            track.detection = None;
        }
        self.look_around();
    }

    /// Finds out who is expected before whom.
    fn look_around(&mut self) {
        for index in 0..self.tracks.len() {
            let class = self.tracks[index].class;
            let is_other = |(other, track): &(usize, &Track)| {
                *other != index && track.id.is_some() && self.same_class(track.class, class)
            };
            let others = self.tracks.iter().enumerate().filter(is_other).map(|(_, track)| &track.expected);
            self.tracks[index].company = Company::of(&self.tracks[index].expected, others);
        }
    }

    fn same_class(&self, a: usize, b: usize) -> bool {
        self.config.class_agnostic || a == b
    }

    /// Gives the detections in `candidates` to those tracks that `eligible` admits, where they overlap by `least`. Returns
    /// the detections left over.
    fn match_near(
        &mut self,
        detections: &[Detection],
        candidates: Vec<usize>,
        least: f32,
        eligible: impl Fn(&Track) -> bool,
    ) -> Vec<usize> {
        let config = self.config;
        self.match_by(detections, candidates, |track, detection| {
            let overlap = eligible(track).then(|| upright_overlap(&track.expected, &detection.rect));
            let near = overlap.filter(|&overlap| overlap >= least && overlap > 0.0);
            near.map(|overlap| overlap + config.bonus(track, detection))
        })
    }

    /// Gives detections that would begin a track to lost ones who could have come there. Returns those left over.
    fn bring_back(&mut self, detections: &[Detection], candidates: Vec<usize>) -> Vec<usize> {
        let (config, now) = (self.config, self.now);
        let new: Vec<_> = candidates.into_iter().filter(|&index| self.may_begin(detections, index)).collect();
        self.match_by(detections, new, |track, detection| {
            let distance = config.distance(track, detection, now.saturating_sub(track.seen));
            (track.id.is_some() && distance < 1.0).then_some(1.0 - distance)
        })
    }

    /// Gives the detections in `candidates` to the tracks of their class that have none yet, so that the sum of `gain` is
    /// greatest; `None` is for what cannot be. Returns the detections left over.
    fn match_by(
        &mut self,
        detections: &[Detection],
        candidates: Vec<usize>,
        gain: impl Fn(&Track, &Detection) -> Option<f32>,
    ) -> Vec<usize> {
        let mut pairs = Vec::new();
        for (row, track) in self.tracks.iter().enumerate().filter(|(_, track)| track.detection.is_none()) {
            for (column, &candidate) in candidates.iter().enumerate() {
                let detection = &detections[candidate];
                if self.same_class(track.class, detection.class) {
                    pairs.extend(gain(track, detection).map(|gain| (row, column, f64::from(gain))));
                }
            }
        }
        let mut left = vec![true; candidates.len()];
        for (row, column) in assignment::best(self.tracks.len(), candidates.len(), &pairs) {
            left[column] = false;
            self.follow(row, candidates[column], &detections[candidates[column]]);
        }
        candidates.into_iter().zip(left).filter_map(|(candidate, left)| left.then_some(candidate)).collect()
    }

    fn follow(&mut self, track: usize, index: usize, detection: &Detection) {
        let track = &mut self.tracks[track];
        track.motion.correct(&detection.rect, track.company.around.into());
        track.class = detection.class;
        track.score = detection.score;
        track.seen = self.now;
        track.frames = track.frames.saturating_add(1);
        track.detection = Some(index);
    }

    /// Begins a track for each of the detections that is sure enough.
    fn begin(&mut self, detections: &[Detection], unmatched: &[usize]) {
        for &index in unmatched {
            let Detection { rect, score, class } = detections[index];
            if self.may_begin(detections, index) {
                self.tracks.push(Track {
                    id: None,
                    class,
                    motion: Motion::new(&rect),
                    score,
                    seen: self.now,
                    lost: false,
                    frames: 1,
                    expected: rect,
                    company: Company::default(),
                    detection: Some(index),
                });
            }
        }
    }

    /// Whether a detection is sure enough to be somebody new.
    fn may_begin(&self, detections: &[Detection], index: usize) -> bool {
        let crowd = self.crowd(detections, &detections[index]);
        detections[index].score >= self.config.new_score + self.config.crowded_score * crowd
    }

    /// The greatest overlap of `detection` with the detection of a named track of its class.
    fn crowd(&self, detections: &[Detection], detection: &Detection) -> f32 {
        let named = self.tracks.iter().filter(|track| track.id.is_some() && track.class == detection.class);
        let followed = named.filter_map(|track| track.detection);
        followed.map(|index| detections[index].rect.iou(&detection.rect)).fold(0.0, f32::max)
    }

    /// Names the tracks that are due, and gives the names of this frame's detections.
    fn names(&mut self, detections: usize) -> Vec<Option<TrackId>> {
        let mut names = vec![None; detections];
        for track in &mut self.tracks {
            if track.id.is_none() && track.frames >= self.config.confirm_frames {
                self.named += 1;
                track.id = Some(TrackId(self.named));
            }
            if let Some(index) = track.detection {
                names[index] = track.id;
            }
        }
        names
    }
}

/// Intersection over union, far less where the tops or the bottoms differ: who stands elsewhere in depth is somebody else.
fn upright_overlap(a: &Rect, b: &Rect) -> f32 {
    let both = (a.bottom().min(b.bottom()) - a.y.max(b.y)).max(0.0);
    a.iou(b) * (both / (a.height + b.height - both)).powi(3)
}

/// The indices of the detections that can be followed, in an order that depends on nothing but what they are.
fn in_order(detections: &[Detection], least: f32) -> Vec<usize> {
    let finite =
        |rect: &Rect| [rect.x, rect.y, rect.width, rect.height].iter().all(|value| value.is_finite());
    let usable = |one: &Detection| one.score >= least && finite(&one.rect) && one.rect.area() > 0.0;
    let mut order: Vec<_> = (0..detections.len()).filter(|&index| usable(&detections[index])).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&detections[a], &detections[b]);
        let place = |rect: &Rect| [rect.x, rect.y, rect.width, rect.height];
        let by_place = || {
            let pairs = place(&a.rect).into_iter().zip(place(&b.rect));
            pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne())
        };
        let by_class = b.score.total_cmp(&a.score).then(a.class.cmp(&b.class));
        by_class.then_with(|| by_place().unwrap_or(std::cmp::Ordering::Equal))
    });
    order
}

#[cfg(test)]
mod tests;
