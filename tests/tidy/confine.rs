//! What is confined to a place: platform switches, exported symbols, waiting
//! through std, `unsafe` without its reason.

use std::collections::HashMap;

use super::paths::named_paths;
use super::source::{File, Violation, closing, is_test_only};
use super::token::Token;

/// `cfg(target_*)` lives in `sys` and `patch` only.
pub(crate) fn platform(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        if file.path.starts_with("src/sys/") || file.path.starts_with("src/patch/") {
            continue;
        }
        for (at, token) in file.tokens.iter().enumerate() {
            if !token.is("cfg") && !token.is("cfg_attr") {
                continue;
            }
            let bang = file.tokens.get(at + 1).is_some_and(|t| t.is("!"));
            let open = at + 1 + usize::from(bang);
            if !file.tokens.get(open).is_some_and(|t| t.is("(")) {
                continue;
            }
            let inside = &file.tokens[open..closing(&file.tokens, open)];
            if let Some(target) = inside.iter().find(|t| t.text.starts_with("target_")) {
                found.push(file.at("platform", target.line, target.text.clone()));
            }
        }
    }
    found
}

/// Symbols are exported by `patch` only.
pub(crate) fn exports(files: &[File]) -> Vec<Violation> {
    let elsewhere = files.iter().filter(|f| !f.path.starts_with("src/patch/"));
    elsewhere
        .flat_map(|file| {
            let exports = file.tokens.iter().filter(|token| is_export(token));
            exports.map(|t| file.at("exports", t.line, t.text.clone()))
        })
        .collect()
}

pub(crate) fn is_export(token: &Token) -> bool {
    token.is("no_mangle") || token.is("export_name")
}

/// What waits through std: on a green thread it would come back to the patch,
/// and in a worker it would stop everyone else.
const WAITS: &[(&str, &[&str])] = &[
    (
        "std::sync",
        &[
            "Mutex",
            "RwLock",
            "Condvar",
            "Barrier",
            "mpsc",
            "mpmc",
            "Once",
            "OnceLock",
            "LazyLock",
            "ReentrantLock",
            "nonpoison",
            "poison",
            "*",
        ],
    ),
    (
        "std::thread",
        &[
            "sleep",
            "sleep_ms",
            "sleep_until",
            "park",
            "park_timeout",
            "park_timeout_ms",
            "yield_now",
            "*",
        ],
    ),
];

/// `(file, path, reason)`: a use of std's waiting that is right where it is.
pub(crate) type Wait = (&'static str, &'static str, &'static str);

/// The runtime does not wait through std.
pub(crate) fn std_waits(files: &[File], allowed: &[Wait]) -> Vec<Violation> {
    const RULE: &str = "std waits";
    let mut used = Vec::new();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !is_test_only(files, file)) {
        for (name, line) in waits_in(&file.shipped) {
            let excuse = allowed.iter().find(|(path, what, _)| *path == file.path && *what == name);
            match excuse {
                Some(excuse) => used.push(excuse),
                None => found.push(file.at(RULE, line, name)),
            }
        }
    }
    let stale = allowed.iter().filter(|excuse| !used.contains(excuse));
    found.extend(stale.map(|(path, what, reason)| Violation {
        rule: RULE,
        place: (*path).to_owned(),
        what: format!("{what} needs no excuse any more: {reason}"),
    }));
    found
}

fn waits_in(code: &[Token]) -> Vec<(String, usize)> {
    let paths = named_paths(code);
    // What `use std::thread` and the like make of a first segment.
    let aliases: HashMap<&str, &[String]> = paths
        .iter()
        .filter(|path| path.alias.is_some())
        .map(|path| (path.alias.as_deref().unwrap(), path.segments.as_slice()))
        .collect();
    let mut found = Vec::new();
    for path in &paths {
        let expanded = match aliases.get(path.segments[0].as_str()) {
            Some(target) if path.alias.is_none() => [target, &path.segments[1..]].concat(),
            _ => path.segments.clone(),
        };
        let name = |upto: usize| expanded[..upto].join("::");
        for (module, members) in WAITS {
            if expanded.len() > 2 && name(2) == *module && members.contains(&&*expanded[2]) {
                found.push((name(3), path.line));
            }
        }
    }
    found
}

/// How far above an `unsafe` its reason may stand.
const REASON_LINES: usize = 8;

/// Every `unsafe` block and impl says `SAFETY:`; every `unsafe fn` and trait
/// says `# Safety` (or, if private, `SAFETY:`).
pub(crate) fn reasons_for_unsafe(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, token) in file.tokens.iter().enumerate() {
            if !token.is("unsafe") {
                continue;
            }
            let near = &lines[token.line.saturating_sub(REASON_LINES + 1)..token.line];
            let nearby = near.iter().any(|line| line.contains("SAFETY:"));
            let explained = match contract(&file.tokens[at + 1..]) {
                Contract::None => true,
                Contract::Kept => nearby,
                Contract::Asked => nearby || documented(&lines[..token.line]),
            };
            if !explained {
                found.push(file.at("unsafe", token.line, "`unsafe` without its reason"));
            }
        }
    }
    found
}

/// Which side of a safety contract an `unsafe` is on.
enum Contract {
    /// `unsafe { … }`, `unsafe impl`: keeps one.
    Kept,
    /// `unsafe fn name`, `unsafe trait`: asks its user to keep one.
    Asked,
    /// An attribute, a block of foreign declarations, a pointer's type.
    None,
}

fn contract(after: &[Token]) -> Contract {
    let text = |at: usize| after.get(at).map_or("", |token| token.text.as_str());
    let abi = text(0) == "extern";
    let named = abi && after.get(1).is_some_and(Token::is_string);
    let at = usize::from(abi) + usize::from(named);
    match text(at) {
        "{" if !abi => Contract::Kept,
        "impl" => Contract::Kept,
        "trait" => Contract::Asked,
        "fn" if text(at + 1) != "(" => Contract::Asked,
        _ => Contract::None,
    }
}

/// Whether the comments and attributes that end `lines` say `# Safety`.
fn documented(lines: &[&str]) -> bool {
    let (_, above) = lines.split_last().expect("the line of the item itself");
    above
        .iter()
        .rev()
        .map(|line| line.trim_start())
        .take_while(|line| line.starts_with("//") || line.starts_with("#["))
        .any(|line| line.contains("# Safety"))
}
