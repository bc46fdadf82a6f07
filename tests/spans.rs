//! Spans of `tracing` follow green threads.

#![cfg(feature = "tracing")]

mod common;

use common::{Random, in_child, until};
use greenroom::inspect::spans::{carry, follow};
use greenroom::{Builder, Group, Pool, joinall, offload, scope, spawn, spawn_later, yield_now};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// In which spans each event came, the outermost first.
static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Spans that are open.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Keeps that; calls the one at each exit, the other at each close.
struct Keeps(fn(), fn());

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeps {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        OPEN.fetch_add(1, SeqCst);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let spans = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let names: Vec<_> = spans.map(|span| span.name()).collect();
        EVENTS.lock().unwrap().push(names.join(">"));
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        (self.0)();
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        OPEN.fetch_sub(1, SeqCst);
        (self.1)();
    }
}

fn subscribe(at_exit: fn()) {
    subscribe_to(at_exit, || ());
}

fn subscribe_to(at_exit: fn(), at_close: fn()) {
    let subscriber = Registry::default().with(Keeps(at_exit, at_close));
    tracing::subscriber::set_global_default(subscriber).unwrap();
}

/// In which spans the caller is.
fn here() -> String {
    // One at a time: what is pushed is ours.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap();
    info!("here");
    EVENTS.lock().unwrap().pop().unwrap()
}

/// With two workers, in `mode`.
macro_rules! with {
    ($mode:literal, $deed:expr) => {
        in_child(&[("GREENROOM_WORKERS", "2"), ("GREENROOM_THREAD_LOCALS", $mode)], || $deed)
            .assert_success()
    };
}

/// Many that are each in spans of their own, and wait amid them.
fn each_has_its_own() {
    subscribe(|| ());
    let all = (0..50).map(|n| {
        spawn(move || {
            let mut random = Random::new(n);
            for _ in 0..30 {
                assert_eq!(here(), "");
                let outer = info_span!("outer");
                let _outer = outer.enter();
                wait(&mut random);
                assert_eq!(here(), "outer");
                let inner = info_span!("inner");
                inner.in_scope(|| {
                    wait(&mut random);
                    outer.in_scope(|| wait(&mut random));
                    assert_eq!(here(), "outer>inner");
                });
                assert_eq!(here(), "outer");
            }
        })
    });
    joinall(all.collect::<Vec<_>>()).into_iter().for_each(|r| r.unwrap());
    until(|| OPEN.load(SeqCst) == 0);
}

fn wait(random: &mut Random) {
    match random.below(4) {
        0 => yield_now(),
        1 => greenroom::sleep(Duration::from_micros(random.below(100))),
        2 => spawn(yield_now).join().unwrap(),
        _ => {}
    }
}

/// No help is needed: a subscriber's thread-locals are the green thread's.
#[test]
fn with_own_thread_locals_each_has_its_own() {
    with!("own", each_has_its_own());
}

#[test]
fn with_shared_thread_locals_each_has_its_own() {
    with!("shared", {
        follow();
        each_has_its_own();
    });
}

/// All ways to spawn take the span along.
fn spawns_take_it_along() {
    subscribe(|| ());
    follow();
    assert_eq!(spawn(here).join().unwrap(), "", "there is none");
    let request = info_span!("request").entered();
    assert_eq!(spawn(here).join().unwrap(), "request");
    assert_eq!(spawn(|| spawn(here).join().unwrap()).join().unwrap(), "request");
    assert_eq!(spawn_later(Duration::from_millis(1), here).join().unwrap(), "request");
    let named = Builder::new().name("n".into()).spawn(here).unwrap();
    assert_eq!(named.join().unwrap(), "request");
    assert_eq!(scope(|s| s.spawn(here).join().unwrap()), "request");
    assert_eq!(Group::new().spawn(here).join().unwrap(), "request");
    assert_eq!(Pool::new(1).spawn(here).join().unwrap(), "request");
    let child = spawn(|| {
        let _inner = info_span!("inner").entered();
        yield_now();
        (here(), spawn(here).join().unwrap())
    });
    assert_eq!(child.join().unwrap(), ("request>inner".into(), "request>inner".into()));
    assert_eq!(offload(here), "");
    assert_eq!(offload(carry(here)), "request");
    drop(request);
    assert_eq!(spawn(here).join().unwrap(), "");
    until(|| OPEN.load(SeqCst) == 0);
}

#[test]
fn with_own_thread_locals_spawns_take_it_along() {
    with!("own", {
        greenroom::patch_all().unwrap();
        let request = || {
            let _request = info_span!("request").entered();
            std::thread::spawn(here).join().unwrap()
        };
        spawns_take_it_along();
        assert_eq!(request(), "request");
        assert_eq!(spawn(request).join().unwrap(), "request");
    });
}

#[test]
fn with_shared_thread_locals_spawns_take_it_along() {
    with!("shared", spawns_take_it_along());
}

/// A kill unwinds out of spans; what never starts lets go of its own.
fn ended_ones_leave_nothing() {
    subscribe(|| ());
    follow();
    static WAIT: AtomicU32 = AtomicU32::new(0);
    let request = info_span!("request").entered();
    let killed: Vec<_> = (0..20)
        .map(|_| {
            spawn(|| {
                let _inner = info_span!("inner").entered();
                WAIT.fetch_add(1, SeqCst);
                greenroom::park();
            })
        })
        .collect();
    until(|| WAIT.load(SeqCst) == 20);
    let never: Vec<_> = (0..20).map(|_| spawn_later(Duration::from_secs(1000), || ())).collect();
    let fresh: Vec<_> = (0..20).map(|_| spawn(greenroom::park)).collect();
    for each in killed.iter().chain(&never).chain(&fresh) {
        each.kill();
    }
    let all = killed.into_iter().chain(never).chain(fresh);
    joinall(all).into_iter().for_each(|r| drop(r.unwrap_err()));
    assert_eq!(here(), "request");
    drop(request);
    until(|| OPEN.load(SeqCst) == 0);
    assert_eq!(spawn(here).join().unwrap(), "");
}

#[test]
fn with_own_thread_locals_ended_ones_leave_nothing() {
    with!("own", ended_ones_leave_nothing());
}

#[test]
fn with_shared_thread_locals_ended_ones_leave_nothing() {
    with!("shared", ended_ones_leave_nothing());
}

/// A subscriber that waits, amid the park around which a span is left: nobody
/// misses what he waits for.
#[test]
fn a_subscriber_may_wait() {
    with!("shared", {
        static TURN: AtomicU32 = AtomicU32::new(0);
        static BUSY: greenroom::sync::Mutex<u32> = greenroom::sync::Mutex::new(0);
        subscribe(|| {
            match TURN.fetch_add(1, SeqCst) % 3 {
                0 => *BUSY.lock() += 1,
                1 => yield_now(),
                _ => assert!(greenroom::uncancellable(|| {
                    greenroom::sleep(Duration::from_micros(50));
                    true
                })),
            };
        });
        follow();
        let (there, back) = (greenroom::queue::Queue::new(), greenroom::queue::Queue::new());
        let (take, give) = (there.clone(), back.clone());
        let echo = spawn(move || {
            let _echo = info_span!("echo").entered();
            while let Ok(n) = take.get() {
                give.put(n).unwrap();
            }
        });
        let ask = spawn(move || {
            let _ask = info_span!("ask").entered();
            for n in 0..2000 {
                there.put(n).unwrap();
                assert_eq!(back.get(), Ok(n));
            }
            assert_eq!(here(), "ask");
            there.shutdown(false);
        });
        ask.join().unwrap();
        echo.join().unwrap();
        until(|| OPEN.load(SeqCst) == 0);
    });
}

/// One that fails is reported, and disturbs nobody's wait.
#[test]
fn a_subscriber_may_panic() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    let ended = in_child(&vars, || {
        static FAILS: AtomicU32 = AtomicU32::new(0);
        subscribe(|| assert!(FAILS.fetch_add(1, SeqCst) != 0, "lost my file"));
        follow();
        let green = spawn(|| {
            let _span = info_span!("span").entered();
            yield_now();
            greenroom::sleep(Duration::from_millis(1));
            7
        });
        assert_eq!(green.join().unwrap(), 7);
    });
    ended.assert_success();
    ended.assert_says("lost my file", 1);
}

/// Also at the end of a green thread, which has its span alone by then: of one that
/// was killed before it began, of one that was killed later, and of one with a
/// result, which is not lost.
#[test]
fn a_subscriber_may_panic_when_a_thread_ends() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_THREAD_LOCALS", "shared")];
    let ended = in_child(&vars, || {
        subscribe_to(|| (), || panic!("lost my file"));
        follow();
        let in_request = |deed: fn() -> u32| info_span!("request").in_scope(|| spawn(deed));
        let maker = spawn(move || {
            let fresh = in_request(|| 1);
            fresh.thread().request_kill();
            assert!(fresh.join().unwrap_err().is_killed());
            let parked = in_request(|| {
                greenroom::park();
                2
            });
            yield_now();
            parked.thread().request_kill();
            assert!(parked.join().unwrap_err().is_killed());
            assert_eq!(in_request(|| 3).join().unwrap(), 3);
        });
        maker.join().unwrap();
    });
    ended.assert_success();
    ended.assert_says("lost my file", 3);
}
