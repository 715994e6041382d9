//! `app::plot`: the figure of a range test.

use app::plot::{Error, Figure, Format, Size, render};

/// Rates that grow, losses that fall and explode, and the losses smoothed.
fn sweep() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let rates: Vec<f64> = (0..60).map(|i| 1e-6 * 10f64.powf(f64::from(i) / 10.0)).collect();
    let smooth = |r: &f64| 2.3 - 1.6 / (1.0 + 1e-3 / r) + 6.0 * r * r;
    let smoothed: Vec<f64> = rates.iter().map(smooth).collect();
    let losses = smoothed.iter().zip(0..).map(|(l, i)| l + if i % 2 == 0 { 0.1 } else { -0.1 });
    (rates, losses.collect(), smoothed)
}

fn drawn(rates: &[f64], losses: &[f64], suggestion: Option<f64>) -> Result<String, Error> {
    let smoothed = &sweep().2;
    let figure = Figure::Sweep { rates, losses, smoothed, suggestion };
    render(&figure, Format::Png, Size::Natural)?;
    let svg = render(&figure, Format::Svg, Size::Natural)?;
    Ok(String::from_utf8(svg).expect("text"))
}

#[test]
fn rates_are_on_a_logarithmic_axis_and_the_suggestion_is_marked() {
    let (rates, losses, _) = sweep();
    let marked = drawn(&rates, &losses, Some(2e-3)).expect("a figure");
    for text in ["1e-6", "1e-3", "learning rate", "2.0e-3"] {
        assert!(marked.contains(&format!(">{text}<")), "{text}");
    }
    let plain = drawn(&rates, &losses, None).expect("a figure");
    assert!(!plain.contains("2.0e-3"));
    assert_eq!(plain, drawn(&rates, &losses, None).expect("the same figure"));
}

#[test]
fn it_needs_growing_rates_and_a_loss_for_each() {
    let (rates, losses, _) = sweep();
    let (mut turned, mut spoiled) = (rates.clone(), losses.clone());
    turned.swap(3, 4);
    spoiled[7] = f64::NAN;
    for (rates, losses, suggestion) in [
        (&rates[..1], &losses[..], None),
        (&rates, &losses[1..], None),
        (&turned, &losses, None),
        (&rates, &spoiled, None),
        (&rates, &losses, Some(-1.0)),
    ] {
        assert!(drawn(rates, losses, suggestion).is_err());
    }
    let error = drawn(&rates[..1], &losses[..1], None).expect_err("one rate is no curve");
    assert_eq!(error.to_string(), "nothing to draw: the list of rates has 1, needs 2");
}
