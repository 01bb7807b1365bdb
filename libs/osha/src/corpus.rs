//! Standards as data: one JSON object a line, a header first.
//!
//! ```json
//! {"schema":"gst-osha.corpus/1","name":"osha","version":"2026.11","title":"OSHA standards that a camera can bear on"}
//! {"citation":"29 CFR 1926.100(a)","title":"Head protection (hard hats)","scope":"construction","summary":"…"}
//! ```
//!
//! The schema knows nothing of OSHA: `scope` and `contexts` are names that the corpus chooses. `docs/standards.md`
//! describes every field.

use crate::hash::Hash;
use crate::standards::Severity;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Name and version of the file format.
pub const SCHEMA: &str = "gst-osha.corpus/1";

/// The scope of a standard that holds everywhere.
pub const EVERYWHERE: &str = "all";

/// More than any corpus of regulations has; bounds what a reader allocates.
const MOST_ROWS: usize = 1_000_000;

/// The first line of a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: String,
    /// Short name, e.g. `osha`.
    pub name: String,
    /// Its version, in any form.
    pub version: String,
    /// What it holds, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

/// How well a camera can see a breach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observability {
    /// The breach itself is in the picture.
    Direct,
    /// Something that usually goes with it is.
    #[default]
    Proxy,
    /// The standard explains what is seen, but is not broken by it.
    Context,
}

/// What a row was checked against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// The regulation's text.
    Text,
    /// A summary of it by somebody who should know.
    Summary,
    /// Nothing that the corpus names.
    #[default]
    No,
}

/// One standard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// How it is cited, e.g. `29 CFR 1926.100(a)`; unique in a corpus.
    pub citation: String,
    /// The part of the regulation, e.g. `1926`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// Short name.
    pub title: String,
    /// Where it holds, e.g. `construction`; [`EVERYWHERE`] for everywhere.
    pub scope: String,
    /// What it asks for and when, in our own words.
    pub summary: String,
    /// What a breach looks like, one phrase each.
    #[serde(default)]
    pub triggers: Vec<String>,
    /// Classes of detectors that bear on it.
    #[serde(default)]
    pub classes: Vec<String>,
    /// How bad a breach is.
    pub severity: Severity,
    /// How well a camera can see a breach.
    #[serde(default)]
    pub observability: Observability,
    /// Facts about the place that have to be declared before it may be cited: all of these.
    #[serde(default)]
    pub contexts: Vec<String>,
    /// Which of the four main causes of death in construction it averts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus_four: Option<String>,
    /// Its limit in numbers, e.g. `6 ft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numeric: Option<String>,
    /// What the row was written from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What it was checked against.
    #[serde(default)]
    pub verified: Verified,
    /// Where the regulation's text is published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Record {
    /// Whether it holds in `scope`.
    pub fn holds_in(&self, scope: &str) -> bool {
        self.scope == EVERYWHERE || self.scope == scope
    }

    /// Title, summary and triggers: what an embedder reads.
    pub fn text(&self) -> String {
        let mut text = format!("{}. {}", self.title, self.summary);
        for trigger in &self.triggers {
            text.push(' ');
            text.push_str(trigger);
            text.push('.');
        }
        text
    }

    fn problem(&self) -> Option<&'static str> {
        let blank = |text: &str| text.trim().is_empty();
        match self {
            record if blank(&record.citation) => Some("the citation is empty"),
            record if blank(&record.title) => Some("the title is empty"),
            record if blank(&record.summary) => Some("the summary is empty"),
            record if blank(&record.scope) => Some("the scope is empty; \"all\" means everywhere"),
            record if record.contexts.iter().any(|context| blank(context)) => Some("a context is empty"),
            _ => None,
        }
    }
}

/// A versioned set of standards.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    header: Header,
    hash: String,
    records: Vec<Record>,
    by_citation: HashMap<String, usize>,
}

impl Corpus {
    /// The OSHA standards that ship with this library.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: OnceLock<Corpus> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            Self::from_jsonl(include_str!("../data/osha.jsonl"))
                .unwrap_or_else(|error| unreachable!("the shipped corpus is tested: {error}"))
        })
    }

    /// Reads the lines of a corpus.
    ///
    /// # Errors
    ///
    /// The first mistake, with its line: no header, another schema, no JSON, a field that is missing, empty or unknown, a
    /// citation that occurs twice, or no standard at all.
    pub fn from_jsonl(text: &str) -> Result<Self, CorpusError> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, first) = lines.next().ok_or(CorpusError::Empty)?;
        let header = read_header(first)?;
        let mut records = Vec::new();
        for (index, line) in lines {
            records.push(read_record(index + 1, line)?);
            if records.len() > MOST_ROWS {
                return Err(CorpusError::line(index + 1, format!("more than {MOST_ROWS} standards")));
            }
        }
        Self::new(header, records)
    }

    /// A corpus of these records. Its hash is that of its own lines, however they were written before.
    ///
    /// # Errors
    ///
    /// As [`Corpus::from_jsonl`].
    pub fn new(header: Header, records: Vec<Record>) -> Result<Self, CorpusError> {
        if records.is_empty() {
            return Err(CorpusError::Empty);
        }
        let mut by_citation = HashMap::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            if by_citation.insert(record.citation.clone(), index).is_some() {
                return Err(CorpusError::Twice { citation: record.citation.clone() });
            }
        }
        let mut corpus = Self { header, hash: String::new(), records, by_citation };
        corpus.hash = Hash::of(corpus.to_jsonl()?).to_string();
        Ok(corpus)
    }

    /// Reads a corpus from a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no UTF-8, or is not what [`Corpus::from_jsonl`] takes.
    pub fn from_file(path: &Path) -> Result<Self, CorpusError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CorpusError::Read { path: path.to_owned(), source })?;
        Self::from_jsonl(&text)
    }

    /// Its lines, each field in the order of the schema.
    ///
    /// # Errors
    ///
    /// When a record cannot be written as JSON.
    pub fn to_jsonl(&self) -> Result<String, CorpusError> {
        let mut text =
            serde_json::to_string(&self.header).map_err(|e| CorpusError::line(1, e.to_string()))?;
        for (index, record) in self.records.iter().enumerate() {
            text.push('\n');
            let line =
                serde_json::to_string(record).map_err(|e| CorpusError::line(index + 2, e.to_string()))?;
            text.push_str(&line);
        }
        text.push('\n');
        Ok(text)
    }

    /// The standard cited so, e.g. `29 CFR 1926.100(a)`.
    pub fn get(&self, citation: &str) -> Option<&Record> {
        self.by_citation.get(citation).map(|index| &self.records[*index])
    }

    /// Every standard, in the file's order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Its first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.header.version
    }

    /// SHA-256 of its content in the form of [`Corpus::to_jsonl`], in hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Every scope that occurs, but for [`EVERYWHERE`], sorted.
    pub fn scopes(&self) -> Vec<&str> {
        sorted(self.records.iter().map(|record| record.scope.as_str()).filter(|scope| *scope != EVERYWHERE))
    }

    /// Every context that occurs, sorted.
    pub fn contexts(&self) -> Vec<&str> {
        sorted(self.records.iter().flat_map(|record| &record.contexts).map(String::as_str))
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn read_header(line: &str) -> Result<Header, CorpusError> {
    let header: Header = serde_json::from_str(line).map_err(|error| {
        CorpusError::line(1, format!("{error}; the first line has to be {{\"schema\":\"{SCHEMA}\",…}}"))
    })?;
    if header.schema != SCHEMA {
        let reason = format!("schema is {:?}, but this version reads {SCHEMA:?}", header.schema);
        return Err(CorpusError::line(1, reason));
    }
    Ok(header)
}

fn read_record(number: usize, line: &str) -> Result<Record, CorpusError> {
    let record: Record =
        serde_json::from_str(line).map_err(|error| CorpusError::line(number, error.to_string()))?;
    match record.problem() {
        Some(problem) => Err(CorpusError::line(number, problem.to_owned())),
        None => Ok(record),
    }
}

/// Why a corpus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is wrong.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Two rows have one citation.
    #[error("{citation} occurs twice; every citation has to be unique")]
    Twice {
        /// The citation.
        citation: String,
    },
    /// There is no standard in it.
    #[error("the corpus holds no standard")]
    Empty,
}

impl CorpusError {
    fn line(line: usize, reason: String) -> Self {
        Self::Line { line, reason }
    }
}

#[cfg(test)]
mod tests;
