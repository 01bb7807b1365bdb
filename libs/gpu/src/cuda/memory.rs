//! Device memory, host memory that a device copies, and copies between them.

use std::ffi::c_void;
use std::fmt;
use std::ops::Range;
use std::ptr::{NonNull, null_mut, slice_from_raw_parts_mut};
use std::sync::Arc;

use vision::tensor::DataType;

use super::context::Context;
use super::copies::{self, Direction};
use super::driver::{Address, driver};
use super::elements::DeviceElementsMut;
use super::error::{Error, ErrorKind, call};
use super::stream::{Event, Stream};

/// `CU_MEMHOSTALLOC_PORTABLE`: pinned for every context.
const PORTABLE: u32 = 1;
/// `CU_MEMHOSTALLOC_DEVICEMAP`: the device can reach it.
const DEVICE_MAP: u32 = 2;
/// `CU_MEM_ATTACH_GLOBAL`: every stream may use it.
const ATTACH_GLOBAL: u32 = 1;
/// `CU_POINTER_ATTRIBUTE_DEVICE_POINTER`.
const DEVICE_POINTER: i32 = 3;
/// Bytes of pageable memory that the driver takes along with the call that copies them, without waiting for the stream.
const TAKEN_ALONG: usize = 64 << 10;

/// Bytes of one element.
pub(super) fn element_bytes(data_type: DataType) -> usize {
    match data_type {
        DataType::U8 => 1,
        DataType::F16 => 2,
        DataType::F32 | DataType::I32 => 4,
        DataType::I64 => 8,
    }
}

fn outside(range: &Range<usize>, length: usize) -> Error {
    Error::Argument(format!("bytes {range:?} do not lie in a buffer of {length} bytes"))
}

/// The `length` bytes from `at` on, if they lie in a buffer of `available` bytes.
pub(super) fn within(at: usize, length: usize, available: usize) -> Result<Range<usize>, Error> {
    let range = at..at.saturating_add(length);
    if range.end <= available { Ok(range) } else { Err(outside(&range, available)) }
}

/// Memory of the device.
pub struct DeviceBuffer {
    address: Address,
    length: usize,
    context: Arc<Context>,
}

impl DeviceBuffer {
    /// `length` bytes of whatever was there before.
    ///
    /// # Errors
    /// When the device has not enough free memory.
    pub fn new(context: &Arc<Context>, length: usize) -> Result<Self, Error> {
        let _current = context.enter()?;
        let mut address = 0;
        // SAFETY: writes one address.
        unsafe { call!(cuMemAlloc_v2(&mut address, length.max(1))) }.map_err(|error| match error.kind() {
            ErrorKind::OutOfMemory => context.shortage(length as u64),
            _ => error,
        })?;
        Ok(Self { address, length, context: context.clone() })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its address on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its context.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Sets every byte, in the order of `stream`.
    ///
    /// # Errors
    /// When the context is lost.
    pub fn fill(&mut self, byte: u8, stream: &Stream) -> Result<(), Error> {
        let _current = self.context.enter()?;
        // SAFETY: the whole of our own memory.
        unsafe { call!(cuMemsetD8Async(self.address, byte, self.length, stream.raw())) }
    }

    /// Copies bytes `range` of `from` to byte `at` and after, in the order of `stream`.
    ///
    /// # Errors
    /// When either is too short, or the context is lost.
    pub fn upload(
        &mut self,
        at: usize,
        from: &mut HostBuffer,
        range: Range<usize>,
        stream: &Stream,
        purpose: &'static str,
    ) -> Result<(), Error> {
        let length = range.len();
        let source = within(range.start, length, from.length)?.start;
        let target = self.address + within(at, length, self.length)?.start as Address;
        let (host, piece) = (from.start.as_ptr(), from.piece());
        let _current = self.context.enter()?;
        let copied = (0..length).step_by(piece).try_for_each(|start| {
            let length = piece.min(length - start);
            copies::record(Direction::HostToDevice, purpose, length);
            let to = target + start as Address;
            // SAFETY: both ranges were checked; the host's stays until `from.busy` has happened.
            unsafe { call!(cuMemcpyHtoDAsync_v2(to, host.add(source + start).cast(), length, stream.raw())) }
        });
        // Some pieces may be on their way even if another one failed.
        from.in_use_by(stream)?;
        copied
    }

    /// Copies `from`, which may lie anywhere in host memory, to the start, in the order of `stream`. Waits for it: the driver
    /// copies what is not pinned by way of memory of its own.
    ///
    /// # Errors
    /// When the buffer is too short, or the context is lost.
    pub fn write(&mut self, from: &[u8], stream: &Stream, purpose: &'static str) -> Result<(), Error> {
        within(0, from.len(), self.length)?;
        copies::record(Direction::HostToDevice, purpose, from.len());
        let _current = self.context.enter()?;
        let (to, host) = (self.address, from.as_ptr().cast());
        // SAFETY: the range was checked; the host's is borrowed until the copy is done.
        let copied = unsafe { call!(cuMemcpyHtoDAsync_v2(to, host, from.len(), stream.raw())) };
        stream.synchronize()?;
        copied
    }

    /// Copies `range` to the start of `to`, in the order of `stream`.
    ///
    /// # Errors
    /// When either is too short, or the context is lost.
    pub fn download(
        &self,
        range: Range<usize>,
        to: &mut HostBuffer,
        stream: &Stream,
        purpose: &'static str,
    ) -> Result<(), Error> {
        let source = within(range.start, range.len(), self.length)?;
        within(0, range.len(), to.length)?;
        copies::record(Direction::DeviceToHost, purpose, range.len());
        let _current = self.context.enter()?;
        let (from, host) = (self.address + source.start as Address, to.start.as_ptr());
        // SAFETY: both ranges were checked; the host's stays until `to.busy` has happened.
        unsafe { call!(cuMemcpyDtoHAsync_v2(host.cast(), from, range.len(), stream.raw())) }?;
        to.in_use_by(stream)
    }

    /// Copies `length` bytes of `from`, from its start, to byte `at` and after, in the order of `stream`.
    ///
    /// # Errors
    /// When either is too short, or the context is lost.
    pub fn copy_from(
        &mut self,
        at: usize,
        from: &DeviceBuffer,
        length: usize,
        stream: &Stream,
        purpose: &'static str,
    ) -> Result<(), Error> {
        within(0, length, from.length)?;
        let target = within(at, length, self.length)?;
        copies::record(Direction::DeviceToDevice, purpose, length);
        let _current = self.context.enter()?;
        let to = self.address + target.start as Address;
        // SAFETY: both ranges were checked.
        unsafe { call!(cuMemcpyDtoDAsync_v2(to, from.address, length, stream.raw())) }
    }

    /// Elements `range` of type `data_type`, to write.
    ///
    /// # Errors
    /// When the buffer is too short.
    pub fn elements_mut(
        &mut self,
        data_type: DataType,
        range: Range<usize>,
    ) -> Result<DeviceElementsMut<'_>, Error> {
        let size = element_bytes(data_type);
        let bytes = within(range.start * size, range.len() * size, self.length)?;
        // SAFETY: inside our own memory, which the result borrows.
        Ok(unsafe { DeviceElementsMut::new(self.address + bytes.start as Address, data_type, range.len()) })
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: ours; the driver waits for the work that uses it.
        let _ = unsafe { call!(cuMemFree_v2(self.address)) };
    }
}

impl fmt::Debug for DeviceBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceBuffer({:#x}, {} bytes)", self.address, self.length)
    }
}

/// Where the device reaches `bytes` of the host in place; `None` for memory that the driver does not know.
///
/// # Errors
/// When the context is lost.
pub fn device_address(context: &Context, bytes: &[u8]) -> Result<Option<u64>, Error> {
    let _current = context.enter()?;
    let (mut address, host): (Address, _) = (0, bytes.as_ptr() as Address);
    let to = (&raw mut address).cast::<c_void>();
    // SAFETY: writes one address; any address may be asked about.
    let known = unsafe { (driver()?.cuPointerGetAttribute)(to, DEVICE_POINTER, host) } == 0;
    Ok((known && address != 0).then_some(address))
}

/// How host memory was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pageable,
    Pinned,
    Mapped,
    Managed,
}

/// Host memory that the device copies from and to. Knows when the device is done with it.
pub struct HostBuffer {
    start: NonNull<u8>,
    length: usize,
    context: Arc<Context>,
    kind: Kind,
    /// Happens when the device is done with it; and the last stream that used it.
    busy: Option<(Event, usize)>,
}

// SAFETY: it owns its memory.
unsafe impl Send for HostBuffer {}
// SAFETY: a shared one is only read.
unsafe impl Sync for HostBuffer {}

impl HostBuffer {
    /// `length` zero bytes, for small things that the device is sent: the driver takes them along with the call. From pinned memory
    /// they would be copied by an engine that takes turns with kernels (H100: 20 KB in 9 instead of 3 us).
    pub fn pageable(context: &Arc<Context>, length: usize) -> Self {
        let bytes = Box::leak(vec![0; length].into_boxed_slice());
        Self {
            start: NonNull::from(bytes).cast(),
            length,
            context: context.clone(),
            kind: Kind::Pageable,
            busy: None,
        }
    }

    /// `length` zero bytes that the device copies by itself.
    ///
    /// # Errors
    /// When the host has not enough memory.
    pub fn pinned(context: &Arc<Context>, length: usize) -> Result<Self, Error> {
        Self::host(context, length, Kind::Pinned)
    }

    /// As [`HostBuffer::pinned`], and the device can also reach them in place: [`HostBuffer::device_address`].
    ///
    /// # Errors
    /// When the host has not enough memory.
    pub fn mapped(context: &Arc<Context>, length: usize) -> Result<Self, Error> {
        Self::host(context, length, Kind::Mapped)
    }

    /// `length` zero bytes of managed memory: the driver moves them to whoever uses them.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn managed(context: &Arc<Context>, length: usize) -> Result<Self, Error> {
        let _current = context.enter()?;
        let mut address: Address = 0;
        // SAFETY: writes one address.
        unsafe { call!(cuMemAllocManaged(&mut address, length.max(1), ATTACH_GLOBAL)) }?;
        Self::adopt(context, address as *mut u8, length, Kind::Managed)
    }

    fn host(context: &Arc<Context>, length: usize, kind: Kind) -> Result<Self, Error> {
        let flags = if kind == Kind::Mapped { PORTABLE | DEVICE_MAP } else { PORTABLE };
        let _current = context.enter()?;
        let mut start: *mut c_void = null_mut();
        // SAFETY: writes one pointer.
        unsafe { call!(cuMemHostAlloc(&mut start, length.max(1), flags)) }?;
        Self::adopt(context, start.cast(), length, kind)
    }

    /// Owns the `length` bytes that the driver just allocated at `start`, and clears them.
    fn adopt(context: &Arc<Context>, start: *mut u8, length: usize, kind: Kind) -> Result<Self, Error> {
        let start = NonNull::new(start).ok_or_else(|| outside(&(0..length), 0))?;
        // SAFETY: freshly allocated, `length` bytes long.
        unsafe { start.write_bytes(0, length) };
        Ok(Self { start, length, context: context.clone(), kind, busy: None })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes, once the device is done with them.
    ///
    /// # Errors
    /// When the device's work on them failed.
    pub fn bytes(&self) -> Result<&[u8], Error> {
        self.wait()?;
        // SAFETY: our own initialised memory, which the device does not write while it is borrowed.
        Ok(unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) })
    }

    /// The bytes to write, once the device is done with them.
    ///
    /// # Errors
    /// When the device's work on them failed.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8], Error> {
        self.wait()?;
        // SAFETY: our own initialised memory, which the device does not use while it is borrowed.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) })
    }

    /// Where the device reaches it, if it was made by [`HostBuffer::mapped`] or [`HostBuffer::managed`].
    ///
    /// # Errors
    /// When the context is lost.
    pub fn device_address(&self) -> Result<Option<u64>, Error> {
        match self.kind {
            Kind::Pageable | Kind::Pinned => return Ok(None),
            Kind::Managed => return Ok(Some(self.start.as_ptr() as Address)),
            Kind::Mapped => {}
        }
        let _current = self.context.enter()?;
        let mut address = 0;
        // SAFETY: mapped memory of ours; writes one address.
        unsafe { call!(cuMemHostGetDevicePointer_v2(&mut address, self.start.as_ptr().cast(), 0)) }?;
        Ok(Some(address))
    }

    /// Remembers that what is now in `stream` uses these bytes, too. Where that cannot be remembered, waits for it.
    ///
    /// # Errors
    /// When the stream is of another context than one before, or the context is lost.
    pub fn in_use_by(&mut self, stream: &Stream) -> Result<(), Error> {
        let marked = self.mark(stream);
        // A context that is lost uses the bytes no more.
        marked.or_else(|error| stream.synchronize().and(Err(error)))
    }

    fn mark(&mut self, stream: &Stream) -> Result<(), Error> {
        if let Some((event, last)) = &mut self.busy {
            // The one event stands for what is still in the other stream as well.
            if *last != stream.raw() as usize {
                stream.wait(event)?;
            }
            event.record(stream)?;
            *last = stream.raw() as usize;
            return Ok(());
        }
        let event = Event::new(stream.context())?;
        event.record(stream)?;
        self.busy = Some((event, stream.raw() as usize));
        Ok(())
    }

    /// Bytes that are copied to the device at a time.
    fn piece(&self) -> usize {
        if self.kind == Kind::Pageable { TAKEN_ALONG } else { usize::MAX }
    }

    /// Where the bytes start, for copies that this crate makes.
    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    fn wait(&self) -> Result<(), Error> {
        self.busy.as_ref().map_or(Ok(()), |(event, _)| event.synchronize())
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        // A device that fails here uses the bytes no more.
        let _ = self.wait();
        let _current = self.context.enter();
        let start = self.start.as_ptr();
        // SAFETY: ours, no longer in use, and freed as it was made.
        let _ = unsafe {
            match self.kind {
                Kind::Pageable => {
                    drop(Box::from_raw(slice_from_raw_parts_mut(start, self.length)));
                    Ok(())
                }
                Kind::Managed => call!(cuMemFree_v2(start as Address)),
                Kind::Pinned | Kind::Mapped => call!(cuMemFreeHost(start.cast())),
            }
        };
    }
}

impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostBuffer({:?}, {} bytes)", self.start, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        assert_eq!(within(4, 4, 8), Ok(4..8));
        assert!(within(4, 5, 8).is_err());
        assert!(within(usize::MAX, 2, 8).is_err());
    }
}
