//! The list of instruction sets, and `WEFT_ISA`. The variable is set for child processes only: these tests
//! start themselves again.

mod common;

use common::isas;
use kernels::Isa;
use std::process::{Command, Output};

/// Runs one ignored test of this program with `WEFT_ISA` set so, under the emulator that `WEFT_RUNNER`
/// names if this program itself needs one.
fn child(test: &str, weft_isa: &str) -> Output {
    let program = std::env::current_exe().expect("this program has a path");
    let runner = std::env::var("WEFT_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let mut command = match words.next() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("WEFT_ISA", weft_isa);
    command.output().expect("this program runs again")
}

fn text(output: &Output) -> String {
    let Output { stdout, stderr, .. } = output;
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

#[test]
#[ignore = "run by other tests with WEFT_ISA set"]
fn takes_the_isa_of_the_environment() {
    match (Isa::from_env(), std::env::var("WEFT_ISA").as_deref()) {
        (Ok(isa), Ok("") | Err(_)) => assert_eq!(isa, Isa::best()),
        (Ok(isa), Ok(name)) => assert_eq!(isa.name(), name),
        (Err(error), _) => panic!("{error}"),
    }
}

#[test]
#[ignore = "run by other tests with WEFT_ISA set"]
fn tests_the_isas_of_the_environment() {
    match std::env::var("WEFT_ISA").as_deref() {
        Ok("") | Err(_) => assert_eq!(isas(), Isa::available()),
        Ok(name) => assert_eq!(isas(), [Isa::named(name).expect("isas() checked it")]),
    }
}

#[test]
fn the_list_is_in_order_of_preference_and_ends_with_portable() {
    let names: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    let mut known = Isa::NAMES.iter();
    assert!(names.iter().all(|name| known.any(|k| k == name)), "{names:?} of {:?}", Isa::NAMES);
    assert_eq!(names.last(), Some(&"portable"));
    assert_eq!(Isa::best(), Isa::available()[0]);
    assert!(!isas().is_empty());
}

/// Every AArch64 has the instruction, and nothing but its use gives the bits of AVX2 and AVX-512.
#[cfg(target_arch = "aarch64")]
#[test]
fn on_aarch64_multiply_add_rounds_once() {
    let x = 1.0 + f32::EPSILON;
    for isa in isas() {
        let mut c = [-1.0 - 2.0 * f32::EPSILON];
        kernels::gemm(
            isa,
            1.0,
            kernels::MatRef::row_major(&[x], 1, 1),
            kernels::MatRef::row_major(&[x], 1, 1),
            1.0,
            kernels::MatMut::row_major(&mut c, 1, 1),
        );
        assert!(isa.fused(), "{isa}");
        // The square of x, rounded on its own, would leave nothing.
        assert_eq!(c, [f32::EPSILON * f32::EPSILON], "{isa}");
    }
}

#[test]
fn every_isa_has_a_name_that_finds_it() {
    for isa in Isa::available() {
        assert_eq!(Isa::named(isa.name()), Ok(isa));
        assert_eq!(isa.to_string(), isa.name());
    }
}

#[test]
fn an_unknown_name_is_an_error_that_lists_what_there_is() {
    for name in ["xyz", "AVX2", "avx2 ", "portable2", "ünïcode"] {
        let error = Isa::named(name).unwrap_err().to_string();
        assert!(error.starts_with(&format!("unknown instruction set `{name}`")), "{error}");
        assert!(Isa::available().iter().all(|isa| error.contains(isa.name())), "{error}");
    }
}

#[test]
fn the_environment_chooses_the_isa() {
    for name in Isa::available().into_iter().map(Isa::name).chain([""]) {
        for test in ["takes_the_isa_of_the_environment", "tests_the_isas_of_the_environment"] {
            let output = child(test, name);
            assert!(output.status.success(), "WEFT_ISA={name}: {}", text(&output));
            assert!(text(&output).contains("1 passed"), "{}", text(&output));
        }
    }
}

#[test]
fn an_unknown_isa_in_the_environment_is_an_error() {
    for test in ["takes_the_isa_of_the_environment", "tests_the_isas_of_the_environment"] {
        let output = child(test, "xyz");
        assert!(!output.status.success(), "{test}");
    }
    let output = text(&child("takes_the_isa_of_the_environment", "xyz"));
    assert!(output.contains("unknown instruction set `xyz`; this machine has: "), "{output}");
    let output = text(&child("tests_the_isas_of_the_environment", "xyz"));
    assert!(output.contains("the instruction set that this run was asked to test"), "{output}");
}
