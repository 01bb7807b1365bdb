//! Whether FAISS can use the device. Where it cannot, FAISS ends the process instead of returning an error, so this is
//! asked beforehand.

use gpu::cuda::{self, Context, Device};

/// The device that is used: the first one.
pub const ORDINAL: i32 = 0;
/// The list that CMake took from `CUDAARCHS` when FAISS was compiled; empty if it was not set.
const ARCHITECTURES: &str = env!("FAISS_CUDA_ARCHITECTURES");
/// Bytes that FAISS and cuBLAS take for their kernels and workspace.
const OVERHEAD: usize = 512 << 20;

/// Why FAISS cannot use a device of this compute capability with a driver of this CUDA version; `None` if it can.
pub fn unusable(driver: (u32, u32), capability: (u32, u32)) -> Option<String> {
    match cuda::linked_runtime() {
        Some(runtime) => unfit(runtime, driver, capability),
        None => Some("this program is linked with no CUDA runtime".into()),
    }
}

fn unfit(runtime: (u32, u32), driver: (u32, u32), capability: (u32, u32)) -> Option<String> {
    if driver.0 < runtime.0 {
        return Some(format!(
            "the driver knows CUDA up to {}.{}, FAISS needs {}.0",
            driver.0, driver.1, runtime.0
        ));
    }
    let (major, minor) = capability;
    let compiled = compiled_for(ARCHITECTURES, capability);
    (!compiled).then(|| {
        format!("FAISS was compiled for {ARCHITECTURES}, the device has compute capability {major}.{minor}")
    })
}

/// Whether there is a device that FAISS can use, with room for `bytes`.
///
/// # Errors
/// What is missing.
pub fn ready(bytes: usize) -> Result<(), String> {
    let driver = cuda::status().map_err(|error| error.to_string())?.driver;
    let device = Device::new(ORDINAL).map_err(|error| error.to_string())?;
    if let Some(reason) = unusable(driver, device.capability) {
        return Err(reason);
    }
    let memory = Context::primary(ORDINAL).and_then(|context| context.memory());
    let (free, _) = memory.map_err(|error| error.to_string())?;
    let needed = bytes.saturating_add(OVERHEAD);
    if free < needed {
        return Err(format!("{} MiB of GPU memory are needed, {} MiB are free", needed >> 20, free >> 20));
    }
    Ok(())
}

/// Whether one of `architectures` runs on a device: `90` on all from 9.0 on, by way of PTX, `90-real` on 9.x. What is
/// not a number (`native`, `all`, none) is taken to fit.
fn compiled_for(architectures: &str, (major, minor): (u32, u32)) -> bool {
    let runs = |architecture: &str| {
        let digits = architecture.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let Ok(number) = digits.parse::<u32>() else { return true };
        let exact = architecture.ends_with("-real") || architecture.len() != digits.len();
        let exact = exact && !architecture.ends_with("-virtual");
        number <= major * 10 + minor && (!exact || number / 10 == major)
    };
    architectures.split(';').map(str::trim).any(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_needs_kernels_of_its_own_or_earlier_ptx() {
        let cases = [
            ("90", (9, 0), true),
            ("90", (8, 9), false),
            ("90", (10, 0), true),
            ("90-real", (9, 0), true),
            ("90-real", (10, 0), false),
            ("80-real;90-virtual", (12, 0), true),
            ("80-real;90-virtual", (8, 6), true),
            ("90a", (10, 0), false),
            ("100; 75", (8, 6), true),
            ("native", (8, 6), true),
            ("", (5, 0), true),
        ];
        for (architectures, capability, expected) in cases {
            assert_eq!(
                compiled_for(architectures, capability),
                expected,
                "{architectures} on {capability:?}"
            );
        }
    }

    #[test]
    fn an_old_driver_is_named() {
        let reason = unfit((13, 0), (12, 8), (9, 0)).unwrap();
        assert_eq!(reason, "the driver knows CUDA up to 12.8, FAISS needs 13.0");
        assert_eq!(unfit((13, 2), (13, 0), (99, 0)), None, "minor versions work with each other");
    }
}
