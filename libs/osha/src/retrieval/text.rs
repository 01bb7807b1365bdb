//! Words, their stems, and the concepts of `data/lexicon.toml` that they name.

use rust_stemmers::{Algorithm, Stemmer};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

/// Words of a text beyond this are not read: a query or standard never has so many.
const MOST_WORDS: usize = 512;

/// Letters of a word beyond these are not read.
const LONGEST_WORD: usize = 40;

/// Words that say nothing about a hazard.
const STOP_WORDS: &str = "
    a about against all also an and any anybody anyone appears approx approximately are arent around as at be
    because been being beside between bit bloke boy buddy but by came camera can cannot cant chap close
    colleague come comes contractor could coworker crew did didnt do does doesnt doing done dont dude each
    employee employees employer every everybody everyone fella fellow fellows folk for frame from gang gentleman
    get girl go goes going gone got guy had has hasnt have havent he her here hes him his how i if im image in
    individual individuals into is isnt it its just kid kind labourer lad lady left look looking looks lot lots
    man mate may me men missing more must my near next no nobody none nor not nothing noticed observed of off on
    one only onto operative or other our out over people per person persons photo picture properly quite really
    right sat see seems seen sees she shes should showing shown shows sits sitting so some somebody someone sort
    spotted staff stand standing stands still stood stuff subby team than that thats the their them then there
    these they theyre thing things this those though till to too until up upon us use used using very visible
    was wasnt we wear wearing wears went were weve what when where which while whilst who whose will with within
    without woman wont work worker workers working worn would you youngster your
";

/// A word of a text that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// As it was written, in lower case.
    pub word: String,
    /// Its stem, spelt the American way.
    pub stem: String,
    /// Names of the concepts that it, or the phrase that it is part of, stands for.
    pub concepts: Vec<&'static str>,
}

impl Term {
    /// What it is indexed under: its stem, and each concept with a mark that no stem has.
    pub fn keys(&self) -> impl Iterator<Item = String> + '_ {
        std::iter::once(self.stem.clone()).chain(self.concepts.iter().map(|concept| concept_key(concept)))
    }
}

/// What a concept is indexed under.
pub fn concept_key(concept: &str) -> String {
    format!("={concept}")
}

/// The words of `text` that say something, in its order.
pub fn terms(text: &str) -> Vec<Term> {
    let words = words(text);
    let stems: Vec<_> = words.iter().map(|word| stem(word)).collect();
    let mut concepts = Lexicon::get().concepts(&stems);
    let said = words.into_iter().zip(stems).enumerate().filter_map(|(index, (word, stem))| {
        let concepts = std::mem::take(&mut concepts[index]);
        let says_nothing = concepts.is_empty() && stop_words().contains(word.as_str());
        (!says_nothing).then_some(Term { word, stem, concepts })
    });
    said.collect()
}

fn stop_words() -> &'static HashSet<&'static str> {
    static WORDS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| STOP_WORDS.split_whitespace().collect())
}

/// Runs of letters and digits in lower case, without possessive endings.
fn words(text: &str) -> Vec<String> {
    let text = text.replace("'s", "").replace("’s", "").replace(['\'', '’'], "");
    let runs = text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.take(MOST_WORDS)
        .map(|run| run.chars().take(LONGEST_WORD).collect::<String>().to_lowercase())
        .collect()
}

/// The stem of a word in lower case.
fn stem(word: &str) -> String {
    static STEMMER: OnceLock<Stemmer> = OnceLock::new();
    let stemmer = STEMMER.get_or_init(|| Stemmer::create(Algorithm::English));
    if !word.is_ascii() {
        return word.to_owned();
    }
    stemmer.stem(&american(word)).into_owned()
}

/// British spellings in the American way; others are changed alike wherever they occur.
fn american(word: &str) -> String {
    let word = match word {
        "kerb" => "curb",
        "kerbs" => "curbs",
        "tyre" => "tire",
        "tyres" => "tires",
        "grey" => "gray",
        "aluminium" => "aluminum",
        "programme" => "program",
        "mould" => "mold",
        "plough" => "plow",
        _ => word,
    };
    let swap = |from: &str, to: &str| word.strip_suffix(from).map(|root| format!("{root}{to}"));
    if word.len() < 6 {
        return word.to_owned();
    }
    [
        ("isation", "ization"),
        ("ise", "ize"),
        ("ised", "ized"),
        ("ising", "izing"),
        ("our", "or"),
        ("ours", "ors"),
    ]
    .into_iter()
    .chain([("oured", "ored"), ("tre", "ter"), ("lled", "led"), ("lling", "ling"), ("ller", "ler")])
    .find_map(|(from, to)| swap(from, to))
    .unwrap_or_else(|| word.to_owned())
}

/// Phrases and the concepts that they stand for.
struct Lexicon {
    /// By the first stem of the phrase.
    phrases: HashMap<String, Vec<Phrase>>,
}

struct Phrase {
    stems: Vec<String>,
    concept: &'static str,
}

impl Lexicon {
    fn get() -> &'static Self {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| Self::parse(include_str!("../../data/lexicon.toml")))
    }

    fn parse(text: &'static str) -> Self {
        let table: BTreeMap<String, Vec<String>> = toml::from_str(text)
            .unwrap_or_else(|error| unreachable!("the shipped lexicon is tested: {error}"));
        let mut phrases: HashMap<String, Vec<Phrase>> = HashMap::new();
        for (concept, spellings) in table {
            let concept: &'static str = concept.leak();
            for spelling in spellings {
                let stems: Vec<_> = words(&spelling).iter().map(|word| stem(word)).collect();
                phrases.entry(stems[0].clone()).or_default().push(Phrase { stems, concept });
            }
        }
        Self { phrases }
    }

    /// For each stem, the concepts of all phrases that it is part of, sorted.
    fn concepts(&self, stems: &[String]) -> Vec<Vec<&'static str>> {
        let mut found = vec![Vec::new(); stems.len()];
        for start in 0..stems.len() {
            for phrase in self.phrases.get(&stems[start]).into_iter().flatten() {
                let end = start + phrase.stems.len();
                if stems.get(start..end) == Some(phrase.stems.as_slice()) {
                    found[start..end].iter_mut().for_each(|concepts| concepts.push(phrase.concept));
                }
            }
        }
        for concepts in &mut found {
            concepts.sort_unstable();
            concepts.dedup();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        terms(text).into_iter().map(|term| term.stem).collect()
    }

    fn concepts(text: &str) -> Vec<&'static str> {
        terms(text).into_iter().flat_map(|term| term.concepts).collect()
    }

    #[test]
    fn plurals_verb_forms_and_spellings_meet() {
        assert_eq!(stems("Ladders"), stems("ladder"));
        assert_eq!(stems("coloured kerbs, organised"), stems("colored curb organize"));
        assert_eq!(stems("the crane's HOOK"), stems("crane hooks"));
        assert_eq!(stems("signalling"), stems("signaling"));
    }

    #[test]
    fn a_phrase_is_a_concept_in_any_spelling() {
        for text in ["hard hat", "hard hats", "Hard-Hat", "hardhat", "helmets"] {
            assert!(concepts(text).contains(&"hard_hat"), "{text}");
        }
        assert!(!concepts("a hard day").contains(&"hard_hat"));
        assert!(concepts("not tied off").contains(&"tie_off"));
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        assert!(terms("he is on the, and with it").is_empty());
        assert!(terms("  …!? ").is_empty());
    }

    #[test]
    fn no_text_is_too_long() {
        assert!(terms(&"ladder ".repeat(100_000)).len() <= MOST_WORDS);
        assert!(terms(&"x".repeat(1_000_000))[0].word.len() <= LONGEST_WORD);
    }
}
