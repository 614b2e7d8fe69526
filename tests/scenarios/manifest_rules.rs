//! The API server refuses what the table of manifest cases says, in its words.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::{Failed, Installation, Namespace, repository, run_with_input};

/// The table that `DataStream::validate()` is tested by, too.
const CASES: &str = "catalog/tests/manifest_cases.yaml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    manifest: Value,
    update: Option<Value>,
    refused: Option<String>,
}

#[test]
fn api_server_judges_every_case_as_the_table_says() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("rules")?;
    let cases: Vec<Case> = serde_yaml::from_str(&std::fs::read_to_string(repository().join(CASES))?)?;
    ensure!(cases.len() > 40, "{CASES} has only {} cases", cases.len());

    // Without operator, or it would begin to build what is only written down to be changed.
    installation.scale("operator", 0)?;
    let verdicts: Vec<_> = cases.iter().map(|case| case.judge(&namespace)).collect();
    installation.scale("operator", 1)?;
    let wrong: Vec<_> =
        verdicts.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    Ok(())
}

impl Case {
    fn judge(&self, namespace: &Namespace) -> Result<()> {
        let mut object = self.manifest.clone();
        object["apiVersion"] = json!("kinetes.dev/v1alpha1");
        object["kind"] = json!("DataStream");
        if object["metadata"].is_null() {
            object["metadata"] = json!({"name": "case"});
        }
        let answer = match &self.update {
            None => submit(namespace, &["create", "--dry-run=server"], &object),
            Some(update) => {
                submit(namespace, &["create"], &object).with_context(|| self.name.clone())?;
                let before = std::mem::replace(&mut object["spec"], update["spec"].clone());
                let answer = submit(namespace, &["replace", "--dry-run=server"], &object);
                object["spec"] = before;
                submit(namespace, &["delete"], &object)?;
                answer
            }
        };
        match (&self.refused, answer) {
            (None, Ok(_)) => Ok(()),
            (Some(part), Err(failed)) if failed.stderr.contains(part) => Ok(()),
            (None, Err(failed)) => Err(failed).with_context(|| format!("{}: refused", self.name)),
            (Some(_), Ok(_)) => Err(anyhow::anyhow!("{}: accepted", self.name)),
            (Some(part), Err(failed)) => {
                Err(failed).with_context(|| format!("{}: not said: {part:?}", self.name))
            }
        }
    }
}

fn submit(namespace: &Namespace, command: &[&str], object: &Value) -> Result<String, Failed> {
    let in_namespace = ["--namespace", &namespace.name];
    run_with_input("kubectl", &[&in_namespace, command, &["--filename", "-"]].concat(), &object.to_string())
}
