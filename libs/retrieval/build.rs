//! Links what Debian's libfaiss-dev leaves to the program: it ships FAISS as static archives.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_FAISS").is_some() {
        for library in ["faiss", "stdc++", "gomp", "lapack", "blas"] {
            println!("cargo:rustc-link-lib={library}");
        }
    }
}
