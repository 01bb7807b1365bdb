//! Every cause is faked: a machine where all is well, and one thing wrong at a time.

use std::path::PathBuf;

use ::gpu::cuda::{Decoder, Device, Engines, MemoryAttribute};

use super::super::Outcome;
use super::super::facts::gpu::{DeviceFacts, Gpu};
use super::super::facts::gstreamer::{Element, GStreamer, OURS, Plugin};
use super::super::facts::host::{Folder, Host, Memory, Nvidia, Purpose};
use super::super::facts::libraries::{Libraries, Library};
use super::super::facts::onnxruntime::OnnxRuntime;
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
        folders: [Purpose::Registry, Purpose::Kernels, Purpose::Temporary, Purpose::SharedMemory]
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
    let libraries = ["cuDNN", "cuBLAS"].map(|name| library(name, Some("/usr/lib/lib.so.9"))).into();
    Facts {
        host: answer(host()),
        gpu: answer(gpu),
        gstreamer: answer(gstreamer()),
        onnxruntime: answer(onnxruntime),
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
fn the_reason_for_no_cuda_is_told_apart() {
    const NO_DRIVER: &str = "no NVIDIA driver: libcuda.so.1: cannot open shared object file";
    let diagnosis = |why: &str, change: &dyn Fn(&mut Host)| {
        after(
            |machine| {
                machine.without_gpu(why);
                change(machine.host);
            },
            "gpu.driver",
        )
    };
    let slower = |finding: Finding, cause, command| check(&finding, Status::Slower, cause, command);
    slower(diagnosis(NO_DRIVER, &|host| host.nvidia = Nvidia::default()), "shows no NVIDIA GPU", "");
    slower(
        diagnosis(NO_DRIVER, &|host| host.nvidia.module = None),
        "module is not loaded",
        "ubuntu-drivers install",
    );
    slower(diagnosis(NO_DRIVER, &|host| host.container = true), "without the GPU", "docker run --gpus all");
    slower(
        diagnosis("CUDA_ERROR_NO_DEVICE (100)", &|host| host.visible_devices = Some(String::new())),
        "CUDA_VISIBLE_DEVICES= hides every GPU",
        "unset CUDA_VISIBLE_DEVICES",
    );
    slower(
        diagnosis("CUDA_ERROR_NO_DEVICE (100)", &|host| {
            host.nvidia.closed = vec!["/dev/nvidia0: denied".into()]
        }),
        "/dev/nvidia0: denied",
        "usermod -aG video,render",
    );
    slower(diagnosis("CUDA_ERROR_SYSTEM_NOT_READY (802)", &|_| ()), "NVLink fabric", "nvidia-fabricmanager");
    slower(diagnosis("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)", &|_| ()), "different versions", "reboot");
    slower(
        diagnosis("the NVIDIA driver is too old, 525 or newer", &|_| ()),
        "too old",
        "ubuntu-drivers install",
    );
}

#[test]
fn hidden_and_old_and_full_devices() {
    let hidden = after(
        |machine| {
            machine.gpu.installed = Some(8);
            machine.host.visible_devices = Some("3".into());
        },
        "gpu.hidden",
    );
    check(&hidden, Status::Info, "CUDA_VISIBLE_DEVICES=3 hides the others", "unset");
    let old = after(|machine| machine.gpu.devices[0].device.capability = (6, 1), "gpu.device.0");
    check(&old, Status::Slower, "7.5", "device=cpu");
    let full = after(|machine| machine.gpu.devices[0].free = Some(256 << 20), "gpu.memory.0");
    check(&full, Status::Slower, "512 MiB", "zcbufferpool pool-size-mb=128");
}

#[test]
fn unified_memory_is_what_the_attributes_say() {
    let unified = |integrated, tables| {
        after(
            |machine| {
                let device = &mut machine.gpu.devices[0].device;
                (device.integrated, device.pageable_access, device.host_page_tables) =
                    (integrated, tables, tables);
            },
            "memory.unified.0",
        )
    };
    let found = |finding: Finding| (finding.status, finding.found);
    assert_eq!(
        found(unified(false, false)),
        (Status::Ok, "False: discrete: the GPU has its own memory; frames lie in memory=device".into())
    );
    assert!(
        unified(true, false).found.starts_with("True: integrated")
            && unified(true, true).found.ends_with("=mapped")
    );
    assert!(unified(false, true).found.starts_with("True: the GPU walks the host's page tables"));
    assert_eq!(unified(false, false).details.len(), 1);
}

#[test]
fn false_where_the_hardware_shares_its_memory_is_a_fault() {
    let spark = after(
        |machine| {
            machine.host.architecture = "aarch64".into();
            machine.gpu.devices[0].device.name = "NVIDIA GB10".into();
        },
        "memory.unified.0",
    );
    check(&spark, Status::Slower, "the driver does not say so", "ubuntu-drivers");
    let remedy = spark.remedy.unwrap();
    assert!(remedy.dgx_os.contains("dist-upgrade") && remedy.jetpack.contains("nvidia-jetpack"));
}

#[test]
fn like_devices_have_one_finding_of_their_memory_and_engines() {
    let mut facts = healthy();
    let gpu = facts.gpu.facts.as_mut().unwrap();
    let mut second = device();
    second.device.ordinal = 1;
    gpu.devices.push(second);
    let findings = judge(&facts);
    let count = |prefix: &str| findings.iter().filter(|finding| finding.id.starts_with(prefix)).count();
    assert_eq!((count("gpu.device."), count("memory.unified."), count("media.nvdec.")), (2, 1, 1));
}

#[test]
fn a_decoder_that_does_not_work_is_explained() {
    let broken = |host: &dyn Fn(&mut Host)| {
        after(
            |machine| {
                let device = &mut machine.gpu.devices[0];
                (device.decoders, device.problem) = (None, Some("libnvcuvid.so.1: cannot open".into()));
                host(machine.host);
            },
            "media.nvdec.0",
        )
    };
    check(&broken(&|_| ()), Status::Slower, "libnvcuvid.so.1", "ubuntu-drivers");
    let contained = broken(&|host| {
        host.container = true;
        host.driver_capabilities = Some("compute,utility".into());
    });
    check(&contained, Status::Slower, "leaves `video` out", "NVIDIA_DRIVER_CAPABILITIES=all");
    let none = after(|machine| machine.gpu.devices[0].decoders = Some(Vec::new()), "media.nvdec.0");
    check(&none, Status::Slower, "has none", "gstreamer1.0-libav");
    let unasked = after(|machine| machine.gpu.devices[0].decoders = None, "media.nvdec.0");
    assert_eq!(unasked.status, Status::Unknown);
}

#[test]
fn limits_and_engines_are_the_drivers() {
    let nvdec = after(|_| (), "media.nvdec.0");
    assert_eq!(nvdec.found, "7 engines");
    assert_eq!(nvdec.details[0], "H.264 8 bits    144x144 to 8192x8192, at most 67.1 megapixels a picture");
    assert_eq!(after(|_| (), "media.nvjpg.0").found, "7 engines");
    assert!(after(|_| (), "media.nvenc.0").found.contains("has none"));
    let codecs = vec!["H.264".to_owned(), "AV1".to_owned()];
    let engines = Engines { encoders: Some(codecs), jpeg: Some(false), counts: None };
    assert_eq!(
        after(|m| m.gpu.devices[0].engines = Some(engines.clone()), "media.nvenc.0").found,
        "H.264, AV1"
    );
    assert!(after(|m| m.gpu.devices[0].engines = Some(engines), "media.nvjpg.0").found.contains("has none"));
}

#[test]
fn own_elements_are_missing_for_three_reasons() {
    let missing = |change: &dyn Fn(&mut GStreamer)| {
        after(
            |machine| {
                machine.without(&["trtinfer"]);
                change(machine.gst);
            },
            "gstreamer.own-elements",
        )
    };
    check(&missing(&|_| ()), Status::Missing, "neither in GST_PLUGIN_PATH nor", "make build");
    let elsewhere = missing(&|gst| gst.own_files = vec!["/opt/osha/libgsttrtinfer.so".into()]);
    check(
        &elsewhere,
        Status::Missing,
        "not where GStreamer looks",
        "export GST_PLUGIN_PATH=/opt/osha; rm -f /cache",
    );
    let broken = missing(&|gst| gst.blacklisted = vec!["/opt/osha/libgsttrtinfer.so".into()]);
    check(&broken, Status::Missing, "did not load", "rm -f /cache/registry.bin && gst-inspect-1.0 -b");
}

#[test]
fn what_every_pipeline_needs_is_missed() {
    let old = after(|machine| machine.gst.version = (1, 22, 0), "gstreamer.version");
    check(&old, Status::Missing, "1.24", "scripts/bootstrap");
    let elements = after(|machine| machine.without(&["qtdemux", "decodebin3"]), "gstreamer.elements");
    check(
        &elements,
        Status::Missing,
        "not installed",
        "install gstreamer1.0-plugins-base gstreamer1.0-plugins-good",
    );
    let decoder = after(|machine| machine.without(&["avdec_h264"]), "gstreamer.software-decoder");
    check(&decoder, Status::Missing, "without a GPU", "gstreamer1.0-libav");
    let other = after(
        |machine| {
            machine.without(&["avdec_h264"]);
            machine.gst.decoders.get_mut("H.264").unwrap().push("openh264dec".into());
        },
        "gstreamer.software-decoder",
    );
    check(&other, Status::Slower, "openh264dec uses one core", "gstreamer1.0-libav");
    let encoder = after(|machine| machine.without(&["x264enc"]), "gstreamer.encoder");
    check(&encoder, Status::Info, "MP4", "plugins-ugly");
    let dead = after(|machine| machine.gst.missing = Some("no core".into()), "gstreamer.version");
    check(&dead, Status::Missing, "no core", "gstreamer1.0-tools");
}

#[test]
fn gpu_decoders_that_gstreamer_does_not_have() {
    let without = |change: &dyn Fn(&mut GStreamer)| {
        after(
            |machine| {
                machine.without(&["nvh264dec", "nvh265dec"]);
                change(machine.gst);
            },
            "gstreamer.nvcodec",
        )
    };
    let stale =
        without(&|gst| gst.nvcodec.as_mut().unwrap().messages = vec!["libcuda.so.1 was not found".into()]);
    check(
        &stale,
        Status::Slower,
        "stale: it was made when the driver did not work (it said: libcuda",
        "rm -f /cache",
    );
    check(&without(&|gst| gst.nvcodec = None), Status::Slower, "not installed", "gstreamer1.0-plugins-bad");
    let bad = without(&|gst| gst.blacklisted = vec!["/usr/lib/libgstnvcodec.so".into()]);
    check(&bad, Status::Slower, "blacklist", "gst-inspect-1.0 -b");
    let library = |why: &str| {
        after(
            |machine| {
                machine.gst.gstcuda = false;
                machine.gst.gstcuda_problem = Some(why.into());
            },
            "gstreamer.libgstcuda",
        )
    };
    let missing = library("GStreamer's CUDA library is missing");
    check(&missing, Status::Slower, "CUDA library is missing", "libgstreamer-plugins-bad1.0-0");
    let strange = library("GStreamer's CUDA library does not find the NVIDIA driver's functions");
    check(&strange, Status::Slower, "driver's functions", "ubuntu-drivers");
    let plugins = after(|machine| machine.gst.blacklisted = vec!["/a.so".into()], "gstreamer.blacklisted");
    check(&plugins, Status::Slower, "crashed", "gst-inspect-1.0 -b");
}

#[test]
fn cudaconvert_is_lost_with_nvrtc_13_or_without_its_plain_name() {
    let lost = |path: Option<&str>| {
        after(
            |machine| {
                machine.without(&["cudaconvert"]);
                machine.libraries.0.push(library("NVRTC as GStreamer asks for it", path));
            },
            "gstreamer.cudaconvert",
        )
    };
    let newer = lost(Some("/usr/local/cuda/lib64/libnvrtc.so.13.0.48"));
    check(
        &newer,
        Status::Info,
        "is NVRTC 13",
        "GST_CUDA_NVRTC_LIBNAME=libnvrtc.so.12 && rm -f /cache/registry.bin",
    );
    check(&lost(None), Status::Info, "developer's package (cannot open)", "libnvrtc12");
    check(&lost(Some("/usr/lib/libnvrtc.so.12.4")), Status::Info, "did not compile", "rm -f /cache");
}

#[test]
fn a_software_decoder_that_is_chosen_before_the_gpu_s_is_noticed() {
    let choice =
        after(|machine| machine.gst.decoders.get_mut("H.264").unwrap().reverse(), "gstreamer.choice.h264");
    check(&choice, Status::Slower, "avdec_h264 has the higher rank", "GST_PLUGIN_FEATURE_RANK=nvh264dec:MAX");
    assert!(choice.cause.unwrap().contains("ANY"));
}

#[test]
fn a_jetson_has_its_own_decoder() {
    let jetson = |has: bool| {
        after(
            |machine| {
                machine.host.platform.system = System::JetPack;
                if has {
                    machine.gst.elements.insert("nvv4l2decoder".into(), Element::default());
                }
            },
            "gstreamer.nvv4l2decoder",
        )
    };
    check(&jetson(false), Status::Slower, "on the CPU", "nvidia-l4t-gstreamer");
    check(&jetson(true), Status::Info, "NVMM", "nvvidconv");
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
        libraries: answer(Libraries::default()),
    };
    for finding in judge(&silent) {
        let is_complaint = finding.status > Status::Info;
        assert!(!is_complaint || finding.cause.is_some() && finding.remedy.is_some(), "{finding:#?}");
    }
}
