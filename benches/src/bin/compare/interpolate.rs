//! Puts the tables where a document wants them.

use greenroom_bench::protocol::Outcome;

/// What goes between `<!-- compare: begin -->` and its end: everything. Between the
/// other marks: the overview.
const PARTS: [&str; 2] = ["compare", "compare overview"];

/// `text` with `all` and `overview` between those marks that it has.
///
/// # Errors
/// It has none, or an end is missing.
pub(super) fn between_marks(text: &str, all: &str, overview: &str) -> Outcome<String> {
    let (mut text, mut found) = (text.to_owned(), false);
    for (part, tables) in PARTS.into_iter().zip([all, overview]) {
        let (begin, end) = marks(part);
        let Some((before, rest)) = text.split_once(&begin) else { continue };
        let (_, after) =
            rest.split_once(&end).ok_or_else(|| format!("there is no line {end:?}"))?;
        text = format!("{before}{begin}{tables}{end}{after}");
        found = true;
    }
    let missing = || PARTS.map(|part| format!("{:?}", marks(part).0.trim())).join(" nor ");
    if found { Ok(text) } else { Err(format!("there is no line {}", missing()).into()) }
}

fn marks(part: &str) -> (String, String) {
    (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->"))
}

#[test]
fn only_what_lies_between_the_marks_is_replaced() {
    let text = |all, overview| {
        let ((begin, end), (first, last)) = (marks(PARTS[0]), marks(PARTS[1]));
        format!("a\n{begin}{all}{end}\nb\n{first}{overview}{last}\nc\n")
    };
    let replaced = between_marks(&text("old\n", "older\n"), "new\n", "newer\n").unwrap();
    assert_eq!(replaced, text("new\n", "newer\n"));
    let (begin, end) = marks(PARTS[1]);
    let one = between_marks(&format!("{begin}{end}"), "new\n", "newer\n").unwrap();
    assert_eq!(one, format!("{begin}newer\n{end}"));
    assert!(between_marks("a\nb\n", "new", "newer").is_err());
    assert!(between_marks(&format!("{end}\n{begin}"), "new", "newer").is_err());
}
