//! An index over a corpus, and its answers.

use super::bm25::{Bm25, Matches};
use super::embedder::{EmbedError, Embedder};
use super::vectors::{VectorEngine, VectorError, VectorSearch, dot};
use crate::corpus::{Corpus, EVERYWHERE, Record};
use crate::standards::Severity;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// How many standards of each kind of score are ranked, at least.
const CANDIDATES: usize = 100;

/// How many of the best ranked decide whether anything was found.
const DECIDING: usize = 5;

/// How many answers are kept for queries that come again.
const REMEMBERED: usize = 1024;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Query {
    /// In anybody's words.
    pub text: String,
    /// Only standards that hold here, e.g. `construction`; `None` for all.
    #[serde(default)]
    pub scope: Option<String>,
    /// What the site declares. Standards that need more are left out; with `None` they stay, and say what they need.
    #[serde(default)]
    pub contexts: Option<BTreeSet<String>>,
    /// How many hits are wanted, at most.
    #[serde(default)]
    pub limit: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Best first; empty if no standard was found.
    pub hits: Vec<Hit>,
    /// How sure it is, 0 to 1, that one of the best hits is meant at all.
    pub confidence: f32,
    /// The confidence below which nothing counts as found.
    pub least_confidence: f32,
    /// Standards that the filters left.
    pub considered: usize,
    /// Standards that the filters took out.
    pub filtered: usize,
}

/// A standard and why it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// How it is cited.
    pub citation: String,
    /// Short name.
    pub title: String,
    /// What it asks for and when.
    pub summary: String,
    /// Where it holds.
    pub scope: String,
    /// How bad a breach is.
    pub severity: Severity,
    /// What the site has to declare before it may be cited.
    pub needs: Vec<String>,
    /// Whether the query declared all of that.
    pub applies: bool,
    /// What the ranking is by, 0 to 1: cosine, BM25 and coverage as shares of the largest ones, blended.
    pub score: f32,
    /// Cosine of the query's and the standard's vectors.
    pub semantic: f32,
    /// BM25.
    pub lexical: f32,
    /// The share of the query's words that the standard has, the rare ones counting more; 0 to 1.
    pub coverage: f32,
    /// Those words.
    pub matched: Vec<String>,
}

/// A corpus, its vectors and its words.
pub struct Index {
    corpus: Corpus,
    embedder: Arc<dyn Embedder>,
    groups: Vec<Group>,
    /// Group and place in it of each standard.
    places: Vec<(usize, usize)>,
    words: Bm25,
    answers: Mutex<HashMap<Query, Arc<Answer>>>,
}

/// Standards that every filter treats alike, so that a filter picks groups before anything is ranked.
struct Group {
    scope: String,
    needs: BTreeSet<String>,
    /// Rows of the corpus.
    rows: Vec<usize>,
    vectors: Box<dyn VectorSearch>,
}

impl Group {
    fn passes(&self, query: &Query) -> bool {
        let scope = query.scope.as_ref();
        scope.is_none_or(|scope| self.scope == EVERYWHERE || self.scope == *scope)
            && query.contexts.as_ref().is_none_or(|declared| self.needs.is_subset(declared))
    }
}

impl Index {
    /// Embeds every standard of `corpus`.
    ///
    /// # Errors
    /// When the embedder or the engine fails.
    pub fn build(
        corpus: Corpus,
        embedder: Arc<dyn Embedder>,
        engine: &dyn VectorEngine,
    ) -> Result<Self, RetrievalError> {
        let mut vectors = Vec::with_capacity(corpus.records().len() * embedder.dimension());
        for record in corpus.records() {
            vectors.extend(embedder.embed(&record.text())?);
        }
        Self::with_vectors(corpus, embedder, engine, &vectors)
    }

    /// An index whose `vectors`, one for each standard, are known.
    pub(super) fn with_vectors(
        corpus: Corpus,
        embedder: Arc<dyn Embedder>,
        engine: &dyn VectorEngine,
        vectors: &[f32],
    ) -> Result<Self, RetrievalError> {
        let groups = groups(&corpus, embedder.dimension(), engine, vectors)?;
        let mut places = vec![(0, 0); corpus.records().len()];
        for (number, group) in groups.iter().enumerate() {
            group.rows.iter().enumerate().for_each(|(place, row)| places[*row] = (number, place));
        }
        let words = Bm25::new(corpus.records());
        Ok(Self { corpus, embedder, groups, places, words, answers: Mutex::default() })
    }

    /// The standards that fit `query`, best first; none if the best is not sure enough. An answer is kept: asking the
    /// same again costs a look-up.
    ///
    /// # Errors
    /// When the embedder or the engine fails.
    pub fn query(&self, query: &Query) -> Result<Arc<Answer>, RetrievalError> {
        if let Some(answer) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(query) {
            return Ok(answer.clone());
        }
        let answer = Arc::new(self.answer(query)?);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= REMEMBERED {
            answers.clear();
        }
        answers.insert(query.clone(), answer.clone());
        Ok(answer)
    }

    /// The corpus that it is over.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The embedder that its vectors are from.
    pub fn embedder(&self) -> &dyn Embedder {
        &*self.embedder
    }

    /// The vector of standard `row` of the corpus.
    pub(super) fn vector(&self, row: usize) -> &[f32] {
        let (group, place) = self.places[row];
        let dimension = self.embedder.dimension();
        &self.groups[group].vectors.rows()[place * dimension..][..dimension]
    }

    fn answer(&self, query: &Query) -> Result<Answer, RetrievalError> {
        let matches = self.words.score(&query.text);
        let vector = self.embedder.embed(&query.text)?;
        let groups: Vec<&Group> = self.groups.iter().filter(|group| group.passes(query)).collect();
        let considered = groups.iter().map(|group| group.rows.len()).sum();
        let candidates = self.candidates(&groups, &vector, &matches, query.limit.max(CANDIDATES))?;
        let calibration = self.embedder.calibration();
        let ranked = self.rank(&candidates, &matches, calibration.semantic_share);
        let sure = |(row, _, cosine): &(usize, f32, f32)| {
            calibration.confidence(*cosine, matches.matched(*row).len(), matches.coverage(*row))
        };
        let confidence = if matches.says_something() {
            ranked.iter().take(DECIDING).map(sure).fold(0.0, f32::max)
        } else {
            0.0
        };
        let limit = if confidence < calibration.least_confidence { 0 } else { query.limit };
        let hits = ranked.iter().take(limit).map(|ranked| self.hit(*ranked, &matches, query)).collect();
        let filtered = self.corpus.records().len() - considered;
        Ok(Answer { hits, confidence, least_confidence: calibration.least_confidence, considered, filtered })
    }

    /// The rows nearest by vector, and those best by words, each with its cosine.
    fn candidates(
        &self,
        groups: &[&Group],
        vector: &[f32],
        matches: &Matches,
        limit: usize,
    ) -> Result<BTreeMap<usize, f32>, RetrievalError> {
        let mut candidates = BTreeMap::new();
        for group in groups {
            let nearest = group.vectors.search(vector, limit.min(group.rows.len()))?;
            candidates.extend(nearest.into_iter().map(|(place, cosine)| (group.rows[place], cosine)));
        }
        let mut named: Vec<usize> = groups.iter().flat_map(|group| group.rows.iter().copied()).collect();
        named.retain(|row| matches.scores[*row] > 0.0);
        named.sort_unstable_by(|a, b| matches.scores[*b].total_cmp(&matches.scores[*a]).then(a.cmp(b)));
        for row in named.into_iter().take(limit) {
            candidates.entry(row).or_insert_with(|| dot(self.vector(row), vector));
        }
        Ok(candidates)
    }

    /// Row, score and cosine, best first.
    fn rank(
        &self,
        candidates: &BTreeMap<usize, f32>,
        matches: &Matches,
        share: f32,
    ) -> Vec<(usize, f32, f32)> {
        let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(f32::EPSILON, f32::max);
        let nearest = largest(&mut candidates.values().copied());
        let best = largest(&mut candidates.keys().map(|row| matches.scores[*row]));
        let widest = largest(&mut candidates.keys().map(|row| matches.coverage(*row)));
        let score = |row: usize, cosine: f32| {
            let words = 0.5 * (matches.scores[row] / best + matches.coverage(row) / widest);
            share * cosine.max(0.0) / nearest + (1.0 - share) * words
        };
        let mut ranked: Vec<_> =
            candidates.iter().map(|(&row, &cosine)| (row, score(row, cosine), cosine)).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
    }

    fn hit(&self, (row, score, cosine): (usize, f32, f32), matches: &Matches, query: &Query) -> Hit {
        let record: &Record = &self.corpus.records()[row];
        let declared = |need| query.contexts.as_ref().is_some_and(|contexts| contexts.contains(need));
        Hit {
            citation: record.citation.clone(),
            title: record.title.clone(),
            summary: record.summary.clone(),
            scope: record.scope.clone(),
            severity: record.severity,
            needs: record.contexts.clone(),
            applies: record.contexts.iter().all(declared),
            score,
            semantic: cosine,
            lexical: matches.scores[row],
            coverage: matches.coverage(row),
            matched: matches.matched(row),
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = self.corpus.header();
        write!(f, "Index({} {}, {})", header.name, header.version, self.embedder.id())
    }
}

fn groups(
    corpus: &Corpus,
    dimension: usize,
    engine: &dyn VectorEngine,
    vectors: &[f32],
) -> Result<Vec<Group>, RetrievalError> {
    let mut members: BTreeMap<(&str, BTreeSet<String>), Vec<usize>> = BTreeMap::new();
    for (row, record) in corpus.records().iter().enumerate() {
        let needs = record.contexts.iter().cloned().collect();
        members.entry((&record.scope, needs)).or_default().push(row);
    }
    let group = |((scope, needs), rows): ((&str, BTreeSet<String>), Vec<usize>)| {
        let own: Vec<f32> =
            rows.iter().flat_map(|row| &vectors[row * dimension..][..dimension]).copied().collect();
        let vectors = engine.load(dimension, &own)?;
        Ok(Group { scope: scope.to_owned(), needs, rows, vectors })
    };
    members.into_iter().map(group).collect()
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The vector engine failed.
    #[error(transparent)]
    Vectors(#[from] VectorError),
}

#[cfg(test)]
mod tests;
