//! Deadlines of one worker: an exact, cancellable priority queue.
//!
//! A 4-ary heap (D. B. Johnson, "Priority queues with update and finding
//! minimum spanning trees", 1975) over slots, so that a key finds its place in
//! the heap and cancelling is O(log n). Equal deadlines fire in the order in
//! which they were armed. Arming a deadline later than all others, the usual
//! case, moves nothing.

use crate::sys::clock::Nanos;

/// Names an armed timer until it fires or is cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimerKey(u32);

impl TimerKey {
    /// As a number, for the layers below that keep it without knowing it.
    pub(crate) fn to_raw(self) -> u32 {
        self.0
    }

    pub(crate) fn from_raw(raw: u32) -> TimerKey {
        TimerKey(raw)
    }
}

/// One heap node, with its sort key beside it so that sifting stays in the heap.
#[derive(Clone, Copy)]
struct Node {
    deadline: Nanos,
    /// Breaks ties in arming order.
    seq: u64,
    slot: u32,
}

impl Node {
    fn before(&self, other: &Node) -> bool {
        (self.deadline, self.seq) < (other.deadline, other.seq)
    }
}

/// What a key points to.
enum Slot<T> {
    /// Armed: where its node is in the heap, and what it carries.
    Armed(u32, T),
    /// Unused: the next unused one.
    Free(u32),
}

const NONE: u32 = u32::MAX;

/// Armed timers, each carrying a `T`.
pub(crate) struct Timers<T> {
    heap: Vec<Node>,
    slots: Vec<Slot<T>>,
    /// First of the unused slots.
    free: u32,
    seq: u64,
}

impl<T> Timers<T> {
    pub(crate) const fn new() -> Timers<T> {
        Timers { heap: Vec::new(), slots: Vec::new(), free: NONE, seq: 0 }
    }

    /// How many are armed.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.heap.first().map(|n| n.deadline)
    }

    /// Whether `arm` need not allocate.
    pub(crate) fn has_room(&self) -> bool {
        self.heap.len() < self.heap.capacity()
            && (self.free != NONE || self.slots.len() < self.slots.capacity())
    }

    /// Arms a timer.
    ///
    /// # Errors
    /// Gives `value` back when memory has run out.
    pub(crate) fn arm(&mut self, deadline: Nanos, value: T) -> Result<TimerKey, T> {
        if self.heap.try_reserve(1).is_err()
            || (self.free == NONE
                && (self.slots.try_reserve(1).is_err() || self.slots.len() >= NONE as usize))
        {
            return Err(value);
        }
        let at = self.heap.len() as u32;
        let slot = match self.free {
            NONE => {
                self.slots.push(Slot::Armed(at, value));
                self.slots.len() as u32 - 1
            }
            free => {
                let Slot::Free(next) = self.slots[free as usize] else { unreachable!() };
                self.free = next;
                self.slots[free as usize] = Slot::Armed(at, value);
                free
            }
        };
        self.heap.push(Node { deadline, seq: self.seq, slot });
        self.seq += 1;
        self.sift_up(at as usize);
        Ok(TimerKey(slot))
    }

    /// Disarms a timer that has not fired.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> T {
        let Slot::Armed(at, _) = self.slots[key.0 as usize] else {
            unreachable!("a key is used once")
        };
        self.remove(at as usize).1
    }

    /// Takes the earliest timer out if it is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Nanos) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        Some(self.remove(0).1)
    }

    fn remove(&mut self, at: usize) -> (Nanos, T) {
        let node = self.heap.swap_remove(at);
        if let Some(moved) = self.heap.get(at) {
            let moved = moved.slot;
            self.place(at, moved);
            self.sift_down(at);
            self.sift_up(at);
        }
        let slot = std::mem::replace(&mut self.slots[node.slot as usize], Slot::Free(self.free));
        self.free = node.slot;
        let Slot::Armed(_, value) = slot else { unreachable!() };
        (node.deadline, value)
    }

    /// Tells slot `slot` that its node is at `at`.
    fn place(&mut self, at: usize, slot: u32) {
        if let Slot::Armed(place, _) = &mut self.slots[slot as usize] {
            *place = at as u32;
        }
    }

    fn sift_up(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 4;
            if !self.heap[at].before(&self.heap[parent]) {
                break;
            }
            self.swap(at, parent);
            at = parent;
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let children = 4 * at + 1..(4 * at + 5).min(self.heap.len());
            let least =
                children.reduce(|a, b| if self.heap[b].before(&self.heap[a]) { b } else { a });
            match least {
                Some(child) if self.heap[child].before(&self.heap[at]) => {
                    self.swap(at, child);
                    at = child;
                }
                _ => break,
            }
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.place(a, self.heap[a].slot);
        self.place(b, self.heap[b].slot);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn drain<T>(t: &mut Timers<T>, now: Nanos) -> Vec<T> {
        std::iter::from_fn(|| t.pop_due(now)).collect()
    }

    #[test]
    fn fires_in_order_and_ties_in_arming_order() {
        let mut t = Timers::new();
        for (deadline, v) in [(30, 'd'), (10, 'a'), (20, 'b'), (20, 'c')] {
            t.arm(deadline, v).unwrap();
        }
        assert_eq!(t.next(), Some(10));
        assert_eq!(drain(&mut t, 9), []);
        assert_eq!(drain(&mut t, 20), ['a', 'b', 'c']);
        assert_eq!(drain(&mut t, u64::MAX), ['d']);
        assert_eq!(t.next(), None);
    }

    #[test]
    fn keys_are_reused_only_after_they_are_spent() {
        let mut t = Timers::new();
        let a = t.arm(1, 'a').unwrap();
        let b = t.arm(2, 'b').unwrap();
        assert_eq!(t.cancel(a), 'a');
        let c = t.arm(3, 'c').unwrap();
        assert_eq!(a, c);
        assert_ne!(b, c);
        assert_eq!(t.len(), 2);
    }

    /// Against a sorted list, through arms, cancels and fires at random.
    #[test]
    fn agrees_with_a_model() {
        let mut t = Timers::new();
        let mut model: Vec<(Nanos, u64, TimerKey)> = Vec::new();
        let mut rng = 88172645463325252u64;
        let mut random = move || {
            rng ^= rng << 13;
            rng ^= rng >> 7;
            rng ^= rng << 17;
            rng
        };
        for step in 0..if cfg!(miri) { 300 } else { 100_000 } {
            match random() % 5 {
                0..=2 => {
                    let deadline = random() % 1000;
                    let key = t.arm(deadline, step).unwrap();
                    model.push((deadline, step, key));
                }
                3 if !model.is_empty() => {
                    let (_, v, key) = model.swap_remove(random() as usize % model.len());
                    assert_eq!(t.cancel(key), v);
                }
                _ => {
                    let now = random() % 1000;
                    model.sort_by_key(|(d, v, _)| (*d, *v));
                    let due = model.partition_point(|(d, ..)| *d <= now);
                    let due: Vec<_> = model.drain(..due).map(|(_, v, _)| v).collect();
                    assert_eq!(drain(&mut t, now), due);
                }
            }
            assert_eq!(t.len(), model.len());
        }
    }
}
