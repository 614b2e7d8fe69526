//! A namespace for one scenario.

use std::ops::Deref;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::shell::Failed;
use crate::{Kubectl, until};

/// A namespace that enforces the restricted Pod Security Standard, with `kubectl` in it.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    kubectl: Kubectl,
}

impl Namespace {
    /// Makes it.
    ///
    /// # Errors
    /// If there is one of this name already.
    pub fn create(name: &str) -> Result<Self, Failed> {
        let kubectl = Kubectl::in_namespace(name);
        kubectl.run(&["create", "namespace", name])?;
        kubectl.run(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"])?;
        // What every namespace gets by itself is there from the start for whoever compares.
        kubectl.run(&["wait", "configmap/kube-root-ca.crt", "--for=create", "--timeout=60s"])?;
        Ok(Self { name: name.into(), kubectl })
    }

    /// UID and restart count of the only pod.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn only_pod(&self) -> Result<(String, String)> {
        let pods = self.list("pods", &[])?;
        ensure!(pods.len() == 1, "{} pods", pods.len());
        let restarts = &pods[0]["status"]["containerStatuses"][0]["restartCount"];
        Ok((pods[0]["metadata"]["uid"].to_string(), restarts.to_string()))
    }

    /// Deletes the only pod and waits until another one is made.
    ///
    /// # Errors
    /// If none is.
    pub fn replace_only_pod(&self) -> Result<()> {
        let (before, _) = self.only_pod()?;
        self.run(&["delete", "pods", "--all"])?;
        until("a new pod", Duration::from_secs(90), || Ok((self.only_pod()?.0 != before).then_some(())))
    }
}

impl Deref for Namespace {
    type Target = Kubectl;

    fn deref(&self) -> &Kubectl {
        &self.kubectl
    }
}
