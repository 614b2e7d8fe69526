//! The API server's audit log: every request that changes something.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// The audit log of the cluster, from the moment at which it was opened.
#[derive(Debug)]
pub struct AuditLog {
    file: PathBuf,
    begin: u64,
}

/// A request that changed, or would have changed, something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutation {
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The resource with its subresource: `pods`, `datastreams/status`.
    pub resource: String,
    /// The object's name, where the request had one.
    pub name: String,
}

impl AuditLog {
    /// From now on.
    ///
    /// # Errors
    /// If `KINETES_AUDIT_LOG` names no readable file; `tests/run` sets it.
    pub fn from_now() -> Result<Self> {
        let file = PathBuf::from(std::env::var("KINETES_AUDIT_LOG").context("KINETES_AUDIT_LOG is not set")?);
        let begin = fs::metadata(&file).with_context(|| format!("no audit log at {}", file.display()))?.len();
        Ok(Self { file, begin })
    }

    /// What this user has asked for since, with how often. The user of a ServiceAccount is
    /// `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// # Errors
    /// If the log cannot be read or a whole line of it is no JSON.
    pub fn mutations_of(&self, user: &str) -> Result<BTreeMap<Mutation, u32>> {
        self.count(user, |_| true)
    }

    /// What this user has asked for since and was not allowed, with how often.
    ///
    /// # Errors
    /// If the log cannot be read or a whole line of it is no JSON.
    pub fn forbidden_to(&self, user: &str) -> Result<BTreeMap<Mutation, u32>> {
        self.count(user, |event| event["responseStatus"]["code"] == 403)
    }

    fn count(&self, user: &str, counts: impl Fn(&Value) -> bool) -> Result<BTreeMap<Mutation, u32>> {
        let log = fs::read(&self.file)?;
        let since = String::from_utf8_lossy(&log[usize::try_from(self.begin)?..]).into_owned();
        let whole = since.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut mutations = BTreeMap::new();
        for line in whole.lines() {
            let event: Value = serde_json::from_str(line)?;
            if event["user"]["username"] == user && counts(&event) {
                *mutations.entry(Mutation::of(&event)).or_default() += 1;
            }
        }
        Ok(mutations)
    }
}

impl Mutation {
    fn of(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let subresource = object["subresource"].as_str().map_or_else(String::new, |name| format!("/{name}"));
        Self {
            verb: text(&event["verb"]),
            resource: text(&object["resource"]) + &subresource,
            name: text(&object["name"]),
        }
    }
}
