//! What can go wrong, by who is at fault.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network asked for cannot be built.
    #[error("bad architecture: {0}")]
    Architecture(String),
    /// Inputs or labels do not fit the network, or each other.
    #[error("{0}")]
    Input(String),
    /// A setting of a training makes no sense, or not with the others or this network.
    #[error("{0}")]
    Setting(String),
    /// This machine cannot do what was asked for.
    #[error("{0}")]
    Machine(String),
    /// Here a training would go on to other bits than where its state was made.
    #[error("the state is that of a training in {state}, and here it would go on in {here}")]
    Arithmetic {
        /// How sums were rounded there.
        state: &'static str,
        /// How they are here.
        here: &'static str,
    },
    /// Training left the finite numbers.
    #[error(
        "training diverged: the loss of epoch {epoch}, step {step} is {loss}; \
         try a smaller learning rate"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// Mean loss of that step's batch.
        loss: f64,
    },
    /// The observer asked to stop.
    #[error("training was stopped in epoch {epoch}, step {step}")]
    Stopped {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps of the epoch that were done.
        step: usize,
    },
    /// A model file is not one, or not one that this version reads.
    #[error("bad model file: {0}")]
    Checkpoint(String),
}
