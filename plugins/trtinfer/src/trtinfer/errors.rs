//! What is posted on the bus when something fails.

use std::error::Error;
use std::sync::atomic::Ordering;

use engine::EngineError;
use gpu::FrameError;
use gpu::cuda;
use gst::glib;
use gst::subclass::prelude::*;
use gstsupport::{fault, lock};

use super::backend;
use super::detector::{DecodeError, OpenError, WriteError};
use super::imp::{CAT, TrtInfer};

/// An error whose cause may be a GPU.
pub(super) trait Fault: Error {
    /// What failed on the GPU, if that is the cause.
    fn gpu(&self) -> Option<cuda::Error> {
        None
    }
}

impl Fault for glib::BoolError {}

impl Fault for EngineError {
    fn gpu(&self) -> Option<cuda::Error> {
        self.device()
    }
}

impl Fault for FrameError {
    fn gpu(&self) -> Option<cuda::Error> {
        if let Self::Cuda(error) = self { Some(error.clone()) } else { None }
    }
}

impl Fault for WriteError {
    fn gpu(&self) -> Option<cuda::Error> {
        match self {
            Self::Cuda(error) => Some(error.clone()),
            Self::Frame(error) => error.gpu(),
            Self::Preprocess(_) | Self::Context | Self::Tensor(_) => None,
        }
    }
}

impl Fault for DecodeError {
    fn gpu(&self) -> Option<cuda::Error> {
        if let Self::Engine(error) = self { error.gpu() } else { None }
    }
}

impl Fault for OpenError {
    fn gpu(&self) -> Option<cuda::Error> {
        match self {
            Self::Engine(error) => error.gpu(),
            Self::WarmStart(error) => error.gpu(),
            _ => None,
        }
    }
}

impl TrtInfer {
    /// The network cannot be loaded.
    pub(super) fn post_open_error(&self, error: &OpenError) {
        let text = format!("{}: {error}", error.property());
        if self.post_fault(error, &text) {
            return;
        }
        if error.is_not_found() {
            gst::element_imp_error!(self, gst::ResourceError::NotFound, ("{text}"));
        } else {
            gst::element_imp_error!(self, gst::ResourceError::Settings, ("{text}"));
        }
    }

    /// The network cannot be run, or its answer not be read.
    pub(super) fn engine_error(&self, error: &impl Fault) -> gst::FlowError {
        let model = lock(&self.settings).model.clone().unwrap_or_default();
        let text = match error.gpu().is_some_and(|cause| cause.kind().is_sticky()) {
            true => format!("device: {error}"),
            false => format!("model: {}: {error}", model.display()),
        };
        if !self.post_fault(error, &text) {
            gst::element_imp_error!(self, gst::LibraryError::Failed, ("{text}"));
        }
        gst::FlowError::Error
    }

    /// A frame cannot be read.
    pub(super) fn stream_error(&self, error: &FrameError) -> gst::FlowError {
        let text = error.to_string();
        if !self.post_fault(error, &text) {
            gst::element_imp_error!(self, gst::StreamError::Format, ("{text}"));
        }
        gst::FlowError::Error
    }

    /// Posts `text` with details for programs, if the cause is a failure of the GPU; tells whether it is. A GPU that is lost
    /// fails in every call: the first one is posted.
    fn post_fault(&self, error: &impl Fault, text: &str) -> bool {
        let Some(cause) = error.gpu() else { return false };
        if cause.kind().is_sticky() && self.is_lost.swap(true, Ordering::Relaxed) {
            gst::debug!(CAT, imp = self, "as was said: {text}");
            return true;
        }
        let ordinal = backend::cuda_ordinal(&lock(&self.settings));
        fault::post(&*self.obj(), &cause, ordinal, text)
    }

    /// Frames of `caps` cannot be taken.
    pub(super) fn not_negotiated(&self, caps: &gst::CapsRef) -> gst::FlowError {
        gst::element_imp_error!(
            self,
            gst::CoreError::Negotiation,
            ("caps that trtinfer cannot take: {caps}")
        );
        gst::FlowError::NotNegotiated
    }

    /// `fail-on-copy` is set, and a frame was or would be copied.
    pub(super) fn refuse_copy(&self, reason: &str) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ("{reason}"));
        gst::FlowError::Error
    }

    /// Upstream hears of a failure with its next frame. After its last one nobody else would say it.
    pub(super) fn post_unheard(&self, result: Result<gst::FlowSuccess, gst::FlowError>) {
        use gst::FlowError::{Eos, Flushing};
        match result {
            Ok(_) | Err(Eos | Flushing) => {}
            Err(_) if self.is_lost.load(Ordering::Relaxed) => {}
            Err(error) => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Failed,
                    ("frames cannot be passed on: {error}")
                );
            }
        }
    }
}
