//! The figure of several runs.

use app::plot::{Curve, Epoch, Error, Figure, Format, MOST_RUNS, Size, render};

/// Epochs that learn so fast.
fn epochs(count: u32, rate: f64) -> Vec<Epoch> {
    let epoch = |i| Epoch { loss: 1.0 / (1.0 + rate * f64::from(i)), accuracy: 0.9 };
    (1..=count).map(epoch).collect()
}

fn svg(curves: &[Curve<'_>]) -> Result<String, Error> {
    let bytes = render(&Figure::Comparison { curves }, Format::Svg, Size::Natural)?;
    Ok(String::from_utf8(bytes).expect("text"))
}

#[test]
fn every_run_has_its_name_and_its_last_loss() {
    let histories: Vec<_> = (0..MOST_RUNS).map(|i| epochs(5, 0.1 + i as f64)).collect();
    let names: Vec<_> = (0..MOST_RUNS).map(|i| format!("run {i} & <more>")).collect();
    let curve = |(name, training)| Curve { name, training, validation: &[] };
    let curves: Vec<Curve<'_>> = names
        .iter()
        .map(String::as_str)
        .zip(histories.iter().map(Vec::as_slice))
        .map(curve)
        .collect();
    let svg = svg(&curves).expect("drawn");
    for (i, history) in histories.iter().enumerate() {
        assert!(svg.contains(&format!("run {i} &amp; &lt;more&gt;")), "{svg}");
        let last = history.last().expect("epochs").loss;
        assert!(svg.contains(&format!(">{last:.3}<")), "{last}: {svg}");
    }
    assert!(!svg.contains("thin: validation"));
}

#[test]
fn runs_of_other_lengths_and_with_validation_share_the_axes() {
    let (long, short) = (epochs(20, 0.3), epochs(3, 0.5));
    let first = Curve { name: "long", training: &long, validation: &short };
    let second = Curve { name: "short", training: &short, validation: &[] };
    let svg = svg(&[first, second]).expect("drawn");
    assert!(svg.contains("thin: validation"));
    assert!(svg.contains(">20<"), "the axis ends with the longest run");
}

#[test]
fn what_cannot_be_told_apart_or_is_empty_is_refused() {
    let history = epochs(2, 1.0);
    let one = Curve { name: "one", training: &history, validation: &[] };
    assert!(matches!(svg(&[]), Err(Error::Empty { .. })));
    assert!(matches!(svg(&[Curve { training: &[], ..one }]), Err(Error::Empty { .. })));
    assert!(matches!(svg(&vec![one; MOST_RUNS + 1]), Err(Error::Layout(_))));
    let bad = [Epoch { loss: f64::NAN, accuracy: 0.5 }];
    let error = svg(&[one, Curve { name: "two", training: &bad, validation: &[] }]);
    assert!(error.expect_err("refused").to_string().starts_with("two: training loss of epoch 1"));
}
