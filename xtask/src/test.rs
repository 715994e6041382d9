//! `cargo xtask test`: everything that must hold before a change lands.

use crate::run::{built, cargo, root, run, target};
use crate::tidy::tidy;
use crate::{aarch64, blas, python};
use std::process::Command;
use std::time::Instant;

type Step = (&'static str, Box<dyn Fn() -> Result<(), String>>);

/// A step that runs cargo with these arguments.
fn step(name: &'static str, args: &'static [&'static str]) -> Step {
    (name, Box::new(move || run(cargo().args(args))))
}

/// Instruction sets to force, one after the other; those this machine lacks are named and passed over.
const ISAS: [&str; 3] = ["avx512", "avx2", "portable"];

/// Whether this processor has what an instruction set of `kernels` needs.
fn has(isa: &str) -> bool {
    match isa {
        #[cfg(target_arch = "x86_64")]
        "avx512" => ["avx512f", "avx512bw", "avx512dq", "avx512vl"].iter().all(|f| flag(f)),
        #[cfg(target_arch = "x86_64")]
        "avx2" => flag("avx2") && flag("fma"),
        name => name == "portable",
    }
}

#[cfg(target_arch = "x86_64")]
fn flag(name: &str) -> bool {
    match name {
        "avx512f" => std::is_x86_feature_detected!("avx512f"),
        "avx512bw" => std::is_x86_feature_detected!("avx512bw"),
        "avx512dq" => std::is_x86_feature_detected!("avx512dq"),
        "avx512vl" => std::is_x86_feature_detected!("avx512vl"),
        "avx2" => std::is_x86_feature_detected!("avx2"),
        "fma" => std::is_x86_feature_detected!("fma"),
        _ => false,
    }
}

/// The kernels' own tests with each instruction set forced.
fn forced() -> Result<(), String> {
    for isa in ISAS {
        if !has(isa) {
            println!("{isa}: not on this machine");
            continue;
        }
        println!("{isa}:");
        // By the names of the tests and not of their package, for which alone cargo would choose other features of
        // what it depends on, and build everything once more.
        let tests = ["--test", "bits", "--test", "gemm", "--test", "dense"];
        run(cargo().args(["test", "--quiet", "--workspace"]).args(tests).env("WEFT_ISA", isa))?;
    }
    Ok(())
}

/// The kernels without `std`: linked into a program that has none, whose results have the twins' bits.
fn embedded() -> Result<(), String> {
    let manifest = root().join("crates/kernels/tests/embedded/Cargo.toml");
    let mut cargo = cargo();
    cargo.args(["run", "--quiet", "--manifest-path"]).arg(manifest);
    // In the target folder of the others.
    run(cargo.env("CARGO_TARGET_DIR", target().join("embedded")))
}

/// The team of threads under the model checker, in a target folder of its own: everything is built for it.
fn models() -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["test", "--quiet", "--release", "--package", "kernels", "--test", "loom_team"]);
    run(cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", target().join("loom")))
}

/// Every benchmark once, on small inputs; the products of other libraries need a long build and are left out.
fn benches() -> Result<(), String> {
    // With the tests, so that nothing is built for other features.
    let build = ["build", "--quiet", "--workspace", "--tests", "--bins"];
    // Whoever runs cannot be replaced everywhere.
    run(cargo().args(build).args(["--exclude", "xtask"]))?;
    for name in ["gemm", "elementwise", "train"] {
        let mut bench = Command::new(built("debug", name));
        bench.arg("--once");
        if name == "train" {
            bench.arg("--program").arg(built("debug", "weft"));
        }
        run(bench.stdout(std::process::Stdio::null()).current_dir(root()))?;
    }
    Ok(())
}

/// One epoch of the real data set with each setting that must not change a bit of the model.
fn same_models() -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("weft-same-models-{}", std::process::id()));
    let mut first: Option<(String, Vec<u8>)> = None;
    for isa in ISAS.into_iter().filter(|isa| *isa != "portable" && has(isa)) {
        for threads in 1..=8 {
            for dense in [false, true] {
                let mut weft = cargo();
                weft.args([
                    "run",
                    "--quiet",
                    "--release",
                    "--package",
                    "app",
                    "--bin",
                    "weft",
                    "--",
                ]);
                weft.args(["train", "--epochs", "1", "--no-plots", "--quiet", "--force"]);
                weft.args(["--isa", isa, "--threads", &threads.to_string()]);
                weft.args(dense.then_some("--dense")).arg("--out").arg(&folder);
                run(weft.stdout(std::process::Stdio::null()))?;
                let model = folder.join("model.safetensors");
                let bytes =
                    std::fs::read(&model).map_err(|e| format!("{}: {e}", model.display()))?;
                let this =
                    format!("{isa}, {threads} threads{}", if dense { ", dense" } else { "" });
                match &first {
                    Some((that, other)) if *other != bytes => {
                        return Err(format!("{this} makes another model than {that}"));
                    }
                    Some(_) => {}
                    None => first = Some((this, bytes)),
                }
            }
        }
    }
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
}

fn docs() -> Result<(), String> {
    let args = ["doc", "--quiet", "--workspace", "--no-deps"];
    run(cargo().args(args).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Runs the steps in order and stops at the first that fails.
pub(crate) fn test(args: &[String]) -> Result<(), String> {
    if let [flag, target] = args
        && flag == "--target"
    {
        return aarch64::test(target);
    }
    if args == ["--blas"] {
        return blas::test();
    }
    if args == ["--python"] {
        return python::test();
    }
    let (mut fast, mut deep) = (false, false);
    for arg in args {
        match arg.as_str() {
            "--fast" => fast = true,
            "--deep" => deep = true,
            other => {
                return Err(format!(
                    "test takes --fast, --deep, --blas, --python or --target aarch64, not `{other}`"
                ));
            }
        }
    }
    let mut steps = vec![
        step("format", &["fmt", "--all", "--check"]),
        ("tidiness", Box::new(tidy) as Box<dyn Fn() -> Result<(), String>>),
        step("lints", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-Dwarnings"]),
        step("tests", &["test", "--quiet", "--workspace"]),
    ];
    if !fast {
        steps.push(("each instruction set", Box::new(forced)));
        steps.push(("kernels without std", Box::new(embedded)));
        steps.push(("benchmarks, once", Box::new(benches)));
        steps.push(("documentation", Box::new(docs)));
    }
    if deep {
        const DEEP: &[&str] = &["test", "--release", "--workspace", "--", "--ignored"];
        steps.push(step("exhaustive tests", DEEP));
        steps.push(("the team under the model checker", Box::new(models)));
        steps.push(("the same models from one epoch of the data set", Box::new(same_models)));
    }
    let start = Instant::now();
    let mut times = Vec::new();
    for (name, what) in &steps {
        println!("\n== {name}");
        let begun = Instant::now();
        what().map_err(|why| format!("{name}: {why}"))?;
        times.push(format!("{name} {:.0} s", begun.elapsed().as_secs_f64()));
    }
    println!("\nAll good in {:.0} s: {}.", start.elapsed().as_secs_f64(), times.join(", "));
    Ok(())
}

/// Runs each fuzz target for some seconds.
pub(crate) fn fuzz(args: &[String]) -> Result<(), String> {
    let seconds: u32 = match args {
        [] => 60,
        [n] => n.parse().map_err(|_| format!("fuzz takes a number of seconds, not `{n}`"))?,
        _ => return Err("fuzz takes a number of seconds".to_owned()),
    };
    let fuzz = root().join("fuzz");
    let there = Command::new("cargo").args(["+nightly", "fuzz", "--version"]).output();
    if !there.is_ok_and(|o| o.status.success()) {
        return Err("fuzzing needs a nightly toolchain and cargo-fuzz: \
                    rustup toolchain install nightly; cargo install cargo-fuzz"
            .to_owned());
    }
    for target in ["idx_parse", "idx_labelled", "checkpoint", "import", "state"] {
        println!("== {target}");
        let seeds = format!("seeds/{target}");
        let limit = format!("-max_total_time={seconds}");
        let corpus = format!("corpus/{target}");
        std::fs::create_dir_all(fuzz.join(&corpus)).map_err(|e| format!("{corpus}: {e}"))?;
        let mut cargo = Command::new("cargo");
        cargo.args(["+nightly", "fuzz", "run", target, &corpus, &seeds, "--", &limit]);
        run(cargo.current_dir(&fuzz))?;
    }
    Ok(())
}
