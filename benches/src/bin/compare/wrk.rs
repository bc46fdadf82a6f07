//! wrk, as what keeps an HTTP server busy.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use greenroom_bench::protocol::Outcome;

/// How it is started.
pub(super) struct Wrk {
    url: String,
    connections: usize,
    /// Requests at once, and the script that asks so.
    script: Option<PathBuf>,
}

/// What came of a run.
pub(super) struct Answered {
    pub(super) rate: f64,
    pub(super) count: u64,
}

impl Wrk {
    /// # Errors
    /// The script cannot be written.
    pub(super) fn new(port: u16, connections: usize, pipelined: usize) -> Outcome<Wrk> {
        let url = format!("http://127.0.0.1:{port}/plaintext");
        let script = (pipelined > 1).then(|| write_script(pipelined)).transpose()?;
        Ok(Wrk { url, connections, script })
    }

    /// Runs for `time`, in whole seconds: it knows no others.
    ///
    /// # Errors
    /// It is not installed, or something was answered wrongly or not at all.
    pub(super) fn run(&self, time: Duration) -> Outcome<Answered> {
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--connections"]).arg(self.connections.to_string());
        command.arg("--duration").arg(format!("{}s", time.as_secs().max(1)));
        if let Some(script) = &self.script {
            command.arg("--script").arg(script);
        }
        let output = command.arg(&self.url).output().map_err(|e| format!("wrk: {e}"))?;
        if !output.status.success() {
            return Err(format!("wrk: {}", output.status).into());
        }
        read(&String::from_utf8_lossy(&output.stdout))
    }
}

/// Whether it is there at all.
pub(super) fn is_installed() -> bool {
    // Without a word it says how it is used, and fails.
    Command::new("wrk").output().is_ok()
}

fn write_script(pipelined: usize) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("pipelined.lua");
    let asks = format!(
        "init = function()\n  all = wrk.format():rep({pipelined})\nend\n\
         request = function() return all end\n"
    );
    fs::write(&path, asks)?;
    Ok(path)
}

fn read(text: &str) -> Outcome<Answered> {
    for trouble in ["Socket errors:", "Non-2xx"] {
        if let Some(line) = text.lines().find(|line| line.trim().starts_with(trouble)) {
            return Err(line.trim().to_owned().into());
        }
    }
    let line = |mark| text.lines().find(|line: &&str| line.contains(mark)).map(str::trim);
    let rate = line("Requests/sec:").and_then(|line| line.rsplit(' ').next());
    let count = line(" requests in ").and_then(|line| line.split(' ').next());
    let (rate, count) = rate.zip(count).ok_or("wrk says nothing that is understood")?;
    Ok(Answered { rate: rate.parse()?, count: count.parse()? })
}

#[test]
fn what_wrk_says_is_understood() {
    let said = "Running 1s test\n  1 threads\n  20503 requests in 1.10s, 2.42MB read\n\
                Requests/sec:  18639.21\nTransfer/sec: 2.2MB\n";
    let answered = read(said).unwrap();
    assert_eq!((answered.rate, answered.count), (18639.21, 20503));
    let bad = format!("{said}  Socket errors: connect 0, read 3, write 0, timeout 0\n");
    assert!(read(&bad).err().unwrap().to_string().contains("read 3"));
    assert!(read("usage").is_err());
}
