use super::*;
use crate::event::{Summary, Violation};
use crate::standards::Context;

const PERSON: Rect = [100.0, 100.0, 60.0, 180.0];
const FPS: u64 = 25;

fn pts(frame: u64) -> Duration {
    Duration::from_millis(frame * 1000 / FPS)
}

/// The box of a head on a person.
fn head(person: Rect) -> Rect {
    [person[0] + 15.0, person[1], 30.0, 30.0]
}

fn moved(person: Rect, right: f32) -> Rect {
    [person[0] + right, person[1], person[2], person[3]]
}

fn object(class: &str, rect: Rect, track: u64) -> Object<'_> {
    Object { class, score: 0.8, rect, track: Some(track) }
}

/// A person and, if named, what is on their head.
fn worker(track: u64, rect: Rect, head_class: Option<&'static str>) -> Vec<Object<'static>> {
    let item = head_class.map(|class| object(class, head(rect), track + 1000));
    std::iter::once(object("person", rect, track)).chain(item).collect()
}

fn analyse(engine: &mut Engine, frame: u64, objects: &[Object<'_>]) -> FrameReport {
    engine.analyse(&FrameObservations { pts: pts(frame), size: (1280, 720), objects, clock: None })
}

/// Plays `frames` frames and gives all events, those of the end included.
fn play<'a>(engine: &mut Engine, frames: u64, scene: impl Fn(u64) -> Vec<Object<'a>>) -> Vec<Event> {
    let mut events: Vec<_> =
        (0..frames).flat_map(|frame| analyse(engine, frame, &scene(frame)).events).collect();
    events.extend(engine.finish());
    events
}

fn engine() -> Engine {
    Engine::new(Site::default())
}

fn starts(events: &[Event]) -> Vec<&Violation> {
    let start = |event: &'_ &Event| matches!(event.body, Body::Start(_));
    events.iter().filter(start).filter_map(violation).collect()
}

fn ends(events: &[Event]) -> Vec<&Violation> {
    let end = |event: &'_ &Event| matches!(event.body, Body::End(_));
    events.iter().filter(end).filter_map(violation).collect()
}

fn violation(event: &Event) -> Option<&Violation> {
    event.body.violation()
}

fn only(list: Vec<&Violation>) -> &Violation {
    assert_eq!(list.len(), 1, "{list:?}");
    list[0]
}

fn nanoseconds(frame: u64) -> u64 {
    pts(frame).as_nanos() as u64
}

/// Off from frame 50 to 149, on before and after.
fn hat_off(frame: u64) -> Option<&'static str> {
    Some(if (50..150).contains(&frame) { "NO-Hardhat" } else { "Hardhat" })
}

#[test]
fn a_hat_off_for_four_seconds_is_one_violation() {
    let events = play(&mut engine(), 250, |frame| worker(7, PERSON, hat_off(frame)));
    let (start, end) = (only(starts(&events)), only(ends(&events)));
    assert_eq!((start.start_pts_ns, start.end_pts_ns), (nanoseconds(50), None));
    assert_eq!((end.start_pts_ns, end.end_pts_ns), (nanoseconds(50), Some(nanoseconds(149))));
    assert_eq!((end.start_s, end.end_s, end.duration_s), (2.0, Some(5.96), 3.96));
    assert_eq!((end.reason, end.frames, end.track), (Some(EndReason::Cleared), 100, Some(7)));
    assert_eq!((start.violation, end.violation), (1, 1));
    assert_eq!(
        (start.citation.as_str(), start.rule.as_str(), start.rect),
        ("29 CFR 1926.100(a)", "no_hard_hat", PERSON)
    );
    let sequence: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, [1, 2, 3]);
}

#[test]
fn the_summary_counts() {
    let events = play(&mut engine(), 250, |frame| worker(7, PERSON, hat_off(frame)));
    let expected = Summary {
        frames: 250,
        detections: 500,
        duration_s: 9.96,
        violations: 1,
        by_rule: [("no_hard_hat".to_owned(), 1)].into(),
    };
    assert_eq!(events.last().map(|event| &event.body), Some(&Body::Summary(expected)));
}

#[test]
fn flicker_is_no_violation() {
    let class = |frame| if frame % 20 == 7 { "no_helmet" } else { "helmet" };
    let events = play(&mut engine(), 500, |frame| worker(7, PERSON, Some(class(frame))));
    assert_eq!(starts(&events), Vec::<&Violation>::new());
}

#[test]
fn people_who_cross_keep_their_hats() {
    let scene = |frame: u64| {
        let step = frame as f32 * 2.0;
        let mut objects = worker(1, moved(PERSON, step), Some("hardhat"));
        objects.extend(worker(2, moved(PERSON, 400.0 - step), Some("no_hardhat")));
        objects
    };
    let events = play(&mut engine(), 200, scene);
    let end = only(ends(&events));
    assert_eq!((end.track, end.start_pts_ns, end.reason), (Some(2), 0, Some(EndReason::EndOfStream)));
    assert_eq!(only(starts(&events)).track, Some(2));
    assert!(end.frames >= 198, "{}", end.frames);
}

#[test]
fn who_leaves_ends_the_violation() {
    let mut engine = engine();
    let scene = |frame| {
        if frame < 60 { worker(7, PERSON, Some("no_helmet")) } else { vec![] }
    };
    let mut events = Vec::new();
    for frame in 0..120 {
        events.extend(analyse(&mut engine, frame, &scene(frame)).events);
    }
    let end = only(ends(&events));
    assert_eq!((end.reason, end.end_pts_ns), (Some(EndReason::Left), Some(nanoseconds(59))));
    assert!(engine.ledger.records.is_empty() && engine.wearers.is_empty());
}

#[test]
fn a_short_gap_does_not_split_a_violation() {
    let gone = |frame: u64| frame % 50 >= 38;
    let scene = |frame| {
        if gone(frame) { vec![] } else { worker(7, PERSON, Some("no_helmet")) }
    };
    let events = play(&mut engine(), 300, scene);
    assert_eq!(only(ends(&events)).start_pts_ns, 0);
    assert_eq!(starts(&events).len(), 1);
}

#[test]
fn a_new_track_in_the_same_place_goes_on() {
    let scene = |frame: u64| match frame {
        0..60 => worker(7, PERSON, Some("no_helmet")),
        60..75 => vec![],
        _ => worker(8, moved(PERSON, 20.0), Some("no_helmet")),
    };
    let events = play(&mut engine(), 150, scene);
    assert_eq!((only(starts(&events)).track, only(ends(&events)).track), (Some(7), Some(8)));
    assert_eq!(only(ends(&events)).start_pts_ns, 0);
}

#[test]
fn a_new_track_elsewhere_is_somebody_else() {
    let scene = |frame: u64| match frame {
        0..60 => worker(7, PERSON, Some("no_helmet")),
        _ => worker(8, moved(PERSON, 300.0), Some("no_helmet")),
    };
    let events = play(&mut engine(), 150, scene);
    assert_eq!((starts(&events).len(), ends(&events).len()), (2, 2));
}

#[test]
fn the_end_of_the_stream_closes_what_is_open_and_starts_afresh() {
    let mut engine = engine();
    let first = play(&mut engine, 60, |_| worker(7, PERSON, Some("no_helmet")));
    assert_eq!(only(ends(&first)).reason, Some(EndReason::EndOfStream));
    let second = play(&mut engine, 60, |_| worker(7, PERSON, Some("no_helmet")));
    let start = only(starts(&second));
    assert_eq!((start.start_pts_ns, start.violation), (0, 2));
    assert_eq!(second[0].sequence, first.last().unwrap().sequence + 1);
    assert!(matches!(&second.last().unwrap().body, Body::Summary(summary) if summary.frames == 60));
}

#[test]
fn people_alone_are_unknown() {
    let mut engine = engine();
    for frame in 0..200 {
        let report = analyse(&mut engine, frame, &worker(7, PERSON, None));
        assert_eq!(report.subjects[0].state, Compliance::Unknown);
        assert_eq!(report.events, []);
    }
}

#[test]
fn compliance_takes_all_that_the_model_can_see() {
    let labels = ["person", "hard_hat", "no_hard_hat", "safety_vest", "no_safety_vest"];
    let state = |mut engine: Engine, objects: &[Object<'_>]| {
        (0..30).map(|frame| analyse(&mut engine, frame, objects).subjects[0].state).last()
    };
    let mut objects = worker(7, PERSON, Some("hard_hat"));
    assert_eq!(state(engine(), &objects), Some(Compliance::Compliant));
    assert_eq!(state(Engine::with_labels(Site::default(), &labels), &objects), Some(Compliance::Unknown));
    objects.push(object("safety_vest", [105.0, 140.0, 50.0, 60.0], 3));
    assert_eq!(state(Engine::with_labels(Site::default(), &labels), &objects), Some(Compliance::Compliant));
}

/// Gloves that a model cannot show are missing on nobody.
#[test]
fn absence_means_nothing_to_a_model_that_does_not_know_the_equipment() {
    let site = "scope = 'construction'\nwatch = []\n[[rules]]\nid = 'gloves'\nkind = 'ppe_missing'\n\
                equipment = ['gloves']\nfrom_absence = true\n";
    let accused = |site: &str, labels: &[&str]| {
        let mut engine = Engine::new(Site::from_toml(site).unwrap());
        let labels: Vec<_> = labels.iter().map(|label| label.to_string()).collect();
        let silent = engine.learn(&labels).len();
        let events = play(&mut engine, 300, |_| worker(7, PERSON, None));
        (starts(&events).len(), silent)
    };
    assert_eq!(accused(site, &[]), (1, 0), "nobody knows what it can show");
    assert_eq!(accused(site, &["person", "gloves"]), (1, 0));
    assert_eq!(accused(site, &["person", "no_gloves", "helmet"]), (0, 1), "gloves in use would not be seen");
    let named = format!("{site}[classes]\nHandschuh = 'gloves'\n");
    assert_eq!(accused(&named, &["person", "Handschuh"]), (1, 0));
}

#[test]
fn a_lack_on_nobody_is_a_subject_of_its_own() {
    let mut engine = engine();
    let events = play(&mut engine, 60, |_| vec![object("no_helmet", head(PERSON), 4)]);
    assert_eq!((only(starts(&events)).track, only(starts(&events)).rect), (Some(4), head(PERSON)));
    let report = analyse(&mut engine, 0, &[object("no_helmet", head(PERSON), 4)]);
    assert_eq!((report.subjects.len(), report.marks.len()), (1, 0));
}

#[test]
fn a_person_who_is_missed_for_a_moment_is_not_counted_twice() {
    let scene = |frame: u64| {
        let mut objects = worker(7, PERSON, Some("no_helmet"));
        if frame.is_multiple_of(3) {
            objects.remove(0);
        }
        objects
    };
    let events = play(&mut engine(), 100, scene);
    assert_eq!((only(starts(&events)).track, only(ends(&events)).track), (Some(7), Some(7)));
    assert_eq!(only(ends(&events)).rect, PERSON);
}

#[test]
fn a_lack_that_finds_its_person_stays_one_violation() {
    let scene = |frame: u64| {
        let mut objects = worker(7, PERSON, Some("no_helmet"));
        if frame < 50 {
            objects.remove(0);
        }
        objects
    };
    let events = play(&mut engine(), 150, scene);
    assert_eq!((only(starts(&events)).track, only(ends(&events)).track), (Some(1007), Some(7)));
}

#[test]
fn worn_equipment_on_nobody_is_nothing() {
    let report = analyse(&mut engine(), 0, &[object("helmet", head(PERSON), 4), object("cone", PERSON, 5)]);
    assert_eq!(report.subjects, []);
    let expected = Mark { object: 0, hazard: Hazard::NoHardHat, state: Compliance::Unknown, owner: None };
    assert_eq!(report.marks, [expected]);
}

#[test]
fn marks_tell_how_the_equipment_is() {
    let mut engine = engine();
    let mut last = FrameReport::default();
    for frame in 0..40 {
        last = analyse(&mut engine, frame, &worker(7, PERSON, Some("no_helmet")));
        let state = last.marks[0].state;
        assert_eq!(state, if frame < 25 { Compliance::Suspected } else { Compliance::Violating }, "{frame}");
    }
    assert_eq!((last.marks[0].object, last.marks[0].owner), (1, Some(0)));
    let rule = &last.subjects[0].rules[0];
    assert_eq!(
        (rule.state, rule.since, rule.violation),
        (Compliance::Violating, Some(Duration::ZERO), Some(1))
    );
    assert_eq!((&*rule.rule, rule.citation.citation.as_str()), ("no_hard_hat", "29 CFR 1926.100(a)"));
}

#[test]
fn marks_know_the_rules_of_the_site_by_whatever_name() {
    let site = "scope = 'construction'\nwatch = []\n[[rules]]\nid = 'hats on'\nkind = 'ppe_missing'\n\
                equipment = ['hard_hat']\n";
    let mut engine = Engine::new(Site::from_toml(site).unwrap());
    let states = (0..40)
        .map(|frame| analyse(&mut engine, frame, &worker(7, PERSON, Some("no_helmet"))).marks[0].state);
    assert_eq!(states.last(), Some(Compliance::Violating));
}

#[test]
fn without_tracks_there_is_suspicion_but_no_event() {
    let mut engine = engine();
    for frame in 0..100 {
        let mut objects = worker(7, PERSON, Some("no_helmet"));
        objects.iter_mut().for_each(|object| object.track = None);
        let report = analyse(&mut engine, frame, &objects);
        assert_eq!((report.subjects[0].state, report.events.len()), (Compliance::Suspected, 0));
    }
}

#[test]
fn hazards_that_nobody_watches_for_are_ignored() {
    let events = play(&mut engine(), 60, |_| worker(7, PERSON, Some("no_mask")));
    assert_eq!(starts(&events).len(), 0);
    let site = Site::new(Default::default(), [Context::AirborneHazardZone].into());
    let events = play(&mut Engine::new(site), 60, |_| worker(7, PERSON, Some("no_mask")));
    assert_eq!(only(starts(&events)).citation, "29 CFR 1926.103");
}

#[test]
fn labels_of_a_site_and_of_a_data_set_count() {
    let site = Site::from_toml("scope = 'construction'\n[classes]\nglava = 'no_hard_hat'").unwrap();
    let events = play(&mut Engine::new(site), 60, |_| worker(7, PERSON, Some("glava")));
    assert_eq!(starts(&events).len(), 1);
    let heads = |engine: &mut Engine| starts(&play(engine, 60, |_| worker(7, PERSON, Some("head")))).len();
    assert_eq!(heads(&mut Engine::with_labels(Site::default(), &["helmet", "head", "person"])), 1);
    assert_eq!(heads(&mut engine()), 0);
}

#[test]
fn a_composite_tells_of_two_hazards() {
    let events = play(&mut engine(), 60, |_| vec![object("W", PERSON, 1)]);
    let rules: Vec<_> = starts(&events).iter().map(|violation| violation.rule.as_str()).collect();
    assert_eq!(rules, ["no_hard_hat", "no_safety_vest"]);
    assert_eq!(starts(&events)[1].citation, "site policy");
}

#[test]
fn the_same_frames_give_the_same_bytes_in_any_order_of_objects() {
    let scene = |reverse: bool| {
        move |frame: u64| {
            let mut objects = worker(1, PERSON, hat_off(frame));
            objects.extend(worker(2, moved(PERSON, 40.0), Some("helmet")));
            objects.extend(worker(3, moved(PERSON, 400.0), hat_off(frame)));
            if reverse {
                objects.reverse();
            }
            objects
        }
    };
    let text = |events: Vec<Event>| events.iter().map(|event| event.to_line().unwrap()).collect::<String>();
    let forth = text(play(&mut engine(), 250, scene(false)));
    assert_eq!(forth.lines().count(), 5);
    assert_eq!(forth, text(play(&mut engine(), 250, scene(false))));
    assert_eq!(forth, text(play(&mut engine(), 250, scene(true))));
}

#[test]
fn numbers_that_are_none_are_ignored() {
    let mut objects = worker(7, [f32::NAN; 4], Some("no_helmet"));
    objects.push(Object { score: f32::INFINITY, ..object("no_helmet", PERSON, 9) });
    assert_eq!(analyse(&mut engine(), 0, &objects), FrameReport::default());
}

#[test]
fn time_that_stands_still_or_goes_back_is_survived() {
    let mut engine = engine();
    for frame in [10, 10, 5, 0, 11] {
        analyse(&mut engine, frame, &worker(7, PERSON, Some("no_helmet")));
    }
    assert_eq!(engine.ledger.now, pts(11));
}

#[test]
fn nothing_is_kept_of_those_who_left() {
    let mut engine = engine();
    for frame in 0..20_000 {
        analyse(
            &mut engine,
            frame,
            &worker(frame / 5, moved(PERSON, (frame / 5 % 9) as f32 * 100.0), Some("no_helmet")),
        );
        assert!(engine.ledger.records.len() < 30 && engine.wearers.len() < 100);
    }
}

fn site(rest: &str) -> Site {
    Site::from_toml(&format!("scope = 'construction'\nwatch = []\n{rest}")).unwrap()
}

const WEST: &str =
    "[[zones]]\nid = 'west'\nkind = 'exclusion'\npoints = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n";
const EAST: &str =
    "[[zones]]\nid = 'east'\nkind = 'machine'\npoints = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]\n";

#[test]
fn a_violation_that_goes_on_is_reported_again_and_where_it_goes() {
    let site = site(&format!(
        "{WEST}{EAST}[timing]\nupdate_ms = 4000\n[[rules]]\nid = 'r'\nkind = 'in_zone'\nzones = ['west', 'east']"
    ));
    let scene = |frame: u64| vec![object("person", moved(PERSON, if frame < 175 { 0.0 } else { 700.0 }), 7)];
    let events = play(&mut Engine::new(site), 300, scene);
    let line = |event: &Event| {
        let violation = event.body.violation()?;
        Some((event.to_line().unwrap().contains("\"update\""), violation.zone.clone()?, violation.duration_s))
    };
    let lines: Vec<_> = events.iter().filter_map(line).collect();
    let expected = [
        (false, "west", 1.0),
        (true, "west", 5.0),
        (true, "east", 7.0),
        (true, "east", 11.0),
        (false, "east", 11.96),
    ];
    assert_eq!(lines, expected.map(|(update, zone, duration)| (update, zone.to_owned(), duration)));
    assert_eq!(events[2].body.violation().unwrap().citation, "29 CFR 1926.1424(a)(2)(ii)");
}

#[test]
fn zones_tell_who_is_in_them() {
    let site = site(&format!("{WEST}{EAST}[[rules]]\nid = 'r'\nkind = 'in_zone'\nzones = ['west']"));
    let mut engine = Engine::new(site);
    let mut last = FrameReport::default();
    for frame in 0..40 {
        last = analyse(
            &mut engine,
            frame,
            &[object("person", PERSON, 1), object("person", moved(PERSON, 900.0), 2)],
        );
    }
    let zones: Vec<_> = last.zones.iter().map(|zone| (zone.people, zone.state)).collect();
    assert_eq!(zones, [(1, Compliance::Violating), (1, Compliance::Unknown)]);
    assert_eq!(last.subjects[0].rules[0].zone, Some(0));
    assert_eq!(engine.site().zones.len(), 2);
}

#[test]
fn the_place_itself_can_be_in_violation() {
    let site = site("[[rules]]\nid = 'crowd'\nkind = 'crowding'\nmax = 1");
    let scene = |_| vec![object("person", PERSON, 1), object("person", moved(PERSON, 200.0), 2)];
    let events = play(&mut Engine::new(site), 60, scene);
    let start = only(starts(&events));
    assert_eq!((start.track, start.others.len(), start.rect), (None, 2, [100.0, 100.0, 260.0, 180.0]));
}

#[test]
fn a_rule_sleeps_outside_its_hours() {
    let site = site(&format!(
        "{WEST}[schedules.day]\nfrom = '06:00'\nto = '18:00'\n[[rules]]\nid = 'r'\nkind = 'in_zone'\nzones = ['west']\nschedule = 'day'"
    ));
    let mut engine = Engine::new(site);
    let mut events = Vec::new();
    for frame in 0..100 {
        let clock = Some(LocalTime {
            day: crate::schedule::Weekday::Mon,
            minute: if frame < 50 { 1079 } else { 1080 },
        });
        let objects = [object("person", PERSON, 1)];
        let frame = FrameObservations { pts: pts(frame), size: (1280, 720), objects: &objects, clock };
        events.extend(engine.analyse(&frame).events);
    }
    assert_eq!(
        (only(starts(&events)).rule.as_str(), only(ends(&events)).reason),
        ("r", Some(EndReason::Schedule))
    );
}

#[test]
fn things_that_break_rules_are_subjects_too() {
    let site = site("[[rules]]\nid = 's'\nkind = 'vehicle_without_spotter'");
    let mut engine = Engine::new(site);
    let mut last = FrameReport::default();
    for frame in 0..60 {
        last = analyse(
            &mut engine,
            frame,
            &[object("truck", moved([0.0, 300.0, 300.0, 200.0], frame as f32 * 8.0), 5)],
        );
    }
    assert_eq!((last.subjects[0].object, last.subjects[0].state), (0, Compliance::Violating));
    assert_eq!(last.subjects[0].rules[0].outcome, Outcome::NeedsReview);
}
