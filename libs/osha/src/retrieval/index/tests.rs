use super::*;
use crate::retrieval::{BuiltIn, Scan};

fn index() -> Index {
    Index::build(Corpus::built_in().clone(), BuiltIn::get(), &Scan).unwrap()
}

fn query(text: &str, scope: &str, contexts: Option<&[&str]>) -> Query {
    let contexts = contexts.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Query { text: text.to_owned(), scope: Some(scope.to_owned()), contexts, limit: 5 }
}

#[test]
fn a_question_finds_its_standard_and_says_why() {
    let answer =
        index().query(&query("worker on a roof edge without harness", "construction", None)).unwrap();
    let first = &answer.hits[0];
    assert!(first.citation.starts_with("29 CFR 1926.501(b)"), "{first:?}");
    assert!(first.matched.contains(&"roof".to_owned()) && first.lexical > 0.0 && first.semantic > 0.0);
    assert_eq!(answer.considered + answer.filtered, Corpus::built_in().records().len());
}

#[test]
fn another_scope_is_left_out_before_ranking() {
    for (scope, part) in [("construction", "29 CFR 1926"), ("general_industry", "29 CFR 1910")] {
        let answer = index().query(&query("guardrail missing at an open edge", scope, None)).unwrap();
        assert!(!answer.hits.is_empty());
        assert!(answer.hits.iter().all(|hit| hit.citation.starts_with(part) || hit.scope == EVERYWHERE));
    }
}

#[test]
fn a_standard_whose_context_is_not_declared_is_left_out() {
    let vests = "excavation worker without a high-visibility vest beside traffic";
    let cited = |contexts| {
        let answer = index().query(&query(vests, "construction", contexts)).unwrap();
        answer.hits.iter().map(|hit| (hit.citation.clone(), hit.applies)).collect::<Vec<_>>()
    };
    let excavation = ("29 CFR 1926.651(d)".to_owned(), true);
    assert!(cited(Some(&["excavation_zone", "public_traffic"])).contains(&excavation));
    assert!(cited(Some(&["excavation_zone"])).iter().all(|hit| hit.0 != excavation.0));
    assert!(
        cited(None).contains(&(excavation.0, false)),
        "undeclared is not the same as declared to be absent"
    );
}

#[test]
fn nothing_is_found_for_what_is_no_hazard() {
    for text in ["recipe for tomato soup", "", "the", "…", "zzz qqq xxx"] {
        let answer = index().query(&query(text, "construction", None)).unwrap();
        assert!(answer.hits.is_empty(), "{text}: {:?}", answer.hits[0]);
        assert!(answer.confidence < answer.least_confidence);
    }
}

#[test]
fn a_scope_that_does_not_exist_leaves_what_holds_everywhere() {
    let answer = index().query(&query("recognised serious hazard", "the moon", None)).unwrap();
    assert_eq!(answer.considered, 1);
}

#[test]
fn the_same_question_is_answered_from_memory_and_memory_is_bounded() {
    let index = index();
    let asked = query("ladder too short", "construction", None);
    let first = index.query(&asked).unwrap();
    assert!(Arc::ptr_eq(&first, &index.query(&asked).unwrap()));
    for number in 0..REMEMBERED + 10 {
        index.query(&query(&format!("ladder {number}"), "construction", None)).unwrap();
    }
    assert!(index.answers.lock().unwrap().len() <= REMEMBERED);
    assert_eq!(first, index.query(&asked).unwrap());
}

#[test]
fn hits_are_as_many_as_asked_for() {
    let index = index();
    for limit in [0, 1, 3, 1000] {
        let asked = Query { limit, ..query("ladder", "construction", None) };
        assert!(index.query(&asked).unwrap().hits.len() <= limit);
    }
}
