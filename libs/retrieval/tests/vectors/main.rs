//! Whatever FAISS holds vectors, it finds what the scan in plain Rust finds. In GPU memory only where there is a GPU.
#![allow(clippy::unwrap_used)]

#[path = "../../../gpu/tests/harness/mod.rs"]
mod harness;

use std::collections::BTreeSet;
use std::process::ExitCode;

use osha::corpus::Corpus;
use osha::retrieval::{BuiltIn, Index, Query, Scan, VectorEngine, VectorSearch};

/// Numbers in −0.5 to 0.5 that are the same every time.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

fn rows_of(hits: &[(usize, f32)]) -> Vec<usize> {
    hits.iter().map(|hit| hit.0).collect()
}

/// Both find the same rows in the same order.
fn assert_same(a: &dyn VectorSearch, b: &dyn VectorSearch, query: &[f32], limit: usize) {
    let (a, b) = (a.search(query, limit).unwrap(), b.search(query, limit).unwrap());
    assert_eq!(rows_of(&a), rows_of(&b), "limit {limit}");
    assert!(a.iter().zip(&b).all(|(a, b)| (a.1 - b.1).abs() < 1e-4));
}

/// Both find rows with the same scores: among many, two may be so near that rounding decides on their order.
fn assert_alike(a: &dyn VectorSearch, b: &dyn VectorSearch, query: &[f32], limit: usize) {
    let (a, b) = (a.search(query, limit).unwrap(), b.search(query, limit).unwrap());
    assert_eq!(a.len(), b.len());
    assert_eq!(rows_of(&a).into_iter().collect::<BTreeSet<_>>().len(), a.len(), "a row comes twice");
    assert!(a.iter().zip(&b).all(|(a, b)| (a.1 - b.1).abs() < 1e-4));
}

fn it_finds_what_the_scan_finds(engine: &dyn VectorEngine) {
    for (rows, dimension) in [(20_000, 96), (9, 5), (1, 384), (1_000, 33), (4_099, 384)] {
        let rows = numbers(rows * dimension);
        let (found, scan) = (engine.load(dimension, &rows).unwrap(), Scan.load(dimension, &rows).unwrap());
        for query in numbers(30 * dimension).chunks_exact(dimension) {
            [1, 2, 10].into_iter().for_each(|limit| assert_same(&*found, &*scan, query, limit));
            [100, 500, 3_000].into_iter().for_each(|limit| assert_alike(&*found, &*scan, query, limit));
        }
        assert_eq!(found.rows(), rows);
    }
}

fn empty_short_and_wrong_are_no_crash(engine: &dyn VectorEngine) {
    let empty = engine.load(4, &[]).unwrap();
    assert!(empty.search(&[0.0; 4], 5).unwrap().is_empty() && empty.rows().is_empty());
    let one = engine.load(2, &[1.0, 0.0]).unwrap();
    assert_eq!(one.search(&[1.0, 0.0], 9).unwrap(), [(0, 1.0)]);
    assert!(one.search(&[1.0, 0.0], 0).unwrap().is_empty());
    assert!(one.search(&[1.0], 1).is_err());
    assert!(engine.load(0, &[1.0]).is_err());
    assert!(engine.load(2, &[1.0]).is_err());
}

fn a_query_that_is_no_number_is_no_crash(engine: &dyn VectorEngine) {
    let vectors = engine.load(8, &numbers(8 * 5_000)).unwrap();
    for number in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE / 2.0] {
        assert!(vectors.search(&[number; 8], 10).unwrap().len() <= 10);
    }
}

fn standards_are_the_same_with_either(engine: &dyn VectorEngine) {
    let index =
        |engine: &dyn VectorEngine| Index::build(Corpus::built_in().clone(), BuiltIn::get(), engine).unwrap();
    let (found, scan) = (index(engine), index(&Scan));
    for text in ["worker on a roof edge without harness", "ladder too short", "forklift with a passenger"] {
        let query = Query { text: text.into(), limit: 10, ..Query::default() };
        let citations = |index: &Index| {
            index.query(&query).unwrap().hits.iter().map(|hit| hit.citation.clone()).collect::<Vec<_>>()
        };
        assert_eq!(citations(&found), citations(&scan));
    }
}

fn threads_share_what_is_loaded(engine: &dyn VectorEngine) {
    let rows = numbers(20_000 * 96);
    let (found, scan) = (engine.load(96, &rows).unwrap(), Scan.load(96, &rows).unwrap());
    let queries = numbers(64 * 96);
    std::thread::scope(|scope| {
        for part in queries.chunks_exact(16 * 96) {
            let (found, scan) = (&*found, &*scan);
            scope.spawn(move || {
                part.chunks_exact(96).for_each(|query| assert_same(found, scan, query, 10));
            });
        }
    });
}

/// The properties above, each as a test of its own, for one engine.
macro_rules! properties {
    ($engine:expr, $name:literal) => {
        properties!($engine, $name; it_finds_what_the_scan_finds, empty_short_and_wrong_are_no_crash,
            a_query_that_is_no_number_is_no_crash, standards_are_the_same_with_either, threads_share_what_is_loaded);
    };
    ($engine:expr, $name:literal; $($property:ident),+) => {
        $(fn $property() { crate::$property(&$engine); })+
        pub const TESTS: &[crate::harness::Test] =
            &[$((concat!($name, "::", stringify!($property)), $property as fn())),+];
    };
}

mod cpu {
    properties!(retrieval::Faiss, "cpu");
}

#[cfg(feature = "faiss-gpu")]
mod gpu_memory;

#[cfg(feature = "faiss-gpu")]
fn main() -> ExitCode {
    let missing = gpu::cuda::status().err().map(|error| error.to_string());
    let on_device = [gpu_memory::shared::TESTS, gpu_memory::TESTS].concat();
    let everywhere = [cpu::TESTS, gpu_memory::EVERYWHERE].concat();
    harness::run_on_device(missing, &on_device, &everywhere)
}

#[cfg(not(feature = "faiss-gpu"))]
fn main() -> ExitCode {
    harness::run_on_device(None, &[], cpu::TESTS)
}
