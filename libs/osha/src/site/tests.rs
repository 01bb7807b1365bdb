use super::*;
use crate::rules::RuleKind;
use crate::schedule::Weekday;

fn site(rest: &str) -> Site {
    Site::from_toml(&format!("scope = 'construction'\n{rest}")).unwrap()
}

fn ids(site: &Site) -> Vec<&str> {
    site.rules.iter().map(|rule| &*rule.id).collect()
}

#[test]
fn a_file_that_says_the_scope_alone_is_the_default_site() {
    assert_eq!(site(""), Site::default());
    assert_eq!(ids(&Site::default()), ["no_hard_hat", "no_safety_vest", "fall"]);
    let (citation, outcome) = Site::default().cite(&Site::default().rules[0], None);
    assert_eq!((citation.citation.as_str(), outcome), ("29 CFR 1926.100(a)", Outcome::Violation));
}

#[test]
fn the_scope_is_required() {
    let error = Site::from_toml("watch = ['no_hard_hat']").unwrap_err();
    assert_eq!((error.line, error.column), (1, 1));
    assert!(error.message.contains("add scope = \"construction\""), "{error}");
}

#[test]
fn contexts_widen_what_is_watched() {
    assert!(!ids(&site("")).contains(&"no_goggles"));
    assert!(ids(&site("contexts = ['eye_hazard_task']")).contains(&"no_goggles"));
    assert_eq!(ids(&site("watch = []")), [""; 0]);
}

const ZONES: &str = "
    [[zones]]
    id = 'pit'
    kind = 'excavation'
    points = [[0, 0], [1, 0], [1, 1]]
    contexts = ['public_traffic']
    ppe = ['safety_vest', 'boots']
    [[lines]]
    id = 'slab'
    kind = 'edge'
    points = [[0, 0], [1, 0]]
    height_m = 3.0
    severity = 'low'
";

#[test]
fn a_zone_brings_its_contexts_its_equipment_and_its_severity() {
    let site = site(&format!("watch = ['no_safety_vest']\n{ZONES}"));
    assert_eq!(ids(&site), ["no_safety_vest", "no_boots"]);
    assert_eq!((site.rules[0].zones.len(), &site.rules[1].zones[..]), (0, &[0][..]));
    let cite = |zone| site.cite(&site.rules[0], zone).0.citation;
    assert_eq!((cite(None).as_str(), cite(Some(0)).as_str()), ("site policy", "29 CFR 1926.651(d)"));
    assert_eq!(site.cite(&site.rules[0], Some(1)).0.severity, crate::standards::Severity::Low);
}

#[test]
fn rules_are_built_with_the_thresholds_of_their_kind() {
    let site = site(&format!(
        "watch = []\n{ZONES}
        [schedules.night]
        from = '22:00'
        to = '06:00'
        days = ['fri', 'sat']
        [[rules]]
        id = 'gear'
        kind = 'ppe_missing'
        equipment = ['hard_hat', 'gloves']
        from_absence = true
        schedule = 'night'
        [[rules]]
        id = 'edge'
        kind = 'unprotected_edge'
        [[rules]]
        id = 'near'
        kind = 'too_near'
        classes = ['dump truck']
        distance_m = 4
        confirm_ms = 200
        cite = 'handbook 7.2'
        title = 'Keep away'
        severity = 'critical'
        [[rules]]
        id = 'own'
        kind = 'custom'
        when = 'person in \"pit\" for 20 s'"
    ));
    assert_eq!(
        ids(&site),
        ["no_safety_vest", "no_boots", "gear/hard_hat", "gear/gloves", "edge", "near", "own"]
    );
    let rule = |index: usize| &site.rules[index];
    assert_eq!(rule(2).timing.confirm, Duration::from_secs(5));
    assert_eq!(rule(2).schedule.as_ref().unwrap().days, [Weekday::Fri, Weekday::Sat]);
    assert_eq!(rule(4).zones, [1]);
    let (edge, outcome) = site.cite(rule(4), Some(1));
    assert_eq!(
        (edge.citation.as_str(), outcome),
        ("29 CFR 1926.501(b)(1)", Outcome::Violation),
        "3 m are declared"
    );
    assert_eq!(rule(5).check, Check::TooNear { distance_m: 4.0, speed_m_s: 0.5 });
    assert_eq!(
        (rule(5).timing.confirm, &rule(5).classes[..]),
        (Duration::from_millis(200), &["truck".to_owned()][..])
    );
    let (own, _) = site.cite(rule(5), None);
    assert_eq!(
        (own.citation.as_str(), own.title.as_str(), own.basis),
        ("handbook 7.2", "Keep away", Basis::SiteFile)
    );
    assert_eq!(rule(6).timing.confirm, Duration::from_secs(20));
    assert_eq!(rule(6).check.kind(), RuleKind::Custom);
}

#[test]
fn a_stream_gets_what_is_its_own() {
    let text = "scope = 'construction'
        watch = []
        [[streams]]
        name = 'gate'
        contexts = ['road_work_zone']
        [[streams]]
        name = 'yard'
        [[zones]]
        id = 'a'
        kind = 'exclusion'
        points = [[0, 0], [1, 0], [1, 1]]
        streams = ['gate']
        [[zones]]
        id = 'b'
        kind = 'exclusion'
        points = [[0, 0], [1, 0], [1, 1]]
        streams = ['yard']
        [[rules]]
        id = 'in a'
        kind = 'in_zone'
        zones = ['a']
        [[rules]]
        id = 'in b'
        kind = 'in_zone'
        zones = ['b']
        [[rules]]
        id = 'own'
        kind = 'custom'
        when = 'person in \"b\"'";
    let yard = Site::for_stream(text, "yard").unwrap();
    assert_eq!((ids(&yard), &*yard.zones[0].id, yard.contexts.len()), (vec!["in b", "own"], "b", 0));
    let gate = Site::for_stream(text, "gate").unwrap();
    assert_eq!((ids(&gate), gate.contexts.len(), &gate.rules[0].zones[..]), (vec!["in a"], 1, &[0][..]));
    assert_eq!(ids(&Site::from_toml(text).unwrap()), ["in a", "in b", "own"]);
    let error = Site::for_stream(&text.replace("['b']", "['c']"), "gate").unwrap_err();
    assert!(error.message.contains("no zone is called \"c\""), "{error}");
    let error = Site::for_stream(text, "gates").unwrap_err();
    assert!(error.message.contains("did you mean \"gate\""), "{error}");
}

/// A rule that could never find anything would be believed to be kept.
#[test]
fn what_could_never_hold_is_refused() {
    let line = "[[lines]]\nid = 'slab'\nkind = 'walkway'\npoints = [[0, 0], [1, 0]]\n";
    let rule = |keys: &str| format!("[[rules]]\nid = 'r'\n{keys}\n");
    for (text, part) in [
        ("[[zones]]\nid = 'z'\nkind = 'area'\npoints = [[0, 0], [0.5, 0.5], [1, 1]]".to_owned(), "one line"),
        (format!("{line}ppe = ['hard_hat']"), "ppe means nothing"),
        (line.to_owned() + &rule("kind = 'in_zone'\nzones = ['slab']"), "nobody stands in a line"),
        (line.to_owned() + &rule("kind = 'custom'\nwhen = 'person in \"slab\"'"), "nobody stands in a line"),
        (line.to_owned() + &rule("kind = 'unprotected_edge'"), "of kind \"edge\""),
        (rule("kind = 'ppe_missing'\nequipment = ['boots']\nmin_height = 50"), "at most 1"),
        ("[schedules.none]\ndays = []\nfrom = '06:00'\nto = '07:00'".to_owned(), "never holds"),
    ] {
        let error = Site::from_toml(&format!("scope = 'construction'\n{text}")).unwrap_err();
        assert!(error.message.contains(part) && error.line > 1, "{text}: {error}");
    }
    let near = rule("kind = 'custom'\nwhen = 'distance(person, \"slab\") < 1'");
    assert!(Site::from_toml(&format!("scope = 'construction'\n{line}{near}")).is_ok());
}

#[test]
fn labels_without_a_meaning_can_be_named_in_rules() {
    let rest = "[[rules]]\nid = 'r'\nkind = 'custom'\nwhen = 'count(wheelbarrow) > 0'";
    assert!(Site::from_toml(&format!("scope = 'construction'\n{rest}")).is_err());
    let site = site(&format!("labels = ['Wheelbarrow']\n{rest}"));
    assert!(site.vocabulary::<&str>(&[]).resolve("wheelbarrow").is_some());
}

#[test]
fn mistakes_have_a_place() {
    let zone = "[[zones]]\nid = 'pit'\nkind = 'area'\npoints = [[0, 0], [1, 0], [1, 1]]\n";
    let rule = |rest: &str| format!("{zone}[[rules]]\nid = 'r'\n{rest}");
    let cases = [
        ("scpoe = 1".to_owned(), 2, 1, "did you mean \"scope\""),
        ("contexts = ['road_work_zone',\n  'rode']".to_owned(), 3, 3, "rode"),
        ("watch = ['no_hat']".to_owned(), 2, 10, "did you mean"),
        ("[timing]\nconfirm_ms = -1".to_owned(), 3, 14, "-1"),
        ("[timing]\nclear_ms = 99999999".to_owned(), 3, 12, "more than an hour"),
        ("[timing]\nshare = 0.5".to_owned(), 3, 9, "above 0.5"),
        ("[timing]\nshare = nan".to_owned(), 3, 9, "above 0.5"),
        ("[classes]\n'ä' = 'hart_hat'".to_owned(), 3, 7, "did you mean \"hard_hat\""),
        ("watch = ".to_owned(), 2, 9, ""),
        ("[[zones]]\nid = 'a'\nkind = 'aria'\npoints = []".to_owned(), 4, 8, "did you mean \"area\""),
        ("[[zones]]\nid = 'a'\nkind = 'area'\npoints = [[0, 0], [1, 1]]".to_owned(), 5, 10, "3 to 256"),
        (
            "[[zones]]\nid = 'a'\nkind = 'area'\npoints = [[0, 0], [1, 1], [640, 2]]".to_owned(),
            5,
            10,
            "relative",
        ),
        (
            "[[zones]]\nid = 'a'\nkind = 'area'\npoints = [[0, 0], [1, 1], [nan, 1]]".to_owned(),
            5,
            10,
            "relative",
        ),
        (format!("{zone}ppe = ['hat']"), 6, 8, "no equipment"),
        (format!("{zone}height_m = 0"), 6, 12, "above 0"),
        (format!("{zone}streams = ['gate']"), 6, 12, "no stream"),
        (format!("{zone}{zone}"), 7, 6, "twice"),
        ("[ground]\npoints = []".to_owned(), 2, 1, "four or more"),
        ("[schedules.s]\nfrom = '25:00'\nto = '01:00'".to_owned(), 3, 8, "time of day"),
        (rule("kind = 'in_zone'"), 8, 8, "needs zones"),
        (rule("kind = 'in_zone'\nzones = ['pot']"), 9, 10, "did you mean \"pit\""),
        (rule("kind = 'in_zone'\nzones = []"), 9, 9, "no zone"),
        (rule("kind = 'in_zone'\nzones = ['pit']\nmax = 3"), 10, 7, "means nothing"),
        (rule("kind = 'crowding'"), 8, 8, "needs max"),
        (rule("kind = 'crowding'\nmax = -1"), 9, 7, "-1"),
        (rule("kind = 'too_near'\ndistance_m = 0"), 9, 14, "above 0"),
        (rule("kind = 'too_near'\nclasses = ['forklft']"), 9, 12, "did you mean \"forklift\""),
        (rule("kind = 'ppe_missing'"), 8, 8, "needs equipment"),
        (rule("kind = 'ppe_missing'\nequipment = ['helm']"), 9, 14, "no equipment"),
        (rule("kind = 'custom'"), 8, 8, "needs when"),
        (rule("kind = 'custom'\nwhen = 'persn in \"pit\"'"), 9, 9, "did you mean \"person\""),
        (rule("kind = 'custom'\nwhen = 'person in \"pot\"'"), 9, 19, "no zone"),
        (rule("kind = 'custom'\nwhen = \"person in \\\"pot\\\"\""), 9, 8, "column 11"),
        (rule("kind = 'in_zon'"), 8, 8, "did you mean \"in_zone\""),
        (rule("kind = 'fire_smoke'\nschedule = 'night'"), 9, 12, "no schedule"),
        ("[[rules]]\nid = 'fall'\nkind = 'fallen'".to_owned(), 3, 6, "twice"),
    ];
    for (rest, line, column, part) in cases {
        let error = Site::from_toml(&format!("scope = 'construction'\n{rest}")).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{rest}\n{error}");
        assert!(error.message.contains(part), "{rest}\n{error}");
    }
}

#[test]
fn there_are_bounds() {
    let zone =
        |index| format!("[[zones]]\nid = '{index}'\nkind = 'area'\npoints = [[0, 0], [1, 0], [1, 1]]\n");
    let zones = |count| format!("scope = 'construction'\n{}", (0..count).map(zone).collect::<String>());
    assert_eq!(Site::from_toml(&zones(MAX_ZONES)).unwrap().zones.len(), MAX_ZONES);
    assert!(Site::from_toml(&zones(MAX_ZONES + 1)).is_err());
}
