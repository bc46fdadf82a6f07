//! Nothing left: threads, descriptors, memory or mappings. Each is an error
//! that says what to do; nothing hangs, and what runs goes on.

mod common;
#[path = "common/fds.rs"]
mod fds;

use common::{Ended, assert_workers, in_child, set_limit, until, workers};
use fds::open_fds;
use greenroom::{Builder, JoinError, JoinHandle, joinall, park, spawn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

fn four_workers(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&[("GREENROOM_WORKERS", "4")], more].concat()
}

/// Bytes of address space in use.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    statm.split(' ').next().unwrap().parse::<u64>().unwrap() * page
}

/// The runtime cannot start, again and again, and leaves nothing behind.
fn assert_cannot_start() -> io::Error {
    let mut last = None;
    for _ in 0..20 {
        let error = Builder::new().spawn(|| 1).unwrap_err();
        let refused = spawn(|| 1).join().unwrap_err();
        assert!(matches!(refused, JoinError::NotStarted(_)), "{refused:?}");
        assert!(refused.to_string().contains(&error.to_string()), "{refused}");
        last = Some(error);
    }
    assert_workers(0);
    last.unwrap()
}

fn assert_starts() {
    assert_eq!(spawn(|| 7).join().unwrap(), 7);
    assert_workers(4);
}

#[track_caller]
fn assert_said(ended: &Ended, what: &str, help: &str) {
    ended.assert_success();
    let line = |l: &&str| l.contains("could not start") && l.contains(what) && l.contains(help);
    assert_eq!(ended.stderr.lines().filter(line).count(), 20, "{ended}");
}

#[test]
fn no_descriptors_for_the_workers() {
    let ended = in_child(&four_workers(&[]), || {
        let before = open_fds();
        // Enough for some of the workers, not for all.
        set_limit(libc::RLIMIT_NOFILE, before as u64 + 5);
        let error = assert_cannot_start();
        assert!(error.to_string().contains("ulimit -n"), "{error}");
        assert_eq!(open_fds(), before);
        set_limit(libc::RLIMIT_NOFILE, 1000);
        assert_starts();
    });
    assert_said(&ended, "set up its workers", "ulimit -n");
}

/// Turns into a user without the right to start threads at will; false if
/// that is not possible.
fn allow_threads(n: u64) -> bool {
    // SAFETY: changes numbers that the kernel keeps of this process.
    unsafe {
        if libc::geteuid() == 0 && libc::setuid(65_534) != 0 {
            return false;
        }
    }
    set_limit(libc::RLIMIT_NPROC, n);
    true
}

#[test]
fn no_threads_for_the_workers() {
    let ended = in_child(&four_workers(&[]), || {
        let before = open_fds();
        // This one, two workers, and no more, or none if the user has others.
        if !allow_threads(3) {
            println!("skipped: root may start any number, and cannot become another user");
            std::process::exit(0);
        }
        let error = assert_cannot_start();
        assert!(error.to_string().contains("ulimit -u"), "{error}");
        assert_eq!(open_fds(), before);
        set_limit(libc::RLIMIT_NPROC, u64::MAX);
        assert_starts();
    });
    if !ended.stdout.contains("skipped:") {
        assert_said(&ended, "start its workers", "GREENROOM_WORKERS");
    }
}

/// A call that waits for another one does not wait on the worker when there is no
/// thread for it: it tries again until there is one.
#[test]
fn no_threads_for_a_fifo() {
    // The other user may neither reach the build's folder nor remove the file.
    const PATH: &str = "GREENROOM_TEST_FIFO";
    let path = std::env::temp_dir().join(format!("greenroom-fifo-{}", std::process::id()));
    let vars = [("GREENROOM_WORKERS", "1"), (PATH, path.to_str().unwrap())];
    let ended = in_child(&vars, || {
        greenroom::patch_all().unwrap();
        spawn(|| ()).join().unwrap();
        let path = std::path::PathBuf::from(std::env::var_os(PATH).unwrap());
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o666) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::chmod(name.as_ptr(), 0o666) }, 0);
        if !allow_threads(1) {
            println!("skipped: root may start any number, and cannot become another user");
            std::process::exit(0);
        }
        let theirs = path.clone();
        let reading = spawn(move || std::fs::read(theirs));
        (0..20).for_each(|_| spawn(greenroom::yield_now).join().unwrap());
        let other = spawn(|| 7);
        until(|| other.is_finished());
        assert!(!reading.is_finished(), "nobody writes");
        set_limit(libc::RLIMIT_NPROC, u64::MAX);
        std::fs::write(path, "hello").unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), b"hello");
    });
    std::fs::remove_file(path).unwrap();
    ended.assert_success();
}

/// The OS threads of the workers do not fit.
#[test]
fn no_addresses_for_the_workers() {
    let ended = in_child(&four_workers(&[("RUST_MIN_STACK", "1073741824")]), || {
        let before = open_fds();
        set_limit(libc::RLIMIT_AS, address_space() + (2500 << 20));
        let error = assert_cannot_start();
        assert!(error.to_string().contains("greenroom could not start its workers"), "{error}");
        assert_eq!(open_fds(), before);
        set_limit(libc::RLIMIT_AS, u64::MAX);
        assert_starts();
    });
    assert_said(&ended, "start its workers", "GREENROOM_WORKERS");
}

/// Not even one stack fits.
#[test]
fn no_addresses_for_the_first_stack() {
    let ended = in_child(&four_workers(&[("GREENROOM_STACK_SIZE", "1073741824")]), || {
        let before = open_fds();
        set_limit(libc::RLIMIT_AS, address_space() + (256 << 20));
        let error = assert_cannot_start();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(open_fds(), before);
        set_limit(libc::RLIMIT_AS, u64::MAX);
        assert_starts();
    });
    assert_said(&ended, "stack", "Builder::stack_size");
}

/// Parks as many as it can: those that parked, and why the others did not.
fn park_many(n: usize, bytes: usize) -> (Vec<JoinHandle<usize>>, Vec<String>) {
    let running = Arc::new(AtomicUsize::new(0));
    let spawn_one = |n| {
        let running = running.clone();
        let parked = move || {
            running.fetch_add(1, SeqCst);
            park();
            n
        };
        Builder::new().stack_size(bytes).spawn(parked).unwrap()
    };
    let all: Vec<_> = (0..n).map(spawn_one).collect();
    let refused = || all.iter().filter(|handle| handle.is_finished()).count();
    until(|| running.load(SeqCst) + refused() == n);
    let (failed, parked): (Vec<_>, Vec<_>) = all.into_iter().partition(JoinHandle::is_finished);
    let errors = joinall(failed).into_iter().map(|result| match result {
        Err(JoinError::NotStarted(why)) => why.to_string(),
        other => panic!("{other:?}"),
    });
    (parked, errors.collect())
}

fn finish(parked: Vec<JoinHandle<usize>>) {
    parked.iter().for_each(|handle| handle.thread().unpark());
    joinall(parked).into_iter().for_each(|result| drop(result.unwrap().to_string()));
}

/// Some run already; the later ones find no room for their stacks.
#[test]
fn no_addresses_for_more_stacks() {
    workers(1, || {
        spawn(|| ()).join().unwrap();
        set_limit(libc::RLIMIT_AS, address_space() + (5 << 30));
        let (parked, errors) = park_many(20, 1 << 30);
        assert!((1..=5).contains(&parked.len()), "{}", parked.len());
        assert_eq!(parked.len() + errors.len(), 20);
        for error in &errors {
            assert!(error.contains("stack") && error.contains("Builder::stack_size"), "{error}");
        }
        // Those on small stacks still start.
        assert_eq!(spawn(|| 5).join().unwrap(), 5);
        let before = parked.len();
        finish(parked);
        // What they had is there for others.
        let (parked, errors) = park_many(20, 1 << 30);
        assert_eq!((parked.len(), errors.len()), (before, 20 - before));
        set_limit(libc::RLIMIT_AS, u64::MAX);
        let (more, errors) = park_many(20, 1 << 30);
        assert_eq!((more.len(), errors.len()), (20, 0));
        finish(parked);
        finish(more);
    });
}

/// The kernel's bound on the mappings of a process.
fn max_mappings() -> usize {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    text.trim().parse().unwrap()
}

/// Guards by `mprotect` take two mappings each, of which a process may have
/// only so many.
#[test]
fn no_mappings_for_more_guards() {
    let vars = [
        ("GREENROOM_STACK_GUARD", "mprotect"),
        ("GREENROOM_STACK_SIZE", "65536"),
        ("GREENROOM_WORKERS", "1"),
    ];
    if max_mappings() > 100_000 {
        println!("skipped: vm.max_map_count allows more guards than this test should make");
        return;
    }
    let ended = in_child(&vars, || {
        let (parked, errors) = park_many(40_000.max(max_mappings() / 2), 1);
        assert!(parked.len() > 10_000 && parked.len() <= max_mappings() / 2);
        assert!(!errors.is_empty());
        for error in &errors {
            assert!(error.contains("vm.max_map_count"), "{error}");
        }
        // The rest of the program has what it needs.
        std::thread::spawn(|| vec![1u8; 100 << 20].len()).join().unwrap();
        finish(parked);
        let (parked, _) = park_many(1000, 1);
        assert_eq!(parked.len(), 1000);
        finish(parked);
    });
    ended.assert_success();
    assert!(ended.stderr.contains("sysctl -w vm.max_map_count="), "{ended}");
}

/// Refused ones on a worker disturb nobody who waits there.
#[test]
fn refusals_beside_sleepers() {
    workers(1, || {
        spawn(|| ()).join().unwrap();
        set_limit(libc::RLIMIT_AS, address_space() + (1 << 29));
        let naps: Vec<_> = (0..10)
            .map(|n| {
                spawn(move || {
                    (0..20).for_each(|_| greenroom::sleep(Duration::from_millis(1)));
                    n
                })
            })
            .collect();
        for _ in 0..100 {
            let refused = Builder::new().stack_size(1 << 30).spawn(|| ()).unwrap();
            assert!(matches!(refused.join(), Err(JoinError::NotStarted(_))));
            // Detached: its closure is dropped all the same.
            let captured = common::Counted::new();
            let refused = Builder::new().stack_size(1 << 30).spawn(|| drop(captured)).unwrap();
            drop(refused);
        }
        assert!(joinall(naps).into_iter().map(Result::unwrap).eq(0..10));
        until(|| common::DROPPED.load(SeqCst) == 100);
    });
}
