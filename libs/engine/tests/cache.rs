//! The engine cache across processes: crashes, concurrent builders, folders that cannot be used.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::cache::{Cache, CacheError, Key, Lookup, Miss};

/// Names the folder in which a child process works.
const FOLDER: &str = "GST_OSHA_TEST_CACHE";
const KEYS: u32 = 3;

fn key(number: u32) -> Key {
    Key { model: format!("model {number}"), builder: "test".to_owned(), ..Key::default() }
}

/// What the engine of `key(number)` is: large enough to be caught half written.
fn engine(number: u32) -> Vec<u8> {
    (0..1_500_000u32).map(|index| (index.wrapping_mul(31) ^ number) as u8).collect()
}

fn open(folder: &Path) -> Cache {
    Cache::open(Some(folder)).unwrap()
}

fn build(cache: &Cache, number: u32) -> Result<engine::cache::Cached, CacheError> {
    cache.get_or_build(&key(number), || true, |_| Ok(engine(number)))
}

/// Runs the ignored test `name` of this program in a process of its own.
fn child(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The cache that a child process works on; `None` if no test started this one.
fn cache_of_child() -> Option<Cache> {
    std::env::var_os(FOLDER).map(|folder| open(Path::new(&folder)))
}

#[test]
#[ignore = "a child process of another test"]
fn child_that_builds_and_removes_for_ever() {
    let Some(cache) = cache_of_child() else { return };
    println!("ready");
    for round in 0.. {
        let number = round % KEYS;
        build(&cache, number).unwrap();
        cache.prune(|_| round % 2 == 0).unwrap();
    }
}

#[test]
fn no_kill_leaves_a_bad_engine() {
    let folder = tempfile::tempdir().unwrap();
    let mut hits = 0;
    for round in 0..200u64 {
        let mut child = child("child_that_builds_and_removes_for_ever", folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        std::thread::sleep(Duration::from_micros(round * 7919 % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        hits += check_all(&open(folder.path()), round);
    }
    assert!(hits > 0, "no engine was ever whole: the test shows nothing");
    let cache = open(folder.path());
    cache.prune(|_| false).unwrap();
    let is_left = |path: &Path| path.extension().is_some_and(|extension| extension == "unfinished");
    assert!(!fs::read_dir(folder.path()).unwrap().any(|entry| is_left(&entry.unwrap().path())));
}

/// Counts the engines that are whole; none may be anything else than whole or absent.
fn check_all(cache: &Cache, round: u64) -> usize {
    let whole = |number: &u32| match cache.lookup(&key(*number)) {
        Lookup::Hit(found) => {
            assert!(found == engine(*number), "round {round}: a wrong engine of key {number}");
            true
        }
        Lookup::Miss(Miss::New) => false,
        Lookup::Miss(miss) => panic!("round {round}, key {number}: {miss}"),
    };
    (0..KEYS).filter(whole).count()
}

#[test]
#[ignore = "a child process of another test"]
fn child_that_builds_once() {
    let Some(cache) = cache_of_child() else { return };
    let built = cache.get_or_build(
        &key(0),
        || true,
        |_| {
            std::thread::sleep(Duration::from_millis(300));
            println!("\nbuilt");
            Ok::<_, CacheError>(engine(0))
        },
    );
    assert!(built.unwrap().engine == engine(0));
}

#[test]
fn of_processes_that_start_together_one_builds() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4).map(|_| child("child_that_builds_once", folder.path())).collect();
    let built = children.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| *line == "built").count()
    });
    assert_eq!(built.sum::<usize>(), 1);
}

#[test]
fn waiting_for_another_builder_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, cancel) = (open(folder.path()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| {
            cache.get_or_build(
                &key(0),
                || true,
                |_| {
                    std::thread::sleep(Duration::from_secs(1));
                    Ok::<_, CacheError>(engine(0))
                },
            )
        });
        std::thread::sleep(Duration::from_millis(200));
        let started = Instant::now();
        let waiter = scope.spawn(|| {
            cache.get_or_build(&key(0), || !cancel.load(Ordering::Relaxed), |_| Ok::<_, CacheError>(vec![]))
        });
        std::thread::sleep(Duration::from_millis(100));
        cancel.store(true, Ordering::Relaxed);
        assert!(matches!(waiter.join().unwrap(), Err(CacheError::Cancelled)));
        assert!(started.elapsed() < Duration::from_millis(600));
        assert!(builder.join().unwrap().is_ok());
    });
}

#[test]
fn a_second_start_finds_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(&folder.path().join("made/on/demand"));
    let first = build(&cache, 1).unwrap();
    assert_eq!((first.miss, first.not_kept.is_none()), (Some(Miss::New), true));
    let second = build(&cache, 1).unwrap();
    assert!(second.miss.is_none() && second.engine == engine(1));
    assert!(cache.last_build(&key(1).model).is_some());
    let mode = fs::metadata(cache.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_miss_says_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    build(&cache, 1).unwrap();
    let changed = Key { driver: "580.2".to_owned(), ..key(1) };
    let Lookup::Miss(miss) = cache.lookup(&changed) else { panic!("used for another driver") };
    assert_eq!(miss, Miss::Changed(vec!["driver: , now 580.2".to_owned()]));
}

#[test]
fn a_damaged_engine_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    build(&cache, 1).unwrap();
    let path = cache.path(&key(1));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(cache.check(&path).unwrap_err().contains("checksum"));
    let again = build(&cache, 1).unwrap();
    assert!(matches!(again.miss, Some(Miss::Damaged(_))) && again.engine == engine(1));
    assert!(cache.check(&path).is_ok());
}

#[test]
fn what_others_could_have_put_there_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    build(&cache, 1).unwrap();
    let path = cache.path(&key(1));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let Lookup::Miss(Miss::Damaged(reason)) = cache.lookup(&key(1)) else { panic!("used") };
    assert!(reason.contains("others can write it"), "{reason}");
    assert!(cache.check(&path).is_err() && cache.entries().unwrap()[0].header.is_err());
    build(&cache, 1).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(cache.lookup(&key(1)), Lookup::Hit(_)));
}

#[test]
fn what_is_no_file_neither_hangs_nor_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    let place = cache.path(&key(1));
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&place).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.engine")).unwrap();
    fs::create_dir(folder.path().join("folder.engine")).unwrap();
    assert!(matches!(cache.lookup(&key(1)), Lookup::Miss(Miss::Damaged(_))));
    let entries = cache.entries().unwrap();
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry.header.is_err()), "{entries:?}");
    assert_eq!(cache.prune(|entry| entry.header.is_err()).unwrap().len(), 2);
    assert!(build(&cache, 1).unwrap().not_kept.is_none());
}

#[test]
fn another_keys_file_in_its_place_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    build(&cache, 1).unwrap();
    fs::copy(cache.path(&key(1)), cache.path(&key(2))).unwrap();
    let Lookup::Miss(Miss::Damaged(reason)) = cache.lookup(&key(2)) else { panic!("used") };
    assert!(reason.contains("model 1"), "{reason}");
}

#[test]
fn a_failed_build_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    let failed = cache.get_or_build(&key(1), || true, |_| Err(CacheError::Cancelled));
    assert!(failed.is_err());
    assert!(cache.entries().unwrap().is_empty());
    assert!(build(&cache, 1).is_ok());
}

#[test]
fn an_engine_that_cannot_be_kept_is_used_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    fs::create_dir(cache.path(&key(1)).with_extension("unfinished")).unwrap();
    let built = build(&cache, 1).unwrap();
    assert!(built.engine == engine(1));
    assert!(built.not_kept.unwrap().to_string().contains("engine-cache"));
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("777") && error.contains("chmod go-w"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Cache::open(Some(&file.path().join("below"))).unwrap_err().to_string();
    assert!(error.contains(&file.path().display().to_string()), "{error}");
}

#[test]
fn pruning_removes_what_is_stale_only() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    (0..3).for_each(|number| drop(build(&cache, number).unwrap()));
    fs::write(folder.path().join("half.unfinished"), b"x").unwrap();
    fs::write(folder.path().join("junk.engine"), b"x").unwrap();
    let stale = |entry: &engine::cache::Entry| {
        entry.header.as_ref().map_or(true, |header| header.key.model == "model 1")
    };
    assert_eq!(cache.prune(stale).unwrap().len(), 3);
    assert_eq!(cache.entries().unwrap().len(), 2);
    assert!(matches!(cache.lookup(&key(0)), Lookup::Hit(_)));
}
