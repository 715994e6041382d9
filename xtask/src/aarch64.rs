//! `cargo xtask test --target aarch64`: the kernels compiled for AArch64, where the portable instruction set is
//! NEON and multiply-add rounds once, and their tests under an emulator.

use crate::run::{cargo, root, run, target as build_folder};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
/// Where Debian and Ubuntu put the loader and the C library of the target: those of a system with packages for both
/// machines, and those of the cross compiler. The emulator finds the former's library whatever it is told, and with
/// the latter's loader that never starts a thread; so they come first.
const LIBRARIES: [&str; 2] = ["/", "/usr/aarch64-linux-gnu"];
const LOADER: &str = "lib/ld-linux-aarch64.so.1";

/// What runs: everything of the kernels, and of networks that which ties the bits of one machine to those of
/// others. Programs of documentation are left out: they need a rustdoc that fits the compiler.
const TESTS: [&[&str]; 2] = [
    &["--package", "kernels", "--lib", "--tests"],
    &["--package", "nn", "--test", "parity", "--test", "same_bits", "--", "agree", "every_machine"],
];

/// Whether a program is there and can say its version.
fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether this compiler has the target's standard library.
fn compiles(rustc: &Path) -> bool {
    let output = Command::new(rustc).args(["--print", "sysroot"]).current_dir(root()).output();
    output.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout);
        let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib");
        output.status.success() && libraries.is_dir()
    })
}

/// The compiler that was asked for, that of the toolchain in use, or that of the distribution, which comes
/// with other targets than the toolchain.
fn compiler() -> Option<PathBuf> {
    let asked = std::env::var_os("RUSTC").map(PathBuf::from);
    let others = ["rustc", "/usr/bin/rustc"].map(PathBuf::from);
    asked.into_iter().chain(others).find(|rustc| compiles(rustc))
}

/// A compiler, an emulator and the place of the libraries.
fn tools() -> Result<(PathBuf, &'static str, &'static str), String> {
    let rustc = compiler();
    let libraries = LIBRARIES.into_iter().find(|at| Path::new(at).join(LOADER).exists());
    let emulator = ["qemu-aarch64", "qemu-aarch64-static"].into_iter().find(|q| answers(q));
    let mut missing = Vec::new();
    if rustc.is_none() {
        missing.push(format!(
            "a Rust compiler for {TARGET}: rustup target add {TARGET}, or set RUSTC to one that has it, or, of \
             Debian: dpkg --add-architecture arm64; apt update; apt install rustc-web libstd-rust-web-dev:arm64"
        ));
    }
    if !answers(LINKER) || libraries.is_none() {
        missing.push(format!(
            "the linker {LINKER} and {}/{LOADER}: apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
            LIBRARIES[1]
        ));
    }
    if emulator.is_none() {
        missing.push("the emulator qemu-aarch64: apt install qemu-user".to_owned());
    }
    match (rustc, emulator, libraries) {
        (Some(rustc), Some(emulator), Some(at)) if missing.is_empty() => Ok((rustc, emulator, at)),
        _ => Err(format!("missing:\n  {}", missing.join("\n  "))),
    }
}

/// Compiles and runs the tests.
pub(crate) fn test(target: &str) -> Result<(), String> {
    if target != "aarch64" {
        return Err(format!("test takes --target aarch64, not `{target}`"));
    }
    if cfg!(target_arch = "aarch64") {
        return Err("this machine needs no emulator for AArch64: cargo xtask test".to_owned());
    }
    let (rustc, emulator, libraries) = tools()?;
    let runner = format!("{emulator} -L {libraries}");
    println!("{TARGET} with {} under {runner}", rustc.display());
    for tests in TESTS {
        let mut cargo = cargo();
        cargo.args(["test", "--target", TARGET]).args(tests).env("RUSTC", &rustc);
        // A folder of its own, since two compilers would throw away each other's work.
        cargo.env("CARGO_TARGET_DIR", build_folder().join("aarch64"));
        cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER);
        cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", &runner);
        // The lints of the host do not see what only this target leaves unused.
        cargo.env("RUSTFLAGS", "-Dwarnings");
        // For tests that start themselves again: the system cannot start their program on its own.
        cargo.env("WEFT_ISA", "portable").env("WEFT_RUNNER", &runner);
        run(&mut cargo)?;
    }
    Ok(())
}
