//! A batch's tensors on a device, whichever runtime uses them.

use std::sync::{Arc, Weak};

use gpu::cuda::{Context, DeviceElementsMut, PinnedBuffer, Stream};
use gpu::kernels::CandidateFinder;
use vision::tensor::{DataType, TensorInfo};

use crate::recycling::{Recycled, Store};
use crate::tensor::{CopiedOutput, element_size};
use crate::worker::Answer;
use crate::{EngineError, InputTensor, Outputs, Search};

/// What belongs to a set of input tensors. What is bound or recorded names their addresses, so it holds for these alone.
struct Bound<T> {
    addresses: Vec<u64>,
    /// Whether the tensors are still there.
    alive: Vec<Weak<()>>,
    item: T,
}

/// What belongs to each set of input tensors, for as long as these are there.
pub(crate) struct Bindings<T>(Vec<Bound<T>>);

impl<T> Default for Bindings<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Bindings<T> {
    /// The place of what belongs to `inputs`, which `bind` makes for them and their addresses when they come for the first
    /// time. What belonged to tensors that were dropped is dropped once nothing of it runs any more.
    ///
    /// # Errors
    /// When some do not lie on the device, the device fails, or `bind` does.
    pub fn place(
        &mut self,
        inputs: &mut [InputTensor],
        stream: &Stream,
        bind: impl FnOnce(&[InputTensor], &[u64]) -> Result<T, EngineError>,
    ) -> Result<usize, EngineError> {
        let is_gone = |bound: &Bound<T>| bound.alive.iter().any(|alive| alive.strong_count() == 0);
        if self.0.iter().any(is_gone) {
            stream.synchronize()?;
            self.0.retain(|bound| !is_gone(bound));
        }
        let addresses = addresses(inputs)?;
        if let Some(place) = self.0.iter().position(|bound| bound.addresses == addresses) {
            return Ok(place);
        }
        let item = bind(inputs, &addresses)?;
        let alive = inputs.iter_mut().filter_map(InputTensor::as_device).map(|tensor| tensor.alive());
        self.0.push(Bound { addresses, alive: alive.collect(), item });
        Ok(self.0.len() - 1)
    }

    /// What lies at `place`.
    pub fn get(&mut self, place: usize) -> &mut T {
        &mut self.0[place].item
    }
}

/// Where the inputs lie on the device.
fn addresses(inputs: &mut [InputTensor]) -> Result<Vec<u64>, EngineError> {
    let address = |input: &mut InputTensor| Some(input.as_device()?.address());
    inputs.iter_mut().map(address).collect::<Option<_>>().ok_or(EngineError::ForeignTensor)
}

/// An output that a runtime writes to the device's memory.
pub(crate) struct DeviceOutput {
    pub info: TensorInfo,
    pub shape: Vec<usize>,
    pub address: u64,
}

/// Lets what comes next in `stream` see the newest elements of the inputs.
pub(crate) fn settle(inputs: &mut [InputTensor], stream: &Stream) -> Result<(), EngineError> {
    let mut tensors = inputs.iter_mut().filter_map(InputTensor::as_device);
    Ok(tensors.try_for_each(|tensor| tensor.settle(stream))?)
}

impl DeviceOutput {
    /// Its elements. Their memory must stay until the stream has done what they are used for.
    fn elements(&self) -> DeviceElementsMut<'_> {
        let length = self.shape.iter().product();
        // SAFETY: the session keeps the memory, and what follows in its stream comes after the use.
        #[allow(unsafe_code)]
        unsafe {
            DeviceElementsMut::new(self.address, self.info.data_type, length)
        }
    }
}

/// Brings results from a device to the host, into memory that is used again.
pub(crate) struct Results {
    context: Arc<Context>,
    outputs: Store<PinnedBuffer>,
    candidates: Store<CandidateFinder>,
}

/// Candidates on their way to the host.
pub(crate) struct DeviceCandidates {
    finder: Recycled<CandidateFinder>,
    positions: usize,
}

impl DeviceCandidates {
    /// Waits for them.
    pub fn found(self) -> Result<Outputs, EngineError> {
        Ok(Outputs::candidates_of(self.finder.found()?, self.positions))
    }
}

impl Results {
    pub fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), outputs: Store::default(), candidates: Store::default() }
    }

    /// Brings `outputs`, or of them what `search` wants, in the order of `stream`.
    pub fn bring<'a>(
        &self,
        outputs: impl Iterator<Item = &'a DeviceOutput> + Clone,
        search: Option<&Search>,
        stream: &Stream,
    ) -> Result<Answer, EngineError> {
        let wanted = search.and_then(|search| Some((search, searched(outputs.clone(), search)?)));
        match wanted {
            Some((search, (output, positions))) => {
                self.find(output, positions, search, stream).map(Answer::Candidates)
            }
            None => self.copy(outputs, stream).map(Answer::All),
        }
    }

    fn find(
        &self,
        output: &DeviceOutput,
        positions: usize,
        search: &Search,
        stream: &Stream,
    ) -> Result<DeviceCandidates, EngineError> {
        let images = output.shape[0];
        let mut finder = self.candidates.take(
            |finder| finder.capacity() == images * positions,
            || CandidateFinder::new(&self.context, images, positions),
        )?;
        finder.find(&output.elements(), images, &search.layout, search.confidence, stream)?;
        Ok(DeviceCandidates { finder, positions })
    }

    fn copy<'a>(
        &self,
        outputs: impl Iterator<Item = &'a DeviceOutput>,
        stream: &Stream,
    ) -> Result<Outputs, EngineError> {
        let copy = |output: &DeviceOutput| {
            let elements = output.elements();
            let size = elements.len() * element_size(elements.data_type());
            let mut bytes = self
                .outputs
                .take(|buffer| buffer.len() == size, || PinnedBuffer::new(&self.context, size))?;
            elements.download(&mut bytes, stream, "inference: results")?;
            Ok(CopiedOutput { data_type: output.info.data_type, shape: output.shape.clone(), bytes })
        };
        outputs.map(copy).collect::<Result<_, EngineError>>().map(Outputs::copied)
    }
}

/// The output that `search` means and its positions, if it is one whose candidates can be found on the device.
fn searched<'a>(
    mut outputs: impl Iterator<Item = &'a DeviceOutput>,
    search: &Search,
) -> Option<(&'a DeviceOutput, usize)> {
    let output = outputs.nth(search.layout.output)?;
    let is_float = matches!(output.info.data_type, DataType::F32 | DataType::F16);
    let positions = search.layout.positions(&output.shape)?;
    is_float.then_some((output, positions))
}
