//! Commands that mend what is missing, for each system.

use serde::Serialize;

use super::platform::System;

/// One command for each system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// On Debian.
    pub debian: String,
    /// On Ubuntu.
    pub ubuntu: String,
    /// On DGX OS.
    pub dgx_os: String,
    /// On JetPack.
    pub jetpack: String,
}

/// What has to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// NVIDIA's driver.
    Driver,
    /// The driver's libraries for decoding and encoding.
    VideoLibraries,
    /// A container with the driver's libraries.
    Container,
    /// ONNX Runtime.
    OnnxRuntime,
    /// ONNX Runtime that uses the GPU.
    OnnxRuntimeGpu,
    /// What ONNX Runtime needs of CUDA.
    CudaLibraries,
    /// TensorRT with its ONNX parser.
    TensorRt,
    /// A version of NVRTC that GStreamer can use, under the name by which it asks.
    Nvrtc,
}

const UPGRADE: &str = "sudo apt-get update && sudo apt-get dist-upgrade && sudo reboot";
const WHEEL: &str = "python3 -m pip install --target /opt/onnxruntime onnxruntime-gpu && \
    export GST_OSHA_ONNXRUNTIME=/opt/onnxruntime/onnxruntime/capi";

impl Remedy {
    /// The same command on every system.
    pub fn everywhere(command: impl Into<String>) -> Self {
        let command = command.into();
        Self { debian: command.clone(), ubuntu: command.clone(), dgx_os: command.clone(), jetpack: command }
    }

    /// Debian packages that have the same name on every system.
    pub fn packages(names: &[&str]) -> Self {
        Self::everywhere(format!("sudo apt-get install {}", names.join(" ")))
    }

    /// The command that installs what is needed.
    pub fn install(need: Need) -> Self {
        let [debian, ubuntu, dgx_os, jetpack] = commands(need).map(str::to_owned);
        Self { debian, ubuntu, dgx_os, jetpack }
    }

    /// The same, followed by another command.
    pub fn then(self, command: &str) -> Self {
        let join = |first: String| format!("{first} && {command}");
        Self {
            debian: join(self.debian),
            ubuntu: join(self.ubuntu),
            dgx_os: join(self.dgx_os),
            jetpack: join(self.jetpack),
        }
    }

    /// The command for `system`; where that is unknown, those for all, each with the system's name.
    pub fn lines(&self, system: System) -> Vec<String> {
        let one = match system {
            System::Debian => &self.debian,
            System::Ubuntu => &self.ubuntu,
            System::DgxOs => &self.dgx_os,
            System::JetPack => &self.jetpack,
            System::Other => return self.all(),
        };
        vec![one.clone()]
    }

    fn all(&self) -> Vec<String> {
        if *self == Self::everywhere(self.debian.as_str()) {
            return vec![self.debian.clone()];
        }
        let named = [
            ("Debian", &self.debian),
            ("Ubuntu", &self.ubuntu),
            ("DGX OS", &self.dgx_os),
            ("JetPack", &self.jetpack),
        ];
        named.map(|(name, command)| format!("{name}: {command}")).into()
    }
}

/// For Debian, Ubuntu, DGX OS and JetPack.
fn commands(need: Need) -> [&'static str; 4] {
    const JETPACK: &str = "sudo apt-get install nvidia-jetpack";
    match need {
        Need::Driver => [
            "sudo apt-get install nvidia-driver && sudo reboot",
            "sudo ubuntu-drivers install && sudo reboot",
            UPGRADE,
            JETPACK,
        ],
        Need::VideoLibraries => [
            "sudo apt-get install libnvcuvid1 libnvidia-encode1",
            "sudo ubuntu-drivers install && sudo reboot",
            UPGRADE,
            "sudo apt-get install nvidia-l4t-multimedia",
        ],
        Need::Container => {
            const GPUS: &str = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all …";
            [GPUS, GPUS, GPUS, "docker run --runtime nvidia -e NVIDIA_DRIVER_CAPABILITIES=all …"]
        }
        Need::OnnxRuntime => [
            "scripts/bootstrap   (or: sudo apt-get install libonnxruntime1.21)",
            "scripts/bootstrap",
            "scripts/bootstrap",
            "scripts/bootstrap",
        ],
        Need::OnnxRuntimeGpu => [WHEEL, WHEEL, WHEEL, WHEEL],
        Need::CudaLibraries => {
            const PACKAGES: &str = "sudo apt-get install cuda-libraries-12-9 cudnn9-cuda-12";
            [PACKAGES, PACKAGES, PACKAGES, JETPACK]
        }
        Need::TensorRt => {
            const PACKAGES: &str =
                "sudo apt-get install libnvinfer11 libnvonnxparsers11   (from NVIDIA's CUDA repository)";
            [PACKAGES, PACKAGES, PACKAGES, JETPACK]
        }
        Need::Nvrtc => {
            const NAMED: &str =
                "sudo apt-get install cuda-nvrtc-12-9 && export GST_CUDA_NVRTC_LIBNAME=libnvrtc.so.12";
            const DEBIAN: &str =
                "sudo apt-get install libnvrtc12 && export GST_CUDA_NVRTC_LIBNAME=libnvrtc.so.12";
            [DEBIAN, DEBIAN, NAMED, NAMED]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_system_gets_its_command_and_an_unknown_one_all() {
        let remedy = Remedy::install(Need::Driver);
        assert_eq!(remedy.lines(System::Ubuntu), ["sudo ubuntu-drivers install && sudo reboot"]);
        assert_eq!(remedy.lines(System::JetPack), ["sudo apt-get install nvidia-jetpack"]);
        let all = remedy.lines(System::Other);
        assert!(all.len() == 4 && all[2].starts_with("DGX OS: "), "{all:?}");
        assert_eq!(Remedy::packages(&["a", "b"]).lines(System::Other), ["sudo apt-get install a b"]);
    }

    #[test]
    fn commands_are_joined_for_every_system() {
        let remedy = Remedy::install(Need::Nvrtc).then("rm x");
        assert!(
            [remedy.debian, remedy.ubuntu, remedy.dgx_os, remedy.jetpack]
                .iter()
                .all(|c| c.ends_with(" && rm x"))
        );
    }
}
