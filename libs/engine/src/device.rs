//! Input tensors in the memory of a CUDA device.

use std::ops::Range;
use std::sync::{Arc, Weak};

use gpu::cuda::{Context, DeviceBuffer, DeviceElementsMut, Error, Event, HostBuffer, Stream};
use vision::tensor::DataType;

use crate::EngineError;
use crate::tensor::{element_size, is_addressable};

/// Bytes of a tensor.
fn bytes(data_type: DataType, shape: &[usize]) -> Result<usize, EngineError> {
    match is_addressable(data_type, shape) {
        true => Ok(shape.iter().product::<usize>() * element_size(data_type)),
        false => Err(EngineError::OutOfMemory { shape: shape.to_vec() }),
    }
}

/// A tensor on a device.
#[derive(Debug)]
pub(crate) struct DeviceTensor {
    buffer: DeviceBuffer,
    data_type: DataType,
    length: usize,
    context: Arc<Context>,
    /// For what is written on the host.
    staging: Option<HostBuffer>,
    /// Whether the newest elements lie in `staging`.
    staged: bool,
    /// Happens when the newest elements have been written.
    written: Event,
    /// The stream in which they are, unless somebody was made to wait for them since.
    writer: Option<usize>,
    alive: Arc<()>,
}

impl DeviceTensor {
    /// A zeroed tensor.
    ///
    /// # Errors
    /// When the device's memory is short.
    pub fn new(context: &Arc<Context>, data_type: DataType, shape: &[usize]) -> Result<Self, EngineError> {
        let mut this = Self {
            buffer: DeviceBuffer::new(context, bytes(data_type, shape)?)?,
            data_type,
            length: shape.iter().product(),
            context: Arc::clone(context),
            staging: None,
            staged: false,
            written: Event::new(context)?,
            writer: None,
            alive: Arc::new(()),
        };
        let stream = Stream::new(context)?;
        this.elements()?.zero(&stream)?;
        stream.synchronize()?;
        Ok(this)
    }

    /// Where it lies on the device.
    pub fn address(&self) -> u64 {
        self.buffer.address()
    }

    /// Tells whether the tensor is still there.
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }

    fn elements(&mut self) -> Result<DeviceElementsMut<'_>, Error> {
        self.buffer.elements_mut(self.data_type, 0..self.length)
    }

    /// Host memory that is uploaded before the tensor is used.
    pub fn stage(&mut self) -> Result<&mut [u8], Error> {
        let bytes = self.length * element_size(self.data_type);
        let staging = match self.staging.take() {
            Some(staging) => staging,
            None => HostBuffer::pinned(&self.context, bytes)?,
        };
        self.staged = true;
        self.staging.insert(staging).bytes_mut()
    }

    /// Lets `work` write elements `range` in the order of `stream`.
    pub fn write_on(
        &mut self,
        stream: &Stream,
        range: Range<usize>,
        work: impl FnOnce(&mut DeviceElementsMut<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.staged = false;
        let writer = stream.raw() as usize;
        if self.writer.is_some_and(|other| other != writer) {
            // The one event stands for what is still in the other stream as well.
            stream.wait(&self.written)?;
        }
        work(&mut self.elements()?.get(range)?)?;
        self.written.record(stream)?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Makes what comes next in `stream` see the newest elements.
    pub fn settle(&mut self, stream: &Stream) -> Result<(), Error> {
        self.writer = None;
        let Some(mut staging) = self.staging.take_if(|_| self.staged) else {
            return stream.wait(&self.written);
        };
        self.staged = false;
        let uploaded =
            self.elements().and_then(|mut to| to.upload(&mut staging, stream, "inference: input tensor"));
        self.staging = Some(staging);
        uploaded
    }
}
