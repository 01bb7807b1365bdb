//! The driver, devices, memory and media engines.

use ::gpu::cuda::Engines;

use super::*;

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
    let closed = after(
        |machine| {
            machine.gpu.devices[0].engines = Some(engines.clone());
            machine.libraries.0.push(library("NVENC", None));
        },
        "media.nvenc.0",
    );
    check(&closed, Status::Slower, "cannot open", "ubuntu-drivers");
    assert!(after(|m| m.gpu.devices[0].engines = Some(engines), "media.nvjpg.0").found.contains("has none"));
}
