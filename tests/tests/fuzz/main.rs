//! Readers of foreign text never panic, never hang, and what they accept can be worked with.
//!
//! Each target takes real files, changes them, and reads what comes out, for `OSHA_FUZZ_SECONDS` of CPU time (1 by
//! default). `OSHA_FUZZ_SEED` chooses other changes; the same seed gives the same inputs. A failing input is made as
//! small as it goes and printed. The input under way is in a file, for the case that the process does not survive it.
//!
//!     make fuzz SECONDS=600 SEED=2
#![allow(clippy::unwrap_used)]

mod inputs;
mod readers;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// An input that takes longer than this hangs, or somebody could make one that does.
const LONGEST: Duration = Duration::from_secs(1);

/// The CPU time that this thread has had.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Makes `text` the content of `file`, without what a file system does for one that is written anew.
fn keep(file: &File, text: &str) -> io::Result<()> {
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)
}

/// Lets `reader` read changed `texts`. It tells whether it accepted them.
fn fuzz(name: &str, texts: Vec<String>, reader: fn(&str) -> bool) {
    let (seconds, seed) = (variable("OSHA_FUZZ_SECONDS", 1), variable("OSHA_FUZZ_SEED", 1));
    let under_way = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}.txt"));
    println!("{name}: seed {seed}, the input under way is in {}", under_way.display());
    let file = File::create(&under_way).unwrap();
    let (mut runner, inputs) = (runner(seed), inputs::changed(texts));
    let slowest = std::cell::Cell::new(Duration::ZERO);
    let accepted = std::cell::Cell::new(0u64);
    let (start, mut runs) = (cpu_time(), 0u64);
    while cpu_time() - start < Duration::from_secs(seconds) {
        let input = inputs.new_tree(&mut runner).unwrap();
        keep(&file, &input.current()).unwrap();
        let result = runner.run_one(input, |text| {
            let before = cpu_time();
            accepted.update(|count| count + u64::from(reader(&text)));
            let taken = cpu_time() - before;
            slowest.update(|slowest| slowest.max(taken));
            prop_assert!(taken < LONGEST, "took {taken:?}");
            Ok(())
        });
        runs += 1;
        result.unwrap_or_else(|error| panic!("{name}: seed {seed}, input {runs}: {error}"));
    }
    let (accepted, slowest) = (accepted.get(), slowest.get());
    println!(
        "{name}: {runs} inputs in {seconds} s of CPU time, {accepted} accepted, the slowest in {slowest:?}"
    );
    assert!(accepted > 0 && accepted < runs, "{name}: {accepted} of {runs} inputs were accepted");
}

#[test]
fn site_files() {
    let texts = [
        include_str!("../../../libs/osha/tests/sites/everything.toml"),
        include_str!("../../../pipelines/site.toml"),
        include_str!("streams.toml"),
    ];
    fuzz("site", texts.map(String::from).to_vec(), readers::site);
}

#[test]
fn expressions() {
    let texts = [
        "not (count(person without vest) > 2 and hour >= 22) or distance(person, forklift) < 3.5 for 2 min",
        "person without vest in \"pit\" and distance(person, forklift) < 3",
        "count(truck in \"pit\") >= 2 or not hour > 20 for 500 ms",
    ];
    fuzz("expression", texts.map(String::from).to_vec(), readers::expression);
}

#[test]
fn corpora() {
    let lines: Vec<_> = include_str!("../../../libs/osha/data/osha.jsonl").lines().collect();
    let (header, rows) = (lines[0], &lines[1..]);
    let texts = rows.chunks(3).map(|rows| format!("{header}\n{}\n", rows.join("\n"))).collect();
    fuzz("corpus", texts, readers::corpus);
}

#[test]
fn label_files() {
    let texts = [
        "# PPE\nPerson\nno-hardhat\nNO Safety Vest\nhelmet\nhead\nexcavator\ndump_truck\nSchutzhelm 🦺\r\n",
        "[\"Person\", \"NO-Hardhat\", \"Safety Vest\",\n \"fall\", \"machinery\"]\n",
        "\u{feff}['W', 'WH', \"WV\", 'WHV', 'Fall-Detected', 'it\\'s \\u00e4']",
        "Hardhat\nMask\nNO-Hardhat\nNO-Mask\nNO-Safety Vest\nPerson\nSafety Cone\nSafety Vest\nmachinery\nvehicle\n",
    ];
    fuzz("labels", texts.map(String::from).to_vec(), readers::labels);
}

#[test]
#[should_panic(expected = "minimal failing input")]
fn what_panics_is_found_and_made_small() {
    fuzz("planted", vec!["a = 7 # of nine".into()], |text| {
        assert!(!text.contains("7777777"));
        text.len() > 20
    });
}
