use super::*;
use osha::spool::seal;
use serde_json::{Value, json};

/// Lines of a spool, each sealed behind the one before.
fn sealed(events: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut previous = Hash::default();
    let seal = |(index, mut event): (usize, Value)| {
        event["sequence"] = json!(index + 1);
        let (line, hash) = seal(&event.to_string(), &previous);
        previous = hash;
        line
    };
    events.into_iter().enumerate().map(seal).collect()
}

/// An event of `kind` for violation `violation` of run 1.
fn event(kind: &str, violation: u64, rule: &str, more: Value) -> Value {
    let mut event =
        json!({"schema": "gst-osha.event/1", "sequence": 0, "kind": kind, "violation": violation});
    let mut rest = json!({"rule": rule, "start_s": 1.0, "duration_s": 1.5, "provenance": {"run": 1}});
    for from in [rest.as_object_mut().unwrap(), more.clone().as_object_mut().unwrap()] {
        event.as_object_mut().unwrap().append(from);
    }
    event
}

/// What files with these lines come to.
fn overview(files: &[&[String]]) -> (Overview, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = Reading::default();
    for (index, lines) in files.iter().enumerate() {
        let path = folder.path().join(index.to_string());
        std::fs::write(&path, lines.concat()).unwrap();
        reading.read(&path).unwrap();
    }
    (Overview::of(&reading), reading.complaints)
}

fn counts(rows: &[Row]) -> Vec<(&str, u64, u64)> {
    rows.iter().map(|row| (row.name.as_str(), row.violations, row.open)).collect()
}

#[test]
fn violations_are_counted_once_and_by_their_last_word() {
    let long = json!({"duration_s": 9.5, "zone": "pit"});
    let lines = sealed([
        event("start", 1, "hat", json!({"time": "2026-11-22T08:59:59.999Z"})),
        event("update", 1, "hat", json!({"time": "2026-11-22T09:00:01.000Z", "duration_s": 3.0})),
        event("start", 2, "vest", json!({"time": "2026-11-22T09:00:02.000Z", "zone": "gate"})),
        event("end", 1, "hat", long),
        event("start", 3, "hat", json!({"start_s": 7300.0, "outcome": "needs_review"})),
        json!({"kind": "summary", "detections": 12}),
        json!({"kind": "of the future"}),
    ]);
    let (overview, complaints) = overview(&[&lines[..3], &lines[3..]]);
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!((overview.files, overview.events, overview.violations), (2, 7, 3));
    assert_eq!(counts(&overview.rules), [("hat", 2, 1), ("vest", 1, 1)]);
    assert_eq!(counts(&overview.zones), [("gate", 1, 1), ("pit", 1, 0)]);
    assert_eq!([overview.rules[0].review, overview.rules[1].review], [1, 0]);
    let hours = [("2026-11-22 08:00", 1, 0), ("2026-11-22 09:00", 1, 1), ("stream 02:00", 1, 1)];
    assert_eq!(counts(&overview.hours), hours);
    assert_eq!((overview.rules[0].seconds, overview.rules[0].longest_s), (11.0, 9.5));
    assert_eq!(overview.first.as_deref(), Some("2026-11-22T08:59:59.999Z"));
    assert_eq!(overview.last.as_deref(), Some("2026-11-22T09:00:02.000Z"));
}

#[test]
fn runs_and_spools_are_told_apart() {
    let again = json!({"provenance": {"run": 3}});
    let one = sealed([
        event("start", 1, "hat", json!({})),
        event("end", 1, "hat", json!({})),
        event("start", 1, "vest", again),
    ]);
    let other = sealed([event("start", 1, "hat", json!({}))]);
    let (overview, _) = overview(&[&one, &other]);
    assert_eq!(counts(&overview.rules), [("hat", 2, 1), ("vest", 1, 1)]);
}

#[test]
fn what_is_no_event_is_left_out_and_told() {
    let mut lines = sealed([event("start", 1, "hat", json!({})), event("start", 2, "hat", json!({}))]);
    lines[1] = "{}\n".into();
    lines.push("{\"schema\":\"gst".into());
    let (overview, complaints) = overview(&[&lines]);
    assert_eq!((overview.events, complaints.len()), (1, 2));
    assert!(
        complaints[0].contains("0:2: left out") && complaints[1].contains("0:3: half a line"),
        "{complaints:?}"
    );
}

#[test]
fn a_check_fails_where_something_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let lines = sealed((1..5).map(|number| event("start", number, "hat", json!({}))));
    let run = |lines: &[String], noted: Option<Hash>| {
        std::fs::write(&path, lines.concat()).unwrap();
        let spools = vec![path.clone()];
        run(&Args { spools, check: true, noted, plot: None, json: true }).map_err(|error| error.to_string())
    };
    let last = spool::open(lines[3].as_bytes()).unwrap().hash;
    assert_eq!(run(&lines, None), Ok(()));
    assert_eq!(run(&lines, Some(last)), Ok(()));
    assert!(run(&lines[..3], Some(last)).unwrap_err().contains("events were removed"));
    assert!(run(&[&lines[..1], &lines[2..]].concat(), None).unwrap_err().starts_with("1 of the lines"));
    let mut torn = lines.clone();
    torn.push("{\"sch".into());
    assert_eq!(run(&torn, None), Ok(()), "half a line at the end was never acknowledged");
}

#[test]
fn a_rotated_file_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.000001.jsonl", "a.jsonl", "b.jsonl"].map(|name| folder.path().join(name));
    names.iter().for_each(|path| std::fs::write(path, "").unwrap());
    let [old, a, b] = &names;
    assert_eq!(spools(&names).unwrap(), [vec![old.clone(), a.clone()], vec![b.clone()]]);
    assert_eq!(spools(std::slice::from_ref(old)).unwrap(), [vec![old.clone()]]);
    let error = spools(&[folder.path().join("none.jsonl")]).unwrap_err();
    assert!(error.to_string().contains("none.jsonl"));
}

/// Events of two days on a site.
fn days() -> Vec<String> {
    let rules =
        [("no_hard_hat", 2), ("no_safety_vest", 3), ("person_in_exclusion_zone", 7), ("crowding", 11)];
    let zones = ["excavation", "north gate", "haul road"];
    let told = (1..400_u64).filter_map(|number| {
        let (rule, _) = rules.iter().rev().find(|(_, every)| number % every == 0)?;
        let hour = 7 + number * number % 10;
        let time = format!("2026-11-{:02}T{hour:02}:{:02}:00.000Z", 21 + number / 200, number % 60);
        let zone = zones[(number % 13 % 3) as usize];
        Some(event("end", number, rule, json!({"time": time, "zone": zone, "duration_s": number % 97})))
    });
    let mut events: Vec<_> = told.collect();
    events.sort_by_key(|event| event["time"].to_string());
    sealed(events)
}

#[test]
fn plots() {
    let folder = tempfile::tempdir().unwrap();
    // Where to, for people who want to look at them.
    let kept = std::env::var_os("GST_OSHA_TEST_PLOTS").map(PathBuf::from);
    let path = |name: &str| kept.as_deref().unwrap_or(folder.path()).join(name);
    let (days, _) = overview(&[&days()]);
    let (one, _) = overview(&[&sealed([event("start", 1, "hat", json!({}))])]);
    for (name, overview) in [("days", &days), ("one", &one), ("none", &Overview::default())] {
        plot::draw(overview, &path(&format!("{name}.png"))).unwrap();
        plot::draw(overview, &path(&format!("{name}.svg"))).unwrap();
        let svg = std::fs::read_to_string(path(&format!("{name}.svg"))).unwrap();
        assert!(overview.rules.iter().all(|row| svg.contains(&row.name.replace('_', " "))), "{svg}");
        assert!(std::fs::metadata(path(&format!("{name}.png"))).unwrap().len() > 1000);
    }
    assert!(plot::draw(&one, &path("one.gif")).unwrap_err().to_string().contains(".png or .svg"));
    assert!(plot::draw(&one, Path::new("/nowhere/one.svg")).is_err());
}
