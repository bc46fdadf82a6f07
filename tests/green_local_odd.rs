//! Green-local values in odd hands: names that clash, copies that spawn.

mod common;

use common::{Counted, workers};
use greenroom::{green_local, scope, spawn};
use std::cell::Cell;

fn init() -> u32 {
    7
}

/// What the macro calls its own is not what the value's expression means.
#[test]
fn the_expression_means_the_users_names() {
    green_local! {
        static SEVEN: Cell<u32> = Cell::new(init());
        #[inherit]
        static INHERITED: Cell<u32> = Cell::new(init());
    }
    workers(1, || {
        let green = spawn(|| (SEVEN.get(), INHERITED.get()));
        assert_eq!(green.join().unwrap(), (7, 7));
        assert_eq!((SEVEN.get(), INHERITED.get()), (7, 7));
    });
}

/// A copy that spawns is not copied for what it spawns, and so on for ever.
#[test]
fn a_copy_may_spawn() {
    green_local! {
        #[inherit]
        static PLAIN: Cell<u32> = Cell::new(0);
        #[inherit]
        static SPAWNS: Spawns = Spawns(Counted::new());
    }
    struct Spawns(#[allow(dead_code, reason = "it counts")] Counted);
    impl Clone for Spawns {
        fn clone(&self) -> Spawns {
            assert_eq!(spawn(|| PLAIN.get()).join().unwrap(), 0, "it inherits nothing");
            scope(|s| drop(s.spawn(|| PLAIN.set(9)).join()));
            Spawns(Counted::new())
        }
    }
    workers(2, || {
        let parent = spawn(|| {
            PLAIN.set(5);
            SPAWNS.with(|_| ());
            for _ in 0..3 {
                let child = spawn(|| (PLAIN.get(), spawn(|| PLAIN.get()).join().unwrap()));
                assert_eq!(child.join().unwrap(), (5, 5));
            }
        });
        parent.join().unwrap();
        Counted::assert_gone(1 + 3 * 2);
    });
}
