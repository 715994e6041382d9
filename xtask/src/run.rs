//! Running cargo, and weft through it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where [`cargo`] puts what it builds.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = format!("{command:?}").replace('"', "");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{status}: {line}")),
        Err(error) => Err(format!("cannot run {line}: {error}")),
    }
}

/// Builds the benchmarks and runs one.
pub(crate) fn bench(args: &[String]) -> Result<(), String> {
    const NAMES: [&str; 3] = ["train", "gemm", "elementwise"];
    let Some((name, rest)) = args.split_first() else {
        return Err(format!("bench takes the name of a benchmark: {}", NAMES.join(", ")));
    };
    if !NAMES.contains(&name.as_str()) {
        return Err(format!("there is no benchmark `{name}`; there are: {}", NAMES.join(", ")));
    }
    let cargo_run = ["run", "--quiet", "--release", "--package", "benches", "--bin", name, "--"];
    let mut bench = cargo();
    bench.args(cargo_run).args(rest);
    let asked = |flag: &str| rest.iter().any(|arg| arg == flag);
    let alone = rest.iter().any(|arg| arg == "none" || arg == "--rivals=none");
    let help = asked("--help") || asked("-h");
    if name == "gemm" && !alone && !help {
        match rivals() {
            Ok(program) => _ = bench.arg("--program").arg(program),
            Err(why) => eprintln!("without other libraries, which do not build: {why}"),
        }
    }
    if name == "train" && !help {
        run(cargo().args(["build", "--quiet", "--release", "--package", "app", "--bin", "weft"]))?;
        bench.arg("--program").arg(built("release", "weft"));
    }
    run(&mut bench)
}

/// The program of that name, as `cargo build` leaves it in the folder of a profile.
pub(crate) fn built(profile: &str, name: &str) -> PathBuf {
    target().join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Builds what runs the products of other libraries: a workspace of its own.
fn rivals() -> Result<PathBuf, String> {
    let folder = root().join("benches/rivals");
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--target-dir"]).arg(folder.join("target"));
    build.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    run(&mut build)?;
    Ok(folder.join("target/release").join(format!("rivals{}", std::env::consts::EXE_SUFFIX)))
}

/// Builds the release binary and runs it where the user stands, with its exit code as ours. The first build takes minutes:
/// that one is seen.
pub(crate) fn weft(args: &[String]) -> ExitCode {
    let manifest = root().join("Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--release", "--package", "app", "--bin", "weft"]);
    if built("release", "weft").is_file() {
        cargo.arg("--quiet");
    } else {
        eprintln!("Building weft, which takes some minutes the first time:");
    }
    cargo.arg("--manifest-path").arg(manifest).arg("--").args(args);
    match cargo.status() {
        Ok(status) => {
            let code = status.code().and_then(|c| u8::try_from(c).ok());
            ExitCode::from(code.unwrap_or(1))
        }
        Err(error) => {
            eprintln!("xtask: cannot run cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
