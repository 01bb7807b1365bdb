//! Texts as vectors: the trait, and an embedder that needs no download.

use super::text::{Term, terms};
use crate::corpus::Corpus;
use crate::hash::Hash;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// Turns texts into vectors whose inner product tells how alike they are.
pub trait Embedder: Send + Sync {
    /// Name and version. Vectors of different ids must not be compared.
    fn id(&self) -> &str;

    /// Length of every vector.
    fn dimension(&self) -> usize;

    /// The vector of `text`, of length 1; all zeros if the text says nothing.
    ///
    /// # Errors
    /// When the embedder fails, e.g. for want of memory.
    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError>;

    /// What its cosines mean.
    fn calibration(&self) -> Calibration;
}

/// How far an embedder's cosines are to be trusted; found on the queries for tuning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Share of the semantic score in the ranking, 0 to 1; the lexical score has the rest.
    pub semantic_share: f32,
    /// The least confidence at which something counts as found; see [`Calibration::confidence`].
    pub least_confidence: f32,
    /// Cosine that unrelated texts usually have with their nearest standard.
    pub cosine_unrelated: f32,
    /// Cosine that related texts usually have with theirs.
    pub cosine_related: f32,
}

impl Calibration {
    /// How sure it is, 0 to 1, that a standard with this cosine is meant, which has `matched` of the query's words and the
    /// share `coverage` of their weight. Several words in common tell more than a high cosine.
    pub fn confidence(&self, cosine: f32, matched: usize, coverage: f32) -> f32 {
        let span = (self.cosine_related - self.cosine_unrelated).max(f32::EPSILON);
        let semantic = ((cosine - self.cosine_unrelated) / span).clamp(0.0, 1.0);
        let words = (matched as f32 / ENOUGH_WORDS).min(1.0);
        0.3 * semantic + 0.4 * words + 0.3 * coverage.clamp(0.0, 1.0)
    }
}

/// Words in common beyond which more say nothing new.
const ENOUGH_WORDS: f32 = 3.0;

/// Why a text has no vector.
#[derive(Debug, thiserror::Error)]
#[error("{embedder}: {reason}")]
pub struct EmbedError {
    /// Its id.
    pub embedder: String,
    /// What went wrong.
    pub reason: String,
}

/// Stems, concepts and parts of words, hashed into one vector and weighted by how rare they are in the shipped corpus.
/// Deterministic, and the same on every machine.
#[derive(Debug)]
pub struct BuiltIn {
    id: String,
    rarity: HashMap<String, f32>,
    /// Of a key that no standard has.
    most: f32,
}

/// Length of the built-in embedder's vectors.
const DIMENSION: usize = 1024;

/// Weights of a stem, a concept, and one part of a word.
const STEM: f32 = 1.0;
const CONCEPT: f32 = 1.0;
const PART: f32 = 0.06;

impl BuiltIn {
    /// The embedder; made once a process.
    pub fn get() -> Arc<Self> {
        static EMBEDDER: OnceLock<Arc<BuiltIn>> = OnceLock::new();
        EMBEDDER.get_or_init(|| Arc::new(Self::new(Corpus::built_in()))).clone()
    }

    fn new(corpus: &Corpus) -> Self {
        let mut documents: HashMap<String, usize> = HashMap::new();
        for record in corpus.records() {
            let keys: HashSet<_> = terms(&record.text()).iter().flat_map(Term::keys).collect();
            keys.into_iter().for_each(|key| *documents.entry(key).or_default() += 1);
        }
        let count = corpus.records().len() as f32;
        let rarity = |with: f32| (1.0 + (count - with + 0.5) / (with + 0.5)).ln();
        let fingerprint =
            Hash::of(format!("{}{}", corpus.hash(), include_str!("../../data/lexicon.toml"))).to_string();
        Self {
            id: format!("built-in/2-{}", &fingerprint[..12]),
            rarity: documents.into_iter().map(|(key, with)| (key, rarity(with as f32))).collect(),
            most: rarity(0.0),
        }
    }

    fn rarity(&self, key: &str) -> f32 {
        self.rarity.get(key).copied().unwrap_or(self.most)
    }

    fn add_term(&self, features: &mut HashMap<String, f32>, term: &Term) {
        let weight = self.rarity(&term.stem);
        *features.entry(term.stem.clone()).or_default() += STEM * weight;
        for concept in term.keys().skip(1) {
            let weight = self.rarity(&concept);
            *features.entry(concept).or_default() += CONCEPT * weight;
        }
        for part in parts(&term.stem) {
            *features.entry(part).or_default() += PART * weight;
        }
    }
}

/// Runs of three and four letters of a word with its borders marked.
fn parts(stem: &str) -> Vec<String> {
    let letters: Vec<char> = format!("<{stem}>").chars().collect();
    [3, 4]
        .into_iter()
        .flat_map(|size| letters.windows(size).map(|part| part.iter().collect()).collect::<Vec<_>>())
        .collect()
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    // FNV's low bits depend on few letters only: fold the high ones in.
    (hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Scales a vector to length 1; one of zeros stays.
pub fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32;
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

impl Embedder for BuiltIn {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let mut features = HashMap::new();
        terms(text).iter().for_each(|term| self.add_term(&mut features, term));
        // Sorted, so that sums do not depend on the order of a hash table.
        let mut features: Vec<_> = features.into_iter().collect();
        features.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut vector = vec![0.0; DIMENSION];
        for (feature, weight) in features {
            let hash = hash(&feature);
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            // Said twice is not twice as true.
            vector[(hash >> 20) as usize % DIMENSION] += sign * weight.sqrt();
        }
        normalise(&mut vector);
        Ok(vector)
    }

    fn calibration(&self) -> Calibration {
        Calibration {
            semantic_share: 0.35,
            least_confidence: 0.45,
            cosine_unrelated: 0.1,
            cosine_related: 0.4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let embed = |text| BuiltIn::get().embed(text).unwrap();
        embed(a).iter().zip(embed(b)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_length_one() {
        let vector = BuiltIn::get().embed("worker on a roof edge without harness").unwrap();
        assert_eq!(vector.len(), DIMENSION);
        assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn what_means_the_same_is_near_and_what_does_not_is_far() {
        assert!((cosine("no helmet", "no helmet") - 1.0).abs() < 1e-5);
        assert!(cosine("no helmet", "without a hard hat") > 0.3);
        assert!(cosine("no helmet", "fork truck with a raised mast") < 0.2);
        assert!(cosine("scafolding", "scaffolding") > 0.2, "a spelling mistake is no other word");
    }

    #[test]
    fn an_empty_text_is_zeros_and_strange_ones_are_finite() {
        assert!(BuiltIn::get().embed("").unwrap().iter().all(|value| *value == 0.0));
        for text in ["\u{0}", "äöü 漢字 🦺", &"a".repeat(1 << 20), &"harness ".repeat(1 << 16)] {
            assert!(BuiltIn::get().embed(text).unwrap().iter().all(|value| value.is_finite()));
        }
    }
}
