//! Scenes for the tests of rules.

use crate::classes::Vocabulary;
use crate::engine::FrameObservations;
pub(crate) use crate::engine::Object;
use crate::equipment;
use crate::motion::Motion;
pub(crate) use crate::rules::{Finding, Outcome, Who};
use crate::scene::Scene;
use crate::site::Site;
use std::time::Duration;

pub(crate) const WIDTH: f32 = 1280.0;
pub(crate) const HEIGHT: f32 = 720.0;

/// A square thing of a width, in parts of the frame's width, whose foot is at a relative place.
pub(crate) fn thing(class: &'static str, track: u64, x: f32, y: f32, width: f32) -> Object<'static> {
    let size = width * WIDTH;
    let rect = [x * WIDTH - size / 2.0, y * HEIGHT - size, size, size];
    Object { class, score: 0.8, rect, track: Some(track) }
}

/// A standing person whose feet are at a relative place.
pub(crate) fn person(track: u64, x: f32, y: f32) -> Object<'static> {
    let rect = [x * WIDTH - 35.0, y * HEIGHT - 200.0, 70.0, 200.0];
    Object { class: "person", score: 0.8, rect, track: Some(track) }
}

/// A square item whose middle is at a relative place.
pub(crate) fn item(class: &'static str, track: u64, x: f32, y: f32, width: f32) -> Object<'static> {
    let size = width * WIDTH;
    Object {
        class,
        score: 0.8,
        rect: [x * WIDTH - size / 2.0, y * HEIGHT - size / 2.0, size, size],
        track: Some(track),
    }
}

/// Plays a second of a scene and gives what its last frame shows on the last rule of a construction site. The scene is
/// told the time, in seconds.
pub(crate) fn judge(site: &str, scene: impl Fn(f32) -> Vec<Object<'static>>) -> Vec<Finding> {
    let site = Site::from_toml(&format!("scope = 'construction'\nwatch = []\n{site}")).unwrap();
    let mut motion = Motion::default();
    let mut last = Vec::new();
    for frame in 0..=10 {
        let objects = scene(frame as f32 / 10.0);
        let pts = Duration::from_millis(frame * 100);
        let frame =
            FrameObservations { pts, size: (WIDTH as u32, HEIGHT as u32), objects: &objects, clock: None };
        let mut scene = Scene::new(&site, &Vocabulary::default(), &mut motion, pts, &frame);
        equipment::dress(&mut scene, &site.hazards(), |_| None);
        last = site.rules.last().map(|rule| super::check(rule, &scene)).unwrap_or_default();
        TRACKS.set(scene.things.iter().map(|thing| thing.track.unwrap_or(0)).collect());
    }
    last
}

thread_local! {
    /// The tracks of the things in the last scene.
    static TRACKS: std::cell::RefCell<Vec<u64>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The tracks that findings are about.
pub(crate) fn tracks(findings: &[Finding]) -> Vec<u64> {
    let track = |finding: &Finding| match finding.who {
        Who::Thing(index) => TRACKS.with_borrow(|tracks| tracks.get(index).copied()),
        _ => None,
    };
    findings.iter().filter_map(track).collect()
}
