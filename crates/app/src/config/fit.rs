//! How to train: the settings as `nn` takes them. Those that would do nothing beside the others are refused.

use crate::exit::{Failure, Outcome};
use crate::settings::{self, Resolved};
use nn::{
    AdamWConfig, Augment, Average, EarlyStopping, FitConfig, Monitor, Optimizer, Schedule,
    SgdConfig, WarmUp,
};

/// How to train.
pub(super) fn config(settings: &settings::Settings, resolved: &Resolved) -> Outcome<FitConfig> {
    let settings::Settings { training, optimizer, learning_rate, validation, .. } = settings;
    let schedule = schedule_of(learning_rate);
    check_learning_rate(&schedule, optimizer.lr, learning_rate, resolved)?;
    let settings::Validation { split, patience, min_delta, monitor, restore_best } = validation;
    check_validation(validation, resolved)?;
    Ok(FitConfig {
        epochs: training.epochs as usize,
        batch_size: training.batch_size as usize,
        optimizer: optimizer_of(optimizer, resolved)?,
        clip_norm: optimizer.clip_norm,
        label_smoothing: training.label_smoothing,
        shuffle: training.shuffle,
        seed: training.seed,
        max_steps: training.max_steps,
        precision: training.precision,
        skip_zeros: !training.dense,
        schedule,
        warm_up: WarmUp { steps: learning_rate.warmup, ..WarmUp::default() },
        validation_split: *split,
        early_stopping: patience
            .map(|patience| EarlyStopping { patience: patience as usize, min_delta: *min_delta }),
        monitor: if monitor == "accuracy" { Monitor::Accuracy } else { Monitor::Loss },
        restore_best: *restore_best,
        augment: Augment { shift: settings.augment.shift, flip: settings.augment.flip },
        average: average_of(settings, resolved)?,
    })
}

/// How the learning rate changes.
fn schedule_of(given: &settings::LearningRate) -> Schedule {
    let settings::LearningRate { schedule, lr_min, lr_factor, lr_every, lr_patience, .. } = given;
    match Schedule::named(schedule).unwrap_or_default() {
        Schedule::Step { .. } => Schedule::Step { every: *lr_every as usize, gamma: *lr_factor },
        Schedule::Cosine { .. } => Schedule::Cosine { min: *lr_min },
        Schedule::Plateau { threshold, cooldown, .. } => Schedule::Plateau {
            factor: *lr_factor,
            patience: *lr_patience as usize,
            threshold,
            cooldown,
            min: *lr_min,
        },
        other => other,
    }
}

/// Which weights are averaged.
fn average_of(given: &settings::Settings, resolved: &Resolved) -> Outcome<Average> {
    let (all, settings::Average { ema, last }) = (given.training.epochs, &given.average);
    let refuse = |what: String, next: &str| {
        Err(Failure::usage(what).at(resolved.place("average.last")).next(next))
    };
    Ok(match (*ema, *last) {
        (None, None) => Average::Off,
        (Some(decay), None) => Average::Ema { decay },
        (None, Some(last)) if last > all => {
            let what = format!("an average of the last {last} of {all} epochs");
            return refuse(what, "average no more of them than there are");
        }
        (None, Some(last)) => Average::Last { epochs: last as usize },
        (Some(_), Some(_)) => {
            let what = "--average-ema and --average-last exclude each other";
            return refuse(what.to_owned(), "leave one of them out");
        }
    })
}

/// What is held back decides something, or settings about that would do nothing.
fn check_validation(given: &settings::Validation, resolved: &Resolved) -> Outcome {
    let settings::Validation { split, patience, min_delta, monitor, restore_best } = given;
    let (stops, other) = (patience.is_some(), monitor != settings::MONITOR);
    for (needs, id) in [(stops, "patience"), (*restore_best, "restore_best"), (other, "monitor")] {
        if needs && *split == 0.0 {
            return Err(Failure::usage("there are no images to stop or choose by")
                .at(resolved.place(id))
                .next("hold some back: --val-split 0.1"));
        }
    }
    if *min_delta > 0.0 && !stops {
        return Err(Failure::usage("nothing stops the training where it improves by less")
            .at(resolved.place("min_delta"))
            .next("say when: --early-stopping 3"));
    }
    Ok(())
}

/// The settings of a schedule are for those that have them.
fn check_learning_rate(
    schedule: &Schedule,
    lr: f64,
    given: &settings::LearningRate,
    resolved: &Resolved,
) -> Outcome {
    use Schedule::{Cosine, Plateau, Step};
    let settings::LearningRate { lr_min, lr_factor, lr_every, lr_patience, .. } = given;
    let (step, plateau) = (matches!(schedule, Step { .. }), matches!(schedule, Plateau { .. }));
    let least = plateau || matches!(schedule, Cosine { .. });
    let idle = [
        (*lr_min != 0.0 && !least, "lr_min", "cosine or plateau"),
        (*lr_factor != settings::LR_FACTOR && !step && !plateau, "lr_factor", "step or plateau"),
        (*lr_every != settings::LR_EVERY && !step, "lr_every", "step"),
        (*lr_patience != settings::LR_PATIENCE && !plateau, "lr_patience", "plateau"),
    ];
    if let Some((_, id, takes)) = idle.into_iter().find(|(idle, ..)| *idle) {
        let what = format!("the schedule {} has no such setting", schedule.name());
        return Err(Failure::usage(what)
            .at(resolved.place(id))
            .next(format_args!("take --schedule {takes}, or {}", resolved.leave_out(id))));
    }
    if *lr_min > lr {
        return Err(Failure::usage(format_args!(
            "the learning rate begins at {lr}, below its least"
        ))
        .at(resolved.place("lr_min"))
        .next("choose a smaller --lr-min or a larger --lr"));
    }
    Ok(())
}

/// The optimiser with its settings; those that it does not have are refused.
fn optimizer_of(given: &settings::Optimizer, resolved: &Resolved) -> Outcome<Optimizer> {
    let settings::Optimizer { name, lr, momentum, nesterov, weight_decay, .. } = *given;
    let refuse = |what: &str, id: &str, takes: &str| {
        let what = format!("{} has no {what}", name.name());
        let next = format!("take --optimizer {takes}, or {}", resolved.leave_out(id));
        Err(Failure::usage(what).at(resolved.place(id)).next(next))
    };
    if !matches!(name, Optimizer::Sgd(_)) {
        let next = "sgd";
        if momentum.is_some() {
            return refuse("momentum that can be set", "momentum", next);
        }
        if nesterov {
            return refuse("Nesterov's momentum", "nesterov", next);
        }
    }
    Ok(match name.with_lr(lr) {
        Optimizer::Adam(_) if weight_decay.is_some() => {
            return refuse("weight decay", "weight_decay", "adamw");
        }
        Optimizer::Adam(adam) => adam.into(),
        Optimizer::AdamW(adamw) => {
            let weight_decay = weight_decay.unwrap_or(adamw.weight_decay);
            AdamWConfig { weight_decay, ..adamw }.into()
        }
        Optimizer::Sgd(sgd) => {
            let (momentum, weight_decay) =
                (momentum.unwrap_or(sgd.momentum), weight_decay.unwrap_or(sgd.weight_decay));
            if nesterov && momentum == 0.0 {
                return Err(Failure::usage("Nesterov's form of no momentum")
                    .at(resolved.place("nesterov"))
                    .next("give a momentum, such as --momentum 0.9"));
            }
            SgdConfig { momentum, nesterov, weight_decay, ..sgd }.into()
        }
    })
}
