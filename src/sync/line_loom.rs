//! Every interleaving of the line's moves.

use super::*;
use crate::green::choice::Choice;
use crate::green::state::{Mark, State};
use loom::sync::{Arc, Mutex};

impl Candidate for u32 {
    /// # Safety
    /// None.
    unsafe fn claim(&self) -> bool {
        true
    }
}

struct Shared {
    line: Mutex<Line<u32>>,
    nodes: [Node<u32>; 2],
}
// SAFETY: nodes are reached under the lock, but for their outcomes.
unsafe impl Sync for Shared {}
// SAFETY: nothing is tied to a thread.
unsafe impl Send for Shared {}

/// A granter meets the first one's deadline: exactly one of the two waiters
/// gets the grant, and the first one only if it did not leave.
#[test]
fn loom_grant_against_deadline() {
    loom::model(|| {
        let nodes = [Node::new(0), Node::new(1)];
        let shared = Arc::new(Shared { line: Mutex::new(Line::new()), nodes });
        for node in &shared.nodes {
            // SAFETY: in the `Arc` until the end.
            unsafe { shared.line.lock().unwrap().push(node) };
        }
        let theirs = shared.clone();
        let granter =
            loom::thread::spawn(move || theirs.line.lock().unwrap().grant(u64::MAX, |who| who));
        // SAFETY: pushed above.
        let left = unsafe { shared.line.lock().unwrap().leave(&shared.nodes[0]) };
        if !left {
            assert_eq!(shared.nodes[0].outcome(), Some(Outcome::Granted));
        }
        let granted = granter.join().unwrap();
        assert_eq!(granted, Some(u32::from(left)));
        assert_eq!(shared.nodes[1].outcome().is_some(), left);
        assert_eq!(shared.line.lock().unwrap().is_empty(), left);
    });
}

/// A grant meets one on its way to park, who may use up the notice before there
/// is an outcome: it does not park for ever.
#[test]
fn loom_grant_against_parking() {
    loom::model(|| {
        let line = Mutex::new(Line::new());
        let shared =
            Arc::new((Shared { line, nodes: [Node::new(0), Node::new(1)] }, State::fresh()));
        let (Shared { line, nodes: [node, _] }, state) = &*shared;
        // SAFETY: in the `Arc` until the end.
        unsafe { line.lock().unwrap().push(node) };
        let theirs = shared.clone();
        let mut granter = Some(loom::thread::spawn(move || {
            theirs.0.line.lock().unwrap().grant(u64::MAX, |_| theirs.1.notify(Mark::NONE))
        }));
        // As `place::wait`, with what `park` does.
        while node.outcome().is_none() {
            if !state.take_notice() {
                if state.commit_park() {
                    let granter = granter.take().expect("it parks once");
                    assert_eq!(granter.join().unwrap(), Some(true), "nobody wakes it");
                }
                state.begin_run();
            }
            if node.is_being_told() {
                // SAFETY: pushed above.
                assert!(!unsafe { line.lock().unwrap().leave(node) });
            }
        }
    });
}

/// One that stands in two lines, with that number in each.
struct Chooser(Arc<Choice>, u32);

impl Candidate for Chooser {
    /// # Safety
    /// None.
    unsafe fn claim(&self) -> bool {
        self.0.claim(self.1)
    }
}

struct Two {
    lines: [Mutex<Line<Chooser>>; 2],
    nodes: [Node<Chooser>; 2],
    /// In the second line, behind the chooser.
    next: Node<Chooser>,
}
// SAFETY: nodes are reached under their line's lock, but for their outcomes.
unsafe impl Sync for Two {}
// SAFETY: nothing is tied to a thread.
unsafe impl Send for Two {}

/// Both lines grant while the chooser's deadline passes: it gets one thing at
/// most, and what it does not take goes to the next.
#[test]
fn loom_two_grants_against_deadline() {
    loom::model(|| {
        let choice = Arc::new(Choice::new());
        let chooser = |number| Node::new(Chooser(choice.clone(), number));
        let two = Arc::new(Two {
            lines: [Mutex::new(Line::new()), Mutex::new(Line::new())],
            nodes: [chooser(0), chooser(1)],
            next: Node::new(Chooser(Arc::new(Choice::new()), 7)),
        });
        for at in 0..2 {
            // SAFETY: in the `Arc` until the end.
            unsafe { two.lines[at].lock().unwrap().push(&two.nodes[at]) };
        }
        // SAFETY: as above.
        unsafe { two.lines[1].lock().unwrap().push(&two.next) };
        let granters = [0, 1].map(|at| {
            let two = two.clone();
            loom::thread::spawn(move || {
                two.lines[at].lock().unwrap().grant(u64::MAX, |who: Chooser| who.1)
            })
        });
        choice.claim(2);
        let decided = choice.decided().expect("by somebody");
        for at in 0..2 {
            // SAFETY: pushed above.
            unsafe { two.lines[at].lock().unwrap().leave(&two.nodes[at]) };
            let outcome = two.nodes[at].outcome();
            assert_eq!(outcome == Some(Outcome::Granted), decided == at as u32);
        }
        let [first, second] = granters.map(|granter| granter.join().unwrap());
        assert_eq!(first, (decided == 0).then_some(0));
        assert_eq!(second, Some(if decided == 1 { 1 } else { 7 }));
    });
}

/// An item in a queue of one line: with the getter's place, or in the buffer.
struct Handed {
    line: Mutex<(Line<u32>, Option<u32>)>,
    node: Node<u32>,
    place: loom::cell::UnsafeCell<Option<u32>>,
}
// SAFETY: the node is reached under the lock, but for its outcome; the place
// under the lock by who finds the node in line, and by its owner once it is out.
unsafe impl Sync for Handed {}
// SAFETY: nothing is tied to a thread.
unsafe impl Send for Handed {}

impl Handed {
    /// As the queue's `store`.
    fn put(&self, item: u32) {
        let mut at = self.line.lock().unwrap();
        if at.0.first_place().is_some() {
            // SAFETY: it is in line.
            self.place.with_mut(|place| unsafe { *place = Some(item) });
            assert_eq!(at.0.grant(u64::MAX, |who| who), Some(7));
        } else {
            at.1 = Some(item);
        }
    }
}

/// An item comes while the getter's deadline passes: the getter has it, in its
/// place, without taking the lock, or has left, and then it is in the buffer.
#[test]
fn loom_an_item_handed_over_against_deadline() {
    loom::model(|| {
        let place = loom::cell::UnsafeCell::new(None);
        let node = Node::new(7).with_place(std::ptr::dangling_mut());
        let handed = Arc::new(Handed { line: Mutex::new((Line::new(), None)), node, place });
        // SAFETY: in the `Arc` until the end.
        unsafe { handed.line.lock().unwrap().0.push(&handed.node) };
        let theirs = handed.clone();
        let putter = loom::thread::spawn(move || theirs.put(5));
        let node = &handed.node;
        // SAFETY: pushed above.
        let left = node.outcome().is_none() && unsafe { handed.line.lock().unwrap().0.leave(node) };
        if !left {
            assert_eq!(node.outcome(), Some(Outcome::Granted));
            // SAFETY: granted, so nobody else looks there.
            assert_eq!(handed.place.with_mut(|place| unsafe { (*place).take() }), Some(5));
        }
        putter.join().unwrap();
        assert_eq!(handed.line.lock().unwrap().1, left.then_some(5));
    });
}

/// Three in line, of whom the second gives up, and two grants: they go to those
/// who stay, in the order in which they came.
#[test]
fn loom_grants_go_in_order_past_one_who_leaves() {
    loom::model(|| {
        let nodes = Arc::new(([0, 1, 2].map(Node::new), Mutex::new(Line::new())));
        struct All(Arc<([Node<u32>; 3], Mutex<Line<u32>>)>);
        // SAFETY: nothing is tied to a thread, and nodes are reached under the lock.
        unsafe impl Send for All {}
        for node in &nodes.0 {
            // SAFETY: in the `Arc` until the end.
            unsafe { nodes.1.lock().unwrap().push(node) };
        }
        let all = All(nodes.clone());
        let granter = loom::thread::spawn(move || {
            let all = { all };
            [0; 2].map(|_| all.0.1.lock().unwrap().grant(u64::MAX, |who| who))
        });
        // SAFETY: pushed above.
        let left = unsafe { nodes.1.lock().unwrap().leave(&nodes.0[1]) };
        let granted = granter.join().unwrap();
        assert_eq!(granted, [Some(0), Some(if left { 2 } else { 1 })]);
        assert_eq!(nodes.1.lock().unwrap().first().is_none(), left);
    });
}
