//! Other libraries, each in a process of its own that is asked for a product at a time.

use crate::cases::Case;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What libraries read the number of threads from.
const THREADS: [&str; 6] = [
    "BLIS_NUM_THREADS",
    "MATMUL_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// A library that waits for our questions.
pub(crate) struct Rival {
    pub(crate) name: String,
    /// What it says of itself.
    pub(crate) version: String,
    process: Child,
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

/// Name and version of every library that can be loaded here.
pub(crate) fn list(program: &Path) -> Result<Vec<(String, String)>, String> {
    let output = Command::new(program).arg("list").stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| format!("{}: {e}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let pair = |line: &str| line.split_once('\t').map(|(n, v)| (n.to_owned(), v.trim().to_owned()));
    Ok(text.lines().filter_map(pair).collect())
}

impl Rival {
    /// Starts a library with so many threads.
    pub(crate) fn start(
        program: &Path,
        (name, version): (&str, &str),
        threads: usize,
    ) -> Result<Rival, String> {
        let mut command = Command::new(program);
        command.args(["serve", name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        for variable in THREADS {
            command.env(variable, threads.to_string());
        }
        // What OpenBLAS and MKL find by themselves counts; and threads of OpenMP sleep a millisecond after work instead
        // of 200, those of OpenBLAS 2^20 cycles instead of 2^26, so that they take nothing from who comes next.
        command.env_remove("OPENBLAS_CORETYPE").env_remove("MKL_ENABLE_INSTRUCTIONS");
        command.env("KMP_BLOCKTIME", "1").env("OPENBLAS_THREAD_TIMEOUT", "20");
        let mut process = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let (questions, answers) = (process.stdin.take(), process.stdout.take());
        let answers = BufReader::new(answers.ok_or("no answers")?).lines();
        let (name, version) = (name.to_owned(), version.to_owned());
        Ok(Rival { name, version, process, questions, answers })
    }

    /// Seconds of one of so many products; none where the library has no such product, or is gone.
    pub(crate) fn time(&mut self, case: &Case, times: usize) -> Option<f64> {
        let Case { m, n, k, orders, alpha, beta, .. } = case;
        let [a, b, c] = orders.map(|order| order.letter());
        let questions = self.questions.as_mut()?;
        writeln!(questions, "{m} {n} {k} {a} {b} {c} {alpha} {beta} {times}").ok()?;
        questions.flush().ok()?;
        self.answers.next()?.ok()?.parse().ok()
    }

    /// Whether it ended before its time: it said why.
    pub(crate) fn is_gone(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // Without questions it ends.
        self.questions = None;
        let _ = self.process.wait();
    }
}
