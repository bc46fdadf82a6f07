//! Puts the tables where a document wants them.

use greenroom_bench::protocol::Outcome;

const BEGIN: &str = "<!-- compare: begin -->\n";
const END: &str = "<!-- compare: end -->";

/// `text` with `tables` between its marks.
///
/// # Errors
/// It has no such marks, in this order.
pub(super) fn between_marks(text: &str, tables: &str) -> Outcome<String> {
    let missing = || format!("there are no lines {:?} and {END:?}", BEGIN.trim());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}{tables}{END}{after}"))
}

#[test]
fn only_what_lies_between_the_marks_is_replaced() {
    let text = format!("a\n{BEGIN}old\n{END}\nb\n");
    let replaced = between_marks(&text, "new\n").unwrap();
    assert_eq!(replaced, format!("a\n{BEGIN}new\n{END}\nb\n"));
    assert!(between_marks("a\nb\n", "new").is_err());
    assert!(between_marks(&format!("{END}\n{BEGIN}"), "new").is_err());
}
