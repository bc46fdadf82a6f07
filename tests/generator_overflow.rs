//! Overflows of generators' stacks: who is named.

mod common;

use common::{Ended, in_child};
use greenroom::generator::Builder;
use greenroom::{Generator, Step};
use std::hint::black_box;

fn suspended() -> Generator<(), u32, ()> {
    let mut one = Generator::new(|co, ()| {
        co.yield_(1);
        co.yield_(2);
    });
    assert_eq!(one.next(), Some(1));
    one
}

/// Goes down for ever.
fn recurse(depth: usize) -> usize {
    let frame = black_box([depth; 64]);
    if black_box(depth) == usize::MAX { 0 } else { recurse(depth + 1) + frame[depth % 64] }
}

fn overflow(builder: Builder) {
    let mut deep = builder
        .generator(|co, n: usize| {
            co.yield_(n);
            recurse(n)
        })
        .unwrap();
    deep.resume(1);
    deep.resume(2);
}

#[track_caller]
fn assert_overflowed(ended: &Ended, name: &str, size: &str) {
    ended.assert_signal(libc::SIGABRT);
    let line = format!(
        "\ngenerator '{name}' has overflowed its stack ({size}; see Builder::stack_size)\n"
    );
    ended.assert_says(&line, 1);
    ended.assert_says("has overflowed its stack", 1);
}

#[test]
fn an_overflow_names_it_on_a_green_thread() {
    let ended = in_child(&[("GREENROOM_WORKERS", "2")], || {
        let named = || overflow(Builder::new().name("deep diver".into()).stack_size(1 << 17));
        let _ = greenroom::Builder::new().name("innocent".into()).spawn(named).unwrap().join();
    });
    assert_overflowed(&ended, "deep diver", "128 KiB");
}

#[test]
fn an_overflow_names_it_on_an_os_thread() {
    let ended = in_child(&[], || {
        let _others: Vec<_> = (0..100).map(|_| suspended()).collect();
        overflow(Builder::new().name("on main".into()));
    });
    assert_overflowed(&ended, "on main", "256 KiB");
}

#[test]
fn an_overflow_names_it_on_a_thread_of_c() {
    extern "C" fn main(_: *mut libc::c_void) -> *mut libc::c_void {
        overflow(Builder::new().name("below C".into()));
        std::ptr::null_mut()
    }
    let ended = in_child(&[], || {
        let mut thread = 0;
        // SAFETY: a plain thread, joined before anything goes.
        unsafe {
            libc::pthread_create(&mut thread, std::ptr::null(), main, std::ptr::null_mut());
            libc::pthread_join(thread, std::ptr::null_mut());
        }
    });
    assert_overflowed(&ended, "below C", "256 KiB");
}

#[test]
fn one_without_a_name_has_its_type() {
    let ended = in_child(&[("GREENROOM_STACK_SIZE", "65536")], || overflow(Builder::new()));
    assert_overflowed(&ended, "generator_overflow::overflow::{{closure}}", "64 KiB");
}

#[test]
fn the_innermost_is_named() {
    let ended = in_child(&[], || {
        let outer = Builder::new().name("outer".into());
        let outer =
            outer.generator(|_, ()| -> () { overflow(Builder::new().name("inner".into())) });
        let _: Step<(), ()> = outer.unwrap().resume(());
    });
    assert_overflowed(&ended, "inner", "256 KiB");
}

/// The green thread below a generator overflows: that is what is said.
#[test]
fn its_green_thread_is_named_when_that_overflows() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let green = greenroom::Builder::new().name("around".into());
        let green = green.spawn(|| {
            let _suspended = suspended();
            recurse(3)
        });
        let _ = green.unwrap().join();
    });
    ended.assert_signal(libc::SIGABRT);
    ended.assert_says("\ngreen thread 'around' has overflowed its stack", 1);
    ended.assert_says("has overflowed its stack", 1);
}
