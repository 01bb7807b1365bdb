//! `trtinfer` with TensorRT: an engine is built while the pipeline starts, and devices that fail. Runs against the doubles of
//! `libs/engine`; with `GST_OSHA_TENSORRT_TESTS=real`, what needs no builder runs against the libraries of the machine, and
//! with `GST_OSHA_TENSORRT_TESTS=gpu`, warm starts run on the machine's device with the double of TensorRT alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../libs/engine/tests/tensorrt/double.rs"]
#[allow(dead_code)]
mod double;
mod faults;
mod files;
mod gpu;
mod start;
mod warm;

use std::path::Path;
use std::process::ExitCode;

use gst::prelude::*;
use gst_osha_tests::{Pipeline, init, model};
use libtest_mimic::{Arguments, Trial};

const DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// `source` seen by a `trtinfer` called `infer` with `properties`, whose engines lie in `cache`.
fn pipeline_of(source: &str, cache: &Path, properties: &str) -> Pipeline {
    let library = match double::is_in_place() {
        true => format!("tensorrt-library={}", double::folder("full").display()),
        false => String::new(),
    };
    let line = format!(
        "{source} ! trtinfer name=infer model={} {library} engine-cache={} {properties} ! fakesink",
        model("yolo-dynamic"),
        cache.display()
    );
    Pipeline::new(&line).unwrap()
}

fn pipeline(cache: &Path, backend: &str) -> Pipeline {
    let source = "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=64,height=64";
    pipeline_of(source, cache, &format!("backend={backend}"))
}

/// What the bus said until the end or an error.
#[derive(Default)]
struct Heard {
    progress: Vec<(gst::ProgressType, String)>,
    percents: Vec<u32>,
    warnings: Vec<String>,
    /// The messages that tell of another engine.
    engines: Vec<gst::Structure>,
    error: Option<String>,
    details: Option<gst::Structure>,
}

fn listen(pipeline: &Pipeline) -> Heard {
    let bus = pipeline.0.bus().unwrap();
    let mut heard = Heard::default();
    loop {
        let message = bus.timed_pop(DEADLINE).expect("nothing happens");
        match message.view() {
            gst::MessageView::Eos(_) => return heard,
            gst::MessageView::Error(error) => {
                heard.error = Some(error.error().to_string());
                heard.details = error.details().map(ToOwned::to_owned);
                return heard;
            }
            gst::MessageView::Warning(warning) => heard.warnings.push(warning.error().to_string()),
            gst::MessageView::Progress(progress) => {
                let (kind, _, text) = progress.get();
                heard.progress.push((kind, text.to_owned()));
            }
            gst::MessageView::Element(element) => {
                let structure = element.structure().unwrap().to_owned();
                match structure.name().as_str() {
                    "trtinfer-progress" => heard.percents.extend(structure.get::<u32>("percent").ok()),
                    "trtinfer-engine" => heard.engines.push(structure),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

fn play(cache: &Path, backend: &str) -> (Heard, gst::Structure) {
    let pipeline = pipeline(cache, backend);
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let heard = listen(&pipeline);
    let stats = pipeline.element("infer").unwrap().property("stats");
    pipeline.0.set_state(gst::State::Null).unwrap();
    (heard, stats)
}

/// What a test needs.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    /// Doubles that do as they are told.
    Doubles,
    /// The same, or TensorRT, be it the lean runtime.
    Library,
    /// A device, and the double of TensorRT.
    Device,
}

/// What is at hand, or why nothing is.
fn at_hand() -> Result<&'static [Needs], String> {
    if double::is_unwanted() {
        let options = engine::Options { device: engine::Device::Cuda(0), ..engine::Options::default() };
        return match engine::tensorrt::library(&options) {
            Ok(_) => Ok(&[Needs::Library]),
            Err(error) => Err(error.to_string()),
        };
    }
    if double::is_on_device() {
        return match ::gpu::gstcuda::status() {
            Ok(_) => Ok(&[Needs::Device]),
            Err(error) => Err(format!("no CUDA device ({error})")),
        };
    }
    Ok(&[Needs::Doubles, Needs::Library])
}

/// Names and bodies of the functions given.
macro_rules! tests {
    ($needs:ident: $($module:ident::$name:ident),+ $(,)?) => {
        [$((Needs::$needs, concat!(stringify!($module), "::", stringify!($name)), $module::$name as fn())),+]
    };
}

fn tests() -> Vec<(Needs, &'static str, fn())> {
    let with_doubles: [_; 18] = tests!(Doubles:
        files::a_damaged_engine_is_an_error_on_the_bus,
        start::a_pipeline_starts_while_its_engine_is_built,
        start::null_gives_a_build_up_within_two_seconds,
        start::a_failed_build_is_an_error_on_the_bus,
        start::auto_goes_on_when_nothing_can_be_built,
        start::an_engine_that_the_library_refuses_is_built_anew_in_the_background,
        start::an_engine_that_cannot_be_kept_is_a_warning,
        warm::every_frame_is_seen_once_by_one_engine_or_the_other,
        warm::an_engine_in_the_cache_needs_no_warm_start,
        warm::seeks_while_the_engine_is_built_lose_nothing,
        warm::null_gives_a_build_up_within_two_seconds,
        warm::a_failed_build_ends_a_warm_start,
        warm::auto_goes_on_when_nothing_can_be_built,
        faults::a_lost_context_ends_the_pipeline_with_one_structured_error,
        faults::auto_does_not_hide_a_lost_context,
        faults::memory_that_is_short_is_told_in_numbers,
        faults::a_failed_run_has_no_details_of_a_gpu_that_is_well,
        warm::what_cannot_be_had_is_refused_at_the_start,
    );
    let with_a_library = tests!(Library: files::what_is_no_engine_is_an_error_on_the_bus);
    let with_a_device = tests!(Device:
        gpu::every_frame_is_seen_once_by_onnxruntime_or_the_engine,
        gpu::without_a_warm_start_frames_wait,
    );
    with_a_library.into_iter().chain(with_doubles).chain(with_a_device).collect()
}

fn main() -> ExitCode {
    if !double::is_unwanted() && !double::is_in_place() {
        return double::rerun();
    }
    init();
    let at_hand = at_hand();
    if let Err(reason) = &at_hand {
        println!("SKIPPED: {reason}");
    }
    let at_hand = at_hand.unwrap_or_default();
    let trial = |(needs, name, body): (Needs, &'static str, fn())| {
        Trial::test(name, move || {
            double::reset();
            body();
            Ok(())
        })
        .with_ignored_flag(!at_hand.contains(&needs))
    };
    let mut arguments = Arguments::from_args();
    // The doubles are told what to do for one test at a time.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, tests().into_iter().map(trial).collect()).exit_code()
}
