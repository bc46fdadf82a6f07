//! Killing green threads in calls of libc's, which fail, and in locks and
//! queues, which they leave without a trace.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{ThreadDump, dump};
use greenroom::queue::{Channel, Queue};
use greenroom::sync::{
    AsyncResult, Barrier, Condvar, Event, Mutex, ReentrantMutex, RwLock, Semaphore,
};
use greenroom::{JoinError, JoinHandle, net, spawn, uncancellable, yield_now};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const NOT_SOON: Duration = Duration::from_secs(3600);

/// Kills one that waits in `wait`, and says how that returned.
fn killed_in<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    let green = begun(wait);
    green.kill();
    green.join()
}

/// One that waits in `wait`, on the only worker.
fn begun<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    begun_after(|| {}, |()| wait())
}

/// One that has made what it needs, and waits.
fn begun_after<N: 'static, T: Send + 'static>(
    make: impl FnOnce() -> N + Send + 'static,
    wait: impl FnOnce(N) -> T + Send + 'static,
) -> JoinHandle<T> {
    let began = Arc::new(AtomicUsize::new(0));
    let begins = began.clone();
    let green = spawn(move || {
        let needed = make();
        begins.fetch_add(1, SeqCst);
        wait(needed)
    });
    until(|| began.load(SeqCst) == 1);
    yield_now();
    green
}

fn is_canceled<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|e| e.raw_os_error() == Some(libc::ECANCELED))
}

fn pair() -> [TcpStream; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    [here, listener.accept().unwrap().0]
}

/// It returns, and so ends as if nobody had killed it.
#[track_caller]
fn fails<N: 'static>(
    make: impl FnOnce() -> N + Send + 'static,
    wait: impl FnOnce(N) -> bool + Send + 'static,
) {
    let green = begun_after(make, wait);
    green.kill();
    assert!(matches!(green.join(), Ok(true)));
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn calls_fail_and_go_on_failing() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        fails(pair, |[mut here, mut there]| {
            let first = is_canceled(here.read(&mut [0]));
            // Also what would not wait.
            first && is_canceled(there.write(b"x")) && is_canceled(here.read(&mut [0]))
        });
        fails(listener, |listener| is_canceled(listener.accept()));
        let explicit = || net::TcpListener::bind("127.0.0.1:0").unwrap();
        fails(explicit, |listener| is_canceled(listener.accept()));
        let udp = || UdpSocket::bind("127.0.0.1:0").unwrap();
        fails(udp, |socket| is_canceled(socket.recv(&mut [0])));
        fails(pair, |[mut here, _there]| is_canceled(here.write_all(&vec![0; 64 << 20])));
    });
}

#[test]
fn waits_for_events_and_children_fail() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        fails(
            || Command::new("sleep").arg("3600").spawn().unwrap(),
            |mut child| {
                let waited = is_canceled(child.wait());
                child.kill().unwrap();
                waited && uncancellable(|| child.wait()).is_ok()
            },
        );
        fails(pair, |[here, _there]| {
            let mut asked = libc::pollfd { fd: here.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry.
            let ready = unsafe { libc::poll(&mut asked, 1, -1) };
            ready == -1 && is_canceled::<()>(Err(io::Error::last_os_error()))
        });
        let nothing = || {};
        // SAFETY: no entry.
        fails(nothing, |()| unsafe { libc::poll(std::ptr::null_mut(), 0, -1) } == -1);
        // SAFETY: takes no pointer.
        fails(nothing, |()| unsafe { libc::sleep(3600) } > 3000);
    });
}

/// std's sleep asserts that it does not fail, so it panics: without a word.
#[test]
fn std_sleeps_end_in_silence() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        greenroom::patch_all().unwrap();
        let killed = killed_in(|| {
            loop {
                thread::sleep(NOT_SOON);
            }
        });
        assert!(matches!(killed, Err(JoinError::Killed)));
    });
    ended.assert_success();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn a_loop_that_ignores_errors_lets_others_run() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let errors = Arc::new(AtomicUsize::new(0));
        let counts = errors.clone();
        let green = begun(move || {
            for _ in listener.incoming().filter_map(Result::err) {
                counts.fetch_add(1, SeqCst);
            }
        });
        green.thread().request_kill();
        until(|| errors.load(SeqCst) > 200);
        assert!(!green.is_finished());
    });
}

/// Each waits for what `shared` never brings, is killed, and then the same
/// primitive still serves others.
#[test]
fn those_in_line_leave_it() {
    workers(1, || {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock();
        let theirs = mutex.clone();
        assert!(killed_in(move || *theirs.lock()).is_err());
        drop(guard);
        assert_eq!(*mutex.lock(), 0);

        let again = Arc::new(ReentrantMutex::new(0));
        let guard = again.lock();
        let theirs = again.clone();
        assert!(killed_in(move || *theirs.lock()).is_err());
        drop(guard);
        assert!(again.try_lock().is_some());

        let lock = Arc::new(RwLock::new(0));
        let reader = lock.read();
        let theirs = lock.clone();
        assert!(killed_in(move || *theirs.write() = 1).is_err());
        assert_eq!(*lock.read(), 0, "no writer holds up further readers");
        drop(reader);
        *lock.write() = 2;

        let permits = Arc::new(Semaphore::new(1));
        permits.acquire();
        let theirs = permits.clone();
        assert!(killed_in(move || theirs.acquire()).is_err());
        permits.release();
        assert!(permits.try_acquire());

        let event = Arc::new(Event::new());
        let theirs = event.clone();
        assert!(killed_in(move || theirs.wait()).is_err());
        event.set();
        event.wait();

        let result = Arc::new(AsyncResult::<u8>::new());
        let theirs = result.clone();
        assert!(killed_in(move || *theirs.wait()).is_err());
    });
}

#[test]
fn those_at_a_barrier_or_condition_leave_it() {
    workers(1, || {
        let barrier = Arc::new(Barrier::new(2));
        let theirs = barrier.clone();
        assert!(killed_in(move || theirs.wait()).is_err());
        // It does not count any more: two more are needed.
        let theirs = barrier.clone();
        let first = begun(move || theirs.wait().is_leader());
        let id = first.thread().id();
        let waits = |one: &ThreadDump| one.id == id && !one.waits_for.is_empty();
        until(|| dump().threads.iter().any(waits));
        assert!(barrier.wait().is_leader());
        assert!(!first.join().unwrap());

        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let theirs = pair.clone();
        let waits = move || drop(theirs.1.wait_while(theirs.0.lock(), |n| *n == 0));
        assert!(killed_in(waits.clone()).is_err());
        let second = begun(waits);
        *pair.0.lock() = 1;
        pair.1.notify_one(); // not for the one that was killed
        second.join().unwrap();
    });
}

#[test]
fn those_at_a_queue_lose_no_item() {
    workers(1, || {
        let queue = Queue::<u8>::new();
        let theirs = queue.clone();
        assert!(killed_in(move || theirs.get()).is_err());
        queue.put(1).unwrap();
        assert_eq!(queue.get(), Ok(1));

        let full = Queue::bounded(1);
        full.put(1).unwrap();
        let theirs = full.clone();
        assert!(killed_in(move || theirs.put(2)).is_err());
        assert_eq!((full.get(), full.len()), (Ok(1), 0));

        let channel = Channel::<u8>::new();
        let theirs = channel.clone();
        assert!(killed_in(move || theirs.put(1)).is_err());
        assert!(channel.try_get().is_err(), "its item is gone with it");
        let theirs = channel.clone();
        assert!(killed_in(move || theirs.get()).is_err());
        assert!(channel.try_put(2).is_err(), "nobody takes it");
    });
}

/// Kills against grants: none is lost, none is had twice.
#[test]
fn grants_race_with_kills() {
    workers(2, || {
        let (permits, had) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (mut released, start) = (0, Instant::now());
        while start.elapsed() < Duration::from_secs(2) {
            let (theirs, counts) = (permits.clone(), had.clone());
            let green = spawn(move || {
                theirs.acquire();
                counts.fetch_add(1, SeqCst);
            });
            yield_now();
            green.thread().request_kill();
            permits.release();
            released += 1;
            let _ = green.join();
        }
        assert_eq!(permits.available() + had.load(SeqCst), released);
    });
}
