//! Real files with changes that files have: bytes, words, brackets and lines that are wrong, missing, doubled or moved.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::ops::Range;

/// Words and numbers that readers stumble over.
const STUMBLING: [&str; 36] = [
    "",
    "0",
    "-0",
    "1",
    "-1",
    "0.5",
    "1e-320",
    "1e39",
    "-1e39",
    "1e308",
    "1e999",
    "nan",
    "-inf",
    "255",
    "65536",
    "4294967296",
    "18446744073709551615",
    "9223372036854775808",
    "99999999999999999999999999",
    "0x7f",
    "true",
    "null",
    "\"\"",
    "''",
    "[]",
    "{}",
    "\\",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\u{feff}",
    "ä",
    "🦺",
    "\u{202e}",
    "\r",
    "\n\n",
];

/// Bytes that an input may have: enough for a reader whose time grows with the square to be noticed.
const LARGEST: usize = 100_000;

const BRACKETS: [&str; 8] = ["[", "{", "(", "[[", "{\"a\":", "a.", "not ", "not ("];

/// One change. An index names a word or a line, however many there are.
#[derive(Clone, Debug)]
enum Change {
    Byte(Index, u8),
    Replace(Index, &'static str),
    CopyWord { from: Index, over: Index },
    Insert(Index, String),
    Nest(Index, &'static str, usize),
    Repeat(Index, usize),
    DropLine(Index),
    CopyLine { from: Index, before: Index, times: usize },
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        3 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        6 => (index(), select(STUMBLING.to_vec())).prop_map(|(word, by)| Change::Replace(word, by)),
        6 => (index(), index()).prop_map(|(from, over)| Change::CopyWord { from, over }),
        2 => (index(), "\\PC{1,8}").prop_map(|(at, text)| Change::Insert(at, text)),
        1 => (index(), select(BRACKETS.to_vec()), 1usize..5000).prop_map(|(word, open, deep)| Change::Nest(word, open, deep)),
        1 => (index(), 2usize..2000).prop_map(|(word, times)| Change::Repeat(word, times)),
        2 => index().prop_map(Change::DropLine),
        3 => (index(), index(), 1usize..200).prop_map(|(from, before, times)| Change::CopyLine { from, before, times }),
        1 => index().prop_map(Change::Cut),
    ]
}

/// One of `texts` with some changes, mostly few: a reader says no to the first mistake, and sees no more.
pub fn changed(texts: Vec<String>) -> impl Strategy<Value = String> {
    let changes = |count| prop::collection::vec(change(), count);
    let changes = prop_oneof![3 => changes(1..2), 2 => changes(2..4), 1 => changes(4..9)];
    (select(texts), changes).prop_map(|(text, changes)| {
        changes.iter().fold(text, |text, change| {
            Some(change.of(&text)).filter(|new| new.len() <= LARGEST).unwrap_or(text)
        })
    })
}

impl Change {
    /// `text` with the change. A text without words stays as it is.
    fn of(&self, text: &str) -> String {
        let (words, lines) = (words(text), lines(text));
        if words.is_empty() {
            return text.to_owned();
        }
        let word = |index: &Index| index.get(&words).clone();
        let line = |index: &Index| index.get(&lines).clone();
        let before_it = |range: Range<usize>| range.start..range.start;
        match self {
            Self::Byte(at, byte) => with_byte(text, at.index(text.len()), *byte),
            Self::Replace(at, by) => spliced(text, word(at), by),
            Self::CopyWord { from, over } => spliced(text, word(over), &text[word(from)]),
            Self::Insert(at, new) => spliced(text, before_it(word(at)), new),
            Self::Nest(at, open, deep) => spliced(text, before_it(word(at)), &repeated(open, *deep)),
            Self::Repeat(at, times) => spliced(text, word(at), &repeated(&text[word(at)], *times)),
            Self::DropLine(at) => spliced(text, line(at), ""),
            Self::CopyLine { from, before, times } => {
                spliced(text, before_it(line(before)), &repeated(&text[line(from)], *times))
            }
            Self::Cut(at) => text[..word(at).start].to_owned(),
        }
    }
}

/// `text` as often as asked, or as it fits into an input.
fn repeated(text: &str, times: usize) -> String {
    text.repeat(times.min(LARGEST / text.len().max(1)))
}

fn spliced(text: &str, range: Range<usize>, new: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(range, new);
    text
}

fn with_byte(text: &str, at: usize, byte: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = byte;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |line: &str| {
        end += line.len();
        end - line.len()..end
    };
    text.split_inclusive('\n').map(range).collect()
}

/// Names and numbers, and every other character but blanks by itself.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut before = false;
    for (at, character) in text.char_indices() {
        let part = character.is_alphanumeric() || "_.-".contains(character);
        let end = at + character.len_utf8();
        match words.last_mut().filter(|_| part && before) {
            Some(word) => word.end = end,
            None if !character.is_whitespace() => words.push(at..end),
            None => {}
        }
        before = part;
    }
    words
}
