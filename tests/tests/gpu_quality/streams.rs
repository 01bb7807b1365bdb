//! Streams that jump, change and run short of buffers: frames in are frames out.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_osha_tests::Pipeline;
use gst_osha_tests::objects::{self, Object};
use gst_video::VideoInfo;

use super::looped::{self, Clip};
use super::player::{Player, seen};
use super::{
    AUTOMATIC, CLIP_FRAMES, HARDWARE, ON_DEVICE, ON_HOST, SOFTWARE, UPLOADED, clip, start_of_clip, whole,
};

const CUDA: &str = "video/x-raw(memory:CUDAMemory)";

/// A frame's place in the stream, and what is seen on it.
fn frame(sample: &gst::Sample) -> (gst::ClockTime, Vec<Object>) {
    let buffer = sample.buffer().unwrap();
    let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap();
    let time = segment.to_stream_time(buffer.pts()).unwrap();
    (time, objects::of(buffer).expect("every frame was inferred"))
}

/// Jumps to the frames with the numbers `targets`, taking a frame after every other jump; then the rest must be what it
/// was when nobody jumped.
fn jump(player: &Player, expected: &[(gst::ClockTime, Vec<Object>)], targets: &[usize]) {
    for (index, target) in targets.iter().enumerate() {
        let time = expected[*target].0 + gst::ClockTime::from_mseconds(1);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        player.pipeline().0.seek_simple(flags, time).unwrap();
        if index % 2 == 1 && index + 1 < targets.len() {
            assert!(player.next().is_some());
        }
    }
    let last = targets[targets.len() - 1];
    let found: Vec<_> = player.rest().map(|sample| frame(&sample)).collect();
    assert_eq!(found.len(), expected.len() - last, "frames after {targets:?}");
    let first = found[0].0;
    let early = gst::ClockTime::from_mseconds(1);
    assert!(first >= expected[last].0 && first <= expected[last].0 + early, "{first} after {targets:?}");
    assert!(found[0].1 == expected[last].1, "the first frame after {targets:?}");
    assert!(found[1..] == expected[last + 1..], "the frames after {targets:?}");
}

fn seek(source: &str, decoder: &str, infer: &str, frames: usize) {
    let player = Player::new(&whole(source, decoder, infer));
    let expected: Vec<_> = player.rest().map(|sample| frame(&sample)).collect();
    assert_eq!(expected.len(), frames);
    let at = |share: usize| frames * share / 10;
    jump(&player, &expected, &[at(5)]);
    jump(&player, &expected, &[at(6), at(2), at(9), at(3), at(4)]);
    jump(&player, &expected, &[0, frames - 1, at(8), at(7)]);
}

pub fn seeks_lose_no_frame() {
    let surfaces = format!("nvh264dec num-output-surfaces=0 ! {CUDA}");
    let short = HARDWARE.replace("zcbufferpool", "zcbufferpool max-buffers=12");
    for decoder in [HARDWARE, &surfaces, &short, UPLOADED] {
        seek(&clip(), decoder, ON_DEVICE, CLIP_FRAMES);
    }
}

/// Small pictures in a file that can be jumped in.
fn small_clip(folder: &tempfile::TempDir, frames: usize) -> String {
    let path = folder.path().join("small.mp4").display().to_string();
    let line = format!(
        "videotestsrc num-buffers={frames} ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! \
         x264enc bframes=2 key-int-max=5 ! mp4mux ! filesink location={path}"
    );
    assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()));
    format!("filesrc location={path} ! qtdemux ! h264parse")
}

pub fn seeks_on_the_cpu_lose_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    seek(&small_clip(&folder, 12), SOFTWARE, ON_HOST, 12);
}

/// Part of the clip, a flush, and the whole clip: that comes out entire, as if nothing had been before.
fn flush(clip: &Clip, decoder: &str, infer: &str) {
    let player = Player::new(&whole(looped::INPUT, decoder, infer));
    let input = clip.input(player.pipeline());
    // Fewer than the source holds back, since nobody takes frames meanwhile.
    for part in [1, 6, 10, 20] {
        clip.push(&input, part);
        std::thread::sleep(Duration::from_millis(50));
        assert!(input.send_event(gst::event::FlushStart::new()));
        assert!(input.send_event(gst::event::FlushStop::new(true)));
    }
    let found = std::thread::scope(|scope| {
        scope.spawn(|| {
            clip.push(&input, clip.len());
            let _ = input.end_of_stream();
        });
        player.rest().map(|sample| frame(&sample)).collect::<Vec<_>>()
    });
    assert_eq!(found.len(), clip.len(), "{decoder}: frames after the flush");
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{decoder}: the order");
}

pub fn a_flush_is_forgotten() {
    let clip = Clip::new(&clip());
    for decoder in [HARDWARE, UPLOADED] {
        flush(&clip, decoder, ON_DEVICE);
    }
}

pub fn a_flush_on_the_cpu_is_forgotten() {
    flush(&Clip::new(&start_of_clip(20)), SOFTWARE, ON_HOST);
}

const SIZES: [(u32, u32); 4] = [(642, 362), (320, 240), (1280, 720), (642, 362)];

/// Clips of different sizes, one after the other, as one stream of coded frames.
fn sizes(frames: usize) -> String {
    let part = |(width, height): &(u32, u32)| {
        format!(
            "videotestsrc num-buffers={frames} pattern=ball ! \
             video/x-raw,format=I420,width={width},height={height},framerate=25/1 ! x264enc bframes=2 ! \
             video/x-h264,stream-format=byte-stream,alignment=au ! c. "
        )
    };
    format!("{} concat name=c ! h264parse", SIZES.iter().map(part).collect::<String>())
}

fn change_size(decoder: &str, infer: &str, frames: usize) {
    let player = Player::new(&whole(&sizes(frames), decoder, infer));
    let mut found = Vec::new();
    let mut last = None;
    for sample in player.rest() {
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap();
        let time = segment.to_running_time(sample.buffer().unwrap().pts());
        assert!(time > last, "{decoder}: {time:?} after {last:?}");
        last = time;
        assert!(objects::of(sample.buffer().unwrap()).is_some(), "{decoder}: a frame was not inferred");
        found.push((info.width(), info.height()));
    }
    let expected: Vec<_> = SIZES.iter().flat_map(|size| vec![*size; frames]).collect();
    assert_eq!(found, expected, "{decoder}");
}

pub fn frames_of_every_size_come_out() {
    let on_device =
        ["nvh264dec", "nvh264dec num-output-surfaces=0", "nvh264dec num-output-surfaces=0 ! zcbufferpool"]
            .map(|decoder| format!("{decoder} ! {CUDA}"));
    let mapped = format!("avdec_h264 ! zcbufferpool memory=mapped ! {CUDA}");
    let others = [HARDWARE, UPLOADED, &mapped, "avdec_h264"].map(str::to_owned);
    for decoder in on_device.iter().chain(&others) {
        change_size(decoder, &format!("{ON_DEVICE} in-flight=4"), 30);
    }
}

pub fn frames_of_every_size_come_out_on_the_cpu() {
    change_size(SOFTWARE, &format!("{ON_HOST} in-flight=4"), 3);
}

/// Plays `line` to its end, which must come: how many frames reached the sink, or the error.
fn count(line: &str) -> Result<usize, gst_osha_tests::BusError> {
    let pipeline = Pipeline::new(&format!("{line} ! fakesink name=out")).unwrap();
    let seen = seen(&pipeline, "out", "sink");
    let played = pipeline.play().unwrap_or_else(|error| panic!("{error}: {line}"));
    played.map(|()| seen.lock().unwrap().len())
}

pub fn decoder_surfaces_never_run_out() {
    for in_flight in [1, 2, 4, 8] {
        for pool in ["", " ! zcbufferpool"] {
            let decoder = format!("nvh264dec num-output-surfaces=0{pool} ! {CUDA}");
            let started = Instant::now();
            let line = whole(&clip(), &decoder, &format!("{ON_DEVICE} in-flight={in_flight}"));
            assert_eq!(count(&line), Ok(CLIP_FRAMES), "{line}");
            println!("SURFACES: in-flight={in_flight}{pool}: {:?}, start included", started.elapsed());
        }
    }
}

/// However small the pool, the stream runs to its end, or an error says what to do.
fn with_pools(source: &str, decoder: &str, infer: &str, frames: usize, served: usize) {
    let mut ends = 0;
    for max in [1, 2, 3, 5, 8, 16, 64] {
        let decoder = format!("{decoder} max-buffers={max}");
        match count(&whole(source, &decoder, infer)) {
            Ok(found) => {
                assert_eq!(found, frames, "{decoder}");
                ends += 1;
            }
            Err(error) => {
                assert_eq!(error.element, "pool", "{decoder}: {error:?}");
                assert!(error.text().contains("max-buffers"), "{decoder}: {error:?}");
                println!("POOL: {max}: {}", error.message);
            }
        }
    }
    assert!(ends >= served, "only {ends} sizes are large enough");
}

pub fn a_small_pool_on_the_device_serves_or_says_so() {
    let uploaded =
        ["device", "mapped"].map(|memory| format!("avdec_h264 ! zcbufferpool name=pool memory={memory}"));
    for decoder in [AUTOMATIC, &uploaded[0], &uploaded[1]] {
        with_pools(&clip(), decoder, &format!("{ON_DEVICE} in-flight=4"), CLIP_FRAMES, 2);
    }
}

pub fn a_small_pool_in_host_memory_serves_or_says_so() {
    let infer = format!("{ON_HOST} in-flight=4 interval=5");
    with_pools(&start_of_clip(10), SOFTWARE, &infer, 10, 1);
}
