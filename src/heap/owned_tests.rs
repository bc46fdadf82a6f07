//! A heap of its own, undisturbed by other tests.

use super::*;
use crate::sys::mem;
use std::alloc::Layout;
use std::collections::HashSet;
use std::thread;

fn heap() -> Heap {
    Heap::new(Box::leak(Box::new(Returned::new())))
}

fn class(size: usize) -> Class {
    Class::of(Layout::from_size_align(size, 8).unwrap()).unwrap()
}

fn block(heap: &mut Heap, size: usize) -> NonNull<u8> {
    let class = class(size);
    heap.take(class).or_else(|| heap.take_elsewhere(class)).unwrap()
}

fn blocks(heap: &mut Heap, size: usize, count: usize) -> Vec<NonNull<u8>> {
    (0..count).map(|_| block(heap, size)).collect()
}

fn give_all(heap: &mut Heap, blocks: &[NonNull<u8>]) {
    for &block in blocks {
        // SAFETY: taken from it, once each.
        unsafe { heap.give(block) };
    }
}

/// Carries blocks to another thread.
struct Carry(Vec<NonNull<u8>>);
// SAFETY: blocks may be returned by any thread.
unsafe impl Send for Carry {}

impl Carry {
    fn return_all(self) {
        for block in self.0 {
            // SAFETY: had by this alone.
            unsafe { slab::return_to_owner(block) };
        }
    }
}

#[test]
fn the_one_given_back_last_comes_first() {
    let mut heap = heap();
    let taken = blocks(&mut heap, 300, 3);
    give_all(&mut heap, &taken);
    assert_eq!(block(&mut heap, 300), taken[2]);
    assert_ne!(block(&mut heap, 200), taken[1], "of another size");
    assert_eq!(block(&mut heap, 300), taken[1]);
}

#[test]
fn a_burst_uses_the_slabs_of_the_one_before() {
    let mut heap = heap();
    let first = blocks(&mut heap, 384, 10_000);
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 10_000);
    let slabs = heap.slabs;
    give_all(&mut heap, &first);
    assert_eq!(heap.empty.len(), slabs - 1, "all but the current one");
    // What is empty serves other sizes, too.
    for size in [384, 1024, 64] {
        let count = (slabs - 2) * (1024 / size.max(384));
        let again = blocks(&mut heap, size, count);
        give_all(&mut heap, &again);
        assert_eq!(heap.slabs, slabs, "{size}");
    }
}

#[test]
fn what_others_return_is_used_before_there_are_more() {
    let mut heap = heap();
    let first = blocks(&mut heap, 384, 5_000);
    let slabs = heap.slabs;
    for _ in 0..3 {
        let mut carried = blocks(&mut heap, 384, 5_000);
        let other = Carry(carried.split_off(2_500));
        let one = Carry(carried);
        let threads = [one, other].map(|half| thread::spawn(move || half.return_all()));
        for thread in threads {
            thread.join().unwrap();
        }
    }
    assert!(heap.slabs <= 2 * slabs + 1, "{} for {slabs}", heap.slabs);
    give_all(&mut heap, &first);
    while heap.collect() > 0 {}
    assert_eq!(heap.empty.len(), heap.slabs - 1);
}

/// How many blocks of `size` a slab has.
fn in_a_slab(size: usize) -> usize {
    (slab::SLAB - size_of::<Slab>()) / size
}

#[test]
fn what_comes_back_into_the_current_slab_is_found_there() {
    let mut heap = heap();
    let taken = blocks(&mut heap, 1024, in_a_slab(1024));
    Carry(vec![taken[9]]).return_all();
    assert_eq!(block(&mut heap, 1024), taken[9]);
    assert_eq!(heap.slabs, 1);
}

#[test]
fn what_is_partly_free_is_used_before_another_the_oldest_first() {
    let mut heap = heap();
    let n = in_a_slab(1024);
    let taken = blocks(&mut heap, 1024, 4 * n);
    let (first, second) = (taken[5], taken[n + 5]);
    give_all(&mut heap, &[first, second]);
    assert_eq!(blocks(&mut heap, 1024, 2), [first, second]);
    assert_eq!(heap.slabs, 4);
    assert_eq!(heap.partial[class(1024).index()].len(), 0);
}

#[test]
fn so_many_returned_blocks_are_taken_back_a_part_at_a_time() {
    let mut heap = heap();
    let taken = blocks(&mut heap, 64, 3 * COLLECT_BUDGET);
    Carry(taken).return_all();
    let now = Instant::now();
    assert_eq!((heap.collect(), heap.trim(now)), (COLLECT_BUDGET, Some(now)));
    // Those that come meanwhile wait their turn.
    Carry(blocks(&mut heap, 64, 1)).return_all();
    assert_eq!((heap.collect(), heap.collect(), heap.collect()), (COLLECT_BUDGET, 1, 0));
}

/// How many bytes of the slab of `block` are in memory.
fn resident(block: NonNull<u8>) -> usize {
    // SAFETY: of a slab.
    let start = unsafe { slab::of(block) }.as_ptr().addr();
    mem::touched(start, start + slab::SLAB).unwrap()
}

#[test]
fn what_lies_empty_for_a_period_goes_back_to_the_kernel() {
    let (mut heap, start) = (heap(), Instant::now());
    let taken = blocks(&mut heap, 1024, 40 * in_a_slab(1024));
    let slabs = heap.slabs;
    assert!(slabs >= 40);
    assert!(heap.trim(start) > Some(start), "it has much");
    give_all(&mut heap, &taken);
    let end = start + PERIOD;
    assert_eq!(heap.trim(end), Some(end + PERIOD), "nothing was empty all the time");
    assert_eq!(heap.trim(end + PERIOD / 2), Some(end + PERIOD), "not yet");
    assert_eq!(heap.slabs, slabs);
    assert!(resident(taken[0]) > 0);
    let end = end + PERIOD;
    assert_eq!(heap.trim(end), Some(end), "a part of it at a time");
    assert_eq!(heap.slabs, slabs - TRIM_BUDGET);
    while heap.trim(end) == Some(end) {}
    assert_eq!((heap.slabs, heap.trim(end)), (1, None));
    assert_eq!(resident(taken[0]), 0);
}

/// The slabs that `blocks` lie in.
fn slabs_of(blocks: &[NonNull<u8>]) -> HashSet<NonNull<Slab>> {
    // SAFETY: blocks of slabs.
    blocks.iter().map(|&block| unsafe { slab::of(block) }).collect()
}

#[test]
fn what_went_back_to_the_kernel_is_used_again_before_more_is_mapped() {
    let (mut heap, mut now) = (heap(), Instant::now());
    let mut round = || {
        let taken = blocks(&mut heap, 1024, 200 * in_a_slab(1024)); // more than three regions
        give_all(&mut heap, &taken);
        for _ in 0..3 {
            now += PERIOD;
            while heap.trim(now) == Some(now) {}
        }
        assert_eq!(heap.slabs, 1);
        taken
    };
    let first = slabs_of(&round());
    assert_eq!(first.len(), 200);
    // Of the regions, some slabs were not used the first time.
    let second = slabs_of(&round());
    let third = slabs_of(&round());
    assert!(first.union(&second).chain(&third).collect::<HashSet<_>>().len() <= 4 * 63);
}

#[test]
fn what_is_used_stays_and_what_lies_idle_goes() {
    let (mut heap, start) = (heap(), Instant::now());
    let taken = blocks(&mut heap, 1024, in_a_slab(1024) * 10);
    give_all(&mut heap, &taken);
    heap.trim(start);
    let some = blocks(&mut heap, 1024, in_a_slab(1024) * 4);
    let used = slabs_of(&some);
    give_all(&mut heap, &some);
    while heap.trim(start + PERIOD) == Some(start + PERIOD) {}
    assert_eq!(heap.slabs, 4);
    assert_eq!(slabs_of(&blocks(&mut heap, 1024, in_a_slab(1024) * 4)), used);
}

#[test]
fn whose_slabs_are_in_use_looks_less_and_less_often() {
    let (mut heap, now) = (heap(), Instant::now());
    let few = blocks(&mut heap, 1024, in_a_slab(1024) * FEW);
    assert_eq!(heap.trim(now), None);
    let more = blocks(&mut heap, 1024, 1);
    assert_eq!(heap.trim(now), Some(now + PERIOD));
    assert_eq!(heap.trim(now + PERIOD / 2), Some(now + PERIOD), "not yet");
    assert_eq!(heap.trim(now + PERIOD), Some(now + 3 * PERIOD));
    assert_eq!(heap.trim(now + 3 * PERIOD), Some(now + 7 * PERIOD));
    let mut at = now;
    for _ in 0..10 {
        at = heap.trim(at).unwrap();
    }
    assert_eq!(heap.trim(at), Some(at + LONGEST));
    Carry(vec![few[0]]).return_all();
    assert_eq!(heap.trim(at), Some(at + PERIOD), "something came");
    give_all(&mut heap, &more);
}

/// Whatever comes in whatever order, no two share a byte.
#[test]
fn blocks_keep_what_is_written_into_them() {
    let (mut heap, mut now) = (heap(), Instant::now());
    let mut taken: Vec<(NonNull<u8>, usize, u8)> = Vec::new();
    let mut random = 1_u64;
    for step in 0..200_000_u64 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let pick = (random >> 33) as usize;
        // Waves, so that slabs become full and empty.
        let grows = (step / 10_000).is_multiple_of(2);
        if taken.is_empty() || pick % 8 < if grows { 6 } else { 2 } {
            let (size, mark) = (64 * (1 + pick / 8 % 16), step as u8);
            let block = block(&mut heap, size);
            // SAFETY: so large.
            unsafe { block.write_bytes(mark, size) };
            taken.push((block, size, mark));
        } else {
            let (block, size, mark) = taken.swap_remove(pick / 8 % taken.len());
            // SAFETY: written above.
            let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), size) };
            assert!(bytes.iter().all(|&byte| byte == mark));
            if pick.is_multiple_of(3) {
                Carry(vec![block]).return_all();
            } else {
                give_all(&mut heap, &[block]);
            }
        }
        if step.is_multiple_of(5_000) {
            now += PERIOD;
            heap.trim(now);
        }
    }
    let left: Vec<_> = taken.iter().map(|&(block, ..)| block).collect();
    give_all(&mut heap, &left);
    while heap.collect() > 0 {}
    let current = heap.current.iter().flatten().count();
    assert_eq!(heap.empty.len() + current, heap.slabs);
}
