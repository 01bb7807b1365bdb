//! A model file as a session of ONNX Runtime.

use std::collections::BTreeMap;
use std::path::Path;

use ort::ErrorCode;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, ValueType};
use vision::tensor::TensorInfo;

use super::library::Library;
use crate::model_file;
use crate::options::Goal;
use crate::worker::HostSession;
use crate::{EngineError, InputTensor, ModelInfo, Options, Outputs, tensor};

/// Opens the model file `path` once for each batch that is to be computed at a time.
pub(super) fn open(library: &Library, path: &Path, options: &Options) -> Result<Vec<Session>, EngineError> {
    model_file::check(path)?;
    let commit = |threads| builder(library, options, threads)?.commit_from_file(path);
    let sessions: Result<_, ort::Error> = options.shares().into_iter().map(commit).collect();
    sessions.map_err(|error| refused(path, &error))
}

/// All graph optimisations is the one level that old and new libraries understand alike.
pub(super) fn builder(
    library: &Library,
    options: &Options,
    threads: usize,
) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(library.environment())?
        .with_log_level(LogLevel::Warning)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_parallel_execution(false)?
        .with_inter_threads(1)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(options.goal == Goal::Latency)?)
}

pub(super) fn refused(path: &Path, error: &ort::Error) -> EngineError {
    let (path, reason) = (path.to_owned(), error.message().trim().to_owned());
    match error.code() {
        ErrorCode::NoSuchFile => EngineError::ModelNotFound(path),
        ErrorCode::InvalidProtobuf | ErrorCode::NoModel => EngineError::NotAModel { path, reason },
        _ => EngineError::ModelRejected { path, reason },
    }
}

/// What the model in `session`, read from `path`, says of itself.
pub(super) fn model_info(session: &Session, path: &Path) -> Result<ModelInfo, EngineError> {
    let (inputs, outputs) = (tensor_infos(session.inputs(), path)?, tensor_infos(session.outputs(), path)?);
    refuse_handed_through(&inputs, &outputs, path)?;
    let metadata = metadata(session).map_err(|error| refused(path, &error))?;
    Ok(ModelInfo { inputs, outputs, metadata })
}

fn tensor_infos(outlets: &[Outlet], path: &Path) -> Result<Vec<TensorInfo>, EngineError> {
    outlets.iter().map(|outlet| tensor_info(outlet, path)).collect()
}

fn tensor_info(outlet: &Outlet, path: &Path) -> Result<TensorInfo, EngineError> {
    let unsupported = || EngineError::UnsupportedDataType {
        path: path.to_owned(),
        tensor: outlet.name().to_owned(),
        data_type: outlet
            .dtype()
            .tensor_type()
            .map_or_else(|| outlet.dtype().to_string(), |ty| ty.to_string()),
    };
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(unsupported());
    };
    let data_type = tensor::data_type(*ty).ok_or_else(unsupported)?;
    let shape = shape.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    Ok(TensorInfo { name: outlet.name().to_owned(), data_type, shape })
}

/// An output that is an input would be read while the input is filled anew: the runtime returns the same memory.
fn refuse_handed_through(
    inputs: &[TensorInfo],
    outputs: &[TensorInfo],
    path: &Path,
) -> Result<(), EngineError> {
    match outputs.iter().find(|output| inputs.iter().any(|input| input.name == output.name)) {
        None => Ok(()),
        Some(output) => Err(EngineError::ModelRejected {
            path: path.to_owned(),
            reason: format!("output {:?} is an input handed through", output.name),
        }),
    }
}

fn metadata(session: &Session) -> Result<BTreeMap<String, String>, ort::Error> {
    let metadata = session.metadata()?;
    let keys = metadata.custom_keys()?;
    Ok(keys.into_iter().filter_map(|key| metadata.custom(&key).map(|value| (key, value))).collect())
}

impl HostSession for Session {
    fn run(&mut self, inputs: &[InputTensor]) -> Result<Outputs, EngineError> {
        let views: Vec<_> =
            inputs.iter().map(|input| Ok(input.value()?.into())).collect::<Result<_, EngineError>>()?;
        let outputs = Session::run(self, &views[..])
            .map_err(|error| EngineError::Inference { reason: error.message().trim().to_owned() })?;
        Ok(Outputs::new(outputs.into_iter().map(|(_, value)| value).collect(), None))
    }
}
