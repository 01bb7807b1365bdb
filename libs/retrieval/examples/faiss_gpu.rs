//! Times one query against many vectors: the scan in plain Rust, FAISS on the CPU, FAISS in GPU memory with several folds;
//! and compares what they find.
//!
//!     cargo run --release -p gst-osha-retrieval --features faiss-gpu --example faiss_gpu -- [rows] [dimension]

use std::error::Error;
use std::time::{Duration, Instant};

use osha::retrieval::{Scan, VectorEngine, VectorSearch};
use retrieval::{Faiss, FaissGpu};

const QUERIES: usize = 200;
const LIMIT: usize = 10;
const WARM_UP: usize = 50;
const ROUNDS: usize = 2_000;
/// For engines that take long.
const MOST_TIME: Duration = Duration::from_secs(8);

type Hits = Vec<(usize, f32)>;

/// Vectors of length 1 that are the same every time.
fn vectors(count: usize, dimension: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    let mut numbers: Vec<f32> = (0..count * dimension).map(|_| next()).collect();
    for vector in numbers.chunks_exact_mut(dimension) {
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|number| *number /= length);
    }
    numbers
}

/// Microseconds of every query, sorted.
fn times(loaded: &dyn VectorSearch, queries: &[&[f32]]) -> Result<Vec<f64>, Box<dyn Error>> {
    for query in queries.iter().cycle().take(WARM_UP) {
        loaded.search(query, LIMIT)?;
    }
    let (begin, mut times) = (Instant::now(), Vec::new());
    for query in queries.iter().cycle().take(ROUNDS) {
        let start = Instant::now();
        loaded.search(query, LIMIT)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if begin.elapsed() > MOST_TIME {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Prints a line of the table, and returns what was found.
fn measure(
    name: &str,
    engine: &dyn VectorEngine,
    (dimension, rows): (usize, &[f32]),
    queries: &[&[f32]],
    expected: Option<&[Hits]>,
) -> Result<Vec<Hits>, Box<dyn Error>> {
    let start = Instant::now();
    let loaded = engine.load(dimension, rows)?;
    let load = start.elapsed().as_secs_f64() * 1e3;
    let times = times(&*loaded, queries)?;
    let found = queries.iter().map(|query| loaded.search(query, LIMIT)).collect::<Result<Vec<_>, _>>()?;
    let expected = expected.unwrap_or(&found);
    let rows_of = |hits: &Hits| hits.iter().map(|hit| hit.0).collect::<Vec<_>>();
    let same_rows = found.iter().zip(expected).filter(|(a, b)| rows_of(a) == rows_of(b)).count();
    let same = found.iter().zip(expected).filter(|(a, b)| a == b).count();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{name:<20} {:>9.1} {:>9.1} {:>9.1} {:>9.0}   {same_rows}/{QUERIES} {same}/{QUERIES}   {}",
        at(0.5),
        at(0.99),
        times[0],
        load,
        times.len()
    );
    Ok(found)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let rows = arguments.next().unwrap_or(Ok(100_000))?;
    let dimension = arguments.next().unwrap_or(Ok(384))?;
    let data = vectors(rows, dimension, 1);
    let queries = vectors(QUERIES, dimension, 2);
    let queries: Vec<&[f32]> = queries.chunks_exact(dimension).collect();
    match gpu::cuda::status() {
        Ok(status) => println!("{status}"),
        Err(error) => println!("SKIPPED: no CUDA device ({error})"),
    }
    println!(
        "{rows} x {dimension}, best {LIMIT} of each of {QUERIES} queries, microseconds; same rows, same scores"
    );
    println!("{:<20} {:>9} {:>9} {:>9} {:>9}   same as the scan", "", "p50", "p99", "least", "load, ms");
    let table = (dimension, &*data);
    let expected = measure("scan", &Scan, table, &queries, None)?;
    measure("FAISS, CPU", &Faiss, table, &queries, Some(&expected))?;
    if gpu::cuda::status().is_ok() {
        measure("FAISS, GPU memory", &FaissGpu::default(), table, &queries, Some(&expected))?;
        for fold in [1, 2, 4, 6, 8, 12, 16, 24, 32] {
            measure(&format!("  fold {fold}"), &FaissGpu { fold }, table, &queries, Some(&expected))?;
        }
    }
    Ok(())
}
