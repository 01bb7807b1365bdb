use super::*;
use crate::classes::Vocabulary;
use crate::geometry::Point;
use crate::zone::{Shape, Zone, ZoneKind};

fn zones() -> Vec<Zone> {
    let zone = |id: &str, points: Vec<Point>| Zone {
        id: id.into(),
        kind: ZoneKind::Area,
        shape: Shape::Polygon,
        points,
        contexts: Default::default(),
        ppe: Default::default(),
        height_m: None,
        severity: None,
    };
    vec![
        zone("pit", vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]),
        zone("road", vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    ]
}

fn parse(text: &str) -> Result<Expression, ExpressionError> {
    Expression::parse(text, Names { vocabulary: &Vocabulary::default(), zones: &zones() })
}

#[test]
fn what_the_documentation_shows_is_understood() {
    for (text, subject) in [
        ("count(person in \"pit\") > 2", None),
        ("person without vest in \"road\"", Some("person")),
        ("distance(person, forklift) < 3", Some("person")),
        ("distance(person, 'pit') < 1.5 and not person with harness", Some("person")),
        ("(hour >= 22 or hour < 6) and person in 'road' for 30 s", Some("person")),
        ("speed(forklift) > 2.5 and count(person) >= 1", Some("forklift")),
        ("dump_truck in 'road' for 2 min", Some("truck")),
    ] {
        assert_eq!(parse(text).unwrap().subject(), subject, "{text}");
    }
    assert_eq!(parse("person for 2 min").unwrap().lasting(), Some(Duration::from_secs(120)));
}

#[test]
fn and_binds_stronger_than_or() {
    let with = |text| parse(text).unwrap().node;
    assert_eq!(with("person or truck and crane"), with("person or (truck and crane)"));
    assert_ne!(with("person or truck and crane"), with("(person or truck) and crane"));
    assert_eq!(with("not person and truck"), with("(not person) and truck"));
}

#[test]
fn mistakes_have_a_column_and_a_hint() {
    for (text, column, part) in [
        ("", 1, "a class"),
        ("persn in \"pit\"", 1, "did you mean \"person\""),
        ("person in \"pot\"", 11, "did you mean \"pit\""),
        ("person in pit", 11, "in quotes"),
        ("person without vst", 16, "no equipment"),
        ("person without forklift", 16, "no equipment"),
        ("count(person in \"pit\")", 23, "comparison"),
        ("count(person in \"pit\") > person", 26, "a number"),
        ("distance(person) < 3", 16, "','"),
        ("distance(person, forklift < 3", 27, "')'"),
        ("(person", 8, "')'"),
        ("person person", 8, "'and', 'or'"),
        ("person and", 11, "a class"),
        ("not", 4, "a class"),
        ("person in \"pit", 11, "closing quote"),
        ("person & truck", 8, "means nothing"),
        ("1.2.3 < 4", 1, "no number"),
        ("ä < 3", 1, "no class"),
        ("person for x", 12, "a number"),
        ("person for 3 h", 14, "'s' or 'min'"),
        ("person for 61 min", 12, "hour"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.column(), column, "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn nesting_is_limited() {
    let deep = |levels: usize| format!("{}person{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&deep(20)).is_ok());
    assert!(parse(&deep(100_000)).unwrap_err().message.contains("levels"));
    assert!(parse(&"not ".repeat(100_000)).unwrap_err().message.contains("levels"));
}
