//! Where a debugger finds what. `examples/gdb/greenroom.py` reads these numbers
//! from a process or a core file, and then needs no types, which a release build
//! does not describe, and nothing that runs.
//!
//! The script has their names in the same order. Whoever changes the one changes
//! the other, and `MAGIC`.

use super::coroutine::Coroutine;
use super::face;
use super::record::{Body, Record};
use super::seat::Seat;
use super::state;
use super::why::Why;
use crate::stack::Places;
use std::hint::black_box;
use std::mem::offset_of;

const MAGIC: [u8; 16] = *b"greenroom gdb 2\0";

#[repr(C)]
struct Layout {
    magic: [u8; 16],
    stacks: Places,
    record: [usize; 12],
    /// In a worker: who sits there.
    seat: usize,
    /// Of a pthread: in its record, the body; in that, what only theirs have;
    /// its name, and how long that is.
    pthread: [usize; 4],
    states: [usize; 3],
}

static LAYOUT: Layout = Layout {
    magic: MAGIC,
    stacks: Places::new(),
    record: [
        offset_of!(Record, id),
        offset_of!(Record, state),
        offset_of!(Record, own.frame),
        offset_of!(Record, own.coroutine),
        size_of::<Option<Coroutine>>(),
        offset_of!(Record, birth.name),
        offset_of!(Record, birth.by),
        offset_of!(Record, birth.parent),
        offset_of!(Record, own.seat),
        offset_of!(Record, own.why),
        Why::KIND_AT,
        Why::WHAT_AT,
    ],
    seat: Seat::TAKEN_BY,
    pthread: [offset_of!(Record, body), offset_of!(Body, ended), face::NAME_AT, face::NAME_LEN],
    states: state::BITS,
};

/// Has the linker keep the numbers, though nothing here reads them.
pub(crate) fn keep() {
    black_box(&raw const LAYOUT);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::why;
    use super::*;
    use std::panic::Location;

    const SCRIPT: &str = include_str!("../../examples/gdb/greenroom.py");

    /// What stands between the two in the script.
    fn part(start: &str, end: &str) -> &'static str {
        SCRIPT.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[test]
    fn the_script_has_a_name_for_each_number() {
        let names = part("WORDS = \"\"\"", "\"\"\"").split_whitespace().count();
        let numbers = size_of::<Layout>() - size_of_val(&MAGIC);
        assert_eq!(names, numbers / size_of::<usize>());
        let magic = str::from_utf8(&MAGIC).unwrap().replace('\0', "\\0");
        assert!(SCRIPT.contains(&format!("MAGIC = b\"{magic}\"\n")));
    }

    #[test]
    fn the_script_has_a_text_for_each_kind_of_wait() {
        let texts = part("KINDS = [", "\n]").matches('"').count() / 2;
        assert_eq!(texts, why::KINDS.len());
    }

    /// The script reads them so, and nothing else says it.
    #[test]
    fn a_location_is_its_files_address_and_length_and_the_line() {
        let here = Location::caller();
        let words = std::ptr::from_ref(here).cast::<usize>();
        let file = here.file();
        assert!(size_of::<Location<'_>>() >= 3 * size_of::<usize>());
        // SAFETY: three words, as was just seen.
        let (at, len, line) = unsafe { (*words, *words.add(1), *words.add(2).cast::<u32>()) };
        assert_eq!((at, line), (file.as_ptr().addr(), here.line()));
        assert!(len == file.len() || len == file.len() + 1, "with its NUL");
    }

    #[test]
    fn a_name_is_its_address_and_length() {
        let name: Option<Box<str>> = Some("name".into());
        // SAFETY: two words, whatever they mean.
        let words = unsafe { std::mem::transmute_copy::<_, [usize; 2]>(&name) };
        assert_eq!(words, [name.as_ref().unwrap().as_ptr().addr(), 4]);
    }
}
