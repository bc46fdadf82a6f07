//! The family *select*: each way to wait for many, on green threads.

#[macro_use]
mod common_net;

use common_net::many::{self, READ, WAYS, WRITE};
use common_net::{about, all_done, alone, done, green, ms, os, patched, settle, tcp_pair, timed};
use common_net::{c, until};
use libc::{c_int, epoll_event};
use std::io::Write;
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering::*};

const NOTHING: epoll_event = epoll_event { events: 0, u64: 0 };

/// On one worker, each of them waits while the others do.
#[test]
fn they_wait_together() {
    patched(1);
    let _alone = alone();
    for millis in [40, 0] {
        let (took, answers) = timed(|| {
            all_done(WAYS.iter().flat_map(|&(_, way)| (0..10).map(move |_| way)).map(|way| {
                greenroom::spawn(move || {
                    let [fd, other] = c::unix_pair(libc::SOCK_STREAM);
                    let (took, answer) = timed(|| way(fd, READ, Some(millis)));
                    c::close(other);
                    c::close(fd);
                    (took, answer)
                })
            }))
        });
        for (took, answer) in answers {
            assert_eq!(answer, (0, 0));
            assert!(took >= ms(u64::from(millis)), "{took:?}");
        }
        if millis > 0 {
            about(took, 40);
        }
    }
}

/// Each wakes when there is something, without a deadline and long before one.
#[test]
fn they_wake_for_what_comes() {
    patched(1);
    let _alone = alone();
    for millis in [None, Some(30_000)] {
        let parked = WAYS.iter().map(|&(name, way)| {
            let (here, there) = tcp_pair();
            let waiter = greenroom::spawn(move || {
                assert_eq!(way(here.as_raw_fd(), WRITE | READ, millis).0, 1, "{name}: writable");
                way(here.as_raw_fd(), READ, millis).0
            });
            (name, waiter, there)
        });
        let parked: Vec<_> = parked.collect();
        settle();
        for (name, waiter, mut there) in parked {
            assert!(!waiter.is_finished(), "{name}");
            there.write_all(b"x").unwrap();
            assert_eq!(done(waiter), 1, "{name}");
        }
    }
}

/// `select` says what was left of its time, `pselect` does not.
#[test]
fn what_is_left_of_the_time() {
    patched(1);
    let _alone = alone();
    fn left(fd: c_int) -> (i64, i64, i64) {
        let mut time = libc::timeval { tv_sec: 3, tv_usec: 7_000_000 };
        let [_, mut write, _] = many::sets(fd, WRITE);
        let n = c!(libc::select(fd + 1, null_mut(), &mut write, null_mut(), &mut time));
        (n, time.tv_sec, time.tv_usec.min(1))
    }
    let (here, _there) = tcp_pair();
    let fd = here.as_raw_fd();
    // Who is stopped for a second has one less.
    assert!((0..3).any(|_| green(move || left(fd)) == os(move || left(fd))));
    let [mut read, ..] = many::sets(fd, READ);
    green(move || {
        let mut time = libc::timeval { tv_sec: 0, tv_usec: 20_000 };
        assert_eq!(c!(libc::select(fd + 1, &mut read, null_mut(), null_mut(), &mut time)), 0);
        assert_eq!((time.tv_sec, time.tv_usec), (0, 0));
        let (took, n) =
            timed(|| c!(libc::select(0, null_mut(), null_mut(), null_mut(), &mut millis(30))));
        about(took, 30);
        assert_eq!(n, 0);
    });
}

fn millis(millis: i64) -> libc::timeval {
    libc::timeval { tv_sec: 0, tv_usec: millis * 1000 }
}

unsafe extern "C" {
    fn __poll_chk(list: *mut libc::pollfd, count: libc::nfds_t, ms: c_int, size: usize) -> c_int;
    fn __ppoll_chk(
        list: *mut libc::pollfd,
        count: libc::nfds_t,
        time: *const libc::timespec,
        mask: *const libc::sigset_t,
        size: usize,
    ) -> c_int;
}

/// As fortified programs call them: together on one worker, and woken.
#[test]
fn the_fortified_ones_park() {
    patched(1);
    let _alone = alone();
    const SIZE: usize = size_of::<libc::pollfd>();
    let forms: [fn(&mut libc::pollfd) -> i64; 2] = [
        |one| c!(__poll_chk(one, 1, -1, SIZE)),
        |one| c!(__ppoll_chk(one, 1, std::ptr::null(), std::ptr::null(), SIZE)),
    ];
    let (here, mut there) = tcp_pair();
    let fd = here.as_raw_fd();
    let waiters = forms.map(|form| {
        greenroom::spawn(move || {
            let mut one = libc::pollfd { fd, events: READ, revents: 0 };
            (form(&mut one), one.revents)
        })
    });
    settle();
    green(|| ()); // the worker is free
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    there.write_all(b"x").unwrap();
    assert_eq!(all_done(waiters), [(1, READ); 2]);
}

/// A small event loop: many connections on one epoll, edge-triggered and not,
/// while another green thread has the worker too.
#[test]
fn an_event_loop_leaves_its_worker_free() {
    patched(1);
    let _alone = alone();
    static TURNS: AtomicU32 = AtomicU32::new(0);
    let pairs: Vec<_> = (0..20).map(|_| tcp_pair()).collect();
    let epoll = c!(libc::epoll_create1(0)) as c_int;
    for (i, (here, _)) in pairs.iter().enumerate() {
        let edge = if i % 2 == 0 { libc::EPOLLET } else { 0 };
        let mut event = epoll_event { events: (libc::EPOLLIN | edge) as u32, u64: i as u64 };
        let fd = here.as_raw_fd();
        assert_eq!(c!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event)), 0);
    }
    let fds: Vec<_> = pairs.iter().map(|(here, _)| here.as_raw_fd()).collect();
    let event_loop = greenroom::spawn(move || {
        let (mut bytes, mut events) = (0, [NOTHING; 8]);
        while bytes < 20 * 50 {
            let n = c!(libc::epoll_wait(epoll, events.as_mut_ptr(), 8, -1));
            assert!(n > 0, "{n}");
            TURNS.fetch_add(1, SeqCst);
            for event in &events[..n as usize] {
                let mut buf = [0; 64];
                let fd = fds[event.u64 as usize];
                loop {
                    match c::recv(fd, &mut buf, libc::MSG_DONTWAIT) {
                        n @ 1.. => bytes += n,
                        n => break assert_eq!(n, c::AGAIN),
                    }
                }
            }
        }
    });
    let writers = pairs.into_iter().map(|(here, mut there)| {
        greenroom::spawn(move || {
            for _ in 0..50 {
                there.write_all(b"x").unwrap();
                std::thread::sleep(ms(1));
            }
            (here, there) // open until all has been read
        })
    });
    let writers: Vec<_> = writers.collect();
    done(event_loop);
    drop(all_done(writers));
    assert!(TURNS.load(SeqCst) > 50);
    c::close(epoll);
}

/// Several wait on one epoll, and each event wakes somebody.
#[test]
fn many_on_one_epoll() {
    patched(1);
    let _alone = alone();
    let (here, mut there) = tcp_pair();
    let (fd, epoll) = (here.as_raw_fd(), c!(libc::epoll_create1(0)) as c_int);
    let mut event = epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
    assert_eq!(c!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event)), 0);
    let waiters: Vec<_> = (0..5)
        .map(|_| {
            greenroom::spawn(move || {
                let mut to = NOTHING;
                let n = c!(libc::epoll_wait(epoll, &mut to, 1, -1));
                c::recv(fd, &mut [0], 0);
                n
            })
        })
        .collect();
    settle();
    for _ in 0..5 {
        there.write_all(b"x").unwrap();
    }
    assert_eq!(all_done(waiters), [1; 5]);
    // Closed meanwhile: whoever waits there is told.
    let waiter = greenroom::spawn(move || c!(libc::epoll_wait(epoll, &mut NOTHING.clone(), 1, -1)));
    settle();
    c::close(epoll);
    assert_eq!(done(waiter), c::BADF);
}

static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn catch(_: c_int) {
    CAUGHT.fetch_add(1, SeqCst);
}

/// A signal that is blocked but for the call's mask interrupts it, whether it
/// was pending before or comes while the green thread is parked.
#[test]
fn signals_that_the_mask_lets_through() {
    patched(1);
    let _alone = alone();
    const EINTR: i64 = -(libc::EINTR as i64);
    let [fd, _other] = c::unix_pair(libc::SOCK_STREAM);
    let masked: [fn(c_int) -> i64; 3] = [
        |fd| many::ppoll(fd, READ, None, &open_mask()).0,
        |fd| many::pselect(fd, READ, Some(30_000), &open_mask()).0,
        |_| {
            let epoll = c!(libc::epoll_create1(0)) as c_int;
            let n = many::epoll_pwait2(epoll, &mut NOTHING.clone(), None, &open_mask());
            c::close(epoll);
            n
        },
    ];
    c!(libc::signal(libc::SIGUSR1, catch as *const () as usize));
    // No thread but the worker may take it.
    assert_eq!(c!(libc::pthread_sigmask(libc::SIG_BLOCK, &blocked(), null_mut())), 0);
    let block = || c!(libc::pthread_sigmask(libc::SIG_BLOCK, &blocked(), null_mut()));
    assert_eq!(green(block), 0);
    for masked in masked {
        let worker = green(|| c!(libc::syscall(libc::SYS_gettid)));
        let send = || c!(libc::syscall(libc::SYS_tgkill, libc::getpid(), worker, libc::SIGUSR1));
        CAUGHT.store(0, SeqCst);
        assert_eq!(send(), 0);
        assert_eq!((green(move || masked(fd)), CAUGHT.load(SeqCst)), (EINTR, 1));
        let parked = greenroom::spawn(move || masked(fd));
        settle();
        assert_eq!(CAUGHT.load(SeqCst), 1);
        assert_eq!(send(), 0);
        assert_eq!((done(parked), CAUGHT.load(SeqCst)), (EINTR, 2));
    }
    let unblock = || c!(libc::pthread_sigmask(libc::SIG_UNBLOCK, &blocked(), null_mut()));
    assert_eq!(green(unblock), 0);
    until(|| CAUGHT.load(SeqCst) == 2);
}

fn blocked() -> libc::sigset_t {
    // SAFETY: fills in a set.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGUSR1);
        set
    }
}

fn open_mask() -> libc::sigset_t {
    // SAFETY: an empty set.
    unsafe { zeroed() }
}
