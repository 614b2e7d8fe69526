//! The README does what it says.

use anyhow::{Context, Result, ensure};
use tests::{Kubectl, repository, run_with_input};

/// The heading under which the README tells users what to type.
const PART: &str = "## Use it in a cluster";

#[test]
fn readme_works_as_it_is_printed() -> Result<()> {
    let readme = std::fs::read_to_string(repository().join("README.md"))?;
    let script = commands(&readme)?;
    let python = std::env::var("KINETES_PYTHON").context("KINETES_PYTHON is not set")?;
    // Only the PATH is set up beforehand: `aws` as an installed AWS CLI.
    let prelude = format!("set -euxo pipefail\nexport PATH={python}/bin:$PATH\ntrap 'kill $(jobs -p)' ERR\n");
    let output = run_with_input("bash", &["-s"], &(prelude + &script + "\nwait\n"))?;
    // What the README puts, as `get-records` prints it: "hello, stream" in base64.
    ensure!(output.contains("aGVsbG8sIHN0cmVhbQ=="), "the record did not come back:\n{output}");
    let everything = Kubectl::in_namespace("default").run(&[
        "get",
        "crds,clusterroles,clusterrolebindings",
        "-o",
        "name",
    ])?;
    ensure!(!everything.contains("kinetes"), "uninstalled, and yet there:\n{everything}");
    Ok(())
}

/// All `sh` blocks of the part, in order.
fn commands(readme: &str) -> Result<String> {
    let (_, part) = readme.split_once(&format!("\n{PART}\n")).with_context(|| format!("no {PART:?}"))?;
    let part = part.split("\n## ").next().unwrap_or(part);
    let blocks = part.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap_or(rest));
    let script = blocks.collect::<Vec<_>>().join("\n");
    ensure!(!script.is_empty(), "{PART:?} has no commands");
    Ok(script)
}
