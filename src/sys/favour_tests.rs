//! Tests of the lock with a favourite.

use super::*;
use std::sync::atomic::AtomicU64;

const TURNS: u64 = if cfg!(miri) { 20 } else { 2000 };

fn locked<T>(lock: &Favour<T>, me: u32) -> Guard<'_, T> {
    // SAFETY: each test uses a number for one thread alone, which does not nest it.
    unsafe { lock.lock(me) }
}

#[test]
fn a_streak_makes_a_favourite_until_another_comes() {
    let lock = Favour::new(0);
    for _ in 0..=STREAK {
        *locked(&lock, 8) += 1;
        assert_eq!(lock.favourite.load(Relaxed), NOBODY);
    }
    for _ in 0..10 {
        *locked(&lock, 8) += 1;
    }
    let can_be = !cfg!(miri); // there are no barriers
    assert_eq!(lock.favourite.load(Relaxed), if can_be { 8 } else { NOBODY });
    *locked(&lock, 16) += 1;
    assert_eq!(lock.favourite.load(Relaxed), NOBODY);
    for _ in 0..AGAIN * STREAK + 2 {
        assert_eq!(lock.favourite.load(Relaxed), NOBODY, "it takes longer now");
        *locked(&lock, 8) += 1;
    }
    assert_eq!(lock.favourite.load(Relaxed), if can_be { 8 } else { NOBODY });
    assert_eq!(*locked(&lock, NOBODY), u64::from((1 + AGAIN) * STREAK) + 14);
}

#[test]
fn nobody_is_no_favourite() {
    let lock = Favour::new(());
    (0..2 * STREAK).for_each(|_| drop(locked(&lock, NOBODY)));
    assert_eq!(lock.favourite.load(Relaxed), NOBODY);
}

/// Many times, since it is dismissed only now and then: all count, the favourite first.
#[test]
fn counts_exactly_whoever_comes() {
    for _ in 0..if cfg!(miri) { 2 } else { 200 } {
        let (lock, begun) = (Favour::new(0_u64), AtomicU64::new(0));
        std::thread::scope(|s| {
            for me in [8, 16, NOBODY] {
                let (lock, begun) = (&lock, &begun);
                s.spawn(move || {
                    while me != 8 && begun.load(Relaxed) < TURNS / 2 {
                        std::hint::spin_loop();
                    }
                    for turn in 0..TURNS {
                        *locked(lock, me) += 1;
                        if me == 8 {
                            begun.store(turn, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(*locked(&lock, NOBODY), 3 * TURNS);
    }
}

/// Whose favourite is `me`, if anybody's.
fn favouring(me: u32) -> Favour<()> {
    let lock = Favour::new(());
    (0..STREAK + 2).for_each(|_| drop(locked(&lock, me)));
    assert!(lock.favourite.load(Relaxed) == me || cfg!(miri));
    lock
}

/// As a signal handler tries that has interrupted who is inside, on the same thread.
#[test]
fn who_is_inside_is_not_disturbed() {
    let lock = favouring(8);
    let inside = locked(&lock, 8);
    // SAFETY: it is one thread.
    assert!(matches!(unsafe { lock.try_lock(8) }, Tried::Held));
    assert!(lock.may_be_held(|| 8));
    drop(inside);
    assert!(!lock.may_be_held(|| 8));
    // SAFETY: as above.
    assert!(matches!(unsafe { lock.try_lock(8) }, Tried::Inside(_)));
    assert_eq!(lock.busy.load(Relaxed), 0);
}

/// He has the other lock still when he is made the favourite.
#[test]
fn who_is_made_the_favourite_is_not_disturbed() {
    let lock = Favour::new(());
    (0..=STREAK).for_each(|_| drop(locked(&lock, 8)));
    assert_eq!(lock.favourite.load(Relaxed), NOBODY);
    let inside = locked(&lock, 8);
    assert!(lock.favourite.load(Relaxed) == 8 || cfg!(miri));
    // SAFETY: it is one thread.
    assert!(matches!(unsafe { lock.try_lock(8) }, Tried::Held));
    assert!(lock.may_be_held(|| 8));
    drop(inside);
    assert!(!lock.may_be_held(|| 8));
}

/// Who may not wait leaves it to others, and does not dismiss who is inside.
#[test]
fn who_tries_dismisses_a_favourite_that_is_out() {
    if cfg!(miri) {
        return; // it has no barriers, and so no favourites
    }
    let lock = favouring(8);
    assert!(lock.may_be_held(|| 16), "the favourite needs no fence");
    let inside = locked(&lock, 8);
    // SAFETY: it does as if it were another thread.
    assert!(matches!(unsafe { lock.try_lock(16) }, Tried::Held));
    assert_eq!(lock.favourite.load(Relaxed), 8);
    drop(inside);
    assert!(lock.may_be_held(|| 16), "he may be about to come in again");
    // SAFETY: as above.
    assert!(matches!(unsafe { lock.try_lock(16) }, Tried::Inside(_)));
    assert_eq!(lock.favourite.load(Relaxed), NOBODY);
    assert!(!lock.may_be_held(|| 16) && !lock.may_be_held(|| 8));
    drop(locked(&lock, 8));
    assert_eq!(lock.busy.load(Relaxed), 0);
}

/// He has stopped on his way in when somebody tries, who must not stay away for that.
#[test]
fn who_leaves_may_hold_it() {
    if cfg!(miri) {
        return; // as above
    }
    let lock = favouring(8);
    lock.favourite.store(LEAVING, Relaxed);
    assert!(lock.may_be_held(|| 16) && lock.may_be_held(|| 8));
    // SAFETY: it is one thread.
    assert!(matches!(unsafe { lock.try_lock(8) }, Tried::Inside(_)));
    assert!(!lock.may_be_held(|| 16));
}

#[test]
fn only_who_was_it_is_made_the_favourite_again() {
    let lock = favouring(8);
    (0..2 * AGAIN * STREAK).for_each(|_| drop(locked(&lock, 16)));
    assert_eq!(lock.favourite.load(Relaxed), NOBODY);
    (0..2 * AGAIN * STREAK).for_each(|_| drop(locked(&lock, 8)));
    assert!(lock.favourite.load(Relaxed) == 8 || cfg!(miri));
}
