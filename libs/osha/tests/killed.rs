//! A writer that is killed, again and again, loses nothing that it acknowledged.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use osha::engine::{Analyser, Engine, FrameObservations};
use osha::event::Event;
use osha::site::Site;
use osha::spool::{Content, FsyncPolicy, Options, Spool, check, files, lines};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SPOOL: &str = "GST_OSHA_TEST_KILLED_SPOOL";
const POLICY: &str = "GST_OSHA_TEST_KILLED_POLICY";
const KILLS: u64 = 120;

fn options(policy: &str) -> Options {
    let fsync = match policy {
        "always" => FsyncPolicy::Always,
        "on-close" => FsyncPolicy::OnClose,
        _ => FsyncPolicy::Never,
    };
    Options { fsync, max_size: Some(20_000), ..Options::default() }
}

/// Some event: the summary of an empty stream.
fn event() -> Event {
    let mut engine = Engine::new(Site::default());
    engine.analyse(&FrameObservations { pts: Duration::ZERO, size: (1, 1), objects: &[] });
    engine.finish().pop().unwrap()
}

/// The process that is killed: appends for ever, and says each sequence number once it is kept.
fn write_for_ever(path: &Path, policy: &str) {
    let mut spool = Spool::open(path, options(policy)).unwrap();
    let mut event = event();
    let mut out = std::io::stdout();
    loop {
        // Lines of all lengths, some beyond a page.
        event.time = Some("x".repeat((spool.head().sequence * 977 % 9000) as usize));
        spool.append(&mut event).unwrap();
        writeln!(out, "kept {}", event.sequence).unwrap();
        out.flush().unwrap();
    }
}

/// Lets a writer run for `life` after its first event, kills it and returns the last sequence number that it said.
fn kill_one(path: &Path, policy: &str, life: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_acknowledged_is_lost", "--nocapture", "--test-threads=1"])
        .env(SPOOL, path)
        .env(POLICY, policy)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let first = said.find(|line| line.contains("kept "));
    std::thread::scope(|scope| {
        let rest = scope.spawn(move || said.last());
        std::thread::sleep(life);
        child.kill().unwrap();
        child.wait().unwrap();
        let last = rest.join().unwrap().filter(|line| line.contains("kept ")).or(first).unwrap();
        last.rsplit(' ').next().unwrap().parse().unwrap()
    })
}

/// Sequence numbers of all events of the spool.
fn sequences(path: &Path) -> Vec<u64> {
    let events = files(path).unwrap().into_iter().flat_map(|file| lines(&file).unwrap());
    let sequence = |line: std::io::Result<osha::spool::Line>| match line.unwrap().content {
        Content::Event(sealed) => Some(sealed.sequence),
        _ => None,
    };
    events.filter_map(sequence).collect()
}

fn kill_many(policy: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let (mut torn, mut acknowledged) = (0, 0);
    for round in 0..KILLS {
        // Moments that no clock of the writer is in step with.
        let said = kill_one(&path, policy, Duration::from_micros(round * 2_654_435_761 % 6_000));
        assert!(said > acknowledged, "{policy}: numbers go on");
        acknowledged = said;
        let report = check(&files(&path).unwrap(), None).unwrap();
        assert_eq!(report.problems, [], "{policy}, round {round}");
        torn += u64::from(report.torn.is_some());
        let kept = sequences(&path);
        assert!(
            kept.last() >= Some(&said),
            "{policy}, round {round}: {said} was lost, {:?} is last",
            kept.last()
        );
        assert!(kept.iter().copied().eq(1..=kept.len() as u64), "{policy}, round {round}");
    }
    let rotated = files(&path).unwrap().len() - 1;
    eprintln!("{policy}: {KILLS} kills, {acknowledged} events, {rotated} rotations, {torn} torn lines");
    assert!(rotated > 0, "no rotation was ever interrupted");
}

#[test]
fn nothing_acknowledged_is_lost() {
    if let Some(path) = std::env::var_os(SPOOL) {
        return write_for_ever(Path::new(&path), &std::env::var(POLICY).unwrap());
    }
    for policy in ["always", "on-close", "never"] {
        kill_many(policy);
    }
}
