//! Damaged files: what can be decoded is analysed, and nobody blames the analysis.

use gst_osha_tests::Pipeline;

use crate::common::{Run, run, yolo};

const FRAMES: usize = 60;
/// Name and what makes it of H.264.
const CONTAINERS: [(&str, &str); 3] =
    [("h264", "identity"), ("mp4", "mp4mux faststart=true"), ("mkv", "matroskamux")];

/// A clip of [`FRAMES`] frames of 320x240 with a key frame every 15.
fn encode(muxer: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip");
    let line = format!(
        "videotestsrc num-buffers={FRAMES} pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1 ! \
         x264enc speed-preset=ultrafast key-int-max=15 bframes=2 b-adapt=false threads=1 ! h264parse ! \
         video/x-h264,profile=main{} ! {muxer} ! filesink location={}",
        if muxer == "identity" { ",stream-format=byte-stream" } else { "" },
        path.display()
    );
    assert_eq!(Pipeline::new(&line).unwrap().play().unwrap(), Ok(()), "{muxer}");
    std::fs::read(path).unwrap()
}

/// Plays a file of these `bytes`; `what` tells which one it is.
fn analyse(what: &str, bytes: &[u8]) -> Run {
    decode(what, bytes, "decodebin3")
}

/// As [`analyse`], with other elements that `decode` the file.
fn decode(what: &str, bytes: &[u8], decode: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip");
    std::fs::write(&path, bytes).unwrap();
    let run = run(&format!(
        "filesrc location={} ! {decode} ! trtinfer name=infer model={} ! oshaannotate name=annotate ! \
         appsink name=out",
        path.display(),
        yolo()
    ));
    run.assert_nothing_lost(what);
    run.assert_not_ours(what);
    run
}

#[test]
fn whole_files_are_no_fault() {
    for (name, muxer) in CONTAINERS {
        let run = analyse(name, &encode(muxer));
        assert_eq!((run.errors.as_slice(), run.samples.len()), ([].as_slice(), FRAMES), "{name}");
    }
}

#[test]
fn files_cut_off_within_a_frame() {
    for (name, muxer) in CONTAINERS {
        let whole = encode(muxer);
        for share in [3, 6, 9] {
            let length = whole.len() * share / 10 + 1;
            let run = analyse(&format!("{name} cut at {share}/10"), &whole[..length]);
            let least = FRAMES * share / 10 - 15;
            let got = run.samples.len();
            assert!((least..FRAMES).contains(&got), "{name} cut at {share}/10: {got} frames");
        }
    }
}

/// Straight behind a source that gives any range, GStreamer's decodebin3 itself can wait for ever on such a file: its
/// parsebin takes the demuxer's error for one of setting it up, and drops it. A queue before it lets every error through.
#[test]
fn a_file_whose_index_is_cut_off() {
    let whole = encode("mp4mux");
    for elements in ["queue ! decodebin3", "qtdemux ! h264parse ! avdec_h264"] {
        let run = decode(elements, &whole[..whole.len() / 2], elements);
        assert_eq!(run.samples.len(), 0, "{elements}");
        let said = run.errors.iter().any(|error| error.text().contains("no playable streams"));
        assert!(said, "{elements}: nobody says that the file is damaged: {:?}", run.errors);
    }
}

#[test]
fn files_that_hold_nothing() {
    let run = analyse("empty", b"");
    assert!(!run.errors.is_empty() && run.samples.is_empty());
    let run = analyse("zeros", &[0; 100_000]);
    assert!(!run.errors.is_empty() && run.samples.is_empty());
}

/// Marsaglia's xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// `bytes` with one bit in 500 bytes flipped, the first quarter left alone.
fn flip(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let (mut flipped, start) = (bytes.to_vec(), bytes.len() / 4);
    for _ in 0..bytes.len() / 500 {
        flipped[start + random.below(bytes.len() - start)] ^= 1 << random.below(8);
    }
    flipped
}

#[test]
fn flipped_bits() {
    for (name, muxer) in CONTAINERS {
        let whole = encode(muxer);
        for seed in 1..=10 {
            let flipped = flip(&whole, seed);
            assert_ne!(flipped, whole);
            let run = analyse(&format!("{name} with seed {seed}"), &flipped);
            let got = run.samples.len();
            assert!(got >= 8, "{name} with seed {seed}: {got} frames");
        }
    }
}
