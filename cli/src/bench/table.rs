//! The results for people.

use gstsupport::samples::Summary;

use super::Results;
use super::counts::Counts;
use super::figures::{Figures, PartFigures, Stage};
use super::latency::Latency;
use crate::output::println;
use crate::style::{Tone, paint};

/// The seed document's latencies per 1080p frame in milliseconds: operation, "Standard", "Optimized".
const SEED: [(&str, &str, &str); 4] = [
    ("decode", "5-10", "1-2 (NVDEC)"),
    ("upload", "3-5", "<0.1 (unified)"),
    ("preprocess", "2-3", "0.5 (GPU)"),
    ("total", "10-18", "1.5-3"),
];

/// Prints every table.
pub fn print(results: &Results) {
    let Results { frames, rounds, streams, cores, model, input, gstreamer, .. } = results;
    println!(
        "{frames} frames, {streams} stream(s), median of {rounds} rounds, {cores} cores, {gstreamer}\nmodel {}, input {}\n",
        model.display(),
        input.display()
    );
    print_programs(results);
    print_objects(results.objects_per_frame);
    print_latency(results);
    print_parts(&results.parts);
    if let Some(overlap) = &results.overlap {
        println!(
            "one after the other {:.2} ms a frame, in the pipeline {:.2} ms: {:.2} times as fast\n",
            overlap.parts_ms,
            overlap.pipeline_ms,
            overlap.parts_ms / overlap.pipeline_ms
        );
    }
    print_seed(&results.parts);
    print_memory(results);
    print_copies(results);
}

fn title(text: &str) {
    println!("{}", paint(text, Tone::Title));
}

fn print_programs(results: &Results) {
    let cells = ["frames/s", "ms/frame", "of bare", "CPU ms", "peak MiB"].map(|cell| format!("{cell:>9}"));
    title(&format!("{:<62}{}", "Programs", cells.concat()));
    let bare =
        results.programs.iter().find(|figures| figures.stage == Stage::Bare).map(|figures| figures.fps);
    for figures in &results.programs {
        let Figures { stage, fps, cpu_ms_per_frame, peak_mib, .. } = figures;
        let of_bare = bare.map_or(String::new(), |bare| format!("{:.2}", fps / bare));
        println!(
            "{:<62}{fps:>9.1}{:>9.2}{of_bare:>9}{cpu_ms_per_frame:>9.2}{peak_mib:>9.0}",
            stage.title(),
            1e3 / fps
        );
    }
    for left_out in &results.left_out {
        println!(
            "{:<62} {}",
            left_out.program,
            paint(&format!("left out: {}", left_out.reason), Tone::Doubtful)
        );
    }
    println!();
}

/// Without anything to track and draw the figures say little.
fn print_objects(per_frame: f64) {
    match per_frame {
        0.0 => println!(
            "{}\n",
            paint(
                "nothing was found in the clip, so nothing was tracked or drawn: name another --input or --model",
                Tone::Doubtful
            )
        ),
        _ => println!("{per_frame:.1} objects found, tracked and drawn in a frame\n"),
    }
}

fn print_latency(results: &Results) {
    let ways = [("one after the other", &results.latency), ("of a live stream", &results.latency_live)];
    for (way, latency) in ways {
        let Some(Latency { frame: Summary { p50, p95, p99, .. }, network }) = latency else { continue };
        let network = network.map_or(String::new(), |network| {
            format!("; of that the network: p50 {:.2}, p99 {:.2} ms", network.p50, network.p99)
        });
        println!("a frame {way}, decoder to sink: p50 {p50:.2}, p95 {p95:.2}, p99 {p99:.2} ms{network}");
    }
    println!("behind the decoder: {:.3} ms of one core a frame\n", results.cpu_ms_after_decoder);
}

fn print_parts(parts: &[PartFigures]) {
    let cells = ["p50", "p95", "p99"].map(|cell| format!("{cell:>9}")).concat();
    title(&format!(
        "{:<14}{:>9}   {:>27}   {:>27}",
        "Parts, ms", "a frame", "alone, in and out", "in the pipeline"
    ));
    println!("{:<14}{:>9}   {cells}   {cells}", "", "alone");
    for part in parts {
        let cost = part.cost_ms.map_or("-".to_owned(), |cost| format!("{cost:.3}"));
        println!("{:<14}{cost:>9}   {}   {}", part.part.name(), summary(part.alone), summary(part.pipeline));
    }
    println!();
}

fn summary(summary: Option<Summary>) -> String {
    match summary {
        Some(Summary { p50, p95, p99, .. }) => format!("{p50:>9.3}{p95:>9.3}{p99:>9.3}"),
        None => format!("{:>9}{:>9}{:>9}", "-", "-", "-"),
    }
}

fn print_seed(parts: &[PartFigures]) {
    title(&format!("{:<14}{:>12}{:>18}{:>14}", "Latency, ms", "standard", "optimized", "here"));
    let here = |name: &str| parts.iter().find(|part| part.part.name() == name)?.cost_ms;
    let total =
        || parts.iter().take_while(|part| part.part.name() != "inference").filter_map(|part| part.cost_ms);
    for (name, standard, optimized) in SEED {
        let here = if name == "total" { Some(total().sum()) } else { here(name) };
        let here = here.map_or("not needed".to_owned(), |ms: f64| format!("{ms:.2}"));
        println!("{name:<14}{standard:>12}{optimized:>18}{here:>14}");
    }
    println!("standard and optimized are the design document's, for 1080p on DGX Spark\n");
}

fn print_memory(results: &Results) {
    title(&format!("{:<46}{:>9}", "Memory", "GB/s"));
    for row in &results.bandwidth {
        match (row.gigabytes_per_second, &row.why_not) {
            (Some(speed), _) => println!("{:<46}{speed:>9.1}", row.path),
            (None, reason) => {
                println!("{:<46}{:>9} {}", row.path, "-", reason.as_deref().unwrap_or_default())
            }
        }
    }
    println!();
}

fn copies_heading() -> String {
    let cells = ["elements", "CUPTI", "largest", "on device", "bytes"].map(|cell| format!("{cell:>10}"));
    format!("{:<62}{}  both", "Copies, bytes a frame", cells.concat())
}

/// What each program copied, by the elements and by CUPTI.
fn print_copies(results: &Results) {
    let nothing = results.programs.iter().all(|figures| figures.counts.is_none());
    if let (true, Some(reason)) = (nothing, &results.pcie.why_not) {
        println!(
            "between host and device: {:.0} bytes a frame by the elements' accounting",
            results.pcie.counted_by_elements
        );
        println!("by CUPTI: {}", paint(&format!("not available: {reason}"), Tone::Doubtful));
        return;
    }
    title(&copies_heading());
    for figures in &results.programs {
        match (&figures.counts, &figures.not_counted) {
            (Some(counts), _) => println!("{:<62}{}", figures.stage.title(), counts_row(counts)),
            (None, Some(reason)) => {
                println!(
                    "{:<62} {}",
                    figures.stage.title(),
                    paint(&format!("not counted: {reason}"), Tone::Doubtful)
                );
            }
            (None, None) => {}
        }
    }
    println!(
        "elements, CUPTI: what each counts between host and device; largest: the largest single copy of these\n\
         on device: copies a frame within device memory, and their bytes\n\
         both counts agree if they differ by at most 1 % or the coded video ({:.0} bytes a frame), which no element counts",
        coded(results)
    );
}

/// Flags copies of pictures between host and device.
fn pictures(counts: &Counts) -> String {
    if !counts.has_pictures() {
        return String::new();
    }
    let per_frame = counts.large as f64 / counts.frames.max(1) as f64;
    let moved = counts.moved_bytes_per_frame;
    let text = format!(
        "{per_frame:.2} copies of 1 MB and more a frame, {moved:.0} bytes by cudaupload and cudadownload"
    );
    format!(", {}", paint(&format!("COPIES PICTURES: {text}"), Tone::Bad))
}

fn coded(results: &Results) -> f64 {
    let counts = results.programs.iter().filter_map(|figures| figures.counts.as_ref());
    counts.map(|counts| counts.coded_bytes_per_frame).fold(0.0, f64::max)
}

fn counts_row(counts: &Counts) -> String {
    let Counts { elements_bytes_per_frame: own, cupti_bytes_per_frame: cupti, largest_bytes, lost, .. } =
        counts;
    let (copies, bytes) = (counts.device_copies_per_frame, counts.device_bytes_per_frame);
    let agree = if counts.agree { paint("agree", Tone::Good) } else { paint("DIFFER", Tone::Bad) };
    let lost = if *lost > 0 { format!(", {lost} records lost") } else { String::new() };
    format!(
        "{own:>10.0}{cupti:>10.0}{largest_bytes:>10}{copies:>10.2}{bytes:>10.0}  {agree}{lost}{}",
        pictures(counts)
    )
}

/// What the tracer costs: speed and CPU time without and with it.
pub fn print_overhead(rows: &[(&str, Figures, Figures)]) {
    let cells = ["frames/s", "traced", "change %", "CPU ms", "traced"].map(|cell| format!("{cell:>10}"));
    title(&format!("{:<46}{}", "Tracer", cells.concat()));
    for (title, off, on) in rows {
        println!(
            "{title:<46}{:>10.1}{:>10.1}{:>10.2}{:>10.3}{:>10.3}",
            off.fps,
            on.fps,
            (on.fps / off.fps - 1.0) * 100.0,
            off.cpu_ms_per_frame,
            on.cpu_ms_per_frame
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stand_under_their_headings_and_pictures_are_flagged() {
        let clean = Counts {
            elements_bytes_per_frame: 242_000.4,
            cupti_bytes_per_frame: 248_123.0,
            largest_bytes: 241_920,
            agree: true,
            frames: 300,
            ..Counts::default()
        };
        let row = counts_row(&clean);
        let width = |text: &str, word: &str| text.find(word).map(|at| at + word.len());
        for (heading, cell) in [("elements", "242000"), ("CUPTI", "248123"), ("largest", "241920")] {
            assert_eq!(width(&copies_heading(), heading), width(&row, cell).map(|at| at + 62), "{row}");
        }
        assert!(row.ends_with("  agree"), "{row}");
        let copying =
            Counts { large: 600, agree: false, lost: 3, moved_bytes_per_frame: 6_220_800.0, ..clean };
        let row = counts_row(&copying);
        let expected = "DIFFER, 3 records lost, COPIES PICTURES: 2.00 copies of 1 MB and more a frame, \
                        6220800 bytes by cudaupload and cudadownload";
        assert!(row.ends_with(expected), "{row}");
    }
}
