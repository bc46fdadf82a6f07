//! Members without workers: under Miri, too.

use super::*;
use crate::green::record::Birth;
use crate::green::record::RecordRef;
use crate::task::body;

/// One that has entered, with one of the places: its scheduler's and its
/// handle's reference.
fn member(of: &Arc<Members>) -> [RecordRef; 2] {
    assert!(of.places.as_ref().is_none_or(Permits::try_acquire));
    let place = Member::new(of.clone(), true);
    let (thread, handle) = body::new_beside(|| vec![1], Birth::usual(None), place).unwrap();
    assert!(of.enter(&thread, Leave::Open).is_ok());
    [thread, handle]
}

fn ends([thread, _]: &[RecordRef; 2]) {
    // SAFETY: fresh, once, and alive until it returns.
    unsafe { thread.run_here() };
    thread.state.finish();
}

fn free(members: &Members) -> usize {
    members.places.as_ref().map_or(0, Permits::free)
}

#[test]
fn miri_members_come_and_go_in_any_order() {
    let all = Members::new(Some(Permits::new(3, 3)));
    let [a, b, c] = [0; 3].map(|_| member(&all));
    assert_eq!((all.len(), free(&all)), (3, 0));
    ends(&b);
    assert_eq!((all.len(), free(&all)), (2, 1));
    let d = member(&all);
    let victims = all.victims();
    assert_eq!(
        victims.iter().map(GreenThread::id).collect::<Vec<_>>(),
        [&a, &c, &d].map(|m| m[0].id())
    );
    [c, a, d].iter().for_each(ends);
    assert_eq!((all.len(), free(&all)), (0, 3));
    assert!(all.wait(Some(0)) && all.failures().is_ok());
}

#[test]
fn miri_a_discarded_one_keeps_its_place_in_the_pool() {
    let all = Members::new(Some(Permits::new(1, 1)));
    let one = member(&all);
    let thread = GreenThread(one[1].clone());
    assert!(all.discard(&thread) && !all.discard(&thread));
    assert_eq!((all.len(), free(&all)), (0, 0));
    ends(&one);
    assert_eq!(free(&all), 1);
}

#[test]
fn who_is_barred() {
    let all = Members::new(None);
    let open = Leave::Open;
    let map = Leave::Epoch(all.epoch());
    let enters = |leave| {
        let place = Member::new(all.clone(), false);
        let (thread, handle) = body::new_beside(|| (), Birth::usual(None), place).unwrap();
        let entered = all.enter(&thread, leave);
        if entered.is_ok() {
            ends(&[thread, handle]);
        } else {
            // SAFETY: never run.
            unsafe { thread.refuse(std::io::ErrorKind::Other.into()) };
        }
        entered
    };
    assert!(enters(open).is_ok() && enters(map).is_ok());
    assert!(all.expect());
    all.close();
    assert!(matches!(enters(open), Err(Barred::Closed)));
    assert!(enters(map).is_ok(), "a map goes on");
    assert!(!all.expect());
    assert!(!all.wait(Some(0)), "one is yet to enter");
    assert!(enters(Leave::Expected).is_ok() && all.wait(Some(0)));
    assert!(all.victims().is_empty());
    assert!(matches!(enters(map), Err(Barred::Killed)));
    assert!(all.failures().is_ok(), "those that were not let in did not fail");
}
