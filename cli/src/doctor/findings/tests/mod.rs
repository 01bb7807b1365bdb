//! Every cause is faked: a machine where all is well, and one thing wrong at a time.

mod gpu;
mod gstreamer;

use std::path::PathBuf;

use ::gpu::cuda::{Decoder, Device, Engines, MemoryAttribute};

use super::super::Outcome;
use super::super::facts::gpu::{DeviceFacts, Gpu};
use super::super::facts::gstreamer::{Element, GStreamer, OURS, Plugin};
use super::super::facts::host::{Folder, Host, Memory, Nvidia, Purpose};
use super::super::facts::libraries::{Libraries, Library};
use super::super::facts::onnxruntime::OnnxRuntime;
use super::super::facts::tensorrt::TensorRt;
use super::super::platform::{Platform, System};
use super::*;

fn answer<T>(facts: T) -> Answer<T> {
    Answer { facts: Some(facts), problem: None }
}

fn host() -> Host {
    let folder = |purpose| Folder { purpose, path: "/cache".into(), problem: None, free: Some(1 << 40) };
    Host {
        platform: Platform { system: System::Ubuntu, name: "Ubuntu 24.04".into() },
        architecture: "x86_64".into(),
        cores: 16,
        memory: Some(Memory { available: 64 << 30, total: 128 << 30, limited: false }),
        nvidia: Nvidia { on_bus: 1, module: Some("580.159".into()), closed: Vec::new() },
        folders: [
            Purpose::Registry,
            Purpose::Kernels,
            Purpose::Temporary,
            Purpose::SharedMemory,
            Purpose::Engines,
        ]
        .map(folder)
        .into(),
        ..Host::default()
    }
}

fn device() -> DeviceFacts {
    let decoder = |codec: &str| Decoder {
        codec: codec.into(),
        bits: 8,
        engines: 7,
        largest: (8192, 8192),
        smallest: (144, 144),
        macroblocks: 262_144,
    };
    DeviceFacts {
        device: Device {
            ordinal: 0,
            name: "NVIDIA H100".into(),
            uuid: "GPU-0".into(),
            capability: (9, 0),
            multiprocessors: 132,
            memory: 80 << 30,
            integrated: false,
            pageable_access: false,
            host_page_tables: false,
        },
        attributes: vec![MemoryAttribute {
            name: "INTEGRATED".into(),
            meaning: "one memory".into(),
            value: Some(false),
        }],
        free: Some(79 << 30),
        decoders: Some(vec![decoder("H.264"), decoder("H.265")]),
        problem: None,
        engines: Some(Engines { encoders: Some(Vec::new()), jpeg: Some(true), counts: Some((7, 0, 7)) }),
    }
}

fn gstreamer() -> GStreamer {
    let names =
        ["filesrc", "queue", "decodebin3", "videoconvert", "qtdemux", "mp4mux", "h264parse", "avdec_h264"];
    let more = ["avdec_h265", "x264enc", "nvh264dec", "nvh265dec", "cudaupload", "cudaconvert"];
    let elements =
        names.iter().chain(&more).chain(&OURS).map(|name| ((*name).to_owned(), Element::default()));
    let decoders = [("H.264", "nvh264dec", "avdec_h264"), ("H.265", "nvh265dec", "avdec_h265")];
    GStreamer {
        version: (1, 26, 2),
        elements: elements.collect(),
        decoders: decoders
            .map(|(codec, gpu, cpu)| (codec.to_owned(), vec![gpu.to_owned(), cpu.to_owned()]))
            .into(),
        nvcodec: Some(Plugin { file: Some("/usr/lib/libgstnvcodec.so".into()), messages: Vec::new() }),
        registry: Some("/cache/registry.bin".into()),
        pool_size_mb: Some(512),
        gstcuda: true,
        ..GStreamer::default()
    }
}

fn library(name: &str, path: Option<&str>) -> Library {
    Library { name: name.into(), path: path.map(PathBuf::from), problem: Some("cannot open".into()) }
}

/// A machine where all is well.
fn healthy() -> Facts {
    let gpu = Gpu {
        missing: None,
        cuda: Some((13, 0)),
        driver: Some("580.159".into()),
        installed: Some(1),
        devices: vec![device()],
    };
    let onnxruntime = OnnxRuntime {
        path: Some("/opt/libonnxruntime.so.1.31.1".into()),
        version: Some("1.31.1".into()),
        providers: vec!["CUDAExecutionProvider".into(), "CPUExecutionProvider".into()],
        cuda: true,
        ..OnnxRuntime::default()
    };
    let tensorrt = TensorRt {
        path: Some("/usr/lib/libnvinfer.so.11.4.0".into()),
        name: Some("TensorRT 11.4.0".into()),
        ..TensorRt::default()
    };
    let libraries = ["cuDNN", "cuBLAS"].map(|name| library(name, Some("/usr/lib/lib.so.9"))).into();
    Facts {
        host: answer(host()),
        gpu: answer(gpu),
        gstreamer: answer(gstreamer()),
        onnxruntime: answer(onnxruntime),
        tensorrt: answer(tensorrt),
        libraries: answer(Libraries(libraries)),
    }
}

/// The finding `id` after one change to the healthy machine.
fn after(change: impl FnOnce(&mut Machine<'_>), id: &str) -> Finding {
    let mut facts = healthy();
    let mut machine = Machine {
        host: facts.host.facts.as_mut().unwrap(),
        gpu: facts.gpu.facts.as_mut().unwrap(),
        gst: facts.gstreamer.facts.as_mut().unwrap(),
        onnxruntime: facts.onnxruntime.facts.as_mut().unwrap(),
        tensorrt: facts.tensorrt.facts.as_mut().unwrap(),
        libraries: facts.libraries.facts.as_mut().unwrap(),
    };
    change(&mut machine);
    let findings = judge(&facts);
    let wanted = findings.iter().find(|finding| finding.id == id);
    wanted.unwrap_or_else(|| panic!("no {id} in {findings:#?}")).clone()
}

struct Machine<'a> {
    host: &'a mut Host,
    gpu: &'a mut Gpu,
    gst: &'a mut GStreamer,
    onnxruntime: &'a mut OnnxRuntime,
    tensorrt: &'a mut TensorRt,
    libraries: &'a mut Libraries,
}

impl Machine<'_> {
    fn without_gpu(&mut self, why: &str) {
        *self.gpu = Gpu { missing: Some(why.into()), ..Gpu::default() };
    }

    fn without(&mut self, elements: &[&str]) {
        self.gst.elements.retain(|name, _| !elements.contains(&name.as_str()));
        self.gst
            .decoders
            .values_mut()
            .for_each(|names| names.retain(|name| !elements.contains(&name.as_str())));
    }
}

#[track_caller]
fn check(finding: &Finding, status: Status, cause: &str, command: &str) {
    let causes = finding.cause.as_deref().unwrap_or_default();
    assert!(finding.status == status && causes.contains(cause), "{finding:#?}");
    let commands =
        finding.remedy.as_ref().map(|remedy| remedy.lines(System::Ubuntu).join("\n")).unwrap_or_default();
    assert!(commands.contains(command), "{finding:#?}");
}

#[test]
fn where_all_is_well_nothing_is_complained_of() {
    let findings = judge(&healthy());
    let bad: Vec<_> = findings.iter().filter(|finding| finding.status > Status::Info).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let outcome = Outcome::new(&findings, std::time::Duration::ZERO);
    assert_eq!((outcome.code(), outcome.sentence().as_str()), (0, "All is well."));
}

#[test]
fn ids_are_unique_and_areas_are_in_order() {
    let findings = judge(&healthy());
    let ids: std::collections::BTreeSet<_> = findings.iter().map(|finding| &finding.id).collect();
    assert_eq!(ids.len(), findings.len());
    assert!(findings.is_sorted_by_key(|finding| finding.area));
}

#[test]
fn no_gpu_is_slower_and_nothing_of_cuda_is_missed() {
    let mut facts = healthy();
    facts.gpu = answer(Gpu { missing: Some("no NVIDIA driver: libcuda.so.1".into()), ..Gpu::default() });
    facts.host.facts.as_mut().unwrap().nvidia = Nvidia::default();
    facts.gstreamer.facts.as_mut().unwrap().gstcuda = false;
    let findings = judge(&facts);
    let slower: Vec<_> =
        findings.iter().filter(|finding| finding.status > Status::Info).map(|f| f.id.as_str()).collect();
    assert_eq!(slower, ["gpu.driver"]);
    assert_eq!(Outcome::new(&findings, std::time::Duration::ZERO).code(), 1);
    assert!(findings.iter().any(|f| f.id == "memory.unified" && f.found.starts_with("False")));
}

#[test]
fn onnx_runtime_is_missing_or_without_its_gpu_part() {
    let missing = after(
        |machine| machine.onnxruntime.missing = Some("ONNX Runtime was not found".into()),
        "onnxruntime",
    );
    check(&missing, Status::Missing, "was not found", "scripts/bootstrap");
    let cuda = |providers: &[&str], problem: &str| {
        after(
            |machine| {
                machine.onnxruntime.cuda = false;
                machine.onnxruntime.providers = providers.iter().map(|name| (*name).to_owned()).collect();
                machine.onnxruntime.cuda_problem = Some(problem.into());
            },
            "onnxruntime.cuda",
        )
    };
    check(&cuda(&["CPUExecutionProvider"], "x"), Status::Slower, "no CUDA provider", "onnxruntime-gpu");
    let broken = cuda(&["CUDAExecutionProvider"], "libcublasLt.so.12: cannot open shared object file");
    check(&broken, Status::Slower, "libcublasLt.so.12", "cudnn9-cuda-12");
    let cudnn = |works| {
        after(
            |machine| {
                machine.libraries.0[0].path = None;
                machine.onnxruntime.cuda = works;
            },
            "cudnn",
        )
    };
    assert_eq!(cudnn(true).remedy, None);
    check(&cudnn(false), Status::Info, "cannot open", "cudnn9-cuda-12");
}

#[test]
fn tensorrt_is_there_or_lacks_its_builder_or_is_missing() {
    let well = after(|_| {}, "tensorrt");
    assert_eq!((well.status, well.remedy), (Status::Ok, None));
    assert_eq!(well.found, "TensorRT 11.4.0, /usr/lib/libnvinfer.so.11.4.0");
    let lean =
        after(|machine| machine.tensorrt.no_builder = Some("it is the lean runtime".into()), "tensorrt");
    assert!(lean.status == Status::Info && lean.found.ends_with("; it builds no engines"), "{lean:?}");
    assert_eq!(lean.cause.as_deref(), Some("it is the lean runtime"));
    let none = TensorRt {
        missing: Some("it is TensorRT 10.9.0; TensorRT 11 is needed".into()),
        ..TensorRt::default()
    };
    let missing = after(|machine| *machine.tensorrt = none, "tensorrt");
    check(&missing, Status::Info, "TensorRT 10.9.0", "libnvinfer11");
    assert_eq!(after(|machine| machine.without_gpu("none"), "tensorrt").remedy, None);
    let mut slow = healthy();
    slow.tensorrt = Answer { facts: None, problem: Some("it did not end within 4.0 s".into()) };
    let slow = judge(&slow).into_iter().find(|finding| finding.id == "tensorrt").unwrap();
    check(&slow, Status::Info, "within 4.0 s", "doctor --probe tensorrt");
}

#[test]
fn memory_and_folders_of_the_machine() {
    let low = |limited| {
        after(
            |machine| machine.host.memory = Some(Memory { available: 100 << 20, total: 8 << 30, limited }),
            "machine.memory",
        )
    };
    check(&low(false), Status::Slower, "other programs use it", "zcbufferpool pool-size-mb=128");
    check(&low(true), Status::Slower, "control group", "queue max-size-buffers=2");
    let problem = |at: usize, id: &str| {
        after(
            |machine| machine.host.folders[at].problem = Some("Read-only file system (os error 30)".into()),
            id,
        )
    };
    check(&problem(0, "folders.registry"), Status::Slower, "Read-only file system", "export XDG_CACHE_HOME=");
    check(
        &problem(1, "folders.kernels"),
        Status::Slower,
        "compiles the kernels anew",
        "export CUDA_CACHE_PATH=",
    );
    check(
        &problem(4, "folders.engines"),
        Status::Slower,
        "builds TensorRT's engines",
        "export XDG_CACHE_HOME=",
    );
    check(&problem(2, "folders.temporary"), Status::Slower, "Read-only", "export TMPDIR=");
    let full = after(|machine| machine.host.folders[3].free = Some(0), "folders.shared-memory");
    check(&full, Status::Slower, "full", "remount");
    let fonts = after(|machine| machine.host.font_problem = Some("no font".into()), "machine.fonts");
    check(&fonts, Status::Missing, "no font", "make build");
}

#[test]
fn a_probe_without_an_answer_is_neither_well_nor_missing() {
    let mut facts = healthy();
    facts.gstreamer = Answer { facts: None, problem: Some("it did not end within 4.0 s".into()) };
    let findings = judge(&facts);
    let answer = findings.iter().find(|finding| finding.id == "gstreamer.answer").unwrap();
    check(answer, Status::Unknown, "incomplete", "gst-inspect-1.0");
    assert!(answer.found.contains("within 4.0 s"));
    assert_eq!(Outcome::new(&findings, std::time::Duration::ZERO).code(), 3);
}

#[test]
fn every_complaint_has_a_cause() {
    let silent = Facts {
        host: answer(Host { nvidia: host().nvidia, ..Host::default() }),
        gpu: answer(Gpu::default()),
        gstreamer: answer(GStreamer::default()),
        onnxruntime: answer(OnnxRuntime { missing: Some("not found".into()), ..OnnxRuntime::default() }),
        tensorrt: answer(TensorRt::default()),
        libraries: answer(Libraries::default()),
    };
    for finding in judge(&silent) {
        let is_complaint = finding.status > Status::Info;
        assert!(!is_complaint || finding.cause.is_some() && finding.remedy.is_some(), "{finding:#?}");
    }
}

#[test]
fn faiss_is_said_to_be_where_it_was_built_for_and_can_be() {
    let healthy = after(|_| {}, "faiss").found;
    let without_gpu = after(|machine| machine.without_gpu("none"), "faiss").found;
    if cfg!(feature = "faiss-gpu") {
        let old = after(|machine| machine.gpu.cuda = Some((11, 8)), "faiss").found;
        assert!(healthy.starts_with("built into gst-osha index, in GPU memory from "), "{healthy}");
        assert!(without_gpu.ends_with("not used: there is no CUDA device"), "{without_gpu}");
        assert!(old.contains("not used: the driver knows CUDA up to 11.8"), "{old}");
    } else if cfg!(feature = "faiss") {
        assert_eq!(
            (healthy.as_str(), without_gpu),
            ("built into gst-osha index, for the CPU", healthy.clone())
        );
    } else {
        assert!(healthy.starts_with("not built in"), "{healthy}");
    }
}
