//! Switch between functions by hand: greenlet's `switch` (seed 000: 七、协程, greenlet).
//!
//! ```sh
//! cargo run --example greenlet
//! ```

use std::cell::OnceCell;
use std::rc::Rc;

use greenroom::Greenlet;

/// Each knows the other by what is set once both are made.
type Other = Rc<OnceCell<Greenlet<()>>>;

fn switch_to(other: &Other) {
    other.get().expect("both are made").switch(());
}

fn run(say: fn(u32)) {
    let (gr1, gr2) = (Other::default(), Other::default());
    let other = gr2.clone();
    let test1 = Greenlet::new(move |()| {
        say(12);
        switch_to(&other);
        say(34);
        switch_to(&other);
    });
    let other = gr1.clone();
    let test2 = Greenlet::new(move |()| {
        say(56);
        switch_to(&other);
        say(78);
    }); // goes back to its parent: the one that made it
    let _ = (gr1.set(test1), gr2.set(test2));
    switch_to(&gr1);
}

fn main() {
    run(|n| println!("{n}"));
}

#[test]
fn they_switch_to_and_fro() {
    use std::cell::RefCell;

    thread_local!(static HEARD: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });

    run(|n| HEARD.with_borrow_mut(|heard| heard.push(n)));
    assert_eq!(HEARD.take(), [12, 56, 34, 78]);
}
