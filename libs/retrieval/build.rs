//! Links what Debian's libfaiss-dev leaves to the program: it ships FAISS as static archives. Where FAISS is compiled
//! with its GPU part instead, the program remembers for which devices.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CUDAARCHS");
    let built = |feature: &str| std::env::var_os(feature).is_some();
    if built("CARGO_FEATURE_FAISS_GPU") {
        let architectures = std::env::var("CUDAARCHS").unwrap_or_default();
        println!("cargo:rustc-env=FAISS_CUDA_ARCHITECTURES={architectures}");
    } else if built("CARGO_FEATURE_FAISS") {
        for library in ["faiss", "stdc++", "gomp", "lapack", "blas"] {
            println!("cargo:rustc-link-lib={library}");
        }
    }
}
