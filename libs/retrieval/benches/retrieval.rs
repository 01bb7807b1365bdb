//! How long a query takes, and how long many standards take to be searched.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::Options;
use osha::corpus::Corpus;
use osha::retrieval::{BuiltIn, Embedder, Index, Query, Scan, VectorEngine};
use retrieval::MiniLm;

const ROWS: usize = 100_000;
const DIMENSION: usize = 384;

/// A new question every time, so that none is answered from memory.
fn ask(criterion: &mut Criterion, name: &str, embedder: Arc<dyn Embedder>) {
    let Ok(index) = Index::build(Corpus::built_in().clone(), embedder, &Scan) else { return };
    let mut number = 0_u64;
    criterion.bench_function(&format!("query, {name}"), |bencher| {
        bencher.iter(|| {
            number += 1;
            let text = format!("worker {number} on a roof edge without harness");
            index.query(&Query { text, scope: Some("construction".into()), contexts: None, limit: 5 })
        });
    });
}

fn minilm() -> Option<MiniLm> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let library = Some(root.join("build/plugins/libonnxruntime.so.1"));
    let options = Options { library, threads: 1, ..Options::default() };
    MiniLm::open(&root.join("build/models/minilm"), &options).ok()
}

fn queries(criterion: &mut Criterion) {
    ask(criterion, "built-in embedder", BuiltIn::get());
    if let Some(minilm) = minilm() {
        ask(criterion, "MiniLM, one thread", Arc::new(minilm));
    }
}

fn scan(criterion: &mut Criterion, engine: &dyn VectorEngine, rows: &[f32]) {
    let Ok(vectors) = engine.load(DIMENSION, rows) else { return };
    let query = &rows[DIMENSION * 77..][..DIMENSION];
    criterion.bench_function(&format!("{ROWS} x {DIMENSION}, {}", engine.name()), |bencher| {
        bencher.iter(|| vectors.search(black_box(query), 10));
    });
}

fn vectors(criterion: &mut Criterion) {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    let rows: Vec<f32> = (0..ROWS * DIMENSION).map(|_| next()).collect();
    scan(criterion, &Scan, &rows);
    #[cfg(feature = "faiss")]
    scan(criterion, &retrieval::Faiss, &rows);
    #[cfg(feature = "faiss-gpu")]
    scan(criterion, &retrieval::FaissGpu::default(), &rows);
}

criterion_group!(benches, queries, vectors);
criterion_main!(benches);
