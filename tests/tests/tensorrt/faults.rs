//! A GPU that fails: one error message, with details for programs.

use gst::prelude::*;
use gst_osha_tests::BusError;
use gst_osha_tests::record::Record;

use crate::{double, listen, pipeline_of, play};

const ENDLESS: &str = "videotestsrc ! video/x-raw,format=RGB,width=64,height=64 ! identity sleep-time=2000";

pub fn a_lost_context_ends_the_pipeline_with_one_structured_error() {
    for (code, properties) in [(700, "in-flight=1"), (719, "in-flight=8"), (214, "batch-size=4 in-flight=12")]
    {
        let cache = tempfile::tempdir().unwrap();
        let pipeline = pipeline_of(ENDLESS, cache.path(), &format!("backend=tensorrt {properties}"));
        let left = Record::of(&pipeline.pad("infer", "src").unwrap());
        pipeline.0.set_state(gst::State::Playing).unwrap();
        assert!(left.wait_until(|items| items.len() > 20));
        double::driver().set("sticky", code);
        let heard = listen(&pipeline);
        let text = heard.error.unwrap();
        assert!(text.starts_with("device: ") && text.contains(&format!("({code})")), "{text}");
        assert!(text.contains("restart"), "{text}");
        let details = heard.details.unwrap();
        assert_eq!(details.get::<i32>("cuda-error"), Ok(code as i32), "{details}");
        assert!(details.get::<String>("cuda-error-name").unwrap().starts_with("CUDA_ERROR"), "{details}");
        assert_eq!(details.get::<bool>("sticky"), Ok(true));
        assert_eq!(details.get::<i32>("device"), Ok(0));
        assert_eq!(details.get::<String>("action").as_deref(), Ok("restart-process"));

        // Whatever else fails is the same failure.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let bus = pipeline.0.bus().unwrap();
        while let Some(message) = bus.pop_filtered(&[gst::MessageType::Error]) {
            let gst::MessageView::Error(error) = message.view() else { continue };
            assert_ne!(BusError::new(error).element, "infer", "a second error: {error:?}");
        }
        pipeline.0.set_state(gst::State::Null).unwrap();
        double::driver().set("sticky", 0);
    }
}

pub fn auto_does_not_hide_a_lost_context() {
    let cache = tempfile::tempdir().unwrap();
    double::driver().set("sticky", 719);
    let (heard, _) = play(cache.path(), "auto");
    double::driver().set("sticky", 0);
    let text = heard.error.unwrap();
    assert!(text.starts_with("device: ") && text.contains("restart"), "{text}");
    assert_eq!(heard.details.unwrap().get::<bool>("sticky"), Ok(true));
}

pub fn memory_that_is_short_is_told_in_numbers() {
    let cache = tempfile::tempdir().unwrap();
    let pipeline = pipeline_of(ENDLESS, cache.path(), "backend=tensorrt workspace=4096");
    pipeline.0.set_state(gst::State::Playing).unwrap();
    let heard = listen(&pipeline);
    let text = heard.error.unwrap();
    assert!(text.starts_with("workspace: ") && text.contains("no room for 4096 MiB more"), "{text}");
    let details = heard.details.unwrap();
    assert_eq!(details.get::<i32>("cuda-error"), Ok(2));
    assert_eq!(details.get::<u64>("bytes-asked"), Ok(4 << 30));
    assert_eq!(details.get::<u64>("bytes-total"), Ok(1 << 30));
    assert!(details.get::<u64>("bytes-free").unwrap() <= 1 << 30);
    assert_eq!(details.get::<bool>("sticky"), Ok(false));
    assert_eq!(details.get::<String>("action").as_deref(), Ok("use-less-memory"));
}

pub fn a_failed_run_has_no_details_of_a_gpu_that_is_well() {
    let cache = tempfile::tempdir().unwrap();
    double::builder().set("fail_enqueue", 1);
    let (heard, _) = play(cache.path(), "tensorrt");
    let text = heard.error.unwrap();
    assert!(text.starts_with("model: ") && text.contains("as the test wants"), "{text}");
    assert_eq!(heard.details, None);
}
