//! The machine without its GPU: system, memory, limits, folders, and what the kernel says of NVIDIA.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::doctor::environment::Environment;
use crate::doctor::platform::Platform;

/// The machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// Which system this is.
    pub platform: Platform,
    /// Such as "x86_64".
    pub architecture: String,
    /// Logical processors that this process may use.
    pub cores: usize,
    /// Memory that the process may use.
    pub memory: Option<Memory>,
    /// Bytes that a process may lock, `None` for as many as it likes.
    pub lock_limit: Option<u64>,
    /// Whether this is a container.
    pub container: bool,
    /// What the kernel says of NVIDIA.
    pub nvidia: Nvidia,
    /// `CUDA_VISIBLE_DEVICES`, if it is set.
    pub visible_devices: Option<String>,
    /// `NVIDIA_DRIVER_CAPABILITIES`, if it is set: which of the driver's libraries a container gets.
    pub driver_capabilities: Option<String>,
    /// Folders that are written to.
    pub folders: Vec<Folder>,
    /// Why the built-in fonts cannot be used.
    pub font_problem: Option<String>,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What new programs can take.
    pub available: u64,
    /// All of it.
    pub total: u64,
    /// Whether a control group sets the bound, not the machine.
    pub limited: bool,
}

/// What the kernel says of NVIDIA's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nvidia {
    /// GPUs on the PCI bus, whether or not a driver is there.
    pub on_bus: usize,
    /// Version of the kernel module, if it is loaded.
    pub module: Option<String>,
    /// Device files that cannot be opened, and why.
    pub closed: Vec<String>,
}

/// A folder that something is written to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Folder {
    /// What for.
    pub purpose: Purpose,
    /// The folder; it need not exist yet.
    pub path: PathBuf,
    /// Why nothing can be written there.
    pub problem: Option<String>,
    /// Free bytes.
    pub free: Option<u64>,
}

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// GStreamer's list of plugins.
    Registry,
    /// Kernels that the driver has compiled.
    Kernels,
    /// Engines that TensorRT has built.
    Engines,
    /// Temporary files.
    Temporary,
    /// Memory that processes share.
    SharedMemory,
}

/// Reads the system's own files, and writes a byte to each folder.
pub fn collect(environment: &Environment) -> Host {
    Host {
        platform: Platform::detect(environment),
        architecture: std::env::consts::ARCH.to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory(environment),
        lock_limit: lock_limit(environment),
        container: is_container(environment),
        nvidia: nvidia(environment),
        visible_devices: environment.raw_variable("CUDA_VISIBLE_DEVICES"),
        driver_capabilities: environment.variable("NVIDIA_DRIVER_CAPABILITIES"),
        folders: folders(environment),
        font_problem: vision::draw::TextCache::new().err().map(|error| error.to_string()),
    }
}

fn memory(environment: &Environment) -> Option<Memory> {
    let text = environment.read("/proc/meminfo")?;
    let bytes = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let machine = Memory { available: bytes("MemAvailable")?, total: bytes("MemTotal")?, limited: false };
    Some(
        group_memory(environment)
            .filter(|group| group.total < machine.total)
            .map_or(machine, |group| Memory { available: group.available.min(machine.available), ..group }),
    )
}

/// What a control group leaves to its processes, version 2 or 1.
fn group_memory(environment: &Environment) -> Option<Memory> {
    const FILES: [(&str, &str); 2] = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ];
    let number = |path| environment.read(path)?.trim().parse::<u64>().ok();
    let (total, used) = FILES.iter().find_map(|(limit, used)| Some((number(limit)?, number(used)?)))?;
    Some(Memory { available: total.saturating_sub(used), total, limited: true })
}

fn lock_limit(environment: &Environment) -> Option<u64> {
    let text = environment.read("/proc/self/limits")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn is_container(environment: &Environment) -> bool {
    let markers = ["/.dockerenv", "/run/.containerenv"];
    markers.iter().any(|marker| environment.path(marker).exists())
        || environment.variable("container").is_some()
}

fn nvidia(environment: &Environment) -> Nvidia {
    const VENDOR: &str = "0x10de";
    const DISPLAY: &str = "0x03";
    let bus = "/sys/bus/pci/devices";
    let is_gpu = |device: &String| {
        let says = |file: &str, what: &str| {
            let text = environment.read(Path::new(bus).join(device).join(file));
            text.is_some_and(|text| text.starts_with(what))
        };
        says("vendor", VENDOR) && says("class", DISPLAY)
    };
    Nvidia {
        on_bus: environment.list(bus).iter().filter(|device| is_gpu(device)).count(),
        module: module(environment),
        closed: environment.list("/dev").iter().filter_map(|name| closed(environment, name)).collect(),
    }
}

fn module(environment: &Environment) -> Option<String> {
    let version = environment.read("/sys/module/nvidia/version").map(|text| text.trim().to_owned());
    version.or_else(|| environment.read("/proc/driver/nvidia/version").map(|_| "unknown".to_owned()))
}

/// Why the device file `name` cannot be opened, if it is one of the driver's.
fn closed(environment: &Environment, name: &str) -> Option<String> {
    let number = name.strip_prefix("nvidia")?;
    let is_ours = number.chars().all(|c| c.is_ascii_digit()) || matches!(number, "ctl" | "-uvm");
    let path = Path::new("/dev").join(name);
    let opened = File::options().read(true).write(true).open(environment.path(&path));
    opened.err().filter(|_| is_ours).map(|error| format!("{}: {error}", path.display()))
}

fn folders(environment: &Environment) -> Vec<Folder> {
    let registry = ["GST_REGISTRY_1_0", "GST_REGISTRY"].iter().find_map(|name| environment.variable(name));
    let registry = registry.and_then(|file| Path::new(&file).parent().map(Path::to_owned));
    let kernels = environment.variable("CUDA_CACHE_PATH").map(PathBuf::from);
    let home = || environment.variable("HOME").map(PathBuf::from);
    let temporary = environment.variable("TMPDIR").unwrap_or_else(|| "/tmp".into());
    let registry = registry.or_else(|| Some(environment.cache()?.join("gstreamer-1.0")));
    let kernels = kernels.or_else(|| Some(home()?.join(".nv/ComputeCache")));
    // Without HOME, GStreamer asks the system for the user's folder, and the driver keeps no kernels.
    let registry = registry.map(|path| folder(environment, Purpose::Registry, Some(path)));
    let engines = environment.cache().map(|caches| caches.join(engine::cache::DEFAULT));
    let others = [
        folder(environment, Purpose::Kernels, kernels),
        folder(environment, Purpose::Engines, engines),
        folder(environment, Purpose::Temporary, Some(temporary.into())),
        folder(environment, Purpose::SharedMemory, Some("/dev/shm".into())),
    ];
    registry.into_iter().chain(others).collect()
}

fn folder(environment: &Environment, purpose: Purpose, path: Option<PathBuf>) -> Folder {
    let Some(path) = path else {
        let problem = Some("HOME is not set, so there is no such folder".to_owned());
        return Folder { purpose, path: PathBuf::new(), problem, free: None };
    };
    let real = environment.path(&path);
    // Nobody makes these two.
    let must_exist = matches!(purpose, Purpose::Temporary | Purpose::SharedMemory);
    let existing = real.ancestors().find(|folder| must_exist || folder.exists()).unwrap_or(&real);
    let problem = write_to(existing).err().map(|error| error.to_string());
    let free = rustix::fs::statvfs(existing).ok().map(|about| about.f_bavail.saturating_mul(about.f_frsize));
    Folder { purpose, path, problem, free }
}

/// Permissions do not tell all: a file system may be read-only or full.
fn write_to(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".gst-osha-doctor-{}", std::process::id()));
    let written = File::create_new(&path).and_then(|mut file| file.write_all(b"?"));
    let removed = if path.exists() { std::fs::remove_file(&path) } else { Ok(()) };
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: (&str, &str) =
        ("/proc/meminfo", "MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:  1000 kB\n");

    fn host(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Host {
        let root = tempfile::tempdir().unwrap();
        collect(&Environment::fake(root.path(), files, variables))
    }

    #[test]
    fn a_machine_with_nothing_has_facts_too() {
        let host = host(&[], &[]);
        assert_eq!((host.memory, host.lock_limit, host.container), (None, None, false));
        assert_eq!(host.nvidia, Nvidia::default());
        assert_eq!(host.folders[0].purpose, Purpose::Kernels);
        assert!(host.folders[0].problem.as_ref().unwrap().contains("HOME"), "{host:?}");
        assert_eq!(host.font_problem, None);
    }

    #[test]
    fn memory_is_what_the_machine_has_or_what_a_group_leaves() {
        let memory = |files: &[_]| host(files, &[]).memory;
        let all = Memory { available: 1_024_000, total: 2_048_000, limited: false };
        assert_eq!(memory(&[MEMINFO]), Some(all));
        let current = ("/sys/fs/cgroup/memory.current", "90000\n");
        assert_eq!(memory(&[MEMINFO, ("/sys/fs/cgroup/memory.max", "max\n"), current]), Some(all));
        let limited = Memory { available: 10_000, total: 100_000, limited: true };
        assert_eq!(memory(&[MEMINFO, ("/sys/fs/cgroup/memory.max", "100000\n"), current]), Some(limited));
        assert_eq!(
            memory(&[("/proc/meminfo", "MemTotal: many kB\nMemAvailable: 18446744073709551615 kB")]),
            None
        );
    }

    #[test]
    fn limits_of_locked_memory() {
        let limits = |value| {
            let text =
                format!("Limit    Soft   Hard   Units\nMax locked memory   {value}   unlimited  bytes\n");
            host(&[("/proc/self/limits", text.as_str())], &[]).lock_limit
        };
        assert_eq!((limits("8388608"), limits("unlimited")), (Some(8_388_608), None));
    }

    #[test]
    fn the_kernel_knows_gpus_without_a_driver() {
        let device = |name: &str, file: &str| format!("/sys/bus/pci/devices/{name}/{file}");
        let (vendor, class, audio) = (device("a", "vendor"), device("a", "class"), device("b", "vendor"));
        let (audio_class, other) = (device("b", "class"), device("c", "vendor"));
        let files: Vec<(&str, &str)> = vec![
            (&vendor, "0x10de\n"),
            (&class, "0x030200\n"),
            (&audio, "0x10de\n"),
            (&audio_class, "0x040300\n"),
            (&other, "0x8086\n"),
            ("/sys/module/nvidia/version", "580.159\n"),
        ];
        let found = host(&files, &[("container", "podman")]);
        assert_eq!((found.nvidia.on_bus, found.nvidia.module.as_deref()), (1, Some("580.159")));
        assert!(found.container);
    }

    #[test]
    fn a_device_file_that_cannot_be_opened_is_named() {
        let root = tempfile::tempdir().unwrap();
        let environment =
            Environment::fake(root.path(), &[("/dev/nvidiactl", ""), ("/dev/nvidia-caps", "")], &[]);
        std::fs::create_dir(root.path().join("dev/nvidia0")).unwrap();
        let closed = collect(&environment).nvidia.closed;
        assert!(closed.len() == 1 && closed[0].starts_with("/dev/nvidia0: "), "{closed:?}");
    }

    #[test]
    fn folders_are_written_to_and_left_clean() {
        let root = tempfile::tempdir().unwrap();
        let variables =
            [("HOME", "/home/me"), ("GST_REGISTRY", "/file/registry.bin"), ("TMPDIR", "/var/tmp")];
        let environment =
            Environment::fake(root.path(), &[("/file", "in the way"), ("/home/me/.nv/x", "")], &variables);
        let all = collect(&environment).folders;
        let missing = all.iter().find(|folder| folder.purpose == Purpose::Temporary).unwrap();
        assert!(missing.problem.as_deref().is_some_and(|why| why.contains("No such file")), "{missing:?}");
        std::fs::create_dir_all(root.path().join("var/tmp")).unwrap();
        let folders = collect(&environment).folders;
        let problem = |at: usize| folders[at].problem.as_deref();
        assert!(problem(0).is_some_and(|why| why.contains("Not a directory")), "{folders:?}");
        assert_eq!((problem(1), folders[1].path.to_str()), (None, Some("/home/me/.nv/ComputeCache")));
        assert_eq!((problem(2), folders[2].path.to_str()), (None, Some("/home/me/.cache/gst-osha/engines")));
        assert!(folders[3].problem.is_none() && folders[3].free.is_some());
        assert_eq!(environment.list("/home/me/.nv"), ["x"]);
    }
}
