//! Annotated pictures: the same in every run, and those of the CPU.

use std::hash::{DefaultHasher, Hash, Hasher};

use gst_osha_tests::objects::Object;
use gst_osha_tests::pixels;

use super::player::{Player, all_seen, seen};
use super::{CLIP_FRAMES, HARDWARE, ON_DEVICE, ON_HOST, SOFTWARE, clip, start_of_clip, whole};

const DOWNLOAD: &str = "cudadownload ! video/x-raw,format=NV12";

fn checksum(sample: &gst::Sample) -> u64 {
    let mut hasher = DefaultHasher::new();
    pixels::of(sample).unwrap().hash(&mut hasher);
    hasher.finish()
}

/// What is seen on each frame, and a checksum of each annotated one.
fn run(infer: &str) -> (Vec<Vec<Object>>, Vec<u64>) {
    let player = Player::new(&format!("{} ! {DOWNLOAD}", whole(&clip(), HARDWARE, infer)));
    let seen = seen(player.pipeline(), "annotate", "src");
    let pictures: Vec<u64> = player.rest().map(|sample| checksum(&sample)).collect();
    (all_seen(&seen), pictures)
}

pub fn two_runs_are_the_same_to_the_bit() {
    let first = run(ON_DEVICE);
    assert_eq!(first.1.len(), CLIP_FRAMES);
    assert!(first.0.iter().map(Vec::len).sum::<usize>() > 1000, "next to nothing is seen");
    let again = run(ON_DEVICE);
    assert!(first.0 == again.0, "detections differ");
    assert!(first.1 == again.1, "pictures differ");
    let deep = run(&format!("{ON_DEVICE} in-flight=8"));
    assert!(first == deep, "in-flight changes something");
}

/// The shares of samples within 2/255 of each other: over all frames, and of the frame with the least.
struct Agreement {
    frames: usize,
    all: f64,
    least: f64,
}

/// Frame by frame.
fn agreement(ours: &Player, theirs: &Player) -> Agreement {
    let mut shares = Vec::new();
    loop {
        let (Some(a), Some(b)) = (ours.next(), theirs.next()) else { break };
        let (a, b) = (pixels::of(&a).unwrap(), pixels::of(&b).unwrap());
        assert_eq!(a.len(), b.len());
        let close = a.iter().zip(&b).filter(|(a, b)| a.abs_diff(**b) <= 2).count();
        shares.push(close as f64 / a.len() as f64);
    }
    let (frames, least) = (shares.len(), shares.iter().copied().fold(1.0, f64::min));
    Agreement { frames, all: shares.iter().sum::<f64>() / frames as f64, least }
}

pub fn annotated_pixels_are_those_of_the_cpu() {
    let ours = Player::new(&format!("{} ! {DOWNLOAD}", whole(&clip(), HARDWARE, ON_DEVICE)));
    let theirs = Player::new(&whole(&clip(), &format!("nvh264dec ! {DOWNLOAD}"), ON_HOST));
    let Agreement { frames, all, least } = agreement(&ours, &theirs);
    println!("PICTURES: {frames} frames, {all:.6} of the samples agree, {least:.6} of the worst frame's");
    assert_eq!(frames, CLIP_FRAMES);
    assert!(all >= 0.999, "only {all} of the samples agree");
}

pub fn pictures_are_compared_pixel_by_pixel() {
    let decoder = format!("{SOFTWARE} ! videoconvert ! video/x-raw,format=NV12");
    let player = |infer: &str, annotate: &str| {
        Player::new(&format!("{} {annotate}", whole(&start_of_clip(8), &decoder, infer)))
    };
    let alike =
        agreement(&player(ON_HOST, "draw=true"), &player(&format!("{ON_HOST} in-flight=4"), "draw=true"));
    assert_eq!((alike.frames, alike.all, alike.least), (8, 1.0, 1.0));
    let plain = agreement(&player(ON_HOST, "draw=true"), &player(ON_HOST, "draw=false"));
    assert!(plain.frames == 8 && plain.all < 0.999, "boxes make {} no difference", plain.all);
}
