//! Joining many: as they end, until a deadline, until the first failure; and
//! what is left of one that stops waiting.

mod common;

use common::{Counted, Random, until, workers};
use greenroom::{Ending, IWait, JoinError, JoinHandle};
use greenroom::{iwait, joinall, joinall_timeout, try_joinall};
use greenroom::{park, sleep, spawn, timeout, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(5);

#[test]
fn they_come_as_they_end() {
    let waits = || {
        let handles: Vec<_> = (0..100)
            .map(|n| {
                spawn(move || {
                    park();
                    assert!(n != 42, "on purpose");
                    n
                })
            })
            .collect();
        let greens: Vec<_> = handles.iter().map(|h| h.thread().clone()).collect();
        let mut ends = iwait(handles);
        for n in (0..100).rev() {
            assert_eq!(ends.len(), n + 1);
            greens[n].unpark();
            match ends.next().unwrap() {
                (number, Ok(value)) => assert!(number == n && value == n),
                (number, Err(error)) => assert!(number == 42 && error.is_panic()),
            }
        }
        assert!(ends.next().is_none() && ends.next().is_none());
        assert!(iwait(Vec::<JoinHandle<()>>::new()).next().is_none());
    };
    workers(2, || {
        waits();
        spawn(waits).join().unwrap();
    });
}

/// Those that have ended before come first, in the order given.
#[test]
fn those_that_have_ended_need_no_wait() {
    workers(1, || {
        let handles: Vec<_> = (0..5).map(|n| spawn(move || n)).collect();
        until(|| handles.iter().all(|h| h.is_finished()));
        let mut ends = iwait(handles);
        let got: Vec<_> =
            std::iter::from_fn(|| ends.next_timeout(Duration::ZERO)).map(|(n, _)| n).collect();
        assert_eq!(got, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn what_is_left_comes_back() {
    workers(2, || {
        let handles: Vec<_> = (0..4).map(|_| spawn(park)).collect();
        let greens: Vec<_> = handles.iter().map(|h| h.thread().clone()).collect();
        let mut ends = iwait(handles);
        assert!(ends.next_timeout(SOON).is_none());
        greens[2].unpark();
        assert_eq!(ends.next().unwrap().0, 2);
        // It ends, and is not asked for.
        greens[3].unpark();
        until(|| greens[3].is_finished());
        let rest = ends.into_rest();
        assert_eq!(rest.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 3]);
        greens.iter().for_each(|g| g.unpark());
        assert!(joinall(rest.into_iter().map(|(_, handle)| handle)).iter().all(Result::is_ok));
    });
}

/// It may be made here and used there.
#[test]
fn it_travels() {
    workers(2, || {
        let green = spawn(park);
        let waker = green.thread().clone();
        let mut ends = iwait([green]);
        assert!(ends.next_timeout(SOON).is_none());
        let there = spawn(move || {
            assert!(ends.next_timeout(SOON).is_none());
            ends
        });
        let mut ends = there.join().unwrap();
        let last = std::thread::spawn(move || ends.next().unwrap());
        waker.unpark();
        last.join().unwrap().1.unwrap();
    });
}

#[test]
fn oneself_is_an_error_at_once() {
    workers(1, || {
        let own: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
        let theirs = own.clone();
        let green = spawn(move || {
            let mine = loop {
                match theirs.lock().unwrap().take() {
                    Some(mine) => break mine,
                    None => yield_now(),
                }
            };
            let (number, result) = iwait([mine]).next().unwrap();
            assert!(number == 0 && matches!(result, Err(JoinError::Itself)));
        });
        let thread = green.thread().clone();
        *own.lock().unwrap() = Some(green);
        until(|| thread.is_finished());
    });
}

/// Also if it was another who asked: once all others have ended.
#[test]
fn oneself_is_an_error_when_it_comes_from_elsewhere() {
    workers(1, || {
        let own: Arc<Mutex<Option<IWait<()>>>> = Arc::default();
        let theirs = own.clone();
        let green = spawn(move || {
            let ends = loop {
                match theirs.lock().unwrap().take() {
                    Some(ends) => break ends,
                    None => yield_now(),
                }
            };
            let ends: Vec<_> = ends.map(|(number, end)| (number, end.err())).collect();
            assert!(matches!(ends[..], [(1, None), (0, Some(JoinError::Itself))]));
        });
        let thread = green.thread().clone();
        let (tell, told) = std::sync::mpsc::channel();
        thread.on_finish(move |_, how| tell.send(how).unwrap());
        *own.lock().unwrap() = Some(iwait([green, spawn(yield_now)]));
        assert_eq!(told.recv().unwrap(), Ending::Returned);
    });
}

/// Killed, or with its iterator dropped, it leaves nothing behind: the handles
/// are detached, and those for which it waited go on and end.
#[test]
fn one_that_gives_up_leaves_nothing() {
    workers(2, || {
        for killed in [true, false] {
            let (waiting, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let parked: Vec<_> = (0..10)
                .map(|_| {
                    let ended = ended.clone();
                    spawn(move || {
                        park();
                        ended.fetch_add(1, SeqCst);
                    })
                })
                .collect();
            let greens: Vec<_> = parked.iter().map(|h| h.thread().clone()).collect();
            let waits = waiting.clone();
            let waiter = spawn(move || {
                let mut ends = iwait(parked);
                assert!(ends.next_timeout(SOON).is_none());
                waits.fetch_add(1, SeqCst);
                if killed {
                    ends.next();
                }
            });
            until(|| waiting.load(SeqCst) == 1);
            if killed {
                waiter.kill();
                assert!(waiter.join().unwrap_err().is_killed());
            } else {
                waiter.join().unwrap();
            }
            greens.iter().for_each(|g| g.unpark());
            until(|| ended.load(SeqCst) == 10);
        }
    });
}

#[test]
fn joinall_with_a_limit() {
    workers(2, || {
        let start = Instant::now();
        let handles: Vec<_> =
            (0..6).map(|n| spawn(move || if n % 2 == 0 { n } else { park_and(n) })).collect();
        until(|| handles.iter().step_by(2).all(|h| h.is_finished()));
        let patience = Duration::from_millis(30);
        let joined = joinall_timeout(handles, patience);
        assert!(start.elapsed() >= patience);
        for (n, one) in joined.into_iter().enumerate() {
            match one {
                Ok(result) => assert!(n % 2 == 0 && result.unwrap() == n),
                Err(handle) => {
                    assert!(n % 2 == 1);
                    handle.thread().unpark();
                    assert_eq!(handle.join().unwrap(), n);
                }
            }
        }
        let all = joinall_timeout((0..10).map(|n| spawn(move || n)), NOT_SOON);
        let all: Vec<usize> = all.into_iter().map(|one| one.unwrap().unwrap()).collect();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    });
}

fn park_and<T>(value: T) -> T {
    park();
    value
}

#[test]
fn the_first_failure_ends_it() {
    workers(2, || {
        let late = Arc::new(AtomicUsize::new(0));
        let goes_on = late.clone();
        let survivor = spawn(move || {
            park();
            goes_on.fetch_add(1, SeqCst);
            0
        });
        let green = survivor.thread().clone();
        let fails = spawn(|| {
            sleep(SOON);
            panic!("on purpose")
        });
        let error = try_joinall([survivor, fails]).unwrap_err();
        assert!(error.is_panic());
        assert_eq!(late.load(SeqCst), 0);
        green.unpark();
        until(|| late.load(SeqCst) == 1);
        let handles = (0..50).map(|n| spawn(move || n));
        assert_eq!(try_joinall(handles).unwrap(), (0..50).collect::<Vec<_>>());
    });
}

/// Ends, deadlines, kills and drops at once: each result goes to one, once.
#[test]
fn races_lose_nothing() {
    const ROUNDS: usize = 1500;
    const EACH: usize = 4;
    workers(2, || {
        let mut random = Random::new(3);
        for _ in 0..ROUNDS {
            let spins: Vec<_> = (0..EACH).map(|_| random.below(3000)).collect();
            let limit = Duration::from_nanos(random.below(60_000));
            let what = random.below(4);
            let waiter = spawn(move || {
                let handles = spins.into_iter().map(|spins| {
                    spawn(move || {
                        (0..spins).for_each(|_| std::hint::spin_loop());
                        yield_now();
                        Counted::new()
                    })
                });
                let mut ends = iwait(handles.collect::<Vec<_>>());
                while ends.next_timeout(limit).is_some() {}
                match what {
                    0 => drop(ends),
                    1 => drop(joinall(ends.into_rest().into_iter().map(|(_, h)| h))),
                    _ => assert!(ends.all(|(_, result)| result.is_ok())),
                }
            });
            if what == 3 {
                waiter.kill();
            }
            match waiter.join() {
                Ok(()) => {}
                Err(error) => assert!(what == 3 && error.is_killed(), "{error}"),
            }
        }
        until(|| common::DROPPED.load(SeqCst) == common::MADE.load(SeqCst));
        // A fresh waiter that was killed never made any.
        assert!(common::MADE.load(SeqCst) >= ROUNDS * EACH / 2);
    });
}

/// A `timeout` around the wait takes nothing away.
#[test]
fn cut_short_it_goes_on() {
    workers(2, || {
        let mut random = Random::new(9);
        for _ in 0..300 {
            let handles: Vec<_> = (0..4)
                .map(|n| {
                    let spins = random.below(20_000);
                    spawn(move || {
                        (0..spins).for_each(|_| std::hint::spin_loop());
                        n
                    })
                })
                .collect();
            let limit = Duration::from_nanos(random.below(30_000));
            let waiter = spawn(move || {
                let mut ends = iwait(handles);
                let mut got = Vec::new();
                while got.len() < 4 {
                    if let Ok(Some((number, result))) = timeout(limit, || ends.next()) {
                        assert_eq!(result.unwrap(), number);
                        got.push(number);
                    }
                    yield_now();
                }
                got.sort();
                got
            });
            assert_eq!(waiter.join().unwrap(), [0, 1, 2, 3]);
        }
    });
}

#[test]
fn ten_thousand() {
    workers(2, || {
        let handles: Vec<_> = (0..10_000).map(|n| spawn(move || n)).collect();
        let mut seen = vec![false; 10_000];
        for (number, result) in iwait(handles) {
            assert_eq!(result.unwrap(), number);
            assert!(!std::mem::replace(&mut seen[number], true));
        }
        assert!(seen.iter().all(|seen| *seen));
    });
}
