//! Networks as tables.

use crate::architecture::{Architecture, DenseShape, Layer};

/// Bytes of a parameter.
const FLOAT: usize = size_of::<f32>();

impl Architecture {
    /// Floating-point operations of one training step's matrix products, by dense layer. A layer has three
    /// products of `2 · batch · inputs · units` operations each: its outputs, the gradient of its weights, and
    /// that of its inputs, which the first layer leaves out. Numbers that have no room are `u64::MAX`.
    ///
    /// ```
    /// use nn::{Activation, Sequential};
    /// let net = Sequential::new(&[28, 28]).dense(128, Activation::Relu).dense(10, Activation::Softmax);
    /// assert_eq!(net.architecture().step_flops(32), [2 * 2 * 32 * 784 * 128, 3 * 2 * 32 * 128 * 10]);
    /// ```
    pub fn step_flops(&self, batch: usize) -> Vec<u64> {
        let flops = |(n, d): (usize, DenseShape)| {
            let each_product = [2, batch, d.inputs, d.units];
            let products = if n == 0 { 2 } else { 3 };
            each_product
                .into_iter()
                .fold(products, |all: u64, size| all.saturating_mul(size as u64))
        };
        self.dense().enumerate().map(flops).collect()
    }

    /// The layers as a table: name, output shape, parameters.
    ///
    /// ```
    /// use nn::{Activation, Sequential};
    /// let net = Sequential::new(&[28, 28]).flatten().dense(128, Activation::Relu);
    /// assert!(net.architecture().summary().contains("100,480"));
    /// ```
    pub fn summary(&self) -> String {
        let mut rows = vec![["layer", "output", "parameters"].map(str::to_owned).to_vec()];
        for row in self.rows() {
            let Row { name, output, parameters, .. } = row;
            rows.push(vec![name, grouped(output), grouped(parameters)]);
        }
        let total = self.parameters();
        let memory = format!("{} KB", grouped(total.saturating_mul(FLOAT).div_ceil(1000)));
        rows.push(vec!["total".to_owned(), memory, grouped(total)]);
        table(&rows)
    }

    /// The layers as a table: name, output shape, parameters, their bytes, and the operations that a training
    /// step of so many examples spends on them (see [`step_flops`](Self::step_flops)).
    pub fn training_summary(&self, batch: usize) -> String {
        let heads = ["layer", "output", "parameters", "bytes", "FLOPs a step"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        let flops = self.step_flops(batch);
        for row in self.rows() {
            let Row { name, output, parameters, dense } = row;
            let flops = dense.and_then(|n| flops.get(n)).map_or(0, |n| *n as usize);
            let numbers =
                [output, parameters, parameters.saturating_mul(FLOAT), flops].map(grouped);
            rows.push([name].into_iter().chain(numbers).collect());
        }
        let flops = flops.iter().fold(0, |all: u64, n| all.saturating_add(*n));
        let all = self.parameters();
        let numbers = [all, all.saturating_mul(FLOAT), flops as usize].map(grouped);
        rows.push(["total".to_owned(), String::new()].into_iter().chain(numbers).collect());
        table(&rows)
    }

    fn rows(&self) -> Vec<Row> {
        let mut dense = self.dense().enumerate();
        let mut output = self.features();
        let row = |(i, layer): (usize, &Layer)| {
            let (name, shape) = match layer {
                Layer::Flatten => ("flatten".to_owned(), None),
                Layer::Dropout { rate } => (format!("dropout, {rate}"), None),
                Layer::Dense { activation, .. } => {
                    (format!("dense, {}", activation.name()), dense.next())
                }
            };
            output = shape.map_or(output, |(_, d)| d.units);
            let parameters = shape.map_or(0, |(_, d)| d.parameters());
            let name = format!("{} {name}", i + 1);
            Row { name, output, parameters, dense: shape.map(|(n, _)| n) }
        };
        self.layers.iter().enumerate().map(row).collect()
    }
}

/// A layer in a table.
struct Row {
    name: String,
    output: usize,
    parameters: usize,
    /// Which of the dense layers it is, if it is one.
    dense: Option<usize>,
}

/// Columns side by side: the first to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
    let cell = |(column, text): (usize, &String)| match (column, width(column)) {
        (0, w) => format!("{text:<w$}"),
        (_, w) => format!("  {text:>w$}"),
    };
    rows.iter().map(|row| row.iter().enumerate().map(cell).collect::<String>() + "\n").collect()
}

/// Digits in groups of three.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::{Activation, FitConfig, Sequential};

    #[test]
    fn sizes_that_nothing_checked_are_described_nevertheless() {
        for input in [&[usize::MAX, 2][..], &[usize::MAX]] {
            let net = Sequential::new(input).dense(usize::MAX, Activation::Relu);
            let net = net.dense(10, Activation::Softmax);
            let architecture = net.architecture();
            assert_eq!(
                (architecture.features(), architecture.parameters()),
                (usize::MAX, usize::MAX)
            );
            assert_eq!(architecture.step_flops(usize::MAX), [u64::MAX; 2]);
            assert!(architecture.summary().contains("18,446,744,073,709,551,615"));
            assert!(
                architecture.training_summary(usize::MAX).contains("18,446,744,073,709,551,615")
            );
            assert!(net.build(1).is_err());
        }
    }

    #[test]
    fn a_network_without_layers_keeps_one_thread_busy() {
        let nothing = Sequential::new(&[4]);
        assert_eq!(FitConfig::default().most_threads(nothing.architecture()), 1);
    }
}
