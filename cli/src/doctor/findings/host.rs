//! The machine without its GPU, and its folders.

use super::{Area, Finding, Status, mib};
use crate::doctor::facts::host::{Folder, Host, Memory, Purpose};
use crate::doctor::remedy::Remedy;

/// Less than a pipeline of one stream and its encoder take.
const LOW_MEMORY: u64 = 1 << 30;
/// Less than a registry or a set of compiled kernels takes.
const LOW_DISK: u64 = 16 << 20;
/// Less than a few engines take.
const LOW_ENGINES: u64 = 256 << 20;
/// Docker's default for shared memory.
const LOW_SHARED: u64 = 32 << 20;

/// Judges the machine; with a `gpu`, also where its kernels are kept.
pub fn judge(host: &Host, gpu: bool) -> Vec<Finding> {
    let system = format!("{}, {}, {} cores", host.platform.name, host.architecture, host.cores);
    let mut findings = vec![Finding::new(Area::Machine, "machine.system", "system", Status::Ok, system)];
    findings.extend(host.memory.map(memory));
    findings.push(lock_limit(host));
    findings.push(fonts(host));
    let is_used = |folder: &&Folder| gpu || !matches!(folder.purpose, Purpose::Kernels | Purpose::Engines);
    findings.extend(host.folders.iter().filter(is_used).map(folder));
    findings
}

fn memory(memory: Memory) -> Finding {
    let found = format!("{} free of {}", mib(memory.available), mib(memory.total));
    let finding =
        |status| Finding::new(Area::Machine, "machine.memory", "free memory", status, found.clone());
    if memory.available >= LOW_MEMORY {
        return finding(Status::Ok);
    }
    let bound = if memory.limited {
        "the control group of this process allows no more"
    } else {
        "other programs use it"
    };
    finding(Status::Slower)
        .because(format!("{bound}; a pool takes up to 512 MiB and each queue holds decoded frames"))
        .mended_by(Remedy::everywhere(
            "zcbufferpool pool-size-mb=128 max-buffers=8; queue max-size-buffers=2; trtinfer threads=1",
        ))
}

/// Said for those who look for it: the driver pins memory itself, beyond this limit.
fn lock_limit(host: &Host) -> Finding {
    let found = match host.lock_limit {
        Some(limit) => format!("{}; the driver's pinned memory does not count", mib(limit)),
        None => "unlimited".to_owned(),
    };
    Finding::new(Area::Machine, "machine.locked-memory", "locked memory", Status::Ok, found)
}

fn fonts(host: &Host) -> Finding {
    let finding = |status, found: &str| Finding::new(Area::Machine, "machine.fonts", "fonts", status, found);
    match &host.font_problem {
        None => finding(Status::Ok, "built in; the system's are not used"),
        Some(problem) => finding(Status::Missing, "the built-in fonts cannot be read")
            .because(problem)
            .mended_by(Remedy::everywhere("make build")),
    }
}

fn folder(folder: &Folder) -> Finding {
    let (id, title, loss, variable, low) = match folder.purpose {
        Purpose::Registry => (
            "folders.registry",
            "plugin list",
            "every start scans all plugins anew",
            "XDG_CACHE_HOME",
            LOW_DISK,
        ),
        Purpose::Kernels => (
            "folders.kernels",
            "kernel cache",
            "every start compiles the kernels anew",
            "CUDA_CACHE_PATH",
            LOW_DISK,
        ),
        Purpose::Engines => (
            "folders.engines",
            "engine cache",
            "every start builds TensorRT's engines anew",
            "XDG_CACHE_HOME",
            LOW_ENGINES,
        ),
        Purpose::Temporary => ("folders.temporary", "temporary files", "tools fail", "TMPDIR", LOW_DISK),
        Purpose::SharedMemory => (
            "folders.shared-memory",
            "shared memory",
            "frames cannot be shared between processes",
            "",
            LOW_SHARED,
        ),
    };
    let place = folder.path.display();
    let free = folder.free.map(|free| format!(", {} free", mib(free))).unwrap_or_default();
    let finding = |status| Finding::new(Area::Folders, id, title, status, format!("{place}{free}"));
    let cause = match (&folder.problem, folder.free) {
        (Some(problem), _) => problem.clone(),
        (None, Some(free)) if free < low => "the file system is full".to_owned(),
        _ => return finding(Status::Ok),
    };
    finding(Status::Slower).because(format!("{cause}: {loss}")).mended_by(mend(folder, variable))
}

fn mend(folder: &Folder, variable: &str) -> Remedy {
    match folder.purpose {
        Purpose::SharedMemory => {
            Remedy::everywhere("sudo mount -o remount,rw,size=1g /dev/shm   (docker run --shm-size=1g …)")
        }
        _ => Remedy::everywhere(format!("export {variable}=FOLDER   (one that is writable and not full)")),
    }
}
