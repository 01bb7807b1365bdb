use super::*;
use crate::hazard::Hazard;
use crate::rules::RuleKind;
use crate::standards::{Basis, Subject, candidates};
use proptest::prelude::*;

const HEADER: &str = r#"{"schema":"gst-osha.corpus/1","name":"x","version":"1"}"#;
const ROW: &str =
    r#"{"citation":"A 1","title":"Hats","scope":"all","summary":"Wear a hat.","severity":"high"}"#;

fn corpus(lines: &[&str]) -> Result<Corpus, CorpusError> {
    Corpus::from_jsonl(&lines.join("\n"))
}

fn refusal(lines: &[&str]) -> String {
    corpus(lines).unwrap_err().to_string()
}

#[test]
fn the_shipped_corpus_is_whole() {
    let corpus = Corpus::built_in();
    assert_eq!(corpus.records().len(), 183);
    assert!(
        corpus.records().iter().all(|record| record.verified != Verified::No && !record.source.is_empty())
    );
    assert_eq!(corpus.scopes(), ["construction", "general_industry", "maritime"]);
    assert_eq!(corpus.hash().len(), 64);
}

#[test]
fn every_rule_that_cites_a_standard_cites_one_of_the_corpus() {
    let subjects =
        Hazard::ALL.map(Subject::Hazard).into_iter().chain(RuleKind::ALL.into_iter().map(Subject::Rule));
    for rule in subjects.flat_map(candidates).filter(|rule| rule.basis != Basis::SitePolicy) {
        assert!(Corpus::built_in().get(rule.citation).is_some(), "{}", rule.citation);
    }
}

#[test]
fn the_hash_is_of_the_content_not_of_its_writing() {
    let plain = corpus(&[HEADER, ROW]).unwrap();
    let spaced = corpus(&[HEADER, "", &ROW.replace(":", ": "), ""]).unwrap();
    assert_eq!(plain.hash(), spaced.hash());
    assert_ne!(plain.hash(), corpus(&[HEADER, &ROW.replace("hat", "cap")]).unwrap().hash());
}

#[test]
fn lines_come_back_as_they_were() {
    let text = Corpus::built_in().to_jsonl().unwrap();
    assert_eq!(&Corpus::from_jsonl(&text).unwrap(), Corpus::built_in());
}

#[test]
fn mistakes_name_their_line() {
    assert_eq!(refusal(&[]), "the corpus holds no standard");
    assert_eq!(refusal(&[HEADER]), "the corpus holds no standard");
    assert!(refusal(&[ROW]).starts_with("line 1: unknown field `citation`"));
    assert!(refusal(&[&HEADER.replace("/1", "/9"), ROW]).contains("this version reads"));
    assert!(refusal(&[HEADER, ROW, "{"]).starts_with("line 3: EOF"));
    assert!(refusal(&[HEADER, &ROW.replace("Hats", " ")]).starts_with("line 2: the title is empty"));
    assert!(refusal(&[HEADER, &ROW.replace("high", "awful")]).contains("unknown variant `awful`"));
    assert!(refusal(&[HEADER, &ROW.replace("\"scope\"", "\"skope\"")]).contains("unknown field `skope`"));
    assert_eq!(refusal(&[HEADER, ROW, ROW]), "A 1 occurs twice; every citation has to be unique");
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = Corpus::from_file(Path::new("/nowhere/site.jsonl")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/site.jsonl: No such file"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*(\n\\PC*){0,3}") {
        let _ = Corpus::from_jsonl(&text);
    }

    #[test]
    fn any_cut_and_any_changed_byte_is_read_or_refused(cut in 0usize..2000, at in 0usize..2000, byte in any::<u8>()) {
        let text = Corpus::built_in().to_jsonl().unwrap();
        let mut bytes = text.as_bytes()[..2000].to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = Corpus::from_jsonl(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn cut_at_any_place_it_is_never_more_than_it_was(cut in 0usize..100_000) {
        let text = Corpus::built_in().to_jsonl().unwrap();
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        if let Ok(part) = Corpus::from_jsonl(&text[..cut]) {
            prop_assert!(part.records().len() <= Corpus::built_in().records().len());
            prop_assert_eq!(part.records(), &Corpus::built_in().records()[..part.records().len()]);
        }
    }
}
