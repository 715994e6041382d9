//! How many threads, and the team of them that the library keeps.

use crate::settings::say;
use kernels::Team;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, TryLockError};

/// Variables that say how many threads, the first one first.
const VARIABLES: [&str; 3] = ["WEFT_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"];

/// Threads of a product; 0 before anybody asked.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Threads that a product may use.
pub(crate) fn count() -> usize {
    match COUNT.load(Relaxed) {
        0 => {
            let count = asked_for(|name| std::env::var(name).ok());
            // Whoever was first has said it.
            let _ = COUNT.compare_exchange(0, count, Relaxed, Relaxed);
            COUNT.load(Relaxed).max(1)
        }
        count => count,
    }
}

/// Sets the threads that a product may use; 0: what environment and machine say.
pub(crate) fn set(count: usize) {
    COUNT.store(count, Relaxed);
}

/// What the environment says, else as many as the process may use.
fn asked_for(variable: impl Fn(&str) -> Option<String>) -> usize {
    for name in VARIABLES {
        let Some(value) = variable(name) else { continue };
        // OpenMP's may be a list, a number for each level of nesting.
        let first = value.split(',').next().unwrap_or("").trim();
        match first.parse() {
            Ok(count) if count > 0 => return count,
            _ if first.is_empty() => {}
            _ => say(format_args!("{name} is `{value}`: not a number of threads; set 1 or more")),
        }
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A team, and the process whose threads it has.
struct Kept {
    team: Team,
    process: u32,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// Calls `f` with the library's team of [`count`] threads if `threads` is more than one and no other product
/// has it. Nobody waits for it: who comes second finds the cores busy anyway.
pub(crate) fn with_team<R>(threads: usize, f: impl FnOnce(Option<&mut Team>) -> R) -> R {
    if threads < 2 {
        return f(None);
    }
    let mut kept = match KEPT.try_lock() {
        Ok(kept) => kept,
        Err(TryLockError::Poisoned(kept)) => kept.into_inner(),
        Err(TryLockError::WouldBlock) => return f(None),
    };
    f(team(&mut kept, count(), std::process::id()))
}

/// The team that is kept, made anew if it has another number of threads or belongs to another process.
fn team(kept: &mut Option<Kept>, threads: usize, process: u32) -> Option<&mut Team> {
    if kept.as_ref().is_some_and(|kept| kept.process != process) {
        // We are a child of `fork`: the parent's threads are not here, and nobody may wait for their end.
        core::mem::forget(kept.take());
    }
    if kept.as_ref().is_none_or(|kept| kept.team.threads() != threads) {
        *kept = None;
        match Team::try_new(threads) {
            Ok(team) => *kept = Some(Kept { team, process }),
            Err(why) => {
                say(format_args!("cannot start {threads} threads ({why}): products run on one"));
                set(1);
            }
        }
    }
    kept.as_mut().map(|kept| &mut kept.team)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> usize {
        let find = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
        asked_for(find)
    }

    #[test]
    fn the_first_variable_that_says_a_number_is_taken() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(with(&[]), cores);
        assert_eq!(with(&[("OMP_NUM_THREADS", "3,2")]), 3);
        assert_eq!(with(&[("OMP_NUM_THREADS", "3"), ("OPENBLAS_NUM_THREADS", "4")]), 4);
        assert_eq!(with(&[("OMP_NUM_THREADS", "3"), ("WEFT_NUM_THREADS", " 5 ")]), 5);
        assert_eq!(with(&[("OMP_NUM_THREADS", "3"), ("WEFT_NUM_THREADS", "")]), 3);
        for bad in ["0", "-1", "two", "99999999999999999999999"] {
            assert_eq!(with(&[("WEFT_NUM_THREADS", bad)]), cores, "{bad}");
        }
    }

    #[test]
    fn a_team_is_kept_until_another_is_wanted() {
        let mut kept = None;
        let threads = |team: Option<&mut Team>| team.map(|team| team.threads());
        assert_eq!(threads(team(&mut kept, 2, 1)), Some(2));
        assert_eq!(threads(team(&mut kept, 3, 1)), Some(3));
        // Another process, by the number: the old team is forgotten, not waited for.
        assert_eq!(threads(team(&mut kept, 3, 2)), Some(3));
        assert_eq!(kept.as_ref().map(|kept| kept.process), Some(2));
    }

    #[test]
    fn who_comes_second_gets_no_team() {
        let inner = |team: Option<&mut Team>| {
            assert!(team.is_some());
            std::thread::spawn(|| with_team(2, |team| team.is_none())).join().is_ok_and(|none| none)
        };
        set(2);
        assert!(with_team(2, inner));
        assert!(with_team(1, |team| team.is_none()));
    }
}
