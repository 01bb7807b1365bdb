//! What holds for vectors in GPU memory alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use faiss::Index;
use faiss::index::flat::FlatIndex;
use gpu::cuda::{Context, DeviceBuffer};
use gpu::faiss::GpuIndex;
use osha::retrieval::{Scan, VectorEngine};
use retrieval::{FaissGpu, GpuFirst, LEAST_ROWS};

use super::{assert_same, harness, numbers};

/// What holds for every engine.
pub mod shared {
    properties!(retrieval::FaissGpu::default(), "gpu_memory");
}

pub const TESTS: &[harness::Test] = crate::tests![
    scores_are_those_of_the_scan,
    equal_rows_come_in_their_order,
    rows_may_lie_in_any_fold,
    vectors_that_are_no_numbers_are_refused,
    a_query_leaves_nothing_behind,
    more_than_faiss_finds_is_an_error,
    memory_is_given_back,
    a_full_device_is_an_error_and_the_cpu_answers,
    many_rows_are_searched_in_gpu_memory,
];

pub const EVERYWHERE: &[harness::Test] =
    crate::tests![few_rows_are_left_to_the_cpu, without_a_gpu_the_cpu_answers];

fn scores_are_those_of_the_scan() {
    let rows = numbers(30_000 * 384);
    let (found, scan) = (FaissGpu::default().load(384, &rows).unwrap(), Scan.load(384, &rows).unwrap());
    for query in numbers(100 * 384).chunks_exact(384) {
        assert_eq!(found.search(query, 10).unwrap(), scan.search(query, 10).unwrap());
    }
}

/// A few rows again and again, so that ties lie across every limit; then one row everywhere.
fn equal_rows_come_in_their_order() {
    for kinds in [1, 3, 40, 700] {
        let few = numbers(kinds * 16);
        let rows: Vec<f32> = few.iter().copied().cycle().take(16 * 12_345).collect();
        let (found, scan) = (FaissGpu::default().load(16, &rows).unwrap(), Scan.load(16, &rows).unwrap());
        for query in numbers(10 * 16).chunks_exact(16) {
            [1, 10, 31, 32, 200].into_iter().for_each(|limit| assert_same(&*found, &*scan, query, limit));
        }
    }
}

fn rows_may_lie_in_any_fold() {
    for count in [1, 31, 32, 33, 255, 256, 5_003] {
        let rows = numbers(count * 24);
        let scan = Scan.load(24, &rows).unwrap();
        for fold in [0, 1, 2, 7, 16] {
            let found = FaissGpu { fold }.load(24, &rows).unwrap();
            for query in numbers(10 * 24).chunks_exact(24) {
                [1, 10, 40].into_iter().for_each(|limit| assert_same(&*found, &*scan, query, limit));
            }
        }
    }
}

fn vectors_that_are_no_numbers_are_refused() {
    for number in [f32::NAN, f32::INFINITY] {
        let refused = FaissGpu::default().load(2, &[1.0, 0.0, number, 0.0]).err().unwrap().to_string();
        assert_eq!(refused, "vector engine faiss-gpu: a vector has a number that is not finite");
    }
}

/// Queries lie in the same memory, one after the other.
fn a_query_leaves_nothing_behind() {
    let rows = numbers(5_000 * 8);
    let (found, scan) = (FaissGpu::default().load(8, &rows).unwrap(), Scan.load(8, &rows).unwrap());
    for before in [f32::NAN, f32::INFINITY, f32::MAX, 1.0] {
        found.search(&[before; 8], 3_000).unwrap();
        numbers(5 * 8).chunks_exact(8).for_each(|query| assert_same(&*found, &*scan, query, 10));
    }
}

fn more_than_faiss_finds_is_an_error() {
    let mut flat = FlatIndex::new_ip(2).unwrap();
    flat.add(&[1.0, 0.0, 0.0, 1.0, 0.0, 2.0]).unwrap();
    let mut index = GpuIndex::new(&flat, 0, 2, 1 << 20).unwrap();
    assert_eq!(index.queries().unwrap(), [0.0; 4]);
    index.queries().unwrap().copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
    let refused = index.search(3_000).unwrap_err().to_string();
    assert!(refused.starts_with("FAISS: "), "{refused}");
    let (labels, scores) = index.search(4).unwrap();
    assert_eq!((labels.len(), labels[0], labels[3]), (8, 0, -1));
    assert_eq!((&labels[4..6], &scores[4..6]), (&[2, 1][..], &[2.0, 1.0][..]));
    assert_eq!(index.search(1).unwrap(), (&[0, 2][..], &[1.0, 2.0][..]));
    assert!(index.search(usize::MAX).is_err());
    assert_eq!(index.search(1).unwrap(), (&[0, 2][..], &[1.0, 2.0][..]));
}

fn free() -> usize {
    Context::primary(0).unwrap().memory().unwrap().0
}

fn memory_is_given_back() {
    let rows = numbers(50_000 * 384);
    let load = || FaissGpu::default().load(384, &rows).unwrap();
    drop(load());
    let before = free();
    let held = load();
    println!(
        "{} MiB of vectors take {} MiB of GPU memory",
        size_of_val(&*rows) >> 20,
        (before - free()) >> 20
    );
    drop(held);
    (0..5).for_each(|_| drop(load()));
    let after = free();
    assert!(after + (16 << 20) > before, "{} MiB are gone", (before - after) >> 20);
}

static REPORTS: AtomicUsize = AtomicUsize::new(0);

/// Counts what is reported.
fn report(reason: &str) {
    println!("{reason}");
    REPORTS.fetch_add(1, Ordering::Relaxed);
}

/// How often is reported while more rows than needed are loaded twice and searched.
fn reports() -> usize {
    let rows = numbers((LEAST_ROWS + 7) * 32);
    let before = REPORTS.load(Ordering::Relaxed);
    let engine = GpuFirst::choose(LEAST_ROWS + 7, Box::new(Scan), report);
    let scan = Scan.load(32, &rows).unwrap();
    for _ in 0..2 {
        let found = engine.load(32, &rows).unwrap();
        numbers(5 * 32).chunks_exact(32).for_each(|query| assert_same(&*found, &*scan, query, 10));
    }
    REPORTS.load(Ordering::Relaxed) - before
}

fn a_full_device_is_an_error_and_the_cpu_answers() {
    let context = Context::primary(0).unwrap();
    let hoard = DeviceBuffer::new(&context, free() - (300 << 20)).unwrap();
    let full = FaissGpu::default().load(32, &numbers(32 * 1_000)).err().unwrap().to_string();
    assert!(full.contains("MiB of GPU memory are needed"), "{full}");
    assert_eq!(reports(), 1);
    drop(hoard);
}

fn many_rows_are_searched_in_gpu_memory() {
    assert_eq!(reports(), 0);
}

fn few_rows_are_left_to_the_cpu() {
    let before = REPORTS.load(Ordering::Relaxed);
    let engine = GpuFirst::choose(2, Box::new(Scan), report);
    let found = engine.load(2, &[1.0, 0.0, 0.0, 1.0]).unwrap();
    assert_eq!(found.search(&[0.0, 1.0], 1).unwrap(), [(1, 1.0)]);
    assert_eq!((engine.name(), REPORTS.load(Ordering::Relaxed) - before), ("scan", 1));
}

fn without_a_gpu_the_cpu_answers() {
    let missing = gpu::cuda::status().is_err();
    let refused = FaissGpu::default().load(1, &[1.0]).err();
    assert_eq!(refused.is_some(), missing, "{refused:?}");
    assert_eq!(reports(), usize::from(missing));
}
