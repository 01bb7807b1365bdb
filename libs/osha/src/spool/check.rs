//! Whether a spool is what was written.
//!
//! Finds lines that were altered, removed, added or put into another order. It cannot find that the newest lines were
//! removed, or that everything after some line was written anew by somebody who knows the format: for that, note the hash of
//! the last line elsewhere, from time to time.

use super::reader::{self, Content, Place};
use super::seal::{Head, Sealed};
use crate::hash::Hash;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Something is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line.
    pub place: Place,
    /// What is wrong.
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// It is no event.
    #[error("no sealed event: {0}")]
    Unreadable(String),
    /// It is not what its hash was taken of.
    #[error("event {0} was altered: its hash is another one")]
    Altered(u64),
    /// Events before it are not there.
    #[error("events {0} to {1} are missing before it")]
    Missing(u64, u64),
    /// It comes too late or twice.
    #[error("event {found} follows event {last}: out of order, or there twice")]
    Order {
        /// Sequence number of the line before.
        last: u64,
        /// Its own.
        found: u64,
    },
    /// It was written after another line than the one before it.
    #[error("event {0} does not follow the line before it: one of the two was exchanged")]
    Link(u64),
    /// The line before it was torn, and it is not the last one of its file.
    #[error("half a line in the middle of the spool")]
    Torn,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that could be read.
    pub events: u64,
    /// Sequence number of the first one: more than 1 if older files are not there.
    pub first: Option<u64>,
    /// The last one.
    pub last: Option<Head>,
    /// What is wrong, in order.
    pub problems: Vec<Problem>,
    /// Half a line at the very end, which was never acknowledged; no problem.
    pub torn: Option<Place>,
    /// Whether the hash that was looked for is that of an event.
    pub noted: bool,
}

/// Checks the files `paths` as one spool, in this order. `noted` is a hash to look for among the events.
///
/// # Errors
///
/// When a file cannot be read.
pub fn check(paths: &[PathBuf], noted: Option<&Hash>) -> io::Result<Report> {
    let mut report = Report::default();
    for path in paths {
        report.read(path, noted)?;
    }
    Ok(report)
}

impl Report {
    fn read(&mut self, path: &Path, noted: Option<&Hash>) -> io::Result<()> {
        for line in reader::lines(path)? {
            let line = line?;
            if let Some(place) = self.torn.take() {
                self.problems.push(Problem { place, kind: ProblemKind::Torn });
            }
            match line.content {
                Content::Event(sealed) => self.follow(&line.place, &sealed, noted),
                Content::Torn => self.torn = Some(line.place),
                Content::Unreadable(error) => {
                    let kind = ProblemKind::Unreadable(error.to_string());
                    self.problems.push(Problem { place: line.place, kind });
                }
            }
        }
        Ok(())
    }

    fn follow(&mut self, place: &Place, sealed: &Sealed, noted: Option<&Hash>) {
        let kinds = [altered(sealed), self.misplaced(sealed)];
        let problems = kinds.into_iter().flatten().map(|kind| Problem { place: place.clone(), kind });
        self.problems.extend(problems);
        self.events += 1;
        self.first.get_or_insert(sealed.sequence);
        self.last = Some(sealed.head());
        self.noted |= sealed.genuine && noted == Some(&sealed.hash);
    }

    /// What is wrong with the place of `sealed` behind the last line.
    fn misplaced(&self, sealed: &Sealed) -> Option<ProblemKind> {
        let found = sealed.sequence;
        // What was before the first file is not known; before event 1 there was nothing.
        let last = self.last.or((found <= 1).then(Head::default))?;
        let next = last.sequence.saturating_add(1);
        if found > next {
            return Some(ProblemKind::Missing(next, found - 1));
        }
        if found < next {
            return Some(ProblemKind::Order { last: last.sequence, found });
        }
        (sealed.previous != last.hash).then_some(ProblemKind::Link(found))
    }
}

fn altered(sealed: &Sealed) -> Option<ProblemKind> {
    (!sealed.genuine).then_some(ProblemKind::Altered(sealed.sequence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::seal::seal;

    /// Events `from` to `to`, chained.
    fn chain(from: u64, to: u64, mut previous: Hash) -> Vec<String> {
        let mut next = |sequence| {
            let (line, hash) = seal(&format!(r#"{{"sequence":{sequence},"track":7}}"#), &previous);
            previous = hash;
            line
        };
        (from..=to).map(&mut next).collect()
    }

    fn report(files: &[&[String]]) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let write = |(index, lines): (usize, &&[String])| {
            let path = folder.path().join(index.to_string());
            std::fs::write(&path, lines.concat()).unwrap();
            path
        };
        check(&files.iter().enumerate().map(write).collect::<Vec<_>>(), None).unwrap()
    }

    /// Line and problem of everything found in one file.
    fn problems(lines: &[String]) -> Vec<(u64, ProblemKind)> {
        report(&[lines]).problems.into_iter().map(|problem| (problem.place.line, problem.kind)).collect()
    }

    #[test]
    fn a_whole_chain_is_clean() {
        let lines = chain(1, 6, Hash::default());
        let report = report(&[&lines[..2], &[], &lines[2..]]);
        assert_eq!((report.problems, report.events, report.first), (vec![], 6, Some(1)));
        assert_eq!(report.last.unwrap().sequence, 6);
        assert_eq!(problems(&[]), []);
    }

    #[test]
    fn older_files_may_be_gone_but_not_the_first_line() {
        let lines = chain(1, 6, Hash::default());
        let rest = report(&[&lines[3..]]);
        assert_eq!((rest.problems, rest.first), (vec![], Some(4)));
        let forged = chain(1, 2, Hash::of("something"));
        assert_eq!(problems(&forged), [(1, ProblemKind::Link(1))]);
    }

    #[test]
    fn an_altered_line_is_named_and_its_neighbours_are_not() {
        let mut lines = chain(1, 4, Hash::default());
        lines[1] = lines[1].replace("\"track\":7", "\"track\":8");
        assert_eq!(problems(&lines), [(2, ProblemKind::Altered(2))]);
    }

    #[test]
    fn a_removed_line_is_found() {
        let lines = chain(1, 5, Hash::default());
        for removed in 1..4 {
            let mut left = lines.clone();
            left.remove(removed);
            let number = removed as u64 + 1;
            assert_eq!(problems(&left), [(number, ProblemKind::Missing(number, number))]);
        }
        // The whole of a file in the middle.
        assert_eq!(report(&[&lines[..1], &lines[4..]]).problems[0].kind, ProblemKind::Missing(2, 4));
    }

    #[test]
    fn exchanged_and_repeated_lines_are_found() {
        let lines = chain(1, 4, Hash::default());
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        let expected = [
            (2, ProblemKind::Missing(2, 2)),
            (3, ProblemKind::Order { last: 3, found: 2 }),
            (4, ProblemKind::Missing(3, 3)),
        ];
        assert_eq!(problems(&swapped), expected);
        let mut twice = lines.clone();
        twice.insert(2, lines[1].clone());
        assert_eq!(problems(&twice), [(3, ProblemKind::Order { last: 2, found: 2 })]);
    }

    #[test]
    fn a_line_that_was_altered_and_sealed_anew_does_not_fit() {
        let mut lines = chain(1, 4, Hash::default());
        let first = super::super::seal::open(lines[0].as_bytes()).unwrap().hash;
        lines[1] = seal(r#"{"sequence":2,"track":8}"#, &first).0;
        assert_eq!(problems(&lines), [(3, ProblemKind::Link(3))]);
    }

    #[test]
    fn half_a_line_is_a_problem_unless_it_is_the_last() {
        let lines = chain(1, 3, Hash::default());
        let torn = vec![lines[0].clone(), lines[1][..20].to_owned()];
        let ended = report(&[&torn]);
        assert_eq!((ended.problems.len(), ended.torn.unwrap().line), (0, 2));
        let went_on = report(&[&torn, &lines[1..]]);
        assert_eq!((went_on.problems[0].kind.clone(), went_on.torn), (ProblemKind::Torn, None));
    }

    #[test]
    fn other_lines_are_named() {
        let mut lines = chain(1, 2, Hash::default());
        lines.insert(1, "\n".into());
        lines.insert(2, format!("{}\n", "x".repeat(3 << 20)));
        let found = problems(&lines);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
        assert!(found.iter().all(|(_, kind)| matches!(kind, ProblemKind::Unreadable(_))));
    }

    #[test]
    fn a_noted_hash_is_looked_for() {
        let lines = chain(1, 3, Hash::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, lines[..2].concat()).unwrap();
        let hash = |line: &String| super::super::seal::open(line.as_bytes()).unwrap().hash;
        let noted = |line| check(std::slice::from_ref(&path), Some(&hash(line))).unwrap().noted;
        assert!(noted(&lines[1]) && !noted(&lines[2]));
    }
}
