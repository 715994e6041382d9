//! What is to be multiplied.

/// One product, many times over: `C = α A B + β C`, A of shape m × k, B k × n.
///
/// As a line: `m n k A B C alpha beta times`, where each matrix is `r` if its rows are contiguous, `c` if its
/// columns are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Order,
    pub(crate) b: Order,
    pub(crate) c: Order,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) times: usize,
}

/// What is contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Rows,
    Columns,
}

impl Order {
    /// Elements from a row to the next and from a column to the next, of a matrix without gaps.
    pub(crate) fn strides(self, (rows, cols): (usize, usize)) -> (usize, usize) {
        match self {
            Order::Rows => (cols, 1),
            Order::Columns => (1, rows),
        }
    }
}

impl Job {
    pub(crate) fn parse(line: &str) -> Result<Job, String> {
        let wrong = || format!("`{line}` is no product");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [m, n, k, a, b, c, alpha, beta, times] = words[..] else { return Err(wrong()) };
        let count = |word: &str| word.parse::<usize>().map_err(|_| wrong());
        let factor = |word: &str| word.parse::<f32>().map_err(|_| wrong());
        let order = |word: &str| match word {
            "r" => Ok(Order::Rows),
            "c" => Ok(Order::Columns),
            _ => Err(wrong()),
        };
        Ok(Job {
            m: count(m)?,
            n: count(n)?,
            k: count(k)?,
            a: order(a)?,
            b: order(b)?,
            c: order(c)?,
            alpha: factor(alpha)?,
            beta: factor(beta)?,
            times: count(times)?,
        })
    }

    /// Whether the other can use the same operands.
    pub(crate) fn same_matrices(&self, other: &Job) -> bool {
        Job { times: 0, ..*self } == Job { times: 0, ..*other }
    }
}

/// Numbers between -1 and 1 that repeat late.
fn numbers(count: usize, factor: usize) -> Vec<f32> {
    (0..count).map(|i| (i * factor % 1000) as f32 / 500.0 - 1.0).collect()
}

/// The matrices of a job.
pub(crate) struct Operands {
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
    pub(crate) c: Vec<f32>,
}

impl Operands {
    pub(crate) fn of(job: &Job) -> Operands {
        let Job { m, n, k, .. } = *job;
        Operands { a: numbers(m * k, 7919), b: numbers(k * n, 104_729), c: vec![0.0; m * n] }
    }

    /// Some elements of a first product, of a C of zeros, against `f64`: nobody is fast at something else.
    pub(crate) fn check(&self, job: &Job) -> Result<(), String> {
        let Job { m, n, k, alpha, .. } = *job;
        let at = |order: Order, shape, (i, j): (usize, usize)| {
            let (rs, cs) = order.strides(shape);
            i * rs + j * cs
        };
        for sample in 0..16 {
            let (i, j) = (sample * 7919 % m, sample * 104_729 % n);
            let terms = (0..k).map(|p| {
                f64::from(self.a[at(job.a, (m, k), (i, p))])
                    * f64::from(self.b[at(job.b, (k, n), (p, j))])
            });
            let (want, size) = terms.fold((0.0, 0.0), |(w, s), t| (w + t, s + t.abs()));
            let got = f64::from(self.c[at(job.c, (m, n), (i, j))]);
            let bound = size * (k + 2) as f64 * f64::from(f32::EPSILON);
            if (got - f64::from(alpha) * want).abs() > bound {
                return Err(format!("C[{i}, {j}] of {job:?} is {got}, not {want}"));
            }
        }
        Ok(())
    }
}
