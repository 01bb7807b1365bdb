//! What is drawn on a frame: findings in words, boxes and colours.

use std::time::Duration;

use osha::rules::Outcome;
use osha::standards::Severity;
use osha::state::Compliance;
use vision::draw::{
    self, Annotation, DisplayList, FontError, Panel, PanelRow, Point, Scene, State, TextCache, Theme, Zone,
    annotate,
};

use super::findings::{Area, Finding, Findings, Judged, Who};
use super::observation::Observation;
use super::options;
use super::words::Words;

/// Turns findings into display lists.
pub(super) struct Picture {
    size: (usize, usize),
    theme: Theme,
    words: Words,
    text: TextCache,
    /// What the last analysed frame showed, and when; kept for the frames that the detector skips.
    shown: Option<(Duration, Scene)>,
}

/// What is older than this is not shown on frames that the detector skipped.
const KEEP: Duration = Duration::from_millis(500);

/// Frames with fewer lines than this have room for the panel's details only.
const ROOMY: usize = 400;

impl Picture {
    /// For frames of `size` (width, height) pixels.
    ///
    /// # Errors
    /// When the bundled fonts cannot be read.
    pub fn new(size: (usize, usize), theme: options::Theme, words: Words) -> Result<Self, FontError> {
        let theme = Theme::for_frame(theme.into(), size.0, size.1);
        Ok(Self { size, theme, words, text: TextCache::new()?, shown: None })
    }

    /// Takes what was found on a frame.
    pub fn show(&mut self, observation: &Observation, findings: &Findings) {
        let scene = Scene {
            zones: findings.zones.iter().map(|area| zone(area, self.size)).collect(),
            annotations: self.annotations(observation, findings),
            panel: self.panel(observation, findings),
        };
        self.shown = Some((findings.at, scene));
    }

    /// Forgets what was shown.
    pub fn clear(&mut self) {
        self.shown = None;
    }

    /// What to draw on the frame of time `at`.
    pub fn display_list(&mut self, at: Duration, with_panel: bool) -> DisplayList {
        match &mut self.shown {
            Some((shown_at, scene)) if at.abs_diff(*shown_at) <= KEEP => {
                if !with_panel {
                    scene.panel.rows.clear();
                }
                annotate(scene, self.size, &self.theme, &mut self.text)
            }
            _ => DisplayList::default(),
        }
    }

    /// One annotation for each detection: people and machines with a label, their equipment as a thin box.
    fn annotations(&self, observation: &Observation, findings: &Findings) -> Vec<Annotation> {
        (0..observation.detections.len())
            .map(|index| {
                let rect = observation.detections[index].rect;
                let score = Some(score(observation.detections[index].score));
                if let Some(subject) = findings.subjects.iter().find(|subject| subject.detection == index) {
                    let title = self.title(observation, index, subject.track);
                    return Annotation {
                        rect,
                        state: state(subject.state),
                        title,
                        score,
                        detail: self.detail(subject),
                    };
                }
                if let Some((_, mark)) = findings.marks.iter().find(|(detection, _)| *detection == index) {
                    return Annotation { rect, state: state(*mark), ..Annotation::default() };
                }
                Annotation {
                    rect,
                    title: self.title(observation, index, None),
                    score,
                    ..Annotation::default()
                }
            })
            .collect()
    }

    /// What detection `index` is called.
    fn name(&self, observation: &Observation, index: usize) -> String {
        match observation.label(index) {
            "person" => self.words.person.to_owned(),
            label => label.replace('_', " "),
        }
    }

    /// The same, with the number of its track.
    fn title(&self, observation: &Observation, index: usize, track: Option<u64>) -> String {
        let name = self.name(observation, index);
        match track {
            Some(track) => format!("{name} {track}"),
            None => name,
        }
    }

    /// What a subject breaks, with the standards, or else what it is suspected of.
    fn detail(&self, subject: &Judged) -> Option<String> {
        if self.size.1 < ROOMY {
            return None;
        }
        let of = |state| subject.rules.iter().filter(move |rule| rule.state == state);
        let broken = of(Compliance::Violating).map(|rule| {
            format!("{} · {}", self.words.rule(&rule.rule), self.words.citation(&rule.citation.citation))
        });
        let suspected = of(Compliance::Suspected)
            .map(|rule| format!("{} · {}", self.words.rule(&rule.rule), self.words.suspected));
        let lines: Vec<String> = broken.chain(suspected).collect();
        (!lines.is_empty()).then(|| lines.join("   "))
    }

    /// One row for each violation under way.
    fn panel(&self, observation: &Observation, findings: &Findings) -> Panel {
        let row = |(who, finding): (Who, &Finding)| {
            let who = match who {
                Who::Subject(None, index) if observation.label(index) == "person" => {
                    self.words.somebody.to_owned()
                }
                Who::Subject(track, index) => self.title(observation, index, track),
                Who::Place => self.words.place.to_owned(),
            };
            let review = match finding.outcome {
                Outcome::Violation => String::new(),
                Outcome::NeedsReview => format!(" · {}", self.words.review),
            };
            let zone = finding.zone.as_ref().map(|zone| format!(" · {zone}")).unwrap_or_default();
            let cited = &finding.citation;
            let lasted = findings.at.saturating_sub(finding.since.unwrap_or(findings.at));
            PanelRow {
                what: format!("{who} · {}", self.words.rule(&finding.rule)),
                detail: format!(
                    "{} · {}{zone}{review}",
                    self.words.based(&cited.citation, cited.basis),
                    self.words.severity(cited.severity)
                ),
                duration: duration(lasted),
                severity: severity(cited.severity),
            }
        };
        Panel { rows: findings.violations().into_iter().map(row).collect(), more: self.words.more.to_owned() }
    }
}

/// "0.87": as the standard library writes two places, which takes ten times as long.
fn score(score: f32) -> String {
    let hundredths = (f64::from(score) * 100.0).round_ties_even() as u32;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// "4.2 s" below a minute, "3:05" from there on, "1:02:05" from an hour on.
fn duration(lasted: Duration) -> String {
    let seconds = lasted.as_secs();
    match seconds {
        0..60 => format!("{}.{} s", seconds, lasted.subsec_millis() / 100),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

fn state(compliance: Compliance) -> State {
    match compliance {
        Compliance::Unknown => State::Unknown,
        Compliance::Compliant => State::Compliant,
        Compliance::Suspected => State::Suspected,
        Compliance::Violating => State::Violation,
    }
}

fn severity(severity: Severity) -> draw::Severity {
    match severity {
        Severity::Low => draw::Severity::Low,
        Severity::Medium => draw::Severity::Medium,
        Severity::High => draw::Severity::High,
        Severity::Critical => draw::Severity::Critical,
    }
}

/// An area in pixels. Where nothing is wrong it is drawn as the site's, whatever is known of those in it.
fn zone(area: &Area, (width, height): (usize, usize)) -> Zone {
    let pixels = |point: &Point| Point { x: point.x * width as f32, y: point.y * height as f32 };
    let state = match area.state {
        Compliance::Unknown | Compliance::Compliant => State::Neutral,
        bad => state(bad),
    };
    Zone {
        points: area.points.iter().map(pixels).collect(),
        closed: area.closed,
        state,
        title: area.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oshaannotate::options::Language;
    use gst_analytics::prelude::*;
    use osha::standards::{Basis, Citation};

    fn finding(rule: &str, state: Compliance, since: u64) -> Finding {
        let citation = Citation {
            citation: "29 CFR 1926.100(a)".into(),
            title: String::new(),
            summary: String::new(),
            severity: Severity::High,
            basis: Basis::Presumed,
        };
        Finding {
            rule: rule.into(),
            state,
            citation: citation.into(),
            since: Some(Duration::from_secs(since)),
            outcome: Outcome::Violation,
            violation: Some(1),
            zone: Some("Pit".into()),
            score: Some(0.8),
        }
    }

    fn findings() -> Findings {
        let subject = |track, rules| Judged { detection: 0, track, state: Compliance::Violating, rules };
        Findings {
            at: Duration::from_secs(70),
            subjects: vec![
                subject(Some(3), vec![finding("no_hard_hat", Compliance::Violating, 60)]),
                subject(
                    None,
                    vec![
                        finding("too_fast", Compliance::Violating, 5),
                        finding("no_mask", Compliance::Suspected, 1),
                    ],
                ),
            ],
            ..Findings::default()
        }
    }

    /// One detection of each class.
    fn observation(classes: &[&str]) -> Observation {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        let mut meta = gst_analytics::AnalyticsRelationMeta::add(buffer.get_mut().unwrap());
        for class in classes {
            meta.add_od_mtd(gst::glib::Quark::from_str(*class), 1, 1, 9, 9, 0.9).unwrap();
        }
        Observation::of(&buffer).unwrap()
    }

    fn picture(language: Language, size: (usize, usize)) -> Picture {
        Picture::new(size, options::Theme::Dark, Words::new(language)).unwrap()
    }

    #[test]
    fn the_panel_lists_violations_the_longest_first() {
        let panel = picture(Language::German, (1280, 720)).panel(&observation(&["person"]), &findings());
        let rows: Vec<_> = panel.rows.iter().map(|row| (row.what.as_str(), row.duration.as_str())).collect();
        assert_eq!(rows, [("Jemand · too fast", "1:05"), ("Person 3 · kein Schutzhelm", "10.0 s")]);
        assert_eq!(panel.rows[0].detail, "29 CFR 1926.100(a) (vermutet) · hoch · Pit");
    }

    #[test]
    fn what_is_no_person_is_called_what_it_is() {
        let panel = picture(Language::English, (1280, 720)).panel(&observation(&["fork_lift"]), &findings());
        let rows: Vec<_> = panel.rows.iter().map(|row| row.what.as_str()).collect();
        assert_eq!(rows, ["fork lift · too fast", "fork lift 3 · no hard hat"]);
    }

    #[test]
    fn labels_tell_what_is_wrong_where_there_is_room() {
        let all = findings();
        let detail = |size, subject: usize| picture(Language::English, size).detail(&all.subjects[subject]);
        assert_eq!(detail((1280, 720), 0).unwrap(), "no hard hat · 29 CFR 1926.100(a)");
        assert_eq!(
            detail((1280, 720), 1).unwrap(),
            "too fast · 29 CFR 1926.100(a)   no respirator · suspected"
        );
        assert_eq!(detail((320, 240), 0), None);
    }

    #[test]
    fn zones_are_drawn_where_the_site_puts_them() {
        let mut picture = picture(Language::English, (200, 100));
        let corner = |x, y| Point { x, y };
        let area = Area {
            name: String::new(),
            points: vec![corner(0.25, 0.5), corner(0.75, 0.5), corner(0.75, 1.0)],
            closed: true,
            state: Compliance::Compliant,
            people: 0,
            rules: Vec::new(),
        };
        picture.show(&Observation::default(), &Findings { zones: vec![area], ..Findings::default() });
        let list = picture.display_list(Duration::ZERO, true);
        let draw::Primitive::Path { points, closed: true, .. } = &list.primitives[0] else {
            panic!("{list:?}")
        };
        assert_eq!(points[0], corner(50.0, 50.0));
        picture.clear();
        assert!(picture.display_list(Duration::ZERO, true).primitives.is_empty());
    }

    #[test]
    fn scores_have_two_places() {
        let scores = (0..=1000).map(|thousandth| thousandth as f32 / 1000.0).chain([0.125, 0.375, 0.625]);
        scores.for_each(|value| assert_eq!(score(value), format!("{value:.2}")));
    }

    #[test]
    fn durations_are_as_long_as_they_need_to_be() {
        let texts =
            [0, 999, 59_990, 60_000, 3_599_000, 3_725_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(texts, ["0.0 s", "0.9 s", "59.9 s", "1:00", "59:59", "1:02:05"]);
    }
}
