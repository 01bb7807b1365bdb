//! Decoded frames, bit by bit.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_osha_tests::{Pipeline, collect_from, init};
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

/// Where the values of a component start in its plane: V follows U where both share one. GStreamer's own offset of V in
/// P010_10LE is that of 8 bit formats.
fn start(info: &VideoInfo, component: u8) -> usize {
    let is_v = component == 2 && info.comp_plane(1) == info.comp_plane(2);
    if is_v { info.comp_pstride(component) as usize / 2 } else { 0 }
}

fn component_values(frame: &VideoFrame<gst_video::video_frame::Readable>, component: u8) -> Vec<u16> {
    let (info, index) = (frame.info(), usize::from(component));
    let (width, height) = (info.comp_width(component) as usize, info.comp_height(component) as usize);
    let (plane, shift) = (info.comp_plane(component), info.format_info().shift()[index]);
    let (stride, step) =
        (frame.plane_stride()[plane as usize] as usize, info.comp_pstride(component) as usize);
    let data = &frame.plane_data(plane).unwrap()[start(info, component)..];
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
        // The converter does not keep 10 bit chroma as it is.
        let found = if codec.found == "NV12" { "NV12" } else { codec.format };
        codec.compare(&format!(
            "{} max-threads=4 ! videoconvert ! video/x-raw,format={found}",
            codec.software
        ));
    }
}

/// The values of a 2x2 frame whose bytes are these words.
fn values_of(format: &str, words: [u16; 6]) -> Vec<u16> {
    let caps: gst::Caps =
        format!("video/x-raw,format={format},width=2,height=2,framerate=1/1").parse().unwrap();
    let info = VideoInfo::from_caps(&caps).unwrap();
    let mut bytes = vec![0; info.size()];
    // Luma, then chroma; every row has a stride of its own.
    let (luma, chroma) = words.split_at(4);
    let mut put = |at: usize, word: u16| bytes[at..at + 2].copy_from_slice(&word.to_le_bytes());
    for (index, word) in luma.iter().enumerate() {
        put(index / 2 * info.stride()[0] as usize + index % 2 * 2, *word);
    }
    let (u, v) = (info.offset()[1], info.offset().get(2).copied().unwrap_or(info.offset()[1] + 2));
    put(u, chroma[0]);
    put(v, chroma[1]);
    values(&gst::Sample::builder().buffer(&gst::Buffer::from_mut_slice(bytes)).caps(&caps).build())
}

pub fn values_of_ten_bits_are_read_from_either_layout() {
    init();
    let planar = [1, 2, 3, 1023, 512, 700];
    assert_eq!(values_of("I420_10LE", planar), planar);
    assert_eq!(values_of("P010_10LE", planar.map(|value| value << 6)), planar);
}
