//! The patched ways to sleep and to yield: on a green thread they let the
//! others run, and answer as libc does on an OS thread.

#[macro_use]
mod common_net;

use common_net::{all_done, alone, c, done, green, ms, os, patched, timed};
use libc::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, TIMER_ABSTIME, clockid_t, timespec};
use std::fmt::Write;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Ten of these on one worker, together.
fn ten(nap: impl Fn() + Send + Sync + 'static) -> Duration {
    let nap = Arc::new(nap);
    let start = || {
        let nap = nap.clone();
        greenroom::spawn(move || nap())
    };
    timed(|| all_done((0..10).map(|_| start()))).0
}

#[test]
fn ten_sleepers_sleep_together() {
    patched(1);
    let _alone = alone();
    let took = ten(|| thread::sleep(ms(200)));
    assert!((ms(200)..ms(1950)).contains(&took), "{took:?}");
}

fn in_future(clock: clockid_t, nanos: i64) -> timespec {
    let mut at = timespec { tv_sec: 0, tv_nsec: 0 };
    assert_eq!(c!(libc::clock_gettime(clock, &mut at)), 0);
    let total = at.tv_nsec + nanos;
    timespec { tv_sec: at.tv_sec + total / 1_000_000_000, tv_nsec: total % 1_000_000_000 }
}

#[test]
fn every_function_of_c_sleeps_together() {
    patched(1);
    let _alone = alone();
    let rest = timespec { tv_sec: 0, tv_nsec: 300_000_000 };
    let mut naps: Vec<Box<dyn Fn() + Send + Sync>> = vec![
        Box::new(move || assert_eq!(c!(libc::nanosleep(&rest, null_mut())), 0)),
        Box::new(|| assert_eq!(c!(libc::usleep(300_000)), 0)),
    ];
    for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME] {
        let sleep = libc::clock_nanosleep;
        naps.push(Box::new(move || assert_eq!(c!(sleep(clock, 0, &rest, null_mut())), 0)));
        naps.push(Box::new(move || {
            let at = in_future(clock, 300_000_000);
            assert_eq!(c!(sleep(clock, TIMER_ABSTIME, &at, null_mut())), 0);
            let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
            assert_eq!(c!(libc::clock_gettime(clock, &mut now)), 0);
            assert!((now.tv_sec, now.tv_nsec) >= (at.tv_sec, at.tv_nsec));
        }));
    }
    for (i, nap) in naps.into_iter().enumerate() {
        let took = ten(nap);
        assert!((ms(300)..ms(2700)).contains(&took), "{i}: {took:?}");
    }
    let took = ten(|| assert_eq!(c!(libc::sleep(1)), 0));
    assert!((ms(1000)..ms(9000)).contains(&took), "{took:?}");
}

/// What libc says to good and bad times on every clock.
fn answers() -> String {
    let mut log = String::new();
    let clocks = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 99, -1];
    let times = [(0, 0), (0, -1), (0, 1_000_000_000), (-1, 0), (0, 1), (0, 1_000_000), (1, -1)];
    for clock in clocks {
        // CPU time may stand still: only what does not wait for it.
        let waits = |nsec| matches!(clock, 2 | 3) && (1..1_000_000_000).contains(&nsec);
        for (sec, nsec) in times.into_iter().filter(|(_, nsec)| !waits(*nsec)) {
            let time = timespec { tv_sec: sec, tv_nsec: nsec };
            for flags in [0, TIMER_ABSTIME, 2] {
                let mut left = timespec { tv_sec: 7, tv_nsec: 7 };
                let r = c!(libc::clock_nanosleep(clock, flags, &time, &mut left));
                writeln!(log, "{clock} {flags} {sec} {nsec}: {r} {}", left.tv_sec).unwrap();
            }
        }
        writeln!(log, "{clock}: {}", c!(libc::clock_nanosleep(clock, 0, null(), null_mut())))
            .unwrap();
    }
    for (sec, nsec) in times {
        let time = timespec { tv_sec: sec, tv_nsec: nsec };
        writeln!(log, "{sec} {nsec}: {}", c!(libc::nanosleep(&time, null_mut()))).unwrap();
    }
    writeln!(log, "{} {}", c!(libc::nanosleep(null(), null_mut())), c!(libc::usleep(0))).unwrap();
    writeln!(log, "{} {}", c!(libc::sleep(0)), c!(libc::sched_yield())).unwrap();
    log
}

#[test]
fn bad_times_get_the_kernels_answers() {
    patched(1);
    let (there, here) = (os(answers), green(answers));
    for (there, here) in there.lines().zip(here.lines()) {
        assert_eq!(here, there);
    }
    assert_eq!(here.lines().count(), there.lines().count());
}

#[test]
fn yielding_goes_round() {
    patched(1);
    let turns = Arc::new(Mutex::new(Vec::new()));
    let log = turns.clone();
    let each = move |name: char| {
        let log = log.clone();
        move || {
            for turn in 0..4 {
                log.lock().unwrap().push(format!("{name}{turn}"));
                thread::yield_now();
            }
        }
    };
    // Spawned by a green thread that does not wait: all start after it.
    green(move || {
        let all = ['a', 'b', 'c'].map(|name| greenroom::spawn(each(name)));
        all_done(all);
    });
    let expected = (0..4).flat_map(|turn| ['a', 'b', 'c'].map(|name| format!("{name}{turn}")));
    assert_eq!(*turns.lock().unwrap(), expected.collect::<Vec<_>>());
}

#[test]
fn yielding_lets_a_waiter_see_what_it_waits_for() {
    patched(1);
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let waiter = greenroom::spawn(move || {
        while !seen.load(SeqCst) {
            thread::yield_now();
        }
    });
    let setter = greenroom::spawn(move || flag.store(true, SeqCst));
    done(setter);
    done(waiter);
}

/// A call that succeeds leaves errno alone, also if others ran meanwhile.
#[test]
fn errno_survives_sleeping() {
    patched(1);
    let ran = Arc::new(AtomicU32::new(0));
    let others = ran.clone();
    green(move || {
        let noisy = greenroom::spawn(move || {
            for _ in 0..50 {
                others.fetch_add(1, SeqCst);
                c::set_errno(libc::ENOENT);
                thread::yield_now();
            }
        });
        c::set_errno(libc::ENOTTY);
        let rest = timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        assert_eq!((c!(libc::nanosleep(&rest, null_mut())), c::errno()), (0, libc::ENOTTY));
        assert!(ran.load(SeqCst) > 0);
        assert_eq!((c!(libc::usleep(10)), c::errno()), (0, libc::ENOTTY));
        assert_eq!((c!(libc::sched_yield()), c::errno()), (0, libc::ENOTTY));
        done(noisy);
    });
}
