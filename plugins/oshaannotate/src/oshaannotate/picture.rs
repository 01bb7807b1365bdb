//! What is drawn on a frame: the report in words, boxes and colours.

use std::time::Duration;

use osha::engine::{FrameReport, RuleState, Subject};
use osha::state::Compliance;
use vision::draw::{Annotation, Banner, DisplayList, Edge, FontError, State, TextCache, Theme, annotate};

use super::observation::Observation;

/// The marks of the last analysed frame; kept for the frames that the detector skips.
#[derive(Default)]
struct Marks {
    at: Duration,
    annotations: Vec<Annotation>,
    banner: Banner,
}

/// Turns reports into display lists.
pub(super) struct Picture {
    size: (usize, usize),
    theme: Theme,
    text: TextCache,
    marks: Option<Marks>,
}

/// Marks older than this are not shown on frames that the detector skipped.
const KEEP: Duration = Duration::from_millis(500);

impl Picture {
    /// For frames of `size` (width, height) pixels.
    ///
    /// # Errors
    /// When the bundled fonts cannot be read.
    pub fn new(size: (usize, usize)) -> Result<Self, FontError> {
        Ok(Self { size, theme: Theme::for_frame(size.0, size.1), text: TextCache::new()?, marks: None })
    }

    /// Takes the marks of a frame from its report.
    pub fn show(&mut self, at: Duration, observation: &Observation, report: &FrameReport) {
        let annotations = annotations(observation, report);
        let banner = Banner { lines: banner_lines(at, report), edge: Edge::Top };
        self.marks = Some(Marks { at, annotations, banner });
    }

    /// Forgets what was shown.
    pub fn clear(&mut self) {
        self.marks = None;
    }

    /// What to draw on the frame of time `at`.
    pub fn display_list(&mut self, at: Duration, banner: bool) -> DisplayList {
        match &self.marks {
            Some(marks) if at.abs_diff(marks.at) <= KEEP => {
                let banner = banner.then_some(&marks.banner);
                annotate(&marks.annotations, banner, self.size, &self.theme, &mut self.text)
            }
            _ => DisplayList::default(),
        }
    }
}

/// One annotation for each detection: people and machines with a label, their equipment as a thin box.
fn annotations(observation: &Observation, report: &FrameReport) -> Vec<Annotation> {
    (0..observation.detections.len())
        .map(|index| {
            let rect = observation.detections[index].rect;
            if let Some(subject) = report.subjects.iter().find(|subject| subject.object == index) {
                let title = title(observation, index, subject.track);
                return Annotation { rect, state: state(subject.state), title, detail: detail(subject) };
            }
            if let Some(mark) = report.marks.iter().find(|mark| mark.object == index) {
                return Annotation { rect, state: state(mark.state), ..Annotation::default() };
            }
            Annotation { rect, title: title(observation, index, None), ..Annotation::default() }
        })
        .collect()
}

fn title(observation: &Observation, index: usize, track: Option<u64>) -> String {
    let name = words(observation.label(index));
    let score = observation.detections[index].score;
    match track {
        Some(track) => format!("{name} {track}  {score:.2}"),
        None => format!("{name}  {score:.2}"),
    }
}

/// "no_hard_hat" in words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn state(compliance: Compliance) -> State {
    match compliance {
        Compliance::Unknown | Compliance::Suspected => State::Unknown,
        Compliance::Compliant => State::Compliant,
        Compliance::Violating => State::Violation,
    }
}

/// What a subject violates, with the standards.
fn detail(subject: &Subject) -> Option<String> {
    let lines: Vec<String> = violating(&subject.rules).map(finding).collect();
    (!lines.is_empty()).then(|| lines.join("   "))
}

fn violating(rules: &[RuleState]) -> impl Iterator<Item = &RuleState> {
    rules.iter().filter(|rule| rule.state == Compliance::Violating)
}

fn finding(rule: &RuleState) -> String {
    format!("{} · {}", words(&rule.rule), rule.citation.citation)
}

/// One line for each violation under way, the longest first.
fn banner_lines(at: Duration, report: &FrameReport) -> Vec<String> {
    let of_subject = |subject: &Subject| {
        let who = subject.track.map_or_else(|| "Somebody".to_owned(), |track| format!("Person {track}"));
        (who, subject.rules.clone())
    };
    let people = report.subjects.iter().map(of_subject);
    let zones = report.zones.iter().map(|zone| ("Zone".to_owned(), zone.rules.clone()));
    let place = std::iter::once(("Site".to_owned(), report.place.clone()));
    let line = |who: &str, rule: &RuleState| {
        let lasted = at.saturating_sub(rule.since.unwrap_or(at));
        (lasted, format!("{who} · {} · {:.1} s", finding(rule), lasted.as_secs_f64()))
    };
    let mut open: Vec<(Duration, String)> = people
        .chain(zones)
        .chain(place)
        .flat_map(|(who, rules)| violating(&rules).map(|rule| line(&who, rule)).collect::<Vec<_>>())
        .collect();
    open.sort_by(|a, b| b.cmp(a));
    open.into_iter().map(|(_, line)| line).collect()
}
