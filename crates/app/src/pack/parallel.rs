//! Doing the same to many pictures, as many at once as there are threads.

use super::{Error, Picture, Work};
use std::borrow::Borrow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

fn of<P: Borrow<Picture>>(picture: &P) -> &Picture {
    picture.borrow()
}

/// `f` of all pictures, in their order. Where it fails the reason is in the place of the result; but if bad ones are not
/// to be skipped, the first that fails, in the order of the pictures, ends it. `progress` hears how many are done.
pub(super) fn map<P: Borrow<Picture> + Sync, R: Send>(
    pictures: &[P],
    work: Work,
    f: impl Fn(&Picture) -> Result<R, String> + Sync,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Result<R, String>>, Error> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut all: Vec<Option<Result<R, String>>> = pictures.iter().map(|_| None).collect();
    let serve = |done: mpsc::Sender<(usize, Result<R, String>)>| {
        // Taken in order: when one fails, all before it have been taken, too.
        while !stop.load(Ordering::Relaxed) {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(picture) = pictures.get(i) else { return };
            let result = f(of(picture));
            if result.is_err() && !work.skip_bad {
                stop.store(true, Ordering::Relaxed);
            }
            if done.send((i, result)).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        let start = |_: &usize| {
            let (serve, done) = (&serve, done.clone());
            thread::Builder::new().spawn_scoped(scope, move || serve(done)).is_ok()
        };
        let threads = work.threads.clamp(1, pictures.len().max(1));
        // Where the system starts no more threads, those that there are do the rest; without any, this one does all.
        if (0..threads).take_while(start).count() == 0 {
            serve(done.clone());
        }
        drop(done);
        for (count, (i, result)) in results.into_iter().enumerate() {
            all[i] = Some(result);
            progress(count + 1);
        }
    });
    let mut results = Vec::with_capacity(pictures.len());
    for (picture, result) in pictures.iter().zip(all) {
        match result {
            Some(Err(what)) if !work.skip_bad => {
                return Err(Error::Picture { path: of(picture).path.clone(), what });
            }
            Some(result) => results.push(result),
            // Only behind one that failed, which is reported before this is reached.
            None => unreachable!("every picture is done unless one before it failed"),
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(count: usize) -> Vec<Picture> {
        (0..count).map(|i| Picture { path: i.to_string().into(), class: i as u16 }).collect()
    }

    #[test]
    fn results_come_in_order_and_are_counted() {
        let work = Work { threads: 3, skip_bad: false };
        let mut seen = Vec::new();
        let done = map(&pictures(100), work, |p| Ok(p.class * 2), &mut |n| seen.push(n));
        let done: Vec<u16> = done.expect("all good").into_iter().flatten().collect();
        assert!(done.iter().enumerate().all(|(i, r)| usize::from(*r) == 2 * i));
        assert_eq!(seen, (1..=100).collect::<Vec<_>>());
        assert!(map(&pictures(0), work, |_| Ok(()), &mut |_| {}).expect("none").is_empty());
    }

    #[test]
    fn the_first_that_fails_is_the_one_that_is_named() {
        let f =
            |p: &Picture| if p.class % 7 == 5 { Err(format!("bad {}", p.class)) } else { Ok(()) };
        for threads in [1, 4] {
            let work = Work { threads, skip_bad: false };
            let failed = map(&pictures(100), work, f, &mut |_| {}).expect_err("some are bad");
            assert!(matches!(failed, Error::Picture { what, .. } if what == "bad 5"));
            let work = Work { threads, skip_bad: true };
            let done = map(&pictures(100), work, f, &mut |_| {}).expect("bad ones are skipped");
            assert_eq!(done.iter().filter(|r| r.is_err()).count(), 14);
        }
    }
}
