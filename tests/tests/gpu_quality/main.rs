//! What the pipeline promises on a CUDA device: every frame, bit-exact, the same in every run, whatever is missing, and no
//! memory kept. Skipped where there is no device, but for what the same code can show on the CPU.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../libs/gpu/tests/harness/mod.rs"]
mod harness;

mod decoding;
mod fallback;
mod looped;
mod memory;
mod pictures;
mod player;
mod streams;

use std::process::ExitCode;

use gst_osha_tests::{file, missing_cuda};

/// From coded frames to frames in device memory.
const HARDWARE: &str = "nvh264dec ! zcbufferpool name=pool ! video/x-raw(memory:CUDAMemory)";
/// The same by way of the software decoder.
const UPLOADED: &str = "avdec_h264 ! zcbufferpool name=pool ! video/x-raw(memory:CUDAMemory)";
/// From coded frames to frames in whatever memory the network takes.
const AUTOMATIC: &str = "nvh264dec ! zcbufferpool name=pool";
/// From coded frames to frames in host memory, whatever the machine has.
const SOFTWARE: &str = "avdec_h264 ! zcbufferpool name=pool memory=system";
/// The network runs on the device.
const ON_DEVICE: &str = "backend=onnxruntime-cuda";
/// The network runs on the CPU.
const ON_HOST: &str = "backend=onnxruntime-cpu";
/// Frames of the clip.
const CLIP_FRAMES: usize = 350;

/// The coded frames of the clip, 1280x720 with B-frames.
fn clip() -> String {
    format!("filesrc location={} ! qtdemux ! h264parse", file("tests/data/site.mp4"))
}

/// The coded frames of the clip, `count` of them.
fn start_of_clip(count: usize) -> String {
    format!("{} ! identity eos-after={}", clip(), count + 1)
}

/// Every element between `source`, which gives coded frames, and a sink: the model of the clip and the rules of its site.
fn whole(source: &str, decoder: &str, infer: &str) -> String {
    format!(
        "{source} ! {decoder} ! trtinfer name=infer model={} {infer} ! oshaannotate name=annotate rules={}",
        file("models/ppe-demo.onnx"),
        file("pipelines/site.toml")
    )
}

fn main() -> ExitCode {
    if let Some(ended) = fallback::child() {
        return ended;
    }
    use {decoding::*, fallback::*, memory::*, pictures::*, streams::*};
    harness::run_on_device_with(
        missing_cuda(),
        tests![
            the_hardware_decodes_what_the_software_decodes,
            two_runs_are_the_same_to_the_bit,
            annotated_pixels_are_those_of_the_cpu,
            seeks_lose_no_frame,
            a_flush_is_forgotten,
            frames_of_every_size_come_out,
            decoder_surfaces_never_run_out,
            a_small_pool_on_the_device_serves_or_says_so,
            without_nvdec_frames_are_seen_alike,
            a_decoder_bin_without_devices_ends_well,
            a_card_that_is_full_is_an_error_or_no_matter,
            a_card_that_others_filled_is_an_error_or_no_matter,
            cycles_give_the_device_its_memory_back,
        ],
        tests![
            two_software_decoders_compare_equal,
            values_of_ten_bits_are_read_from_either_layout,
            pictures_are_compared_pixel_by_pixel,
            seeks_on_the_cpu_lose_no_frame,
            a_flush_on_the_cpu_is_forgotten,
            frames_of_every_size_come_out_on_the_cpu,
            a_small_pool_in_host_memory_serves_or_says_so,
            without_devices_frames_are_seen_alike,
            without_a_driver_frames_are_seen_alike,
            cycles_run_on_the_cpu,
            a_looped_clip_loses_no_frame,
        ],
        &[
            (CPU_LIBRARY, tests![without_a_cuda_build_of_the_runtime_frames_are_seen_alike]),
            (LONG, tests![a_long_run_keeps_no_memory]),
        ],
    )
}
