//! A dump names every green thread, what it waits for and where it stands.

mod common;

use common::{in_child, until, workers};
use greenroom::inspect::{
    Dump, Holder, NoBacktrace, ThreadDump, ThreadState, WaitsFor, dump, stats,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// The dump once `wanted` says that all are where they should be.
#[track_caller]
fn dump_when(wanted: impl Fn(&Dump) -> bool) -> Dump {
    let mut last = dump();
    until(|| {
        last = dump();
        // On a busy machine there may be no time left to walk all.
        let late = |t: &ThreadDump| matches!(t.backtrace, Err(NoBacktrace::NoTime));
        wanted(&last) && !last.threads.iter().any(late)
    });
    last
}

#[track_caller]
fn only(dump: &Dump, id: u64) -> &ThreadDump {
    let mut found = dump.threads.iter().filter(|t| t.id == id);
    let one = found.next().unwrap_or_else(|| panic!("no #{id} in {dump}"));
    assert!(found.next().is_none(), "#{id} twice in {dump}");
    one
}

/// All wait.
fn all_wait(n: usize) -> impl Fn(&Dump) -> bool {
    move |d| d.threads.iter().filter(|t| t.state == ThreadState::Waiting).count() == n
}

/// The lines of this file that it stands on, the innermost first.
fn lines(thread: &ThreadDump) -> Vec<u32> {
    let frames = thread.backtrace.as_ref().unwrap();
    let here = |f: &&greenroom::inspect::Frame| {
        f.file.as_ref().is_some_and(|file| file.ends_with(file!()))
    };
    frames.iter().filter(here).map(|f| f.line.unwrap()).collect()
}

/// Without full debug information names come without their modules.
fn is_of(frame: &greenroom::inspect::Frame, function: &str, file: &str) -> bool {
    frame.function.rsplit("::").next() == Some(function)
        && frame.file.as_ref().is_some_and(|f| f.ends_with(file))
}

#[inline(never)]
fn inner(line: &AtomicU32) {
    line.store(line!() + 1, SeqCst);
    greenroom::park();
    line.store(0, SeqCst);
}

#[inline(never)]
fn outer(line: &AtomicU32, second: &AtomicU32) {
    second.store(line!() + 1, SeqCst);
    inner(line);
    second.store(0, SeqCst);
}

#[test]
fn a_parked_one_has_its_lines_and_its_spawn_site() {
    workers(2, || {
        let cells: Arc<[AtomicU32; 3]> = Arc::default();
        let theirs = cells.clone();
        let builder = greenroom::Builder::new().name("waiter".into()).stack_size(1 << 20);
        let spawned = line!() + 1;
        let handle = builder.spawn(move || {
            theirs[2].store(line!() + 1, SeqCst);
            outer(&theirs[0], &theirs[1]);
        });
        let handle = handle.unwrap();
        let dump = dump_when(all_wait(1));
        let it = only(&dump, handle.thread().id());
        assert_eq!(it.name.as_deref(), Some("waiter"));
        assert_eq!(it.waits_for, [WaitsFor::Unpark]);
        let site = it.spawned_at.unwrap();
        assert!(site.file().ends_with(file!()), "{site}");
        assert_eq!(site.line(), spawned);
        assert_eq!(lines(it), cells.each_ref().map(|c| c.load(SeqCst)), "{dump}");
        assert_eq!(it.stack_size, 1 << 20);
        assert_eq!(it.parent, None);
        let touched = it.stack_touched.unwrap();
        assert!((4096..100_000).contains(&touched) && touched.is_multiple_of(4096), "{touched}");
        assert!(it.worker.is_some_and(|w| w < 2) && it.deadline.is_none());
        // Neither the runtime's inside nor what runs the closure is shown.
        let frames = it.backtrace.as_ref().unwrap();
        assert!(is_of(&frames[0], "park", "src/green/handle.rs"), "{dump}");
        assert!(frames.last().unwrap().file.as_ref().unwrap().ends_with(file!()), "{dump}");
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn ages_and_deadlines_pass() {
    workers(1, || {
        let hour = Duration::from_secs(3600);
        let sleeper = greenroom::spawn(move || greenroom::sleep(hour));
        let id = sleeper.thread().id();
        let first = dump_when(all_wait(1));
        let it = only(&first, id);
        assert_eq!(it.waits_for, [WaitsFor::Time]);
        let left = it.deadline.unwrap();
        assert!(left <= hour && left > hour / 2);
        let long = Duration::from_millis(60);
        let then = it.in_state.unwrap() + long;
        let later = dump_when(|d| only(d, id).in_state.unwrap() > then);
        let it = only(&later, id);
        assert!(it.age.unwrap() + Duration::from_millis(10) > it.in_state.unwrap(), "{it}");
        assert!(it.deadline.unwrap() + long / 2 < left, "{it} {left:?}");
    });
}

#[test]
fn joins_events_locks_and_queues_are_told_apart() {
    workers(1, || {
        let mutex = Arc::new(greenroom::sync::Mutex::new(()));
        let event = Arc::new(greenroom::sync::Event::new());
        let held = mutex.lock();
        let sleeper = greenroom::spawn(greenroom::park);
        let slept = sleeper.thread().id();
        let joiner = greenroom::spawn(move || sleeper.join().unwrap());
        let theirs = mutex.clone();
        let locker = greenroom::spawn(move || drop(theirs.lock()));
        let theirs = event.clone();
        let waiter = greenroom::spawn(move || theirs.wait());
        let dump = dump_when(all_wait(4));
        let of = |id| only(&dump, id).waits_for.clone();
        assert_eq!(of(joiner.thread().id()), [WaitsFor::Join(slept)]);
        let main = Holder::Os(None);
        assert!(
            matches!(of(locker.thread().id())[..], [WaitsFor::Lock { holder, .. }] if holder == main),
            "{dump}"
        );
        let at = Arc::as_ptr(&event).addr();
        let here = at..at + size_of::<greenroom::sync::Event>();
        match of(waiter.thread().id())[..] {
            [WaitsFor::Event(at)] => assert!(here.contains(&at)),
            ref other => panic!("{other:?}"),
        }
        drop(held);
    });
}

#[test]
fn a_hogged_worker_does_not_keep_the_dump() {
    workers(1, || {
        let stop = Arc::new(AtomicBool::new(false));
        let parked = greenroom::spawn(greenroom::park);
        dump_when(all_wait(1));
        let theirs = stop.clone();
        let hog = greenroom::spawn(move || {
            while !theirs.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        let hogs = hog.thread().id();
        let dump = dump_when(|d| d.workers[0].running == Some(hogs));
        let it = only(&dump, hogs);
        assert_eq!(it.state, ThreadState::Running);
        assert_eq!(it.backtrace, Err(NoBacktrace::Running));
        assert!(it.waits_for.is_empty() && it.in_state.is_none());
        let other = only(&dump, parked.thread().id());
        assert_eq!(other.state, ThreadState::Waiting);
        let frames = other.backtrace.as_ref().unwrap();
        assert!(is_of(&frames[0], "park", "src/green/handle.rs"), "{dump}");
        // Behind the hog nothing starts, and woken ones wait for their turn.
        let fresh = greenroom::spawn(|| ());
        parked.thread().unpark();
        let dump = dump_when(|d| d.not_started == 1);
        let woken = only(&dump, parked.thread().id());
        assert_eq!(woken.state, ThreadState::Runnable);
        assert!(woken.backtrace.is_ok());
        stop.store(true, SeqCst);
        for handle in [hog, fresh, parked] {
            handle.join().unwrap();
        }
        let after = dump_when(|d| d.threads.is_empty());
        assert_eq!((after.not_started, after.missed), (0, 0));
    });
}

#[test]
fn a_dump_from_a_green_thread_finds_itself_waiting() {
    workers(1, || {
        // The other thread may look before the caller has parked.
        let (id, dump) = greenroom::spawn(|| {
            let id = greenroom::current().unwrap().id();
            (id, dump_when(|d| only(d, id).waits_for == [WaitsFor::Job]))
        })
        .join()
        .unwrap();
        let it = only(&dump, id);
        assert_eq!(it.state, ThreadState::Waiting);
        let frames = it.backtrace.as_ref().unwrap();
        assert!(frames.iter().any(|f| is_of(f, "dump", "src/inspect/take.rs")), "{dump}");
    });
}

/// They may be what somebody looks for.
#[test]
fn jobs_that_keep_all_threads_do_not_keep_a_dump() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_OFFLOAD_THREADS", "1")];
    in_child(&vars, || {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let stuck = greenroom::spawn(move || greenroom::offload(move || wait.recv().is_err()));
        let id = stuck.thread().id();
        until(|| stats().offload.threads == 1);
        let dump =
            greenroom::spawn(move || dump_when(|d| only(d, id).waits_for == [WaitsFor::Job]));
        assert_eq!(dump.join().unwrap().threads.len(), 2);
        drop(go);
        assert!(stuck.join().unwrap());
    })
    .assert_success();
}

/// Two that wait in a hook, on one worker, would end the process.
#[test]
fn a_panic_hook_may_dump() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    in_child(&vars, || {
        static SEEN: AtomicU32 = AtomicU32::new(0);
        std::panic::set_hook(Box::new(|_| {
            let me = greenroom::current().unwrap().id();
            assert_eq!(only(&dump(), me).state, ThreadState::Running);
            SEEN.fetch_add(1, SeqCst);
        }));
        let two = [0, 1].map(|_| greenroom::spawn(|| -> () { panic!("to be dumped") }));
        greenroom::joinall(two).into_iter().for_each(|r| assert!(r.is_err()));
        assert_eq!(SEEN.load(SeqCst), 2);
    })
    .assert_success();
}

#[test]
fn before_the_first_spawn_it_is_empty() {
    workers(1, || {
        let dump = dump();
        assert!(dump.threads.is_empty() && dump.workers.is_empty());
        assert!(dump.to_string().starts_with("0 green threads"));
    });
}

#[test]
fn those_at_the_same_place_stand_together() {
    workers(1, || {
        let many: Vec<_> = (0..30).map(|_| greenroom::spawn(greenroom::park)).collect();
        let other = greenroom::spawn(|| greenroom::sleep(Duration::from_secs(3600)));
        let dump = dump_when(all_wait(31));
        let text = dump.to_string();
        assert_eq!(text.matches("src/green/handle.rs").count(), 1, "{text}");
        assert!(text.contains("and 20 more at the same place"), "{text}");
        assert!(text.starts_with("31 green threads: 0 running, 0 runnable, 31 waiting"), "{text}");
        let all = format!("{dump:#}");
        for handle in &many {
            assert!(all.contains(&format!("#{} waits", handle.thread().id())), "{all}");
        }
        assert!(all.contains(&format!("#{} waits", other.thread().id())), "{all}");
    });
}

/// With a frame of many pages, in which the switch itself may stand.
#[test]
fn a_deep_stack_and_a_large_frame_are_walked() {
    #[inline(never)]
    fn large(yields: &AtomicBool) {
        let room = std::hint::black_box([1_u8; 100_000]);
        while yields.load(SeqCst) {
            greenroom::yield_now();
        }
        greenroom::park();
        std::hint::black_box(room);
    }
    #[inline(never)]
    fn deep(depth: u32, yields: &AtomicBool) {
        if depth == 0 {
            large(yields)
        } else {
            deep(depth - 1, yields)
        }
        std::hint::black_box(depth);
    }
    workers(1, || {
        let yields = Arc::new(AtomicBool::new(true));
        let spawn = || {
            let yields = yields.clone();
            let builder = greenroom::Builder::new().stack_size(1 << 20);
            builder.spawn(move || deep(150, &yields)).unwrap()
        };
        let two = [spawn(), spawn()];
        // While one runs, the other has given way.
        let dump = dump_when(|d| d.threads.iter().any(|t| t.backtrace.is_ok()));
        check_depth(&dump);
        assert!(dump.threads.iter().all(|t| t.state != ThreadState::Waiting), "{dump}");
        yields.store(false, SeqCst);
        let dump = dump_when(all_wait(2));
        check_depth(&dump);
        for thread in &dump.threads {
            assert!(thread.backtrace.is_ok() && thread.stack_touched.unwrap() > 100_000);
        }
        two.iter().for_each(|t| t.thread().unpark());
        greenroom::joinall(two);
    });
}

fn check_depth(dump: &Dump) {
    for frames in dump.threads.iter().flat_map(|t| &t.backtrace) {
        let named = |name: &str| frames.iter().filter(|f| is_of(f, name, file!())).count();
        assert_eq!((named("deep"), named("large")), (151, 1), "{dump}");
    }
}
