//! Running programs.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program ended with an error: what was typed, and what it said.
#[derive(Debug)]
pub struct Failed {
    /// The command line.
    pub command: String,
    /// What it wrote to its error output.
    pub stderr: String,
    /// What it wrote to its output.
    pub stdout: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "`{}` failed:\n{}{}", self.command, self.stdout, self.stderr)
    }
}

impl std::error::Error for Failed {}

/// The longest that a program may take, in seconds, as `timeout` takes it.
const LIMIT_SECONDS: &str = "300";

/// The root of the checkout.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(PathBuf::from).unwrap_or(tests)
}

/// Runs a program of the PATH in the root of the checkout and gives what it printed.
///
/// # Errors
/// If it cannot be started, takes longer than 300 s or ends with another code than 0.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    run_with_input(program, arguments, "")
}

/// As [`run`], with text on its standard input.
///
/// # Errors
/// If it cannot be started, takes longer than 300 s or ends with another code than 0.
pub fn run_with_input(program: &str, arguments: &[&str], input: &str) -> Result<String, Failed> {
    let failed = |stderr: String, stdout: String| Failed {
        command: std::iter::once(program).chain(arguments.iter().copied()).collect::<Vec<_>>().join(" "),
        stderr,
        stdout,
    };
    let not_run = |error: std::io::Error| failed(error.to_string(), String::new());
    let mut child = Command::new("timeout")
        .args([LIMIT_SECONDS, program])
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading all of its input says why by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(not_run)?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned(), stdout))
    }
}
