//! What runs networks, and what searches the standards.

use super::{Area, Finding, Status, has_gpu, known};
use crate::doctor::facts::Facts;
use crate::doctor::facts::libraries::{Libraries, Library};
use crate::doctor::facts::onnxruntime::OnnxRuntime;
use crate::doctor::facts::tensorrt::TensorRt;
use crate::doctor::remedy::{Need, Remedy};

/// Judges the libraries.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(onnxruntime) = &facts.onnxruntime.facts {
        findings.push(library(onnxruntime));
        if has_gpu(facts) && onnxruntime.missing.is_none() {
            findings.push(on_gpu(onnxruntime));
        }
    }
    findings.push(tensorrt(facts));
    if facts.libraries.facts.is_some() {
        let libraries = known(&facts.libraries);
        let needed = has_gpu(facts) && !known(&facts.onnxruntime).cuda;
        findings.extend(["cuDNN", "cuBLAS"].map(|name| cuda_library(&libraries, name, needed)));
        findings.push(faiss(facts, &libraries));
    }
    findings
}

fn finding(id: &str, title: &str, status: Status, found: impl Into<String>) -> Finding {
    Finding::new(Area::Inference, id, title, status, found)
}

fn library(facts: &OnnxRuntime) -> Finding {
    let finding = |status, found| finding("onnxruntime", "ONNX Runtime", status, found);
    if let Some(missing) = &facts.missing {
        return finding(Status::Missing, "cannot be used: trtinfer does not run".to_owned())
            .because(missing)
            .mended_by(Remedy::install(Need::OnnxRuntime));
    }
    let providers: Vec<_> =
        facts.providers.iter().map(|name| name.trim_end_matches("ExecutionProvider")).collect();
    let path = facts.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let version = facts.version.clone().unwrap_or_default();
    finding(Status::Ok, format!("{version}, providers {}", providers.join(", "))).with_details(vec![path])
}

fn on_gpu(facts: &OnnxRuntime) -> Finding {
    let finding = |status, found| finding("onnxruntime.cuda", "networks on GPU", status, found);
    let slower = |cause: String, need| {
        finding(Status::Slower, "no: trtinfer runs on the CPU")
            .because(cause)
            .mended_by(Remedy::install(need))
    };
    match &facts.cuda_problem {
        _ if facts.cuda => finding(Status::Ok, "ONNX Runtime's CUDA provider loads"),
        _ if !facts.providers.iter().any(|name| name == "CUDAExecutionProvider") => {
            slower("this build of ONNX Runtime has no CUDA provider".into(), Need::OnnxRuntimeGpu)
        }
        Some(problem) => slower(problem.clone(), Need::CudaLibraries),
        None => finding(Status::Unknown, "was not asked")
            .because("loading its libraries took too long")
            .mended_by(Remedy::everywhere("gst-osha doctor --probe onnxruntime")),
    }
}

/// Where ONNX Runtime loads them from elsewhere, nothing is missed.
fn cuda_library(libraries: &Libraries, name: &str, needed: bool) -> Finding {
    let id = name.to_lowercase();
    match libraries.get(name) {
        Some(Library { path: Some(path), .. }) => finding(&id, name, Status::Ok, path.display().to_string()),
        library => {
            let finding = finding(&id, name, Status::Info, "not where the dynamic linker looks");
            let why = library.and_then(|library| library.problem.clone()).unwrap_or_default();
            match needed {
                true => finding.because(why).mended_by(Remedy::install(Need::CudaLibraries)),
                false => finding,
            }
        }
    }
}

/// Networks run without it, too.
fn tensorrt(facts: &Facts) -> Finding {
    let finding = |status, found| finding("tensorrt", "TensorRT", status, found);
    let TensorRt { missing, path, name, no_builder } = known(&facts.tensorrt);
    match (missing, name) {
        _ if !has_gpu(facts) => finding(Status::Info, "is for NVIDIA's GPUs".to_owned()),
        (None, Some(name)) => {
            let found = format!("{name}, {}", path.unwrap_or_default().display());
            match no_builder {
                None => finding(Status::Ok, found),
                Some(why) => finding(Status::Info, format!("{found}; it builds no engines")).because(why),
            }
        }
        (Some(why), _) => finding(Status::Info, "none; networks run with ONNX Runtime".to_owned())
            .because(why)
            .mended_by(Remedy::install(Need::TensorRt)),
        (None, None) => finding(Status::Info, "was not asked".to_owned())
            .because(facts.tensorrt.problem.clone().unwrap_or_default())
            .mended_by(Remedy::everywhere("gst-osha doctor --probe tensorrt")),
    }
}

/// Whether FAISS takes part is decided when this is built.
fn faiss(facts: &Facts, libraries: &Libraries) -> Finding {
    let installed = libraries.get("FAISS").and_then(|library| library.path.as_ref());
    let found = match (cfg!(feature = "faiss"), installed) {
        (true, _) => format!("built into gst-osha index, {}", faiss_gpu(facts)),
        (false, Some(path)) => format!("not built in; {} is not used", path.display()),
        (false, None) => "not built in: gst-osha index scans in plain Rust, with the same hits".to_owned(),
    };
    finding("faiss", "FAISS", Status::Info, found)
}

#[cfg(feature = "faiss-gpu")]
fn faiss_gpu(facts: &Facts) -> String {
    let gpu = known(&facts.gpu);
    let problem = match (gpu.cuda, gpu.devices.first()) {
        (Some(driver), Some(first)) => retrieval::unusable(driver, first.device.capability),
        _ => Some("there is no CUDA device".into()),
    };
    match problem {
        None => format!("in GPU memory from {} standards on", retrieval::LEAST_ROWS),
        Some(problem) => format!("for the CPU; the part for GPU memory is not used: {problem}"),
    }
}

#[cfg(not(feature = "faiss-gpu"))]
fn faiss_gpu(_facts: &Facts) -> &'static str {
    "for the CPU"
}
