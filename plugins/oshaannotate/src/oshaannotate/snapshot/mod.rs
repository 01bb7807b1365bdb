//! Pictures of violations, written by a thread of their own: the stream never waits for a disk.

mod name;
mod still;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use osha::event::{Body, Event};
use vision::draw::DisplayList;
use vision::geometry::Rect;

use super::options::{Snapshot, SnapshotBlur, SnapshotPicture};
use super::settings::Settings;
pub(super) use name::{Moment, Pattern, PatternError};
pub(super) use still::{Still, StillError};

/// Frames that may wait for the disk.
const WAITING: usize = 4;

/// Files of one name that may lie there already.
const SAME_NAME: u32 = 1000;

/// How pictures are made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub pattern: Pattern,
    pub picture: SnapshotPicture,
    pub blur: SnapshotBlur,
}

impl Settings {
    /// How pictures are made; `None` if none are wanted.
    ///
    /// # Errors
    /// When their name cannot be used.
    pub fn snapshot_plan(&self) -> Result<Option<Plan>, PatternError> {
        let location = self.snapshot_location.as_ref().filter(|_| self.snapshot != Snapshot::Off);
        let plan = |pattern| Plan { pattern, picture: self.snapshot_picture, blur: self.snapshot_blur };
        location.map(|location| Pattern::new(&location.to_string_lossy()).map(plan)).transpose()
    }
}

/// One frame to keep.
pub(super) struct Shot {
    pub still: Still,
    /// What is drawn on it.
    pub list: DisplayList,
    /// Boxes of the people in it, in pixels.
    pub people: Vec<Rect>,
    /// What happened on it.
    pub moments: Vec<Moment>,
}

/// Those of `events`, on a frame at time `at`, of which a picture is wanted.
pub(super) fn moments(events: &[Event], at: Duration, wanted: Snapshot) -> Vec<Moment> {
    let moment = |event: &Event| {
        let (kind, violation) = match &event.body {
            Body::Start(violation) if wanted.at_start() => ("start", violation),
            Body::End(violation) if wanted.at_end() => ("end", violation),
            _ => return None,
        };
        Some(Moment { violation: violation.violation, kind, rule: violation.rule.clone(), at })
    };
    events.iter().filter_map(moment).collect()
}

/// What the writer does next.
enum Job {
    Keep(Shot),
    /// Tell that everything before is done.
    Tell(SyncSender<()>),
}

/// What became of a picture.
pub(super) enum Outcome<'a> {
    /// It lies here.
    Written(&'a Path, &'a Moment),
    /// It does not.
    Failed(&'a SnapshotError),
}

/// A picture could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error("{}: {error}. {}", path.display(), remedy(error))]
    Write { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Still(#[from] StillError),
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => "Make room on the disk, or name another one",
        std::io::ErrorKind::PermissionDenied => "Check the permissions of the folder",
        std::io::ErrorKind::AlreadyExists => "Move the old pictures away, or put {time} into the name",
        _ => "Check the path and the permissions",
    }
}

/// What became of all pictures.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub written: AtomicU64,
    pub failed: AtomicU64,
    pub dropped: AtomicU64,
}

/// The writer and the queue before it. Dropping it writes what waits.
pub(super) struct Snapshots {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    pub counts: Arc<Counts>,
}

impl Snapshots {
    /// Starts the writer, which tells `hear` what becomes of each picture.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(plan: Plan, hear: impl Fn(Outcome<'_>) + Send + 'static) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(WAITING);
        let counts = Arc::new(Counts::default());
        let writer = Writer { plan, counts: counts.clone(), hear };
        let thread = std::thread::Builder::new().name("snapshots".into()).spawn(move || writer.run(&jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counts })
    }

    /// Hands a frame over. Returns whether there was room for it.
    pub fn keep(&self, shot: Shot) -> bool {
        let Some(queue) = &self.queue else { return false };
        let moments = shot.moments.len() as u64;
        let sent = queue.try_send(Job::Keep(shot)).is_ok();
        if !sent {
            self.counts.dropped.fetch_add(moments, Ordering::Relaxed);
        }
        sent
    }

    /// Waits until everything handed over so far is done.
    pub fn wait(&self) {
        let (done, heard) = sync_channel(1);
        // A writer that is gone has nothing left to do.
        if self.queue.as_ref().is_some_and(|queue| queue.send(Job::Tell(done)).is_ok()) {
            let _ = heard.recv();
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

struct Writer<F> {
    plan: Plan,
    counts: Arc<Counts>,
    hear: F,
}

impl<F: Fn(Outcome<'_>)> Writer<F> {
    fn run(&self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Keep(shot) => self.try_keep(&shot),
                // Whoever asked may have given up.
                Job::Tell(done) => drop(done.send(())),
            }
        }
    }

    fn try_keep(&self, shot: &Shot) {
        if let Err(error) = self.keep(shot) {
            self.counts.failed.fetch_add(shot.moments.len() as u64, Ordering::Relaxed);
            (self.hear)(Outcome::Failed(&error));
        }
    }

    /// Makes and writes the pictures of one frame.
    fn keep(&self, shot: &Shot) -> Result<(), SnapshotError> {
        let mut picture = shot.still.to_rgb()?;
        for person in &shot.people {
            self.blurred(person).into_iter().for_each(|rect| picture.blur(rect));
        }
        let is_only = self.plan.picture != SnapshotPicture::Both;
        let encoding = self.plan.pattern.encoding;
        if self.plan.picture != SnapshotPicture::Drawn {
            self.write(&picture.encode(encoding)?, shot, "plain", is_only)?;
        }
        if self.plan.picture != SnapshotPicture::Plain {
            picture.draw(&shot.list)?;
            self.write(&picture.encode(encoding)?, shot, "drawn", is_only)?;
        }
        Ok(())
    }

    fn blurred(&self, person: &Rect) -> Option<Rect> {
        match self.plan.blur {
            SnapshotBlur::None => None,
            SnapshotBlur::Faces => Some(head(person)),
            SnapshotBlur::People => Some(*person),
        }
    }

    fn write(&self, bytes: &[u8], shot: &Shot, picture: &str, is_only: bool) -> Result<(), SnapshotError> {
        for moment in &shot.moments {
            let path = write_new(&self.plan.pattern.name(moment, picture, is_only), bytes)?;
            self.counts.written.fetch_add(1, Ordering::Relaxed);
            (self.hear)(Outcome::Written(&path, moment));
        }
        Ok(())
    }
}

/// The part of a person's box that holds the head; the whole box of somebody who lies.
fn head(person: &Rect) -> Rect {
    let Rect { x, y, width, height } = *person;
    if width > height {
        return *person;
    }
    Rect { x, y: y - 0.05 * height, width, height: 0.33 * height }
}

/// Writes a file under `path`, or under the next free name like it: nothing is overwritten. A file that cannot be
/// finished is removed.
fn write_new(path: &Path, bytes: &[u8]) -> Result<PathBuf, SnapshotError> {
    let numbered = |number: u32| match number {
        1 => path.to_owned(),
        _ => name::insert(&path.to_string_lossy(), &number.to_string()).into(),
    };
    let failed = |path: &Path, error| SnapshotError::Write { path: path.to_owned(), error };
    for path in (1..=SAME_NAME).map(numbered) {
        let mut file = match File::create_new(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            opened => opened.map_err(|error| failed(&path, error))?,
        };
        if let Err(error) = file.write_all(bytes).and_then(|()| file.flush()) {
            // What cannot be removed either is at least reported.
            let _ = std::fs::remove_file(&path);
            return Err(failed(&path, error));
        }
        return Ok(path);
    }
    Err(failed(path, std::io::ErrorKind::AlreadyExists.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use vision::image::{Colorimetry, Image, ImageInfo, PixelFormat, Plane};

    fn shot(violation: u64, side: usize) -> Shot {
        let info = ImageInfo {
            format: PixelFormat::Gray8,
            width: side,
            height: side,
            colorimetry: Colorimetry::default(),
        };
        let data = vec![100; side * side];
        let still = Still::of(&Image::new(info, &[Plane { data: &data, stride: side }]).unwrap());
        let moment = Moment { violation, kind: "start", rule: "r".into(), at: Duration::ZERO };
        Shot { still, list: DisplayList::default(), people: Vec::new(), moments: vec![moment] }
    }

    fn plan(folder: &Path) -> Plan {
        let pattern = Pattern::new(&format!("{}/{{violation}}.png", folder.display())).unwrap();
        Plan { pattern, picture: SnapshotPicture::Both, blur: SnapshotBlur::Faces }
    }

    fn names(folder: &Path) -> Vec<String> {
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_waits_is_written_at_the_end_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let snapshots = Snapshots::start(plan(folder.path()), |_| {}).unwrap();
            assert!(snapshots.keep(shot(1, 16)) && snapshots.keep(shot(2, 16)));
            snapshots.wait();
            assert_eq!(snapshots.counts.written.load(Ordering::Relaxed), 4);
        }
        let expected = ["00001-drawn-2.png", "00001-drawn.png", "00001-plain-2.png", "00001-plain.png"];
        assert_eq!(names(folder.path())[..4], expected);
        assert_eq!(names(folder.path()).len(), 8);
    }

    #[test]
    fn a_slow_disk_drops_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let snapshots = Snapshots::start(plan(folder.path()), {
            let gate = gate.clone();
            move |_| drop(gate.lock().unwrap())
        })
        .unwrap();
        let kept = (0..20).filter(|&violation| snapshots.keep(shot(violation, 16))).count();
        assert!((WAITING..=WAITING + 1).contains(&kept), "{kept}");
        assert_eq!(snapshots.counts.dropped.load(Ordering::Relaxed), 20 - kept as u64);
        drop(closed);
        let counts = snapshots.counts.clone();
        drop(snapshots);
        assert_eq!(counts.written.load(Ordering::Relaxed), 2 * kept as u64);
    }

    #[test]
    fn a_folder_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        folder.close().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let snapshots = Snapshots::start(plan, {
            let told = told.clone();
            move |outcome| {
                if let Outcome::Failed(error) = outcome {
                    told.lock().unwrap().push(error.to_string());
                }
            }
        })
        .unwrap();
        snapshots.keep(shot(1, 16));
        drop(snapshots);
        assert!(told.lock().unwrap()[0].contains("Check the path"), "{told:?}");
    }

    #[test]
    fn a_head_is_at_the_top_of_who_stands() {
        let standing = Rect { x: 10.0, y: 100.0, width: 40.0, height: 100.0 };
        let head = head(&standing);
        assert!(head.y < 100.0 && head.bottom() < 130.0 && head.width == 40.0);
        let lying = Rect { width: 100.0, height: 40.0, ..standing };
        assert_eq!(super::head(&lying), lying);
    }
}
