use super::*;
use crate::event::{Body, Summary};
use crate::provenance::Provenance;
use crate::spool::{Content, check, lines};

fn event() -> Event {
    Event::new(0, Body::Summary(Summary::default()))
}

fn append(spool: &mut Spool, count: usize) {
    for _ in 0..count {
        spool.append(&mut event()).unwrap();
    }
}

/// Sequence numbers of a spool that is whole.
fn read(path: &Path) -> Vec<u64> {
    let files = files::files(path).unwrap();
    let report = check(&files, None).unwrap();
    assert_eq!((report.problems, report.torn), (vec![], None));
    let sequence = |line: io::Result<crate::spool::Line>| match line.unwrap().content {
        Content::Event(sealed) => sealed.sequence,
        other => panic!("{other:?}"),
    };
    files.iter().flat_map(|file| lines(file).unwrap()).map(sequence).collect()
}

/// A folder, and the path of a spool in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    (folder, path)
}

fn open(path: &Path) -> Spool {
    Spool::open(path, Options::default()).unwrap()
}

#[test]
fn sequence_numbers_go_on_whatever_the_policy() {
    let (_folder, path) = place();
    let interval = FsyncPolicy::Interval(Duration::from_secs(1));
    for fsync in [FsyncPolicy::Always, interval, FsyncPolicy::OnClose, FsyncPolicy::Never] {
        let mut spool = Spool::open(&path, Options { fsync, ..Options::default() }).unwrap();
        append(&mut spool, 2);
        assert_eq!(spool.recovery(), &Recovery::Clean);
        spool.close().unwrap();
    }
    assert_eq!(read(&path), [1, 2, 3, 4, 5, 6, 7, 8]);
}

const HOUR: Duration = Duration::from_secs(3600);

/// A spool that keeps to `fsync`, with a line in it.
fn begun(path: &Path, fsync: FsyncPolicy) -> Spool {
    let mut spool = Spool::open(path, Options { fsync, ..Options::default() }).unwrap();
    append(&mut spool, 1);
    spool
}

/// Lets time pass for the lines that wait.
fn wait(spool: &mut Spool, time: Duration) {
    spool.waiting = spool.waiting.map(|since| since - time);
}

#[test]
fn lines_wait_for_the_interval_and_no_longer() {
    let (_folder, path) = place();
    let mut spool = begun(&path, FsyncPolicy::Interval(HOUR));
    let first = spool.waiting;
    assert!(first.is_some(), "the first line waits as well");
    append(&mut spool, 5);
    spool.sync_if_due().unwrap();
    assert_eq!(spool.waiting, first, "the oldest line counts");
    wait(&mut spool, HOUR);
    append(&mut spool, 1);
    assert_eq!(spool.waiting, None, "the next line takes all along");
    append(&mut spool, 1);
    assert!(spool.waiting.is_some(), "the interval begins anew");
}

#[test]
fn the_last_line_before_a_silence_does_not_wait_for_the_next_one() {
    let (_folder, path) = place();
    let mut spool = begun(&path, FsyncPolicy::Interval(HOUR));
    wait(&mut spool, HOUR);
    spool.sync_if_due().unwrap();
    assert_eq!(spool.waiting, None);
    spool.sync_if_due().unwrap();
    assert_eq!(spool.waiting, None, "nothing to do");
}

#[test]
fn the_other_policies_know_no_interval() {
    for (fsync, waits) in
        [(FsyncPolicy::Always, false), (FsyncPolicy::OnClose, true), (FsyncPolicy::Never, true)]
    {
        let (_folder, path) = place();
        let mut spool = begun(&path, fsync);
        wait(&mut spool, 1000 * HOUR);
        spool.sync_if_due().unwrap();
        assert_eq!(spool.waiting.is_some(), waits, "{fsync:?}");
    }
}

/// By rotation, or since somebody moved it away.
#[cfg(unix)]
#[test]
fn no_file_is_left_behind_with_lines_that_wait() {
    let (folder, path) = place();
    let options = Options { fsync: FsyncPolicy::Interval(HOUR), max_age: Some(HOUR), ..Options::default() };
    let mut spool = Spool::open(&path, options).unwrap();
    append(&mut spool, 1);
    let first = spool.waiting;
    spool.born -= HOUR;
    append(&mut spool, 1);
    let second = spool.waiting;
    assert!(second > first, "the rotated file was synced");
    std::fs::rename(&path, folder.path().join("archived")).unwrap();
    append(&mut spool, 1);
    assert!(spool.waiting > second, "the moved file was synced");
}

#[test]
fn runs_are_told_apart() {
    let (_folder, path) = place();
    let mut runs = Vec::new();
    for _ in 0..3 {
        let mut spool = open(&path);
        for _ in 0..2 {
            let mut event = event();
            event.provenance = Some(Provenance::default());
            spool.append(&mut event).unwrap();
            runs.push((event.sequence, event.provenance.unwrap().run));
        }
    }
    assert_eq!(runs, [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (6, 5)]);
}

#[test]
fn a_second_writer_is_refused() {
    let (_folder, path) = place();
    let first = open(&path);
    let error = Spool::open(&path, Options::default()).unwrap_err();
    assert!(matches!(error, SpoolError::Busy { .. }), "{error}");
    assert!(error.to_string().contains("a spool of its own"));
    drop(first);
    open(&path);
}

#[test]
fn a_second_writer_is_refused_after_a_rotation_too() {
    let (_folder, path) = place();
    let mut first = Spool::open(&path, Options { max_size: Some(1), ..Options::default() }).unwrap();
    append(&mut first, 3);
    assert!(matches!(Spool::open(&path, Options::default()), Err(SpoolError::Busy { .. })));
}

#[test]
fn a_writer_whose_file_was_taken_goes_on_behind_the_others_lines() {
    let (_folder, path) = place();
    let rotate = |number| std::fs::rename(&path, files::rotated(&path, number)).unwrap();
    let mut first = open(&path);
    append(&mut first, 2);
    rotate(1);
    let mut second = open(&path);
    append(&mut second, 2);
    rotate(2);
    append(&mut first, 1);
    assert_eq!(read(&path), [1, 2, 3, 4, 5]);
}

/// Many writers try at once, again and again, while files are rotated, until each has written its share.
#[test]
fn writers_in_a_race_leave_one_chain() {
    const WRITERS: usize = 4;
    const SHARE: usize = 100;
    let (_folder, path) = place();
    let write = || {
        let mut written = 0;
        while written < SHARE {
            match Spool::open(&path, Options { max_size: Some(600), ..Options::default() }) {
                // One that meets a rotation may be refused in its midst.
                Ok(mut spool) => written += (0..4).filter(|_| spool.append(&mut event()).is_ok()).count(),
                Err(SpoolError::Busy { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        written
    };
    let written: usize = std::thread::scope(|scope| {
        let writers = [(); WRITERS].map(|()| scope.spawn(write));
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    assert_eq!(read(&path), (1..=written as u64).collect::<Vec<_>>());
}

#[test]
fn files_are_rotated_by_size() {
    let (_folder, path) = place();
    let options = Options { max_size: Some(700), ..Options::default() };
    for _ in 0..5 {
        let mut spool = Spool::open(&path, options).unwrap();
        append(&mut spool, 2);
    }
    let files = files::files(&path).unwrap();
    assert!(files.len() > 2, "{files:?}");
    assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 700));
    assert_eq!(read(&path), (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_line_longer_than_a_file_gets_one_of_its_own() {
    let (_folder, path) = place();
    let mut spool = Spool::open(&path, Options { max_size: Some(1), ..Options::default() }).unwrap();
    append(&mut spool, 3);
    assert_eq!((files::files(&path).unwrap().len(), read(&path)), (3, vec![1, 2, 3]));
}

#[test]
fn files_are_rotated_by_age() {
    let (_folder, path) = place();
    let mut spool = Spool::open(&path, Options { max_age: Some(HOUR), ..Options::default() }).unwrap();
    append(&mut spool, 2);
    assert_eq!(files::files(&path).unwrap().len(), 1);
    spool.born -= HOUR;
    append(&mut spool, 2);
    assert_eq!((files::files(&path).unwrap().len(), read(&path)), (2, vec![1, 2, 3, 4]));
    spool.born += 2 * HOUR;
    append(&mut spool, 1);
    assert_eq!(files::files(&path).unwrap().len(), 2, "the clock was set back");
}

#[test]
fn old_files_are_deleted() {
    let (_folder, path) = place();
    let options = Options { max_size: Some(1), max_files: Some(3), ..Options::default() };
    let mut spool = Spool::open(&path, options).unwrap();
    append(&mut spool, 6);
    assert_eq!(read(&path), [4, 5, 6]);
    drop(spool);
    // Nothing but a rotated file is there: as after a crash in the midst of a rotation.
    std::fs::remove_file(&path).unwrap();
    let mut spool = Spool::open(&path, options).unwrap();
    assert_eq!(spool.head().sequence, 5);
    append(&mut spool, 1);
    assert_eq!(read(&path), [4, 5, 6]);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_moved_away_is_followed_by_a_new_one() {
    let (folder, path) = place();
    let mut spool = open(&path);
    append(&mut spool, 2);
    let archived = folder.path().join("archived");
    std::fs::rename(&path, &archived).unwrap();
    append(&mut spool, 2);
    std::fs::remove_file(&path).unwrap();
    append(&mut spool, 1);
    let report = |path: &Path| check(&[path.to_owned()], None).unwrap();
    assert_eq!((report(&archived).events, report(&archived).problems), (2, vec![]));
    assert_eq!((report(&path).first, report(&path).problems), (Some(5), vec![]));
    assert!(matches!(Spool::open(&path, Options::default()), Err(SpoolError::Busy { .. })));
}

/// As where another writer came in between the two steps of a rotation.
#[cfg(unix)]
#[test]
fn a_file_that_is_taken_over_is_left_to_the_other() {
    let (folder, path) = place();
    let mut first = Spool::open(&path, Options { max_size: Some(1), ..Options::default() }).unwrap();
    append(&mut first, 1);
    std::fs::rename(&path, folder.path().join("events.000001.jsonl")).unwrap();
    let mut second = open(&path);
    append(&mut second, 1);
    for _ in 0..2 {
        assert!(matches!(first.append(&mut event()), Err(SpoolError::Busy { .. })));
    }
    append(&mut second, 1);
    assert_eq!(read(&path), [1, 2, 3]);
}

#[test]
fn half_a_line_from_before_is_cut_off() {
    for torn in [r#"{"schema":"gst-"#, "{", "\0\0\0\0", r#"{"schema":"gst-osha.event/1","sequence":3,"#] {
        for whole in [0, 2] {
            let (_folder, path) = place();
            append(&mut open(&path), whole);
            let mut text = std::fs::read_to_string(&path).unwrap();
            text.push_str(torn);
            std::fs::write(&path, text).unwrap();
            let mut spool = open(&path);
            assert_eq!(spool.recovery(), &Recovery::Cut { bytes: torn.len() as u64 });
            append(&mut spool, 1);
            assert_eq!(read(&path), (1..=whole as u64 + 1).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_line_feed_that_an_editor_took_is_put_back() {
    let (_folder, path) = place();
    append(&mut open(&path), 2);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end()).unwrap();
    append(&mut open(&path), 1);
    assert_eq!(read(&path), [1, 2, 3]);
}

#[test]
fn a_damaged_file_is_set_aside() {
    let (folder, path) = place();
    append(&mut open(&path), 3);
    let text = std::fs::read_to_string(&path).unwrap();
    let damaged = text.replace(r#""sequence":3"#, r#""sequence":4"#);
    std::fs::write(&path, &damaged).unwrap();
    let mut spool = open(&path);
    let aside = folder.path().join("events.000001.jsonl");
    assert_eq!(spool.recovery(), &Recovery::SetAside { path: aside.clone() });
    append(&mut spool, 1);
    assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged);
    assert_eq!(spool.head().sequence, 3, "goes on from the last line that is genuine");
    assert!(!check(&files::files(&path).unwrap(), None).unwrap().problems.is_empty());
}

#[test]
fn other_files_are_left_alone() {
    for text in ["Dear diary\n", "Dear diary", "{\"a\":1}\n", "\n", "{}\n{\"schema\":\"gst-osha.event/"] {
        let (_folder, path) = place();
        std::fs::write(&path, text).unwrap();
        let error = Spool::open(&path, Options::default()).unwrap_err();
        assert!(matches!(error, SpoolError::Foreign { .. }), "{text}: {error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_short_write_is_taken_back() {
    let (_folder, path) = place();
    let mut spool = open(&path);
    append(&mut spool, 1);
    spool.file.write_all(b"half").unwrap();
    spool.torn = true;
    append(&mut spool, 1);
    assert_eq!(read(&path), [1, 2]);
}

const LIMITED: &str = "GST_OSHA_TEST_LIMITED_SPOOL";

/// Appends until the file may grow no further.
fn fill(path: &Path) {
    let mut spool = Spool::open(path, Options { fsync: FsyncPolicy::Never, ..Options::default() }).unwrap();
    let error = (0..1000).find_map(|_| spool.append(&mut event()).err()).unwrap();
    assert!(matches!(&error, SpoolError::Write { torn: false, .. }), "{error}");
}

/// Runs itself again with a limit on the size of files, where the last write comes out short.
#[cfg(unix)]
#[test]
fn a_line_that_does_not_fit_leaves_no_trace() {
    if let Some(path) = std::env::var_os(LIMITED) {
        return fill(Path::new(&path));
    }
    let (_folder, path) = place();
    let name = "spool::writer::tests::a_line_that_does_not_fit_leaves_no_trace";
    let script = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact {name}");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).arg(std::env::current_exe().unwrap()).env(LIMITED, &path);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!read(&path).is_empty());
    let length = std::fs::metadata(&path).unwrap().len();
    assert_ne!(length % 512, 0, "the last write was not short");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let mut spool =
        Spool::open("/dev/full", Options { fsync: FsyncPolicy::Always, ..Options::default() }).unwrap();
    let error = spool.append(&mut event()).unwrap_err();
    assert!(
        matches!(&error, SpoolError::Write { source, torn: false, .. } if source.kind() == ErrorKind::StorageFull)
    );
    let text = error.to_string();
    assert!(text.contains("/dev/full") && text.contains("free some space"), "{text}");
    assert_eq!(spool.head().sequence, 0);
    spool.close().unwrap();
}

#[test]
fn a_path_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/events.jsonl");
    for (path, advice) in [(missing.as_path(), "create its folder"), (folder.path(), "name a file")] {
        let error = Spool::open(path, Options::default()).unwrap_err();
        assert!(matches!(error, SpoolError::Open { .. }));
        let text = error.to_string();
        assert!(text.contains(&*path.to_string_lossy()) && text.contains(advice), "{text}");
    }
}
