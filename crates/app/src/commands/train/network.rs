//! The network that is to be trained, and what its classes count.

use crate::commands::{info, load_file, network_failure};
use crate::config::Train;
use crate::exit::{Code, Failure, Outcome};
use crate::settings::ClassWeights;
use crate::term::Grouped;
use app::datasets::Dataset;
use app::describe::class_counts;
use idx::Labelled;
use nn::checkpoint;
use nn::{Activation, Architecture, Model, Sequential};

/// How many threads there are, of which a step can keep `most` busy.
pub(super) fn threads(threads: usize, most: usize) -> String {
    match threads {
        1 => "1 thread".to_owned(),
        _ if threads <= most => format!("{threads} threads"),
        _ => format!("{threads} threads, of which steps of this size keep {most} busy"),
    }
}

/// The layers, for examples of these sizes.
pub(super) fn sequential(config: &Train, sizes: &[usize], classes: usize) -> Sequential {
    let network = Sequential::new(sizes).flatten();
    let hidden = config.hidden.iter();
    let network = hidden.fold(network, |all, units| {
        let all = all.dense(*units, config.activation);
        if config.dropout > 0.0 { all.dropout(config.dropout) } else { all }
    });
    network.dense(classes, Activation::Softmax)
}

/// There must be something to tell apart.
pub(super) fn check_classes(classes: usize, place: &str) -> Outcome {
    if classes > 1 {
        return Ok(());
    }
    Err(Failure::new(Code::Data, "all images are of one class, so there is nothing to learn")
        .at(place)
        .next("take a data set of two classes or more; `weft data` says what is in it"))
}

/// The weights of the classes; none if they all count the same.
pub(in crate::commands) fn class_weights(
    config: &Train,
    images: &Labelled,
    classes: usize,
) -> Outcome<Vec<f32>> {
    match &config.class_weights {
        None => Ok(Vec::new()),
        Some(ClassWeights::Given(weights)) if weights.len() == classes => Ok(weights.clone()),
        Some(ClassWeights::Given(weights)) => {
            let what = format!("{} class weights for {classes} classes", weights.len());
            let place = config.resolved.place("class_weights");
            Err(Failure::usage(what).at(place).next("give one for each class, or `balanced`"))
        }
        Some(ClassWeights::Balanced) => {
            let even = images.len() as f64 / classes as f64;
            let weight = |count: usize| if count == 0 { 0.0 } else { (even / count as f64) as f32 };
            Ok(class_counts(images, classes).into_iter().map(weight).collect())
        }
    }
}

/// The network, with its first weights.
pub(in crate::commands) fn network(
    config: &Train,
    dataset: &Dataset,
    train: &Labelled,
) -> Outcome<Model> {
    let classes = dataset.class_names.len();
    check_classes(classes, &dataset.place())?;
    let network = sequential(config, train.dims(), classes);
    check_memory(network.architecture(), info::memory())?;
    let mut model = network.build(config.fit.seed).map_err(network_failure)?;
    if let Some(path) = &config.init {
        checkpoint::load_weights(&mut model, &load_file(path)?).map_err(|e| {
            Failure::new(Code::Model, e).at(path.display()).next(
                "--init takes a safetensors file with the shapes of this network: see --hidden",
            )
        })?;
    }
    Ok(model)
}

/// A machine that cannot hold the network says so before it tries.
fn check_memory(architecture: &Architecture, memory: Option<u64>) -> Outcome {
    architecture.check().map_err(network_failure)?;
    // Weights, two moments, and the last good weights.
    let needed = 4 * (architecture.parameters() * size_of::<f32>()) as u64;
    match memory {
        Some(there) if needed > there => {
            let giga = |bytes: u64| bytes as f64 / 1e9;
            Err(Failure::usage("the network is larger than the memory of this machine")
                .at(format_args!(
                    "{} parameters take {:.1} GB, of {:.1} GB",
                    Grouped(architecture.parameters()),
                    giga(needed),
                    giga(there)
                ))
                .next("take fewer units: --hidden"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_no_memory_holds_is_refused() {
        let network = Sequential::new(&[100]).dense(99, Activation::Relu);
        let network = network.dense(10, Activation::Softmax);
        // 101 x 99 and 100 x 10, of sixteen bytes each.
        let needed = 16 * (9_999 + 1_000);
        for memory in [None, Some(needed)] {
            assert!(check_memory(network.architecture(), memory).is_ok());
        }
        let failure =
            check_memory(network.architecture(), Some(needed - 1)).expect_err("too large");
        assert!(failure.to_string().contains("10,999 parameters"), "{failure}");
    }
}
