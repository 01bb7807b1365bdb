//! Elements of tensors in device memory.

use std::marker::PhantomData;

use vision::tensor::DataType;

use super::copies::{self, Direction};
use super::driver::Address;
use super::error::{Error, call};
use super::memory::{HostBuffer, element_bytes, within};
use super::stream::Stream;

/// The elements of a tensor in device memory, to write.
#[derive(Debug)]
pub struct DeviceElementsMut<'a> {
    address: Address,
    data_type: DataType,
    length: usize,
    memory: PhantomData<&'a mut ()>,
}

impl DeviceElementsMut<'_> {
    /// `length` elements of type `data_type` at `address`.
    ///
    /// # Safety
    /// They must lie in device memory that stays valid, and that nobody else uses, until the work that is given them
    /// is done.
    pub unsafe fn new(address: u64, data_type: DataType, length: usize) -> Self {
        Self { address, data_type, length, memory: PhantomData }
    }

    /// Address of the first one on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Their type.
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Elements `range` alone.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn get(self, range: std::ops::Range<usize>) -> Result<Self, Error> {
        let range = within(range.start, range.len(), self.length)?;
        let address = self.address + (range.start * element_bytes(self.data_type)) as Address;
        Ok(Self { address, length: range.len(), ..self })
    }

    /// Sets every byte to zero, in the order of `stream`.
    ///
    /// # Errors
    /// When the context is lost.
    pub fn zero(&mut self, stream: &Stream) -> Result<(), Error> {
        let _current = stream.context().enter()?;
        // SAFETY: the elements are valid, as whoever made this promised.
        unsafe { call!(cuMemsetD8Async(self.address, 0, self.bytes(), stream.raw())) }
    }

    /// Copies the start of `from` to all of them, in the order of `stream`.
    ///
    /// # Errors
    /// When `from` is too short, or the context is lost.
    pub fn upload(
        &mut self,
        from: &mut HostBuffer,
        stream: &Stream,
        purpose: &'static str,
    ) -> Result<(), Error> {
        within(0, self.bytes(), from.len())?;
        copies::record(Direction::HostToDevice, purpose, self.bytes());
        let _current = stream.context().enter()?;
        let host = from.start().cast_const().cast();
        // SAFETY: both are long enough; the host's bytes stay until the copy is done.
        unsafe { call!(cuMemcpyHtoDAsync_v2(self.address, host, self.bytes(), stream.raw())) }?;
        from.in_use_by(stream)
    }

    /// Copies all of them to the start of `to`, in the order of `stream`.
    ///
    /// # Errors
    /// When `to` is too short, or the context is lost.
    pub fn download(&self, to: &mut HostBuffer, stream: &Stream, purpose: &'static str) -> Result<(), Error> {
        within(0, self.bytes(), to.len())?;
        copies::record(Direction::DeviceToHost, purpose, self.bytes());
        let _current = stream.context().enter()?;
        // SAFETY: both are long enough; the host's bytes stay until the copy is done.
        unsafe { call!(cuMemcpyDtoHAsync_v2(to.start().cast(), self.address, self.bytes(), stream.raw())) }?;
        to.in_use_by(stream)
    }

    fn bytes(&self) -> usize {
        self.length * element_bytes(self.data_type)
    }
}
