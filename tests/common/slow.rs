//! What takes its time, for tests that come in between.

use greenroom::sync::Event;
use greenroom::{Generator, sleep, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Twenty numbers from `first` on, and their sum less that; its body waits between
/// any two.
pub(crate) fn numbers(first: usize) -> Generator<(), usize, usize> {
    Generator::new(move |co, ()| {
        let mut sum = 0;
        for n in 0..20 {
            yield_now();
            sleep(Duration::from_micros(100));
            sum += n;
            co.yield_(first + n);
        }
        sum
    })
}

/// Copying it says `begun`, and waits for `go`.
#[derive(Default)]
pub(crate) struct Copied {
    pub(crate) begun: Arc<AtomicUsize>,
    pub(crate) go: Arc<Event>,
}

impl Clone for Copied {
    fn clone(&self) -> Copied {
        self.begun.fetch_add(1, SeqCst);
        self.go.wait();
        Copied { begun: self.begun.clone(), go: self.go.clone() }
    }
}
