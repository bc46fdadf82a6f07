//! What must not get out: paths of one machine, other crates' types.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::paths::named_paths;
use super::source::{File, Violation, closing};
use super::token::Token;

/// Folders of the machine this was written on, put together so that this very
/// file does not name them.
fn machine_folders() -> [String; 3] {
    let slash = '/';
    ["work/", "farm/", "root"].map(|folder| format!("{slash}{folder}"))
}

/// No tracked text names a folder of the machine it was written on.
pub(crate) fn machine_paths(files: &[(String, String)]) -> Vec<Violation> {
    let needles = machine_folders();
    let mut found = Vec::new();
    for (path, text) in files {
        for (at, line) in text.lines().enumerate() {
            let named = needles.iter().filter(|needle| line.contains(*needle));
            found.extend(named.map(|needle| Violation {
                rule: "machine paths",
                place: format!("{path}:{}", at + 1),
                what: format!("names `{needle}`"),
            }));
        }
    }
    found
}

/// Path and text of every text file that git tracks below `root`; outside of
/// a repository (an unpacked package), of every one there is.
pub(crate) fn tracked(root: &Path) -> Vec<(String, String)> {
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let names = match git {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            text.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => walk(root),
    };
    let read = |name: String| {
        let text = fs::read_to_string(root.join(&name)).ok()?;
        Some((name, text))
    };
    names.into_iter().filter_map(read).collect()
}

fn walk(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if !path.is_dir() {
                let name = path.strip_prefix(root).expect("below the root");
                names.push(name.to_string_lossy().into_owned());
            } else if !path.ends_with("target") && !path.ends_with(".git") {
                folders.push(path);
            }
        }
    }
    names
}

/// Crates we build on and may want to replace.
const INNER_CRATES: [&str; 2] = ["corosensei", "polling"];

/// No public signature names a type of an inner crate.
pub(crate) fn surface(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let imported: Vec<String> = named_paths(&file.shipped)
            .into_iter()
            .filter(|path| INNER_CRATES.contains(&path.segments[0].as_str()))
            .filter_map(|path| path.alias)
            .collect();
        let inner = |token: &&Token| {
            INNER_CRATES.contains(&token.text.as_str()) || imported.contains(&token.text)
        };
        for (at, token) in file.shipped.iter().enumerate() {
            if !token.is("pub") || file.shipped.get(at + 1).is_none_or(|t| t.is("(")) {
                continue;
            }
            let signature = signature(&file.shipped[at + 1..]);
            if let Some(leak) = signature.iter().find(inner) {
                let what = format!("`{}` in a public signature", leak.text);
                found.push(file.at("surface", leak.line, what));
            }
        }
    }
    found
}

/// The public part of the item or field that follows a `pub`.
fn signature(code: &[Token]) -> &[Token] {
    let end_at = |stops: &[&str]| {
        let stop = code.iter().position(|t| stops.contains(&t.text.as_str()));
        &code[..stop.unwrap_or(code.len())]
    };
    match code[0].text.as_str() {
        // Private fields of a tuple are nobody's business; a public one has
        // its own `pub`.
        "struct" => end_at(&["{", ";", "("]),
        "enum" | "trait" => {
            let body = code.iter().position(|t| t.is("{"));
            body.map_or(code, |open| &code[..closing(code, open)])
        }
        "use" => end_at(&[";"]),
        // A value may be made from anything; its type may not.
        "const" | "static" => end_at(&["{", ";", "="]),
        "fn" | "unsafe" | "async" | "extern" | "type" | "mod" | "union" => end_at(&["{", ";"]),
        // A field, which ends at the comma that is not inside its type.
        _ => {
            let mut depth = 0i32;
            let stop = code.iter().position(|token| {
                match token.text.as_str() {
                    "(" | "[" | "<" => depth += 1,
                    ")" | "]" | ">" => depth -= 1,
                    "}" => depth = -1,
                    "," if depth == 0 => depth = -1,
                    _ => {}
                }
                depth < 0
            });
            &code[..stop.unwrap_or(code.len())]
        }
    }
}
