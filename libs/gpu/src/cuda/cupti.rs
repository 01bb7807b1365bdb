//! Copies as CUPTI sees them, the CUDA toolkit's profiling library: every one that the driver makes in this process,
//! whoever asks for it, those within CUDA graphs too. It does not see what kernels read and write in mapped memory, and
//! what engines such as the video decoder fetch by themselves.

use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libloading::Library;

use super::driver::{Code, Handle};
use super::error::Error;
use crate::dynamic::{open, symbol};

/// Names of the library, the newest first.
const NAMES: [&str; 3] = ["libcupti.so.13", "libcupti.so.12", "libcupti.so"];

/// Where the toolkit puts it; the linker does not always look there.
const FOLDERS: [&str; 5] = [
    "/usr/local/cuda/lib64",
    "/usr/local/cuda/extras/CUPTI/lib64",
    "/usr/local/cuda/targets/x86_64-linux/lib",
    "/usr/local/cuda/targets/sbsa-linux/lib",
    "/usr/local/cuda/targets/aarch64-linux/lib",
];

/// Codes of `CUptiResult`.
const SUCCESS: Code = 0;
const NO_MORE_RECORDS: Code = 12;
const INSUFFICIENT_PRIVILEGES: Code = 35;
const OTHER_SUBSCRIBER: Code = 39;
const INSUFFICIENT_PRIVILEGES_VIRTUAL: Code = 40;

/// `CUPTI_ACTIVITY_KIND_MEMCPY`.
const COPY: u32 = 1;
/// `CUPTI_ACTIVITY_KIND_MEMCPY2`: between devices.
const PEER_COPY: u32 = 22;

/// `CUPTI_ACTIVITY_FLAG_FLUSH_FORCED`: buffers that are not full, too.
const FORCED: u32 = 1;

/// Words of a buffer that CUPTI writes records to: 1 MiB, aligned as the records are.
const BUFFER_WORDS: usize = 1 << 17;

/// The first fields of `CUpti_ActivityMemcpy` and `CUpti_ActivityMemcpyPtoP`, the same in all of their versions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Record {
    kind: u32,
    copy: u8,
    from: u8,
    to: u8,
    flags: u8,
    bytes: u64,
    start: u64,
    end: u64,
}

const _: () = assert!(size_of::<Record>() == 32);

type Request = extern "C" fn(*mut *mut u8, *mut usize, *mut usize);
type Complete = extern "C" fn(Handle, u32, *mut u8, usize, usize);
type NextRecord = unsafe extern "C" fn(*mut u8, usize, *mut *mut Record) -> Code;

/// The functions in use, as `cupti_activity.h` and `cupti_result.h` declare them.
struct Cupti {
    register_callbacks: unsafe extern "C" fn(Request, Complete) -> Code,
    enable: unsafe extern "C" fn(u32) -> Code,
    disable: unsafe extern "C" fn(u32) -> Code,
    flush_all: unsafe extern "C" fn(u32) -> Code,
    next_record: NextRecord,
    dropped_records: unsafe extern "C" fn(Handle, u32, *mut usize) -> Code,
    timestamp: unsafe extern "C" fn(*mut u64) -> Code,
    result_string: unsafe extern "C" fn(Code, *mut *const c_char) -> Code,
    _library: Library,
}

impl Cupti {
    fn new(library: Library) -> Result<Self, String> {
        // SAFETY: the signatures are those of the headers.
        unsafe {
            Ok(Self {
                register_callbacks: symbol(&library, "cuptiActivityRegisterCallbacks")?,
                enable: symbol(&library, "cuptiActivityEnable")?,
                disable: symbol(&library, "cuptiActivityDisable")?,
                flush_all: symbol(&library, "cuptiActivityFlushAll")?,
                next_record: symbol(&library, "cuptiActivityGetNextRecord")?,
                dropped_records: symbol(&library, "cuptiActivityGetNumDroppedRecords")?,
                timestamp: symbol(&library, "cuptiGetTimestamp")?,
                result_string: symbol(&library, "cuptiGetResultString")?,
                _library: library,
            })
        }
    }

    fn check(&self, call: &str, code: Code) -> Result<(), Error> {
        if code == SUCCESS {
            return Ok(());
        }
        Err(Error::Unavailable(format!("{call}: {} ({code}){}", self.text(code), remedy(code))))
    }

    fn text(&self, code: Code) -> String {
        let mut text = std::ptr::null();
        // SAFETY: writes a pointer to a static string.
        let known = unsafe { (self.result_string)(code, &mut text) } == SUCCESS && !text.is_null();
        if !known {
            return "unknown error".into();
        }
        // SAFETY: a static, terminated string.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

/// What a user can do about a refusal.
fn remedy(code: Code) -> &'static str {
    match code {
        INSUFFICIENT_PRIVILEGES | INSUFFICIENT_PRIVILEGES_VIRTUAL => {
            "; run as root, or load the kernel module nvidia with NVreg_RestrictProfilingToAdminUsers=0"
        }
        OTHER_SUBSCRIBER => "; another profiler is in this process, run without it",
        _ => "",
    }
}

fn load() -> Result<Cupti, String> {
    let within = |folder: &&str| NAMES.map(|name| format!("{folder}/{name}"));
    let paths: Vec<String> =
        NAMES.map(str::to_owned).into_iter().chain(FOLDERS.iter().flat_map(within)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let library = open(&paths).map_err(|reason| {
        format!(
            "no CUPTI: {reason}; it comes with the CUDA toolkit (package cuda-cupti), its folder belongs into LD_LIBRARY_PATH"
        )
    })?;
    Cupti::new(library).map_err(|reason| format!("CUPTI is of another kind: {reason}"))
}

fn cupti() -> Result<&'static Cupti, Error> {
    static CUPTI: OnceLock<Result<Cupti, String>> = OnceLock::new();
    CUPTI.get_or_init(load).as_ref().map_err(|missing| Error::Unavailable(missing.clone()))
}

/// Loads the library, if that has not happened yet. Whether it works is known once a [`Recorder`] starts.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing.
pub fn load_library() -> Result<(), Error> {
    cupti().map(drop)
}

/// From where to where bytes were copied. Arrays count as device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferKind {
    /// From host to device memory.
    HostToDevice,
    /// From device to host memory.
    DeviceToHost,
    /// Within a device's memory.
    DeviceToDevice,
    /// Within host memory.
    HostToHost,
    /// From one device to another.
    PeerToPeer,
    /// CUPTI does not know.
    Unknown,
}

impl TransferKind {
    /// Sorts a value of `CUpti_ActivityMemcpyKind`.
    fn of(copy: u8) -> Self {
        match copy {
            1 | 3 => Self::HostToDevice,
            2 | 4 => Self::DeviceToHost,
            5..=8 => Self::DeviceToDevice,
            9 => Self::HostToHost,
            10 => Self::PeerToPeer,
            _ => Self::Unknown,
        }
    }

    /// Whether the bytes went between host and device memory.
    pub fn is_between_host_and_device(self) -> bool {
        matches!(self, Self::HostToDevice | Self::DeviceToHost)
    }
}

/// A point in time, in nanoseconds of CUPTI's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// One copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// From where to where.
    pub kind: TransferKind,
    /// Bytes that were copied.
    pub bytes: u64,
    /// When the device began; `None` where CUPTI could not tell.
    pub start: Option<Moment>,
}

impl Transfer {
    /// The copy that `record` tells of; `None` for records of other kinds.
    fn of(record: &Record) -> Option<Self> {
        let kind = match record.kind {
            COPY => TransferKind::of(record.copy),
            PEER_COPY => TransferKind::PeerToPeer,
            _ => return None,
        };
        Some(Self { kind, bytes: record.bytes, start: (record.start != 0).then_some(Moment(record.start)) })
    }
}

/// Several copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub calls: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u64,
}

impl<'a> FromIterator<&'a Transfer> for Total {
    fn from_iter<I: IntoIterator<Item = &'a Transfer>>(transfers: I) -> Self {
        transfers.into_iter().fold(Self::default(), |total, transfer| Self {
            calls: total.calls + 1,
            bytes: total.bytes + transfer.bytes,
            largest: total.largest.max(transfer.bytes),
        })
    }
}

/// What a [`Recorder`] saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Every copy, in no order.
    pub transfers: Vec<Transfer>,
    /// Copies that CUPTI had no room for.
    pub dropped: u64,
    /// Buffers whose end could not be read, as when a copy was not finished: what lay there is missing.
    pub cut: u64,
}

impl Recording {
    /// The copies that began in `period`, and those of which the time is not known.
    pub fn during(&self, period: Range<Moment>) -> impl Iterator<Item = &Transfer> {
        self.transfers
            .iter()
            .filter(move |transfer| transfer.start.is_none_or(|start| period.contains(&start)))
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.dropped == 0 && self.cut == 0
    }
}

/// What has come in so far.
static RECORDING: Mutex<Recording> = Mutex::new(Recording { transfers: Vec::new(), dropped: 0, cut: 0 });

/// Whether there is a recorder.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

fn recording() -> MutexGuard<'static, Recording> {
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records every copy of this process from [`Self::start`] to [`Self::finish`].
pub struct Recorder {
    cupti: &'static Cupti,
}

impl Recorder {
    /// Starts recording. Best before anything else uses CUDA.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when CUPTI is missing or refuses, or when there is a recorder already.
    pub fn start() -> Result<Self, Error> {
        let cupti = cupti()?;
        if IS_TAKEN.swap(true, Ordering::AcqRel) {
            return Err(Error::Unavailable("there is a recorder of copies in this process already".into()));
        }
        // From here on its end gives the place free.
        let recorder = Self { cupti };
        *recording() = Recording::default();
        // SAFETY: both functions are there as long as the process, and keep what CUPTI's header asks of them.
        let code = unsafe { (cupti.register_callbacks)(hand_out, take_back) };
        cupti.check("cuptiActivityRegisterCallbacks", code)?;
        for kind in [COPY, PEER_COPY] {
            // SAFETY: takes a number.
            cupti.check("cuptiActivityEnable", unsafe { (cupti.enable)(kind) })?;
        }
        Ok(recorder)
    }

    /// The time on the clock of [`Transfer::start`].
    ///
    /// # Errors
    /// When CUPTI does not tell.
    pub fn now(&self) -> Result<Moment, Error> {
        let mut now = 0;
        // SAFETY: writes one number.
        self.cupti.check("cuptiGetTimestamp", unsafe { (self.cupti.timestamp)(&mut now) })?;
        Ok(Moment(now))
    }

    /// Stops recording, and tells what was copied. Copies that the device has not finished may be missing: wait for it
    /// before.
    ///
    /// # Errors
    /// When CUPTI does not hand out what it has.
    pub fn finish(self) -> Result<Recording, Error> {
        let mut dropped = 0;
        // SAFETY: takes a number. It calls back, so that nothing may be locked here.
        self.cupti.check("cuptiActivityFlushAll", unsafe { (self.cupti.flush_all)(FORCED) })?;
        // SAFETY: no context stands for all of them; writes one number.
        let code = unsafe { (self.cupti.dropped_records)(null_mut(), 0, &mut dropped) };
        self.cupti.check("cuptiActivityGetNumDroppedRecords", code)?;
        let mut recording = std::mem::take(&mut *recording());
        recording.dropped += dropped as u64;
        Ok(recording)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        for kind in [COPY, PEER_COPY] {
            // SAFETY: takes a number. What was not enabled need not be disabled, so that a refusal means nothing.
            let _ = unsafe { (self.cupti.disable)(kind) };
        }
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// CUPTI asks for a buffer.
extern "C" fn hand_out(buffer: *mut *mut u8, size: *mut usize, max_records: *mut usize) {
    let words = Box::into_raw(vec![0u64; BUFFER_WORDS].into_boxed_slice());
    // SAFETY: CUPTI passes three places to write to; 0 records stand for as many as there is room for.
    unsafe {
        *buffer = words.cast();
        *size = BUFFER_WORDS * size_of::<u64>();
        *max_records = 0;
    }
}

/// CUPTI gives a buffer back, `valid` bytes of which hold records.
extern "C" fn take_back(_context: Handle, _stream: u32, buffer: *mut u8, _size: usize, valid: usize) {
    if buffer.is_null() {
        return;
    }
    if let (Ok(cupti), true) = (cupti(), valid > 0) {
        // SAFETY: the buffer is ours again and CUPTI has filled `valid` bytes of it.
        let (transfers, is_whole) = unsafe { read(cupti.next_record, buffer, valid) };
        let mut recording = recording();
        recording.transfers.extend(transfers);
        recording.cut += u64::from(!is_whole);
    }
    let words = std::ptr::slice_from_raw_parts_mut(buffer.cast::<u64>(), BUFFER_WORDS);
    // SAFETY: `hand_out` made it of a box of this size; CUPTI does not use it any more.
    drop(unsafe { Box::from_raw(words) });
}

/// The copies in `valid` bytes at `buffer`, and whether they were read to their end.
///
/// # Safety
/// `next` must be `cuptiActivityGetNextRecord`, or find records like it; `buffer` must hold such records.
unsafe fn read(next: NextRecord, buffer: *mut u8, valid: usize) -> (Vec<Transfer>, bool) {
    let (mut transfers, mut record) = (Vec::new(), null_mut::<Record>());
    loop {
        // SAFETY: as the caller promises; `record` is null or the one before.
        match unsafe { next(buffer, valid, &mut record) } {
            // SAFETY: a record of CUPTI. Only the kinds that begin like `Record` are enabled.
            SUCCESS => transfers.extend(unsafe { record.as_ref() }.and_then(Transfer::of)),
            code => return (transfers, code == NO_MORE_RECORDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, copy: u8, bytes: u64, start: u64) -> Record {
        Record { kind, copy, from: 2, to: 3, flags: 0, bytes, start, end: start + 1 }
    }

    /// Finds records one after the other; one of kind 0 is not finished.
    unsafe extern "C" fn next(buffer: *mut u8, valid: usize, record: *mut *mut Record) -> Code {
        let (first, end) = (buffer.cast::<Record>(), buffer.wrapping_add(valid).cast::<Record>());
        // SAFETY: the tests pass whole records and a place to write to.
        unsafe {
            let found = if (*record).is_null() { first } else { (*record).wrapping_add(1) };
            if found >= end {
                return NO_MORE_RECORDS;
            }
            *record = found;
            if (*found).kind == 0 { 21 } else { SUCCESS }
        }
    }

    fn read_all(records: &mut [Record]) -> (Vec<Transfer>, bool) {
        // SAFETY: whole records, and a function that finds them.
        unsafe { read(next, records.as_mut_ptr().cast(), size_of_val(records)) }
    }

    #[test]
    fn records_lie_as_the_header_says() {
        // As CUPTI writes it: kind, copy kind, source, target, flags, bytes, start, end.
        let mut bytes = Vec::new();
        bytes.extend(1u32.to_ne_bytes());
        bytes.extend([2, 3, 1, 0]);
        [3_110_400u64, 77, 99].iter().for_each(|number| bytes.extend(number.to_ne_bytes()));
        // SAFETY: 32 bytes of numbers, of which any are valid.
        let record: Record = unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) };
        let transfer = Transfer::of(&record).unwrap();
        assert_eq!((transfer.kind, transfer.bytes), (TransferKind::DeviceToHost, 3_110_400));
        assert_eq!(transfer.start, Some(Moment(77)));
    }

    #[test]
    fn every_kind_of_copy_is_told_apart() {
        use TransferKind::*;
        let kinds: Vec<TransferKind> = (0..=11).map(TransferKind::of).collect();
        let device = DeviceToDevice;
        let expected = [Unknown, HostToDevice, DeviceToHost, HostToDevice, DeviceToHost, device, device];
        assert_eq!(kinds[..7], expected);
        assert_eq!(kinds[7..], [device, device, HostToHost, PeerToPeer, Unknown]);
        assert_eq!(Transfer::of(&record(PEER_COPY, 8, 1, 1)).unwrap().kind, PeerToPeer);
        assert!(HostToDevice.is_between_host_and_device() && !PeerToPeer.is_between_host_and_device());
    }

    #[test]
    fn a_buffer_is_read_to_its_end() {
        // A kernel's record in between tells of no copy.
        let mut records = [record(COPY, 1, 10, 5), record(10, 0, 0, 6), record(COPY, 8, 20, 7)];
        let (transfers, is_whole) = read_all(&mut records);
        assert!(is_whole);
        let bytes: Vec<u64> = transfers.iter().map(|transfer| transfer.bytes).collect();
        assert_eq!(bytes, [10, 20]);
        assert_eq!(read_all(&mut []), (Vec::new(), true));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut records = [record(COPY, 1, 10, 5), record(0, 0, 0, 0), record(COPY, 1, 10, 5)];
        let (transfers, is_whole) = read_all(&mut records);
        assert_eq!((transfers.len(), is_whole), (1, false));
        let recording = Recording { cut: 1, ..Recording::default() };
        assert!(!recording.is_complete() && Recording::default().is_complete());
    }

    #[test]
    fn a_period_holds_what_began_in_it_and_what_has_no_time() {
        let mut records = [4, 5, 9, 10, 0].map(|start| record(COPY, 1, 100 + start, start));
        let recording = Recording { transfers: read_all(&mut records).0, ..Recording::default() };
        let total: Total = recording.during(Moment(5)..Moment(10)).collect();
        assert_eq!(total, Total { calls: 3, bytes: 105 + 109 + 100, largest: 109 });
        assert_eq!(Total::from_iter(&[]), Total::default());
    }

    #[test]
    fn buffers_go_out_and_come_back() {
        let (mut buffer, mut size, mut records) = (null_mut(), 0, 1);
        hand_out(&mut buffer, &mut size, &mut records);
        assert!(buffer.cast::<u64>().is_aligned() && (size, records) == (1 << 20, 0));
        take_back(null_mut(), 0, buffer, size, 0);
        take_back(null_mut(), 0, null_mut(), 0, 0);
    }

    #[test]
    fn a_machine_without_cupti_is_told_what_is_missing() {
        match Recorder::start() {
            Ok(recorder) => {
                assert!(Recorder::start().err().unwrap().to_string().contains("already"));
                drop(recorder);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("CUPTI") || text.contains("cupti"), "{text}");
            }
        }
        assert!(!IS_TAKEN.load(Ordering::Acquire), "a refused start gives its place free");
    }

    #[test]
    fn refusals_come_with_a_remedy() {
        assert!(remedy(INSUFFICIENT_PRIVILEGES).contains("NVreg_RestrictProfilingToAdminUsers"));
        assert!(remedy(OTHER_SUBSCRIBER).contains("profiler"));
        assert_eq!(remedy(999), "");
    }
}
