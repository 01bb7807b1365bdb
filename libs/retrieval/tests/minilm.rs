//! MiniLM where `scripts/minilm` has put it; ignored where it has not.

use std::path::Path;
use std::sync::Arc;

use engine::Options;
use osha::corpus::Corpus;
use osha::retrieval::{Embedder, Index, Scan, evaluation};
use retrieval::MiniLm;

/// The embedder, if it is installed.
#[allow(clippy::unwrap_used)]
fn minilm() -> Option<MiniLm> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("build/models/minilm");
    let library = Some(root.join("build/plugins/libonnxruntime.so.1"));
    if !folder.join("model.onnx").exists() {
        eprintln!("SKIPPED: scripts/minilm was not run");
        return None;
    }
    Some(MiniLm::open(&folder, &Options { library, threads: 2, ..Options::default() }).unwrap())
}

#[test]
fn its_vectors_are_those_of_the_published_model() {
    let Some(minilm) = minilm() else { return };
    let embed = |text| minilm.embed(text).unwrap();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let happy = embed("That is a happy person");
    // The figures of the model's own page.
    assert!((cosine(&happy, &embed("That is a very happy person")) - 0.943).abs() < 2e-3);
    assert!((cosine(&happy, &embed("Today is a sunny day")) - 0.257).abs() < 2e-3);
    for text in ["", "\u{0}", "🦺", &"harness ".repeat(10_000)] {
        assert!(embed(text).iter().all(|value| value.is_finite()));
    }
}

#[test]
fn it_finds_what_people_on_sites_ask_for() {
    let Some(minilm) = minilm() else { return };
    let index = Index::build(Corpus::built_in().clone(), Arc::new(minilm), &Scan).unwrap();
    let mut questions = evaluation::questions(evaluation::BUILT_IN).unwrap();
    questions.retain(|question| !question.split.ends_with("final"));
    let figures = evaluation::evaluate(&index, &questions, "").unwrap();
    assert!(figures.recall_1() >= 0.75 && figures.recall_5() >= 0.95, "{figures:#?}");
    assert!(figures.answers() >= 0.9 && figures.abstentions() >= 0.9, "{figures:#?}");
}

#[test]
fn a_folder_without_it_is_an_error_that_says_what_to_do() {
    let error = MiniLm::open(Path::new("/nowhere"), &Options::default()).err().unwrap().to_string();
    assert!(error.starts_with("/nowhere/model.onnx: No such file"), "{error}");
    assert!(error.ends_with("scripts/minilm makes it"), "{error}");
}
