//! Several elements in one pipeline.

use gst_osha_tests::Pipeline;
use gst_osha_tests::record::Record;

use super::{infer, moving, play};

#[test]
fn a_second_element_adds_to_what_the_first_one_saw() {
    let alone = play(&moving(30), "confidence=0.5", |_| {}).left.frames();
    let second = infer("confidence=0.5 classes=person").replace("name=infer", "");
    let twice = play(&format!("{} ! {second}", moving(30)), "confidence=0.5", |_| {}).left.frames();
    for ((print, once), (other, both)) in alone.iter().zip(&twice) {
        let (once, both) = (once.as_ref().unwrap(), both.as_ref().unwrap());
        let people = once.iter().filter(|object| object.class == "person").cloned();
        assert_eq!(people.chain(once.iter().cloned()).collect::<Vec<_>>(), *both);
        assert_eq!(print, other);
    }
    assert!(
        alone.iter().any(|(_, objects)| objects
            .as_ref()
            .unwrap()
            .iter()
            .any(|object| object.class == "person"))
    );
}

#[test]
fn a_second_element_that_skips_leaves_what_the_first_one_saw() {
    let first = infer("confidence=0.5").replace("name=infer", "");
    let alone = play(&moving(40), "confidence=0.5", |_| {}).left.frames();
    let after = play(&format!("{} ! {first}", moving(40)), "interval=1000", |_| {}).left.frames();
    assert_eq!(alone[1..], after[1..]);
}

#[test]
fn the_other_branch_of_a_tee_sees_nothing_of_it() {
    let line = format!(
        "{} ! tee name=t ! queue ! {} ! fakesink async=false  t. ! queue ! identity name=other ! fakesink async=false",
        moving(100),
        infer("")
    );
    let pipeline = Pipeline::new(&line).unwrap();
    let entered = Record::of(&pipeline.pad("t", "sink").unwrap());
    let left = Record::of(&pipeline.pad("infer", "src").unwrap());
    let other = Record::of(&pipeline.pad("other", "src").unwrap());
    assert_eq!(pipeline.play().unwrap(), Ok(()));
    assert_eq!(other.prints(), entered.prints());
    assert_eq!(left.prints(), entered.prints());
    assert!(
        left.frames().iter().all(|(_, objects)| objects.as_ref().is_some_and(|objects| !objects.is_empty()))
    );
    assert!(other.frames().iter().all(|(_, objects)| objects.as_ref().is_none_or(Vec::is_empty)));
}
