//! Compiles the CUDA kernels to PTX with clang (no CUDA SDK needed) or nvcc, and their arithmetic for the CPU's tests.
//! `CUDA_COMPILER` names another compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

const KERNELS: [&str; 4] = ["preprocess", "draw", "candidates", "convolution"];

/// Turing and newer: the driver compiles PTX for the device it finds.
const ARCHITECTURE: &str = "sm_75";

/// No multiply-add is fused, so that results equal those of the CPU bit by bit.
const CLANG: [&str; 11] = [
    "-x",
    "cuda",
    "--cuda-device-only",
    "--cuda-feature=+ptx63",
    "-nocudainc",
    "-nocudalib",
    "-S",
    "-O3",
    "-std=c++17",
    "-ffp-contract=off",
    "-Wno-unknown-cuda-version",
];
const NVCC: [&str; 4] = ["-ptx", "-O3", "-std=c++17", "--fmad=false"];
const HOST: [&str; 7] =
    ["-shared", "-fPIC", "-O2", "-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-Wno-unknown-pragmas"];

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rerun-if-env-changed=CUDA_COMPILER");
    println!("cargo::rerun-if-env-changed=CXX");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let compiler = device_compiler();
    for kernel in KERNELS {
        run(device_command(&compiler), &format!("kernels/{kernel}.cu"), &out.join(format!("{kernel}.ptx")));
    }
    let mut host = Command::new(env::var("CXX").unwrap_or_else(|_| "c++".into()));
    host.args(HOST);
    run(host, "kernels/host.cpp", &out.join("kernels-host.so"));
}

/// The compiler asked for, else the newest clang, else nvcc.
fn device_compiler() -> String {
    if let Ok(compiler) = env::var("CUDA_COMPILER") {
        return compiler;
    }
    let versioned = (14..=22).rev().map(|version| format!("clang++-{version}"));
    let candidates = std::iter::once("clang++".to_owned()).chain(versioned).chain(["nvcc".to_owned()]);
    candidates.into_iter().find(|name| answers(name)).unwrap_or_else(|| {
        fail(
            "no compiler for the CUDA kernels: install clang (Debian, Ubuntu: apt-get install clang) or nvcc",
        )
    })
}

fn answers(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn device_command(compiler: &str) -> Command {
    let mut command = Command::new(compiler);
    if Path::new(compiler).file_name().is_some_and(|name| name == "nvcc") {
        command.args(NVCC).arg(format!("-arch={ARCHITECTURE}"));
    } else {
        command.args(CLANG).arg(format!("--cuda-gpu-arch={ARCHITECTURE}"));
    }
    command
}

fn run(mut command: Command, source: &str, output: &Path) {
    match command.arg(source).arg("-o").arg(output).status() {
        Ok(status) if status.success() && fs::metadata(output).is_ok() => {}
        Ok(status) => fail(&format!("{source}: {command:?}: {status}")),
        Err(error) => fail(&format!("{source}: {command:?}: {error}")),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}
