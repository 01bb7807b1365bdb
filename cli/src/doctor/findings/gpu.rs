//! The driver, the devices and what their memory can do.

use super::{Area, Finding, Status, has_gpu, known, mib};
use crate::doctor::facts::Facts;
use crate::doctor::facts::gpu::{DeviceFacts, Gpu};
use crate::doctor::facts::host::Host;
use crate::doctor::platform::System;
use crate::doctor::remedy::{Need, Remedy};

/// The kernels are compiled for this compute capability and newer ones.
const OLDEST: (u32, u32) = (7, 5);
/// Where GStreamer does not tell the default of `pool-size-mb`.
const POOL_MB: u32 = 512;

/// Judges the driver and the devices.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(gpu) = &facts.gpu.facts else {
        return vec![no_unified_memory("the driver does not answer")];
    };
    let host = known(&facts.host);
    let pool_mb = known(&facts.gstreamer).pool_size_mb.unwrap_or(POOL_MB);
    let mut findings = vec![driver(gpu, &host)];
    findings.extend(hidden(gpu, &host));
    for device in &gpu.devices {
        findings.push(identity(device));
        findings.extend(free_memory(device, pool_mb));
    }
    findings.extend(memory(gpu, &host));
    if !has_gpu(facts) {
        findings.push(no_unified_memory("no GPU"));
    }
    findings
}

fn driver(gpu: &Gpu, host: &Host) -> Finding {
    let finding = |status, found: String| Finding::new(Area::Gpu, "gpu.driver", "driver", status, found);
    let name = gpu.driver.clone().or_else(|| host.nvidia.module.clone()).unwrap_or_else(|| "unknown".into());
    match (&gpu.missing, gpu.cuda) {
        (None, Some((major, minor))) => finding(Status::Ok, format!("{name}, CUDA {major}.{minor}")),
        (missing, _) => {
            let missing = missing.clone().unwrap_or_else(|| "the driver does not answer".into());
            let (cause, remedy) = diagnose(gpu, host, &missing);
            let found = "none that works: everything runs on the CPU, with the same results".to_owned();
            let finding = finding(Status::Slower, found).because(cause);
            match remedy {
                Some(remedy) => finding.mended_by(remedy),
                None => finding,
            }
        }
    }
}

/// Why there is no usable device, and what mends that. The first rule that fits holds.
fn diagnose(gpu: &Gpu, host: &Host, missing: &str) -> (String, Option<Remedy>) {
    let nvidia = &host.nvidia;
    let jetson = host.platform.system == System::JetPack;
    let seen = nvidia.on_bus > 0 || nvidia.module.is_some() || gpu.installed.is_some_and(|n| n > 0) || jetson;
    let everywhere = |command: &str| Some(Remedy::everywhere(command));
    if !seen {
        return (format!("this machine shows no NVIDIA GPU ({missing})"), None);
    }
    if let Some(first) = nvidia.closed.first() {
        let remedy = everywhere("sudo usermod -aG video,render $USER   (then log in again)");
        return (format!("the driver's device files cannot be opened ({first})"), remedy);
    }
    if let Some(visible) = host.visible_devices.as_ref().filter(|_| missing.contains("NO_DEVICE")) {
        return (
            format!("CUDA_VISIBLE_DEVICES={visible} hides every GPU"),
            everywhere("unset CUDA_VISIBLE_DEVICES"),
        );
    }
    if missing.contains("SYSTEM_NOT_READY") {
        let remedy = everywhere("sudo systemctl enable --now nvidia-fabricmanager");
        return (format!("the NVLink fabric is not set up ({missing})"), remedy);
    }
    if missing.contains("MISMATCH") {
        let cause = format!("the driver's library and its kernel module have different versions ({missing})");
        return (cause, everywhere("sudo reboot"));
    }
    if nvidia.module.is_none() && !jetson {
        let cause = format!("there is an NVIDIA GPU, but its kernel module is not loaded ({missing})");
        return (cause, Some(Remedy::install(Need::Driver)));
    }
    if host.container && missing.contains("no NVIDIA driver") {
        let cause = format!("this container was started without the GPU ({missing})");
        return (cause, Some(Remedy::install(Need::Container)));
    }
    (missing.to_owned(), Some(Remedy::install(Need::Driver)))
}

/// GPUs that are there, while CUDA sees others only.
fn hidden(gpu: &Gpu, host: &Host) -> Option<Finding> {
    let (installed, visible) = (gpu.installed? as usize, host.visible_devices.as_ref()?);
    let seen = gpu.devices.len();
    let is_partly_hidden = seen > 0 && seen < installed;
    let finding = || {
        let found = format!("{seen} of {installed} GPUs");
        Finding::new(Area::Gpu, "gpu.hidden", "hidden GPUs", Status::Info, found)
            .because(format!(
                "CUDA_VISIBLE_DEVICES={visible} hides the others; device-id counts visible ones"
            ))
            .mended_by(Remedy::everywhere("unset CUDA_VISIBLE_DEVICES"))
    };
    is_partly_hidden.then(finding)
}

/// NVIDIA's name for it, in brackets.
fn architecture(capability: (u32, u32)) -> &'static str {
    match capability {
        (7, 5) => " (Turing)",
        (8, 9) => " (Ada Lovelace)",
        (8, _) => " (Ampere)",
        (9, _) => " (Hopper)",
        (10..=12, _) => " (Blackwell)",
        _ => "",
    }
}

fn identity(facts: &DeviceFacts) -> Finding {
    let device = &facts.device;
    let (major, minor) = device.capability;
    let free = facts.free.map(|free| format!(", {} free", mib(free as u64))).unwrap_or_default();
    let found = format!(
        "{}{}, compute capability {major}.{minor}, {} multiprocessors, {}{free}",
        device.name,
        architecture(device.capability),
        device.multiprocessors,
        mib(device.memory as u64),
    );
    let (id, title) = (format!("gpu.device.{}", device.ordinal), format!("GPU {}", device.ordinal));
    if device.capability >= OLDEST {
        return Finding::new(Area::Gpu, &id, &title, Status::Ok, found);
    }
    Finding::new(Area::Gpu, &id, &title, Status::Slower, found)
        .because(format!("the kernels need compute capability {}.{} (Turing) or newer", OLDEST.0, OLDEST.1))
        .mended_by(Remedy::everywhere("trtinfer device=cpu; zcbufferpool memory=system"))
}

fn free_memory(facts: &DeviceFacts, pool_mb: u32) -> Option<Finding> {
    let free = facts.free? as u64;
    let finding = || {
        let id = format!("gpu.memory.{}", facts.device.ordinal);
        let fitting = (free >> 21).clamp(1, 128);
        Finding::new(Area::Gpu, &id, "free GPU memory", Status::Slower, format!("{} free", mib(free)))
            .because(format!("other processes use the rest; one pool alone may take {pool_mb} MiB (pool-size-mb)"))
            .mended_by(Remedy::everywhere(format!(
                "nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv; zcbufferpool pool-size-mb={fitting}"
            )))
    };
    // The network and its libraries take as much again.
    (free < 2 * (u64::from(pool_mb) << 20)).then(finding)
}

/// Devices that are alike have one finding.
fn memory(gpu: &Gpu, host: &Host) -> Vec<Finding> {
    let mut seen: Vec<&DeviceFacts> = Vec::new();
    for facts in &gpu.devices {
        let is_like = |other: &&DeviceFacts| {
            (&other.device.name, &other.attributes) == (&facts.device.name, &facts.attributes)
        };
        if !seen.iter().any(is_like) {
            seen.push(facts);
        }
    }
    seen.into_iter().map(|facts| unified(facts, host)).collect()
}

fn unified(facts: &DeviceFacts, host: &Host) -> Finding {
    let device = &facts.device;
    let id = format!("memory.unified.{}", device.ordinal);
    let (yes, policy) = (device.unified(), device.placement().name());
    let found = format!("{}: {}; frames lie in memory={policy}", spoken(yes), device.host_access_reason());
    let finding = |status| {
        Finding::new(Area::Memory, &id, "Unified Memory", status, found.clone())
            .with_details(attributes(facts))
    };
    if yes || !should_be_unified(facts, host) {
        return finding(Status::Ok);
    }
    finding(Status::Slower)
        .because(format!(
            "{} shares its memory with the CPU, but the driver does not say so: it is too old, or a virtual machine or \
             a kernel option (iommu, nohmm, init_on_alloc) stands between",
            device.name
        ))
        .mended_by(Remedy::install(Need::Driver))
}

fn no_unified_memory(why: &str) -> Finding {
    let found = format!("{}: {why}; frames lie in memory=system", spoken(false));
    Finding::new(Area::Memory, "memory.unified", "Unified Memory", Status::Info, found)
}

/// As the words are looked for: "Unified Memory: True".
fn spoken(yes: bool) -> &'static str {
    if yes { "True" } else { "False" }
}

/// Only a suspicion, from the name: what holds is what the driver says.
fn should_be_unified(facts: &DeviceFacts, host: &Host) -> bool {
    const NAMES: [&str; 6] = ["GB10", "GH200", "GB200", "GB300", "Orin", "Thor"];
    host.architecture == "aarch64" && NAMES.iter().any(|name| facts.device.name.contains(name))
}

fn attributes(facts: &DeviceFacts) -> Vec<String> {
    let line = |attribute: &::gpu::cuda::MemoryAttribute| {
        let value = match attribute.value {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        format!("{value:<4}{:<46}{}", attribute.name, attribute.meaning)
    };
    facts.attributes.iter().map(line).collect()
}
