//! Depends on greenroom and never mentions it: nothing of it is linked.

mod plain;

fn main() {
    print!("{}", plain::report());
}
