//! What a dump says about why something waits: descriptors with their
//! addresses, locks, children, threads, work on other threads.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{Dump, ThreadDump, ThreadState, WaitsFor, dump};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

/// What std waits through is caught only with own thread-locals.
macro_rules! own {
    ($deed:expr) => {
        let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", "own")];
        in_child(&vars, $deed).assert_success()
    };
}

/// Waits until `id` waits for something, and tells what.
#[track_caller]
fn wait_of(id: u64) -> (Vec<WaitsFor>, Dump) {
    let mut found = None;
    until(|| {
        let dump = dump();
        let it = dump.threads.iter().find(|t| t.id == id && t.state == ThreadState::Waiting);
        // On a busy machine there may be no time left to name it.
        let is_named =
            |w: &WaitsFor| !matches!(w, WaitsFor::Descriptor { what, .. } if what.is_empty());
        let waits = it.map(|t| t.waits_for.clone());
        let waits = waits.filter(|w| !w.is_empty() && w.iter().all(is_named));
        found = waits.map(|waits| (waits, dump));
        found.is_some()
    });
    found.unwrap()
}

/// The one descriptor that `id` waits for: number, to write, what.
#[track_caller]
fn descriptor_of(id: u64) -> (i32, bool, String) {
    match wait_of(id) {
        (waits, _) if waits.len() == 1 => match &waits[0] {
            WaitsFor::Descriptor { fd, write, what, .. } => (*fd, *write, what.clone()),
            other => panic!("{other:?}"),
        },
        (_, dump) => panic!("not one descriptor: {dump}"),
    }
}

#[test]
fn sockets_have_their_addresses_and_direction() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (here, fd) = (listener.local_addr().unwrap(), listener.as_raw_fd());
        let acceptor = greenroom::spawn(move || listener.accept().unwrap().0);
        let found = descriptor_of(acceptor.thread().id());
        assert_eq!(found, (fd, false, format!("TCP {here} listening")));

        let client = TcpStream::connect(here).unwrap();
        let there = client.local_addr().unwrap();
        let mut served = acceptor.join().unwrap();
        let fd = served.as_raw_fd();
        let mut theirs = served.try_clone().unwrap();
        let reader = greenroom::spawn(move || served.read(&mut [0]).is_ok());
        let found = descriptor_of(reader.thread().id());
        assert_eq!(found, (fd, false, format!("TCP {here} with {there}")));

        let fd = theirs.as_raw_fd();
        let writer = greenroom::spawn(move || while theirs.write(&[0; 65536]).is_ok() {});
        let found = descriptor_of(writer.thread().id());
        assert_eq!(found, (fd, true, format!("TCP {here} with {there}")));
        drop(client);
        reader.join().unwrap();
        writer.join().unwrap();

        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (here, fd) = (udp.local_addr().unwrap(), udp.as_raw_fd());
        let receiver = greenroom::spawn(move || udp.recv_from(&mut [0]).unwrap());
        assert_eq!(descriptor_of(receiver.thread().id()), (fd, false, format!("UDP {here}")));
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", here).unwrap();
        receiver.join().unwrap();
    });
}

#[test]
fn pipes_and_several_descriptors_at_once() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let fd = reader.as_raw_fd();
        let piped = greenroom::spawn(move || reader.read(&mut [0]).unwrap());
        let (number, write, what) = descriptor_of(piped.thread().id());
        assert_eq!((number, write), (fd, false));
        assert!(what.starts_with("pipe:["), "{what}");
        drop(writer);
        assert_eq!(piped.join().unwrap(), 0);

        let (a, b) = UnixStream::pair().unwrap();
        let mut fds =
            [&a, &b].map(|s| libc::pollfd { fd: s.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        let poller = greenroom::spawn(move || {
            // SAFETY: two valid entries.
            unsafe { libc::poll(fds.as_mut_ptr(), 2, 3_600_000) }
        });
        let (waits, dump) = wait_of(poller.thread().id());
        let mut numbers: Vec<_> = waits
            .iter()
            .map(|w| match w {
                WaitsFor::Descriptor { fd, write: false, .. } => *fd,
                other => panic!("{other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [a.as_raw_fd(), b.as_raw_fd()]);
        let it = dump.threads.iter().find(|t| t.id == poller.thread().id()).unwrap();
        let left = it.deadline.unwrap();
        assert!(left > Duration::from_secs(1800) && left <= Duration::from_secs(3600));
        (&a).write_all(b"x").unwrap();
        assert_eq!(poller.join().unwrap(), 1);
    });
}

/// Whether `waits` is for an address inside `object`.
#[track_caller]
fn assert_inside<T>(waits: &[WaitsFor], object: &T) {
    let start = std::ptr::from_ref(object).addr();
    match waits {
        [WaitsFor::Address(at)] => assert!((start..start + size_of::<T>()).contains(at)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn locks_of_std_are_known_by_their_addresses() {
    own!(|| {
        greenroom::patch_all().unwrap();
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let held = pair.0.lock().unwrap();
        let theirs = pair.clone();
        let locker = greenroom::spawn(move || drop(theirs.0.lock().unwrap()));
        assert_inside(&wait_of(locker.thread().id()).0, &pair.0);
        drop(held);
        locker.join().unwrap();

        let theirs = pair.clone();
        let waiter = greenroom::spawn(move || {
            let guard = theirs.0.lock().unwrap();
            drop(theirs.1.wait(guard).unwrap());
        });
        assert_inside(&wait_of(waiter.thread().id()).0, &pair.1);
        pair.1.notify_all();
        waiter.join().unwrap();
    });
}

#[test]
fn a_child_is_known_by_its_number() {
    workers(1, || {
        greenroom::patch_all().unwrap();
        let mut child = Command::new("sleep").arg("3600").spawn().unwrap();
        let pid = child.id();
        let waiter = greenroom::spawn(move || child.wait().unwrap());
        assert_eq!(wait_of(waiter.thread().id()).0, [WaitsFor::Child(pid)]);
        // SAFETY: our own child, which nobody has waited for yet.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        assert!(!waiter.join().unwrap().success());
    });
}

#[test]
fn work_on_other_threads_is_told() {
    workers(1, || {
        let pool = Arc::new(greenroom::ThreadPool::bounded(1, 0));
        let (go, wait) = mpsc::channel::<()>();
        let theirs = pool.clone();
        let busy = greenroom::spawn(move || theirs.apply(move || wait.recv().is_ok()));
        assert_eq!(wait_of(busy.thread().id()).0, [WaitsFor::Job]);
        let theirs = pool.clone();
        let next = greenroom::spawn(move || theirs.apply(|| ()));
        assert_eq!(wait_of(next.thread().id()).0, [WaitsFor::PoolPlace]);
        let ends = greenroom::spawn(move || pool.shutdown(true).len());
        // Whoever waits for the place is refused then.
        assert!(next.join().is_err());
        assert_eq!(wait_of(ends.thread().id()).0, [WaitsFor::PoolEnd]);
        go.send(()).unwrap();
        assert!(busy.join().unwrap());
        assert_eq!(ends.join().unwrap(), 0);
    });
}

#[test]
fn threads_of_std_have_their_names_and_are_told_apart() {
    own!(|| {
        greenroom::patch_all().unwrap();
        let (send, receive) = mpsc::channel::<()>();
        let builder = std::thread::Builder::new().name("std one".into());
        let thread = greenroom::spawn(move || {
            let inner = builder.spawn(move || receive.recv().is_err()).unwrap();
            inner.join().unwrap()
        });
        let (waits, _) = wait_of(thread.thread().id());
        let [WaitsFor::Join(inner)] = waits[..] else { panic!("{waits:?}") };
        until(|| matches!(wait_of(inner).0[..], [WaitsFor::Address(_)]));
        let dump = dump();
        let it: &ThreadDump = dump.threads.iter().find(|t| t.id == inner).unwrap();
        assert_eq!(it.name.as_deref(), Some("std one"));
        assert!(it.spawned_at.is_none());
        let outermost = it.backtrace.as_ref().unwrap().last().unwrap();
        assert!(outermost.file.as_ref().unwrap().ends_with(file!()), "{dump}");
        drop(send);
        assert!(thread.join().unwrap());
    });
}

/// What it waited for when the tables were read is not what it waits for now.
#[test]
fn who_says_what_it_waits_for_waits_for_nothing_else() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        static LOCK: greenroom::sync::Mutex<()> = greenroom::sync::Mutex::new(());
        static STOP: AtomicBool = AtomicBool::new(false);
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let reader = greenroom::spawn(move || {
            while far.read(&mut [0]).unwrap() > 0 {
                drop(LOCK.lock());
            }
        });
        let writer = greenroom::spawn(move || {
            while !STOP.load(SeqCst) {
                let held = LOCK.lock();
                near.write_all(b"x").unwrap();
                greenroom::sleep(Duration::from_micros(200));
                drop(held);
                greenroom::sleep(Duration::from_micros(200));
            }
        });
        let (id, mut seen) = (reader.thread().id(), [0; 2]);
        until(|| {
            for thread in dump().threads.iter().filter(|t| t.id == id) {
                match thread.waits_for[..] {
                    [WaitsFor::Descriptor { .. }] => seen[0] += 1,
                    [WaitsFor::Lock { .. }] => seen[1] += 1,
                    ref waits => assert!(waits.len() < 2, "{waits:?}"),
                }
            }
            seen.into_iter().all(|times| times > 100)
        });
        STOP.store(true, SeqCst);
        writer.join().unwrap();
        reader.join().unwrap();
    });
}
