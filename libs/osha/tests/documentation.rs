//! The documented site files are read, and do what the documents say.
#![allow(clippy::unwrap_used)]

use osha::site::Site;

const PAGE: &str = include_str!("../../../docs/site.md");

fn example() -> &'static str {
    PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap()
}

#[test]
fn the_example_of_the_page_is_a_site_file() {
    let site = Site::from_toml(example()).unwrap();
    assert_eq!((site.zones.len(), site.ground.is_some()), (3, true));
    let ids: Vec<_> = site.rules.iter().map(|rule| &*rule.id).collect();
    assert!(ids.contains(&"too many in the pit") && ids.contains(&"no_safety_vest"), "{ids:?}");
    assert!(Site::for_stream(example(), "gate").is_ok());
}

#[test]
fn every_kind_of_rule_is_on_the_page() {
    for kind in [
        "ppe_missing",
        "in_zone",
        "too_near",
        "under_load",
        "unprotected_edge",
        "crowding",
        "blocked",
        "fire_smoke",
        "fallen",
        "vehicle_without_spotter",
        "ladder_scaffold",
        "custom",
    ] {
        assert!(PAGE.contains(&format!("| `{kind}` |")), "{kind}");
    }
}

#[test]
fn the_shipped_site_file_is_one() {
    Site::from_toml(include_str!("../../../pipelines/site.toml")).unwrap();
}
