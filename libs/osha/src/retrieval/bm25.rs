//! How well a standard's words match a query's: Okapi BM25 over stems and concepts.

use super::text::{Term, concept_key, terms};
use crate::corpus::Record;
use std::collections::HashMap;

/// How soon a word that occurs again stops to count, and how much long standards are held back.
const SATURATION: f32 = 1.2;
const LENGTH: f32 = 0.6;

/// How much a field's words count.
const TITLE: f32 = 2.0;
const SUMMARY: f32 = 1.0;
const TRIGGERS: f32 = 1.0;
const CLASSES: f32 = 0.5;

/// How much a concept counts beside the word itself: `helmet` is not quite `hard hat`.
const CONCEPT: f32 = 0.8;

/// Which standards have which words.
#[derive(Debug)]
pub struct Bm25 {
    postings: HashMap<String, Vec<(u32, f32)>>,
    /// Length of each standard in average lengths.
    lengths: Vec<f32>,
}

/// What a query's words found.
#[derive(Debug)]
pub struct Matches {
    /// BM25 of every standard, 0 where nothing matches.
    pub scores: Vec<f32>,
    words: Vec<Word>,
}

/// A word of a query.
#[derive(Debug)]
struct Word {
    word: String,
    weight: f32,
    /// Standards that have it or a concept of it, sorted.
    rows: Vec<u32>,
}

impl Bm25 {
    /// Indexes these standards.
    pub fn new(records: &[Record]) -> Self {
        let mut postings: HashMap<String, Vec<(u32, f32)>> = HashMap::new();
        let mut lengths = Vec::with_capacity(records.len());
        for (row, record) in (0_u32..).zip(records) {
            let frequencies = frequencies(record);
            lengths.push(frequencies.values().sum::<f32>());
            for (key, frequency) in frequencies {
                postings.entry(key).or_default().push((row, frequency));
            }
        }
        let average = (lengths.iter().sum::<f32>() / lengths.len().max(1) as f32).max(f32::EPSILON);
        lengths.iter_mut().for_each(|length| *length /= average);
        Self { postings, lengths }
    }

    /// Scores every standard.
    pub fn score(&self, query: &str) -> Matches {
        let mut scores = vec![0.0; self.lengths.len()];
        let mut words: Vec<Word> = Vec::new();
        let mut counted = std::collections::HashSet::new();
        for term in terms(query) {
            self.add(&term, &mut counted, &mut scores);
            if words.iter().all(|word| word.word != term.word) {
                words.push(self.word(term));
            }
        }
        Matches { scores, words }
    }

    /// Adds what `term` and its concepts score, each key once a query.
    fn add(&self, term: &Term, counted: &mut std::collections::HashSet<String>, scores: &mut [f32]) {
        for (key, share) in weighted_keys(term) {
            if !counted.insert(key.clone()) {
                continue;
            }
            let postings = self.postings(&key);
            let rarity = self.rarity(postings.len()) * share;
            for &(row, frequency) in postings {
                let length = 1.0 - LENGTH + LENGTH * self.lengths[row as usize];
                scores[row as usize] +=
                    rarity * frequency * (SATURATION + 1.0) / (frequency + SATURATION * length);
            }
        }
    }

    fn word(&self, term: Term) -> Word {
        let mut rows: Vec<u32> =
            term.keys().flat_map(|key| self.postings(&key).iter().map(|posting| posting.0)).collect();
        rows.sort_unstable();
        rows.dedup();
        let weight = self.rarity(rows.len());
        Word { word: term.word, weight, rows }
    }

    fn postings(&self, key: &str) -> &[(u32, f32)] {
        self.postings.get(key).map_or(&[], Vec::as_slice)
    }

    /// High for what few of the standards have.
    fn rarity(&self, with: usize) -> f32 {
        let (count, with) = (self.lengths.len() as f32, with as f32);
        (1.0 + (count - with + 0.5) / (with + 0.5)).ln()
    }
}

impl Matches {
    /// The query's words that standard `row` has, or that mean something that it has.
    pub fn matched(&self, row: usize) -> Vec<String> {
        self.of(row).map(|word| word.word.clone()).collect()
    }

    /// The share of the query's words that it has, the rare ones counting more; 0 to 1.
    pub fn coverage(&self, row: usize) -> f32 {
        let all: f32 = self.words.iter().map(|word| word.weight).sum();
        if all > 0.0 { self.of(row).map(|word| word.weight).sum::<f32>() / all } else { 0.0 }
    }

    /// Whether the query has a word that says anything.
    pub fn says_something(&self) -> bool {
        !self.words.is_empty()
    }

    fn of(&self, row: usize) -> impl Iterator<Item = &Word> {
        self.words
            .iter()
            .filter(move |word| u32::try_from(row).is_ok_and(|row| word.rows.binary_search(&row).is_ok()))
    }
}

fn weighted_keys(term: &Term) -> impl Iterator<Item = (String, f32)> + '_ {
    let concepts = term.concepts.iter().map(|concept| (concept_key(concept), CONCEPT));
    std::iter::once((term.stem.clone(), 1.0)).chain(concepts)
}

/// How often a standard has each key, by the weights of its fields.
fn frequencies(record: &Record) -> HashMap<String, f32> {
    let classes = record.classes.join(", ").replace('_', " ");
    let triggers = record.triggers.join(". ");
    let fields =
        [(&record.title, TITLE), (&record.summary, SUMMARY), (&triggers, TRIGGERS), (&classes, CLASSES)];
    let mut frequencies = HashMap::new();
    for (text, weight) in fields {
        for key in terms(text).iter().flat_map(Term::keys) {
            *frequencies.entry(key).or_default() += weight;
        }
    }
    frequencies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;

    fn best(query: &str) -> &'static str {
        let records = Corpus::built_in().records();
        let scores = Bm25::new(records).score(query).scores;
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        &records[best].citation
    }

    #[test]
    fn words_find_their_standard() {
        assert_eq!(best("safety latch missing on the hook"), "29 CFR 1926.1433(d)(4)(i)");
        assert_eq!(best("ring buoy"), "29 CFR 1926.106(c)");
    }

    #[test]
    fn coverage_is_a_share_and_says_which_words_matched() {
        let matches = Bm25::new(Corpus::built_in().records()).score("ring buoy xylophone");
        let row = (0..matches.scores.len()).max_by(|a, b| matches.scores[*a].total_cmp(&matches.scores[*b]));
        assert_eq!(matches.matched(row.unwrap()), ["ring", "buoy"]);
        let coverage = matches.coverage(row.unwrap());
        assert!(coverage > 0.4 && coverage < 1.0, "{coverage}");
    }

    #[test]
    fn a_query_that_says_nothing_matches_nothing() {
        let matches = Bm25::new(Corpus::built_in().records()).score("and the …");
        assert!(!matches.says_something());
        assert!(matches.scores.iter().all(|score| *score == 0.0));
        assert_eq!(matches.coverage(0), 0.0);
    }
}
