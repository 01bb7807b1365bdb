//! Decoded frames, bit by bit.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_osha_tests::{Pipeline, collect_from};
use gst_video::{VideoFrame, VideoFrameExt, VideoInfo};

const FRAMES: usize = 40;
const SIZE: (usize, usize) = (642, 362);

/// How test pictures become coded frames, and frames again.
struct Codec {
    format: &'static str,
    encoder: &'static str,
    parser: &'static str,
    software: &'static str,
    hardware: &'static str,
    /// The hardware's format.
    found: &'static str,
}

const CODECS: [Codec; 3] = [
    Codec {
        format: "I420",
        encoder: "x264enc bframes=3 b-adapt=false key-int-max=25 speed-preset=veryfast",
        parser: "h264parse",
        software: "avdec_h264",
        hardware: "nvh264dec",
        found: "NV12",
    },
    Codec {
        format: "I420",
        encoder: "x265enc key-int-max=25 speed-preset=veryfast",
        parser: "h265parse",
        software: "avdec_h265",
        hardware: "nvh265dec",
        found: "NV12",
    },
    Codec {
        format: "I420_10LE",
        encoder: "x265enc key-int-max=25 speed-preset=veryfast",
        parser: "h265parse",
        software: "avdec_h265",
        hardware: "nvh265dec",
        found: "P010_10LE",
    },
];

impl Codec {
    /// The same coded frames, of pictures that move and have noise in a corner, through the software decoder and through
    /// `other`.
    fn pipeline(&self, other: &str) -> Pipeline {
        let Self { format, encoder, parser, software, .. } = self;
        let queue = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0";
        Pipeline::new(&format!(
            "videotestsrc num-buffers={FRAMES} pattern=smpte horizontal-speed=5 ! \
             video/x-raw,format={format},width={},height={},framerate=30/1 ! {encoder} ! {parser} name=parse ! tee name=t \
             t. ! {queue} ! {software} max-threads=1 ! video/x-raw,format={format} ! appsink name=software \
             t. ! {queue} ! {other} ! appsink name=other",
            SIZE.0, SIZE.1
        ))
        .unwrap()
    }

    fn compare(&self, other: &str) {
        let pipeline = self.pipeline(other);
        let times = times(&pipeline.pad("parse", "src").unwrap());
        let (samples, error) = collect_from(&pipeline, &["software", "other"]).unwrap();
        assert_eq!(error, None, "{other}");
        let times = times.lock().unwrap();
        assert!(times.windows(2).any(|pair| pair[1] < pair[0]), "{}: no B-frames", self.encoder);
        assert_eq!((samples[0].len(), samples[1].len()), (FRAMES, FRAMES), "{other}");
        for (index, (expected, found)) in samples[0].iter().zip(&samples[1]).enumerate() {
            assert_eq!(
                expected.buffer().unwrap().pts(),
                found.buffer().unwrap().pts(),
                "{other}, frame {index}"
            );
            let different = different(&values(expected), &values(found));
            assert_eq!(different, 0, "{other}, frame {index}: values that differ");
        }
        let other_frame = different(&values(&samples[0][0]), &values(&samples[1][20]));
        assert!(other_frame > SIZE.0 * SIZE.1 / 10, "the pictures do not move");
        println!("BIT-EXACT: {other}: {FRAMES} frames as from {}", self.software);
    }
}

/// Presentation times of what passes `pad`.
fn times(pad: &gst::Pad) -> Arc<Mutex<Vec<gst::ClockTime>>> {
    let times = Arc::new(Mutex::new(Vec::new()));
    let record = times.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        record.lock().unwrap().extend(info.buffer().and_then(|buffer| buffer.pts()));
        gst::PadProbeReturn::Ok
    });
    times
}

/// Every value of a YUV frame, component by component, whatever the layout.
fn values(sample: &gst::Sample) -> Vec<u16> {
    let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = VideoFrame::from_buffer_readable(sample.buffer_owned().unwrap(), &info).unwrap();
    (0..3).flat_map(|component| component_values(&frame, component)).collect()
}

fn component_values(frame: &VideoFrame<gst_video::video_frame::Readable>, component: u8) -> Vec<u16> {
    let (info, index) = (frame.info(), usize::from(component));
    let (width, height) = (info.comp_width(component) as usize, info.comp_height(component) as usize);
    let (stride, step) = (info.comp_stride(component) as usize, info.comp_pstride(component) as usize);
    let (stride_of_plane, shift) = (frame.plane_stride(), frame.format_info().shift()[index]);
    let plane = frame.format_info().plane()[index] as usize;
    let stride = stride_of_plane.get(plane).map_or(stride, |stride| *stride as usize);
    let data = frame.comp_data(component.into()).unwrap();
    let value = |at: usize| match info.comp_depth(component) {
        ..=8 => u16::from(data[at]),
        _ => u16::from_le_bytes([data[at], data[at + 1]]) >> shift,
    };
    (0..height).flat_map(|y| (0..width).map(move |x| y * stride + x * step)).map(value).collect()
}

fn different(a: &[u16], b: &[u16]) -> usize {
    assert_eq!((a.len(), b.len()), (SIZE.0 * SIZE.1 * 3 / 2, SIZE.0 * SIZE.1 * 3 / 2));
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

pub fn the_hardware_decodes_what_the_software_decodes() {
    for codec in &CODECS {
        for surfaces in [1, 0] {
            codec.compare(&format!(
                "{} num-output-surfaces={surfaces} ! video/x-raw(memory:CUDAMemory),format={} ! cudadownload ! video/x-raw",
                codec.hardware, codec.found
            ));
        }
    }
}

pub fn two_software_decoders_compare_equal() {
    for codec in &CODECS {
        codec.compare(&format!(
            "{} max-threads=4 ! videoconvert ! video/x-raw,format={}",
            codec.software, codec.found
        ));
    }
}
