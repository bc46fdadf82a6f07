//! The JSON of a dump is JSON, and says what the dump says.

mod common;

use common::{until, workers};
use greenroom::inspect::{ThreadState, dump};
use std::collections::HashMap;
use std::time::Duration;

/// A value, read by the grammar of RFC 8259 as far as a dump needs it.
#[derive(Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(HashMap<String, Json>),
}

impl Json {
    fn parse(text: &str) -> Json {
        let mut rest = text;
        let value = Json::read(&mut rest);
        assert_eq!(rest, "", "nothing comes after the value");
        value
    }

    fn read(rest: &mut &str) -> Json {
        match rest.chars().next().expect("a value") {
            '{' => Json::Object(items(rest, '{', '}', |rest| {
                let name = string(rest);
                skip(rest, ":");
                (name, Json::read(rest))
            })),
            '[' => Json::List(items(rest, '[', ']', Json::read)),
            '"' => Json::Text(string(rest)),
            'n' => skip(rest, "null").then(Json::Null),
            't' => skip(rest, "true").then(Json::Bool(true)),
            'f' => skip(rest, "false").then(Json::Bool(false)),
            _ => {
                let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
                let number = rest[..end].parse().expect("a number");
                *rest = &rest[end..];
                Json::Number(number)
            }
        }
    }

    fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(all) => &all[name],
            other => panic!("{name} of {other:?}"),
        }
    }

    fn list(&self) -> &[Json] {
        match self {
            Json::List(all) => all,
            other => panic!("{other:?} is no list"),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Json::Number(n) => *n,
            other => panic!("{other:?} is no number"),
        }
    }
}

/// What was skipped, to go on with.
struct Skipped;

impl Skipped {
    fn then<T>(self, value: T) -> T {
        value
    }
}

fn skip(rest: &mut &str, what: &str) -> Skipped {
    *rest = rest.strip_prefix(what).unwrap_or_else(|| panic!("{what} before {rest}"));
    Skipped
}

fn items<T, C: FromIterator<T>>(
    rest: &mut &str,
    open: char,
    close: char,
    mut read: impl FnMut(&mut &str) -> T,
) -> C {
    skip(rest, &open.to_string());
    let mut all = Vec::new();
    while !rest.starts_with(close) {
        if !all.is_empty() {
            skip(rest, ",");
        }
        all.push(read(rest));
    }
    skip(rest, &close.to_string());
    all.into_iter().collect()
}

fn string(rest: &mut &str) -> String {
    skip(rest, "\"");
    let mut value = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().expect("an end") {
            '"' => break,
            '\\' => match chars.next().expect("an escape") {
                'u' => {
                    let code: String = chars.by_ref().take(4).collect();
                    value.extend(char::from_u32(u32::from_str_radix(&code, 16).unwrap()));
                }
                c => value.push(c),
            },
            c => {
                assert!(c >= ' ', "a bare control character");
                value.push(c);
            }
        }
    }
    *rest = chars.as_str();
    value
}

#[test]
fn it_is_json_with_the_same_content() {
    workers(2, || {
        let name = "quoted \"name\" \\ with \n a line".to_owned();
        let named = greenroom::Builder::new().name(name.clone());
        let parked = named.spawn(greenroom::park).unwrap();
        let sleepers: Vec<_> = (0..3)
            .map(|_| greenroom::spawn(|| greenroom::sleep(Duration::from_secs(3600))))
            .collect();
        let mut dumped = dump();
        until(|| {
            dumped = dump();
            // On a slow machine there may be no time left for a stack.
            let waiting = |t: &&greenroom::inspect::ThreadDump| {
                t.state == ThreadState::Waiting && t.backtrace.is_ok()
            };
            dumped.threads.iter().filter(waiting).count() == 4
        });
        let json = Json::parse(&dumped.to_json());
        let threads = json.get("threads").list();
        assert_eq!(threads.len(), 4);
        for (json, thread) in threads.iter().zip(&dumped.threads) {
            assert_eq!(json.get("id").number(), thread.id as f64);
            assert_eq!(json.get("state"), &Json::Text("waiting".into()));
            let age = thread.age.unwrap().as_secs_f64();
            assert!((json.get("age").number() - age).abs() < 1e-6);
            let site = thread.spawned_at.unwrap().to_string();
            assert_eq!(json.get("spawned_at"), &Json::Text(site));
            assert_eq!(json.get("waits_for").list().len(), 1);
        }
        let of = |id: u64| threads.iter().find(|t| t.get("id").number() == id as f64).unwrap();
        let it = of(parked.thread().id());
        assert_eq!(it.get("name"), &Json::Text(name));
        assert_eq!(it.get("waits_for").list()[0].get("unpark"), &Json::Bool(true));
        assert_eq!(it.get("deadline"), &Json::Null);
        // Two places: the index leads to the right one.
        let stacks = json.get("stacks").list();
        assert_eq!(stacks.len(), 2);
        let inner = |t: &Json| {
            let stack = stacks[t.get("stack").number() as usize].list();
            format!("{:?}", stack[0].get("function"))
        };
        assert!(inner(it).contains("park"));
        assert!(inner(of(sleepers[2].thread().id())).contains("until"));
        assert!(of(sleepers[0].thread().id()).get("deadline").number() > 1800.0);
    });
}
