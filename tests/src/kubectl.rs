//! `kubectl` in one namespace.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell::{Failed, run, run_with_input};

/// `kubectl --namespace NAMESPACE`.
#[derive(Clone, Debug)]
pub struct Kubectl {
    namespace: String,
}

impl Kubectl {
    /// For commands in this namespace.
    #[must_use]
    pub fn in_namespace(namespace: &str) -> Self {
        Self { namespace: namespace.into() }
    }

    /// Runs it with these arguments and gives what it printed.
    ///
    /// # Errors
    /// If it ends with another code than 0.
    pub fn run(&self, arguments: &[&str]) -> Result<String, Failed> {
        run("kubectl", &[&["--namespace", &self.namespace], arguments].concat())
    }

    /// Applies a manifest given as text.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn apply(&self, manifest: &str) -> Result<String, Failed> {
        run_with_input("kubectl", &["--namespace", &self.namespace, "apply", "--filename", "-"], manifest)
    }

    /// The objects of a kind (or kinds, separated by commas), with further arguments like `--selector`.
    ///
    /// # Errors
    /// If it fails or prints no list.
    pub fn list(&self, kinds: &str, arguments: &[&str]) -> Result<Vec<Value>> {
        let text = self.run(&[&["get", kinds, "--output", "json"], arguments].concat())?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().context("kubectl printed no list")?.clone())
    }

    /// One object.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, kind: &str, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(&["get", kind, name, "--output", "json"])?)?)
    }

    /// Waits for a condition of an object, by `kubectl wait`.
    ///
    /// # Errors
    /// If it does not come in time; the error then shows the object.
    pub fn wait_for(&self, object: &str, condition: &str, seconds: u32) -> Result<()> {
        let (condition, timeout) = (format!("--for={condition}"), format!("--timeout={seconds}s"));
        let waited = self.run(&["wait", object, &condition, &timeout]);
        waited.map(drop).with_context(|| {
            self.run(&["get", object, "--output", "yaml"]).unwrap_or_else(|failed| failed.to_string())
        })
    }
}

/// The condition of this type in an object's status, or null.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}
