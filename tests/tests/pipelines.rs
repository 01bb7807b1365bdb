//! Every documented command is run: `pipelines/*.launch`, and each `gst-launch-1.0` and `gst-osha` line of the README and of
//! `docs/`.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use gst_osha_tests::repository;

/// A folder that looks like the repository to a pipeline, with an `out` of its own.
fn copy_of_the_repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in ["models", "tests", "pipelines", "build"] {
        symlink(repository().join(entry), folder.path().join(entry)).unwrap();
    }
    fs::create_dir(folder.path().join("out")).unwrap();
    folder
}

/// Runs `line` in a shell, as a user would, and gives it two minutes.
fn run(line: &str, folder: &Path) -> Output {
    let plugins = repository().join("build/plugins");
    assert!(plugins.join("libgsttrtinfer.so").exists(), "the plugins are not built: run make build");
    Command::new("timeout")
        .args(["120", "sh", "-c", line])
        .current_dir(folder)
        .env("GST_PLUGIN_PATH", plugins)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn assert_ran(line: &str, output: &Output) {
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\nended with {}:\n{text}", output.status);
    assert!(!text.contains("WARN") && !text.contains("CRITICAL"), "{line}\nwarned:\n{text}");
}

/// What the pipeline wrote, by name; nothing in it may be empty.
fn written(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("out")).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            assert!(entry.metadata().unwrap().len() > 0, "{name} is empty");
            name
        })
        .collect();
    names.sort();
    names
}

fn launch(name: &str) -> Vec<String> {
    let folder = copy_of_the_repository();
    let line = format!("gst-launch-1.0 -q $(grep -v '^#' pipelines/{name})");
    assert_ran(&line, &run(&line, folder.path()));
    written(folder.path())
}

#[test]
fn annotate_file() {
    assert_eq!(launch("annotate-file.launch"), ["annotated.mp4", "events.jsonl"]);
}

#[test]
fn events_only() {
    assert_eq!(launch("events-only.launch"), ["events.jsonl"]);
}

#[test]
fn snapshots() {
    let pictures = launch("snapshots.launch");
    assert!(pictures.len() >= 10, "{pictures:?}");
}

#[test]
fn two_branches() {
    assert_eq!(launch("two-branches.launch"), ["annotated.mp4"]);
}

#[test]
fn stock_overlay() {
    assert_eq!(launch("stock-overlay.launch"), ["overlay.mp4"]);
}

/// The clip is sent to the port as a camera would; the receiver is stopped when the sender is done.
#[test]
fn live_rtp() {
    let folder = copy_of_the_repository();
    let receiver = "timeout -s INT 25 gst-launch-1.0 -e $(grep -v '^#' pipelines/live-rtp.launch)";
    let sender = "gst-launch-1.0 -q filesrc location=tests/data/site.mp4 ! qtdemux ! h264parse ! \
                  rtph264pay config-interval=1 ! udpsink host=127.0.0.1 port=5004";
    let line = format!(
        "{receiver} > out/log 2>&1 & sleep 1; {sender}; sleep 3; pkill -INT -P $! ; wait $!; cat out/log"
    );
    let output = run(&line, folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("ERROR") && !text.contains("CRITICAL"), "{text}");
    let events = fs::read_to_string(folder.path().join("out/events.jsonl")).unwrap();
    let frames = events.lines().filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["frames"].as_u64().filter(|_| event["kind"] == "summary")
    });
    let seen = frames.max().unwrap_or_default();
    assert!(seen >= 50, "only {seen} frames of the live stream were analysed:\n{text}");
}

#[test]
fn every_file_in_pipelines_has_a_test() {
    let source = include_str!("pipelines.rs");
    for entry in fs::read_dir(repository().join("pipelines")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".launch") || source.contains(&name), "{name} is run by no test");
    }
}

/// The commands in a page, continued lines joined, prompts and comments cut off. Those with `…` are no whole ones.
fn commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(page)).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter(|line| line.starts_with("    ")).map(str::trim);
    let lines = lines.map(|line| line.trim_start_matches("$ ").split("  #").next().unwrap_or(line).trim());
    let is_command = |line: &&str| {
        let line = line.trim_start_matches("GST_TRACERS=zcopies ");
        line.starts_with("gst-launch-1.0 ") || line.starts_with("gst-osha ")
    };
    lines.filter(is_command).filter(|line| !line.contains('…')).map(str::to_owned).collect()
}

/// The JSON lines that a page shows, as a file.
fn jsonl(page: &str) -> String {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    text.lines()
        .filter(|line| line.starts_with("{\"") && !line.contains('…'))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What takes long, needs hardware or waits for a pipeline is only looked at: whether there are such arguments.
fn as_tested(command: &str) -> String {
    let is_long = ["doctor", "bench", "top", "engine build"]
        .iter()
        .any(|name| command.starts_with(&format!("gst-osha {name}")));
    if is_long { format!("{command} --help") } else { command.to_owned() }
}

/// Runs the commands of a page one after the other, in a folder with the files that they name.
fn run_page(page: &str, files: &[(&str, &str)]) {
    let folder = copy_of_the_repository();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let commands = commands(page);
    assert!(!commands.is_empty(), "{page} shows no command");
    for command in commands {
        let line = format!("PATH=$PWD/build/bin:$PATH; {}", as_tested(&command));
        assert_ran(&command, &run(&line, folder.path()));
    }
}

#[test]
fn the_readme() {
    run_page("README.md", &[]);
}

#[test]
fn docs_on_events() {
    let folder = copy_of_the_repository();
    let line = "gst-launch-1.0 -q $(grep -v '^#' pipelines/events-only.launch)";
    assert_ran(line, &run(line, folder.path()));
    let events = fs::read_to_string(folder.path().join("out/events.jsonl")).unwrap();
    run_page("docs/events.md", &[("events.jsonl", &events)]);
}

#[test]
fn docs_on_metas() {
    run_page("docs/metas.md", &[]);
}

#[test]
fn docs_on_standards() {
    run_page("docs/standards.md", &[("dguv.jsonl", &jsonl("docs/standards.md"))]);
}

#[test]
fn docs_on_tools() {
    run_page("docs/tools.md", &[]);
}

#[test]
fn docs_on_tensorrt() {
    run_page("docs/tensorrt.md", &[]);
}

#[test]
fn every_page_with_commands_has_a_test() {
    let source = include_str!("pipelines.rs");
    for entry in fs::read_dir(repository().join("docs")).unwrap() {
        let page = format!("docs/{}", entry.unwrap().file_name().into_string().unwrap());
        let is_tested = source.contains(&format!("run_page(\"{page}\""));
        assert!(
            !page.ends_with(".md") || is_tested || commands(&page).is_empty(),
            "{page} is run by no test"
        );
    }
}
