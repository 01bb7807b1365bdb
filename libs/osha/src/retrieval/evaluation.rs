//! How well an index answers questions whose answers are known.

use super::index::{Index, Query, RetrievalError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A question and what should be found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// In anybody's words.
    pub text: String,
    /// Where it is asked.
    #[serde(default)]
    pub scope: Option<String>,
    /// What the site declares; absent for nothing known.
    #[serde(default)]
    pub contexts: Option<BTreeSet<String>>,
    /// Citations that are right, any of them; empty if nothing should be found.
    pub expect: Vec<String>,
    /// What it is for. `tuning` and `held_out` are by the author of the first lexicon, `other_words` avoids its words,
    /// `development` was written without it, `harder` at lengths and in words that it did not have. `final` and
    /// `harder_final` are the halves of the last two that nothing was tuned on.
    #[serde(default)]
    pub split: String,
}

/// The questions that ship with this library.
pub const BUILT_IN: &str = include_str!("../../data/queries.jsonl");

/// Reads questions, one JSON object a line.
///
/// # Errors
/// The first mistake, with its line.
pub fn questions(text: &str) -> Result<Vec<Question>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| serde_json::from_str(line).map_err(|e| format!("line {}: {e}", index + 1)))
        .collect()
}

/// What came of it. A question that was not answered counts as not recalled.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Questions that have an answer.
    pub related: usize,
    /// Of these, whose first hit is right.
    pub first: usize,
    /// Of these, with a right one among the first five hits.
    pub five: usize,
    /// Of these, with any hit.
    pub answered: usize,
    /// Questions that have no answer.
    pub unrelated: usize,
    /// Of these, without any hit.
    pub abstained: usize,
    /// The related ones whose first hit is not right, with what was found.
    pub wrong: Vec<String>,
    /// The unrelated ones that were answered, with what was found.
    pub mistaken: Vec<String>,
}

impl Figures {
    /// The share of related questions whose first hit is right.
    pub fn recall_1(&self) -> f64 {
        share(self.first, self.related)
    }

    /// The share of related questions with a right one among the first five.
    pub fn recall_5(&self) -> f64 {
        share(self.five, self.related)
    }

    /// The share of related questions that were answered.
    pub fn answers(&self) -> f64 {
        share(self.answered, self.related)
    }

    /// The share of unrelated questions that were not.
    pub fn abstentions(&self) -> f64 {
        share(self.abstained, self.unrelated)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Asks every question of `split`, or all if it is empty.
///
/// # Errors
/// When a query fails.
pub fn evaluate(index: &Index, questions: &[Question], split: &str) -> Result<Figures, RetrievalError> {
    let mut figures = Figures::default();
    for question in questions.iter().filter(|question| split.is_empty() || question.split == split) {
        let Question { text, scope, contexts, .. } = question.clone();
        let answer = index.query(&Query { text, scope, contexts, limit: 5 })?;
        let found: Vec<&str> = answer.hits.iter().map(|hit| hit.citation.as_str()).collect();
        count(&mut figures, question, &found, answer.confidence);
    }
    Ok(figures)
}

fn count(figures: &mut Figures, question: &Question, found: &[&str], confidence: f32) {
    let right = |citation: &&str| question.expect.iter().any(|expected| expected == citation);
    let story = || format!("{:?} ({confidence:.2}): {}", question.text, found.join(", "));
    if question.expect.is_empty() {
        figures.unrelated += 1;
        figures.abstained += usize::from(found.is_empty());
        figures.mistaken.extend((!found.is_empty()).then(story));
        return;
    }
    figures.related += 1;
    figures.answered += usize::from(!found.is_empty());
    figures.five += usize::from(found.iter().any(right));
    let first = found.first().is_some_and(right);
    figures.first += usize::from(first);
    figures.wrong.extend((!first).then(story));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use crate::retrieval::{BuiltIn, Scan};

    #[test]
    fn the_built_in_embedder_finds_what_people_on_sites_ask_for() {
        let index = Index::build(Corpus::built_in().clone(), BuiltIn::get(), &Scan).unwrap();
        let mut questions = questions(BUILT_IN).unwrap();
        questions.retain(|question| !question.split.ends_with("final"));
        let figures = evaluate(&index, &questions, "").unwrap();
        assert_eq!((figures.related, figures.unrelated), (145, 69));
        assert!(figures.recall_1() >= 0.6 && figures.recall_5() >= 0.9, "{figures:#?}");
        assert!(figures.answers() >= 0.9 && figures.abstentions() >= 0.9, "{figures:#?}");
    }

    #[test]
    fn the_questions_expect_standards_that_exist() {
        for question in questions(BUILT_IN).unwrap() {
            assert!(
                question.expect.iter().all(|citation| Corpus::built_in().get(citation).is_some()),
                "{question:?}"
            );
        }
    }

    #[test]
    fn mistakes_name_their_line() {
        assert!(questions("{\"text\":\"a\",\"expect\":[]}\n\n{").unwrap_err().starts_with("line 3: EOF"));
    }
}
