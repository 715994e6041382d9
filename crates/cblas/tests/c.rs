//! Programs in C: they compile with the header, link with both libraries, and do what they say.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How a program is linked.
#[derive(Clone, Copy, Debug)]
enum Link {
    Static,
    Shared,
}

const BOTH: [Link; 2] = [Link::Static, Link::Shared];

/// The folder that cargo puts this test and the libraries in.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.parent().expect("a folder").to_owned()
}

/// Compiles a program of this crate; `source` may be followed by names that are defined.
fn compile(source: &str, link: Link) -> PathBuf {
    let (source, defined) = source.split_once(' ').unwrap_or((source, ""));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = Path::new(source).file_stem().expect("a name").to_string_lossy();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    // Tests run beside each other, some of them with one program.
    let thread = format!("{:?}", std::thread::current().id());
    let program = folder.join(format!("{name}-{link:?}-{}-{thread}", std::process::id()));
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-I"]);
    gcc.arg(here.join("include")).arg(here.join(source)).arg("-o").arg(&program);
    gcc.args(defined.split_whitespace().map(|name| format!("-D{name}")));
    match link {
        Link::Static => {
            gcc.arg(libraries().join("libweft_blas.a")).args(["-lm", "-lpthread", "-ldl"])
        }
        Link::Shared => gcc.arg("-L").arg(libraries()).args(["-lweft_blas", "-lm", "-lpthread"]),
    };
    let output = gcc.output().expect("gcc runs; it is in Debian's package gcc");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{gcc:?}:\n{said}");
    program
}

fn run(program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env("LD_LIBRARY_PATH", libraries());
    for variable in ["WEFT_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "WEFT_VERBOSE"]
    {
        command.env_remove(variable);
    }
    command.output().expect("the program runs")
}

/// Compiles and runs a program that must end well; what it printed.
fn printed(source: &str, link: Link) -> String {
    let program = compile(source, link);
    let output = run(&program, &[]);
    let _ = std::fs::remove_file(program);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{source}, {link:?}: {said}{errors}");
    said
}

#[test]
fn the_example_multiplies() {
    for link in BOTH {
        assert_eq!(printed("examples/product.c", link), "58 64\n139 154\n");
    }
}

/// Two libraries, since the linker finds the program's handlers in the one case and the loader in the other.
#[test]
fn bad_arguments_reach_the_handlers_of_the_program() {
    for link in BOTH {
        for program in ["tests/c/handlers.c", "tests/c/handlers.c TURNS"] {
            assert_eq!(printed(program, link), "all as expected\n", "{program}");
        }
    }
}

#[test]
fn without_handlers_a_bad_argument_ends_the_program_with_a_message() {
    for link in BOTH {
        let program = compile("tests/c/no_handlers.c", link);
        let ways: [(&[&str], &str); 2] = [
            (&["fortran"], "on entry to SGEMM parameter number 10 had an illegal value"),
            (&[], "parameter 3 to routine cblas_sgemm was incorrect: Illegal TransB setting, 99"),
        ];
        for (args, message) in ways {
            let output = run(&program, args);
            assert_eq!(output.status.code(), Some(255), "{link:?}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), format!("weft_blas: {message}\n"));
            assert!(output.stdout.is_empty(), "{link:?}: it went on");
        }
        let _ = std::fs::remove_file(program);
    }
}

#[test]
fn forked_children_and_several_callers_compute_the_same() {
    for link in BOTH {
        assert_eq!(printed("tests/c/fork.c", link), "the same everywhere\n");
    }
}

#[test]
fn a_caller_that_flushes_denormals_or_rounds_upward_gets_the_same_bits() {
    for link in BOTH {
        assert_eq!(printed("tests/c/float_env.c", link), "the same bits\n", "{link:?}");
    }
}

#[test]
fn a_line_for_every_product_when_asked() {
    let program = compile("examples/product.c", Link::Shared);
    let mut command = Command::new(&program);
    command
        .env("LD_LIBRARY_PATH", libraries())
        .env("WEFT_VERBOSE", "1")
        .env("WEFT_NUM_THREADS", "2");
    let output = command.output().expect("the program runs");
    let _ = std::fs::remove_file(program);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("weft_blas: cblas_sgemm NN m=2 n=2 k=3 alpha=1 lda=2 ldb=3 beta=0"),
        "{said}"
    );
    assert!(said.contains("threads=1") && said.lines().count() == 1, "{said}");
}

/// A mistake in the environment costs a line, not the result.
#[test]
fn an_unknown_instruction_set_is_said_and_passed_over() {
    let program = compile("examples/product.c", Link::Shared);
    let mut command = Command::new(&program);
    command.env("LD_LIBRARY_PATH", libraries()).env("WEFT_ISA", "mmx");
    let output = command.output().expect("the program runs");
    let _ = std::fs::remove_file(program);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("weft_blas: ") && said.contains("mmx"), "{said}");
    assert!(said.contains("going on with") && said.lines().count() == 1, "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "58 64\n139 154\n");
}

/// What the shared library offers to others: the interface and nothing else.
#[test]
fn the_shared_library_exports_the_interface() {
    let library = libraries().join("libweft_blas.so");
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output();
    let output = output.expect("nm runs; it is in Debian's package binutils");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut names: Vec<&str> = said.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    names.sort_unstable();
    let ours = ["cblas_sgemm", "sgemm_", "weft_blas_get_num_threads", "weft_blas_set_num_threads"];
    assert_eq!(names, ours);
}
