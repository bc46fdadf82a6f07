//! What other threads send: a lock-free list that any thread pushes onto and its
//! owner empties at once. Wake-ups come so, and memory.
//!
//! R. K. Treiber, "Systems Programming: Coping with Parallelism" (1986), with
//! the pop left out: taking the whole list by one swap has no ABA problem. The
//! links lie in the elements, so sending allocates nothing.

use crate::sys::atomic::AtomicPtr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::*;

/// An element that has a link in itself.
///
/// # Safety
/// `link` always returns the same field, and nobody else uses it between the
/// element's `push` and the step of `Drain` that yields it.
pub(crate) unsafe trait Linked: Sized {
    fn link(&self) -> &AtomicPtr<Self>;
}

/// Many producers, one consumer; the list owns what is pushed.
pub(crate) struct Inbox<T: Linked> {
    head: AtomicPtr<T>,
}

impl<T: Linked> Inbox<T> {
    pub(crate) fn new() -> Inbox<T> {
        Inbox { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds `item`; true if the list was empty, and then it is on the caller to
    /// wake the owner: whoever adds to a list that is not empty relies on the
    /// first one's doing so.
    ///
    /// # Safety
    /// `item` is valid until it is drained, and stands in no other list.
    pub(crate) unsafe fn push(&self, item: NonNull<T>) -> bool {
        // SAFETY: valid by the caller's promise.
        let link = unsafe { item.as_ref() }.link();
        let mut head = self.head.load(Relaxed);
        loop {
            link.store(head, Relaxed);
            // SeqCst: pairs with the owner, who announces sleep and then looks
            // at the head (see `sched/sleep.rs`). It includes the Release that
            // publishes the item and its link.
            match self.head.compare_exchange_weak(head, item.as_ptr(), SeqCst, Relaxed) {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(SeqCst).is_null()
    }

    /// Takes everything there is, oldest first.
    pub(crate) fn drain(&self) -> Drain<T> {
        let mut newest = self.take().next;
        let mut oldest = ptr::null_mut();
        while let Some(item) = NonNull::new(newest) {
            // SAFETY: the items of a taken list are the taker's alone.
            let link = unsafe { item.as_ref() }.link();
            newest = link.load(Relaxed);
            link.store(oldest, Relaxed);
            oldest = item.as_ptr();
        }
        Drain { next: oldest, _own: PhantomData }
    }

    /// Takes everything there is, newest first, in a time that does not depend on how
    /// much that is.
    pub(crate) fn take(&self) -> Drain<T> {
        if self.head.load(Relaxed).is_null() {
            return Drain::EMPTY;
        }
        // Acquire pairs with `push`: the items and their links are visible.
        Drain { next: self.head.swap(ptr::null_mut(), Acquire), _own: PhantomData }
    }
}

/// The items of a drained inbox. Who drops it before it is empty loses the rest.
#[must_use]
pub(crate) struct Drain<T: Linked> {
    next: *mut T,
    _own: PhantomData<T>,
}

impl<T: Linked> Drain<T> {
    /// Of nothing.
    pub(crate) const EMPTY: Drain<T> = Drain { next: ptr::null_mut(), _own: PhantomData };
}

impl<T: Linked> Iterator for Drain<T> {
    type Item = NonNull<T>;

    fn next(&mut self) -> Option<NonNull<T>> {
        let item = NonNull::new(self.next)?;
        // SAFETY: valid until yielded, and ours.
        self.next = unsafe { item.as_ref() }.link().load(Relaxed);
        Some(item)
    }
}

#[cfg(test)]
mod node {
    use super::*;

    pub(super) struct Node(pub(super) u32, AtomicPtr<Node>);

    // SAFETY: the field is used by the inbox only.
    unsafe impl Linked for Node {
        fn link(&self) -> &AtomicPtr<Node> {
            &self.1
        }
    }

    pub(super) fn node(value: u32) -> NonNull<Node> {
        NonNull::from(Box::leak(Box::new(Node(value, AtomicPtr::new(ptr::null_mut())))))
    }

    pub(super) fn values(drain: Drain<Node>) -> Vec<u32> {
        // SAFETY: made by `node`, and yielded once.
        drain.map(|n| unsafe { Box::from_raw(n.as_ptr()) }.0).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::node::*;
    use super::*;

    #[test]
    fn first_in_first_out() {
        let inbox = Inbox::new();
        // SAFETY: fresh nodes, drained below.
        unsafe {
            assert!(inbox.push(node(1)));
            assert!(!inbox.push(node(2)));
            assert!(!inbox.push(node(3)));
        }
        assert!(!inbox.is_empty());
        assert_eq!(values(inbox.drain()), [1, 2, 3]);
        assert!(inbox.is_empty());
        assert_eq!(values(inbox.drain()), []);
    }

    #[test]
    fn what_is_taken_comes_last_in_first_out() {
        let inbox = Inbox::new();
        // SAFETY: fresh nodes, drained below.
        unsafe {
            inbox.push(node(1));
            inbox.push(node(2));
        }
        assert_eq!(values(inbox.take()), [2, 1]);
        assert!(inbox.is_empty());
        assert_eq!(values(inbox.take()), []);
    }

    #[test]
    fn many_producers_lose_nothing() {
        let inbox = Inbox::new();
        let n = if cfg!(miri) { 50 } else { 20_000 };
        let mut got = Vec::new();
        std::thread::scope(|s| {
            for t in 0..3 {
                let inbox = &inbox;
                s.spawn(move || {
                    for i in 0..n {
                        // SAFETY: a fresh node, drained below.
                        unsafe { inbox.push(node(t * n + i)) };
                    }
                });
            }
            while got.len() < 3 * n as usize {
                got.extend(values(inbox.drain()));
            }
        });
        for t in 0..3 {
            let of_t: Vec<_> = got.iter().filter(|v| **v / n == t).collect();
            assert!(of_t.is_sorted(), "each producer's order is kept");
        }
        got.sort_unstable();
        assert!(got.into_iter().eq(0..3 * n));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::node::*;
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn loom_two_producers_one_consumer() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let producers: Vec<_> = (1..3)
                .map(|v| {
                    let inbox = inbox.clone();
                    loom::thread::spawn(move || {
                        // SAFETY: a fresh node, drained below.
                        unsafe { inbox.push(node(v)) }
                    })
                })
                .collect();
            let mut got = values(inbox.drain());
            let firsts = producers.into_iter().map(|p| p.join().unwrap());
            let firsts = firsts.filter(|first| *first).count();
            got.extend(values(inbox.drain()));
            got.sort_unstable();
            assert_eq!(got, [1, 2]);
            assert!(firsts >= 1, "somebody wakes the owner");
        });
    }
}
