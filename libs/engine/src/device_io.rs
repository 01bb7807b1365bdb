//! A batch's tensors on a device, whichever runtime uses them.

use std::sync::{Arc, Mutex, Weak};

use gpu::cuda::{DeviceElementsMut, Graph, HostBuffer, Stream};
use gpu::kernels::{CandidateFinder, Searched};
use vision::tensor::{DataType, TensorInfo};

use crate::recycling::Store;
use crate::tensor::{CopiedOutput, element_size};
use crate::worker::Answer;
use crate::{EngineError, InputTensor, Outputs, Search, lock};

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

    fn searched_for(&self, search: &Search) -> Searched<'_> {
        let Search { layout, confidence } = *search;
        Searched { values: self.elements(), images: self.shape[0], layout, confidence }
    }
}

/// Candidates on their way to the host.
pub(crate) struct DeviceCandidates {
    finder: Arc<Mutex<CandidateFinder>>,
    positions: usize,
}

impl DeviceCandidates {
    /// Waits for them.
    pub fn found(self) -> Result<Outputs, EngineError> {
        Ok(Outputs::candidates_of(lock(&self.finder).found()?, self.positions))
    }
}

/// What is launched by one call.
enum Recorded {
    /// The network.
    Network(Graph),
    /// The network and this search in its output. The finder has it.
    Search(Search),
}

/// The work of one set of input tensors after these are written, and how its results come to the host. One batch of them is
/// under way at a time.
#[derive(Default)]
pub(crate) struct Work {
    recorded: Option<Recorded>,
    finder: Option<Arc<Mutex<CandidateFinder>>>,
    /// Host memory that is used again.
    copies: Store<HostBuffer>,
}

impl Work {
    /// Puts what was recorded for `search` into `stream`, and what brings its results. `None` if nothing was.
    pub fn launch<'a>(
        &mut self,
        outputs: impl Iterator<Item = &'a DeviceOutput> + Clone,
        search: Option<&Search>,
        stream: &Stream,
    ) -> Result<Option<Answer>, EngineError> {
        match &mut self.recorded {
            Some(Recorded::Search(recorded)) if Some(&*recorded) == search => {}
            Some(Recorded::Network(graph)) => {
                graph.launch(stream)?;
                return self.bring(outputs, search, stream).map(Some);
            }
            _ => return Ok(None),
        }
        let found = search.and_then(|search| searched(outputs, search)).zip(self.finder.clone());
        let Some(((_, positions), finder)) = found else { return Ok(None) };
        lock(&finder).launch(stream)?;
        Ok(Some(Answer::Candidates(DeviceCandidates { finder, positions })))
    }

    /// Brings what the network has put into `outputs`, or of them what `search` wants, in the order of `stream`.
    pub fn bring<'a>(
        &mut self,
        outputs: impl Iterator<Item = &'a DeviceOutput> + Clone,
        search: Option<&Search>,
        stream: &Stream,
    ) -> Result<Answer, EngineError> {
        let wanted = search.and_then(|search| Some((search, searched(outputs.clone(), search)?)));
        let Some((search, (output, positions))) = wanted else {
            return self.copy(outputs, stream).map(Answer::All);
        };
        let finder = self.finder(output, positions, stream)?;
        lock(&finder).find(&output.searched_for(search), stream)?;
        Ok(Answer::Candidates(DeviceCandidates { finder, positions }))
    }

    /// Records what `network` puts into `stream`, and the search for what `search` wants, for the batches to come. The tensors
    /// must be those of a batch before.
    pub fn record<'a>(
        &mut self,
        outputs: impl Iterator<Item = &'a DeviceOutput> + Clone,
        search: Option<&Search>,
        stream: &Stream,
        network: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let wanted = search.and_then(|search| Some((search, searched(outputs, search)?)));
        let recorded = match wanted {
            None => Graph::record(stream, network).map(Recorded::Network),
            Some((search, (output, positions))) => {
                let finder = self.finder(output, positions, stream)?;
                lock(&finder).record(&output.searched_for(search), stream, network)?;
                Ok(Recorded::Search(*search))
            }
        };
        self.recorded = Some(recorded?);
        Ok(())
    }

    /// What finds candidates among the `positions` of `output`.
    fn finder(
        &mut self,
        output: &DeviceOutput,
        positions: usize,
        stream: &Stream,
    ) -> Result<Arc<Mutex<CandidateFinder>>, EngineError> {
        let images = output.shape[0];
        let fits = |finder: &Arc<Mutex<CandidateFinder>>| lock(finder).capacity() == images * positions;
        let finder = match self.finder.take().filter(fits) {
            Some(finder) => finder,
            None => Arc::new(Mutex::new(CandidateFinder::new(stream.context(), images, positions)?)),
        };
        Ok(Arc::clone(self.finder.insert(finder)))
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
                .copies
                .take(|buffer| buffer.len() == size, || HostBuffer::pinned(stream.context(), size))?;
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
